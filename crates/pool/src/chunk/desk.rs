//! The desk: what a worker has at hand while it runs a task, for the functions of ours that are called as
//! those of the user are.

use std::cell::Cell;

use super::tray::Tray;
use crate::share::Share;

/// What lies at hand.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) tray: Tray,
    pub(crate) share: Share,
    /// Which handing-out of which task it is.
    pub(crate) ticket: u64,
    /// How many items of a chunk were done; `None` if it is no chunk.
    pub(crate) n_done: Option<u32>,
}

thread_local! {
    /// The worker's, while it runs a task.
    static DESK: Cell<Option<Box<Desk>>> = const { Cell::new(None) };
}

/// Runs a task with a desk at hand.
pub(crate) fn with<R>(desk: &mut Option<Box<Desk>>, task: impl FnOnce() -> R) -> R {
    DESK.set(desk.take());
    let result = task();
    *desk = DESK.take();
    result
}

/// Whether the task that runs is a chunk of which something was done.
pub(crate) fn is_of_chunk() -> bool {
    let desk = DESK.take();
    let is_of_chunk = desk.as_ref().is_some_and(|desk| desk.n_done.is_some());
    DESK.set(desk);
    is_of_chunk
}

/// Takes the desk to work at it; `None` if this is no worker.
pub(super) fn take() -> Option<Box<Desk>> {
    DESK.take()
}

/// Leaves it to whoever comes next.
pub(super) fn leave(desk: Option<Box<Desk>>) {
    DESK.set(desk);
}
