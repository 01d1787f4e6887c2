//! `Barrier`: come, give up, abort, reset, join and die on the way or at the barrier.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use ipc_core::Deadline;
use ipc_sync::{Barrier, BarrierError, BarrierMember, MemberError};
use proptest::prelude::*;
use testkit::Outcome;

use crate::answer::{Answer, Said};
use crate::schedule::{self, Subject};
use crate::worlds::{Reference, Step, answers, goes_on, waits};

const N_PROCESSES: usize = 4;
const PARTIES: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Come(How),
    Abort,
    Reset,
    /// Become a member, or be one no more.
    Join,

    /// Has come, and waits for the others.
    Stay(How),
    /// Has come last.
    Trip(How),
}
use Call::{Abort, Come, Join, Reset, Stay, Trip};

/// How somebody comes to the barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum How {
    Wait,
    /// To wait no longer than it takes to look.
    Look,
    /// With an action that panics.
    Panic,
}

/// What it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Round {
    /// Who has come, in this order; nobody in place of those who died.
    here: Vec<Option<usize>>,
    /// What those are to be told who have come and wait no more, and how often the barrier was reset
    /// since.
    told: BTreeMap<usize, (Answer, u32)>,
    members: BTreeSet<usize>,
    broken: Option<Answer>,
    /// Those who died here and are missed.
    dead: Vec<u32>,
    /// Those who died as members, wherever, and still have their places.
    dead_members: Vec<u32>,
}

impl Round {
    fn tell_all(&mut self, answer: Answer) {
        for who in self.here.drain(..).flatten() {
            self.told.insert(who, (answer, 0));
        }
    }

    fn break_by(&mut self, answer: Answer) {
        if self.broken.is_none() {
            self.broken = Some(answer);
            self.tell_all(answer);
        }
    }

    /// The same, broken by any of those who are missed.
    fn missing(&self) -> impl Iterator<Item = Self> {
        self.dead.iter().chain(&self.dead_members).map(|&pid| {
            let mut broken = self.clone();
            broken.break_by(Said::PartyDied.of(pid));
            broken
        })
    }
}

impl Reference for Round {
    type Call = Call;
    /// Why it is broken; who has come, if it is not; and the members.
    type View = (Option<Answer>, Vec<usize>, BTreeSet<usize>);

    fn steps(&self, who: usize, call: Call, is_alone: bool) -> Vec<Step<Self>> {
        let mut next = self.clone();
        match call {
            Come(how) => {
                if let Some(broken) = self.broken {
                    return answers(next, broken);
                }
                let mut steps = match how {
                    // Others may be in the way for a moment.
                    How::Look if !is_alone => answers(self.clone(), Said::Timeout),
                    _ => waits(),
                };
                if self.here.len() < PARTIES {
                    next.here.push(Some(who));
                    let is_last = next.here.len() == PARTIES;
                    steps.extend(goes_on(next, if is_last { Trip(how) } else { Stay(how) }));
                }
                steps
            }
            Trip(How::Panic) => {
                next.break_by(Said::ActionPanicked.into());
                next.told.remove(&who);
                answers(next, Said::ActionPanicked)
            }
            Stay(_) | Trip(_) if self.told.contains_key(&who) => {
                let told = next.told.remove(&who);
                let (answer, n_resets) = told.unwrap_or((Said::Strange.into(), 0));
                let mut steps = answers(next.clone(), answer);
                // Who has not looked yet does not know any more what was before the last resets.
                if n_resets > u32::from(answer.said() == Said::Through) {
                    steps.extend(answers(next, Said::Reset));
                }
                steps
            }
            Stay(how) => {
                let mut steps: Vec<_> =
                    self.missing().flat_map(|broken| goes_on(broken, call)).collect();
                if how == How::Look {
                    next.break_by(Said::PartyTimedOut.into());
                    next.told.remove(&who);
                    steps.extend(answers(next, Said::Timeout));
                }
                steps
            }
            Trip(_) if self.missing().next().is_some() => {
                self.missing().flat_map(|broken| goes_on(broken, call)).collect()
            }
            Trip(_) => {
                for (number, party) in (0..).zip(next.here.drain(..)) {
                    next.told.extend(party.map(|party| (party, (Said::Through.of(number), 0))));
                }
                goes_on(next, call)
            }
            Abort => {
                next.break_by(Said::Aborted.into());
                answers(next, Said::Done)
            }
            Reset => {
                // Members who died are looked at first, and told of: one who dies in between leaves it so.
                let is_whole = self.broken.is_none();
                let broken = self.missing().filter(|_| is_whole);
                let mut steps: Vec<_> = broken.flat_map(|broken| goes_on(broken, Reset)).collect();
                next.told.values_mut().for_each(|(_, n_resets)| *n_resets += 1);
                next.tell_all(Said::Reset.into());
                next.broken = None;
                next.dead.clear();
                next.dead_members.clear();
                steps.extend(answers(next, Said::Done));
                steps
            }
            Join if next.members.remove(&who) => answers(next, Said::Done),
            Join => {
                let (n_members, mut steps) = (self.members.len(), waits());
                if n_members + self.dead_members.len() < PARTIES {
                    next.members.insert(who);
                    steps.extend(answers(next, Said::Done));
                } else if n_members == PARTIES {
                    steps.extend(answers(next, Said::TooManyMembers));
                }
                // The place of a dead member is looked at, perhaps needed, and that one told of.
                for place in 0..self.dead_members.len() {
                    let mut told = self.clone();
                    let pid = told.dead_members.remove(place);
                    told.break_by(Said::PartyDied.of(pid));
                    steps.extend(goes_on(told, Join));
                }
                steps
            }
        }
    }

