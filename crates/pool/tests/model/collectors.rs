//! Who collects, as `lead` and `collector` have it: threads that wait for results, one that cannot collect,
//! the clerk, and a keeper that reports something for which nobody waits.
//!
//! All of them are threads of one process, which die together, so nobody dies here. What hangs is found by
//! loom: no thread can go on.

#![expect(clippy::disallowed_types, reason = "what the model notes is no part of it")]

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use ipc_core::Deadline;
use loom::sync::{Mutex, MutexGuard};
use loom::thread;

use crate::collector::{self, Missed, Reports};
use crate::explore;
use crate::lead::Lead;
use crate::mailbox::{Fate, Mailbox, Waited};
use crate::receipt::{Ear, Listener};
use crate::ring::Ring;
use crate::round::{self, Arrivals, Round};

/// The parent's side of a pool, with tasks whose callers have a mailbox each.
pub(crate) struct Parent {
    lead: Lead,
    pub(crate) outbox: Ring<Report>,
    mailboxes: Vec<Arc<Mailbox>>,
    table: Mutex<Table>,
    n_collectors: AtomicUsize,
}

/// What is behind the lock of an engine.
struct Table {
    /// How many tasks have no answer yet.
    n_left: usize,
    /// Those who wait until there are none.
    draining: Vec<Arc<Mailbox>>,
}

/// What was reported of a task: the mailbox of its caller, and its number among that one's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Report {
    Answer(usize, usize),
    /// It died.
    Death(usize, usize),
    /// Somebody is to look whether tasks are left.
    Nudge,
}

impl From<usize> for Report {
    /// The answer to the only task of a caller.
    fn from(caller: usize) -> Self {
        Self::Answer(caller, 0)
    }
}

impl Parent {
    /// With so many callers of one task.
    fn new(n_callers: usize) -> Arc<Self> {
        Self::with(&vec![1; n_callers])
    }

    /// With callers that have so many tasks each.
    pub(crate) fn with(n_tasks: &[usize]) -> Arc<Self> {
        let mailboxes: Vec<_> = n_tasks.iter().map(|_| Arc::new(Mailbox::default())).collect();
        mailboxes.iter().zip(n_tasks).for_each(|(mailbox, n_tasks)| mailbox.expect(*n_tasks));
        Arc::new(Self {
            lead: Lead::new(),
            outbox: Ring::new(),
            mailboxes,
            table: Mutex::new(Table { n_left: n_tasks.iter().sum(), draining: Vec::new() }),
            n_collectors: AtomicUsize::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap()
    }

    /// Waits until there is no task left, as `Engine::drain`.
    pub(crate) fn drain(&self) {
        assert!(collector::drain(&self.seated(), Deadline::NEVER));
    }

    /// As `Engine::tell_drained`.
    fn tell_drained(&self) {
        let mut table = self.lock();
        let is_idle = table.n_left == 0;
        let drained = if is_idle { mem::take(&mut table.draining) } else { Vec::new() };
        drop(table);
        drained.iter().for_each(|mailbox| mailbox.deliver(0, Fate::Terminated));
    }

    /// What is there for a caller without waiting.
    pub(crate) fn take(&self, caller: usize) -> Waited {
        self.mailboxes[caller].take()
    }

    /// The calling thread is the collector while something is done.
    fn as_collector<R>(&self, collect: impl FnOnce() -> R) -> R {
        assert_eq!(self.n_collectors.fetch_add(1, SeqCst), 0, "two collect");
        let result = collect();
        self.n_collectors.fetch_sub(1, SeqCst);
        result
    }

    fn seated(&self) -> Caller<'_> {
        Caller { parent: self, has_seat: true }
    }

    fn has_work(&self) -> bool {
        self.lock().n_left > 0
    }

    pub(crate) fn wait(&self, caller: usize, deadline: Deadline) -> Waited {
        collector::wait(&self.seated(), &self.mailboxes[caller], deadline)
    }

    /// As one who finds that it cannot collect.
    fn wait_unable(&self, task: usize) -> Waited {
        let standing = Caller { parent: self, has_seat: false };
        collector::wait(&standing, &self.mailboxes[task], Deadline::NEVER)
    }

    fn poll(&self) {
        collector::poll(&self.seated());
    }

    pub(crate) fn be_clerk(&self) {
        collector::be_clerk(&self.seated());
    }

    /// As `Engine::close_outbox`.
    pub(crate) fn close(&self) {
        self.outbox.close();
        self.lead.clerk().deliver(0, Fate::Terminated);
    }

    /// Reports something as the keeper does, who waits for nothing: `Engine::tell`.
    fn tell(&self, report: Report) {
        self.lead.have_looked();
        self.outbox.put(report);
        self.lead.have_looked();
    }
}

/// A thread of the parent's.
struct Caller<'p> {
    parent: &'p Parent,
    /// It can take reports.
    has_seat: bool,
}

