//! `Condition`, under an `RLock` that is held at several levels.

use std::collections::BTreeSet;
use std::mem;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_sync::{Condition, LockError, RLock, RLockGuard, TryLockError, WaitEnd, WaitError};
use proptest::prelude::*;
use testkit::Outcome;

use crate::answer::{Answer, Said};
use crate::repair::Way;
use crate::schedule::{self, Subject};
use crate::worlds::{Reference, Step, answers, goes_on, may_go_on, waits};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Lock(Way),
    /// Give back a level.
    Unlock,
    /// Wait for a notification, with the lock in hand. There is nothing to try.
    Wait(Way),
    Notify(usize),
    NotifyAll,

    /// Waits, and has not given back the lock yet.
    Came(Way),
    /// Has given back so many levels.
    Sleep(Way, u32),
    /// Was called, or has waited long enough, and wants the lock.
    Wake(Way, u32, Woken),
    /// Has the lock again, after a death or not.
    Locked(Way, u32, Woken, bool),
}
use Call::{Came, Lock, Locked, Notify, NotifyAll, Sleep, Unlock, Wait, Wake};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Woken {
    Called,
    TimedOut,
}

/// What it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Waiting {
    /// Who holds the lock, and at how many levels.
    holder: Option<(usize, u32)>,
    died: bool,
    /// Those who came after the last notification, and whether there ever were such.
    fresh: BTreeSet<usize>,
    has_fresh: bool,
    /// Those who may share so many notifications, and whether there ever were such.
    called: BTreeSet<usize>,
    has_called: bool,
    untaken: u32,
    /// Those who may go on, whatever comes.
    released: BTreeSet<usize>,
}

impl Waiting {
    /// Nobody counts who waits, so a notification is there for those who came before it, dead or
    /// not. If others have come since an earlier one was made, and that is not used up, it is for
    /// these, and all who shared the earlier one may go on.
    fn notify(&mut self, count: u32) {
        if !self.has_fresh {
            if self.has_called {
                self.untaken += count;
            }
            return;
        }
        if self.untaken > 0 {
            self.released.append(&mut self.called);
        }
        self.called.append(&mut self.fresh);
        (self.has_fresh, self.has_called, self.untaken) = (false, true, count);
    }

    fn notify_all(&mut self) {
        self.released.append(&mut self.fresh);
        self.released.append(&mut self.called);
        (self.has_fresh, self.has_called, self.untaken) = (false, false, 0);
    }

    fn is_called(&self, who: usize) -> bool {
        self.released.contains(&who) || (self.called.contains(&who) && self.untaken > 0)
    }

    /// Stops waiting, with a notification if there is one.
    fn leave(&mut self, who: usize) -> bool {
        let is_called = self.is_called(who);
        if self.called.remove(&who) && is_called {
            self.untaken -= 1;
        }
        self.fresh.remove(&who);
        self.released.remove(&who);
        is_called
    }
}

impl Reference for Waiting {
    type Call = Call;
    /// Who holds the lock, at how many levels, how many notifications are left, how many sleep.
    type View = (Option<usize>, u32, u32, usize);

    fn steps(&self, who: usize, call: Call, _: bool) -> Vec<Step<Self>> {
        let mut next = self.clone();
        let levels = match self.holder {
            Some((holder, levels)) if holder == who => levels,
            _ => 0,
        };
        match call {
            Lock(_) if levels > 0 => {
                next.holder = Some((who, levels + 1));
                answers(next, Said::Done)
            }
            Lock(Way::Wait) if self.holder.is_some() => waits(),
            Lock(way) if self.holder.is_some() => answers(next, way.in_vain()),
            Lock(_) => {
                next.holder = Some((who, 1));
                let died = mem::take(&mut next.died);
                answers(next, if died { Said::OwnerDied } else { Said::Done })
            }
            Unlock | Wait(_) if levels == 0 => answers(next, Said::NothingInHand),
            Unlock => {
                next.holder = (levels > 1).then_some((who, levels - 1));
                answers(next, Said::Done)
            }
            Notify(count) => {
                if let Some(count) = u32::try_from(count).ok().filter(|&count| count > 0) {
                    next.notify(count);
                }
                answers(next, Said::Done)
            }
            NotifyAll => {
                next.notify_all();
                answers(next, Said::Done)
            }
            Wait(way) => {
                next.fresh.insert(who);
                next.has_fresh = true;
                goes_on(next, Came(way))
            }
            Came(way) => {
                next.holder = None;
                goes_on(next, Sleep(way, levels))
            }
            Sleep(way, levels) if self.is_called(who) => {
                goes_on(next, Wake(way, levels, Woken::Called))
            }
            Sleep(Way::Wait, _) => waits(),
            Sleep(way, levels) => goes_on(next, Wake(way, levels, Woken::TimedOut)),
            // Another was faster. It may have seen so before it came for the lock.
            Wake(way, levels, Woken::Called) if self.holder.is_some() && !self.is_called(who) => {
                may_go_on(next, Sleep(way, levels))
            }
            Wake(..) if self.holder.is_some() => waits(),
            Wake(way, levels, woken) => {
                next.holder = Some((who, levels));
                let died = mem::take(&mut next.died);
                let mut steps = goes_on(next, Locked(way, levels, woken, died));
                if woken == Woken::Called && !self.is_called(who) {
                    steps.extend(may_go_on(self.clone(), Sleep(way, levels)));
                }
                steps
            }
            Locked(way, levels, woken, died) => {
                if !self.is_called(who) && woken == Woken::Called && !died {
                    next.holder = None;
                    return goes_on(next, Sleep(way, levels));
                }
                match (next.leave(who), died) {
                    (_, true) => answers(next, Said::OwnerDied),
                    (true, false) => answers(next, Said::Yes),
                    (false, false) => answers(next, Said::No),
                }
            }
        }
    }

