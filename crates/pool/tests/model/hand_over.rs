//! Tasks on their way to workers and back, as `engine`, `collect`, `limits` and `worker` move them.
//!
//! A worker gets records from its ring, says on the board what it begins, runs it, and puts an answer
//! into the ring that all have in common. The keeper puts the end of a worker there when the kernel says
//! that it is dead, which here its thread does when it is. The parent gives, takes back, and comes to each
//! report in its order.

use std::sync::Arc;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::model::{self, Ended};

use crate::board::{Said, Words};
use crate::dispatch::{Dispatch, Give, Standing, TakenBack, Task};
use crate::planted::ends::CANCELLED_COMES_BACK;
use crate::ring::Ring;
use crate::round::{self, Arrivals, Round};
use crate::{explore, explore_deaths};

const N_PLACES: usize = 2;
const MOST_TASKS: usize = 3;

/// A task, of which two are so quick that a worker gets both at once, and may wait for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Work(usize);

/// The one that is more urgent than others, if there is one.
const URGENT: Work = Work(2);

impl Task for Work {
    fn number(&self) -> u64 {
        self.0 as u64
    }

    fn priority(&self) -> i32 {
        i32::from(*self == URGENT)
    }

    fn nanos(&self) -> u64 {
        1_000_000
    }

    fn has_parcel(&self) -> bool {
        false
    }

    fn is_prepared(&self) -> bool {
        true
    }

    fn was_given(&mut self) {}
}

/// What comes through the ring that all workers have in common.
enum Report {
    Answer { place: usize, ticket: u64 },
    Ended { place: usize },
}

/// What processes share.
struct Shared {
    boards: [[AtomicU64; 4]; N_PLACES],
    inboxes: [Ring<(u64, usize)>; N_PLACES],
    outbox: Ring<Report>,
    notes: Notes,
}

/// What the model notes, which is no part of it.
#[expect(clippy::disallowed_types, reason = "it orders nothing")]
struct Notes {
    n_runs: [std::sync::atomic::AtomicU32; MOST_TASKS],
    /// The parent is about to kill the worker in the first place. In loom's eyes, or it would not try
    /// what the worker does before that against what it does after.
    is_ended: loom::sync::atomic::AtomicBool,
    /// That worker died after it was.
    died_of_it: std::sync::atomic::AtomicBool,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            boards: [(); N_PLACES].map(|()| [0; 4].map(AtomicU64::new)),
            inboxes: [(); N_PLACES].map(|()| Ring::new()),
            outbox: Ring::new(),
            notes: Notes {
                n_runs: Default::default(),
                is_ended: loom::sync::atomic::AtomicBool::new(false),
                died_of_it: Default::default(),
            },
        })
    }

    fn words(&self, place: usize) -> Words<'_> {
        let [said, since, process, answered] = &self.boards[place];
        Words { said, since, process, answered }
    }

    /// A worker's life.
    fn work(&self, place: usize) {
        let words = self.words(place);
        words.say_ready(1);
        while let Some((ticket, task)) = self.inboxes[place].get() {
            words.say_begun(ticket, 0);
            self.notes.n_runs[task].fetch_add(1, Relaxed);
            self.outbox.put(Report::Answer { place, ticket });
            words.say_answered(ticket);
        }
    }

    /// Starts a worker that dies before an access, if one is named. The keeper, who is told of its end by
    /// the kernel, says so when it is dead.
    fn employ(
        self: &Arc<Self>,
        place: usize,
        dies_at: Option<u64>,
    ) -> loom::thread::JoinHandle<bool> {
        self.words(place).wipe();
        let shared = Arc::clone(self);
        loom::thread::spawn(move || {
            let ended = model::run(dies_at, || shared.work(place));
            if place == 0 {
                shared.notes.died_of_it.store(shared.notes.is_ended.load(Relaxed), Relaxed);
            }
            shared.outbox.put(Report::Ended { place });
            ended == Ended::Died
        })
    }

    fn n_runs(&self, task: usize) -> u32 {
        self.notes.n_runs[task].load(Relaxed)
    }
}

