//! A barrier: a round of so many parties, of which each holds a seat until the last has come.
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
//! | trip | round *g*, all arrived, none of them dead | round *g* + 1, none arrived; then ring for all |
//! | break | round *g* | round *g*, broken, with the cause; then ring for all |
//! | reset | round *g*, in whatever state | round *g* + 1, none arrived, one reset more; then ring for all |
//!
//! The state tells who waited in round *g* how that ended: by a trip, if the number of resets is the
//! same; if there was one more, it also tells the round that it ended. Who finds that there were two
//! or more since it arrived is told of a reset, even if its own round was tripped before them.
//!
//! # Who sees a death
//!
//! Each waiter sleeps on its row's bell, the half of the state that every move but an arrival
//! changes, the first seat of the row, the seat after its own, and the other half of the state; in
//! that order, and each compared with what it has just seen there. The seats get their mark of waiters before, so that the
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
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `exchange` | `exchange`, `look` | all that a party did before it arrived, and the action |
//! | E2 | `ring_if_over`, between state and bell | the same, on another's side | that who sleeps on and who was woken cannot miss one another |

#![expect(unsafe_code, reason = "hands the addresses of words to the kernel")]

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use ipc_core::primitive::{
    AtomicU32, AtomicU64, Spin, Wait, Woken, fence, futex_wait_any, futex_wake,
};
use ipc_core::robust::{Bell, RobustWord, Thread, WAITERS};

use super::planted::{
    BARRIER_LOOKS_BEFORE_TRIP, BARRIER_PENDS, BARRIER_RINGS_AGAIN, BARRIER_WATCHES,
};
use super::{Holder, RawLock, Refused};

/// The words of a barrier, but for its seats.
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

/// A round, as its parties remember it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Round {
    number: u64,
    resets: u64,
}

/// A value of the state.
///
/// ```text
///  0   3   6        32      54      64
///  | kind | resets | round | value | last reset |
/// ```
///
/// The value is how many have arrived, or the id of the process whose death broke the round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State(u64);

const OPEN: u64 = 0;
const TIMED_OUT: u64 = 1;
const ABORTED: u64 = 2;
const SPOILED: u64 = 3;
const DIED: u64 = 4;

const KIND: u64 = 0b111;
const RESETS: u64 = 0b111;
const ROUND: u64 = (1 << 26) - 1;
const VALUE: u64 = (1 << 22) - 1;
const LAST_RESET: u64 = (1 << 10) - 1;

impl State {
    fn new(kind: u64, round: Round, value: u64, last_reset: u64) -> Self {
        Self(
            kind & KIND
                | (round.resets & RESETS) << 3
                | (round.number & ROUND) << 6
                | (value & VALUE) << 32
                | (last_reset & LAST_RESET) << 54,
        )
    }

    fn kind(self) -> u64 {
        self.0 & KIND
    }

    fn round(self) -> Round {
        Round { number: self.0 >> 6 & ROUND, resets: self.0 >> 3 & RESETS }
    }

    fn value(self) -> u64 {
        self.0 >> 32 & VALUE
    }

    fn last_reset(self) -> u64 {
        self.0 >> 54
    }

    /// Which row of seats, and which bell, it is the turn of.
    fn row(self) -> usize {
        usize::from(self.round().number & 1 == 1)
    }

    fn broken(self) -> Option<Broken> {
        match self.kind() {
            OPEN => None,
            TIMED_OUT => Some(Broken::TimedOut),
            SPOILED => Some(Broken::Spoiled),
            DIED => Some(Broken::Died(low_bits(self.value()))),
            // Whatever else somebody wrote there, nobody comes through.
            _ => Some(Broken::Aborted),
        }
    }

    fn with_arrival(self) -> Self {
        Self::new(OPEN, self.round(), self.value() + 1, self.last_reset())
    }

    fn tripped(self) -> Self {
        let Round { number, resets } = self.round();
        Self::new(OPEN, Round { number: number + 1, resets }, 0, self.last_reset())
    }

