//! The barrier against a plain reference: any order of coming, giving up, aborting, resetting and
//! dying, by a few processes, comes to what a few lines say that it should.
//!
//! The processes begin one thing at a time, so that there is only one right answer to each.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use ipc_core::Deadline;
use ipc_sync::{Barrier, BarrierError};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use testkit::child::{self, Child};
use testkit::{Counter, Outcome, SharedArena};

use crate::together::passed;

const N_WORKERS: usize = 4;
const PARTIES: usize = 3;

/// What one process is told to do.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Move {
    /// Come and wait.
    Wait = 1,
    /// Come, and wait no longer than it takes to look.
    Look,
    /// Come with an action that panics.
    Panic,
    Abort,
    Reset,
    /// Become a member, or be one no more.
    Join,
    /// Die, wherever it is; another takes its place.
    Die,
}

const ALL: [Move; 7] =
    [Move::Wait, Move::Look, Move::Panic, Move::Abort, Move::Reset, Move::Join, Move::Die];

/// What coming to the barrier comes to, as a number that fits into a note.
fn as_note(end: Result<u32, BarrierError>) -> u64 {
    match end {
        Ok(number) => 100 + u64::from(number),
        Err(BarrierError::Timeout) => 1,
        Err(BarrierError::PartyTimedOut) => 2,
        Err(BarrierError::ActionPanicked) => 3,
        Err(BarrierError::Aborted) => 4,
        Err(BarrierError::Reset) => 5,
        Err(BarrierError::PartyDied { pid }) => 1 << 32 | u64::from(pid),
        Err(_) => 6,
    }
}

const NOTHING: u64 = 7;
const NO_PLACE: u64 = 8;

/// What the barrier should be, in a few lines.
#[derive(Default)]
struct Reference {
    waiting: Vec<usize>,
    members: Vec<usize>,
    broken: Option<BarrierError>,
}

impl Reference {
    /// Who is answered what, now.
    fn apply(&mut self, worker: usize, what: Move, pid: u32) -> Vec<(usize, u64)> {
        let is_last = self.waiting.len() + 1 == PARTIES;
        match (what, self.broken) {
            (Move::Wait | Move::Look | Move::Panic, Some(broken)) => {
                vec![(worker, as_note(Err(broken)))]
            }
            (Move::Panic, None) if is_last => {
                self.waiting.push(worker);
                self.break_by(BarrierError::ActionPanicked)
            }
            (Move::Wait | Move::Look, None) if is_last => {
                self.waiting.push(worker);
                let numbers = (0..).map(|number| as_note(Ok(number)));
                self.waiting.drain(..).zip(numbers).collect()
            }
            (Move::Wait | Move::Panic, None) => {
                self.waiting.push(worker);
                Vec::new()
            }
            (Move::Look, None) => {
                let mut answers = self.break_by(BarrierError::PartyTimedOut);
                answers.push((worker, as_note(Err(BarrierError::Timeout))));
                answers
            }
            (Move::Abort, broken) => {
                let mut answers = match broken {
                    Some(_) => Vec::new(),
                    None => self.break_by(BarrierError::Aborted),
                };
                answers.push((worker, NOTHING));
                answers
            }
            (Move::Reset, _) => {
                let mut answers = self.break_by(BarrierError::Reset);
                self.broken = None;
                answers.push((worker, NOTHING));
                answers
            }
            (Move::Join, _) => {
                let members = self.members.len();
                self.members.retain(|&other| other != worker);
                if members > self.members.len() {
                    return vec![(worker, NOTHING)];
                }
                // A place of the dead is free once all were told, which is when it is wanted.
                let has_place = members < PARTIES;
                self.members.extend(has_place.then_some(worker));
                vec![(worker, if has_place { NOTHING } else { NO_PLACE })]
            }
            (Move::Die, broken) => {
                let (waiting, members) = (self.waiting.len(), self.members.len());
                self.waiting.retain(|&other| other != worker);
                self.members.retain(|&other| other != worker);
                // Who is neither at the barrier nor a member is missed by nobody; and a barrier at
                // which nobody else waits is broken by the next who comes.
                let missed = waiting > self.waiting.len() || members > self.members.len();
                if missed && broken.is_none() {
                    self.break_by(BarrierError::PartyDied { pid })
                } else {
                    Vec::new()
                }
            }
        }
    }

