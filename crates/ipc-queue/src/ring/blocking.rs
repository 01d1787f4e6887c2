//! Waiting for room or for work: look, spin a little, then sleep until something changes.
//!
//! A sleeper is queued on four words, in this order: its side's bell, the alarm, the low half of
//! the slot that it waits for, and, if that slot is claimed, the claimer's life word. It is woken
//! through the first two only; the other two are there to be compared after it was queued on them,
//! so that a commit, a release, a claim and a death before that are not missed.

use std::cell::Cell;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::primitive::{Wait, Woken, futex_wait_any, pause, yield_now};
use ipc_core::robust::Bell;

use super::position::Position;
use super::slot::Owner;
use super::{Blocked, Claim, Memory, Obstacle, Ring};

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
    /// It would have had to wait.
    NotNow,
    /// It waited until its deadline.
    TimedOut,
    /// The ring is closed (and, for a get, empty).
    Closed,
    /// The words contradict one another: somebody scribbled over them.
    Corrupt,
}

/// How long to look before going to sleep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    /// Looks at the slot with a pause in between.
    pub(crate) n_spins: u32,
    /// Looks at the slot after giving the processor away.
    pub(crate) n_yields: u32,
    /// The first sleep before a look at the words without being woken; each is twice as long as
    /// the one before. It is a backstop for kernels and sandboxes that do not tell of every death,
    /// and not part of the protocol.
    pub(crate) first_sleep: Duration,
    /// The longest of these sleeps.
    pub(crate) longest_sleep: Duration,
}

/// The place of the alarm among the words that a sleeper is queued on.
const ALARM: usize = 1;

impl<M: Memory> Ring<'_, M> {
    /// Claims `span` slots for writing, waiting for room as long as `patience` lasts.
    ///
    /// The caller has the alarm pending.
    #[inline]
    pub(crate) fn put(self, me: Owner, span: u32, patience: Patience) -> Result<Claim, Refused> {
        if span == 1 {
            match self.quick_claim_put(me) {
                Some(Ok(claim)) => return Ok(claim),
                Some(Err(Blocked::Closed)) => return Err(Refused::Closed),
                _ => {}
            }
        }
        self.put_slowly(me, span, patience)
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
    fn put_slowly(self, me: Owner, span: u32, patience: Patience) -> Result<Claim, Refused> {
        match self.claim_put(me, span) {
            Ok(claim) => Ok(claim),
            Err(blocked) => {
                let space = &self.0.bells().space;
                let passed_on = Cell::new(None);
                self.wait(space, patience, blocked, || {
                    let claimed = self.claim_put(me, span);
                    if let Err(Blocked::ByState(obstacle)) = &claimed {
                        self.pass_on(obstacle, &passed_on);
                    }
                    claimed
                })
            }
        }
    }

    /// Tells other putters of room at the tail that is too small for this one's message: it may
    /// have been woken in place of one whose message fits. Once for each tail, so that two large
    /// ones do not wake each other for ever.
    fn pass_on(self, obstacle: &Obstacle, passed_on: &Cell<Option<Position>>) {
        let tail = self.0.tail().look();
        if tail.index() != obstacle.index && passed_on.replace(Some(tail)) != Some(tail) {
            self.0.bells().space.call_all();
        }
    }

    #[cold]
    fn get_slowly(self, me: Owner, patience: Patience) -> Result<Claim, Refused> {
        match self.claim_get(me) {
            Ok(claim) => Ok(claim),
            Err(blocked) => {
                let items = &self.0.bells().items;
                self.wait(items, patience, blocked, || self.claim_get(me))
            }
        }
    }

    #[cold]
    fn wait(
        self,
        bell: &Bell,
        patience: Patience,
        blocked: Blocked,
        attempt: impl Fn() -> Result<Claim, Blocked>,
    ) -> Result<Claim, Refused> {
        let mut obstacle = self.obstacle(bell, blocked)?;
        let Patience::Until(deadline) = patience else { return Err(Refused::NotNow) };
        let tuning = self.0.tuning();
        for look in 0..tuning.n_spins.saturating_add(tuning.n_yields) {
            if look < tuning.n_spins {
                pause();
            } else {
                yield_now();
            }
            if self.has_changed(&obstacle) {
                match attempt() {
                    Ok(claim) => return Ok(claim),
                    Err(blocked) => obstacle = self.obstacle(bell, blocked)?,
                }
            }
        }
        self.sleep_until(bell, deadline, tuning, attempt)
    }

    fn sleep_until(
        self,
        bell: &Bell,
        deadline: Deadline,
        tuning: Tuning,
        attempt: impl Fn() -> Result<Claim, Blocked>,
    ) -> Result<Claim, Refused> {
        let mut slice = tuning.first_sleep;
        loop {
            bell.announce();
            let alarm = self.0.bells().alarm.value();
            let obstacle = match attempt() {
                Ok(claim) => return Ok(claim),
                Err(blocked) => self.obstacle(bell, blocked)?,
            };
            if deadline.is_past() {
                return Err(Refused::TimedOut);
            }
            match self.sleep(bell, alarm, &obstacle, deadline.min(Deadline::after(slice))) {
                // Behind the alarm stands the claimer's life word, which the kernel wakes before it: one
                // that is told of the life word may have been told of the alarm as well.
                Woken::By(index) if index >= ALARM => self.0.bells().call_all(),
                Woken::TimedOut => slice = tuning.longest_sleep.min(slice.saturating_mul(2)),
                Woken::By(_) | Woken::Changed => {}
            }
        }
    }

    fn sleep(self, bell: &Bell, alarm: u32, obstacle: &Obstacle, deadline: Deadline) -> Woken {
        let slot = self.0.slot(obstacle.index);
        let bell = bell.wait();
        let alarm = Wait::on(self.0.bells().alarm.word(), alarm);
        let state = Wait::on_low_half(slot.word(), obstacle.state.bits());
        let claimer = obstacle.claimer.and_then(|(seat, seen)| Some((self.0.life(seat)?, seen)));
        match claimer {
            Some((life, seen)) => {
                futex_wait_any(&[bell, alarm, state, Wait::on(life.word(), seen)], deadline)
            }
            None => futex_wait_any(&[bell, alarm, state], deadline),
        }
    }

    /// What is waited for, or why it is no use.
    fn obstacle(self, bell: &Bell, blocked: Blocked) -> Result<Obstacle, Refused> {
        match blocked {
            Blocked::Corrupt => Err(Refused::Corrupt),
            Blocked::Closed => Err(Refused::Closed),
            // Putters do not wait for room in a closed ring; getters do wait for a writer.
            Blocked::ByState(_) if self.is_space(bell) && self.is_closed() => Err(Refused::Closed),
            Blocked::ByState(obstacle) => Ok(obstacle),
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
