//! Lock: one thread at a time, among all processes that have a handle.

use core::fmt;
use core::marker::PhantomData;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;

use ipc_core::robust::RobustWord;
use ipc_core::{Deadline, Kind, Layout, Segment, SegmentError};

use crate::error::{LockError, TryLockError};
use crate::named;
use crate::place::{LockStats, Place};
use crate::raw::{NotHeld, Refused, Taken};

/// What a segment is called that holds nothing but one lock.
pub(crate) const KIND: Kind = Kind::new(*b"lock\0\0\0\0", 1);

/// A lock on nothing in particular, held by one thread at a time.
///
/// Any number of processes may have handles to it; cloning a handle does not make another lock.
/// It can protect what no type can wrap: a file, a terminal, the far end of a connection. Prefer a
/// [`Mutex`](crate::Mutex) for a value in memory, and a queue if what you share is work.
///
/// The lock is not fair: whoever is awake may take it before one who has slept for it. It is not to
/// be used in a signal handler.
///
/// # Process death
///
/// If a thread dies holding the lock, the next to take it gets [`LockError::OwnerDied`], which
/// carries the guard: it holds the lock, and knows that what the lock protects may be half done. It
/// is told once; a lock has no lasting memory of it but a [count](LockStats::deaths). If that one
/// dies too, the one after it is told. A thread that dies while it waits is not missed by the
/// others. In a forked child the parent's guards do nothing.
///
/// The commit point of taking is the exchange that writes the holder's thread id; that of giving
/// back is the store that removes it.
///
/// # Examples
///
/// ```
/// use ipc_sync::{Lock, LockError};
///
/// let lock = Lock::new()?;
/// let guard = match lock.lock() {
///     Ok(guard) => guard,
///     Err(LockError::OwnerDied(guard)) => {
///         // Look after what the dead holder may have left half done.
///         guard
///     }
///     Err(error) => return Err(error.without_lock().into()),
/// };
/// assert!(lock.try_lock().is_err());
/// drop(guard);
/// assert!(lock.try_lock().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Lock {
    place: Place,
}

/// Proof that the calling thread holds a [`Lock`]; dropping it gives the lock back.
///
/// In a forked child that inherited it, dropping it does nothing. If it is forgotten, the lock stays
/// held until the thread ends, and then counts as left by a dead holder.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct LockGuard<'lock> {
    place: &'lock Place,
    /// The kernel knows the holding thread, so no other can give the lock back.
    not_send: PhantomData<*const ()>,
}

impl Lock {
    /// Makes a lock in memory of its own, which is freed with the last process that has a handle.
    ///
    /// It takes a page of memory and a descriptor. Where there are many, put them into one segment:
    /// [`in_segment`](Self::in_segment).
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`], or [`SegmentError::Io`] if the process has too many descriptors
    /// or runs where the kernel does not tell of deaths.
    #[doc(alias = "pthread_mutex_init")]
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
    #[doc(alias = "sem_open")]
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

    /// Takes the lock, waiting as long as it takes.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] if the last holder died holding it: then it is held now, too.
    /// [`LockError::WouldDeadlock`] if the calling thread holds it. [`LockError::TooManyHeld`].
    /// [`LockError::Corrupt`] if somebody scribbled over it.
    #[inline]
    pub fn lock(&self) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
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
    ) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
        match self.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::OwnerDied(guard)) => Err(LockError::OwnerDied(guard)),
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
    ) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
        let taken = self.place.lock(deadline);
        self.guard(taken)
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if it is not, and as [`lock`](Self::lock).
    #[inline]
    pub fn try_lock(&self) -> Result<LockGuard<'_>, TryLockError<LockGuard<'_>>> {
        let taken = self.place.try_lock();
        self.guard(taken).map_err(TryLockError::from)
    }

    /// Takes the lock without a guard, waiting as long as it takes: [`release`](Self::release) is
    /// yours to call.
    ///
    /// Prefer [`lock`](Self::lock), whose guard cannot be forgotten on one of many ways out. This is
    /// for where taking and giving back stand in different functions, in the same thread.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock): after [`LockError::OwnerDied`] the lock is held.
    #[inline]
    pub fn acquire(&self) -> Result<(), LockError<()>> {
        self.acquire_deadline(Deadline::NEVER)
    }

    /// Takes the lock without a guard, waiting for at most `timeout`.
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

    /// Takes the lock without a guard, waiting until `deadline` at most.
    ///
    /// # Errors
    ///
    /// As [`lock_deadline`](Self::lock_deadline): after [`LockError::OwnerDied`] the lock is held.
    pub fn acquire_deadline(&self, deadline: Deadline) -> Result<(), LockError<()>> {
        match self.place.lock(deadline) {
            Ok(Taken::Clean) => Ok(()),
            Ok(Taken::OwnerDied) => Err(LockError::OwnerDied(())),
            Err(refused) => Err(refused.into()),
        }
    }

    /// Takes the lock without a guard, if it is free.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock): after [`TryLockError::OwnerDied`] the lock is held.
    pub fn try_acquire(&self) -> Result<(), TryLockError<()>> {
        match self.place.try_lock() {
            Ok(Taken::Clean) => Ok(()),
            Ok(Taken::OwnerDied) => Err(TryLockError::OwnerDied(())),
            Err(refused) => Err(LockError::from(refused).into()),
        }
    }

    /// Gives back the lock that the calling thread holds, however it took it.
    ///
    /// If it took it with a guard that it still has, that guard holds nothing any more: dropping it
    /// does nothing, unless the thread has taken the lock again, which it then gives back.
    ///
    /// # Errors
    ///
    /// [`NotHeld`] if the calling thread does not hold the lock: it is free, or another holds it, or
    /// a process that this one was forked from. Nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use ipc_sync::{Lock, NotHeld};
    ///
    /// let lock = Lock::new()?;
    /// lock.acquire()?;
    /// lock.release()?;
    /// assert_eq!(lock.release(), Err(NotHeld));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn release(&self) -> Result<(), NotHeld> {
        self.place.release()
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
        self.place.stats()
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
    fn guard(
        &self,
        taken: Result<Taken, Refused>,
    ) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
        match taken {
            Ok(Taken::Clean) => Ok(LockGuard { place: &self.place, not_send: PhantomData }),
            Ok(Taken::OwnerDied) => {
                Err(LockError::OwnerDied(LockGuard { place: &self.place, not_send: PhantomData }))
            }
            Err(refused) => Err(refused.into()),
        }
    }
}

impl LockGuard<'_> {
    pub(crate) const fn place(&self) -> &Place {
        self.place
    }
}

impl Drop for LockGuard<'_> {
    #[expect(clippy::inline_always, reason = "a call costs a fifth of what a free lock does")]
    #[inline(always)]
    fn drop(&mut self) {
        self.place.unlock();
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        formatter
            .debug_struct("Lock")
            .field("holder", &stats.holder)
            .field("waiters", &stats.waiters)
            .field("deaths", &stats.deaths)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LockGuard<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LockGuard").finish_non_exhaustive()
    }
}

// What a panic leaves half done is not in the lock.
impl UnwindSafe for Lock {}
impl RefUnwindSafe for Lock {}
