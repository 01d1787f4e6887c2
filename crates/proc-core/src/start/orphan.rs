//! A child that ends when its parent does.
//!
//! The kernel's own means, `PR_SET_PDEATHSIG`, goes by the *thread* that started the child, so a
//! child would die with a thread of a parent that lives. Here a thread of the child waits on the
//! parent's descriptor. It came from the parent itself, so there is no moment at which the parent's
//! death could be missed.
//!
//! The thread blocks all signals and does nothing else. Yet a process with two threads it is, so it
//! cannot be forked with [`Start::Fork`](crate::Start::Fork).
//!
//! What is cheap only for a process with one thread is done before that thread is there: to join those
//! that take part in each other's fences, as all who open a queue do. A process with several threads
//! would have to wait then until every processor has been elsewhere, 10 to 20 ms.

use std::io;
use std::thread;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::primitive::join_heavy_fences;

use crate::current::Parent;
use crate::sys::{process, signal};

/// Sees to it that this process is killed as soon as its parent has ended.
pub(super) fn end_with(parent: Parent) -> io::Result<()> {
    /// Enough for a call of `poll`.
    const STACK_LEN: usize = 64 << 10;

    join_heavy_fences();
    let watch = move || loop {
        match parent.wait(Deadline::NEVER) {
            Ok(true) => signal::kill_self(),
            // No memory for the call now.
            Ok(false) | Err(_) => process::pause(Duration::from_millis(10)),
        }
    };
    let thread = thread::Builder::new().name("parent-watch".to_owned()).stack_size(STACK_LEN);
    signal::with_signals_blocked(|| thread.spawn(watch)).map(drop)
}
