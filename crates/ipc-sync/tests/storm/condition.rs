//! Makers and takers at one small stock, with a condition for each side, killed at random: nothing
//! is made up or lost, and nobody sleeps while there is something to do.
//!
//! Who is notified and killed takes the notification with it only if it holds the lock, and then
//! the lock tells the next, who lets everybody look again. So whatever happens, somebody gets on.

use std::time::Duration;

use ipc_sync::{Condition, ConditionGuard, LockError, Mutex, MutexGuard, Recovery, WaitError};
use testkit::kill::{Storm, Worker};
use testkit::seed::Rng;
use testkit::{Counter, Outcome, SharedArena};

use super::complain;

/// How many were made, and how many of them were taken.
type Stock = [u64; 2];

type Guard<'s> = MutexGuard<'s, Stock>;

/// So many may lie there.
const ROOM: u64 = 2;

struct Stormed {
    stock: Mutex<Stock>,
    more: Condition,
    room: Condition,
    /// For each worker: how many it began to make or take, and how many it has.
    begun: SharedArena<Counter>,
    done: SharedArena<Counter>,
    told: SharedArena<Counter>,
}

pub(crate) fn storm(name: &str, makers: usize, takers: usize, kills: u64) -> Outcome {
    let stormed = Stormed {
        stock: Mutex::new([0, 0])?,
        more: Condition::new()?,
        room: Condition::new()?,
        begun: SharedArena::new(makers + takers),
        done: SharedArena::new(makers + takers),
        told: SharedArena::new(1),
    };
    let end = Storm::new(name, &stormed)
        .role("maker", makers, |stormed, me| stormed.work(me, me.place, Stormed::make))
        .role("taker", takers, move |stormed, me| {
            stormed.work(me, makers + me.place, Stormed::take)
        })
        .on_stop(|stormed| {
            // With the lock: whoever holds it now sees that it is to stop, or hears this.
            let guard = stormed.lock();
            stormed.notify_all();
            drop(guard);
        })
        .kills(if testkit::full() { kills * 50 } else { kills })
        .run()?;
    let [made, taken] = *stormed.lock()?;
    if made - taken > ROOM {
        return Err(format!("{made} were made and {taken} taken").into());
    }
    let (mut lost, mut doubled) = (0, 0);
    for (workers, found) in [(0..makers, made), (makers..makers + takers, taken)] {
        let total = |notes: &[Counter]| notes.iter().map(Counter::get).sum::<u64>();
        lost += total(&stormed.done[workers.clone()]).saturating_sub(found);
        doubled += found.saturating_sub(total(&stormed.begun[workers]));
    }
    if stormed.told[0].get() > end.kills || taken == 0 {
        return Err(format!("{} were told of {} deaths", stormed.told[0].get(), end.kills).into());
    }
    Ok(end.report(taken, lost, doubled).into())
}

impl Stormed {
    fn work(
        &self,
        me: &Worker<'_>,
        place: usize,
        once: fn(&Self, &Worker<'_>, usize, &mut Rng) -> Result<(), String>,
    ) -> i32 {
        let mut rng = me.rng("stock");
        while !me.should_stop() {
            if let Err(why) = once(self, me, place, &mut rng) {
                return complain(&why);
            }
            me.got_on();
        }
        0
    }

    fn make(&self, me: &Worker<'_>, place: usize, rng: &mut Rng) -> Result<(), String> {
        let full = |[made, taken]: &mut Stock| *made - *taken >= ROOM;
        if let Some(mut guard) = self.wait_while(&self.room, me, rng, full)? {
            self.begun[place].add(1);
            guard[0] += 1;
            self.done[place].add(1);
            // Still holding the lock: a death before this is told.
            self.tell(&self.more, rng);
        }
        Ok(())
    }

    fn take(&self, me: &Worker<'_>, place: usize, rng: &mut Rng) -> Result<(), String> {
        let empty = |[made, taken]: &mut Stock| *made == *taken;
        if let Some(mut guard) = self.wait_while(&self.more, me, rng, empty)? {
            self.begun[place].add(1);
            guard[1] += 1;
            self.done[place].add(1);
            self.tell(&self.room, rng);
        }
        Ok(())
    }

    /// Waits in one of the ways there are; nothing if it is to stop.
    fn wait_while(
        &self,
        condition: &Condition,
        me: &Worker<'_>,
        rng: &mut Rng,
        is_blocked: fn(&mut Stock) -> bool,
    ) -> Result<Option<Guard<'_>>, String> {
        let mut guard = self.lock()?;
        while is_blocked(&mut guard) {
            if me.should_stop() {
                return Ok(None);
            }
            let stops = |stock: &mut Stock| is_blocked(stock) && !me.should_stop();
            let timeout = rng.duration(Duration::ZERO..Duration::from_micros(300));
            let waited = match rng.range(0..8) {
                0 => condition.wait_timeout(guard, timeout).map(|(guard, _)| guard),
                1 => condition.wait_while_timeout(guard, timeout, stops).map(|(guard, _)| guard),
                2 => condition.wait(guard),
                _ => condition.wait_while(guard, stops),
            };
            guard = waited.or_else(|error| self.recover_wait(error))?;
        }
        Ok(Some(guard))
    }

    fn tell(&self, condition: &Condition, rng: &mut Rng) {
        match rng.range(0..20) {
            0 => condition.notify_all(),
            1 => condition.notify_n(2),
            _ => condition.notify_one(),
        }
    }

    fn notify_all(&self) {
        self.more.notify_all();
        self.room.notify_all();
    }

    fn lock(&self) -> Result<Guard<'_>, String> {
        self.stock.lock().or_else(|error| match error {
            LockError::OwnerDied(recovery) => Ok(self.recover(recovery, true)),
            LockError::Poisoned(recovery) => Ok(self.recover(recovery, false)),
            error => Err(error.to_string()),
        })
    }

    fn recover_wait<'s>(
        &'s self,
        error: WaitError<<Guard<'s> as ConditionGuard>::Recovery>,
    ) -> Result<Guard<'s>, String> {
        match error {
            WaitError::OwnerDied(recovery) => Ok(self.recover(recovery, true)),
            WaitError::Poisoned(recovery) => Ok(self.recover(recovery, false)),
            error => Err(error.to_string()),
        }
    }

    /// Each number is changed by one store, so the stock is whole; but whoever was notified may be
    /// dead.
    fn recover<'s>(&'s self, recovery: Recovery<'s, Stock>, died: bool) -> Guard<'s> {
        self.told[0].add(u64::from(died));
        self.notify_all();
        recovery.mark_consistent()
    }
}
