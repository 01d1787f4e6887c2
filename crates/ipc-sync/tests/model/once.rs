//! What is to be done once, in the model: it is done, by one at a time, and seen by all.

#![expect(unsafe_code, reason = "the payload is written by who has the turn")]
#![expect(clippy::disallowed_types, reason = "what the test notes is no part of the model")]

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use ipc_core::Deadline;
use ipc_core::primitive::model::{Ended, run};
use ipc_core::robust::{RobustWord, Thread};
use ipc_sync::raw::{Begun, Holder, RawOnce};
use loom::cell::UnsafeCell;
use loom::thread;

use super::{explore, with_every_death};

const VALUE: u32 = 42;

/// Something to do, and what the test notes beside the model.
struct Task {
    line: RobustWord,
    payload: UnsafeCell<u32>,
    /// How many came to their turn.
    turns: AtomicU32,
    /// How many completed it.
    completed: AtomicU32,
}

// SAFETY: the payload is only written by who has the turn, and only read once it is done, which is
// what the model checks.
unsafe impl Sync for Task {}
// SAFETY: as for `Sync`.
unsafe impl Send for Task {}

impl Task {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            line: RobustWord::new(),
            payload: UnsafeCell::new(0),
            turns: AtomicU32::new(0),
            completed: AtomicU32::new(0),
        })
    }

    fn once(&self) -> RawOnce<'_> {
        RawOnce::new(&self.line)
    }

    /// Does it if it was not done, then relies on it.
    fn do_once(&self) {
        // SAFETY: the line lives until the last thread of the model has ended.
        let begun = unsafe { self.once().begin(Thread::current(), Deadline::NEVER) };
        if begun.expect("nobody holds anything else") == Begun::ByMe {
            self.turns.fetch_add(1, Relaxed);
            self.set(VALUE);
            self.completed.fetch_add(1, Relaxed);
            self.once().complete(Thread::current()).expect("it is this thread's turn");
        }
        self.check();
    }

    /// Begins it and gives up; nothing if it was done.
    fn give_up(&self) {
        // SAFETY: as above.
        let begun = unsafe { self.once().begin(Thread::current(), Deadline::NEVER) };
        if begun.expect("nobody holds anything else") == Begun::ByMe {
            self.set(1);
            self.once().give_up(Thread::current());
        }
    }

    fn set(&self, value: u32) {
        self.payload.with_mut(|payload| {
            // SAFETY: it is this thread's turn; loom fails the test if another access is possible.
            unsafe { *payload = value };
        });
    }

    fn check(&self) {
        assert!(self.once().is_completed());
        let payload = self.payload.with(|payload| {
            // SAFETY: it was done, so nobody writes any more; loom fails the test otherwise.
            unsafe { *payload }
        });
        assert_eq!(payload, VALUE, "what was done is seen");
    }

    /// What all those who lived must find in the end.
    fn audit(&self, victim: &Ended<()>) {
        self.check();
        let (turns, deaths) = (self.turns.load(Relaxed), self.once().deaths());
        if victim.is_finished() {
            assert_eq!((self.completed.load(Relaxed), deaths), (1, 0), "it was done once");
        } else {
            assert!(turns <= 2 && deaths <= 1, "it was begun {turns} times, {deaths} died");
        }
    }
}

fn spawn(task: &Arc<Task>, what: fn(&Task)) -> thread::JoinHandle<()> {
    let task = Arc::clone(task);
    thread::spawn(move || what(&task))
}

fn spawn_victim(task: &Arc<Task>, dies_at: u64) -> thread::JoinHandle<Ended<()>> {
    let task = Arc::clone(task);
    thread::spawn(move || run(Some(dies_at), || task.do_once()))
}

#[test]
fn it_is_done_once_and_all_who_come_see_it() {
    explore(|| {
        let task = Task::new();
        let others = [spawn(&task, Task::do_once), spawn(&task, Task::do_once)];
        task.do_once();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!((task.turns.load(Relaxed), task.completed.load(Relaxed)), (1, 1));
        assert_eq!((task.once().failures(), task.once().holder()), (0, Holder::Nobody));
    });
}

#[test]
fn what_one_gives_up_another_does() {
    explore(|| {
        let task = Task::new();
        let others = [spawn(&task, Task::give_up), spawn(&task, Task::do_once)];
        task.do_once();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(task.completed.load(Relaxed), 1);
        assert!(task.once().failures() <= 1);
    });
}

#[test]
fn one_survivor_does_it_after_every_death() {
    with_every_death(|dies_at| {
        let task = Task::new();
        let victim = spawn_victim(&task, dies_at);
        task.do_once();
        let victim = victim.join().unwrap();
        task.audit(&victim);
        victim
    });
}

#[test]
fn two_survivors_do_it_once_after_every_death() {
    with_every_death(|dies_at| {
        let task = Task::new();
        let victim = spawn_victim(&task, dies_at);
        let other = spawn(&task, Task::do_once);
        task.do_once();
        other.join().unwrap();
        let victim = victim.join().unwrap();
        task.audit(&victim);
        victim
    });
}
