//! A barrier: a round of so many parties, of which each holds a seat until the last has come.
//!
//! | file | job |
//! |------|-----|
//! | `mod` | completing a round, breaking it, beginning anew |
//! | `arrive` | arriving |
//! | `state` | what the one word of the state says |
//! | `watch` | waiting: looking, sleeping, and what who was woken does for the others |
//! | `members` | threads that are missed when they die, wherever they are |
//!
//! # Words
//!
//! - The *state* says which round it is, how many have arrived in it, and whether it is broken. It is
//!   changed by single exchanges, which are the commit points of everything here.
//! - The *door* is a lock ([`RawLock`]) that is held for the time of one arrival. So the party that
//!   arrives as number *k* sits on seat *k*: the seats of a round are taken without gaps.
//! - A *seat* is a lock that a party takes before its arrival counts, and holds until it leaves. The
//!   kernel marks the seat if the party dies. Rounds take turns with two rows of seats, since who has
//!   been let through may be slow to leave.
//! - A *bell* for each row is what sleepers sleep on and what is rung for all of them.
//! - The *places* of members, and the *roster* of those that may be in use: see `members.rs`.
//!
//! # States
//!
//! | state | meaning |
//! |-------|---------|
//! | round *g*, *k* arrived | parties 0 to *k* - 1 have arrived and wait, or are dead |
//! | round *g*, all arrived | the last runs the action; nobody else can arrive |
//! | round *g*, broken, cause | nobody arrives until it is reset |
//!
//! # Moves
//!
//! | move | from | to |
//! |------|------|----|
//! | arrive | round *g*, *k* arrived | *k* + 1 arrived; door and seat *k* in hand |
//! | trip | round *g*, all arrived, none of them and no member dead | round *g* + 1, none arrived; then ring for all |
//! | break | round *g* | round *g*, broken, with the cause; then ring for all |
//! | reset | round *g*, in whatever state, and all were told of members that died | round *g* + 1, none arrived, one reset more; then ring for all |
//!
//! The state tells who waited in round *g* how that ended: by a trip, if the number of resets is the
//! same; if there was one more, it also tells the round that it ended. Who finds that there were two
//! or more since it arrived is told of a reset, even if its own round was tripped before them.
//!
//! # Who sees a death
//!
//! Each waiter sleeps on its row's bell, the half of the state that every move but an arrival
//! changes, the first seat of the row, the seat after its own, the roster and what it names, and the
//! other half of the state; in that order, and each compared with what it has just seen there. The seats get their mark of waiters before, so that the
//! kernel wakes somebody at a death; also empty ones, whose later holders inherit the mark.
//!
//! - B1: If a party of the round is dead and one that lives waits, then somebody who lives looks at the
//!   seat of a dead one: if the first seat's party is dead, everybody does; else the one with the
//!   lowest number among the dead has its neighbor before it, which lives. So not all of the living
//!   can fall asleep over a death: one of them finds the word changed.
//! - B2: If one of the living sleeps already when somebody dies, it is woken. A party that waits has
//!   the bell pending, so its death wakes one sleeper of the bell, whatever it was woken for itself
//!   before. A party that dies between its arrival and that is seen by its neighbor before it, which
//!   sleeps on its seat, or is dead itself, in which case the same is true of that one.
//! - B3: Who was woken looks at the seats of all who have arrived, and breaks the round if one is
//!   dead. The last to arrive does so before it trips the round.
//! - B4: The kernel's wake is a wake of one. Whoever changes the state has the bell pending until all
//!   are woken, and who finds the round over while the bell says that somebody waits rings again.
//!
//! The death of a member is seen in the same way: `members.rs`.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `exchange` | `exchange`, `look` | all that a party did before it arrived, and the action |
//! | E2 | `ring_if_over`, between state and bell | the same, on another's side | that who sleeps on and who was woken cannot miss one another |
//! | E3 | `write` | `note` | that the words of the place are that member's |
//! | E4 | `enroll` | `roster` | that the words of the place are taken |

#![expect(unsafe_code, reason = "hands the addresses of words to the kernel")]

mod arrive;
mod members;
mod state;
mod watch;

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::{AcqRel, Acquire, Relaxed};
use ipc_core::primitive::{AtomicU32, AtomicU64};
use ipc_core::robust::{Bell, RobustWord, Thread};

pub use members::{MOST_MEMBERS, MemberWords, NotJoined, n_places};
use state::{OPEN, Round, State, low_bits};
use watch::TimeIsUp;

use super::planted::{BARRIER_LOOKS_BEFORE_TRIP, BARRIER_PENDS};
use super::{Holder, RawLock, Refused};

