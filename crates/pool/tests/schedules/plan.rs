//! Plans: what is done to a pool, one after the other.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::TestCaseError;
use serde::{Deserialize, Serialize};

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Does {
    /// It works for so many microseconds and returns.
    Work(u32),
    /// It returns what it was sent, which is large.
    Carry,
    /// It waits until somebody opens a gate so often, and returns.
    Wait(u64),
    /// It panics.
    Panic,
    /// It aborts in its first runs, so many, and returns in the next one.
    Abort(u32),
    /// It ends its process, with this code.
    Exit(i32),
    /// It never ends.
    Hang,
    /// It never ends, and does not care for `SIGTERM`.
    Resist,
}

impl Does {
    pub(crate) fn is_endless(self) -> bool {
        matches!(self, Self::Hang | Self::Resist)
    }
}

/// How a task is submitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) does: Does,
    pub(crate) priority: i32,
    pub(crate) retries: u32,
    /// How long it rests before it runs again, at first.
    pub(crate) rest: Option<Duration>,
    /// Whether it is called something.
    pub(crate) is_tagged: bool,
    /// Whether its result goes to a callback, and whether that panics.
    pub(crate) callback: Option<bool>,
    /// Only of what hangs: all else would be in time on a quick machine only.
    pub(crate) limit: Option<Duration>,
    /// Whether its worker is asked to end before it is killed.
    pub(crate) is_asked: bool,
}

/// Tasks of one map, which run again so often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Many {
    pub(crate) n_items: usize,
    /// How many travel together, if that is said.
    pub(crate) n_each: Option<usize>,
    pub(crate) micros: u32,
    pub(crate) retries: u32,
    /// The place of one that does something else.
    pub(crate) odd: Option<(usize, Does)>,
}

impl Many {
    /// How each item is to be run.
    pub(crate) fn how(&self, at: usize) -> How {
        let does = match self.odd {
            Some((place, does)) if place == at => does,
            _ => Does::Work(self.micros),
        };
        let (priority, retries) = (0, self.retries);
        let (rest, limit, callback) = (None, None, None);
        let (is_tagged, is_asked) = (false, false);
        How { does, priority, retries, rest, is_tagged, callback, limit, is_asked }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Submit(How),
    SubmitMany(Many),
    /// The same through an iterator over results, of which so many are taken before it is dropped.
    Iterate {
        many: Many,
        n_taken: usize,
        is_ordered: bool,
        /// Who is killed when the first result is there.
        killed: Option<usize>,
    },
    /// Of the tasks that there are, the one with this number, or so.
    Cancel(usize),
    CancelMany(usize),
    Join(usize),
    /// Waits for a moment, and gets nothing or the answer.
    Glance(usize),
    /// Drops the right to the answer.
    Forget(usize),
    ForgetMany(usize),
    /// Lets one more kind of tasks that wait go on.
    Open,
    /// Kills who works in this place.
    Kill(usize),
    Resize(usize),
    /// Does nothing for so many microseconds.
    Rest(u64),
    Close,
}

impl Step {
    /// Has it submit no task that does not end by itself.
    fn make_finite(&mut self) {
        if let Self::Submit(how) = self
            && (how.does.is_endless() && how.limit.is_none() || matches!(how.does, Does::Wait(_)))
        {
            how.does = Does::Work(50);
            how.limit = None;
        }
    }
}

/// How a pool ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Join,
    Terminate,
    Drop,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) n_workers: usize,
    pub(crate) max_tasks: Option<u64>,
    /// Whether there are more workers while tasks wait.
    pub(crate) is_elastic: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

/// There are never more workers.
pub(crate) const MOST_WORKERS: usize = 3;

