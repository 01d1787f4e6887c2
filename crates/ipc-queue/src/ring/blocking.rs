//! Waiting for room or for work: look, spin a little, then sleep until something changes.
//!
//! A sleeper is queued on several words, in this order: its side's bell, the alarm, the count of
//! departures, both halves of the slot that it waits for, and, if that slot is claimed, the claimer's
//! life word. It is woken through the first two only; the others are there to be compared after it
//! was queued on those, so that a departure, a commit, a release, a claim and a death before that are
//! not missed.

use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::primitive::{AtomicU32, Spin, Wait, Woken, futex_wait_any};
use ipc_core::robust::Bell;

use super::bells::Bells;
use super::slot::Owner;
use super::watched::Watched;
use super::{Blocked, Claim, Memory, Obstacle, Ring, WaitsFor};

/// How long an operation may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Not at all.
    Try,
    /// Until this moment.
    Until(Deadline),
}

/// Why an operation did not come to a claim.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It would have had to wait, or others were faster again and again.
    NotNow,
    /// It waited until its deadline, or others were faster until then.
    TimedOut,
    /// The ring is closed (and, for a get, empty).
    Closed,
    /// Nobody is left on the other side (and, for a get, the ring is empty).
    Disconnected,
    /// The words contradict one another: somebody scribbled over them.
    Corrupt,
}

/// How long to look before going to sleep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    /// Whether to look at all before going to sleep, and to give way to others who are faster.
    pub(crate) looks: bool,
    /// The first sleep before a look at the words without being woken; each is twice as long as
    /// the one before. It is a backstop for kernels and sandboxes that do not tell of every death,
    /// and not part of the protocol.
    pub(crate) first_sleep: Duration,
    /// The longest of these sleeps.
    pub(crate) longest_sleep: Duration,
    /// The first sleep of a watcher, and the first after each time that it is woken for nothing. This
    /// is part of the protocol: see "Ends" in the README.
    pub(crate) first_look: Duration,
}

/// How well it has paid, in this process, to look before going to sleep on each of the bells.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    items: AtomicU32,
    space: AtomicU32,
    pub(crate) memory: AtomicU32,
}

impl Notes {
    fn of(&self, bell: &Bell, bells: &Bells) -> &AtomicU32 {
        if core::ptr::eq(bell, &raw const bells.space) { &self.space } else { &self.items }
    }
}

/// How the attempts of one round ended.
enum Outcome<C> {
    Claimed(C),
    /// There is something to wait for.
    InTheWay(Obstacle),
}

/// What the words were that every sleeper compares, before it looked at the rest.
#[derive(Clone, Copy)]
struct Seen {
    alarm: u32,
    departures: u32,
}

/// How often one that does not wait is outrun before it gives up: some tens of milliseconds' work.
const MOST_OUTRUNS: u32 = 256;

/// How long one may sleep that may not be called, because the system refuses heavy fences.
const UNFENCED_SLEEP: Duration = Duration::from_millis(1);

/// The place of the alarm among the words that a sleeper is queued on.
const ALARM: usize = 1;

impl<'m, M: Memory> Ring<'m, M> {
    /// Claims a slot for writing, waiting for room as long as `patience` lasts.
    ///
    /// The caller has the alarm pending.
    #[inline]
    pub(crate) fn put(self, me: Owner, patience: Patience) -> Result<Claim, Refused> {
        match self.quick_claim_put(me) {
            Some(Ok(claim)) => Ok(claim),
            Some(Err(Blocked::Closed)) => Err(Refused::Closed),
            _ => self.put_slowly(me, patience),
        }
    }

    /// Claims the next message for reading, waiting for one as long as `patience` lasts.
    ///
    /// The caller has the alarm pending.
    #[inline]
    pub(crate) fn get(self, me: Owner, patience: Patience) -> Result<Claim, Refused> {
        if let Some(Ok(claim)) = self.quick_claim_get(me) {
            return Ok(claim);
        }
        self.get_slowly(me, patience)
    }

    #[cold]
    fn put_slowly(self, me: Owner, patience: Patience) -> Result<Claim, Refused> {
        self.0.note_waiting(me, WaitsFor::Room);
        let claimed = self.wait(&self.0.bells().space, patience, || self.claim_put(me));
        self.0.note_waiting(me, WaitsFor::Nothing);
        claimed
    }

