//! Barrier: so many parties wait until the last of them has come.
//!
//! # Layout
//!
//! ```text
//! offset       what
//!   0          the words ([`crate::raw::RawBarrier`] says which)
//! 128          a line for each seat: two for each party
//! behind       two lines for each member that there can be
//! ```
//!
//! # Invariants
//!
//! - A1: Words and seats lie in a segment, which stays mapped as long as a thread of this process
//!   holds a line of them, whatever becomes of handles: the robust list sees to that. While a thread
//!   waits, a handle that it borrows keeps the segment mapped.
//!
//! # Safety
//!
//! What the engine asks for, that words and seats stay mapped, is A1.

#![expect(unsafe_code, reason = "promises the engine that the words stay mapped")]

mod error;
mod member;
mod travel;

use core::fmt;
use core::mem::ManuallyDrop;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;

use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{RobustWord, Thread};
use ipc_core::{Deadline, Kind, Layout, Placed, ProcessId, Segment, SegmentError};

pub use error::{BarrierError, MemberError, NewBarrierError};
pub use member::BarrierMember;

use crate::named;
use crate::place::is_supported;
use crate::raw::{
    BarrierWords, MOST_MEMBERS, MOST_PARTIES, MemberWords, Place, RawBarrier, n_places, n_seats,
};
use crate::who::Who;

/// What a segment is called that holds nothing but one barrier.
pub(crate) const KIND: Kind = Kind::new(*b"barrier\0", 1);

/// What a barrier says about itself, at the moment of asking.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarrierStats {
    /// How many parties make a round.
    pub parties: u32,
    /// Who has arrived in this round and waits.
    pub waiting: Vec<Who>,
    /// Who is a member.
    pub members: Vec<Who>,
    /// Why it is broken, if it is.
    pub broken: Option<BarrierError>,
    /// How many rounds were broken by a death.
    pub deaths: u32,
}

/// A meeting point for so many threads, of any processes: nobody goes on until all have come.
///
/// It can be used again and again; each time all have come is a round. Any number of processes may
/// have handles to it; cloning a handle does not make another barrier. There may be more threads
/// than parties: those that come first make the round.
///
/// A round that cannot be completed is *broken*: one party's time ran out, somebody called
/// [`abort`](Self::abort), the action panicked, or a party died. Then all who wait, and all who
/// come later, get an error that says which, until somebody calls [`reset`](Self::reset).
///
/// # Process death
///
/// If a thread dies while it waits at the barrier, or while it runs the action, with its process or
/// alone, the barrier is broken, and everybody gets [`BarrierError::PartyDied`] with the id of its
/// process. A thread that dies before it arrives is missed if it is a [`member`](Self::member): then
/// all get the same. If it is none, the others wait for another in its place. The commit point of arriving is the exchange
/// that counts the party, that of a round the exchange that begins the next.
///
/// # Examples
///
/// ```
/// use std::thread;
/// use ipc_sync::Barrier;
///
/// let barrier = Barrier::new(2)?;
/// thread::scope(|scope| {
///     // … or in other processes …
///     let other = scope.spawn(|| barrier.wait());
///     let numbers = [barrier.wait()?, other.join().unwrap()?];
///     assert!(numbers == [0, 1] || numbers == [1, 0]);
///     Ok::<(), ipc_sync::BarrierError>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Barrier {
    words: Placed<BarrierWords>,
    /// Right behind; two for each party.
    seats: Placed<[RobustWord]>,
    /// Right behind these.
    members: Placed<[MemberWords]>,
}

impl Barrier {
    /// What the offset of a barrier in a segment must be a multiple of.
    pub const ALIGNMENT: usize = align_of::<BarrierWords>();

    /// The most threads that can be [members](Self::member) at one time.
    pub const MOST_MEMBERS: usize = MOST_MEMBERS;

    /// How many bytes a barrier for so many parties takes in a segment.
    #[must_use]
    pub const fn size(parties: u32) -> usize {
        Self::offset_of_members(parties) + size_of::<MemberWords>() * n_places(parties)
    }

    const fn offset_of_members(parties: u32) -> usize {
        size_of::<BarrierWords>() + size_of::<RobustWord>() * n_seats(parties)
    }

    /// Makes a barrier for so many parties, from 1 to 65,535, in memory of its own, which is freed
    /// with the last process that has a handle.
    ///
    /// # Errors
    ///
    /// [`NewBarrierError::Parties`] for no party or too many; [`NewBarrierError::Segment`] as
    /// [`Lock::new`](crate::Lock::new).
    pub fn new(parties: u32) -> Result<Self, NewBarrierError> {
        check_parties(parties)?;
        let segment = Segment::create(KIND, 0, Self::size(parties))?;
        Self::new_in_segment(&segment, 0, parties)
    }