fn how() -> impl Strategy<Value = How> {
    let does = prop_oneof![
        8 => (0..400_u32).prop_map(Does::Work),
        1 => Just(Does::Carry),
        2 => (1..4_u64).prop_map(Does::Wait),
        1 => Just(Does::Panic),
        1 => (1..3_u32).prop_map(Does::Abort),
        1 => (0..3).prop_map(Does::Exit),
        1 => Just(Does::Hang),
        1 => Just(Does::Resist),
    ];
    let millis = || (1..15_u64).prop_map(Duration::from_millis);
    let (limit, rest) = (proptest::option::of(millis()), proptest::option::weighted(0.2, millis()));
    let callback = proptest::option::weighted(0.2, any::<bool>());
    let times = (limit, rest);
    (does, -1..2, 0..3_u32, times, callback, any::<bool>(), any::<bool>()).prop_map(
        |(does, priority, retries, (limit, rest), callback, is_tagged, is_asked)| How {
            does,
            priority,
            retries,
            rest,
            is_tagged,
            callback,
            limit: limit.filter(|_| does.is_endless()),
            is_asked,
        },
    )
}

fn many() -> impl Strategy<Value = Many> {
    let odd = prop_oneof![
        1 => Just(Does::Panic),
        2 => (1..3_u32).prop_map(Does::Abort),
        1 => (0..3).prop_map(Does::Exit),
        1 => Just(Does::Carry),
    ];
    let odd = proptest::option::of((0..40_usize, odd));
    (0..80_usize, proptest::option::of(1..30_usize), 0..300_u32, 0..3_u32, odd).prop_map(
        |(n_items, n_each, micros, retries, odd)| Many { n_items, n_each, micros, retries, odd },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..40_usize;
    prop_oneof![
        24 => how().prop_map(Step::Submit),
        3 => many().prop_map(Step::SubmitMany),
        3 => (many(), 0..100_usize, any::<bool>(), proptest::option::of(0..MOST_WORKERS)).prop_map(
            |(many, n_taken, is_ordered, killed)| {
                Step::Iterate { many, n_taken, is_ordered, killed }
            }
        ),
        3 => which.clone().prop_map(Step::Cancel),
        2 => (0..4_usize).prop_map(Step::CancelMany),
        3 => which.clone().prop_map(Step::Join),
        2 => which.clone().prop_map(Step::Glance),
        1 => which.prop_map(Step::Forget),
        1 => (0..4_usize).prop_map(Step::ForgetMany),
        2 => Just(Step::Open),
        4 => (0..MOST_WORKERS).prop_map(Step::Kill),
        2 => (1..=MOST_WORKERS).prop_map(Step::Resize),
        4 => (0..2_000_u64).prop_map(Step::Rest),
    ]
}

/// Steps of which none kills or takes back, so that all can be foretold.
fn calm_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        24 => how().prop_map(|how| match how.does {
            does if does.is_endless() => {
                Step::Submit(How { does: Does::Work(0), limit: None, ..how })
            }
            _ => Step::Submit(how),
        }),
        3 => (0..40_usize).prop_map(Step::Glance),
        2 => Just(Step::Open),
        4 => (0..2_000_u64).prop_map(Step::Rest),
    ]
}

pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    let end = prop_oneof![4 => Just(End::Join), 1 => Just(End::Terminate), 1 => Just(End::Drop)];
    let stormy = (1..=MOST_WORKERS, vec(step(), 1..60), end);
    let max_tasks = proptest::option::weighted(0.2, 1..20_u64);
    let is_elastic = proptest::bool::weighted(0.2);
    // Where nothing is in the way of others for ever, iterators can be waited for at any time.
    let is_finite = proptest::bool::weighted(0.4);
    let stormy = (stormy, max_tasks, is_elastic, is_finite, any::<bool>()).prop_map(
        |((n_workers, mut steps, end), max_tasks, is_elastic, is_finite, is_closed)| {
            if is_finite {
                steps.iter_mut().for_each(Step::make_finite);
            }
            if is_closed {
                // Shortly before the end, so that a few are refused.
                steps.insert(steps.len() - steps.len() / 8, Step::Close);
            }
            Plan { n_workers, max_tasks, is_elastic, steps, end }
        },
    );
    let calm = (1..=2_usize, vec(calm_step(), 1..60)).prop_map(|(n_workers, steps)| Plan {
        n_workers,
        max_tasks: None,
        is_elastic: false,
        steps,
        end: End::Join,
    });
    prop_oneof![3 => stormy, 1 => calm]
}

/// For `map_err`: a plan has not come to what it should.
pub(crate) fn fail(why: String) -> TestCaseError {
    TestCaseError::fail(why)
}
