//! `Once`: something that is to be done once, by whoever comes first.
//!
//! # Safety
//!
//! What the engine asks for, that the line stays mapped while it is held, is invariant P1 of
//! `place.rs`.

#![expect(unsafe_code, reason = "promises the engine that the line stays mapped")]

mod error;
mod turn;

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;

use ipc_core::robust::{RobustWord, Thread};
use ipc_core::{Deadline, Kind, Layout, Segment, SegmentError};

pub use error::OnceError;
pub use turn::{OnceState, OnceTurn};

use crate::named;
use crate::place::Place;
use crate::raw::{Begun, Holder, RawOnce, Refused};
use crate::who::Who;

/// What a segment is called that holds nothing but one of these.
pub(crate) const KIND: Kind = Kind::new(*b"once\0\0\0\0", 1);

/// Something that is to be done once, among all processes that have a handle.
///
/// Whoever comes first does it; whoever comes while it is being done waits; whoever comes later goes
/// on after a single load. What was done before it was [completed](OnceTurn::complete) is seen by all
/// who find it completed. For a value of one process use [`std::sync::OnceLock`]; this is for what
/// processes share: memory to fill, a file to write, a schema to create.
///
/// It is not to be used in a signal handler.
///
/// # Process death
///
/// If the thread that is at it dies, with its process or alone, one of those who wait, or the next
/// to come, takes over, and is told [how many](OnceState::deaths) died before it: what they did may
/// be half done. The same holds for an initialiser that fails or panics: nobody is locked out for
/// good. In a forked child the parent's turn does nothing. The commit point is the store of the mark
/// that it was done.
///
/// # Examples
///
/// ```
/// use ipc_sync::Once;
///
/// let ready = Once::new()?;
/// let mut times = 0;
/// for _ in 0..3 {
///     ready.call_once(|state| {
///         assert!(state.is_first_try());
///         times += 1;
///     })?;
/// }
/// assert!(ready.is_completed());
/// assert_eq!(times, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Once {
    place: Place,
}

/// What a [`Once`] says about itself, at the moment of asking.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnceStats {
    /// Whether it was done.
    pub is_completed: bool,
    /// The id of the thread that is at it.
    pub holder: Option<Who>,
    /// Whether somebody may be asleep until it is done.
    pub has_waiters: bool,
    /// How many sleep now, waiting for it to be done. Who has only just come and still looks is not among them,
    /// nor is the dead.
    pub waiters: u32,
    /// How many died at it, as far as those who came after them have told.
    pub deaths: u32,
    /// How many gave up, or panicked.
    pub failures: u64,
}

