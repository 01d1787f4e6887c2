//! `Condition`: waiting for news of what a lock protects.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::Deadline;

use super::lock::{Given, Hold, acquire};
use super::proxy;
use crate::client::Argument;
use crate::error::{Error, LockError};
use crate::protocol::methods::lock as methods;

proxy! {
    /// A condition in a manager, with a lock of its own.
    ///
    /// # Process death
    ///
    /// The lock is as a [`Lock`](crate::Lock). Who dies while it waits is forgotten, and a notification that
    /// it had, but not the lock, goes to another.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use manager::Manager;
    ///
    /// let manager = Manager::start()?;
    /// let condition = manager.condition()?;
    /// let mut guard = condition.lock()?;
    /// assert!(!guard.wait_timeout(Duration::from_millis(1))?);
    /// drop(guard);
    /// assert_eq!(condition.notify_all()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Condition, "condition"
}

/// A condition whose lock is held. It belongs to its thread.
#[must_use = "a guard that is dropped frees the lock"]
pub struct ConditionGuard {
    /// None while it waits, and if it lost the lock in waiting.
    hold: Option<Hold>,
}

impl Condition {
    /// Takes the lock, waiting for it.
    ///
    /// # Errors
    ///
    /// As [`Lock::lock`](crate::Lock::lock).
    pub fn lock(&self) -> Result<ConditionGuard, LockError<ConditionGuard>> {
        self.lock_deadline(Deadline::NEVER)
    }

    /// Takes the lock, waiting for it for so long at most.
    ///
    /// # Errors
    ///
    /// As [`Lock::lock_timeout`](crate::Lock::lock_timeout).
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<ConditionGuard, LockError<ConditionGuard>> {
        self.lock_deadline(Deadline::after(timeout))
    }

    /// Takes the lock, waiting for it until the deadline.
    ///
    /// # Errors
    ///
    /// As [`lock_timeout`](Self::lock_timeout).
    pub fn lock_deadline(
        &self,
        deadline: Deadline,
    ) -> Result<ConditionGuard, LockError<ConditionGuard>> {
        let given = acquire(&self.handle, false, deadline)?;
        given.tell(|hold| ConditionGuard { hold: Some(hold) })
    }

    /// Wakes one of those who wait, if there is one; how many. The lock need not be held.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer.
    #[doc(alias = "notify")]
    pub fn notify_one(&self) -> Result<u64, Error> {
        self.notify_n(1)
    }

    /// Wakes so many of those who wait at most; how many.
    ///
    /// # Errors
    ///
    /// As [`notify_one`](Self::notify_one).
    pub fn notify_n(&self, count: u64) -> Result<u64, Error> {
        self.handle.call(methods::NOTIFY, Argument::new().number(count))?.decode()
    }

    /// Wakes all who wait; how many.
    ///
    /// # Errors
    ///
    /// As [`notify_one`](Self::notify_one).
    pub fn notify_all(&self) -> Result<u64, Error> {
        self.notify_n(u64::MAX)
    }

    /// How many wait for a notification.
    ///
    /// # Errors
    ///
    /// As [`notify_one`](Self::notify_one).
    pub fn n_waiting(&self) -> Result<u64, Error> {
        self.handle.call(methods::N_WAITING, Argument::new())?.decode()
    }
}

impl ConditionGuard {
    /// Gives the lock up until a notification, and has it again.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] if somebody died who had the lock meanwhile: this has it now, and was
    /// notified or not. After any other error, it has not.
    pub fn wait(&mut self) -> Result<(), LockError<()>> {
        self.wait_deadline(Deadline::NEVER).map(drop)
    }

    /// Gives the lock up until a notification, for so long at most, and has it again; whether there was
    /// one.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<bool, LockError<()>> {
        self.wait_deadline(Deadline::after(timeout))
    }

    /// Gives the lock up until a notification, until the deadline, and has it again; whether there was one.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_deadline(&mut self, deadline: Deadline) -> Result<bool, LockError<()>> {
        let mut hold = self.hold.take().ok_or(Error::NotHeld)?;
        if deadline.is_past() {
            self.hold = Some(hold);
            return Ok(false);
        }
        let argument = Argument::new().patience(deadline).number(hold.number);
        // The time may be up before it is sent.
        let waited = hold.handle.call(methods::WAIT, argument);
        if matches!(waited, Err(Error::WouldBlock)) {
            self.hold = Some(hold);
            return Ok(false);
        }
        // The manager has taken it back.
        hold.is_over = true;
        let given = Given::read(Arc::clone(&hold.handle), waited?.bytes())?;
        let (is_notified, was_abandoned) = (given.is_notified, given.was_abandoned);
        self.hold = Some(given.hold);
        if was_abandoned { Err(LockError::OwnerDied(())) } else { Ok(is_notified) }
    }

    /// Waits as long as the condition holds.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    #[doc(alias = "wait_for")]
    pub fn wait_while(
        &mut self,
        mut condition: impl FnMut() -> Result<bool, Error>,
    ) -> Result<(), LockError<()>> {
        while condition()? {
            self.wait()?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConditionGuard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ConditionGuard").field("hold", &self.hold).finish()
    }
}