    fn reset(self) -> Self {
        let Round { number, resets } = self.round();
        Self::new(OPEN, Round { number: number + 1, resets: resets + 1 }, 0, number)
    }

    fn broken_by(self, cause: Broken) -> Self {
        let (kind, value) = match cause {
            Broken::TimedOut => (TIMED_OUT, 0),
            Broken::Spoiled => (SPOILED, 0),
            Broken::Died(pid) => (DIED, u64::from(pid)),
            Broken::Aborted | Broken::Reset => (ABORTED, 0),
        };
        Self::new(kind, self.round(), value, self.last_reset())
    }

    /// How `round` ended, if it has.
    fn end_of(self, round: Round) -> Option<Result<(), Broken>> {
        if self.round().number == round.number {
            return self.broken().map(Err);
        }
        match self.round().resets.wrapping_sub(round.resets) & RESETS {
            0 => Some(Ok(())),
            1 if self.last_reset() != round.number & LAST_RESET => Some(Ok(())),
            _ => Some(Err(Broken::Reset)),
        }
    }
}

/// What woke a waiter, so that it knows where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// It has not slept.
    Nothing,
    /// It may be a death.
    Perhaps,
}

impl<'words> RawBarrier<'words> {
    /// Makes a barrier of its words and of twice as many seats as there are parties.
    ///
    /// # Safety
    ///
    /// The words and seats must stay where they are, mapped and not used for anything else, as long
    /// as a thread uses the result, and until it has left the seat it took or has ended: the kernel
    /// keeps their addresses.
    #[inline]
    #[must_use]
    pub const unsafe fn new(words: &'words BarrierWords, seats: &'words [RobustWord]) -> Self {
        Self { words, seats }
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

    /// Arrives as one of the parties, a thread of the process `pid`.
    ///
    /// # Errors
    ///
    /// [`Failed`] says why it has not arrived.
    pub fn arrive(self, me: Thread, pid: u32, deadline: Deadline) -> Result<Place, Failed> {
        if me.holds_any(self.seats) {
            return Err(Failed::Refused(Refused::WouldDeadlock));
        }
        loop {
            // SAFETY: vouched for by whoever made `self`.
            if let Err(why) = unsafe { self.door().lock(me, deadline) } {
                return Err(match why {
                    Refused::Held => Failed::TimedOut,
                    why => Failed::Refused(why),
                });
            }
            let now = self.look();
            let outcome = self.arrive_inside(me, pid, now);
            if let Ok(Step::Arrived(place)) = outcome {
                self.door().unlock(me);
                return Ok(place);
            }
            if let Ok(Step::SeatTaken(seat)) = outcome {
                // Who was let through two rounds ago has not left yet; and nobody else can arrive.
                let waited = self.wait_for_seat(me, now, seat, deadline);
                self.door().unlock(me);
                waited?;
                continue;
            }
            self.door().unlock(me);
            match outcome? {
                // The action runs.
                Step::Full => match self.watch(me, now, None, deadline) {
                    Ok(_) => {}
                    Err(TimeIsUp) => return Err(Failed::TimedOut),
                },
                _ if deadline.is_past() => return Err(Failed::TimedOut),
                _ => {}
            }
        }
    }

    /// Waits for the round to be completed, and leaves.
    ///
    /// # Errors
    ///
    /// [`Failed`] says why it was not.
    pub fn wait(self, me: Thread, place: Place, deadline: Deadline) -> Result<u32, Failed> {
        let round = self.of(place.round);
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
        self.end(me, self.look().round(), Broken::Aborted);
    }

    /// Begins a new round; who waits in this one is sent away.
    pub fn reset(self, me: Thread) {
        for _ in 0..TRIES {
            let now = self.look();
            if self.change(me, now, now.reset()) {
                return;
            }
        }
    }

    /// Takes the next seat and arrives, with the door in hand.
    fn arrive_inside(self, me: Thread, pid: u32, now: State) -> Result<Step<'words>, Failed> {
        if let Some(broken) = now.broken() {
            return Err(Failed::Broken(broken));
        }
        let arrived = now.value();
        let number = low_bits(arrived);
        let Some(seat) = self.row(now).get(number as usize) else { return Ok(Step::Full) };
        // Who died on it before its arrival counted, or after it was let through, is not missed.
        // SAFETY: vouched for by whoever made `self`.
        match unsafe { RawLock::new(seat).try_lock(me) } {
            Ok(_) => {}
            Err(Refused::Held) => return Ok(Step::SeatTaken(seat)),
            Err(why) => return Err(Failed::Refused(why)),
        }
        seat.notes[0].store(pid, Relaxed);
        if self.exchange(now, now.with_arrival()) {
            let is_last = arrived + 1 == u64::from(self.parties());
            Ok(Step::Arrived(Place { number, is_last, round: now.round() }))
        } else {
            // It was broken, or reset.
            RawLock::new(seat).unlock(me);
            Ok(Step::Changed)
        }
    }

