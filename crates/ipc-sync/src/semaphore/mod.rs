//! Semaphore: permits that are taken and released, among all processes that have a handle.

mod bounded;
mod error;
mod permit;
mod place;

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;

use ipc_core::robust::Thread;
use ipc_core::{Deadline, Kind, Layout, Segment};

pub use bounded::BoundedSemaphore;
pub(crate) use bounded::KIND as BOUNDED_KIND;
pub use error::{AcquireError, ReleaseError, SemaphoreError, TryAcquireError};
pub use permit::Permit;

use crate::raw::{MOST_PERMITS, MOST_SEATS};
use crate::who::Who;
use place::{Numbers, Place};

/// What a segment is called that holds nothing but one semaphore.
pub(crate) const KIND: Kind = Kind::new(*b"semaphor", 1);

/// What a semaphore says about itself, at the moment of asking.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SemaphoreStats {
    /// How many permits can be taken, without those of dead holders that nobody has missed yet.
    pub value: u32,
    /// Whether somebody may be asleep, waiting for a permit.
    pub has_waiters: bool,
    /// How many sleep now, waiting for a permit. Who has only just come and still looks is not among them,
    /// nor is the dead.
    pub waiters: u32,
    /// How many threads have died with a guard, or in the middle of getting one, as far as that was
    /// found.
    pub deaths: u32,
}

/// A number of permits, each of which lets one thread go on.
///
/// Any number of processes may have handles to it; cloning a handle does not make another semaphore.
/// There are two ways to use it, which may be mixed:
///
/// - [`acquire`](Self::acquire) gives a [`Permit`], which goes back when it is dropped, or when the
///   thread that holds it ends, however it ends. Use it to let only so many do something at a time.
/// - [`take`](Self::take) and [`release`](Self::release) move permits that belong to nobody: any
///   thread of any process may release, also what it never took. Use it for signals, each for one
///   waiter. Prefer a queue if there is something to say with it.
///
/// It is not fair: whoever is awake may get a permit before one who has slept for it. It is not to
/// be used in a signal handler; an [`Event`](crate::Event) may be.
///
/// # Seats
///
/// A [`Permit`] is held at a seat, so that the kernel can tell of its holder's death. How many seats
/// there are, of at most [`MOST_SEATS`](Self::MOST_SEATS), is said when the semaphore is made:
/// [`SEATS`](Self::SEATS), unless told otherwise. No more guards can be out at the same time:
/// whoever asks for one more while there is a permit gets [`AcquireError::NoSeat`]. Permits that are
/// taken without a guard need no seat.
///
/// # Process death
///
/// A permit that a dead thread held by a guard comes back, once: whoever would otherwise sleep or go
/// without sees to it, and the kernel wakes one who sleeps. A permit that was taken without a guard
/// is gone with whoever took it, as in Python and POSIX. A thread that dies while it waits is not
/// missed by the others, and one that dies in the middle of a release has released, or not. In a
/// forked child the parent's guards do nothing.
///
/// The commit point of every operation is one exchange of the count.
///
/// # Examples
///
/// ```
/// use ipc_sync::Semaphore;
///
/// let connections = Semaphore::new(2)?;
/// let (first, second) = (connections.acquire()?, connections.acquire()?);
/// assert!(connections.try_acquire().is_err());
/// drop(first);
/// assert_eq!(connections.value(), 1);
///
/// // Without a guard: one waits for what another signals.
/// let signals = Semaphore::new(0)?;
/// signals.release()?;
/// signals.take()?;
/// # drop(second);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[doc(alias = "sem_t")]
pub struct Semaphore {
    place: Place,
}

impl Semaphore {
    /// The most permits that a semaphore can have.
    pub const MOST_PERMITS: u32 = MOST_PERMITS;

    /// The most seats that a semaphore can have.
    #[expect(clippy::cast_possible_truncation, reason = "it is 120")]
    pub const MOST_SEATS: u32 = MOST_SEATS as u32;

    /// How many seats a semaphore has unless told otherwise.
    pub const SEATS: u32 = 64;

    /// Makes a semaphore with so many permits, in memory of its own, which is freed with the last
    /// process that has a handle.
    ///
    /// It takes two pages of memory and a descriptor. Where there are many, put them into one
    /// segment: [`new_in_segment`](Self::new_in_segment).
    ///
    /// # Errors
    ///
    /// [`SemaphoreError::TooManyPermits`], or [`SemaphoreError::Segment`] if there is no memory or
    /// no descriptor left, or the process runs where the kernel does not tell of deaths.
    /// # Examples
    ///
    /// A negative number of permits cannot be written:
    ///
    /// ```compile_fail,E0600
    /// let semaphore = ipc_sync::Semaphore::new(-1);
    /// ```
    #[doc(alias = "sem_init")]
    pub fn new(permits: u32) -> Result<Self, SemaphoreError> {
        Self::with_seats(permits, Self::SEATS)
    }