    fn break_by(&mut self, error: BarrierError) -> Vec<(usize, u64)> {
        self.broken = Some(error);
        self.waiting.drain(..).map(|worker| (worker, as_note(Err(error)))).collect()
    }
}

/// A process that does what it is told, by its two notes: the order and the answer.
fn worker(barrier: &Barrier, notes: &[Counter], idx: usize) -> Child {
    let (order, answer) = (&notes[2 * idx], &notes[2 * idx + 1]);
    order.set(0);
    answer.set(0);
    child::fork(|| {
        let mut member = None;
        loop {
            let what = order.wait_until(|order| order != 0);
            order.set(0);
            answer.set(match ALL.iter().find(|&&known| known as u64 == what) {
                Some(Move::Wait) => as_note(barrier.wait()),
                Some(Move::Look) => as_note(barrier.wait_deadline(Deadline::now())),
                Some(Move::Panic) => {
                    let action = || resume_unwind(Box::new(()));
                    let end = catch_unwind(AssertUnwindSafe(|| barrier.wait_with(action)));
                    as_note(end.unwrap_or(Err(BarrierError::ActionPanicked)))
                }
                Some(Move::Abort) => {
                    barrier.abort();
                    NOTHING
                }
                Some(Move::Reset) => {
                    barrier.reset();
                    NOTHING
                }
                Some(Move::Join) if member.take().is_some() => NOTHING,
                Some(Move::Join) => {
                    member = barrier.member().ok();
                    if member.is_some() { NOTHING } else { NO_PLACE }
                }
                _ => return 1,
            });
        }
    })
}

fn follows_the_reference(moves: &[(usize, Move)]) -> Result<(), TestCaseError> {
    let barrier = Barrier::new(u32::try_from(PARTIES).unwrap()).unwrap();
    let notes = SharedArena::<Counter>::new(2 * N_WORKERS);
    let mut reference = Reference::default();
    let mut workers: Vec<_> = (0..N_WORKERS).map(|idx| worker(&barrier, &notes, idx)).collect();
    for (step, &(idx, what)) in moves.iter().enumerate() {
        if reference.waiting.contains(&idx) && what != Move::Die {
            continue;
        }
        let pid = u32::try_from(workers[idx].pid()).unwrap();
        let answers = reference.apply(idx, what, pid);
        if what == Move::Die {
            workers[idx].kill();
            workers[idx].wait();
            if answers.is_empty() && reference.broken == Some(BarrierError::PartyDied { pid }) {
                // Nobody was there to see it. The next who comes is.
                let told = as_note(barrier.wait());
                prop_assert_eq!(told, 1 << 32 | u64::from(pid), "move {}", step);
            }
            workers[idx] = worker(&barrier, &notes, idx);
        } else {
            notes[2 * idx].set(what as u64);
        }
        for &(other, expected) in &answers {
            let found = notes[2 * other + 1].wait_until(|answer| answer != 0);
            notes[2 * other + 1].set(0);
            prop_assert_eq!(found, expected, "move {}: {:?}, told to {}", step, what, other);
        }
        if reference.broken.is_none() {
            // Who has come is there before the next thing happens.
            while barrier.waiting() as usize != reference.waiting.len() {
                std::thread::yield_now();
            }
        }
        prop_assert_eq!(barrier.stats().broken, reference.broken, "move {}: {:?}", step, what);
    }
    Ok(())
}

pub(crate) fn any_sequence() -> Outcome {
    let what = prop_oneof![
        12 => Just(Move::Wait),
        1 => Just(Move::Look),
        2 => Just(Move::Panic),
        1 => Just(Move::Abort),
        3 => Just(Move::Reset),
        3 => Just(Move::Join),
        2 => Just(Move::Die),
    ];
    let moves = prop::collection::vec((0..N_WORKERS, what), 1..60);
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() };
    TestRunner::new(config)
        .run(&moves, |moves| follows_the_reference(&moves))
        .map_err(|error| error.to_string())?;
    passed()
}