    #[cold]
    fn get_slowly(self, me: Owner, patience: Patience) -> Result<Claim, Refused> {
        self.0.note_waiting(me, WaitsFor::Message);
        let claimed = self.wait(&self.0.bells().items, patience, || self.claim_get(me));
        self.0.note_waiting(me, WaitsFor::Nothing);
        claimed
    }

    /// Waits until an attempt succeeds, for a getter to whom a death can bring something: it is told
    /// of those of all whose life words `watch` gives.
    pub(crate) fn get_watching<C>(
        self,
        me: Owner,
        patience: Patience,
        attempt: impl Fn() -> Result<C, Blocked>,
        watch: impl Fn() -> Watched<'m>,
    ) -> Result<C, Refused> {
        self.0.note_waiting(me, WaitsFor::Message);
        let claimed = self.wait_watching(&self.0.bells().items, patience, attempt, watch);
        self.0.note_waiting(me, WaitsFor::Nothing);
        claimed
    }

    pub(super) fn wait<C>(
        self,
        bell: &Bell,
        patience: Patience,
        attempt: impl Fn() -> Result<C, Blocked>,
    ) -> Result<C, Refused> {
        self.wait_watching(bell, patience, attempt, || Watched::NONE)
    }

    pub(super) fn wait_watching<C>(
        self,
        bell: &Bell,
        patience: Patience,
        attempt: impl Fn() -> Result<C, Blocked>,
        watch: impl Fn() -> Watched<'m>,
    ) -> Result<C, Refused> {
        let mut obstacle = match self.persist(bell, patience, &attempt)? {
            Outcome::Claimed(claim) => return Ok(claim),
            Outcome::InTheWay(obstacle) => obstacle,
        };
        let Patience::Until(deadline) = patience else {
            return match self.look_around(bell, patience, obstacle, &attempt)? {
                Outcome::Claimed(claim) => Ok(claim),
                Outcome::InTheWay(_) => Err(Refused::NotNow),
            };
        };
        let tuning = self.0.tuning();
        let note = self.0.notes().of(bell, self.0.bells());
        let mut spin = Spin::new(note);
        while tuning.looks && spin.again(note) {
            if self.has_changed(&obstacle) {
                match self.persist(bell, patience, &attempt)? {
                    Outcome::Claimed(claim) => {
                        spin.learn(note, false);
                        return Ok(claim);
                    }
                    Outcome::InTheWay(next) => obstacle = next,
                }
            }
        }
        let claimed = self.sleep_until(bell, deadline, tuning, attempt, watch);
        if tuning.looks && claimed.is_ok() {
            spin.learn(note, true);
        }
        claimed
    }

    fn sleep_until<C>(
        self,
        bell: &Bell,
        deadline: Deadline,
        tuning: Tuning,
        attempt: impl Fn() -> Result<C, Blocked>,
        watch: impl Fn() -> Watched<'m>,
    ) -> Result<C, Refused> {
        let first_sleep = if self.0.is_watcher() { tuning.first_look } else { tuning.first_sleep };
        let mut slice = first_sleep;
        loop {
            let is_fenced = bell.announce_heavily();
            let seen = self.look_at_bells();
            let watched = watch();
            let patience = Patience::Until(deadline);
            let outcome = match self.persist(bell, patience, &attempt) {
                Ok(Outcome::InTheWay(obstacle)) => {
                    self.look_around(bell, patience, obstacle, &attempt)
                }
                outcome => outcome,
            };
            let obstacle = match outcome {
                Ok(Outcome::Claimed(claim)) => return Ok(claim),
                Ok(Outcome::InTheWay(obstacle)) => obstacle,
                Err(refused) => {
                    if refused == Refused::TimedOut {
                        // Outrun by others, and perhaps woken for what is still there: that goes
                        // to the next.
                        bell.wake_one();
                    }
                    return Err(refused);
                }
            };
            if deadline.is_past() {
                return Err(Refused::TimedOut);
            }
            let slice_now = if is_fenced { slice } else { slice.min(UNFENCED_SLEEP) };
            let until = deadline.min(Deadline::after(slice_now));
            match self.sleep(bell, seen, &obstacle, watched, until) {
                Woken::TimedOut => {
                    slice = tuning.longest_sleep.min(slice.saturating_mul(2));
                    continue;
                }
                // Behind the alarm stands the claimer's life word, which the kernel wakes before
                // it: one that is told of the life word may have been told of the alarm as well.
                Woken::By(index) if index >= ALARM => self.0.bells().call_all(),
                Woken::By(_) | Woken::Changed => {}
            }
            if self.0.is_watcher() {
                slice = first_sleep;
            }
        }
    }