    /// Makes a semaphore with another number of seats than usual: as many guards can be out at the
    /// same time.
    ///
    /// With none, it can only be used without guards.
    ///
    /// # Errors
    ///
    /// [`SemaphoreError::TooManySeats`], and as [`new`](Self::new).
    pub fn with_seats(permits: u32, seats: u32) -> Result<Self, SemaphoreError> {
        Ok(Self { place: Place::new(KIND, Numbers { permits, seats, bound: None })? })
    }

    /// Makes a semaphore with a name, for programs that know each other by nothing else.
    ///
    /// It stays until somebody calls [`Segment::unlink`] with its name.
    ///
    /// # Errors
    ///
    /// [`SemaphoreError::Segment`] with [`SegmentError::BadName`], [`SegmentError::AlreadyExists`]
    /// or [`SegmentError::PermissionDenied`], and as [`new`](Self::new).
    ///
    /// [`SegmentError::BadName`]: ipc_core::SegmentError::BadName
    /// [`SegmentError::AlreadyExists`]: ipc_core::SegmentError::AlreadyExists
    /// [`SegmentError::PermissionDenied`]: ipc_core::SegmentError::PermissionDenied
    #[doc(alias = "sem_open")]
    pub fn create_named(name: &str, permits: u32) -> Result<Self, SemaphoreError> {
        let numbers = Numbers { permits, seats: Self::SEATS, bound: None };
        Ok(Self { place: Place::create_named(name, KIND, numbers)? })
    }

    /// Opens the semaphore of that name.
    ///
    /// # Errors
    ///
    /// [`SemaphoreError::Segment`] with [`SegmentError::BadName`], [`SegmentError::NotFound`],
    /// [`SegmentError::PermissionDenied`], or, if the name is something else's,
    /// [`SegmentError::NotASegment`] or [`SegmentError::WrongKind`]; and as [`new`](Self::new).
    ///
    /// [`SegmentError::BadName`]: ipc_core::SegmentError::BadName
    /// [`SegmentError::NotFound`]: ipc_core::SegmentError::NotFound
    /// [`SegmentError::PermissionDenied`]: ipc_core::SegmentError::PermissionDenied
    /// [`SegmentError::NotASegment`]: ipc_core::SegmentError::NotASegment
    /// [`SegmentError::WrongKind`]: ipc_core::SegmentError::WrongKind
    pub fn open_named(name: &str) -> Result<Self, SemaphoreError> {
        Self::in_segment(&Segment::open_named(name, KIND, 0)?, 0)
    }

    /// Makes room for a semaphore with so many seats in the layout of a segment, and returns its
    /// offset: 64 bytes, and 64 more for each seat.
    pub const fn reserve(layout: &mut Layout, seats: u32) -> usize {
        place::reserve(layout, seats)
    }

    /// Makes a semaphore at `offset` in the body of a segment, for which [`reserve`](Self::reserve)
    /// has made room.
    ///
    /// Nobody else may have a handle to it yet. The bytes, which must be zero, belong to the
    /// semaphore alone from then on; if somebody else writes there, permits may get lost or double.
    ///
    /// # Errors
    ///
    /// [`SemaphoreError::Segment`] if it does not lie inside the segment or not at a multiple of 64,
    /// or if the process runs where the kernel does not tell of deaths;
    /// [`SemaphoreError::TooManyPermits`] and [`SemaphoreError::TooManySeats`].
    pub fn new_in_segment(
        segment: &Segment,
        offset: usize,
        permits: u32,
        seats: u32,
    ) -> Result<Self, SemaphoreError> {
        let numbers = Numbers { permits, seats, bound: None };
        Ok(Self { place: Place::make(segment, offset, numbers)? })
    }

    /// The semaphore that somebody made at `offset` in the body of a segment.
    ///
    /// Nothing is written: bytes of zero are a semaphore without permits and without seats.
    ///
    /// # Errors
    ///
    /// [`SemaphoreError::Segment`] as for [`new_in_segment`](Self::new_in_segment), and
    /// [`SemaphoreError::Corrupt`] if no semaphore was made there.
    pub fn in_segment(segment: &Segment, offset: usize) -> Result<Self, SemaphoreError> {
        Ok(Self { place: Place::find(segment, offset)? })
    }

