//! The condition in the model: no notification is lost, by whoever comes, goes or dies.
//!
//! A notification that is lost shows as a deadlock: somebody sleeps, and nobody is left to wake it.

#![expect(unsafe_code, reason = "what is waited for is read and written under the lock")]
#![expect(clippy::disallowed_types, reason = "what the test notes is no part of the model")]

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use ipc_core::Deadline;
use ipc_core::primitive::model::{Ended, run};
use ipc_core::robust::{RobustWord, Thread};
use ipc_sync::raw::{ConditionWords, Outer, RawCondition, RawLock, RawRLock, Taken, WaitEnd};
use loom::cell::UnsafeCell;
use loom::thread;

use super::{explore, with_every_death};

/// A lock, a number under it, a condition, and what the test notes beside the model.
struct Shared {
    line: RobustWord,
    number: UnsafeCell<u32>,
    words: ConditionWords,
    /// How many were told that somebody died holding the lock.
    told: AtomicU32,
    /// How many came through.
    through: AtomicU32,
}

// SAFETY: the number is only touched under the lock, which is what the model checks.
unsafe impl Sync for Shared {}
// SAFETY: as for `Sync`.
unsafe impl Send for Shared {}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            line: RobustWord::new(),
            number: UnsafeCell::new(0),
            words: ConditionWords::default(),
            told: AtomicU32::new(0),
            through: AtomicU32::new(0),
        })
    }

    fn condition(&self) -> RawCondition<'_> {
        RawCondition::new(&self.words)
    }

    fn lock(&self) {
        // SAFETY: the words live until the last thread of the model has ended.
        let taken = unsafe { RawLock::new(&self.line).lock(Thread::current(), Deadline::NEVER) };
        self.note(taken.expect("a thread that holds nothing gets the lock"));
    }

    /// Who learns of a death lets everybody look again: a notification may have died with the dead.
    fn note(&self, taken: Taken) {
        if taken == Taken::OwnerDied {
            self.told.fetch_add(1, Relaxed);
            self.condition().notify_all();
        }
    }

    fn unlock(&self) {
        RawLock::new(&self.line).unlock(Thread::current());
    }

    fn number(&self) -> u32 {
        self.number.with(|number| {
            // SAFETY: the lock is held; loom fails the test if another access is possible.
            unsafe { *number }
        })
    }

    fn set(&self, value: u32) {
        self.number.with_mut(|number| {
            // SAFETY: as in `number`.
            unsafe { *number = value };
        });
    }

    /// Waits once; the lock is held, before and after.
    fn wait(&self) {
        let (me, outer) = (Thread::current(), Outer::Lock(RawLock::new(&self.line)));
        // SAFETY: the words live until the last thread of the model has ended.
        let waited = unsafe { self.condition().wait(me, outer, Deadline::NEVER) };
        let (end, taken) = waited.expect("the lock is held, and nobody scribbles");
        assert_eq!(end, WaitEnd::Notified, "nothing times out in the model");
        self.note(taken);
    }

    /// Waits until the number is one that is `wanted`, makes another of it, and says so to
    /// whoever `tell` tells.
    fn pass(&self, wanted: fn(u32) -> bool, change: fn(u32) -> u32, tell: fn(&Self)) {
        self.lock();
        while !wanted(self.number()) {
            self.wait();
        }
        self.set(change(self.number()));
        tell(self);
        self.through.fetch_add(1, Relaxed);
        self.unlock();
    }

    /// Takes one of what the number counts.
    fn take_one(&self) {
        self.pass(|number| number > 0, |number| number - 1, |_| ());
    }

    /// Waits until the number is not zero.
    fn see(&self) {
        self.pass(|number| number > 0, |number| number, |_| ());
    }

    /// Adds one and notifies one, after it has given the lock back.
    fn add_one(&self) {
        self.lock();
        self.set(self.number() + 1);
        self.unlock();
        self.condition().notify(1);
    }

    /// That nobody holds anything any more, and everybody came through.
    fn audit(&self, through: u32) {
        self.lock();
        self.unlock();
        assert_eq!(self.through.load(Relaxed), through, "everybody came through");
    }
}

fn spawn(shared: &Arc<Shared>, what: fn(&Shared)) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || what(&shared))
}

fn spawn_victim(
    shared: &Arc<Shared>,
    dies_at: u64,
    what: fn(&Shared),
) -> thread::JoinHandle<Ended<()>> {
    let shared = Arc::clone(shared);
    thread::spawn(move || run(Some(dies_at), || what(&shared)))
}

