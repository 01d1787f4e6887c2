//! What may have become of a primitive: all ways in which a plain reference can have gone.
//!
//! Processes that call at the same time may come in any order, and who is killed in a call has done
//! what it was to do, or some of it, or nothing. So the reference is not in one state but in several,
//! its *worlds*. Each thing that is seen (an answer, a sleeper, what the primitive says of itself)
//! leaves those worlds in which it can be so. Where none is left, the primitive has done what it must
//! not, or has not done what it must: in a world at rest nobody sleeps who could go on.

use core::fmt::Debug;
use core::hash::Hash;
use std::collections::HashSet;

use crate::answer::Answer;

/// A primitive in one process without any concurrency, in a few lines.
pub(crate) trait Reference: Clone + Debug + Eq + Hash {
    /// How far a call has come; at first, what was called.
    type Call: Clone + Copy + Debug + Eq + Hash;
    /// What the primitive says of itself.
    type View: Debug + PartialEq;

    /// What the caller `who`, which is alone if nobody else is in the middle of a call, does next;
    /// one of them if there are several. Nothing: it has to wait.
    fn steps(&self, who: usize, call: Self::Call, is_alone: bool) -> Vec<Step<Self>>;

    /// What becomes of it if the process `who` with this id dies, in the middle of a call or not.
    fn die(self, who: usize, pid: u32, in_a_call: bool) -> Vec<Self>;

    /// What it says of itself when everybody has answered or sleeps in such a call.
    fn view(&self, asleep: &[Option<Self::Call>]) -> Self::View;

    /// What becomes of it when it was asked about itself.
    fn asked(self) -> Self {
        self
    }
}

/// One thing done, and what is left to do of the call.
pub(crate) type Step<R> = (R, Next<<R as Reference>::Call>);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Next<C> {
    GoesOn(C),
    /// As the other, but nothing says that it must.
    MayGoOn(C),
    Answers(Answer),
}

/// The caller has an answer.
pub(crate) fn answers<R: Reference>(reference: R, answer: impl Into<Answer>) -> Vec<Step<R>> {
    vec![(reference, Next::Answers(answer.into()))]
}

/// The caller has something left to do. It may die before it does that.
pub(crate) fn goes_on<R: Reference>(reference: R, call: R::Call) -> Vec<Step<R>> {
    vec![(reference, Next::GoesOn(call))]
}

/// The caller may, and need not, go on so.
pub(crate) fn may_go_on<R: Reference>(reference: R, call: R::Call) -> Vec<Step<R>> {
    vec![(reference, Next::MayGoOn(call))]
}

/// The caller has to wait.
pub(crate) const fn waits<R: Reference>() -> Vec<Step<R>> {
    Vec::new()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Caller<C> {
    Idle,
    At(C),
    Answered(Answer),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World<R: Reference> {
    reference: R,
    callers: Vec<Caller<R::Call>>,
}

/// All that may be so.
#[derive(Clone, Debug)]
pub(crate) struct Worlds<R: Reference>(HashSet<World<R>>);

/// What was seen cannot be.
#[derive(Debug)]
pub(crate) struct Impossible;

impl<R: Reference> Worlds<R> {
    pub(crate) fn new(reference: R, n_callers: usize) -> Self {
        Self(HashSet::from([World { reference, callers: vec![Caller::Idle; n_callers] }]))
    }

    /// The idle process `who` is told to call.
    pub(crate) fn call(&mut self, who: usize, call: R::Call) {
        self.replace(|mut world| {
            world.callers[who] = Caller::At(call);
            [world]
        });
    }

    /// The answer of `who` was seen.
    pub(crate) fn answered(&mut self, who: usize, answer: Answer) -> Result<(), Impossible> {
        self.let_go_on();
        self.replace(|mut world| {
            let fits = world.callers[who] == Caller::Answered(answer);
            world.callers[who] = Caller::Idle;
            fits.then_some(world)
        });
        self.check()
    }

    /// The process `who` has died, and has answered before, or not.
    pub(crate) fn died(
        &mut self,
        who: usize,
        pid: u32,
        answer: Option<Answer>,
    ) -> Result<(), Impossible> {
        if let Some(answer) = answer {
            self.answered(who, answer)?;
        }
        self.let_go_on();
        self.replace(|mut world| {
            let in_a_call = world.callers[who] != Caller::Idle;
            world.callers[who] = Caller::Idle;
            let World { reference, callers } = world;
            let with = move |reference| World { reference, callers: callers.clone() };
            reference.die(who, pid, in_a_call).into_iter().map(with)
        });
        self.check()
    }

    /// Everybody whose answer was not seen sleeps, and this is what the primitive says of itself.
    pub(crate) fn at_rest(&mut self, view: &R::View) -> Result<(), Impossible> {
        self.let_go_on();
        self.replace(|mut world| {
            let asleep = |caller: &Caller<R::Call>| match caller {
                Caller::At(call) => Some(*call),
                _ => None,
            };
            let asleep: Vec<_> = world.callers.iter().map(asleep).collect();
            let has_answered = |caller: &Caller<_>| matches!(caller, Caller::Answered(_));
            let is_so = !world.callers.iter().any(has_answered)
                && !world.next().any(|(must, _)| must)
                && world.reference.view(&asleep) == *view;
            world.reference = world.reference.asked();
            is_so.then_some(world)
        });
        self.check()
    }

    /// Adds all that can have come of what may be so.
    fn let_go_on(&mut self) {
        let mut fresh: Vec<_> = self.0.iter().cloned().collect();
        while let Some(world) = fresh.pop() {
            for (_, next) in world.next() {
                if self.0.insert(next.clone()) {
                    fresh.push(next);
                }
            }
        }
    }

    fn replace<I: IntoIterator<Item = World<R>>>(&mut self, change: impl FnMut(World<R>) -> I) {
        self.0 = self.0.drain().flat_map(change).collect();
    }

    fn check(&self) -> Result<(), Impossible> {
        if self.0.is_empty() { Err(Impossible) } else { Ok(()) }
    }
}

impl<R: Reference> World<R> {
    /// The worlds that can come of this one by one step of one caller, and whether it has to come to
    /// one of them.
    fn next(&self) -> impl Iterator<Item = (bool, Self)> {
        let is_idle = |caller: &&Caller<_>| **caller == Caller::Idle;
        let is_alone = self.callers.iter().filter(is_idle).count() + 1 == self.callers.len();
        let at = move |(who, caller): (usize, &Caller<_>)| {
            match caller {
                Caller::At(call) => self.reference.steps(who, *call, is_alone),
                Caller::Idle | Caller::Answered(_) => Vec::new(),
            }
            .into_iter()
            .map(move |step| (who, step))
        };
        self.callers.iter().enumerate().flat_map(at).map(|(who, (reference, next))| {
            let mut callers = self.callers.clone();
            callers[who] = match next {
                Next::GoesOn(call) | Next::MayGoOn(call) => Caller::At(call),
                Next::Answers(answer) => Caller::Answered(answer),
            };
            (!matches!(next, Next::MayGoOn(_)), Self { reference, callers })
        })
    }
}
