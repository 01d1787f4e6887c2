//! `Mutex`: two at a time, which are taken in three ways, repaired or not, panicked with and given
//! back.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use ipc_core::Deadline;
use ipc_sync::{LockError, Mutex, MutexGuard, Recovery, TryLockError};
use proptest::prelude::*;
use testkit::Outcome;

use crate::answer::{Answer, Said};
use crate::repair::{Repair, Way, refused};
use crate::schedule::{self, Subject};
use crate::worlds::{Reference, Step, answers, goes_on, waits};

const N: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    /// Take it, and do with a value that may be half changed what is said.
    Take(usize, Way, Repair),
    /// Copy the value.
    Get(usize),
    /// Add one to the value, if it is in hand.
    Add(usize),
    /// Give it back, if it is in hand.
    GiveBack(usize),
    /// Panic with it in hand, if it is.
    Panic(usize),

    // How far a call has come.
    Count(usize, Repair),
    Poison(usize, Said, Repair),
    MakeWhole(usize, Answer),
    LetGo(usize, Answer),
}
use Call::{Add, Count, Get, GiveBack, LetGo, MakeWhole, Panic, Poison, Take};

/// What a mutex should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct One {
    holder: Option<usize>,
    died: bool,
    is_poisoned: bool,
    value: u32,
    deaths: u32,
}

impl Reference for [One; N] {
    type Call = Call;
    /// For each: who holds it, whether it is poisoned, how many deaths, how many sleep.
    type View = [(Option<usize>, bool, u32, usize); N];

    fn steps(&self, who: usize, call: Call, _: bool) -> Vec<Step<Self>> {
        let mut next = *self;
        let (Take(at, ..)
        | Get(at)
        | Add(at)
        | GiveBack(at)
        | Panic(at)
        | Count(at, _)
        | Poison(at, ..)
        | MakeWhole(at, _)
        | LetGo(at, _)) = call;
        let one = &mut next[at];
        let is_mine = one.holder == Some(who);
        match call {
            Take(_, way, _) if is_mine => answers(next, way.of_own()),
            Get(_) if is_mine => answers(next, Said::WouldDeadlock),
            Take(_, Way::Wait, _) | Get(_) if one.holder.is_some() => waits(),
            Take(_, way, _) if one.holder.is_some() => answers(next, way.in_vain()),
            Take(_, _, repair) => {
                one.holder = Some(who);
                match (one.died, one.is_poisoned) {
                    (true, _) => goes_on(next, Count(at, repair)),
                    (false, true) => goes_on(next, Poison(at, Said::Poisoned, repair)),
                    (false, false) => answers(next, Said::Whole.of(self[at].value)),
                }
            }
            Get(_) => {
                one.holder = Some(who);
                match (one.died, one.is_poisoned) {
                    (true, _) => goes_on(next, Count(at, Repair::GiveUp)),
                    (false, true) => goes_on(next, Poison(at, Said::Poisoned, Repair::GiveUp)),
                    (false, false) => goes_on(next, LetGo(at, Said::Whole.of(self[at].value))),
                }
            }
            Count(_, repair) => {
                (one.deaths, one.died) = (one.deaths + 1, false);
                goes_on(next, Poison(at, Said::OwnerDied, repair))
            }
            Poison(_, said, repair) => {
                one.is_poisoned = true;
                let answer = said.of(one.value);
                match repair {
                    Repair::Recover => {
                        one.value = 0;
                        goes_on(next, MakeWhole(at, answer))
                    }
                    Repair::Keep => goes_on(next, MakeWhole(at, answer)),
                    Repair::Ignore => answers(next, answer),
                    Repair::GiveUp => goes_on(next, LetGo(at, answer)),
                }
            }
            MakeWhole(_, answer) => {
                one.is_poisoned = false;
                answers(next, answer)
            }
            LetGo(_, answer) => {
                one.holder = None;
                answers(next, answer)
            }
            Add(_) | GiveBack(_) | Panic(_) if !is_mine => answers(next, Said::NothingInHand),
            Add(_) => {
                one.value += 1;
                answers(next, Said::Done)
            }
            GiveBack(_) => goes_on(next, LetGo(at, Said::Done.into())),
            Panic(_) => {
                one.is_poisoned = true;
                goes_on(next, LetGo(at, Said::Done.into()))
            }
        }
    }

    fn die(mut self, who: usize, _: u32, _: bool) -> Vec<Self> {
        for one in self.iter_mut().filter(|one| one.holder == Some(who)) {
            (one.holder, one.died) = (None, true);
        }
        vec![self]
    }

