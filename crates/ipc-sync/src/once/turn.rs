//! `OnceTurn`: the turn of one thread to do what is to be done once, and what it is told.

use core::fmt;
use core::marker::PhantomData;

use ipc_core::robust::Thread;

use super::{Once, OnceError};

/// What became of earlier attempts, told to whoever makes the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnceState {
    deaths: u32,
    failures: u64,
}

/// The turn of the calling thread to do what is to be done once.
///
/// [Complete](Self::complete) it when it is done. Dropping it gives up: the next who comes begins
/// anew. In a forked child that inherited it, it does nothing. If it is forgotten, the others wait
/// until the thread ends, and then take over from a dead one.
#[must_use = "a turn that is dropped at once is given up"]
pub struct OnceTurn<'once> {
    once: &'once Once,
    state: OnceState,
    /// The kernel knows the thread that is at it, so no other can end it.
    not_send: PhantomData<*const ()>,
}

impl OnceState {
    /// How many died while they were at it, as far as those who came after them have told.
    #[must_use]
    pub const fn deaths(self) -> u32 {
        self.deaths
    }

    /// How many failed or panicked.
    #[must_use]
    pub const fn failures(self) -> u64 {
        self.failures
    }

    /// Whether nobody has tried before.
    #[must_use]
    pub const fn is_first_try(self) -> bool {
        self.deaths == 0 && self.failures == 0
    }
}

impl<'once> OnceTurn<'once> {
    /// The turn of the calling thread, which has just begun.
    pub(super) fn of(once: &'once Once) -> Self {
        let raw = once.raw();
        let state = OnceState { deaths: raw.deaths(), failures: raw.failures() };
        Self { once, state, not_send: PhantomData }
    }

    /// What became of earlier attempts.
    #[must_use]
    pub const fn state(&self) -> OnceState {
        self.state
    }

    /// Says that it is done: the commit point.
    ///
    /// # Errors
    ///
    /// [`OnceError::NotHeld`] in a forked child, which inherited the turn and does not have it.
    pub fn complete(self) -> Result<(), OnceError> {
        // Dropped afterwards, when there is nothing left to give up.
        self.once.raw().complete(Thread::current()).map_err(|_| OnceError::NotHeld)
    }
}

impl Drop for OnceTurn<'_> {
    fn drop(&mut self) {
        self.once.raw().give_up(Thread::current());
    }
}

impl fmt::Debug for OnceTurn<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OnceTurn").field("state", &self.state).finish_non_exhaustive()
    }
}