    /// Makes a barrier with a name, for programs that know each other by nothing else.
    ///
    /// It stays until somebody calls [`Segment::unlink`] with its name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::AlreadyExists`],
    /// [`SegmentError::PermissionDenied`], and as [`new`](Self::new).
    pub fn create_named(name: &str, parties: u32) -> Result<Self, NewBarrierError> {
        check_parties(parties)?;
        named::create(name, KIND, 0, Self::size(parties), |segment| {
            Self::new_in_segment(segment, 0, parties)
        })
    }

    /// Opens the barrier of that name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`];
    /// [`SegmentError::NotASegment`] or [`SegmentError::WrongKind`] if the name is something
    /// else's; and as [`in_segment`](Self::in_segment).
    pub fn open_named(name: &str) -> Result<Self, NewBarrierError> {
        Self::in_segment(&Segment::open_named(name, KIND, 0)?, 0)
    }

    /// Makes room for a barrier for so many parties in the layout of a segment, and returns its
    /// offset.
    pub const fn reserve(layout: &mut Layout, parties: u32) -> usize {
        layout.bytes(Self::size(parties), Self::ALIGNMENT)
    }

    /// Makes a barrier at `offset` in the body of a segment, where it takes [`size`](Self::size)
    /// bytes.
    ///
    /// The bytes must be zero, and belong to the barrier alone; if somebody else writes there, waits
    /// may end too early or never.
    ///
    /// # Errors
    ///
    /// [`NewBarrierError::Parties`] for no party or too many; [`SegmentError::OutOfBounds`] and
    /// [`SegmentError::Misaligned`], and [`SegmentError::Io`] if the process runs where the kernel
    /// does not tell of deaths.
    pub fn new_in_segment(
        segment: &Segment,
        offset: usize,
        parties: u32,
    ) -> Result<Self, NewBarrierError> {
        check_parties(parties)?;
        let barrier = Self::place(segment, offset, parties)?;
        barrier.words.parties.store(parties, Relaxed);
        Ok(barrier)
    }

    /// The barrier that somebody made at `offset` in the body of a segment.
    ///
    /// # Errors
    ///
    /// [`NewBarrierError::Corrupt`] if there is none; else as
    /// [`new_in_segment`](Self::new_in_segment).
    pub fn in_segment(segment: &Segment, offset: usize) -> Result<Self, NewBarrierError> {
        let words: Placed<BarrierWords> = segment.place(offset)?;
        let parties = words.parties.load(Relaxed);
        check_parties(parties).map_err(|_| NewBarrierError::Corrupt)?;
        Ok(Self::place(segment, offset, parties)?)
    }

    /// Waits until all parties have come; returns which of them this one was, from 0 on.
    ///
    /// Each party of a round gets a different number. What any of them did before is seen by all
    /// after.
    ///
    /// # Errors
    ///
    /// [`BarrierError`] says why the round was not completed.
    pub fn wait(&self) -> Result<u32, BarrierError> {
        self.wait_deadline(Deadline::NEVER)
    }