impl Reports for Caller<'_> {
    type Report = Report;

    fn lead(&self) -> &Lead {
        &self.parent.lead
    }

    fn get(&self, deadline: Deadline) -> Result<Report, Missed> {
        if !self.has_seat || !deadline.is_never() {
            return self.try_get();
        }
        let parent = self.parent;
        parent.as_collector(|| parent.outbox.get()).ok_or(Missed::Closed)
    }

    fn try_get(&self) -> Result<Report, Missed> {
        if !self.has_seat {
            return Err(Missed::NoSeat);
        }
        let parent = self.parent;
        parent.as_collector(|| parent.outbox.try_get()).ok_or(Missed::Empty)
    }

    fn capacity(&self) -> usize {
        self.parent.mailboxes.len()
    }

    fn is_closed(&self) -> bool {
        self.parent.outbox.is_closed()
    }

    fn handle(&self, report: Report) {
        let parent = self.parent;
        parent.as_collector(|| {
            let mut next = Some(report);
            while let Some(report) = next.take() {
                match report {
                    Report::Answer(..) => {
                        next = round::run(Taking { parent, table: parent.lock() }, report);
                    }
                    Report::Death(caller, index) => {
                        parent.lock().n_left -= 1;
                        parent.mailboxes[caller].deliver(index, Fate::Noted);
                        parent.tell_drained();
                    }
                    Report::Nudge => parent.tell_drained(),
                }
            }
        });
    }

    fn closed(&self) {}

    fn broken(&self, reason: String) {
        unreachable!("{reason}");
    }

    fn has_backlog(&self) -> bool {
        self.parent.has_work()
    }

    fn is_idle(&self) -> bool {
        !self.parent.has_work()
    }

    fn tell_when_idle(&self, mailbox: &Arc<Mailbox>) {
        let mut table = self.parent.lock();
        table.draining.push(Arc::clone(mailbox));
        let is_drained = table.n_left == 0;
        drop(table);
        if is_drained {
            self.parent.tell(Report::Nudge);
        }
    }
}

/// Where answers are taken.
struct Taking<'p> {
    parent: &'p Parent,
    table: MutexGuard<'p, Table>,
}

impl Round for Taking<'_> {
    type Report = Report;
    type Last = ();

    fn is_answer(report: &Report) -> bool {
        matches!(report, Report::Answer(..))
    }

    fn next(&mut self) -> Option<Report> {
        self.parent.outbox.try_get()
    }

    fn take(&mut self, answer: Report, arrivals: &mut Arrivals) -> Option<()> {
        if let Report::Answer(caller, index) = answer {
            arrivals.add(Arc::clone(&self.parent.mailboxes[caller]), index, Fate::Cancelled);
            self.table.n_left -= 1;
        }
        None
    }

    fn end(self, _: Option<()>) -> impl FnOnce() {
        let Self { parent, table } = self;
        drop(table);
        || parent.tell_drained()
    }
}

pub(crate) fn run<R: 'static>(
    parent: &Arc<Parent>,
    work: impl FnOnce(&Parent) -> R + 'static,
) -> thread::JoinHandle<R> {
    let parent = Arc::clone(parent);
    thread::spawn(move || work(&parent))
}

pub(crate) fn has_come(waited: Waited) -> bool {
    matches!(waited, Waited::Arrived(0, _))
}

#[test]
fn all_who_wait_have_their_results_whoever_of_them_collects() {
    for order in [[0, 1], [1, 0]] {
        explore(move || {
            let parent = Parent::new(2);
            let clerk = run(&parent, Parent::be_clerk);
            let worker = run(&parent, move |parent| {
                order.into_iter().for_each(|report| parent.outbox.put(report.into()));
            });
            let other = run(&parent, |parent| has_come(parent.wait(1, Deadline::NEVER)));
            assert!(has_come(parent.wait(0, Deadline::NEVER)));
            assert!(other.join().unwrap());
            worker.join().unwrap();
            parent.close();
            clerk.join().unwrap();
            assert!(!parent.lead.is_taken(), "nobody is left who could collect");
        });
    }
}