    /// Looks whether anybody is left on the other side, before `obstacle` is waited for.
    ///
    /// A getter then attempts once more: the last putter may have put before it left.
    fn look_around<C>(
        self,
        bell: &Bell,
        patience: Patience,
        obstacle: Obstacle,
        attempt: impl Fn() -> Result<C, Blocked>,
    ) -> Result<Outcome<C>, Refused> {
        if !self.0.is_watcher() || !self.0.is_deserted() {
            return Ok(Outcome::InTheWay(obstacle));
        }
        if self.is_space(bell) {
            self.0.bells().alarm.say_left();
            return Err(Refused::Disconnected);
        }
        match self.persist(bell, patience, attempt)? {
            // A claim of one who lives, and yet is not there, is not for us to explain.
            Outcome::InTheWay(obstacle) if obstacle.claimer.is_none() => Err(Refused::Disconnected),
            outcome => Ok(outcome),
        }
    }

    /// Attempts until it claims or something is in its way, however often others are faster; a
    /// caller that does not wait gives up after a while, and one with a deadline at that.
    fn persist<C>(
        self,
        bell: &Bell,
        patience: Patience,
        attempt: impl Fn() -> Result<C, Blocked>,
    ) -> Result<Outcome<C>, Refused> {
        let mut n_outruns = 0_u32;
        loop {
            match attempt() {
                Ok(claim) => return Ok(Outcome::Claimed(claim)),
                // Putters do not wait for room in a closed ring; getters do wait for a writer.
                Err(Blocked::ByState(_)) if self.is_space(bell) && self.is_closed() => {
                    return Err(Refused::Closed);
                }
                Err(Blocked::ByState(obstacle)) => return Ok(Outcome::InTheWay(obstacle)),
                Err(Blocked::Closed) => return Err(Refused::Closed),
                Err(Blocked::Corrupt) => return Err(Refused::Corrupt),
                Err(Blocked::Outrun) => match patience {
                    Patience::Until(deadline) if deadline.is_past() => {
                        return Err(Refused::TimedOut);
                    }
                    Patience::Try if n_outruns == MOST_OUTRUNS => return Err(Refused::NotNow),
                    _ => n_outruns = n_outruns.saturating_add(1),
                },
            }
        }
    }

    fn look_at_bells(self) -> Seen {
        let bells = self.0.bells();
        Seen { alarm: bells.alarm.value(), departures: bells.departures.value() }
    }

    fn sleep(
        self,
        bell: &Bell,
        seen: Seen,
        obstacle: &Obstacle,
        watched: Watched<'_>,
        deadline: Deadline,
    ) -> Woken {
        let bells = self.0.bells();
        let slot = self.0.slot(obstacle.index);
        let bell = bell.wait();
        let alarm = Wait::on(bells.alarm.word(), seen.alarm);
        let departures = Wait::on(bells.departures.word(), seen.departures);
        let low = Wait::on_low_half(slot.word(), obstacle.state.bits());
        let high = Wait::on_high_half(slot.word(), obstacle.state.bits());
        if !watched.is_empty() {
            // The claimer is among them: it sits at the table.
            return watched.sleep(&[bell, alarm, departures, low, high], deadline);
        }
        let claimer = obstacle.claimer.and_then(|(seat, seen)| Some((self.0.life(seat)?, seen)));
        match (claimer, self.0.is_watcher()) {
            (None, false) => futex_wait_any(&[bell, alarm, low, high], deadline),
            (None, true) => futex_wait_any(&[bell, alarm, departures, low, high], deadline),
            (Some((life, seen)), _) => {
                let life = Wait::on(life.word(), seen);
                futex_wait_any(&[bell, alarm, departures, low, high, life], deadline)
            }
        }
    }

    fn is_space(self, bell: &Bell) -> bool {
        core::ptr::eq(bell, &raw const self.0.bells().space)
    }

    fn has_changed(self, obstacle: &Obstacle) -> bool {
        self.0.slot(obstacle.index).look() != obstacle.state
            || obstacle.state.owner() != Owner::NOBODY && self.claimer_changed(obstacle)
    }

    fn claimer_changed(self, obstacle: &Obstacle) -> bool {
        obstacle
            .claimer
            .is_some_and(|(seat, seen)| self.0.life(seat).is_none_or(|life| life.value() != seen))
    }
}
