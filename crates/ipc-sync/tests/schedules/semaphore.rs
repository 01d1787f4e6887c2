//! `Semaphore` and `BoundedSemaphore`: permits that are taken with a guard and without.

use std::mem;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_sync::{AcquireError, BoundedSemaphore, Permit, ReleaseError, Semaphore, TryAcquireError};
use proptest::prelude::*;
use testkit::Outcome;

use crate::answer::{Answer, Said};
use crate::repair::Way;
use crate::schedule::{self, Subject};
use crate::worlds::{Reference, Step, answers, goes_on, waits};

const N_PROCESSES: usize = 4;
const N_SEATS: u32 = 2;
const PERMITS: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    /// Take a permit without a guard.
    Take(Way),
    /// Take a permit with a guard.
    Acquire(Way),
    /// Release so many.
    Release(u32),
    /// Drop the oldest guard, if there is one.
    GiveBack,
    /// Forget the newest guard, if there is one.
    Forget,
}
use Call::{Acquire, Forget, GiveBack, Release, Take};

/// What it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Permits {
    value: u32,
    most: u32,
    /// How many guards each process has.
    guards: [u32; N_PROCESSES],
    /// How many guards the dead had whose permits have not come back yet.
    left: u32,
}

impl Permits {
    fn seats(&self) -> u32 {
        self.guards.iter().sum::<u32>() + self.left
    }

    /// One more than may be is dropped.
    fn with_more(self, permits: u32) -> Self {
        Self { value: (self.value + permits).min(self.most), ..self }
    }

    fn with_guards(mut self, who: usize, guards: u32) -> Self {
        self.guards[who] = guards;
        self
    }

    /// What a call comes to if no permit comes back from the dead before.
    fn apply(self, who: usize, call: Call, is_alone: bool) -> Vec<Step<Self>> {
        let fewer = Self { value: self.value.saturating_sub(1), ..self };
        let guards = self.guards[who];
        match call {
            Take(way) | Acquire(way) if self.value == 0 => match way {
                Way::Wait => waits(),
                // Another may be about to bring one back.
                _ if self.left > 0 && is_alone => waits(),
                way => answers(self, way.in_vain()),
            },
            Take(_) => answers(fewer, Said::Done),
            Acquire(_) => {
                let mut steps = Vec::new();
                if self.seats() < N_SEATS {
                    steps = answers(fewer.with_guards(who, guards + 1), Said::Done);
                }
                // Others may be on a seat for a moment.
                if self.seats() - self.left == N_SEATS || !is_alone {
                    steps.extend(answers(self, Said::NoSeat));
                }
                steps
            }
            Release(more) if self.value + more > self.most => answers(self, Said::TooManyPermits),
            Release(more) => answers(self.with_more(more), Said::Done),
            GiveBack | Forget if guards == 0 => answers(self, Said::NothingInHand),
            GiveBack => answers(self.with_more(1).with_guards(who, guards - 1), Said::Done),
            Forget => answers(self.with_guards(who, guards - 1), Said::Done),
        }
    }
}

impl Reference for Permits {
    type Call = Call;
    /// How many permits, who has guards, how many sleep.
    type View = (u32, Vec<Option<usize>>, usize);

    fn steps(&self, who: usize, call: Call, is_alone: bool) -> Vec<Step<Self>> {
        let mut steps = self.apply(who, call, is_alone);
        if self.left > 0 {
            let brought_back = Self { left: self.left - 1, ..*self }.with_more(1);
            steps.extend(goes_on(brought_back, call));
        }
        steps
    }

    fn die(mut self, who: usize, _: u32, _: bool) -> Vec<Self> {
        self.left += mem::take(&mut self.guards[who]);
        vec![self]
    }

    fn view(&self, asleep: &[Option<Call>]) -> Self::View {
        let holders = self.guards.iter().enumerate();
        let holders = holders.flat_map(|(who, &guards)| (0..guards).map(move |_| Some(who)));
        (self.asked().value, holders.collect(), asleep.iter().flatten().count())
    }

    fn asked(self) -> Self {
        Self { left: 0, ..self }.with_more(self.left)
    }
}

struct Subjected(Semaphore);

impl Subject for Subjected {
    type Reference = Permits;
    type Hands<'s> = Vec<Permit<'s>>;

    const N_PROCESSES: usize = N_PROCESSES;

    fn reference(&self) -> Permits {
        Permits { value: PERMITS, most: self.0.most(), guards: [0; N_PROCESSES], left: 0 }
    }

    fn call<'s>(&'s self, guards: &mut Vec<Permit<'s>>, call: Call) -> Answer {
        match call {
            Take(Way::Wait) => waited(self.0.take()),
            Take(Way::Timeout) => waited(self.0.take_timeout(Duration::ZERO)),
            Take(Way::Past) => waited(self.0.take_deadline(Deadline::now())),
            Take(Way::Try) => tried(self.0.try_take()),
            Acquire(way) => {
                let mut keep = |permit| guards.push(permit);
                match way {
                    Way::Wait => waited(self.0.acquire().map(keep)),
                    Way::Timeout => waited(self.0.acquire_timeout(Duration::ZERO).map(keep)),
                    Way::Past => waited(self.0.acquire_deadline(Deadline::now()).map(keep)),
                    Way::Try => tried(self.0.try_acquire().map(&mut keep)),
                }
            }
            Release(more) => match self.0.release_n(more) {
                Ok(()) => Said::Done.into(),
                Err(ReleaseError::TooManyPermits) => Said::TooManyPermits.into(),
                Err(_) => Said::Strange.into(),
            },
            GiveBack | Forget if guards.is_empty() => Said::NothingInHand.into(),
            GiveBack => {
                drop(guards.remove(0));
                Said::Done.into()
            }
            Forget => {
                guards.pop().into_iter().for_each(Permit::forget);
                Said::Done.into()
            }
        }
    }

    fn view(&self, who: &dyn Fn(u32) -> Option<usize>) -> (u32, Vec<Option<usize>>, usize) {
        let value = self.0.value();
        let holders = self.0.holders().into_iter().map(|holder| who(holder.pid?));
        let mut holders: Vec<_> = holders.collect();
        holders.sort_unstable();
        (value, holders, self.0.stats().waiters as usize)
    }
}

fn waited(taken: Result<(), AcquireError>) -> Answer {
    match taken {
        Ok(()) => Said::Done,
        Err(AcquireError::Timeout) => Said::Timeout,
        Err(AcquireError::NoSeat) => Said::NoSeat,
        Err(_) => Said::Strange,
    }
    .into()
}

fn tried(taken: Result<(), TryAcquireError>) -> Answer {
    match taken {
        Ok(()) => Said::Done,
        Err(TryAcquireError::WouldBlock) => Said::WouldBlock,
        Err(TryAcquireError::NoSeat) => Said::NoSeat,
        Err(_) => Said::Strange,
    }
    .into()
}

fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => Way::any().prop_map(Take),
        6 => Way::any().prop_map(Acquire),
        4 => prop_oneof![3 => Just(1_u32), 1 => 0..5_u32].prop_map(Release),
        3 => Just(GiveBack),
        1 => Just(Forget),
    ]
}

pub(crate) fn any_schedule() -> Outcome {
    let make = || Subjected(Semaphore::with_seats(PERMITS, N_SEATS).unwrap());
    schedule::play("reference: semaphore", make, calls())
}

pub(crate) fn any_schedule_with_a_bound() -> Outcome {
    let make = || BoundedSemaphore::with_seats(PERMITS, N_SEATS).unwrap();
    schedule::play("reference: bounded semaphore", || Subjected(Semaphore::clone(&make())), calls())
}
