//! Taking turns at changing something: a lock that survives its holder.
//!
//! It is [`RawLock`] with an end that cannot be forgotten on one of many ways out. Who takes a turn
//! after one that died finds everything whole: each change is one commit ([`super::Cell`]).
//!
//! # Safety
//!
//! What is unsafe is to let the kernel know the address of a word that may go away; [`Turn::take`]
//! and [`Turn::try_take`] leave that to their callers.

#![expect(unsafe_code, reason = "taking the lock hands its address to the kernel")]

use core::marker::PhantomData;
use std::thread;

use ipc_core::Deadline;
use ipc_core::robust::{RobustWord, Thread};
use ipc_sync::raw::{RawLock, Refused, Taken};

use super::planted::TURN_LOCKS;

/// The turn of the calling thread, until it is dropped.
///
/// In a forked child that inherited it, it is nobody's.
#[derive(Debug)]
#[must_use = "a turn that is dropped at once protects nothing"]
pub struct Turn<'w> {
    line: &'w RobustWord,
    /// The kernel knows the thread that has it.
    not_send: PhantomData<*const ()>,
}

impl<'w> Turn<'w> {
    /// Waits for its turn until `deadline`, and says whether the last who had it died.
    ///
    /// # Errors
    ///
    /// As [`RawLock::lock`].
    ///
    /// # Safety
    ///
    /// As for [`RawLock::lock`].
    #[inline]
    pub unsafe fn take(line: &'w RobustWord, deadline: Deadline) -> Result<(Self, Taken), Refused> {
        let taken = if TURN_LOCKS {
            // SAFETY: the caller vouches for the word.
            unsafe { RawLock::new(line).lock(Thread::current(), deadline) }?
        } else {
            Taken::Clean
        };
        Ok((Self { line, not_send: PhantomData }, taken))
    }

    /// Makes one step in a turn of its own, which costs less than a turn that lasts; `None` if that is done.
    /// Else it has its turn now: it had to wait for it, or `step` says that it has not made the step.
    ///
    /// # Errors
    ///
    /// As [`RawLock::lock`].
    ///
    /// # Safety
    ///
    /// As for [`RawLock::lock_for`].
    #[inline]
    pub unsafe fn take_for(
        line: &'w RobustWord,
        step: impl FnOnce() -> bool,
    ) -> Result<Option<Self>, Refused> {
        let (lock, me) = (RawLock::new(line), Thread::current());
        // SAFETY: the caller vouches for the word and the step.
        let taken = unsafe { lock.lock_for(me, Deadline::NEVER, step) }?;
        Ok(taken.map(|_| Self { line, not_send: PhantomData }))
    }

    /// Takes the turn if nobody has it.
    ///
    /// # Errors
    ///
    /// As [`RawLock::try_lock`].
    ///
    /// # Safety
    ///
    /// As for [`RawLock::lock`].
    #[inline]
    pub unsafe fn try_take(line: &'w RobustWord) -> Result<(Self, Taken), Refused> {
        // SAFETY: the caller vouches for the word.
        let taken = unsafe { RawLock::new(line).try_lock(Thread::current()) }?;
        Ok((Self { line, not_send: PhantomData }, taken))
    }

    /// Whether it is the calling thread's turn: in a forked child that inherited it, it is not.
    #[inline]
    #[must_use]
    pub fn is_mine(&self) -> bool {
        Thread::current().holds(self.line)
    }
}

impl Drop for Turn<'_> {
    #[inline]
    fn drop(&mut self) {
        // A modelled death unwinds, and the dead do nothing.
        if cfg!(ipc_loom) && thread::panicking() {
            return;
        }
        RawLock::new(self.line).unlock(Thread::current());
    }
}