/// The words of a barrier, but for its seats and the places of members.
///
/// Zeros are a barrier in its first round, at which nobody has arrived.
#[cfg_attr(not(ipc_loom), repr(C, align(64)))]
#[derive(Debug, Default)]
pub struct BarrierWords {
    door: RobustWord,
    state: AtomicU64,
    /// One for each row.
    bells: [Bell; 2],
    /// How many parties there are; for the user of the barrier.
    pub parties: AtomicU32,
    /// How often looking before sleeping was in vain.
    disappointments: AtomicU32,
    /// Which places of members may be in use: see `members.rs`.
    roster: AtomicU32,
    /// How many rounds were broken by a death.
    deaths: AtomicU32,
}

// SAFETY: it is `repr(C)` and consists of words only.
#[cfg(not(ipc_loom))]
unsafe impl ipc_core::Shared for BarrierWords {}

/// So many times in a row somebody may be faster, before we give up trying.
const TRIES: u32 = 1 << 16;

/// The most parties that a barrier can have.
pub const MOST_PARTIES: u32 = 65_535;

/// How many seats a barrier for so many parties has.
#[must_use]
pub const fn n_seats(parties: u32) -> usize {
    parties as usize * 2
}

/// A barrier, by its words.
#[derive(Clone, Copy, Debug)]
pub struct RawBarrier<'words> {
    words: &'words BarrierWords,
    /// Two rows.
    seats: &'words [RobustWord],
    members: &'words [MemberWords],
}

/// Why a round was not completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The time of one party ran out.
    TimedOut,
    /// Somebody broke it on purpose.
    Aborted,
    /// The action did not come to its end.
    Spoiled,
    /// A party died: a thread of the process with this id.
    Died(u32),
    /// Somebody began a new round.
    Reset,
}

/// Why a party was not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Its time ran out. If it had arrived, the round is broken.
    TimedOut,
    /// It could not take the door or a seat, for another reason than time.
    Refused(Refused),
    /// The round is broken.
    Broken(Broken),
}

/// A party that has arrived, on its seat. It must come to [`RawBarrier::wait`], to
/// [`trip`](RawBarrier::trip) or to [`spoil`](RawBarrier::spoil).
#[must_use]
#[derive(Clone, Copy, Debug)]
pub struct Place {
    number: u32,
    is_last: bool,
    round: Round,
}

impl Place {
    /// Which of the round's parties it is.
    #[must_use]
    pub fn number(self) -> u32 {
        self.number
    }

    /// Whether it was the last to arrive: then it is for it to trip the round.
    #[must_use]
    pub fn is_last(self) -> bool {
        self.is_last
    }
}

impl<'words> RawBarrier<'words> {
    /// Makes a barrier of its words, of twice as many seats as there are parties, and of places for
    /// members; everybody gives the same numbers of them.
    ///
    /// # Safety
    ///
    /// The words and seats must stay where they are, mapped and not used for anything else, as long
    /// as a thread uses the result, and until it has left the seat it took or has ended: the kernel
    /// keeps their addresses.
    #[inline]
    #[must_use]
    pub const unsafe fn new(
        words: &'words BarrierWords,
        seats: &'words [RobustWord],
        members: &'words [MemberWords],
    ) -> Self {
        Self { words, seats, members }
    }

    /// How many parties make a round.
    #[must_use]
    pub fn parties(self) -> u32 {
        u32::try_from(self.seats.len() / 2).unwrap_or(MOST_PARTIES).min(MOST_PARTIES)
    }

    /// How many have arrived in this round.
    #[must_use]
    pub fn arrived(self) -> u32 {
        let now = self.look();
        let arrived = if now.kind() == OPEN { now.value() } else { 0 };
        low_bits(arrived).min(self.parties())
    }

    /// Why the round is broken, if it is.
    #[must_use]
    pub fn broken(self) -> Option<Broken> {
        self.look().broken()
    }

    /// Those who have arrived in this round and wait: their threads and processes.
    pub fn waiting(self) -> impl Iterator<Item = (u32, u32)> {
        let now = self.look();
        let arrived = if now.kind() == OPEN { now.value() } else { 0 };
        let seats = self.row(now).iter().take(low_bits(arrived) as usize);
        seats.filter_map(|seat| match RawLock::new(seat).holder() {
            Holder::Thread(tid) => Some((tid, seat.notes[0].load(Relaxed))),
            _ => None,
        })
    }

    /// How many rounds were broken by a death.
    #[must_use]
    pub fn deaths(self) -> u32 {
        self.words.deaths.load(Relaxed)
    }