    fn leave(self, me: Thread, place: Place) {
        if let Some(seat) = self.row(self.of(place.round)).get(place.number as usize) {
            RawLock::new(seat).unlock(me);
        }
    }

    /// Watches the round that `seen` is of, until it is over; on the seat with this number, or from
    /// outside.
    fn watch(
        self,
        me: Thread,
        seen: State,
        number: Option<u32>,
        deadline: Deadline,
    ) -> Result<Result<(), Broken>, TimeIsUp> {
        let (round, bell) = (seen.round(), self.bell(seen));
        let first = if number == Some(0) { None } else { self.row(seen).first() };
        let next = number.and_then(|number| self.row(seen).get(number as usize + 1));
        let mut spin = Spin::new(&self.words.disappointments);
        let mut cause = Cause::Nothing;
        let mut is_announced = false;
        self.pend(me, bell);
        let end = loop {
            let now = self.look();
            if let Some(end) = now.end_of(round) {
                self.ring_if_over(bell);
                break Ok(end);
            }
            let dead = match cause {
                Cause::Nothing => None,
                Cause::Perhaps => self.find_dead(now),
            };
            if let Some(pid) = dead {
                self.end_pending(bell, round, Broken::Died(pid));
                continue;
            }
            if spin.again(&self.words.disappointments) {
                continue;
            }
            if deadline.is_past() {
                break Err(TimeIsUp);
            }
            if !is_announced {
                bell.announce();
                is_announced = true;
                continue;
            }
            cause = self.sleep(bell, now, first, next, deadline);
            is_announced = false;
        };
        me.pend_clear();
        end
    }

    /// Sleeps until something happens; the bell knows.
    fn sleep(
        self,
        bell: &Bell,
        now: State,
        first: Option<&RobustWord>,
        next: Option<&RobustWord>,
        deadline: Deadline,
    ) -> Cause {
        // Without the seats there are the bell and both halves.
        let mut waits = [bell.wait(); 5];
        let mut len = 2;
        for seat in first.into_iter().chain(next).filter(|_| BARRIER_WATCHES) {
            let marked = seat.word.fetch_or(WAITERS, Relaxed) | WAITERS;
            if RawLock::new(seat).is_dead() && self.find_dead(now).is_some() {
                return Cause::Perhaps;
            }
            waits[len] = Wait::on(&seat.word, marked);
            len += 1;
        }
        waits[1] = Wait::on_low_half(&self.words.state, now.0);
        // Last, and to be compared only: an arrival between our look at a seat and our sleep on it
        // may have ended by a death that left the seat as it was.
        waits[len] = Wait::on_high_half(&self.words.state, now.0);
        let woken = futex_wait_any(&waits[..=len], deadline);
        if woken == Woken::By(0) {
            bell.answer();
        }
        if let (Woken::By(2..), Some(next)) = (woken, next) {
            // Who leaves a seat wakes one, which may have been meant for who comes to sit there.
            if !matches!(RawLock::new(next).holder(), Holder::Thread(_)) {
                futex_wake(&next.word, 1);
            }
        }
        Cause::Perhaps
    }

