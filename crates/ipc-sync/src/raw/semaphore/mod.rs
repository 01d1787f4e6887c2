//! The semaphore itself: permits that are counted, and leases of permits that end with their
//! holder; a protocol on borrowed words.
//!
//! | file | job |
//! |------|-----|
//! | `state` | what the one word of the state says |
//! | `mod` | permits without a holder: taking and releasing |
//! | `wait` | waiting for a permit, and calling who waits |
//! | `lease` | permits with a holder: leasing, giving back, forgetting |
//! | `seats` | where holders are named, and what is done after their death |
//!
//! # States
//!
//! | state | meaning |
//! |-------|---------|
//! | *n* | *n* permits can be taken, nobody is asleep, or a wake-up of all is on its way |
//! | *n*, `WAITING` | the same, and somebody may be asleep |
//!
//! # Moves
//!
//! | move | from | to |
//! |------|------|----|
//! | take | *n* > 0 | *n* − 1; if I have slept, with `WAITING` in any case |
//! | release | *n* | *n* + *k*; if `WAITING` is there, then call *k*; if nobody was asleep, clear |
//! | announce | *n* = 0 | *n*, `WAITING`; then sleep |
//! | clear | *n*, `WAITING` | *n*; then call all |
//!
//! All are exchanges of one word, which has the mark beside the count: who changes the count and
//! finds no mark has nobody to call, and needs nothing else. The mark is handed on as it is in the
//! word of a lock (`word.rs`), and for the same reason.
//!
//! # Sleeping and calling
//!
//! A sleeper sleeps on the *call* word, which is always zero and has no owner, and in this order on
//! the low half of the state with the value *0*, `WAITING`, on the number of open seats, and on the
//! words of these seats. A release before the kernel compares is seen, one after it calls.
//!
//! - I1: While somebody is asleep, the state has `WAITING`, or somebody who took it away is about to
//!   call all, or somebody is awake who has slept and will set it again before it leaves.
//! - I2: Every permit that is released while somebody is asleep is followed by a call, of the one
//!   who released it or, if that died, of the kernel: it has the call word pending.
//! - I3: Who was called and dies has the call word pending: the kernel calls another.
//! - I4: The kernel calls one, whatever was released, and several calls may reach one sleeper (through
//!   different words). So who has slept and takes a permit calls the next, if there is another permit
//!   or a seat whose holder died.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `release`, `settle` | `take`, `lease` | all that was written before the permit was released |
//! | E2 | `free`, and the kernel at a death | `sit` | the seat's note, and what the dead had committed |
//! | E3 | `lease`, `settle` | `complete`'s callers, which have looked | that the note of the seat is the one before the operation |
//! | E4 | `complete` | `complete` | that the operation before is complete when the next replaces it |

#![expect(unsafe_code, reason = "hands the address of a word to the kernel")]

mod lease;
mod seats;
mod state;
mod wait;

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::primitive::{AtomicU32, AtomicU64, MAX_WAITS, Ordering, futex_n_asleep};
use ipc_core::robust::{RobustWord, Thread};

pub use lease::Lease;
pub(crate) use state::MOST_PERMITS;
use state::State;
use wait::Want;

/// The most seats that a semaphore can have: a sleeper sleeps on all their words and three more.
pub(crate) const MOST_SEATS: usize = 120;
const _: () = assert!(MOST_SEATS + 3 <= MAX_WAITS);

/// The acquire end of edge E1.
const ACQUIRE: Ordering = if cfg!(ipc_planted = "semaphore_no_order") { Relaxed } else { Acquire };

/// The release end of edge E1.
const RELEASE: Ordering = if cfg!(ipc_planted = "semaphore_no_order") { Relaxed } else { Release };

/// The words of a semaphore, without its seats; words of zeros are one without permits.
#[cfg_attr(not(ipc_loom), repr(C, align(64)))]
#[derive(Debug, Default)]
pub struct SemaphoreWords {
    /// Count, mark, and last operation on a lease: see `state.rs`.
    state: AtomicU64,
    /// Always zero: to be slept on, and to be pending.
    call: AtomicU32,
    /// How many seats are open: see `seats.rs`.
    open: AtomicU32,
    /// How often looking before sleeping was in vain.
    disappointments: AtomicU32,
    /// How many seats were found whose holder died.
    deaths: AtomicU32,
    /// For the user of the semaphore; only ever touched by it.
    pub notes: [AtomicU32; 2],
}

#[cfg(not(ipc_loom))]
const _: () = assert!(size_of::<SemaphoreWords>() == 64);

// SAFETY: it is `repr(C)` and consists of words, and of padding that nobody writes.
#[cfg(not(ipc_loom))]
unsafe impl ipc_core::Shared for SemaphoreWords {}

/// Permits in shared memory.
///
/// # Process death
///
/// The commit point of every operation is one exchange of the state. A permit that was taken
/// without a lease is gone with who took it; one that was leased comes back when the thread ends
/// that holds the lease: whoever would otherwise sleep, or go without, sees to it.
#[derive(Clone, Copy, Debug)]
pub struct RawSemaphore<'words> {
    words: &'words SemaphoreWords,
    seats: &'words [RobustWord],
    most: u32,
}

/// Why no permit was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPermit {
    /// There was none, and the caller did not want to wait, or not any longer.
    None,
    /// All seats are taken: as many leases as there can be at one time.
    NoSeat,
    /// The calling thread holds as many words as a thread can.
    TooManyHeld,
}