    /// Takes a permit as a guard, waiting as long as it takes.
    ///
    /// # Errors
    ///
    /// [`AcquireError::NoSeat`] if as many guards are out as there are [seats](Self#seats), and
    /// [`AcquireError::TooManyHeld`].
    #[inline]
    pub fn acquire(&self) -> Result<Permit<'_>, AcquireError> {
        self.acquire_deadline(Deadline::NEVER)
    }

    /// Takes a permit as a guard, waiting for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Timeout`], and as [`acquire`](Self::acquire).
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit<'_>, AcquireError> {
        match self.try_acquire() {
            Ok(permit) => Ok(permit),
            // Only who has to wait looks at the clock.
            Err(_) => self.acquire_deadline(Deadline::after(timeout)),
        }
    }

    /// Takes a permit as a guard, waiting until `deadline` at most.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Timeout`], and as [`acquire`](Self::acquire).
    #[inline]
    pub fn acquire_deadline(&self, deadline: Deadline) -> Result<Permit<'_>, AcquireError> {
        Ok(Permit::wait(self, deadline)?)
    }

    /// Takes a permit as a guard if there is one.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::WouldBlock`] if there is none, and as [`acquire`](Self::acquire).
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        Ok(Permit::look(self)?)
    }

    /// Takes a permit without a guard, waiting as long as it takes.
    ///
    /// # Errors
    ///
    /// [`AcquireError::TooManyHeld`] if a dead holder's permit can come back only through this
    /// thread, which holds as many locks as a thread can.
    #[inline]
    #[doc(alias = "sem_wait")]
    pub fn take(&self) -> Result<(), AcquireError> {
        self.take_deadline(Deadline::NEVER)
    }

    /// Takes a permit without a guard, waiting for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Timeout`], and as [`take`](Self::take).
    pub fn take_timeout(&self, timeout: Duration) -> Result<(), AcquireError> {
        match self.try_take() {
            Ok(()) => Ok(()),
            // Only who has to wait looks at the clock.
            Err(_) => self.take_deadline(Deadline::after(timeout)),
        }
    }

    /// Takes a permit without a guard, waiting until `deadline` at most.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Timeout`], and as [`take`](Self::take).
    #[inline]
    pub fn take_deadline(&self, deadline: Deadline) -> Result<(), AcquireError> {
        Ok(self.place.raw().take(deadline)?)
    }

    /// Takes a permit without a guard if there is one.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::WouldBlock`] if there is none, and as [`take`](Self::take).
    #[inline]
    #[doc(alias = "sem_trywait")]
    pub fn try_take(&self) -> Result<(), TryAcquireError> {
        Ok(self.place.raw().try_take()?)
    }

    /// Releases one permit, whoever took it.
    ///
    /// # Errors
    ///
    /// [`ReleaseError::TooManyPermits`] if there are as many as there may be. Nothing has changed
    /// then.
    #[inline]
    #[doc(alias = "sem_post")]
    pub fn release(&self) -> Result<(), ReleaseError> {
        self.release_n(1)
    }

    /// Releases so many permits at once.
    ///
    /// # Errors
    ///
    /// [`ReleaseError::TooManyPermits`] if there would be more than there may be. Nothing has
    /// changed then.
    #[inline]
    pub fn release_n(&self, permits: u32) -> Result<(), ReleaseError> {
        Ok(self.place.raw().release(permits)?)
    }

    /// How many permits can be taken, at the moment of asking.
    ///
    /// Permits of dead holders come back before it is said.
    #[must_use]
    #[doc(alias = "sem_getvalue")]
    pub fn value(&self) -> u32 {
        self.place.raw().bring_back(Thread::current());
        self.place.raw().count()
    }

    /// The most permits there may be.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.place.most()
    }

    /// How many seats there are.
    #[must_use]
    pub fn seats(&self) -> u32 {
        self.place.n_seats()
    }

    /// What there is to know about the semaphore, at the moment of asking.
    #[must_use]
    #[doc(alias = "debug")]
    pub fn stats(&self) -> SemaphoreStats {
        let raw = self.place.raw();
        SemaphoreStats {
            value: raw.count(),
            has_waiters: raw.has_waiters(),
            waiters: raw.n_asleep(),
            deaths: raw.deaths(),
        }
    }

    /// The threads that hold a permit by a guard, or are about to.
    #[must_use]
    pub fn holders(&self) -> Vec<Who> {
        self.place.raw().holders().map(Who::is).collect()
    }

    /// The segment that the semaphore lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.place.segment()
    }

    /// Where in the body of its segment the semaphore lies.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.place.offset()
    }

    fn describe(&self, name: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        formatter
            .debug_struct(name)
            .field("value", &stats.value)
            .field("holders", &self.holders())
            .field("waiters", &stats.waiters)
            .field("deaths", &stats.deaths)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("Semaphore", formatter)
    }
}

// What a panic leaves half done is not in the semaphore.
impl UnwindSafe for Semaphore {}
impl RefUnwindSafe for Semaphore {}
