//! `RwLock`: a value in shared memory that many may look at, and one at a time may change.
//!
//! | file | job |
//! |------|-----|
//! | `mod` | coming in, and the state of the value |
//! | `place` | where a lock lies: making one, finding one, of which type it is, and its value |
//! | `guard` | lending the value |
//! | `stats` | what a lock says about itself |
//!
//! # States of the value
//!
//! They are those of a [`Mutex`](crate::Mutex): consistent, a holder died, poisoned, corrupt. Only
//! who writes can leave it half changed, and only who writes can make it whole.
//!
//! # Invariants
//!
//! - R1: The lines lie in a segment, which stays mapped as long as a thread of this process holds one
//!   of them, whatever becomes of guards and handles: the robust list sees to that.
//!
//! # Safety
//!
//! What the engine asks for, that the lines stay mapped while they are held, is R1.

#![expect(unsafe_code, reason = "promises the engine that the lines stay mapped")]

mod guard;
mod place;
mod stats;

use core::marker::PhantomData;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::robust::{RobustWord, Thread};
use ipc_core::{Deadline, Placed, Segment};

pub use guard::{RwLockReadGuard, RwLockRecovery, RwLockWriteGuard};
pub(crate) use place::KIND;
pub use place::Readers;
pub use stats::RwLockStats;

use crate::error::{LockError, TryLockError};
use crate::raw::{RawRwLock, Refused, Share, Taken};

/// A lock on a value in shared memory, for many threads that look at it or one that changes it.
///
/// Any number of processes may have handles to it; cloning a handle does not clone the value. The
/// value is plain data ([`bytemuck`]), as that of a [`Mutex`](crate::Mutex), which is the better
/// choice where looking takes no longer than locking. `RwLock<()>` is a lock on nothing in
/// particular.
///
/// As soon as somebody wants to write, new readers wait behind it: readers that come and go do not
/// keep writers out. Among those who wait the lock is not fair. A thread that is inside, reading or
/// writing, cannot come in a second time: it would wait for itself as soon as a writer came in
/// between, so it is refused at once. It is not to be used in a signal handler.
///
/// Only so many can read at the same time as the lock was made for ([`Readers`], 16 unless told).
/// One more waits until one of them leaves, and whoever comes after it waits behind it.
///
/// # Trust
///
/// As with a [`Mutex`](crate::Mutex): the bytes are checked and then lent as they lie in shared
/// memory. [`get`](Self::get), [`set`](Self::set) and [`update`](Self::update) copy first and check
/// the copy.
///
/// # Process death
///
/// If a thread dies reading, its share is free at once, and nobody is told. If one dies writing, the
/// next to come in gets [`LockError::OwnerDied`]: for writing with a [`Recovery`](crate::Recovery)
/// as from a mutex; for reading with a guard to look at what was left. Until somebody who writes has
/// recovered the value, everybody gets [`LockError::Poisoned`] with the same. A panic while the lock
/// is held for writing poisons it as well. A thread that dies while it waits is not missed. In a
/// forked child the parent's guards do nothing.
///
/// The commit point of coming in to write is a store that says so, made when all readers are gone;
/// that of leaving is the store that takes it back. For a reader they are the exchanges that write
/// and remove its thread id.
///
/// # Examples
///
/// ```
/// use ipc_sync::RwLock;
///
/// let rates = RwLock::new([1.0, 1.1])?;
/// // … the handle goes to other processes …
/// let seen = *rates.read().unwrap();
/// rates.write().unwrap()[1] = 1.2;
/// assert_eq!(seen, [1.0, 1.1]);
/// assert_eq!(rates.get().unwrap(), [1.0, 1.2]);
/// # Ok::<(), ipc_core::SegmentError>(())
/// ```
pub struct RwLock<T> {
    writer: Placed<RobustWord>,
    /// Right behind; as many as [`Readers`] can be.
    slots: Placed<[RobustWord]>,
    value: PhantomData<T>,
}

/// What coming in to read comes to.
type Read<'lock, T> = Result<RwLockReadGuard<'lock, T>, LockError<RwLockReadGuard<'lock, T>>>;
/// What trying to come in to read comes to.
type TryRead<'lock, T> = Result<RwLockReadGuard<'lock, T>, TryLockError<RwLockReadGuard<'lock, T>>>;
/// What coming in to write comes to.
type Write<'lock, T> = Result<RwLockWriteGuard<'lock, T>, LockError<RwLockRecovery<'lock, T>>>;
/// What trying to come in to write comes to.
type TryWrite<'lock, T> =
    Result<RwLockWriteGuard<'lock, T>, TryLockError<RwLockRecovery<'lock, T>>>;