/// There would be more permits than there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyPermits;

impl<'words> RawSemaphore<'words> {
    /// Makes a semaphore of its words and seats, which may have `most` permits.
    ///
    /// Everybody gives the same number of seats. More than 120 are not used, and no more permits than
    /// fit into 31 bits.
    #[inline]
    #[must_use]
    pub const fn new(
        words: &'words SemaphoreWords,
        seats: &'words [RobustWord],
        most: u32,
    ) -> Self {
        Self { words, seats, most: if most < MOST_PERMITS { most } else { MOST_PERMITS } }
    }

    /// Sets the number of permits of a semaphore that nobody else has seen.
    pub fn initialize(self, permits: u32) {
        self.words.state.store(State::from_bits(0).with_count(permits).bits(), Relaxed);
    }

    /// The same of one whose word says that somebody may be asleep, as it does after a waiter has
    /// left: for models that begin there.
    #[cfg(ipc_loom)]
    pub fn initialize_as_if_slept_on(self, permits: u32) {
        let state = State::from_bits(0).with_count(permits).with_waiting(true);
        self.words.state.store(state.bits(), Relaxed);
    }

    /// Takes a permit, waiting for it until `deadline`.
    ///
    /// # Errors
    ///
    /// [`NoPermit::None`]; [`NoPermit::TooManyHeld`] if it would take a further word to see to a
    /// dead holder.
    #[inline]
    pub fn take(self, deadline: Deadline) -> Result<(), NoPermit> {
        if self.take_free() { Ok(()) } else { self.take_contended(deadline) }
    }

    /// Takes a permit if there is one.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    #[inline]
    pub fn try_take(self) -> Result<(), NoPermit> {
        if self.take_free() { Ok(()) } else { self.take_swept() }
    }

    /// Releases `count` permits, whoever took them.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`] if there would be more than there may be; then nothing has changed.
    #[inline]
    pub fn release(self, count: u32) -> Result<(), TooManyPermits> {
        if count == 0 {
            return Ok(());
        }
        let mut seen = self.look();
        while !seen.is_waiting() {
            let more = seen.with_more(count, self.most).ok_or(TooManyPermits)?;
            // E1 release.
            match self.words.state.compare_exchange(seen.bits(), more.bits(), RELEASE, Relaxed) {
                Ok(_) => return Ok(()),
                Err(found) => seen = State::from_bits(found),
            }
        }
        self.release_and_call(count)
    }

    /// How many permits can be taken now.
    #[must_use]
    pub fn count(self) -> u32 {
        self.look().count()
    }

    /// Whether somebody may be asleep, waiting for a permit.
    #[must_use]
    pub fn has_waiters(self) -> bool {
        self.look().is_waiting()
    }

    /// How many seats were found whose holder died.
    #[must_use]
    pub fn deaths(self) -> u32 {
        self.words.deaths.load(Relaxed)
    }

    /// How many permits can be taken, and no older number: for models, in which a load may be late.
    #[cfg(ipc_loom)]
    #[must_use]
    pub fn count_now(self) -> u32 {
        State::from_bits(self.words.state.fetch_add(0, Relaxed)).count()
    }

    /// How many sleep now until there is a permit.
    #[must_use]
    pub fn n_asleep(self) -> u32 {
        futex_n_asleep(&self.words.call)
    }

    #[inline]
    fn take_free(self) -> bool {
        let mut seen = self.look();
        while seen.count() > 0 {
            let fewer = seen.with_one_less();
            // E1 acquire.
            match self.words.state.compare_exchange(seen.bits(), fewer.bits(), ACQUIRE, Relaxed) {
                Ok(_) => return true,
                Err(found) => seen = State::from_bits(found),
            }
        }
        false
    }

    #[cold]
    fn take_contended(self, deadline: Deadline) -> Result<(), NoPermit> {
        self.wait(Thread::current(), deadline, Want::Permit).map(drop)
    }

    /// Looks for permits of the dead before it goes without.
    #[cold]
    fn take_swept(self) -> Result<(), NoPermit> {
        self.sweep(Thread::current())?;
        if self.take_free() { Ok(()) } else { Err(NoPermit::None) }
    }

    #[cold]
    fn release_and_call(self, count: u32) -> Result<(), TooManyPermits> {
        let me = Thread::current();
        self.pend(me);
        let released = loop {
            let seen = self.look();
            let Some(more) = seen.with_more(count, self.most) else { break Err(TooManyPermits) };
            // E1 release.
            if self.replace(seen, more, RELEASE) {
                if seen.is_waiting() {
                    self.call(count);
                }
                break Ok(());
            }
        };
        me.pend_clear();
        released
    }

    /// What the state says now.
    #[inline]
    fn look(self) -> State {
        // E3 acquire: for those who complete the operation that they see.
        State::from_bits(self.words.state.load(Acquire))
    }

    #[inline]
    fn replace(self, seen: State, new: State, ordering: Ordering) -> bool {
        self.words.state.compare_exchange(seen.bits(), new.bits(), ordering, Relaxed).is_ok()
    }

    /// Makes the call word the pending one.
    #[inline]
    fn pend(self, me: Thread) {
        if cfg!(ipc_planted = "semaphore_no_pend") {
            me.pend_clear();
        } else {
            // SAFETY: cleared before the operation returns, and borrowed until then.
            unsafe { me.pend(&self.words.call) };
        }
    }
}