#[test]
fn who_waits_hears_of_what_it_waits_for() {
    explore(|| {
        let shared = Shared::new();
        let other = spawn(&shared, Shared::take_one);
        shared.add_one();
        other.join().unwrap();
        shared.audit(1);
    });
}

#[test]
fn one_notification_each_is_enough_for_two() {
    explore(|| {
        let shared = Shared::new();
        let others = [spawn(&shared, Shared::take_one), spawn(&shared, Shared::take_one)];
        shared.add_one();
        shared.add_one();
        for other in others {
            other.join().unwrap();
        }
        shared.audit(2);
    });
}

#[test]
fn a_notification_of_two_is_enough_for_two() {
    explore(|| {
        let shared = Shared::new();
        let others = [spawn(&shared, Shared::take_one), spawn(&shared, Shared::take_one)];
        shared.lock();
        shared.set(2);
        shared.condition().notify(2);
        shared.unlock();
        for other in others {
            other.join().unwrap();
        }
        shared.audit(2);
    });
}

#[test]
fn all_hear_of_what_all_wait_for() {
    explore(|| {
        let shared = Shared::new();
        let others = [spawn(&shared, Shared::see), spawn(&shared, Shared::see)];
        shared.lock();
        shared.set(1);
        shared.unlock();
        shared.condition().notify_all();
        for other in others {
            other.join().unwrap();
        }
        shared.audit(2);
    });
}

/// Two that take turns notify one each time, on one condition: who waits next must not take the
/// notification that it has made for the other.
#[test]
fn two_take_turns_on_one_condition() {
    fn even(shared: &Shared) {
        shared.pass(
            |number| number % 2 == 0,
            |number| number + 1,
            |shared| {
                shared.condition().notify(1);
            },
        );
    }
    fn odd(shared: &Shared) {
        shared.pass(
            |number| number % 2 == 1,
            |number| number + 1,
            |shared| {
                shared.condition().notify(1);
            },
        );
    }
    explore(|| {
        let shared = Shared::new();
        let other = spawn(&shared, |shared| {
            odd(shared);
            odd(shared);
        });
        even(&shared);
        even(&shared);
        other.join().unwrap();
        shared.audit(4);
    });
}

/// Whoever comes after a notification of all may be first in line before those whom it called, and
/// must let them by: nobody else would.
#[test]
fn who_comes_late_is_in_nobodys_way() {
    fn count(shared: &Shared) {
        shared.pass(
            |number| number > 0,
            |number| number + 1,
            |shared| {
                if shared.number() == 4 {
                    shared.condition().notify_all();
                }
            },
        );
    }
    explore(|| {
        let shared = Shared::new();
        let others = [spawn(&shared, count), spawn(&shared, count), spawn(&shared, count)];
        shared.lock();
        shared.set(1);
        shared.condition().notify_all();
        // Only the last of those three tells the late one.
        while shared.number() != 4 {
            shared.wait();
        }
        shared.unlock();
        for other in others {
            other.join().unwrap();
        }
        shared.audit(3);
    });
}

/// One has no time to wait: it has been notified, or it leaves the notification to the other.
#[test]
fn who_is_timed_out_takes_nothing() {
    fn have_no_time(shared: &Shared) -> bool {
        shared.lock();
        if shared.number() == 0 {
            let (me, outer) = (Thread::current(), Outer::Lock(RawLock::new(&shared.line)));
            // SAFETY: the words live until the last thread of the model has ended.
            let waited = unsafe { shared.condition().wait(me, outer, Deadline::now()) };
            // Also where it was notified, the other may have come before it.
            let _both = waited.expect("the lock is held, and nobody scribbles");
        }
        let takes = shared.number() > 0;
        if takes {
            shared.set(shared.number() - 1);
        }
        shared.unlock();
        takes
    }
    explore(|| {
        let shared = Shared::new();
        let patient = spawn(&shared, Shared::take_one);
        let other = Arc::clone(&shared);
        let other = thread::spawn(move || have_no_time(&other));
        shared.add_one();
        if other.join().unwrap() {
            shared.add_one();
        }
        patient.join().unwrap();
        shared.audit(1);
    });
}