    fn die(mut self, who: usize, pid: u32, _: bool) -> Vec<Self> {
        for party in self.here.iter_mut().filter(|party| **party == Some(who)) {
            *party = None;
            self.dead.push(pid);
        }
        if self.members.remove(&who) {
            self.dead_members.push(pid);
        }
        self.told.remove(&who);
        vec![self]
    }

    fn view(&self, _: &[Option<Call>]) -> Self::View {
        let mut here: Vec<_> = self.here.iter().copied().flatten().collect();
        here.sort_unstable();
        (self.broken, here, self.members.clone())
    }
}

impl Subject for Barrier {
    type Reference = Round;
    type Hands<'s> = Option<BarrierMember>;

    const N_PROCESSES: usize = N_PROCESSES;

    fn reference(&self) -> Round {
        Round::default()
    }

    fn call(&self, member: &mut Option<BarrierMember>, call: Call) -> Answer {
        match call {
            Come(How::Wait) => told(self.wait()),
            Come(How::Look) => told(self.wait_deadline(Deadline::now())),
            Come(How::Panic) => {
                let action = || resume_unwind(Box::new(()));
                let end = catch_unwind(AssertUnwindSafe(|| self.wait_with(action)));
                told(end.unwrap_or(Err(BarrierError::ActionPanicked)))
            }
            Abort => {
                self.abort();
                Said::Done.into()
            }
            Reset => {
                self.reset();
                Said::Done.into()
            }
            Join if member.take().is_some() => Said::Done.into(),
            Join => match self.member() {
                Ok(mine) => {
                    *member = Some(mine);
                    Said::Done.into()
                }
                Err(MemberError::TooManyMembers) => Said::TooManyMembers.into(),
                Err(_) => Said::Strange.into(),
            },
            Stay(_) | Trip(_) => unreachable!("nobody calls this"),
        }
    }

    fn view(
        &self,
        who: &dyn Fn(u32) -> Option<usize>,
    ) -> (Option<Answer>, Vec<usize>, BTreeSet<usize>) {
        let stats = self.stats();
        let mut here: Vec<_> = stats.waiting.iter().filter_map(|party| who(party.pid?)).collect();
        here.sort_unstable();
        let members = stats.members.iter().filter_map(|member| who(member.pid?)).collect();
        (stats.broken.map(|broken| told(Err(broken))), here, members)
    }
}

/// What coming to the barrier comes to.
fn told(end: Result<u32, BarrierError>) -> Answer {
    match end {
        Ok(number) => Said::Through.of(number),
        Err(BarrierError::Timeout) => Said::Timeout.into(),
        Err(BarrierError::PartyTimedOut) => Said::PartyTimedOut.into(),
        Err(BarrierError::ActionPanicked) => Said::ActionPanicked.into(),
        Err(BarrierError::Aborted) => Said::Aborted.into(),
        Err(BarrierError::Reset) => Said::Reset.into(),
        Err(BarrierError::PartyDied { pid }) => Said::PartyDied.of(pid),
        Err(_) => Said::Strange.into(),
    }
}

pub(crate) fn any_schedule() -> Outcome {
    let calls = prop_oneof![
        12 => Just(Come(How::Wait)),
        1 => Just(Come(How::Look)),
        2 => Just(Come(How::Panic)),
        1 => Just(Abort),
        3 => Just(Reset),
        3 => Just(Join),
    ];
    let parties = u32::try_from(PARTIES).unwrap();
    schedule::play("reference: barrier", || Barrier::new(parties).unwrap(), calls)
}