/// What the parent knows.
struct Parent {
    shared: Arc<Shared>,
    table: Dispatch<usize, Work>,
    n_tasks: usize,
    answered: Vec<usize>,
    victims: Vec<usize>,
}

impl Parent {
    /// Two tasks are queued.
    fn new(shared: &Arc<Shared>) -> Self {
        let shared = Arc::clone(shared);
        let table = Dispatch::new(N_PLACES);
        let mut parent =
            Self { shared, table, n_tasks: 0, answered: Vec::new(), victims: Vec::new() };
        (0..2).for_each(|_| parent.queue());
        parent
    }

    /// Queues the next task.
    fn queue(&mut self) {
        self.table.queue(Work(self.n_tasks));
        self.n_tasks += 1;
    }

    fn feed(&mut self) {
        let Self { shared, table, .. } = self;
        let give = |place: &usize, ticket, work: &Work| {
            shared.inboxes[*place].put((ticket, work.0));
            Give::Taken
        };
        let _fed = table.feed_all(give, |place| take_back(shared, *place));
    }

    /// Takes reports, and feeds, until so many workers have ended; those that live may return when all is
    /// answered.
    fn collect(&mut self, mut n_workers: usize) {
        while n_workers > 0 {
            if self.table.is_idle()
                || self.table.places().iter().all(|place| place.worker().is_none())
            {
                self.shared.inboxes.iter().for_each(Ring::close);
            }
            let shared = Arc::clone(&self.shared);
            let mut next = Some(shared.outbox.get().unwrap());
            while let Some(report) = next.take() {
                match report {
                    Report::Answer { .. } => next = round::run(Taking(self), report),
                    Report::Ended { place } => {
                        let said = self.shared.words(place).read();
                        let gone = self.table.died(place, 1, said).unwrap();
                        self.victims.extend(gone.victim.map(|work| work.0));
                        n_workers -= 1;
                        self.feed();
                    }
                }
            }
        }
    }

    /// Each task is answered, died, or is queued, and was run accordingly.
    fn check(&mut self) {
        let queued = self.table.take_all();
        for task in 0..self.n_tasks {
            let n_answered = self.answered.iter().filter(|it| **it == task).count();
            let n_died = self.victims.iter().filter(|it| **it == task).count();
            let n_queued = queued.iter().filter(|it| it.0 == task).count();
            assert_eq!(n_answered + n_died + n_queued, 1, "task {task}");
            let n_runs = self.shared.n_runs(task);
            match (n_answered, n_died) {
                (1, _) => assert_eq!(n_runs, 1, "task {task} is answered"),
                // It begins right after its worker has said so.
                (_, 1) => assert_eq!(n_runs, 1, "task {task} has died"),
                _ => assert_eq!(n_runs, 0, "task {task} would run again"),
            }
        }
    }
}

/// Takes the next task out of a worker's ring.
fn take_back(shared: &Shared, place: usize) -> TakenBack {
    match shared.inboxes[place].try_get() {
        Some((ticket, _)) => TakenBack::Task(ticket),
        None => TakenBack::Nothing,
    }
}

/// Where answers are taken.
struct Taking<'p>(&'p mut Parent);

impl Round for Taking<'_> {
    type Report = Report;
    type Last = ();

    fn is_answer(report: &Report) -> bool {
        matches!(report, Report::Answer { .. })
    }

    fn next(&mut self) -> Option<Report> {
        self.0.shared.outbox.try_get()
    }

    fn take(&mut self, answer: Report, _: &mut Arrivals) -> Option<()> {
        if let Report::Answer { place, ticket } = answer {
            let work = self.0.table.answered(place, ticket).unwrap();
            self.0.answered.push(work.0);
        }
        None
    }

    fn end(self, _: Option<()>) -> impl FnOnce() {
        self.0.feed();
        || ()
    }
}

#[test]
fn worker_that_dies_anywhere_takes_what_it_had_begun_with_it_and_nothing_else() {
    explore_deaths(|dies_at| {
        let shared = Shared::new();
        let mut parent = Parent::new(&shared);
        let worker = shared.employ(0, Some(dies_at));
        parent.table.employ(0, 0);
        parent.feed();
        parent.collect(1);
        assert!(parent.victims.len() <= 1);
        parent.check();
        worker.join().unwrap()
    });
}

