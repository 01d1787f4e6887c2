//! `Once`: begun, completed and given up.

use std::time::Duration;

use ipc_core::Deadline;
use ipc_sync::{Once, OnceError, OnceTurn};
use proptest::prelude::*;
use testkit::Outcome;

use crate::answer::{Answer, Said};
use crate::repair::Way;
use crate::schedule::{self, Subject};
use crate::worlds::{Reference, Step, answers, goes_on, waits};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Begin(Way),
    /// Say that it is done, if it is the caller's turn.
    Complete,
    /// Give up, if it is the caller's turn.
    GiveUp,

    /// Has begun after a death, and counts that.
    Count,
    /// Has nothing left to do but to end its turn.
    End,
}
use Call::{Begin, Complete, Count, End, GiveUp};

/// What it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Task {
    is_done: bool,
    holder: Option<usize>,
    died: bool,
    deaths: u32,
    failures: u32,
}

impl Task {
    /// What who begins is told.
    fn turn(self) -> Vec<Step<Self>> {
        answers(self, Said::MyTurn.of(self.deaths << 16 | self.failures))
    }
}

impl Reference for Task {
    type Call = Call;
    /// Whether it is done, who is at it, how many deaths and failures, how many sleep.
    type View = (bool, Option<usize>, u32, u32, usize);

    fn steps(&self, who: usize, call: Call, _: bool) -> Vec<Step<Self>> {
        let is_mine = self.holder == Some(who);
        let begun = Self { holder: Some(who), ..*self };
        match call {
            Begin(_) if self.is_done => answers(*self, Said::Done),
            Begin(_) if is_mine => answers(*self, Said::WouldDeadlock),
            Begin(Way::Wait) if self.holder.is_some() => waits(),
            Begin(way) if self.holder.is_some() => answers(*self, way.in_vain()),
            Begin(_) if self.died => goes_on(begun, Count),
            Begin(_) => begun.turn(),
            Count => Self { died: false, deaths: self.deaths + 1, ..*self }.turn(),
            Complete | GiveUp if !is_mine => answers(*self, Said::NothingInHand),
            Complete => goes_on(Self { is_done: true, ..*self }, End),
            GiveUp => goes_on(Self { failures: self.failures + 1, ..*self }, End),
            End => answers(Self { holder: None, ..*self }, Said::Done),
        }
    }

    fn die(self, who: usize, _: u32, _: bool) -> Vec<Self> {
        match self.holder {
            Some(holder) if holder == who => vec![Self { holder: None, died: true, ..self }],
            _ => vec![self],
        }
    }

    fn view(&self, asleep: &[Option<Call>]) -> Self::View {
        let asleep = asleep.iter().flatten().count();
        (self.is_done, self.holder, self.deaths, self.failures, asleep)
    }
}

impl Subject for Once {
    type Reference = Task;
    type Hands<'s> = Option<OnceTurn<'s>>;

    const N_PROCESSES: usize = 4;

    fn reference(&self) -> Task {
        Task::default()
    }

    fn call<'s>(&'s self, turn: &mut Option<OnceTurn<'s>>, call: Call) -> Answer {
        match call {
            Begin(way) => {
                let begun = match way {
                    Way::Wait => self.begin(),
                    Way::Try => self.try_begin(),
                    Way::Timeout => self.begin_timeout(Duration::ZERO),
                    Way::Past => self.begin_deadline(Deadline::now()),
                };
                match begun {
                    Ok(None) => Said::Done.into(),
                    Ok(Some(mine)) => {
                        let state = mine.state();
                        *turn = Some(mine);
                        let failures = u32::try_from(state.failures()).unwrap_or(u32::MAX);
                        Said::MyTurn.of(state.deaths() << 16 | failures)
                    }
                    Err(OnceError::Busy) => Said::WouldBlock.into(),
                    Err(OnceError::Timeout) => Said::Timeout.into(),
                    Err(OnceError::Recursive) => Said::WouldDeadlock.into(),
                    Err(_) => Said::Strange.into(),
                }
            }
            Complete | GiveUp => {
                let Some(turn) = turn.take() else { return Said::NothingInHand.into() };
                // To drop it is to give up.
                let is_right = call == GiveUp || turn.complete().is_ok();
                if is_right { Said::Done.into() } else { Said::NotHeld.into() }
            }
            Count | End => unreachable!("nobody calls this"),
        }
    }

    fn view(&self, who: &dyn Fn(u32) -> Option<usize>) -> (bool, Option<usize>, u32, u32, usize) {
        let stats = self.stats();
        let holder = stats.holder.and_then(|holder| who(holder.pid?));
        let failures = u32::try_from(stats.failures).unwrap_or(u32::MAX);
        (stats.is_completed, holder, stats.deaths, failures, stats.waiters as usize)
    }
}

pub(crate) fn any_schedule() -> Outcome {
    let calls = prop_oneof![
        8 => Way::any().prop_map(Begin),
        1 => Just(Complete),
        3 => Just(GiveUp),
    ];
    schedule::play("reference: once", || Once::new().unwrap(), calls)
}