    fn die(mut self, who: usize, _: u32, _: bool) -> Vec<Self> {
        if self.holder.is_some_and(|(holder, _)| holder == who) {
            (self.holder, self.died) = (None, true);
        }
        for group in [&mut self.fresh, &mut self.called, &mut self.released] {
            group.remove(&who);
        }
        vec![self]
    }

    fn view(&self, asleep: &[Option<Call>]) -> Self::View {
        let (holder, levels) = self.holder.unzip();
        (holder, levels.unwrap_or(0), self.untaken, asleep.iter().flatten().count())
    }
}

pub(crate) struct Subjected {
    lock: RLock,
    condition: Condition,
}

impl Subject for Subjected {
    type Reference = Waiting;
    type Hands<'s> = Vec<RLockGuard<'s>>;

    const N_PROCESSES: usize = 4;

    fn reference(&self) -> Waiting {
        Waiting::default()
    }

    fn call<'s>(&'s self, guards: &mut Vec<RLockGuard<'s>>, call: Call) -> Answer {
        let said = match call {
            Lock(way) => {
                let taken = match way {
                    Way::Wait => self.lock.lock(),
                    Way::Timeout => self.lock.lock_timeout(Duration::ZERO),
                    Way::Past => self.lock.lock_deadline(Deadline::now()),
                    Way::Try => match self.lock.try_lock() {
                        Ok(guard) => Ok(guard),
                        Err(TryLockError::WouldBlock) => return Said::WouldBlock.into(),
                        Err(TryLockError::OwnerDied(guard)) => Err(LockError::OwnerDied(guard)),
                        Err(_) => return Said::Strange.into(),
                    },
                };
                match taken {
                    Ok(guard) => keep(guards, guard, Said::Done),
                    Err(LockError::OwnerDied(guard)) => keep(guards, guard, Said::OwnerDied),
                    Err(LockError::Timeout) => Said::Timeout,
                    Err(_) => Said::Strange,
                }
            }
            Unlock => guards.pop().map_or(Said::NothingInHand, |_| Said::Done),
            Wait(way) => {
                let Some(guard) = guards.pop() else { return Said::NothingInHand.into() };
                let waited = match way {
                    Way::Wait => self.condition.wait(guard).map(|guard| (guard, WaitEnd::Notified)),
                    Way::Timeout => self.condition.wait_timeout(guard, Duration::ZERO),
                    Way::Past | Way::Try => self.condition.wait_deadline(guard, Deadline::now()),
                };
                match waited {
                    Ok((guard, WaitEnd::Notified)) => keep(guards, guard, Said::Yes),
                    Ok((guard, WaitEnd::TimedOut)) => keep(guards, guard, Said::No),
                    Err(WaitError::OwnerDied(guard)) => keep(guards, guard, Said::OwnerDied),
                    Err(_) => Said::Strange,
                }
            }
            Notify(1) => {
                self.condition.notify_one();
                Said::Done
            }
            Notify(count) => {
                self.condition.notify_n(count);
                Said::Done
            }
            NotifyAll => {
                self.condition.notify_all();
                Said::Done
            }
            Came(_) | Sleep(..) | Wake(..) | Locked(..) => unreachable!("nobody calls this"),
        };
        said.into()
    }

    fn view(&self, who: &dyn Fn(u32) -> Option<usize>) -> (Option<usize>, u32, u32, usize) {
        let (lock, condition) = (self.lock.stats(), self.condition.stats());
        let holder = lock.holder.and_then(|holder| who(holder.pid?));
        let asleep = lock.waiters + condition.waiters;
        (holder, lock.depth, condition.untaken, asleep as usize)
    }
}

fn keep<'s>(guards: &mut Vec<RLockGuard<'s>>, guard: RLockGuard<'s>, said: Said) -> Said {
    guards.push(guard);
    said
}

pub(crate) fn any_schedule() -> Outcome {
    let make = || Subjected { lock: RLock::new().unwrap(), condition: Condition::new().unwrap() };
    let way = || prop_oneof![8 => Just(Way::Wait), 1 => Just(Way::Timeout), 1 => Just(Way::Past)];
    let calls = prop_oneof![
        8 => Way::any().prop_map(Lock),
        4 => Just(Unlock),
        8 => way().prop_map(Wait),
        4 => prop_oneof![4 => Just(1_usize), 1 => 0..4_usize].prop_map(Notify),
        1 => Just(NotifyAll),
    ];
    schedule::play("reference: condition", make, calls)
}