    /// How many sleep: for models in which something happens when they do.
    #[cfg(ipc_loom)]
    #[must_use]
    pub fn n_asleep(self) -> u32 {
        ipc_core::primitive::futex_n_asleep(self.bell(self.look()).word())
    }

    /// Waits for the round to be completed, and leaves.
    ///
    /// # Errors
    ///
    /// [`Failed`] says why it was not.
    pub fn wait(self, me: Thread, place: Place, deadline: Deadline) -> Result<u32, Failed> {
        let round = State::of(place.round);
        let end = match self.watch(me, round, Some(place.number), deadline) {
            Ok(end) => end.map_err(Failed::Broken),
            // Our time has run out, unless somebody was faster.
            Err(TimeIsUp) => match self.end(me, place.round, Broken::TimedOut) {
                true => Err(Failed::TimedOut),
                false => match self.look().end_of(place.round) {
                    Some(end) => end.map_err(Failed::Broken),
                    None => Err(Failed::TimedOut),
                },
            },
        };
        self.leave(me, place);
        end.map(|()| place.number)
    }

    /// Completes the round, as the last to arrive, and leaves.
    ///
    /// # Errors
    ///
    /// [`Failed::Broken`] if it was broken meanwhile, or if the calling thread is not the one that
    /// arrived, but a forked child's.
    pub fn trip(self, me: Thread, place: Place) -> Result<u32, Failed> {
        if !me.holds_any(self.seats) {
            // A forked child has come back from its parent's action.
            return Err(Failed::Broken(Broken::Aborted));
        }
        // Each further try means that somebody else changed the state.
        let mut end = Err(Broken::Aborted);
        for _ in 0..TRIES {
            let now = self.look();
            if let Some(found) = now.end_of(place.round) {
                end = found;
                break;
            }
            if BARRIER_LOOKS_BEFORE_TRIP && let Some(pid) = self.find_dead(now) {
                self.end(me, place.round, Broken::Died(pid));
            } else if self.change(me, now, now.tripped()) {
                end = Ok(());
                break;
            }
        }
        self.leave(me, place);
        end.map(|()| place.number).map_err(Failed::Broken)
    }

    /// Breaks the round, as the last to arrive, whose action failed, and leaves.
    pub fn spoil(self, me: Thread, place: Place) {
        // A forked child does not have its parent's place.
        if me.holds_any(self.seats) {
            self.end(me, place.round, Broken::Spoiled);
            self.leave(me, place);
        }
    }

    /// Breaks the round, whoever is there.
    pub fn abort(self, me: Thread) {
        self.break_now(me, Broken::Aborted);
    }

    /// Begins a new round; who waits in this one is sent away, and the dead are missed no more.
    pub fn reset(self, me: Thread) {
        self.tell_all(me);
        for _ in 0..TRIES {
            let now = self.look();
            if self.change(me, now, now.reset()) {
                return;
            }
        }
    }

    fn leave(self, me: Thread, place: Place) {
        if let Some(seat) = self.row(State::of(place.round)).get(place.number as usize) {
            RawLock::new(seat).unlock(me);
        }
    }

    /// The process of a party that has arrived and is dead, or of a member that is, if there is one.
    fn find_dead(self, now: State) -> Option<u32> {
        let arrived = if now.kind() == OPEN { now.value() } else { 0 };
        let mut seats = self.row(now).iter().take(low_bits(arrived) as usize);
        let dead = seats.find(|seat| RawLock::new(seat).is_dead());
        dead.map(|seat| seat.notes[0].load(Relaxed)).or_else(|| self.find_dead_member(now))
    }

    fn exchange(self, now: State, next: State) -> bool {
        // E1 release. E1 acquire.
        self.words.state.compare_exchange(now.bits(), next.bits(), AcqRel, Relaxed).is_ok()
    }

    fn look(self) -> State {
        // E1 acquire.
        State::from_bits(self.words.state.load(Acquire))
    }

    fn row(self, state: State) -> &'words [RobustWord] {
        let parties = self.parties() as usize;
        self.seats.get(state.row() * parties..).and_then(|row| row.get(..parties)).unwrap_or(&[])
    }

    fn bell(self, state: State) -> &'words Bell {
        &self.words.bells[state.row()]
    }

    fn door(self) -> RawLock<'words> {
        RawLock::new(&self.words.door)
    }

    fn pend(self, me: Thread, bell: &Bell) {
        if BARRIER_PENDS {
            // SAFETY: vouched for by whoever made `self`; cleared by the caller.
            unsafe { me.pend(bell.word()) };
        }
    }
}
