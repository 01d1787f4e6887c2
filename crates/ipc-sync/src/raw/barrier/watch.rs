//! Waiting at a barrier: looking, sleeping, and what who was woken does for the others.

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::{Relaxed, SeqCst};
use ipc_core::primitive::{MAX_WAITS, Spin, Wait, Woken, fence, futex_wait_any, futex_wake};
use ipc_core::robust::{Bell, RobustWord, Thread, WAITERS};

use super::super::planted::{BARRIER_RINGS_AGAIN, BARRIER_WATCHES, BARRIER_WATCHES_MEMBERS};
use super::super::{Holder, RawLock};
use super::members::MOST_MEMBERS;
use super::state::{Round, State};
use super::{Broken, Failed, RawBarrier};

/// The bell, both halves of the state, two seats, and the roster.
const N_OTHER_WAITS: usize = 6;
const _: () = assert!(MOST_MEMBERS + N_OTHER_WAITS <= MAX_WAITS);

/// Most sleepers sleep on no more words than this.
const FEW_WAITS: usize = 14;

/// The deadline has come.
#[derive(Debug)]
pub(super) struct TimeIsUp;

impl RawBarrier<'_> {
    /// Watches the round that `seen` is of, until it is over; on the seat with this number, or from
    /// outside.
    pub(super) fn watch(
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
        let mut has_slept = false;
        let mut is_announced = false;
        self.pend(me, bell);
        let end = loop {
            let now = self.look();
            if let Some(end) = now.end_of(round) {
                self.ring_if_over(bell);
                break Ok(end);
            }
            // Nobody looks at all the seats before it has been woken for that.
            let dead = if has_slept { self.find_dead(now) } else { self.find_dead_member(now) };
            if let Some(pid) = dead {
                // Where honest peers are, somebody has ended it; nobody else shall hold us here.
                if self.end_pending(bell, round, Broken::Died(pid)) || !deadline.is_past() {
                    continue;
                }
                break Err(TimeIsUp);
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
            self.sleep(bell, now, [first, next], deadline);
            has_slept = true;
            is_announced = false;
        };
        me.pend_clear();
        if end.is_ok() {
            spin.learn(&self.words.disappointments, has_slept);
        }
        end
    }

    /// Sleeps until something happens; the bell, which is pending, knows.
    fn sleep(
        self,
        bell: &Bell,
        now: State,
        [first, next]: [Option<&RobustWord>; 2],
        deadline: Deadline,
    ) {
        let (mut few, mut many) = ([bell.wait(); FEW_WAITS], None);
        let roster = self.roster();
        let waits = match roster.n_open() + N_OTHER_WAITS {
            0..=FEW_WAITS => few.as_mut_slice(),
            _ => many.insert([bell.wait(); MAX_WAITS]).as_mut_slice(),
        };
        waits[1] = Wait::on_low_half(&self.words.state, now.bits());
        let mut len = 2;
        for seat in first.into_iter().chain(next).filter(|_| BARRIER_WATCHES) {
            let marked = seat.word.fetch_or(WAITERS, Relaxed) | WAITERS;
            if RawLock::new(seat).is_dead() && self.find_dead(now).is_some() {
                return;
            }
            waits[len] = Wait::on(&seat.word, marked);
            len += 1;
        }
        waits[len] = roster.wait();
        len += 1;
        for member in self.open_members(roster).filter(|_| BARRIER_WATCHES_MEMBERS) {
            let (life, seen) = member.life(now);
            if member.dead().is_some() {
                return;
            }
            waits[len] = Wait::on(life.word(), seen);
            len += 1;
        }
        // Last, and to be compared only: an arrival between our look at a seat and our sleep on it
        // may have ended by a death that left the seat as it was.
        waits[len] = Wait::on_high_half(&self.words.state, now.bits());
        let woken = futex_wait_any(&waits[..=len], deadline);
        if let Woken::By(_) = woken {
            // Whatever is reported, the bell may have woken us, too.
            bell.answer();
        }
        if let (Woken::By(2..), Some(next)) = (woken, next) {
            // Who leaves a seat wakes one, which may have been meant for who comes to sit there.
            if !matches!(RawLock::new(next).holder(), Holder::Thread(_)) {
                futex_wake(&next.word, 1);
            }
        }
    }

    /// Waits for somebody who was let through to leave a seat, with the door in hand.
    pub(super) fn wait_for_seat(
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
            Wait::on_low_half(&self.words.state, now.bits()),
            Wait::on(&seat.word, marked),
        ];
        let is_taken = matches!(RawLock::new(seat).holder(), Holder::Thread(_));
        let woken = if is_taken { futex_wait_any(&waits, deadline) } else { Woken::Changed };
        // We may have been woken in place of one who waits.
        bell.answer();
        if let Some(pid) = self.find_dead(now) {
            self.end_pending(bell, now.round(), Broken::Died(pid));
        }
        me.pend_clear();
        if woken == Woken::TimedOut { Err(Failed::TimedOut) } else { Ok(()) }
    }

    /// Breaks the round that is on now, whichever that is, unless it is broken.
    pub(super) fn break_now(self, me: Thread, cause: Broken) {
        // Each further try means that somebody else ended the round meanwhile.
        for _ in 0..super::TRIES {
            let now = self.look();
            if now.broken().is_some() || self.end(me, now.round(), cause) {
                return;
            }
        }
    }

    /// Breaks `round`, unless it is over; says whether it did.
    pub(super) fn end(self, me: Thread, round: Round, cause: Broken) -> bool {
        let bell = self.bell(State::of(round));
        self.pend(me, bell);
        let done = self.end_pending(bell, round, cause);
        me.pend_clear();
        done
    }

    /// Ends the round that `now` is of and rings for all, unless somebody was faster.
    pub(super) fn change(self, me: Thread, now: State, next: State) -> bool {
        let bell = self.bell(now);
        self.pend(me, bell);
        let done = self.exchange_and_ring(bell, now, next);
        me.pend_clear();
        done
    }

    /// Breaks `round`, unless it is over, with the bell pending.
    fn end_pending(self, bell: &Bell, round: Round, cause: Broken) -> bool {
        for _ in 0..super::TRIES {
            let now = self.look();
            if now.end_of(round).is_some() {
                return false;
            }
            if self.exchange_and_ring(bell, now, now.broken_by(cause)) {
                if let Broken::Died(_) = cause {
                    self.words.deaths.fetch_add(1, Relaxed);
                }
                return true;
            }
        }
        false
    }

    fn exchange_and_ring(self, bell: &Bell, now: State, next: State) -> bool {
        let done = self.exchange(now, next);
        if done && bell.is_waiting_after_exchange() {
            bell.wake_all();
        }
        done
    }

    /// Rings for those who were not rung for by who ended the round, and for those of a later round
    /// in the same row, whom we may have kept from being woken.
    fn ring_if_over(self, bell: &Bell) {
        // E2 release. E2 acquire.
        fence(SeqCst);
        if BARRIER_RINGS_AGAIN && bell.is_waiting() {
            bell.wake_all();
        }
    }
}
