//! Random schedules: who calls what, who is killed when, and whether the others are at rest then.

use core::fmt::Debug;
use std::env;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use testkit::Outcome;
use testkit::report::Report;
use testkit::seed::Rng;

use crate::answer::Answer;
use crate::crew::{Crew, doom, pass_ns};
use crate::worlds::{Impossible, Reference, Worlds};

/// One primitive, and how it is called.
pub(crate) trait Subject: Sized {
    /// What it should be.
    type Reference: Reference;
    /// What a process has in its hands between calls.
    type Hands<'s>: Default
    where
        Self: 's;

    /// How many processes there are.
    const N_PROCESSES: usize;

    /// What it should be to begin with.
    fn reference(&self) -> Self::Reference;

    /// Makes a call.
    fn call<'s>(&'s self, hands: &mut Self::Hands<'s>, call: Call<Self>) -> Answer;

    /// What it says of itself, with the numbers of processes in place of their ids.
    fn view(&self, who: &dyn Fn(u32) -> Option<usize>) -> <Self::Reference as Reference>::View;
}

pub(crate) type Call<S> = <<S as Subject>::Reference as Reference>::Call;

/// One move of a schedule.
#[derive(Clone, Copy, Debug)]
struct Move<C> {
    who: usize,
    what: What<C>,
    then: Then,
}

#[derive(Clone, Copy, Debug)]
enum What<C> {
    Call(C),
    Die,
    /// Call, and die meanwhile: after so many accesses to shared memory, or after so long a time.
    DieIn(C, u64),
}

#[derive(Clone, Copy, Debug)]
enum Then {
    /// Wait until everybody has answered or sleeps, and compare.
    Rest,
    /// Go on after so many nanoseconds, wherever everybody is.
    GoOn(u64),
}

fn moves<C: Clone + Debug>(
    n_processes: usize,
    calls: &BoxedStrategy<C>,
) -> impl Strategy<Value = Vec<Move<C>>> {
    let what = prop_oneof![
        8 => calls.clone().prop_map(What::Call),
        1 => Just(What::Die),
        1 => (calls.clone(), 0..30_u64).prop_map(|(call, steps)| What::DieIn(call, steps)),
    ];
    let then = prop_oneof![3 => Just(Then::Rest), 2 => (0..30_000_u64).prop_map(Then::GoOn)];
    let one = (0..n_processes, what, then);
    prop::collection::vec(one.prop_map(|(who, what, then)| Move { who, what, then }), 1..40)
}

/// Plays random schedules with subjects that `make` makes, whose processes make such calls.
pub(crate) fn play<S: Subject>(
    name: &str,
    make: impl Fn() -> S,
    calls: impl Strategy<Value = Call<S>> + 'static,
) -> Outcome {
    let told = env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let usual = if testkit::full() { 5_000 } else { 200 };
    let config = ProptestConfig {
        cases: told.unwrap_or(usual),
        failure_persistence: None,
        max_shrink_time: 30_000,
        ..ProptestConfig::default()
    };
    let mut random = Rng::of_run(name);
    let seed: Vec<u8> = (0..4).flat_map(|_| random.next_u64().to_ne_bytes()).collect();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    TestRunner::new_with_rng(config, rng)
        .run(&moves(S::N_PROCESSES, &calls.boxed()), |moves| play_one(&make(), &moves))
        .map_err(|error| error.to_string())?;
    Ok(Report::PASSED)
}

fn play_one<S: Subject>(subject: &S, moves: &[Move<Call<S>>]) -> Result<(), TestCaseError> {
    let mut crew = Crew::new(S::N_PROCESSES, |mut orders| {
        let mut hands = S::Hands::default();
        loop {
            let call = match moves[orders.next() as usize].what {
                What::Call(call) => call,
                What::DieIn(call, steps) => {
                    doom(steps);
                    call
                }
                What::Die => unreachable!("nobody is told to die"),
            };
            orders.answer(subject.call(&mut hands, call));
        }
    });
    let mut worlds = Worlds::new(subject.reference(), S::N_PROCESSES);
    for (&Move { who, what, then }, order) in moves.iter().zip(0..) {
        let before = worlds.clone();
        let cannot_be = |seen: String| {
            TestCaseError::fail(format!("move {order}: {seen}, which cannot be in {before:#?}"))
        };
        if let What::Call(call) | What::DieIn(call, _) = what {
            if crew.is_busy(who) {
                let Some(answer) = crew.answer(who) else { continue };
                let seen = |Impossible| cannot_be(format!("{who} answers {answer:?}"));
                worlds.answered(who, answer).map_err(seen)?;
            }
            worlds.call(who, call);
            crew.tell(who, order);
        }
        if let What::DieIn(..) = what {
            crew.meet_doom(who).map_err(TestCaseError::fail)?;
        }
        if let What::Die | What::DieIn(..) = what {
            let pid = crew.pid(who);
            let answer = crew.kill(who);
            let seen = |Impossible| cannot_be(format!("{who} has died, answering {answer:?}"));
            worlds.died(who, pid, answer).map_err(seen)?;
        }
        match then {
            Then::GoOn(time) => pass_ns(time),
            Then::Rest => {
                let answers = crew.rest().map_err(TestCaseError::fail)?;
                for &(who, answer) in &answers {
                    let seen = |Impossible| cannot_be(format!("{who} answers {answer:?}"));
                    worlds.answered(who, answer).map_err(seen)?;
                }
                let view = subject.view(&|pid| crew.who(pid));
                let seen = |Impossible| cannot_be(format!("after {answers:?}, {view:?}"));
                worlds.at_rest(&view).map_err(seen)?;
            }
        }
    }
    Ok(())
}