    /// Waits until all parties have come, for at most `timeout`; then it breaks the barrier.
    ///
    /// # Errors
    ///
    /// [`BarrierError::Timeout`], and as [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<u32, BarrierError> {
        self.wait_deadline(Deadline::after(timeout))
    }

    /// Waits until all parties have come, until `deadline` at most; then it breaks the barrier.
    ///
    /// # Errors
    ///
    /// [`BarrierError::Timeout`], and as [`wait`](Self::wait).
    pub fn wait_deadline(&self, deadline: Deadline) -> Result<u32, BarrierError> {
        self.wait_deadline_with(deadline, || ())
    }

    /// Waits until all parties have come; the last to come runs `action` before anybody goes on.
    ///
    /// The parties pass an action each, and one of them is run. If it panics, the barrier is broken,
    /// and the panic goes on in the thread that ran it.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_with(&self, action: impl FnOnce()) -> Result<u32, BarrierError> {
        self.wait_deadline_with(Deadline::NEVER, action)
    }

    /// The same for at most `timeout`; then it breaks the barrier, also under an action that runs.
    ///
    /// # Errors
    ///
    /// [`BarrierError::Timeout`], and as [`wait`](Self::wait).
    pub fn wait_timeout_with(
        &self,
        timeout: Duration,
        action: impl FnOnce(),
    ) -> Result<u32, BarrierError> {
        self.wait_deadline_with(Deadline::after(timeout), action)
    }

    /// The same until `deadline` at most; then it breaks the barrier, also under an action that runs.
    ///
    /// # Errors
    ///
    /// [`BarrierError::Timeout`], and as [`wait`](Self::wait).
    pub fn wait_deadline_with(
        &self,
        deadline: Deadline,
        action: impl FnOnce(),
    ) -> Result<u32, BarrierError> {
        let me = Thread::current();
        let place = self.raw().arrive(me, pid(), deadline)?;
        if !place.is_last() {
            return Ok(self.raw().wait(me, place, deadline)?);
        }
        let last = Last { barrier: self, place };
        action();
        // The action has come to its end: the guard has nothing to do.
        let place = ManuallyDrop::new(last).place;
        Ok(self.raw().trip(me, place)?)
    }

    /// Breaks the barrier: all who wait, and all who come, get [`BarrierError::Aborted`].
    ///
    /// Nothing happens if it is broken already.
    pub fn abort(&self) {
        self.raw().abort(Thread::current());
    }

    /// Makes the barrier as good as new: all who wait get [`BarrierError::Reset`], who comes waits in
    /// a new round, and [members](Self::member) that died until now are missed no more.
    pub fn reset(&self) {
        self.raw().reset(Thread::current());
    }

    /// How many parties make a round.
    #[must_use]
    pub fn parties(&self) -> u32 {
        self.raw().parties()
    }

    /// How many have arrived in this round and wait, at the moment of asking.
    #[must_use]
    #[doc(alias = "n_waiting")]
    pub fn waiting(&self) -> u32 {
        self.raw().arrived()
    }

    /// Whether the barrier is broken, at the moment of asking.
    #[must_use]
    #[doc(alias = "broken")]
    pub fn is_broken(&self) -> bool {
        self.raw().broken().is_some()
    }

    /// What there is to know about the barrier, at the moment of asking.
    #[must_use]
    #[doc(alias = "debug")]
    pub fn stats(&self) -> BarrierStats {
        let raw = self.raw();
        BarrierStats {
            parties: raw.parties(),
            waiting: raw.waiting().map(Who::of).collect(),
            members: raw.members().map(Who::of).collect(),
            broken: raw.broken().map(BarrierError::from),
            deaths: raw.deaths(),
        }
    }

    /// The segment that the barrier lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        Placed::segment(&self.words)
    }

    /// Where in the body of its segment the barrier lies.
    #[must_use]
    pub fn offset(&self) -> usize {
        Placed::offset(&self.words)
    }

    fn place(segment: &Segment, offset: usize, parties: u32) -> Result<Self, SegmentError> {
        is_supported()?;
        let words = segment.place(offset)?;
        let seats = segment.place_slice(offset + size_of::<BarrierWords>(), n_seats(parties))?;
        let members = offset + Self::offset_of_members(parties);
        Ok(Self { words, seats, members: segment.place_slice(members, n_places(parties))? })
    }

    #[inline]
    fn raw(&self) -> RawBarrier<'_> {
        // SAFETY: they stay mapped: A1.
        unsafe { RawBarrier::new(&self.words, &self.seats, &self.members) }
    }
}

/// The last to arrive, as long as its action runs.
struct Last<'barrier> {
    barrier: &'barrier Barrier,
    place: Place,
}

impl Drop for Last<'_> {
    /// The action has panicked.
    fn drop(&mut self) {
        self.barrier.raw().spoil(Thread::current(), self.place);
    }
}

fn check_parties(asked: u32) -> Result<(), NewBarrierError> {
    if (1..=MOST_PARTIES).contains(&asked) {
        Ok(())
    } else {
        Err(NewBarrierError::Parties { asked })
    }
}

/// The id of this process.
fn pid() -> u32 {
    // Where there is no /proc, the thread's id is better than nothing.
    ProcessId::current().map_or_else(|_| Thread::current().tid(), ProcessId::pid)
}

impl fmt::Debug for Barrier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        formatter
            .debug_struct("Barrier")
            .field("parties", &stats.parties)
            .field("waiting", &stats.waiting)
            .field("members", &stats.members)
            .field("broken", &stats.broken)
            .field("deaths", &stats.deaths)
            .finish_non_exhaustive()
    }
}

// What a panic leaves half done is not in the barrier.
impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}
