//! `RLock`: one thread at a time, which may take it again while it holds it.
//!
//! # Safety
//!
//! What the engine asks for, that the line stays mapped while it is held, is invariant P1 of
//! `place.rs`.

#![expect(unsafe_code, reason = "promises the engine that the line stays mapped")]

use core::fmt;
use core::marker::PhantomData;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;

use ipc_core::robust::{RobustWord, Thread};
use ipc_core::{Deadline, Kind, Layout, Segment, SegmentError};

use crate::error::{LockError, TryLockError};
use crate::named;
use crate::place::{LockStats, Place};
use crate::raw::{NotHeld, RawRLock, Refused, Taken};

/// What a segment is called that holds nothing but one such lock.
pub(crate) const KIND: Kind = Kind::new(*b"rlock\0\0\0", 1);

/// A lock on nothing in particular, which its holder may take again.
///
/// It is held by one thread at a time, among all processes that have a handle, and is free again
/// when it was given back as often as it was taken. Owner and count are in shared memory, so
/// anybody can ask. Prefer a [`Lock`](crate::Lock) if nothing takes it twice: that a function must
/// be called with or without it says more about the function than a lock that does not care.
///
/// The lock is not fair: whoever is awake may take it before one who has slept for it. It is not to
/// be used in a signal handler.
///
/// # Process death
///
/// As for a [`Lock`](crate::Lock): the next to take it gets [`LockError::OwnerDied`] with the
/// guard, and holds it once, however often the dead one had taken it. In a forked child, which does
/// not own what its parent owns, the parent's guards do nothing.
///
/// # Examples
///
/// ```
/// use ipc_sync::RLock;
///
/// let lock = RLock::new()?;
/// let outer = lock.lock().unwrap();
/// let inner = lock.lock().unwrap();
/// assert_eq!(lock.depth(), 2);
/// drop(outer);
/// assert!(lock.is_mine());
/// drop(inner);
/// assert!(!lock.is_locked());
/// # Ok::<(), ipc_core::SegmentError>(())
/// ```
#[derive(Clone)]
#[doc(alias = "recursive")]
#[doc(alias = "reentrant")]
pub struct RLock {
    place: Place,
}

/// Proof that the calling thread holds an [`RLock`]; dropping it gives one level back.
///
/// The order in which guards are dropped does not matter. In a forked child that inherited it,
/// dropping it does nothing. If it is forgotten, the lock stays held until the thread ends, and
/// then counts as left by a dead holder.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct RLockGuard<'lock> {
    lock: &'lock RLock,
    /// The kernel knows the holding thread, so no other can give the lock back.
    not_send: PhantomData<*const ()>,
}

