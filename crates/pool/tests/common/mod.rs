//! What the tests of this crate share.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "each test binary uses a part of it"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use ipc_core::wire::Handle;
use pool::{Builder, Pool, WorkerState};
use proc_core::Start;
use testkit::Watchdog;

pub(crate) fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(100), what)
}

/// All ways in which workers can start.
pub(crate) const STARTS: [Start; 2] = [Start::ForkServer, Start::Spawn];

/// What makes a pool, for each way in which its workers can start.
pub(crate) fn builders() -> impl Iterator<Item = Builder> + Clone {
    STARTS.into_iter().map(|start| Pool::builder().start(start))
}

/// A pool for each way in which its workers can start.
pub(crate) fn pools(n_workers: usize) -> impl Iterator<Item = Pool> {
    builders().map(move |builder| builder.workers(n_workers).build().unwrap())
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

/// The children of this process, with what the kernel calls them.
pub(crate) fn children() -> Vec<(u32, String)> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = tasks.flat_map(|task| std::fs::read_to_string(task.path().join("children")));
    let lists: Vec<String> = lists.collect();
    let pids = lists.iter().flat_map(|list| list.split_whitespace()).flat_map(str::parse);
    let named = pids.flat_map(|pid: u32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        name.map(|name| (pid, name.trim_end().to_owned()))
    });
    named.collect()
}

/// How much memory this process has.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes << 10
}

/// How much memory is behind the sheets that this process has.
pub(crate) fn shelved_bytes() -> u64 {
    let sheets: BTreeMap<u64, u64> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .filter(|entry| {
            let path = std::fs::read_link(entry.path());
            path.is_ok_and(|path| path.to_string_lossy().starts_with("/memfd:multiproc sheet"))
        })
        .filter_map(|entry| std::fs::metadata(entry.path()).ok())
        .map(|sheet| (sheet.ino(), sheet.blocks() * 512))
        .collect();
    sheets.values().sum()
}