#[test]
fn task_that_is_taken_back_is_run_by_one_worker_wherever_the_other_dies() {
    explore_deaths(|dies_at| {
        let shared = Shared::new();
        let mut parent = Parent::new(&shared);
        let worker = shared.employ(0, Some(dies_at));
        parent.table.employ(0, 0);
        parent.feed();
        // Now there is one with nothing to do.
        let other = shared.employ(1, None);
        parent.table.employ(1, 1);
        parent.feed();
        parent.collect(2);
        parent.check();
        assert!(!other.join().unwrap());
        worker.join().unwrap()
    });
}

#[test]
fn urgent_task_goes_before_what_was_not_begun_wherever_the_worker_dies() {
    explore_deaths(|dies_at| {
        let shared = Shared::new();
        let mut parent = Parent::new(&shared);
        let worker = shared.employ(0, Some(dies_at));
        parent.table.employ(0, 0);
        parent.feed();
        parent.queue();
        parent.feed();
        // Of what is in the ring now, none is before it.
        if let Some((next, _)) = shared.inboxes[0].first() {
            let mut given = parent.table.places()[0].given();
            let before = given.position(|(ticket, _)| ticket == next).unwrap();
            let urgent = parent.table.places()[0].given().position(|(_, work)| *work == URGENT);
            assert!(urgent.is_some_and(|urgent| urgent <= before), "less urgent ones go before it");
        }
        parent.collect(1);
        parent.check();
        worker.join().unwrap()
    });
}

/// Cancels the first task as `limits` does: takes all back that was not taken, and ends the worker if the
/// task is the last that it has.
#[test]
fn task_that_is_cancelled_is_not_begun_and_its_worker_ends_with_nobody_elses() {
    explore_deaths(|dies_at| {
        let shared = Shared::new();
        let mut parent = Parent::new(&shared);
        let worker = shared.employ(0, Some(dies_at));
        parent.table.employ(0, 0);
        parent.feed();
        let is_it = |work: &Work| work.0 == 0;
        assert!(parent.table.take_back_all(0, |place| take_back(&shared, *place)));
        let mut is_cancelled = !parent.table.take_waiting(is_it).is_empty();
        let last = parent.table.last_of(0).map(|(_, work)| *work);
        let is_ended = last.as_ref().is_some_and(is_it);
        if is_ended {
            parent.table.retire(0);
            shared.notes.is_ended.store(true, Relaxed);
            // It dies wherever it is; at the latest when it looks for the next task.
            shared.inboxes[0].close();
            assert_eq!(parent.table.places()[0].standing(), Standing::Retiring);
        }
        parent.feed();
        parent.collect(1);
        if is_ended && !parent.answered.contains(&0) {
            // It had been taken: it died, or comes back unbegun, and is not queued again.
            is_cancelled = true;
            parent.victims.retain(|task| *task != 0);
            if !CANCELLED_COMES_BACK {
                parent.table.take_waiting(is_it);
            }
        }
        if shared.notes.died_of_it.load(Relaxed) {
            assert!(!parent.victims.contains(&1), "another task has died of the cancel");
        }
        if is_cancelled {
            assert!(!parent.answered.contains(&0) && shared.n_runs(0) <= 1);
            parent.answered.push(0);
            shared.notes.n_runs[0].store(1, Relaxed);
        }
        parent.check();
        worker.join().unwrap()
    });
}

#[test]
fn time_of_a_task_is_never_that_of_an_earlier_one() {
    explore(|| {
        let shared = Shared::new();
        let worker = {
            let shared = Arc::clone(&shared);
            loom::thread::spawn(move || {
                shared.words(0).say_begun(5, 10);
                shared.words(0).say_begun(6, 20);
            })
        };
        if let Some(since) = shared.words(0).begun_at(6) {
            assert_eq!(since, 20);
        }
        if let Some(since) = shared.words(0).begun_at(5) {
            assert!(since >= 10, "{since}");
        }
        worker.join().unwrap();
        assert_eq!(shared.words(0).read(), Said::Begun(6));
    });
}