impl RLock {
    /// Makes a lock in memory of its own, which is freed with the last process that has a handle.
    ///
    /// It takes a page of memory and a descriptor. Where there are many, put them into one segment:
    /// [`in_segment`](Self::in_segment).
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`], or [`SegmentError::Io`] if the process has too many descriptors
    /// or runs where the kernel does not tell of deaths.
    pub fn new() -> Result<Self, SegmentError> {
        Self::in_segment(&Segment::create(KIND, 0, size_of::<RobustWord>())?, 0)
    }

    /// Makes a lock with a name, for programs that know each other by nothing else.
    ///
    /// It stays until somebody calls [`Segment::unlink`] with its name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::AlreadyExists`],
    /// [`SegmentError::PermissionDenied`], and as [`new`](Self::new).
    pub fn create_named(name: &str) -> Result<Self, SegmentError> {
        named::create(name, KIND, 0, size_of::<RobustWord>(), |segment| {
            Self::in_segment(segment, 0)
        })
    }

    /// Opens the lock of that name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`];
    /// [`SegmentError::NotASegment`] or [`SegmentError::WrongKind`] if the name is something
    /// else's; and as [`new`](Self::new).
    pub fn open_named(name: &str) -> Result<Self, SegmentError> {
        Self::in_segment(&Segment::open_named(name, KIND, 0)?, 0)
    }

    /// Makes room for a lock in the layout of a segment, and returns its offset.
    pub const fn reserve(layout: &mut Layout) -> usize {
        layout.one::<RobustWord>()
    }

    /// The lock at `offset` in the body of a segment: 64 bytes at a multiple of 64.
    ///
    /// Nothing is written: bytes of zero are a free lock. The bytes belong to the lock alone; if
    /// somebody else writes there, the lock may be taken twice or never again.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] and [`SegmentError::Misaligned`], and [`SegmentError::Io`] if
    /// the process runs where the kernel does not tell of deaths.
    pub fn in_segment(segment: &Segment, offset: usize) -> Result<Self, SegmentError> {
        Ok(Self { place: Place::new(segment, offset)? })
    }

    /// Takes the lock, or one more level of it, waiting as long as it takes.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] if the last holder died holding it: then it is held now, too, once.
    /// [`LockError::TooDeep`] if the calling thread holds it more often than can be counted.
    /// [`LockError::TooManyHeld`]. [`LockError::Corrupt`] if somebody scribbled over it.
    #[inline]
    pub fn lock(&self) -> Result<RLockGuard<'_>, LockError<RLockGuard<'_>>> {
        self.lock_deadline(Deadline::NEVER)
    }

    /// Takes the lock, or one more level of it, waiting for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`], and as [`lock`](Self::lock).
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<RLockGuard<'_>, LockError<RLockGuard<'_>>> {
        match self.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::OwnerDied(guard)) => Err(LockError::OwnerDied(guard)),
            // Only who has to wait looks at the clock.
            Err(_) => self.lock_deadline(Deadline::after(timeout)),
        }
    }

    /// Takes the lock, or one more level of it, waiting until `deadline` at most.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`], and as [`lock`](Self::lock).
    #[inline]
    pub fn lock_deadline(
        &self,
        deadline: Deadline,
    ) -> Result<RLockGuard<'_>, LockError<RLockGuard<'_>>> {
        match self.take(deadline) {
            Ok(Taken::Clean) => Ok(self.guard()),
            Ok(Taken::OwnerDied) => Err(LockError::OwnerDied(self.guard())),
            Err(refused) => Err(refused.into()),
        }
    }

    /// Takes the lock if it is free, or one more level of it.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if another thread holds it, and as [`lock`](Self::lock).
    #[inline]
    pub fn try_lock(&self) -> Result<RLockGuard<'_>, TryLockError<RLockGuard<'_>>> {
        match self.try_take() {
            Ok(Taken::Clean) => Ok(self.guard()),
            Ok(Taken::OwnerDied) => Err(TryLockError::OwnerDied(self.guard())),
            Err(refused) => Err(LockError::from(refused).into()),
        }
    }

    /// Takes the lock, or one more level of it, without a guard, waiting as long as it takes:
    /// [`release`](Self::release) is yours to call.
    ///
    /// Prefer [`lock`](Self::lock), whose guard cannot be forgotten on one of many ways out. This is
    /// for where taking and giving back stand in different functions, in the same thread.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock): after [`LockError::OwnerDied`] the lock is held.
    pub fn acquire(&self) -> Result<(), LockError<()>> {
        self.acquire_deadline(Deadline::NEVER)
    }

    /// Takes the lock, or one more level of it, without a guard, waiting for at most `timeout`.
    ///
    /// # Errors
    ///
    /// As [`lock_timeout`](Self::lock_timeout): after [`LockError::OwnerDied`] the lock is held.
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<(), LockError<()>> {
        match self.try_acquire() {
            Ok(()) => Ok(()),
            Err(TryLockError::OwnerDied(())) => Err(LockError::OwnerDied(())),
            // Only who has to wait looks at the clock.
            Err(_) => self.acquire_deadline(Deadline::after(timeout)),
        }
    }

    /// Takes the lock, or one more level of it, without a guard, waiting until `deadline` at most.
    ///
    /// # Errors
    ///
    /// As [`lock_deadline`](Self::lock_deadline): after [`LockError::OwnerDied`] the lock is held.
    pub fn acquire_deadline(&self, deadline: Deadline) -> Result<(), LockError<()>> {
        match self.take(deadline) {
            Ok(Taken::Clean) => Ok(()),
            Ok(Taken::OwnerDied) => Err(LockError::OwnerDied(())),
            Err(refused) => Err(refused.into()),
        }
    }

    /// Takes the lock if it is free, or one more level of it, without a guard.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock): after [`TryLockError::OwnerDied`] the lock is held.
    pub fn try_acquire(&self) -> Result<(), TryLockError<()>> {
        match self.try_take() {
            Ok(Taken::Clean) => Ok(()),
            Ok(Taken::OwnerDied) => Err(TryLockError::OwnerDied(())),
            Err(refused) => Err(LockError::from(refused).into()),
        }
    }

    /// Gives back one level of the lock, however the calling thread took it.
    ///
    /// If it took it with a guard that it still has, there is one guard too many: the last of them
    /// to be dropped does nothing.
    ///
    /// # Errors
    ///
    /// [`NotHeld`] if the calling thread does not hold the lock: it is free, or another holds it, or
    /// a process that this one was forked from. Nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use ipc_sync::{NotHeld, RLock};
    ///
    /// let lock = RLock::new()?;
    /// lock.acquire()?;
    /// lock.acquire()?;
    /// lock.release()?;
    /// lock.release()?;
    /// assert_eq!(lock.release(), Err(NotHeld));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn release(&self) -> Result<(), NotHeld> {
        self.raw().unlock(Thread::current())
    }

    /// How often the lock is held by the thread that holds it, at the moment of asking: zero if
    /// nobody does.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.raw().depth()
    }

    /// Whether the calling thread holds the lock.
    #[must_use]
    pub fn is_mine(&self) -> bool {
        self.place.is_mine()
    }

    /// Whether a thread holds the lock, at the moment of asking.
    #[must_use]
    #[doc(alias = "locked")]
    pub fn is_locked(&self) -> bool {
        self.place.is_locked()
    }

    /// What there is to know about the lock, at the moment of asking.
    #[must_use]
    #[doc(alias = "debug")]
    pub fn stats(&self) -> LockStats {
        LockStats { is_poisoned: false, depth: self.depth(), ..self.place.stats() }
    }

    /// The segment that the lock lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.place.segment()
    }

    /// Where in the body of its segment the lock lies.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.place.offset()
    }

    #[inline]
    fn take(&self, deadline: Deadline) -> Result<Taken, Refused> {
        // SAFETY: the line stays mapped until the word is given back: P1.
        let taken = unsafe { self.raw().lock(Thread::current(), deadline) }?;
        self.place.note(taken);
        Ok(taken)
    }

    #[inline]
    fn try_take(&self) -> Result<Taken, Refused> {
        // SAFETY: the line stays mapped until the word is given back: P1.
        let taken = unsafe { self.raw().try_lock(Thread::current()) }?;
        self.place.note(taken);
        Ok(taken)
    }

    /// The calling thread has just taken a level.
    #[inline]
    const fn guard(&self) -> RLockGuard<'_> {
        RLockGuard { lock: self, not_send: PhantomData }
    }

    #[inline]
    fn raw(&self) -> RawRLock<'_> {
        RawRLock::new(self.place.line())
    }
}

impl RLockGuard<'_> {
    pub(crate) const fn place(&self) -> &Place {
        &self.lock.place
    }
}

impl Drop for RLockGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        // Who does not hold it any more, or never did, has nothing to give back.
        self.lock.release().ok();
    }
}

impl fmt::Debug for RLock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        formatter
            .debug_struct("RLock")
            .field("holder", &stats.holder)
            .field("depth", &stats.depth)
            .field("waiters", &stats.waiters)
            .field("deaths", &stats.deaths)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RLockGuard<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RLockGuard").finish_non_exhaustive()
    }
}

// What a panic leaves half done is not in the lock.
impl UnwindSafe for RLock {}
impl RefUnwindSafe for RLock {}
