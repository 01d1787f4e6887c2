//! Mutex: a value in shared memory that one thread at a time may change.
//!
//! # States of the value
//!
//! | state | who finds it | what it takes |
//! |-------|--------------|---------------|
//! | consistent | `Ok(guard)` | – |
//! | a holder died | the next to take the lock: `OwnerDied` | `recover` or `mark_consistent`: consistent |
//! | poisoned | everybody after that, if nobody repaired it: `Poisoned` | the same |
//! | corrupt | everybody, while the bytes are no `T`: `Corrupt` | `reset` |
//!
//! A death shows in the lock's word, by the kernel's hand. Whoever takes the word then notes in the
//! line that the value is poisoned before anything else, so that the state outlasts its guard; if
//! it dies before, the kernel marks the word again. Only `recover`, `mark_consistent` and `reset`
//! take the note back. A guard that is dropped by a panic notes it too.
//!
//! | file | job |
//! |------|-----|
//! | `mod` | taking the lock, and the state of the value |
//! | `place` | where a mutex lies: making one, finding one, and of which type it is |
//! | `value` | the bytes of the value |
//! | `guard` | lending the value |

mod guard;
mod place;
mod value;

use core::fmt;
use core::marker::PhantomData;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::{Deadline, Segment};

pub use guard::MutexGuard;
pub(crate) use place::KIND;

use crate::error::{LockError, TryLockError};
use crate::place::{LockStats, Place};
use crate::raw::{Refused, Taken};
use crate::recovery::Recovery;

/// A lock on a value in shared memory, held by one thread at a time.
///
/// Any number of processes may have handles to it; cloning a handle does not clone the value. The
/// value is plain data ([`bytemuck`]): it has no pointers and needs no drop. Prefer a queue if what
/// you share is work rather than state, and a [`Lock`](crate::Lock) if what you protect is no value.
///
/// The mutex is not fair: whoever is awake may take it before one who has slept for it. It is not to
/// be used in a signal handler.
///
/// # Trust
///
/// [`lock`](Self::lock) checks that the bytes are a valid `T` and then lends them as they lie in
/// shared memory, which is right among processes of one program: they may crash, but they keep to
/// the lock. Where a peer might write without holding the lock, use [`get`](Self::get),
/// [`set`](Self::set) and [`update`](Self::update), which copy first and check the copy.
///
/// # Process death
///
/// If a thread dies holding the mutex, the next [`lock`](Self::lock) returns
/// [`LockError::OwnerDied`] with a [`Recovery`]: it holds the lock, and the value may be half
/// changed. [`recover`](Recovery::recover) it, or [`mark it consistent`](Recovery::mark_consistent)
/// if it is. If that is not done, the mutex is poisoned, and everybody gets
/// [`LockError::Poisoned`] with the same means, until somebody does it. A panic while the mutex is
/// held poisons it as well. No waiter hangs. In a forked child the parent's guards do nothing.
///
/// The commit point of taking is the exchange that writes the holder's thread id; that of giving
/// back is the store that removes it.
///
/// # Examples
///
/// ```
/// use ipc_sync::{LockError, Mutex};
///
/// let total = Mutex::new(0_u64)?;
/// match total.lock() {
///     Ok(mut total) => *total += 1,
///     Err(LockError::OwnerDied(recovery)) => {
///         recovery.recover(|total| *total = 0);
///     }
///     Err(error) => return Err(error.without_lock().into()),
/// }
/// assert_eq!(total.update(|total| total * 10).unwrap(), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Mutex<T> {
    /// The value's bytes lie in the same segment, [`Self::VALUE_OFFSET`] bytes after the line.
    place: Place,
    value: PhantomData<T>,
}

impl<T: NoUninit + CheckedBitPattern> Mutex<T> {
    /// Takes the lock, waiting as long as it takes.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] or [`LockError::Poisoned`], with the means to go on, if the value
    /// may be half changed; [`LockError::Corrupt`] if its bytes are no `T`, see
    /// [`reset`](Self::reset). [`LockError::WouldDeadlock`] if the calling thread holds the mutex.
    /// [`LockError::TooManyHeld`].
    #[inline]
    #[doc(alias = "acquire")]
    pub fn lock(&self) -> Result<MutexGuard<'_, T>, LockError<Recovery<'_, T>>> {
        self.lock_deadline(Deadline::NEVER)
    }

    /// Takes the lock, waiting for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`], and as [`lock`](Self::lock).
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<MutexGuard<'_, T>, LockError<Recovery<'_, T>>> {
        match self.place.try_lock() {
            Ok(taken) => self.check(Ok(taken)),
            // Only who has to wait looks at the clock.
            Err(_) => self.lock_deadline(Deadline::after(timeout)),
        }
    }

    /// Takes the lock, waiting until `deadline` at most.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`], and as [`lock`](Self::lock).
    #[inline]
    pub fn lock_deadline(
        &self,
        deadline: Deadline,
    ) -> Result<MutexGuard<'_, T>, LockError<Recovery<'_, T>>> {
        self.check(self.place.lock(deadline))
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if it is not, and as [`lock`](Self::lock).
    #[inline]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError<Recovery<'_, T>>> {
        self.check(self.place.try_lock()).map_err(TryLockError::from)
    }

