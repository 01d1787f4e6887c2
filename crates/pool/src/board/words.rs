//! The words of one worker on the board.
//!
//! They are written by the worker alone and read by the parent when the worker is dead, or to see what
//! goes on. That the parent sees the last values a worker wrote before its death follows from how it
//! learns of the death, from the kernel.
//!
//! | first word | meaning                                                   |
//! |------------|-----------------------------------------------------------|
//! | `0`        | no worker has come to work in this place yet              |
//! | `1`        | the worker is ready, and has begun nothing yet            |
//! | a ticket   | the last task that it has begun, before any of its code ran |
//! | `2^64 - 1` | the worker has answered what it had begun, begins nothing more, and ends |
//!
//! The second word is the time when it began that task, or one after it: it is written before the
//! first, so that whoever sees a ticket sees a time that is not before its task began.
//!
//! Two more are for people who look (`inspect`), and nothing rests on them: the number of the worker's
//! process, and the ticket of the last task that it has answered.
//!
//! One word is the parent's alone, and lies on a line of its own: the ticket of the last task whose result
//! it has copied off the worker's [shelf](crate::shelf). What lies there of that task and those before it may
//! be overwritten. It is zero before the worker is started.
//!
//! # Edges
//!
//! | edge | release | acquire | carries |
//! |------|---------|---------|---------|
//! | E1 | the worker writes a ticket | the parent reads it | the time when that task began |
//! | E2 | the parent writes which result it has copied | the worker reads it | that it reads no more of it |

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;

use crate::planted::board::{ACQUIRE, RELEASE, SAYS_WHAT_FIRST};

/// The first number of a ticket.
pub(crate) const FIRST_TICKET: u64 = 2;

pub(super) const NOBODY: u64 = 0;
pub(super) const READY: u64 = 1;
pub(super) const LEAVING: u64 = u64::MAX;

/// What a worker last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nothing: it has not come to work.
    Nothing,
    /// It is ready for its first task.
    Ready,
    /// It has begun the task with this ticket.
    Begun(u64),
    /// It begins nothing more, and is about to end.
    Leaving,
}

/// The words of one worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'b> {
    pub(crate) said: &'b AtomicU64,
    pub(crate) since: &'b AtomicU64,
    pub(crate) process: &'b AtomicU64,
    pub(crate) answered: &'b AtomicU64,
}

impl Words<'_> {
    /// Wipes the words for a worker that is about to be started.
    pub(crate) fn wipe(&self) {
        self.said.store(NOBODY, Relaxed);
    }

    /// The worker, the process with this number, is ready.
    pub(crate) fn say_ready(&self, pid: u32) {
        self.process.store(pid.into(), Relaxed);
        self.answered.store(NOBODY, Relaxed);
        self.said.store(READY, Relaxed);
    }

    /// The worker is about to run the task with this ticket, at this time.
    pub(crate) fn say_begun(&self, ticket: u64, now: u64) {
        if SAYS_WHAT_FIRST {
            self.said.store(ticket, Relaxed);
        }
        self.since.store(now, Relaxed);
        // E1 release
        self.said.store(ticket, RELEASE);
    }

    /// The worker has answered the task with this ticket.
    pub(crate) fn say_answered(&self, ticket: u64) {
        self.answered.store(ticket, Relaxed);
    }

    /// The worker begins nothing more.
    pub(crate) fn say_leaving(&self) {
        self.said.store(LEAVING, Relaxed);
    }

    /// When the worker began the task with this ticket, if it is at that one; never too early.
    pub(crate) fn begun_at(&self, ticket: u64) -> Option<u64> {
        // E1 acquire
        let is_at_it = self.said.load(ACQUIRE) == ticket;
        is_at_it.then(|| self.since.load(Relaxed))
    }

    /// What the worker last said.
    pub(crate) fn read(&self) -> Said {
        match self.said.load(Relaxed) {
            NOBODY => Said::Nothing,
            READY => Said::Ready,
            LEAVING => Said::Leaving,
            ticket => Said::Begun(ticket),
        }
    }
}

/// The parent has copied the result of the task with this ticket off the worker's shelf.
pub(crate) fn say_copied(word: &AtomicU64, ticket: u64) {
    // E2 release
    word.store(ticket, RELEASE);
}

/// Up to which ticket the parent has copied results off the worker's shelf.
pub(crate) fn copied(word: &AtomicU64) -> u64 {
    // E2 acquire
    word.load(ACQUIRE)
}