    /// Waits for somebody who was let through to leave a seat, with the door in hand.
    fn wait_for_seat(
        self,
        me: Thread,
        now: State,
        seat: &RobustWord,
        deadline: Deadline,
    ) -> Result<(), Failed> {
        let bell = self.bell(now);
        self.pend(me, bell);
        bell.announce();
        let marked = seat.word.fetch_or(WAITERS, Relaxed) | WAITERS;
        let waits = [
            bell.wait(),
            Wait::on_low_half(&self.words.state, now.0),
            Wait::on(&seat.word, marked),
        ];
        let is_taken = matches!(RawLock::new(seat).holder(), Holder::Thread(_));
        let woken = if is_taken { futex_wait_any(&waits, deadline) } else { Woken::Changed };
        // We may have been woken in place of one who waits.
        bell.answer();
        let now = self.look();
        if let Some(pid) = self.find_dead(now) {
            self.end_pending(bell, now.round(), Broken::Died(pid));
        }
        me.pend_clear();
        if woken == Woken::TimedOut { Err(Failed::TimedOut) } else { Ok(()) }
    }

    /// The process of a party that has arrived and is dead, if there is one.
    fn find_dead(self, now: State) -> Option<u32> {
        let arrived = if now.kind() == OPEN { now.value() } else { 0 };
        let mut seats = self.row(now).iter().take(low_bits(arrived) as usize);
        seats.find(|seat| RawLock::new(seat).is_dead()).map(|seat| seat.notes[0].load(Relaxed))
    }

    /// Breaks `round`, unless it is over; says whether it did.
    fn end(self, me: Thread, round: Round, cause: Broken) -> bool {
        let bell = self.bell(self.of(round));
        self.pend(me, bell);
        let done = self.end_pending(bell, round, cause);
        me.pend_clear();
        done
    }

    /// The same with the bell pending.
    fn end_pending(self, bell: &Bell, round: Round, cause: Broken) -> bool {
        for _ in 0..TRIES {
            let now = self.look();
            if now.end_of(round).is_some() {
                return false;
            }
            if self.exchange(now, now.broken_by(cause)) {
                if bell.is_waiting_after_exchange() {
                    bell.wake_all();
                }
                return true;
            }
        }
        false
    }

    /// Ends the round that `now` is of and rings for all, unless somebody was faster.
    fn change(self, me: Thread, now: State, next: State) -> bool {
        let bell = self.bell(now);
        self.pend(me, bell);
        let done = self.exchange(now, next);
        if done && bell.is_waiting_after_exchange() {
            bell.wake_all();
        }
        me.pend_clear();
        done
    }

    /// Rings for those who were not rung for by who ended the round.
    fn ring_if_over(self, bell: &Bell) {
        // E2 release. E2 acquire.
        fence(SeqCst);
        if BARRIER_RINGS_AGAIN && bell.is_waiting() {
            bell.wake_all();
        }
    }

    fn exchange(self, now: State, next: State) -> bool {
        // E1 release. E1 acquire.
        self.words.state.compare_exchange(now.0, next.0, AcqRel, Relaxed).is_ok()
    }

    fn look(self) -> State {
        // E1 acquire.
        State(self.words.state.load(Acquire))
    }

    /// A state of that round, to find its row and bell.
    fn of(self, round: Round) -> State {
        State::new(OPEN, round, 0, 0)
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

/// A part of the state that has less than 32 bits.
fn low_bits(value: u64) -> u32 {
    u32::try_from(value & VALUE).unwrap_or(0)
}

/// What an attempt to arrive came to.
enum Step<'words> {
    Arrived(Place),
    /// All have arrived.
    Full,
    /// Somebody else changed the state.
    Changed,
    /// Somebody who was let through is still there.
    SeatTaken(&'words RobustWord),
}

/// The deadline has come.
#[derive(Debug)]
struct TimeIsUp;
