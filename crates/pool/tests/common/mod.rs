//! What the tests of this crate share.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "each test binary uses a part of it"
)]

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::time::Duration;

use ipc_core::wire::Handle;
use pool::{Pool, WorkerState};
use testkit::Watchdog;

pub(crate) fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(100), what)
}

pub(crate) fn pool(n_workers: usize) -> Pool {
    Pool::builder().workers(n_workers).build().unwrap()
}

pub(crate) fn square(x: u64) -> u64 {
    x * x
}

/// Something that tasks wait at until the test opens it.
pub(crate) struct Gate {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        Self { reader, writer }
    }

    /// What a task gets; see [`pass`].
    pub(crate) fn handle(&self) -> Handle {
        OwnedFd::from(self.reader.try_clone().unwrap()).into()
    }

    /// Lets so many tasks pass.
    pub(crate) fn open(&self, n_tasks: usize) {
        (&self.writer).write_all(&vec![1; n_tasks]).unwrap();
    }
}

/// Waits at a gate; returns the number of the process.
pub(crate) fn pass(gate: Handle) -> u32 {
    File::from(OwnedFd::from(gate)).read_exact(&mut [0]).unwrap();
    proc_core::current().pid()
}

/// Waits until so many workers are running a task.
pub(crate) fn wait_until_running(pool: &Pool, n_running: usize) {
    wait_until(pool, |pool| pool.stats().running == n_running);
}

/// Waits until all workers are idle.
pub(crate) fn wait_until_idle(pool: &Pool) {
    wait_until(pool, |pool| {
        let idle = |worker: &pool::WorkerStats| worker.state == WorkerState::Idle;
        pool.stats().workers.iter().all(idle)
    });
}

/// Waits until something is so; the watchdog ends what never comes.
pub(crate) fn wait_until(pool: &Pool, is_so: impl Fn(&Pool) -> bool) {
    while !is_so(pool) {
        testkit::clock::pause(Duration::from_micros(200));
    }
}