impl Once {
    /// Makes one in memory of its own, which is freed with the last process that has a handle.
    ///
    /// It takes a page of memory and a descriptor. Where there are many, put them into one segment:
    /// [`in_segment`](Self::in_segment).
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`], or [`SegmentError::Io`] if the process has too many descriptors
    /// or runs where the kernel does not tell of deaths.
    #[doc(alias = "pthread_once")]
    pub fn new() -> Result<Self, SegmentError> {
        Self::in_segment(&Segment::create(KIND, 0, size_of::<RobustWord>())?, 0)
    }

    /// Makes one with a name, for programs that know each other by nothing else.
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

    /// Opens the one of that name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`];
    /// [`SegmentError::NotASegment`] or [`SegmentError::WrongKind`] if the name is something
    /// else's; and as [`new`](Self::new).
    pub fn open_named(name: &str) -> Result<Self, SegmentError> {
        Self::in_segment(&Segment::open_named(name, KIND, 0)?, 0)
    }

    /// Makes room for one in the layout of a segment, and returns its offset.
    pub const fn reserve(layout: &mut Layout) -> usize {
        layout.one::<RobustWord>()
    }

    /// The one at `offset` in the body of a segment: 64 bytes at a multiple of 64.
    ///
    /// Nothing is written: bytes of zero are one that nobody has begun. The bytes belong to it
    /// alone; if somebody else writes there, it may be done twice or never.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] and [`SegmentError::Misaligned`], and [`SegmentError::Io`] if
    /// the process runs where the kernel does not tell of deaths.
    pub fn in_segment(segment: &Segment, offset: usize) -> Result<Self, SegmentError> {
        Ok(Self { place: Place::new(segment, offset)? })
    }

    /// Whether it was done; then all that was done is seen by the calling thread.
    #[inline]
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.raw().is_completed()
    }

    /// Does it if it was not done yet, waiting for whoever is at it as long as it takes.
    ///
    /// If `init` panics, the attempt has failed, and the next who comes begins anew.
    ///
    /// # Errors
    ///
    /// [`OnceError::Recursive`] if the calling thread is at it. [`OnceError::TooManyHeld`].
    /// [`OnceError::NotHeld`] in a child that `init` forked and that returned from it.
    /// [`OnceError::Corrupt`] if somebody scribbled over it.
    #[inline]
    pub fn call_once(&self, init: impl FnOnce(OnceState)) -> Result<(), OnceError> {
        self.call_once_deadline(Deadline::NEVER, init)
    }

    /// Does it if it was not done yet, waiting for whoever is at it for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`OnceError::Timeout`], and as [`call_once`](Self::call_once).
    pub fn call_once_timeout(
        &self,
        timeout: Duration,
        init: impl FnOnce(OnceState),
    ) -> Result<(), OnceError> {
        finish(self.begin_timeout(timeout)?, init)
    }

    /// Does it if it was not done yet, waiting for whoever is at it until `deadline` at most.
    ///
    /// # Errors
    ///
    /// [`OnceError::Timeout`], and as [`call_once`](Self::call_once).
    #[inline]
    pub fn call_once_deadline(
        &self,
        deadline: Deadline,
        init: impl FnOnce(OnceState),
    ) -> Result<(), OnceError> {
        if self.is_completed() {
            return Ok(());
        }
        finish(self.begin_deadline(deadline)?, init)
    }

    /// Does it if it was not done yet and nobody is at it.
    ///
    /// # Errors
    ///
    /// [`OnceError::Busy`] if another thread is at it, and as [`call_once`](Self::call_once).
    pub fn try_call_once(&self, init: impl FnOnce(OnceState)) -> Result<(), OnceError> {
        finish(self.try_begin()?, init)
    }

    /// Does it if it was not done yet, with an initialiser that can fail.
    ///
    /// It waits for whoever is at it as long as it takes; use [`begin_deadline`](Self::begin_deadline)
    /// and its kin for the other ways to wait.
    ///
    /// # Errors
    ///
    /// [`OnceError::Failed`] with what `init` returned, and as [`call_once`](Self::call_once).
    ///
    /// # Examples
    ///
    /// ```
    /// use ipc_sync::{Once, OnceError};
    ///
    /// let ready = Once::new()?;
    /// let failed = ready.call_once_fallible(|_| Err("no network"));
    /// assert_eq!(failed, Err(OnceError::Failed("no network")));
    /// ready.call_once(|state| assert_eq!(state.failures(), 1))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "get_or_try_init")]
    pub fn call_once_fallible<E>(
        &self,
        init: impl FnOnce(OnceState) -> Result<(), E>,
    ) -> Result<(), OnceError<E>> {
        let Some(turn) = self.begin().map_err(OnceError::widen)? else { return Ok(()) };
        init(turn.state()).map_err(OnceError::Failed)?;
        turn.complete().map_err(OnceError::widen)
    }

    /// Begins it if it was not done yet, waiting for whoever is at it as long as it takes.
    ///
    /// `None` means that it was done. This is what the others are made of, for where a closure does
    /// not fit.
    ///
    /// # Errors
    ///
    /// As [`call_once`](Self::call_once).
    pub fn begin(&self) -> Result<Option<OnceTurn<'_>>, OnceError> {
        self.begin_deadline(Deadline::NEVER)
    }

    /// Begins it if it was not done yet, waiting for whoever is at it for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`OnceError::Timeout`], and as [`call_once`](Self::call_once).
    pub fn begin_timeout(&self, timeout: Duration) -> Result<Option<OnceTurn<'_>>, OnceError> {
        match self.try_begin() {
            // Only who has to wait looks at the clock.
            Err(OnceError::Busy) => self.begin_deadline(Deadline::after(timeout)),
            settled => settled,
        }
    }

    /// Begins it if it was not done yet, waiting for whoever is at it until `deadline` at most.
    ///
    /// # Errors
    ///
    /// [`OnceError::Timeout`], and as [`call_once`](Self::call_once).
    pub fn begin_deadline(&self, deadline: Deadline) -> Result<Option<OnceTurn<'_>>, OnceError> {
        // SAFETY: the line stays mapped until the word is given back: P1.
        let begun = unsafe { self.raw().begin(Thread::current(), deadline) };
        Ok(self.turn(begun?))
    }

    /// Begins it if it was not done yet and nobody is at it.
    ///
    /// # Errors
    ///
    /// [`OnceError::Busy`] if another thread is at it, and as [`call_once`](Self::call_once).
    pub fn try_begin(&self) -> Result<Option<OnceTurn<'_>>, OnceError> {
        // SAFETY: the line stays mapped until the word is given back: P1.
        let begun = unsafe { self.raw().try_begin(Thread::current()) };
        match begun {
            Err(Refused::Held) if self.place.is_mine() => Err(OnceError::Recursive),
            Err(Refused::Held) => Err(OnceError::Busy),
            begun => Ok(self.turn(begun?)),
        }
    }

    /// What there is to know about it, at the moment of asking.
    #[must_use]
    #[doc(alias = "debug")]
    pub fn stats(&self) -> OnceStats {
        let raw = self.raw();
        OnceStats {
            is_completed: raw.is_completed(),
            holder: if let Holder::Thread(tid) = raw.holder() { Some(Who::is(tid)) } else { None },
            has_waiters: raw.has_waiters(),
            waiters: raw.n_asleep(),
            deaths: raw.deaths(),
            failures: raw.failures(),
        }
    }

    /// The segment that it lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.place.segment()
    }

    /// Where in the body of its segment it lies.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.place.offset()
    }

    fn turn(&self, begun: Begun) -> Option<OnceTurn<'_>> {
        (begun == Begun::ByMe).then(|| OnceTurn::of(self))
    }

    #[inline]
    fn raw(&self) -> RawOnce<'_> {
        RawOnce::new(self.place.line())
    }
}

/// Does what is to be done, if it is the caller's turn.
fn finish(turn: Option<OnceTurn<'_>>, init: impl FnOnce(OnceState)) -> Result<(), OnceError> {
    let Some(turn) = turn else { return Ok(()) };
    // If it panics, the turn is dropped, and so given up.
    init(turn.state());
    turn.complete()
}

impl fmt::Debug for Once {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        formatter
            .debug_struct("Once")
            .field("is_completed", &stats.is_completed)
            .field("holder", &stats.holder)
            .field("waiters", &stats.waiters)
            .field("deaths", &stats.deaths)
            .field("failures", &stats.failures)
            .finish_non_exhaustive()
    }
}

// Whoever takes over after a panic is told of it.
impl UnwindSafe for Once {}
impl RefUnwindSafe for Once {}
