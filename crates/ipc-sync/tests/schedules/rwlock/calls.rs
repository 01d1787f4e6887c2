//! Calls of the lock, and what it says of itself.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use ipc_core::Deadline;
use ipc_sync::{LockError, Readers, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError, Who};
use proptest::prelude::*;
use testkit::Outcome;

use super::Call::{
    Add, Door, Downgrade, Get, Heir, Leave, Left, MakeWhole, Panic, Read, Room, Tell, Write,
};
use super::{Call, Inside, N_READERS, View};
use crate::answer::{Answer, Said};
use crate::repair::{Repair, Way, refused};
use crate::schedule::{self, Subject};

/// What a process has in its hands.
#[derive(Default)]
#[expect(dead_code, reason = "a reader's guard is only held")]
enum Hands<'lock> {
    #[default]
    Nothing,
    Reading(RwLockReadGuard<'lock, u64>),
    Writing(RwLockWriteGuard<'lock, u64>),
}

struct Subjected(RwLock<u64>);

impl Subject for Subjected {
    type Reference = Inside;
    type Hands<'s> = Hands<'s>;

    const N_PROCESSES: usize = 4;

    fn reference(&self) -> Inside {
        Inside::default()
    }

    fn call<'s>(&'s self, hands: &mut Hands<'s>, call: Call) -> Answer {
        match call {
            Read(way) => {
                let came_in = match way {
                    Way::Wait => self.0.read(),
                    Way::Timeout => self.0.read_timeout(Duration::ZERO),
                    Way::Past => self.0.read_deadline(Deadline::now()),
                    Way::Try => match self.0.try_read().map_err(waited) {
                        Err(LockError::Timeout) => return Said::WouldBlock.into(),
                        came_in => came_in,
                    },
                };
                let (said, guard) = match came_in {
                    Ok(guard) => (Said::Whole, guard),
                    Err(LockError::OwnerDied(guard)) => (Said::OwnerDied, guard),
                    Err(LockError::Poisoned(guard)) => (Said::Poisoned, guard),
                    Err(error) => return refused(&error),
                };
                let answer = said.of(number(*guard));
                *hands = Hands::Reading(guard);
                answer
            }
            Write(way, repair) => {
                let came_in = match way {
                    Way::Wait => self.0.write(),
                    Way::Timeout => self.0.write_timeout(Duration::ZERO),
                    Way::Past => self.0.write_deadline(Deadline::now()),
                    Way::Try => match self.0.try_write().map_err(waited) {
                        Err(LockError::Timeout) => return Said::WouldBlock.into(),
                        came_in => came_in,
                    },
                };
                let (said, value, guard) = match came_in {
                    Ok(guard) => (Said::Whole, *guard, Some(guard)),
                    Err(LockError::OwnerDied(recovery)) => {
                        (Said::OwnerDied, recovery.get(), repair.of(recovery))
                    }
                    Err(LockError::Poisoned(recovery)) => {
                        (Said::Poisoned, recovery.get(), repair.of(recovery))
                    }
                    Err(error) => return refused(&error),
                };
                if let Some(guard) = guard {
                    *hands = Hands::Writing(guard);
                }
                said.of(number(value))
            }
            Get => match self.0.get() {
                Ok(value) => Said::Whole.of(number(value)),
                Err(LockError::OwnerDied(guard)) => Said::OwnerDied.of(number(*guard)),
                Err(LockError::Poisoned(guard)) => Said::Poisoned.of(number(*guard)),
                Err(error) => refused(&error),
            },
            Add => match hands {
                Hands::Writing(guard) => {
                    **guard += 1;
                    Said::Done.into()
                }
                _ => Said::NothingInHand.into(),
            },
            Downgrade => match mem::take(hands) {
                Hands::Writing(guard) => match RwLockWriteGuard::downgrade(guard) {
                    Ok(guard) => {
                        *hands = Hands::Reading(guard);
                        Said::Done.into()
                    }
                    Err(_) => Said::Strange.into(),
                },
                other => {
                    *hands = other;
                    Said::NothingInHand.into()
                }
            },
            Leave | Panic => {
                let in_hand = mem::take(hands);
                if matches!(in_hand, Hands::Nothing) {
                    return Said::NothingInHand.into();
                }
                let end = catch_unwind(AssertUnwindSafe(|| {
                    let _in_hand = in_hand;
                    if call == Panic {
                        resume_unwind(Box::new(()));
                    }
                }));
                assert_eq!(end.is_err(), call == Panic);
                Said::Done.into()
            }
            Heir(_) | Door(_) | Room(_) | Tell(_) | MakeWhole(_) | Left(_) => {
                unreachable!("nobody calls this")
            }
        }
    }

    fn view(&self, who: &dyn Fn(u32) -> Option<usize>) -> View {
        let stats = self.0.stats();
        let who = |one: Who| who(one.pid?);
        View {
            at_door: stats.writer.and_then(who),
            is_written: stats.is_written,
            readers: stats.readers.into_iter().map(who).collect(),
            is_poisoned: stats.is_poisoned,
            dead_writers: stats.dead_writers,
            dead_readers: stats.dead_readers,
            asleep: stats.waiters as usize,
        }
    }
}

/// The same of who would rather not have waited.
fn waited<R>(error: TryLockError<R>) -> LockError<R> {
    match error {
        TryLockError::WouldBlock => LockError::Timeout,
        TryLockError::OwnerDied(inner) => LockError::OwnerDied(inner),
        TryLockError::Poisoned(inner) => LockError::Poisoned(inner),
        TryLockError::TooManyHeld => LockError::TooManyHeld,
        _ => LockError::Corrupt,
    }
}

/// A value as a number that an answer has room for.
fn number(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

pub(crate) fn any_schedule() -> Outcome {
    let readers = Readers::new(N_READERS).unwrap();
    let make = || Subjected(RwLock::with_readers(0, readers).unwrap());
    let calls = prop_oneof![
        6 => Way::any().prop_map(Read),
        6 => (Way::any(), Repair::any()).prop_map(|(way, repair)| Write(way, repair)),
        2 => Just(Get),
        3 => Just(Add),
        1 => Just(Downgrade),
        6 => Just(Leave),
        1 => Just(Panic),
    ];
    schedule::play("reference: rwlock", make, calls)
}
