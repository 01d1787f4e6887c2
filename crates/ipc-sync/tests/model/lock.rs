//! The lock in the model: every interleaving of a few threads, and every death of one of them.

#![expect(unsafe_code, reason = "the payload is written under the lock")]
#![expect(clippy::disallowed_types, reason = "what the test notes is no part of the model")]

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};

use ipc_core::Deadline;
use ipc_core::primitive::futex_wake;
use ipc_core::primitive::model::{Ended, run};
use ipc_core::robust::{RobustWord, Thread, WAITERS};
use ipc_sync::raw::{Holder, RawLock, Taken};
use loom::cell::UnsafeCell;
use loom::thread;

use super::{explore, with_every_death};

/// A lock, what it protects, and what the test notes beside the model.
struct Guarded {
    line: RobustWord,
    payload: UnsafeCell<u32>,
    /// How many were told of a death.
    told: AtomicU32,
    /// Whether the victim is between having taken the lock and giving it back.
    victim_holds: AtomicBool,
}

// SAFETY: the payload is only touched under the lock, which is what the model checks.
unsafe impl Sync for Guarded {}
// SAFETY: as for `Sync`.
unsafe impl Send for Guarded {}

impl Guarded {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            line: RobustWord::new(),
            payload: UnsafeCell::new(0),
            told: AtomicU32::new(0),
            victim_holds: AtomicBool::new(false),
        })
    }

    fn lock(&self) -> RawLock<'_> {
        RawLock::new(&self.line)
    }

    /// Takes the lock, adds one to the payload, gives the lock back.
    fn add(&self) {
        self.take_and_change();
        self.lock().unlock(Thread::current());
    }

    /// The same, letting others run while it holds the lock.
    fn add_and_give_way(&self) {
        self.take_and_change();
        thread::yield_now();
        self.lock().unlock(Thread::current());
    }

    /// The same, noting when it holds the lock.
    fn add_as_victim(&self) {
        let taken = self.take();
        self.victim_holds.store(true, Relaxed);
        self.change(taken);
        self.victim_holds.store(false, Relaxed);
        self.lock().unlock(Thread::current());
    }

    /// Adds one in a step of the lock's own, or, if it says so, without.
    fn add_in_a_step(&self, is_step: bool) {
        let me = Thread::current();
        let step = || {
            self.victim_holds.store(true, Relaxed);
            if is_step {
                self.change(Taken::Clean);
                self.victim_holds.store(false, Relaxed);
            }
            is_step
        };
        // SAFETY: as in `take`; the step takes nothing.
        let taken = unsafe { self.lock().lock_for(me, Deadline::NEVER, step) };
        if let Some(taken) = taken.expect("a thread that holds nothing gets the lock") {
            self.victim_holds.store(true, Relaxed);
            self.change(taken);
            self.victim_holds.store(false, Relaxed);
            self.lock().unlock(me);
        }
    }

    fn take_and_change(&self) {
        let taken = self.take();
        self.change(taken);
    }

    fn take(&self) -> Taken {
        // SAFETY: the line lives until the last thread of the model has ended.
        let taken = unsafe { self.lock().lock(Thread::current(), Deadline::NEVER) };
        taken.expect("a thread that holds nothing gets the lock")
    }

    /// Adds one if the lock is free.
    fn try_add(&self) -> bool {
        let me = Thread::current();
        // SAFETY: as in `take`.
        let taken = unsafe { self.lock().try_lock(me) };
        if let Ok(taken) = taken {
            self.change(taken);
            self.lock().unlock(me);
        }
        taken.is_ok()
    }

    fn change(&self, taken: Taken) {
        if taken == Taken::OwnerDied {
            self.told.fetch_add(1, Relaxed);
        }
        self.payload.with_mut(|payload| {
            // SAFETY: the lock is held; loom fails the test if another access is possible.
            unsafe { *payload += 1 };
        });
    }

    /// What all those who lived must find in the end.
    fn audit(&self, victim: &Ended<()>, survivors: u32) {
        // The lock can still be taken; if a death was not told yet, it is told now.
        assert!(self.try_add(), "the lock is held by nobody");
        let payload = self.payload.with(|payload| {
            // SAFETY: all other threads have ended.
            unsafe { *payload }
        });
        let told = self.told.load(Relaxed);
        if victim.is_finished() {
            assert_eq!(payload, survivors + 2, "everybody added one");
            assert_eq!(told, 0, "nobody died");
        } else {
            assert!((survivors + 1..=survivors + 2).contains(&payload), "at most the victim's");
            let held = self.victim_holds.load(Relaxed);
            assert!(told <= 1, "a death is told once");
            assert!(!held || told == 1, "a holder's death is told");
        }
        assert_eq!(self.lock().holder(), Holder::Nobody);
    }
}

fn spawn_adder(guarded: &Arc<Guarded>, times: u32) -> thread::JoinHandle<()> {
    let guarded = Arc::clone(guarded);
    thread::spawn(move || {
        for _ in 0..times {
            guarded.add();
        }
    })
}

