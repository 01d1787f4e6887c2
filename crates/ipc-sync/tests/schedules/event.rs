//! `Event`: set, cleared, asked and waited for.

use std::collections::BTreeSet;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_sync::Event;
use proptest::prelude::*;
use testkit::Outcome;

use crate::answer::{Answer, Said};
use crate::repair::Way;
use crate::schedule::{self, Subject};
use crate::worlds::{Reference, Step, answers, goes_on, waits};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Set,
    Clear,
    /// Wait for it; to try is to ask.
    Wait(Way),

    /// Has found it clear.
    Look(Way),
}
use Call::{Clear, Look, Set, Wait};

/// What it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Flag {
    is_set: bool,
    waiting: BTreeSet<usize>,
    /// Those who waited when it was set: they are released, whatever comes after.
    released: BTreeSet<usize>,
}

impl Reference for Flag {
    type Call = Call;
    /// Whether it is set, and how many sleep.
    type View = (bool, usize);

    fn steps(&self, who: usize, call: Call, _: bool) -> Vec<Step<Self>> {
        let mut next = self.clone();
        match call {
            Set => {
                next.is_set = true;
                next.released.append(&mut next.waiting);
                answers(next, Said::Done)
            }
            Clear => {
                next.is_set = false;
                answers(next, Said::Done)
            }
            Wait(_) if self.is_set => answers(next, Said::Yes),
            Wait(Way::Try) => answers(next, Said::No),
            Wait(way) => {
                next.waiting.insert(who);
                goes_on(next, Look(way))
            }
            Look(_) if next.released.remove(&who) => answers(next, Said::Yes),
            Look(Way::Wait) => waits(),
            Look(_) => {
                next.waiting.remove(&who);
                answers(next, Said::No)
            }
        }
    }

    fn die(mut self, who: usize, _: u32, _: bool) -> Vec<Self> {
        self.waiting.remove(&who);
        self.released.remove(&who);
        vec![self]
    }

    fn view(&self, asleep: &[Option<Call>]) -> Self::View {
        (self.is_set, asleep.iter().flatten().count())
    }
}

impl Subject for Event {
    type Reference = Flag;
    type Hands<'s> = ();

    const N_PROCESSES: usize = 4;

    fn reference(&self) -> Flag {
        Flag::default()
    }

    fn call(&self, (): &mut (), call: Call) -> Answer {
        let is_set = match call {
            Set => {
                self.set();
                return Said::Done.into();
            }
            Clear => {
                self.clear();
                return Said::Done.into();
            }
            Wait(Way::Wait) => {
                self.wait();
                true
            }
            Wait(Way::Try) => self.is_set(),
            Wait(Way::Timeout) => self.wait_timeout(Duration::ZERO),
            Wait(Way::Past) => self.wait_deadline(Deadline::now()),
            Look(_) => unreachable!("nobody calls this"),
        };
        if is_set { Said::Yes.into() } else { Said::No.into() }
    }

    fn view(&self, _: &dyn Fn(u32) -> Option<usize>) -> (bool, usize) {
        let stats = self.stats();
        (stats.is_set, stats.waiters as usize)
    }
}

pub(crate) fn any_schedule() -> Outcome {
    let calls = prop_oneof![
        2 => Just(Set),
        2 => Just(Clear),
        6 => Way::any().prop_map(Wait),
    ];
    schedule::play("reference: event", || Event::new().unwrap(), calls)
}
