//! All ways to wait for a condition.
//!
//! # Safety
//!
//! What the engine asks for is that the words of the condition and of the lock stay mapped while
//! they are held or pending. Held words stay mapped whatever becomes of handles and guards (P1 of
//! `place.rs`); those that are pending are borrowed meanwhile, through the condition and the guard.

#![expect(unsafe_code, reason = "promises the engine that the words stay mapped")]

use core::time::Duration;

use ipc_core::Deadline;
use ipc_core::robust::Thread;

use super::guards::KEY;
use super::{Condition, ConditionGuard, WaitError};
use crate::raw::{NotWaited, WaitEnd};

impl Condition {
    /// Gives the lock back, sleeps until somebody notifies, and takes the lock again.
    ///
    /// It may wake up without having been notified: look whether there is still reason to wait.
    ///
    /// # Errors
    ///
    /// [`WaitError::OwnerDied`] and [`WaitError::Poisoned`], with the lock held, tell what became of
    /// the lock meanwhile. [`WaitError::NotHeld`] if the calling thread did not hold it.
    /// [`WaitError::TooManyHeld`]: a thread that waits holds one lock more. [`WaitError::Corrupt`].
    pub fn wait<G: ConditionGuard>(&self, guard: G) -> Result<G, WaitError<G::Recovery>> {
        Ok(self.wait_deadline(guard, Deadline::NEVER)?.0)
    }

    /// Gives the lock back, sleeps until somebody notifies, for at most `timeout`, and takes the
    /// lock again.
    ///
    /// The timeout is for the notification; the lock is waited for as long as it takes. Who is
    /// notified at that moment is not timed out.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait). That time ran out is no error.
    pub fn wait_timeout<G: ConditionGuard>(
        &self,
        guard: G,
        timeout: Duration,
    ) -> Result<(G, WaitEnd), WaitError<G::Recovery>> {
        self.wait_deadline(guard, Deadline::after(timeout))
    }

    /// Gives the lock back, sleeps until somebody notifies, or `deadline` comes, and takes the lock
    /// again.
    ///
    /// # Errors
    ///
    /// As [`wait_timeout`](Self::wait_timeout).
    pub fn wait_deadline<G: ConditionGuard>(
        &self,
        guard: G,
        deadline: Deadline,
    ) -> Result<(G, WaitEnd), WaitError<G::Recovery>> {
        let outer = guard.outer(KEY);
        // SAFETY: the words of the condition are borrowed, and those of the lock through the guard;
        // what is held when the thread dies stays mapped: P1.
        let waited = unsafe { self.raw().wait(Thread::current(), outer, deadline) };
        match waited {
            Ok((end, taken)) => Ok((guard.renew(taken, KEY)?, end)),
            // The guard gives back what it holds, if it holds anything.
            Err(NotWaited::NotHeld) => Err(WaitError::NotHeld),
            Err(NotWaited::TooManyHeld) => Err(WaitError::TooManyHeld),
            Err(NotWaited::Corrupt) => Err(WaitError::Corrupt),
        }
    }

    /// Waits as long as `is_blocked` says so of the value under the lock.
    ///
    /// The value is the mutex's; under a lock on nothing in particular it is `()`.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use ipc_sync::{Condition, Mutex};
    ///
    /// let (state, changed) = (Mutex::new([3_u32, 4])?, Condition::new()?);
    /// let state = changed.wait_while(state.lock().unwrap(), |[free, _]| *free == 0).unwrap();
    /// assert_eq!(state[0], 3);
    /// # Ok::<(), ipc_core::SegmentError>(())
    /// ```
    #[doc(alias = "wait_for")]
    pub fn wait_while<G: ConditionGuard>(
        &self,
        guard: G,
        is_blocked: impl FnMut(&mut G::Value) -> bool,
    ) -> Result<G, WaitError<G::Recovery>> {
        Ok(self.wait_while_deadline(guard, Deadline::NEVER, is_blocked)?.0)
    }

    /// Waits as long as `is_blocked` says so of the value under the lock, for at most `timeout`.
    ///
    /// [`WaitEnd::TimedOut`] means that it still said so when the time had run out.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait). That time ran out is no error.
    #[doc(alias = "wait_timeout_while")]
    pub fn wait_while_timeout<G: ConditionGuard>(
        &self,
        guard: G,
        timeout: Duration,
        is_blocked: impl FnMut(&mut G::Value) -> bool,
    ) -> Result<(G, WaitEnd), WaitError<G::Recovery>> {
        self.wait_while_deadline(guard, Deadline::after(timeout), is_blocked)
    }

    /// Waits as long as `is_blocked` says so of the value under the lock, until `deadline` at most.
    ///
    /// # Errors
    ///
    /// As [`wait_while_timeout`](Self::wait_while_timeout).
    pub fn wait_while_deadline<G: ConditionGuard>(
        &self,
        mut guard: G,
        deadline: Deadline,
        mut is_blocked: impl FnMut(&mut G::Value) -> bool,
    ) -> Result<(G, WaitEnd), WaitError<G::Recovery>> {
        let mut end = WaitEnd::Notified;
        while guard.ask(&mut is_blocked, KEY) {
            if end.is_timed_out() {
                return Ok((guard, end));
            }
            (guard, end) = self.wait_deadline(guard, deadline)?;
        }
        Ok((guard, WaitEnd::Notified))
    }
}