    fn view(&self, asleep: &[Option<Call>]) -> Self::View {
        let sleeps = |call: &&Option<Call>, here| match call {
            Some(Take(at, ..) | Get(at)) => *at == here,
            _ => false,
        };
        [0, 1].map(|at| {
            let One { holder, is_poisoned, deaths, .. } = self[at];
            (holder, is_poisoned, deaths, asleep.iter().filter(|call| sleeps(call, at)).count())
        })
    }
}

struct Mutexes([Mutex<u64>; N]);

impl Subject for Mutexes {
    type Reference = [One; N];
    type Hands<'s> = [Option<MutexGuard<'s, u64>>; N];

    const N_PROCESSES: usize = 4;

    fn reference(&self) -> [One; N] {
        <[One; N]>::default()
    }

    fn call<'s>(&'s self, hands: &mut Self::Hands<'s>, call: Call) -> Answer {
        match call {
            Take(at, way, repair) => {
                let mutex = &self.0[at];
                let taken = match way {
                    Way::Wait => mutex.lock(),
                    Way::Timeout => mutex.lock_timeout(Duration::ZERO),
                    Way::Past => mutex.lock_deadline(Deadline::now()),
                    Way::Try => match mutex.try_lock() {
                        Ok(guard) => Ok(guard),
                        Err(TryLockError::WouldBlock) => return Said::WouldBlock.into(),
                        Err(TryLockError::OwnerDied(recovery)) => {
                            Err(LockError::OwnerDied(recovery))
                        }
                        Err(TryLockError::Poisoned(recovery)) => Err(LockError::Poisoned(recovery)),
                        Err(_) => return Said::Strange.into(),
                    },
                };
                let (answer, guard) = settle(taken, repair);
                if guard.is_some() {
                    hands[at] = guard;
                }
                answer
            }
            Get(at) => match self.0[at].get() {
                Ok(value) => Said::Whole.of(number(value)),
                Err(error) => settle(Err(error), Repair::GiveUp).0,
            },
            Add(at) => match &mut hands[at] {
                None => Said::NothingInHand.into(),
                Some(guard) => {
                    **guard += 1;
                    Said::Done.into()
                }
            },
            GiveBack(at) | Panic(at) => {
                let Some(guard) = hands[at].take() else { return Said::NothingInHand.into() };
                let end = catch_unwind(AssertUnwindSafe(|| {
                    let _in_hand = guard;
                    if matches!(call, Panic(_)) {
                        resume_unwind(Box::new(()));
                    }
                }));
                assert_eq!(end.is_err(), matches!(call, Panic(_)));
                Said::Done.into()
            }
            Count(..) | Poison(..) | MakeWhole(..) | LetGo(..) => unreachable!("nobody calls this"),
        }
    }

    fn view(&self, who: &dyn Fn(u32) -> Option<usize>) -> [(Option<usize>, bool, u32, usize); N] {
        self.0.each_ref().map(|mutex| {
            let stats = mutex.stats();
            let holder = stats.holder.and_then(|holder| who(holder.pid?));
            (holder, stats.is_poisoned, stats.deaths, stats.waiters as usize)
        })
    }
}

/// Says how the lock was found, and does with it what is to be done.
fn settle<'m>(
    taken: Result<MutexGuard<'m, u64>, LockError<Recovery<'m, u64>>>,
    repair: Repair,
) -> (Answer, Option<MutexGuard<'m, u64>>) {
    let (said, recovery) = match taken {
        Ok(guard) => return (Said::Whole.of(number(*guard)), Some(guard)),
        Err(LockError::OwnerDied(recovery)) => (Said::OwnerDied, recovery),
        Err(LockError::Poisoned(recovery)) => (Said::Poisoned, recovery),
        Err(error) => return (refused(&error), None),
    };
    (said.of(number(recovery.get())), repair.of(recovery))
}

/// A value as a number that an answer has room for.
fn number(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![
        8 => (0..N, Way::any(), Repair::any()).prop_map(|(at, way, repair)| Take(at, way, repair)),
        1 => (0..N).prop_map(Get),
        3 => (0..N).prop_map(Add),
        4 => (0..N).prop_map(GiveBack),
        1 => (0..N).prop_map(Panic),
    ]
}

pub(crate) fn any_schedule() -> Outcome {
    let make = || Mutexes([(); N].map(|()| Mutex::new(0).unwrap()));
    schedule::play("reference: mutex", make, calls())
}