#[test]
fn who_waits_no_longer_leaves_nobody_behind() {
    explore(|| {
        let parent = Parent::new(2);
        let clerk = run(&parent, Parent::be_clerk);
        let worker =
            run(&parent, |parent| [1, 0].into_iter().for_each(|it| parent.outbox.put(it.into())));
        let other = run(&parent, |parent| has_come(parent.wait(1, Deadline::NEVER)));
        let hasty = match parent.wait(0, Deadline::now()) {
            Waited::TimedOut => parent.wait(0, Deadline::NEVER),
            waited => waited,
        };
        assert!(has_come(hasty));
        assert!(other.join().unwrap());
        worker.join().unwrap();
        parent.close();
        clerk.join().unwrap();
    });
}

#[test]
fn who_only_looks_leaves_nobody_behind() {
    explore(|| {
        let parent = Parent::new(2);
        let clerk = run(&parent, Parent::be_clerk);
        let worker =
            run(&parent, |parent| [1, 0].into_iter().for_each(|it| parent.outbox.put(it.into())));
        let other = run(&parent, |parent| has_come(parent.wait(1, Deadline::NEVER)));
        parent.poll();
        assert!(has_come(parent.wait(0, Deadline::NEVER)));
        assert!(other.join().unwrap());
        worker.join().unwrap();
        parent.close();
        clerk.join().unwrap();
    });
}

#[test]
fn two_who_wait_for_one_result_both_return() {
    explore(|| {
        let parent = Parent::new(1);
        let worker = run(&parent, |parent| parent.outbox.put(0.into()));
        let wait = |parent: &Parent| has_come(parent.wait(0, Deadline::NEVER));
        let other = run(&parent, wait);
        let has_come = wait(&parent);
        assert!(has_come != other.join().unwrap(), "one has the result, and the other hears so");
        worker.join().unwrap();
    });
}

#[test]
fn clerk_collects_for_who_cannot() {
    explore(|| {
        let parent = Parent::new(2);
        let clerk = run(&parent, Parent::be_clerk);
        let worker =
            run(&parent, |parent| [1, 0].into_iter().for_each(|it| parent.outbox.put(it.into())));
        let other = run(&parent, |parent| has_come(parent.wait(1, Deadline::NEVER)));
        assert!(has_come(parent.wait_unable(0)));
        assert!(other.join().unwrap());
        worker.join().unwrap();
        parent.close();
        clerk.join().unwrap();
    });
}

#[test]
fn who_cannot_collect_hears_that_another_has_taken_what_both_wait_for() {
    explore(|| {
        let parent = Parent::new(2);
        parent.outbox.put(1.into());
        let clerk = run(&parent, Parent::be_clerk);
        let unable = run(&parent, |parent| has_come(parent.wait_unable(0)));
        let other = run(&parent, |parent| has_come(parent.wait(0, Deadline::NEVER)));
        // Whom this makes the collector may be the one that cannot, and which then sleeps behind the other.
        assert!(has_come(parent.wait(1, Deadline::NEVER)));
        parent.outbox.put(0.into());
        assert!(unable.join().unwrap() != other.join().unwrap(), "one of them has the result");
        parent.close();
        clerk.join().unwrap();
    });
}

#[test]
fn what_the_keeper_reports_is_taken_though_nobody_waits_for_it() {
    explore(|| {
        let parent = Parent::new(2);
        let clerk = run(&parent, Parent::be_clerk);
        let keeper = run(&parent, |parent| {
            parent.outbox.put(0.into());
            parent.tell(1.into());
        });
        assert!(has_come(parent.wait(0, Deadline::NEVER)));
        // It does not collect.
        assert!(has_come(parent.mailboxes[1].wait(Deadline::NEVER)));
        keeper.join().unwrap();
        parent.close();
        clerk.join().unwrap();
    });
}

#[test]
fn who_listens_is_told_by_whoever_collects() {
    explore(|| {
        let parent = Parent::new(1);
        let notes = Arc::new(Mailbox::default());
        notes.expect(1);
        let clerk = run(&parent, Parent::be_clerk);
        let worker = run(&parent, |parent| parent.outbox.put(0.into()));
        let listener = Listener { ear: Ear::Mailbox(Arc::clone(&notes), 7) };
        if let Err(listener) = parent.mailboxes[0].listen(listener) {
            listener.tell();
        }
        // Nobody waits for the result, so somebody else must collect.
        parent.lead.call_clerk();
        assert!(matches!(notes.wait(Deadline::NEVER), Waited::Arrived(7, Fate::Noted)));
        worker.join().unwrap();
        parent.close();
        clerk.join().unwrap();
    });
}