fn spawn_victim(guarded: &Arc<Guarded>, dies_at: u64) -> thread::JoinHandle<Ended<()>> {
    let guarded = Arc::clone(guarded);
    thread::spawn(move || run(Some(dies_at), || guarded.add_as_victim()))
}

fn check_all_added(guarded: &Guarded, expected: u32) {
    let payload = guarded.payload.with(|payload| {
        // SAFETY: all other threads have ended.
        unsafe { *payload }
    });
    assert_eq!(payload, expected);
    assert_eq!(guarded.told.load(Relaxed), 0);
    assert_eq!(guarded.lock().holder(), Holder::Nobody);
}

#[test]
fn two_threads_exclude_each_other_and_both_come_through() {
    explore(|| {
        let guarded = Guarded::new();
        let other = spawn_adder(&guarded, 2);
        guarded.add();
        guarded.add();
        other.join().unwrap();
        check_all_added(&guarded, 4);
    });
}

#[test]
fn three_threads_exclude_each_other_and_all_come_through() {
    explore(|| {
        let guarded = Guarded::new();
        let others = [spawn_adder(&guarded, 1), spawn_adder(&guarded, 1)];
        guarded.add();
        for other in others {
            other.join().unwrap();
        }
        check_all_added(&guarded, 3);
    });
}

#[test]
fn whoever_tries_gets_a_free_lock_or_goes_without() {
    explore(|| {
        let guarded = Guarded::new();
        let other = spawn_adder(&guarded, 1);
        let tried = guarded.try_add();
        other.join().unwrap();
        check_all_added(&guarded, 1 + u32::from(tried));
    });
}

#[test]
fn one_survivor_goes_on_after_every_death() {
    with_every_death(|dies_at| {
        let guarded = Guarded::new();
        let victim = spawn_victim(&guarded, dies_at);
        guarded.add();
        let victim = victim.join().unwrap();
        guarded.audit(&victim, 1);
        victim
    });
}

#[test]
fn two_survivors_go_on_after_every_death() {
    with_every_death(|dies_at| {
        let guarded = Guarded::new();
        let victim = spawn_victim(&guarded, dies_at);
        let other = spawn_adder(&guarded, 1);
        guarded.add();
        other.join().unwrap();
        let victim = victim.join().unwrap();
        guarded.audit(&victim, 2);
        victim
    });
}

#[test]
fn a_survivor_goes_on_after_every_death_in_a_step() {
    for is_step in [true, false] {
        with_every_death(move |dies_at| {
            let guarded = Guarded::new();
            let own = Arc::clone(&guarded);
            let victim = thread::spawn(move || run(Some(dies_at), || own.add_in_a_step(is_step)));
            guarded.add_in_a_step(!is_step);
            let victim = victim.join().unwrap();
            guarded.audit(&victim, 1);
            victim
        });
    }
}

#[test]
fn a_survivor_that_comes_again_and_barges_in_strands_nobody() {
    with_every_death(|dies_at| {
        let guarded = Guarded::new();
        let victim = spawn_victim(&guarded, dies_at);
        let other = spawn_adder(&guarded, 1);
        guarded.add();
        guarded.add();
        other.join().unwrap();
        let victim = victim.join().unwrap();
        guarded.audit(&victim, 3);
        victim
    });
}

/// A releaser has seen nobody asleep and is about to clear the mark; a barger lets two fall asleep
/// and wakes one of them, who dies before it has taken the word or found it held: then only the
/// clearing can wake the other.
///
/// Holders give way while they hold, which costs no preemption: two are enough to get there, and
/// three would take hours.
#[test]
fn clearing_the_mark_wakes_those_who_slipped_in() {
    // The fifth access is the sleep from which it is woken.
    let deaths = if testkit::full() { 0..16 } else { 5..6 };
    for dies_at in deaths {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(move || {
            let guarded = Guarded::new();
            guarded.line.word.store(WAITERS, Relaxed);
            guarded.take_and_change();
            let barger = Arc::clone(&guarded);
            let barger = thread::spawn(move || barger.add_and_give_way());
            let victim = spawn_victim(&guarded, dies_at);
            let other = spawn_adder(&guarded, 1);
            guarded.lock().unlock(Thread::current());
            guarded.add_and_give_way();
            barger.join().unwrap();
            other.join().unwrap();
            victim.join().unwrap();
        });
    }
}

/// A releaser has cleared the mark and died before it has woken those who slipped in: the one whom
/// the kernel wakes in its place must see to the next.
///
/// One thread plays both the holder whom three wait for and the releaser that died.
#[test]
fn whoever_has_slept_wakes_the_next() {
    explore(|| {
        let guarded = Guarded::new();
        guarded.take_and_change();
        let others = [(); 3].map(|()| spawn_adder(&guarded, 1));
        guarded.lock().unlock(Thread::current());
        if guarded.line.word.compare_exchange(WAITERS, 0, Relaxed, Relaxed).is_ok() {
            futex_wake(&guarded.line.word, 1);
        }
        for other in others {
            other.join().unwrap();
        }
        check_all_added(&guarded, 4);
    });
}
