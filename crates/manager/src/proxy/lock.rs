//! `Lock` and `RLock`, and their guards.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::Deadline;

use super::{proxy, this_thread};
use crate::client::{Argument, Handle};
use crate::error::{Error, LockError};
use crate::protocol::bytes::Reader;
use crate::protocol::methods::lock as methods;

proxy! {
    /// A lock in a manager, for programs that have no memory in common.
    ///
    /// Who waits for it gets it in the order of coming.
    ///
    /// # Process death
    ///
    /// If a holder dies, or loses its connection, the lock is free at once, and the next to lock it gets
    /// [`LockError::OwnerDied`] with the guard. A child that was forked while its parent held the lock
    /// has nothing of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::Manager;
    ///
    /// let manager = Manager::start()?;
    /// let lock = manager.lock()?;
    /// let guard = lock.lock()?;
    /// assert!(lock.is_locked()?);
    /// drop(guard);
    /// assert!(lock.try_lock().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Lock, "lock"
}

proxy! {
    /// A lock in a manager that a thread may take again when it has it.
    ///
    /// # Process death
    ///
    /// As with a [`Lock`].
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::Manager;
    ///
    /// let manager = Manager::start()?;
    /// let lock = manager.rlock()?;
    /// let outer = lock.lock()?;
    /// let inner = lock.lock()?;
    /// drop(outer);
    /// assert!(lock.is_locked()?);
    /// drop(inner);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    RLock, "rlock"
}

/// A lock that is held. It belongs to its thread.
#[derive(Debug)]
#[must_use = "a guard that is dropped frees the lock"]
pub struct LockGuard {
    _hold: Hold,
}

/// A lock that is held, perhaps not only by this. It belongs to its thread.
#[derive(Debug)]
#[must_use = "a guard that is dropped frees the lock"]
pub struct RLockGuard {
    _hold: Hold,
}

/// A hold of a lock, given back when it is dropped.
pub(super) struct Hold {
    pub(super) handle: Arc<Handle>,
    pub(super) number: u64,
    /// Whether the manager has it back already.
    pub(super) is_over: bool,
    /// It belongs to a thread.
    not_send: PhantomData<*const ()>,
}

/// What the manager says of a lock that it gives.
pub(super) struct Given {
    pub(super) hold: Hold,
    /// Whether the last holder was lost.
    pub(super) was_abandoned: bool,
    pub(super) is_notified: bool,
}

impl Given {
    pub(super) fn read(handle: Arc<Handle>, bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let number = reader.number()?;
        let (was_abandoned, is_notified) = (reader.byte()? != 0, reader.byte()? != 0);
        let hold = Hold { handle, number, is_over: false, not_send: PhantomData };
        Ok(Self { hold, was_abandoned, is_notified })
    }

    /// The guard, or the news of a death with it.
    pub(super) fn tell<G>(self, guard: impl FnOnce(Hold) -> G) -> Result<G, LockError<G>> {
        let guard = guard(self.hold);
        if self.was_abandoned { Err(LockError::OwnerDied(guard)) } else { Ok(guard) }
    }
}

/// Takes a lock.
pub(super) fn acquire(
    handle: &Arc<Handle>,
    is_reentrant: bool,
    deadline: Deadline,
) -> Result<Given, Error> {
    let here = handle.here()?;
    let argument = Argument::new().patience(deadline).flag(is_reentrant).number(this_thread());
    let got = here.call(methods::LOCK, argument)?;
    Given::read(here, got.bytes())
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.is_over {
            self.handle.tell(methods::UNLOCK, &Argument::new().number(self.number));
        }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hold").field("number", &self.number).finish_non_exhaustive()
    }
}

macro_rules! locking {
    ($lock:ident, $guard:ident, $is_reentrant:expr) => {
        impl $lock {
            /// Takes the lock, waiting for it.
            ///
            /// # Errors
            ///
            /// [`LockError::OwnerDied`] with the guard if the last holder died; in all other cases the lock
            /// is not held.
            pub fn lock(&self) -> Result<$guard, LockError<$guard>> {
                self.lock_deadline(Deadline::NEVER)
            }

            /// Takes the lock if it is free now.
            ///
            /// # Errors
            ///
            /// As [`lock`](Self::lock); [`Error::WouldBlock`] if it is not.
            pub fn try_lock(&self) -> Result<$guard, LockError<$guard>> {
                self.lock_deadline(Deadline::now())
            }

            /// Takes the lock, waiting for it for so long at most.
            ///
            /// # Errors
            ///
            /// As [`lock`](Self::lock); [`Error::TimedOut`] if it was not free in time.
            pub fn lock_timeout(&self, timeout: Duration) -> Result<$guard, LockError<$guard>> {
                self.lock_deadline(Deadline::after(timeout))
            }

            /// Takes the lock, waiting for it until the deadline.
            ///
            /// # Errors
            ///
            /// As [`lock_timeout`](Self::lock_timeout).
            pub fn lock_deadline(&self, deadline: Deadline) -> Result<$guard, LockError<$guard>> {
                acquire(&self.handle, $is_reentrant, deadline)?.tell(|_hold| $guard { _hold })
            }

            /// Whether somebody has the lock.
            ///
            /// # Errors
            ///
            /// [`Error`] says why there is no answer.
            pub fn is_locked(&self) -> Result<bool, Error> {
                self.handle.call(methods::IS_LOCKED, Argument::new())?.decode()
            }
        }
    };
}
locking!(Lock, LockGuard, false);
locking!(RLock, RLockGuard, true);
