//! `Lock` and `RLock`, taken and given back without guards: the one once, the other in levels.

use std::time::Duration;

use ipc_core::Deadline;
use ipc_sync::{Lock, LockError, LockStats, NotHeld, RLock, TryLockError};
use proptest::prelude::*;
use testkit::Outcome;

use crate::answer::{Answer, Said};
use crate::repair::{Way, refused};
use crate::schedule::{self, Subject};
use crate::worlds::{Reference, Step, answers, goes_on, waits};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Acquire(Way),
    Release,

    /// Has taken it after a death, and counts that.
    Count,
}
use Call::{Acquire, Count, Release};

/// What it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bare {
    has_levels: bool,
    /// Who holds it, and how often.
    holder: Option<(usize, u32)>,
    died: bool,
    deaths: u32,
}

impl Reference for Bare {
    type Call = Call;
    /// Who holds it, how often, how many deaths, how many sleep.
    type View = (Option<usize>, u32, u32, usize);

    fn steps(&self, who: usize, call: Call, _: bool) -> Vec<Step<Self>> {
        let levels =
            self.holder.filter(|&(holder, _)| holder == who).map_or(0, |(_, levels)| levels);
        let holding = |levels| Self { holder: Some((who, levels)), ..*self };
        match call {
            Acquire(_) if levels > 0 && self.has_levels => answers(holding(levels + 1), Said::Done),
            Acquire(way) if levels > 0 => answers(*self, way.of_own()),
            Acquire(Way::Wait) if self.holder.is_some() => waits(),
            Acquire(way) if self.holder.is_some() => answers(*self, way.in_vain()),
            Acquire(_) if self.died => goes_on(holding(1), Count),
            Acquire(_) => answers(holding(1), Said::Done),
            Count => {
                let counted = Self { died: false, deaths: self.deaths + 1, ..*self };
                answers(counted, Said::OwnerDied)
            }
            Release => match levels {
                0 => answers(*self, Said::NotHeld),
                1 => answers(Self { holder: None, ..*self }, Said::Done),
                _ => answers(holding(levels - 1), Said::Done),
            },
        }
    }

    fn die(self, who: usize, _: u32, _: bool) -> Vec<Self> {
        match self.holder {
            Some((holder, _)) if holder == who => vec![Self { holder: None, died: true, ..self }],
            _ => vec![self],
        }
    }

    fn view(&self, asleep: &[Option<Call>]) -> Self::View {
        let (holder, levels) = self.holder.unzip();
        (holder, levels.unwrap_or(0), self.deaths, asleep.iter().flatten().count())
    }
}

/// What both have.
trait AnyLock {
    const HAS_LEVELS: bool;

    fn acquire(&self, way: Way) -> Result<(), TryOr>;
    fn release(&self) -> Result<(), NotHeld>;
    fn stats(&self) -> LockStats;
}

/// Why it was not taken at once.
enum TryOr {
    Try(TryLockError<()>),
    Lock(LockError<()>),
}

macro_rules! any_lock {
    ($lock:ty, $has_levels:literal) => {
        impl AnyLock for $lock {
            const HAS_LEVELS: bool = $has_levels;

            fn acquire(&self, way: Way) -> Result<(), TryOr> {
                match way {
                    Way::Wait => self.acquire().map_err(TryOr::Lock),
                    Way::Timeout => self.acquire_timeout(Duration::ZERO).map_err(TryOr::Lock),
                    Way::Past => self.acquire_deadline(Deadline::now()).map_err(TryOr::Lock),
                    Way::Try => self.try_acquire().map_err(TryOr::Try),
                }
            }

            fn release(&self) -> Result<(), NotHeld> {
                self.release()
            }

            fn stats(&self) -> LockStats {
                self.stats()
            }
        }
    };
}

any_lock!(Lock, false);
any_lock!(RLock, true);

impl<L: AnyLock> Subject for L {
    type Reference = Bare;
    type Hands<'s>
        = ()
    where
        L: 's;

    const N_PROCESSES: usize = 4;

    fn reference(&self) -> Bare {
        Bare { has_levels: L::HAS_LEVELS, holder: None, died: false, deaths: 0 }
    }

    fn call(&self, (): &mut (), call: Call) -> Answer {
        match call {
            Acquire(way) => match AnyLock::acquire(self, way) {
                Ok(()) => Said::Done.into(),
                Err(TryOr::Lock(LockError::OwnerDied(())))
                | Err(TryOr::Try(TryLockError::OwnerDied(()))) => Said::OwnerDied.into(),
                Err(TryOr::Lock(error)) => refused(&error),
                Err(TryOr::Try(TryLockError::WouldBlock)) => Said::WouldBlock.into(),
                Err(TryOr::Try(_)) => Said::Strange.into(),
            },
            Release => match AnyLock::release(self) {
                Ok(()) => Said::Done.into(),
                Err(NotHeld) => Said::NotHeld.into(),
            },
            Count => unreachable!("nobody calls this"),
        }
    }

    fn view(&self, who: &dyn Fn(u32) -> Option<usize>) -> (Option<usize>, u32, u32, usize) {
        let stats = AnyLock::stats(self);
        let holder = stats.holder.and_then(|holder| who(holder.pid?));
        (holder, stats.depth, stats.deaths, stats.waiters as usize)
    }
}

fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![5 => Way::any().prop_map(Acquire), 4 => Just(Release)]
}

pub(crate) fn any_schedule_of_a_lock() -> Outcome {
    schedule::play("reference: lock", || Lock::new().unwrap(), calls())
}

pub(crate) fn any_schedule_of_an_rlock() -> Outcome {
    schedule::play("reference: rlock", || RLock::new().unwrap(), calls())
}