    /// Takes the lock for as long as it takes to copy the value.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    pub fn get(&self) -> Result<T, LockError<Recovery<'_, T>>> {
        let guard = self.acquire()?;
        self.read(&guard).ok_or(LockError::Corrupt)
    }

    /// Takes the lock for as long as it takes to replace the value.
    ///
    /// A mutex whose holder died is not set: its value may belong together with others that are
    /// half changed. The error has the means to set it all the same.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock), except that it does not care whether the bytes it overwrites are a
    /// `T`.
    pub fn set(&self, value: T) -> Result<(), LockError<Recovery<'_, T>>> {
        let _guard = self.acquire()?;
        self.write(&value);
        Ok(())
    }

    /// Takes the lock for as long as it takes to change the value; returns the new one.
    ///
    /// `change` gets a copy, and what it returns is written back. If it panics, nothing has changed.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    pub fn update(&self, change: impl FnOnce(T) -> T) -> Result<T, LockError<Recovery<'_, T>>> {
        let guard = self.acquire()?;
        let old = self.read(&guard).ok_or(LockError::Corrupt)?;
        let new = change(old);
        self.write(&new);
        Ok(new)
    }

    /// Takes the lock and replaces the value, whatever became of the old one.
    ///
    /// Afterwards the mutex is consistent.
    ///
    /// # Errors
    ///
    /// Only those of [`lock`](Self::lock) that do not concern the value.
    pub fn reset(&self, value: T) -> Result<MutexGuard<'_, T>, LockError<Recovery<'_, T>>> {
        let guard = match self.acquire() {
            Ok(guard) => guard,
            Err(LockError::OwnerDied(recovery) | LockError::Poisoned(recovery)) => {
                recovery.into_guard()
            }
            Err(other) => return Err(other),
        };
        self.write(&value);
        self.place.mark_consistent();
        Ok(guard.that_poisons())
    }

    /// Whether a thread holds the mutex, at the moment of asking.
    #[must_use]
    #[doc(alias = "locked")]
    pub fn is_locked(&self) -> bool {
        self.place.is_locked()
    }

    /// What there is to know about the mutex, at the moment of asking.
    #[must_use]
    #[doc(alias = "debug")]
    pub fn stats(&self) -> LockStats {
        self.place.stats()
    }

    /// The segment that the mutex lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.place.segment()
    }

    /// Where in the body of its segment the mutex lies.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.place.offset()
    }

    /// Takes the lock, and copies of the value only, so that a panic changes nothing.
    fn acquire(&self) -> Result<MutexGuard<'_, T>, LockError<Recovery<'_, T>>> {
        self.guard(self.place.lock(Deadline::NEVER)).map(MutexGuard::that_does_not_poison)
    }

    /// Lends the value if the lock was taken and the bytes are a `T`.
    #[inline]
    fn check(
        &self,
        taken: Result<Taken, Refused>,
    ) -> Result<MutexGuard<'_, T>, LockError<Recovery<'_, T>>> {
        let outcome = self.guard(taken);
        let held = match &outcome {
            Ok(_) | Err(LockError::OwnerDied(_) | LockError::Poisoned(_)) => true,
            Err(_) => false,
        };
        if held && !self.is_valid() { Err(LockError::Corrupt) } else { outcome }
    }

    /// Makes a guard if the lock was taken, and sees to the state of the value.
    #[inline]
    fn guard(
        &self,
        taken: Result<Taken, Refused>,
    ) -> Result<MutexGuard<'_, T>, LockError<Recovery<'_, T>>> {
        match taken {
            Ok(Taken::Clean) if !self.place.is_poisoned() => Ok(MutexGuard::new(self)),
            Ok(taken) => Err(self.inconsistent(taken)),
            Err(refused) => Err(refused.into()),
        }
    }

    #[cold]
    fn inconsistent(&self, taken: Taken) -> LockError<Recovery<'_, T>> {
        // First of all: whatever becomes of this thread, the state is told to the next.
        self.place.poison();
        let recovery = Recovery::new(MutexGuard::new(self));
        match taken {
            Taken::OwnerDied => LockError::OwnerDied(recovery),
            Taken::Clean => LockError::Poisoned(recovery),
        }
    }
}

impl<T> Clone for Mutex<T> {
    fn clone(&self) -> Self {
        Self { place: self.place.clone(), value: PhantomData }
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.place.stats();
        formatter
            .debug_struct("Mutex")
            .field("holder", &stats.holder)
            .field("waiters", &stats.waiters)
            .field("deaths", &stats.deaths)
            .field("is_poisoned", &stats.is_poisoned)
            .finish_non_exhaustive()
    }
}

// A panic while the mutex is held poisons it, so nobody finds a half-changed value unawares.
impl<T> UnwindSafe for Mutex<T> {}
impl<T> RefUnwindSafe for Mutex<T> {}