impl<T: NoUninit + CheckedBitPattern> RwLock<T> {
    /// Comes in to read, waiting as long as it takes.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] or [`LockError::Poisoned`], with the guard, if the value may be half
    /// changed; [`LockError::Corrupt`] if its bytes are no `T`, see [`reset`](Self::reset).
    /// [`LockError::WouldDeadlock`] if the calling thread is inside already, reading or writing.
    /// [`LockError::TooManyHeld`].
    #[expect(clippy::inline_always, reason = "a call costs a fifth of what coming in to read does")]
    #[inline(always)]
    #[doc(alias = "pthread_rwlock_rdlock")]
    pub fn read(&self) -> Read<'_, T> {
        self.read_deadline(Deadline::NEVER)
    }

    /// Comes in to read, waiting for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`], and as [`read`](Self::read).
    pub fn read_timeout(&self, timeout: Duration) -> Read<'_, T> {
        // SAFETY: the lines stay mapped until the words are given back: R1.
        match unsafe { self.raw().try_read(Thread::current()) } {
            Ok(came_in) => self.reader(Ok(came_in)),
            // Only who has to wait looks at the clock.
            Err(_) => self.read_deadline(Deadline::after(timeout)),
        }
    }

    /// Comes in to read, waiting until `deadline` at most.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`], and as [`read`](Self::read).
    #[expect(clippy::inline_always, reason = "a call costs a fifth of what coming in to read does")]
    #[inline(always)]
    pub fn read_deadline(&self, deadline: Deadline) -> Read<'_, T> {
        let me = Thread::current();
        // SAFETY: the lines stay mapped until the words are given back: R1.
        self.reader(unsafe { self.raw().read(me, deadline) })
    }

    /// Comes in to read if that takes no waiting.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if a writer is inside, waits, or is just looking whether it can
    /// come in, or if there are as many readers as there can be; and as [`read`](Self::read).
    #[inline]
    #[doc(alias = "pthread_rwlock_tryrdlock")]
    pub fn try_read(&self) -> TryRead<'_, T> {
        // SAFETY: the lines stay mapped until the words are given back: R1.
        let came_in = unsafe { self.raw().try_read(Thread::current()) };
        self.reader(came_in).map_err(TryLockError::from)
    }

    /// Comes in to write, waiting as long as it takes.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] or [`LockError::Poisoned`], with the means to go on, if the value
    /// may be half changed; [`LockError::Corrupt`] if its bytes are no `T`, see
    /// [`reset`](Self::reset). [`LockError::WouldDeadlock`] if the calling thread is inside already,
    /// reading or writing. [`LockError::TooManyHeld`].
    #[inline]
    #[doc(alias = "pthread_rwlock_wrlock")]
    pub fn write(&self) -> Write<'_, T> {
        self.write_deadline(Deadline::NEVER)
    }

    /// Comes in to write, waiting for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`], and as [`write`](Self::write).
    pub fn write_timeout(&self, timeout: Duration) -> Write<'_, T> {
        // SAFETY: the lines stay mapped until the words are given back: R1.
        match unsafe { self.raw().try_write(Thread::current()) } {
            Ok(taken) => self.writer(Ok(taken)),
            // Only who has to wait looks at the clock.
            Err(_) => self.write_deadline(Deadline::after(timeout)),
        }
    }

    /// Comes in to write, waiting until `deadline` at most.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`], and as [`write`](Self::write).
    #[inline]
    pub fn write_deadline(&self, deadline: Deadline) -> Write<'_, T> {
        // SAFETY: the lines stay mapped until the words are given back: R1.
        self.writer(unsafe { self.raw().write(Thread::current(), deadline) })
    }

    /// Comes in to write if that takes no waiting.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if somebody is inside, or is just looking whether it can come
    /// in; and as [`write`](Self::write).
    #[inline]
    #[doc(alias = "pthread_rwlock_trywrlock")]
    pub fn try_write(&self) -> TryWrite<'_, T> {
        // SAFETY: the lines stay mapped until the words are given back: R1.
        let came_in = unsafe { self.raw().try_write(Thread::current()) };
        self.writer(came_in).map_err(TryLockError::from)
    }

    /// Comes in for as long as it takes to copy the value.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn get(&self) -> Result<T, LockError<RwLockReadGuard<'_, T>>> {
        let _guard = self.read()?;
        self.copy().ok_or(LockError::Corrupt)
    }

    /// Comes in for as long as it takes to replace the value.
    ///
    /// A lock whose writer died is not set: its value may belong together with others that are half
    /// changed. The error has the means to set it all the same.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write), except that it does not care whether the bytes it overwrites are a
    /// `T`.
    pub fn set(&self, value: T) -> Result<(), LockError<RwLockRecovery<'_, T>>> {
        let _guard = self.acquire()?;
        self.overwrite(&value);
        Ok(())
    }

    /// Comes in for as long as it takes to change the value; returns the new one.
    ///
    /// `change` gets a copy, and what it returns is written back. If it panics, nothing has changed.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn update(
        &self,
        change: impl FnOnce(T) -> T,
    ) -> Result<T, LockError<RwLockRecovery<'_, T>>> {
        let _guard = self.acquire()?;
        let old = self.copy().ok_or(LockError::Corrupt)?;
        let new = change(old);
        self.overwrite(&new);
        Ok(new)
    }

    /// Comes in to write and replaces the value, whatever became of the old one.
    ///
    /// Afterwards the lock is consistent.
    ///
    /// # Errors
    ///
    /// Only those of [`write`](Self::write) that do not concern the value.
    pub fn reset(&self, value: T) -> Write<'_, T> {
        let guard = match self.acquire() {
            Ok(guard) => guard,
            Err(LockError::OwnerDied(recovery) | LockError::Poisoned(recovery)) => {
                recovery.into_guard()
            }
            Err(other) => return Err(other),
        };
        self.overwrite(&value);
        self.raw().mark_consistent();
        Ok(guard.that_poisons())
    }

    /// Comes in to write, and copies of the value only, so that a panic changes nothing.
    fn acquire(&self) -> Write<'_, T> {
        // SAFETY: the lines stay mapped until the words are given back: R1.
        let came_in = unsafe { self.raw().write(Thread::current(), Deadline::NEVER) };
        self.write_guard(came_in).map(RwLockWriteGuard::that_does_not_poison)
    }

    /// Lends the value to a reader if it came in and the bytes are a `T`.
    #[expect(clippy::inline_always, reason = "a call costs a fifth of what coming in to read does")]
    #[inline(always)]
    fn reader<'lock>(
        &'lock self,
        came_in: Result<(Share<'lock>, Taken), Refused>,
    ) -> Read<'lock, T> {
        match came_in {
            Ok((share, Taken::Clean)) if !self.raw().is_poisoned() && self.is_valid() => {
                Ok(RwLockReadGuard::new(self, share))
            }
            came_in => self.warned_reader(came_in),
        }
    }

    /// The same if there may be something to tell.
    #[cold]
    fn warned_reader<'lock>(
        &'lock self,
        came_in: Result<(Share<'lock>, Taken), Refused>,
    ) -> Read<'lock, T> {
        let (share, taken) = came_in?;
        let guard = RwLockReadGuard::new(self, share);
        if !self.is_valid() {
            return Err(LockError::Corrupt);
        }
        match taken {
            Taken::OwnerDied => Err(LockError::OwnerDied(guard)),
            Taken::Clean if self.raw().is_poisoned() => Err(LockError::Poisoned(guard)),
            Taken::Clean => Ok(guard),
        }
    }

    /// Lends the value to a writer if it came in and the bytes are a `T`.
    #[inline]
    fn writer(&self, came_in: Result<Taken, Refused>) -> Write<'_, T> {
        let is_inside = came_in.is_ok();
        let outcome = self.write_guard(came_in);
        if is_inside && !self.is_valid() { Err(LockError::Corrupt) } else { outcome }
    }

    /// Makes a guard if the thread came in to write.
    #[inline]
    fn write_guard(&self, came_in: Result<Taken, Refused>) -> Write<'_, T> {
        let taken = came_in?;
        let guard = RwLockWriteGuard::new(self);
        match taken {
            Taken::OwnerDied => Err(LockError::OwnerDied(RwLockRecovery::new(guard))),
            Taken::Clean if self.raw().is_poisoned() => {
                Err(LockError::Poisoned(RwLockRecovery::new(guard)))
            }
            Taken::Clean => Ok(guard),
        }
    }
}

impl<T> RwLock<T> {
    /// How many can read at the same time.
    #[must_use]
    pub fn max_readers(&self) -> usize {
        self.slots.len()
    }

    /// The segment that the lock lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        Placed::segment(&self.writer)
    }

    /// Where in the body of its segment the lock lies.
    #[must_use]
    pub fn offset(&self) -> usize {
        Placed::offset(&self.writer)
    }

    #[inline]
    fn raw(&self) -> RawRwLock<'_> {
        RawRwLock::new(&self.writer, &self.slots)
    }
}

impl<T> Clone for RwLock<T> {
    fn clone(&self) -> Self {
        Self { writer: self.writer.clone(), slots: self.slots.clone(), value: PhantomData }
    }
}

// A panic while the lock is held for writing poisons it, so nobody finds a half-changed value
// unawares.
impl<T> UnwindSafe for RwLock<T> {}
impl<T> RefUnwindSafe for RwLock<T> {}