#[test]
fn a_lock_of_many_levels_is_given_back_and_restored() {
    explore(|| {
        let shared = Shared::new();
        let other = spawn(&shared, Shared::add_one);
        let (me, lock) = (Thread::current(), RawRLock::new(&shared.line));
        for _ in 0..3 {
            // SAFETY: the words live until the last thread of the model has ended.
            let taken = unsafe { lock.lock(me, Deadline::NEVER) };
            assert_eq!(taken, Ok(Taken::Clean));
        }
        while shared.number() == 0 {
            // SAFETY: as above.
            let waited =
                unsafe { shared.condition().wait(me, Outer::RLock(lock), Deadline::NEVER) };
            assert_eq!(waited, Ok((WaitEnd::Notified, Taken::Clean)));
            assert_eq!(lock.depth(), 3);
        }
        assert_eq!(lock.unlock_all(me), Ok(3));
        other.join().unwrap();
        shared.audit(0);
    });
}

/// Two things, a notification for each, and one of two who want one dies: the other gets one.
#[test]
fn a_killed_waiter_swallows_nothing() {
    with_every_death(|dies_at| {
        let shared = Shared::new();
        let victim = spawn_victim(&shared, dies_at, Shared::take_one);
        let other = spawn(&shared, Shared::take_one);
        shared.add_one();
        shared.add_one();
        let victim = victim.join().unwrap();
        // Whoever takes the lock next is told if a notification died with the victim.
        shared.lock();
        shared.unlock();
        other.join().unwrap();
        assert!(shared.told.load(Relaxed) <= 1, "a death is told once");
        victim
    });
}

/// One notification for two, each of whom notifies the next: if one dies without having had the
/// lock, which would tell of it, the notification is there for the other.
#[test]
fn a_notification_does_not_die_with_who_has_not_the_lock() {
    fn hand_on(shared: &Shared) {
        shared.pass(|number| number > 0, |number| number, |shared| shared.condition().notify(1));
    }
    with_every_death(|dies_at| {
        let shared = Shared::new();
        let victim = spawn_victim(&shared, dies_at, hand_on);
        let other = spawn(&shared, hand_on);
        shared.add_one();
        let victim = victim.join().unwrap();
        // Whoever takes the lock next is told if the notification died with the victim.
        shared.lock();
        shared.unlock();
        other.join().unwrap();
        victim
    });
}

/// One of two who wait for all to be notified dies.
#[test]
fn a_killed_waiter_is_in_nobodys_way() {
    with_every_death(|dies_at| {
        let shared = Shared::new();
        let victim = spawn_victim(&shared, dies_at, Shared::see);
        let other = spawn(&shared, Shared::see);
        shared.lock();
        shared.set(1);
        shared.unlock();
        shared.condition().notify_all();
        other.join().unwrap();
        victim.join().unwrap()
    });
}

/// A notifier dies: either it has notified, and all of it is done, or it has not at all.
#[test]
fn a_killed_notifier_has_notified_or_not() {
    with_every_death(|dies_at| {
        let shared = Shared::new();
        let other = spawn(&shared, Shared::take_one);
        let victim = spawn_victim(&shared, dies_at, |shared| {
            shared.lock();
            shared.set(1);
            shared.unlock();
            shared.condition().notify(1);
        });
        let victim = victim.join().unwrap();
        shared.lock();
        let is_through = shared.through.load(Relaxed) == 1;
        let has_notified = shared.condition().permits() == 1;
        if !(is_through || has_notified) {
            // It has not; then somebody else must.
            shared.set(1);
            shared.unlock();
            shared.condition().notify(1);
        } else {
            shared.unlock();
        }
        other.join().unwrap();
        victim
    });
}

/// The same, while all are notified: one, or two where time is no matter.
#[test]
fn a_killed_notifier_of_all_has_notified_all_or_nobody() {
    with_every_death(|dies_at| {
        let shared = Shared::new();
        let waiting = if testkit::full() { 2 } else { 1 };
        let others: Vec<_> = (0..waiting).map(|_| spawn(&shared, Shared::see)).collect();
        let victim = spawn_victim(&shared, dies_at, |shared| {
            shared.lock();
            shared.set(1);
            shared.condition().notify_all();
            shared.unlock();
        });
        let victim = victim.join().unwrap();
        // If it died holding the lock, that tells.
        shared.lock();
        if shared.number() == 0 {
            shared.set(1);
            shared.condition().notify_all();
        }
        shared.unlock();
        for other in others {
            other.join().unwrap();
        }
        victim
    });
}
