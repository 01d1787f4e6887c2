//! Event: a flag to wait for, among all processes that have a handle.

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;

use ipc_core::robust::Thread;
use ipc_core::{Deadline, Kind, Layout, Placed, Segment, SegmentError};

use crate::named;
use crate::place::is_supported;
use crate::raw::{EventWords, RawEvent};

/// What a segment is called that holds nothing but one event.
pub(crate) const KIND: Kind = Kind::new(*b"event\0\0\0", 1);

/// What an event says about itself, at the moment of asking.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventStats {
    /// Whether it is set.
    pub is_set: bool,
    /// Whether somebody may be asleep, waiting for it.
    pub has_waiters: bool,
    /// How many sleep now, waiting for it. Who has only just come and still looks is not among them,
    /// nor is the dead.
    pub waiters: u32,
}

/// A flag that is set once or now and then, and waited for by any number of threads.
///
/// Any number of processes may have handles to it; cloning a handle does not make another event. It
/// stays set until it is cleared: prefer a [`Semaphore`](crate::Semaphore) if each signal is for
/// one waiter.
///
/// Who waits is released by every [`set`](Self::set), also by one that is followed by a
/// [`clear`](Self::clear) at once. Setting, clearing and asking never wait for anybody, and are fit
/// for a signal handler, whatever that has interrupted.
///
/// # Process death
///
/// An event belongs to nobody, so no death leaves it half set: the commit point of setting is one
/// exchange. If a thread dies behind it, before it has woken those who wait, they are woken all the
/// same. A thread that dies while it waits is not missed by anybody; above all not by who sets.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use ipc_sync::Event;
///
/// let ready = Event::new()?;
/// assert!(!ready.wait_timeout(Duration::from_millis(1)));
/// // … the handle goes to another process, and there: …
/// ready.set();
/// // … whereupon here:
/// ready.wait();
/// assert!(ready.is_set());
/// # Ok::<(), ipc_core::SegmentError>(())
/// ```
#[derive(Clone)]
pub struct Event {
    words: Placed<EventWords>,
}

impl Event {
    /// Makes an event that is clear, in memory of its own, which is freed with the last process that
    /// has a handle.
    ///
    /// It takes a page of memory and a descriptor. Where there are many, put them into one segment:
    /// [`in_segment`](Self::in_segment).
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`], or [`SegmentError::Io`] if the process has too many descriptors
    /// or runs where the kernel does not tell of deaths.
    pub fn new() -> Result<Self, SegmentError> {
        Self::in_segment(&Segment::create(KIND, 0, size_of::<EventWords>())?, 0)
    }

    /// Makes an event with a name, for programs that know each other by nothing else.
    ///
    /// It stays until somebody calls [`Segment::unlink`] with its name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::AlreadyExists`],
    /// [`SegmentError::PermissionDenied`], and as [`new`](Self::new).
    pub fn create_named(name: &str) -> Result<Self, SegmentError> {
        named::create(name, KIND, 0, size_of::<EventWords>(), |segment| {
            Self::in_segment(segment, 0)
        })
    }

    /// Opens the event of that name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`];
    /// [`SegmentError::NotASegment`] or [`SegmentError::WrongKind`] if the name is something
    /// else's; and as [`new`](Self::new).
    pub fn open_named(name: &str) -> Result<Self, SegmentError> {
        Self::in_segment(&Segment::open_named(name, KIND, 0)?, 0)
    }

    /// Makes room for an event in the layout of a segment, and returns its offset.
    pub const fn reserve(layout: &mut Layout) -> usize {
        layout.one::<EventWords>()
    }

    /// The event at `offset` in the body of a segment: 16 bytes at a multiple of 16.
    ///
    /// Nothing is written: bytes of zero are an event that is clear. The bytes belong to the event
    /// alone; if somebody else writes there, waits may end too early or never.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] and [`SegmentError::Misaligned`], and [`SegmentError::Io`] if
    /// the process runs where the kernel does not tell of deaths.
    pub fn in_segment(segment: &Segment, offset: usize) -> Result<Self, SegmentError> {
        is_supported()?;
        Ok(Self { words: segment.place(offset)? })
    }

    /// Sets the event and wakes all who wait for it.
    ///
    /// It may be called from a signal handler: it takes no lock, allocates nothing, and leaves
    /// `errno` alone; what it does is listed with [`RawEvent::set`].
    #[inline]
    pub fn set(&self) {
        self.raw().set();
    }

    /// Clears the event. Who was released stays released.
    ///
    /// It may be called from a signal handler.
    #[inline]
    pub fn clear(&self) {
        self.raw().clear();
    }

    /// Whether the event is set.
    ///
    /// It may be called from a signal handler.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.raw().is_set()
    }

    /// Waits until the event is set, as long as it takes.
    #[inline]
    pub fn wait(&self) {
        let released = self.wait_deadline(Deadline::NEVER);
        debug_assert!(released, "a deadline that never comes has not passed");
    }

    /// Waits until the event is set, for at most `timeout`; says whether it was set.
    #[inline]
    #[must_use]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        // Only who has to wait looks at the clock.
        self.is_set() || self.wait_deadline(Deadline::after(timeout))
    }

    /// Waits until the event is set, until `deadline` at most; says whether it was set.
    #[inline]
    #[must_use]
    pub fn wait_deadline(&self, deadline: Deadline) -> bool {
        self.raw().wait(Thread::current(), deadline)
    }

    /// What there is to know about the event, at the moment of asking.
    #[must_use]
    #[doc(alias = "debug")]
    pub fn stats(&self) -> EventStats {
        let raw = self.raw();
        EventStats { is_set: raw.is_set(), has_waiters: raw.has_waiters(), waiters: raw.n_asleep() }
    }

    /// The segment that the event lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        Placed::segment(&self.words)
    }

    /// Where in the body of its segment the event lies.
    #[must_use]
    pub fn offset(&self) -> usize {
        Placed::offset(&self.words)
    }

    #[inline]
    fn raw(&self) -> RawEvent<'_> {
        RawEvent::new(&self.words)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        formatter
            .debug_struct("Event")
            .field("is_set", &stats.is_set)
            .field("waiters", &stats.waiters)
            .finish_non_exhaustive()
    }
}

// A panic leaves nothing half done in a flag.
impl UnwindSafe for Event {}
impl RefUnwindSafe for Event {}
