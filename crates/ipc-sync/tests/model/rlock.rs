//! A lock that its holder may take again, in the model: levels exclude like one, and die like one.

#![expect(unsafe_code, reason = "the payload is written under the lock")]
#![expect(clippy::disallowed_types, reason = "what the test notes is no part of the model")]

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use ipc_core::Deadline;
use ipc_core::primitive::model::{Ended, run};
use ipc_core::robust::{RobustWord, Thread};
use ipc_sync::raw::{NotHeld, RawRLock, Taken};
use loom::cell::UnsafeCell;
use loom::thread;

use super::{explore, with_every_death};

/// A lock, what it protects, and what the test notes beside the model.
struct Guarded {
    line: RobustWord,
    payload: UnsafeCell<u32>,
    /// How many were told of a death.
    told: AtomicU32,
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
        })
    }

    fn lock(&self) -> RawRLock<'_> {
        RawRLock::new(&self.line)
    }

    fn enter(&self) -> Taken {
        // SAFETY: the line lives until the last thread of the model has ended.
        let taken = unsafe { self.lock().lock(Thread::current(), Deadline::NEVER) };
        taken.expect("a thread that holds nothing else gets the lock")
    }

    fn leave(&self) {
        assert_eq!(self.lock().unlock(Thread::current()), Ok(()));
    }

    /// Adds two, one at each of two levels.
    fn add_two(&self) {
        let taken = self.enter();
        if taken == Taken::OwnerDied {
            self.told.fetch_add(1, Relaxed);
        }
        assert_eq!(self.lock().depth(), 1, "the levels of others do not count");
        self.add();
        assert_eq!(self.enter(), Taken::Clean);
        self.add();
        self.leave();
        assert_eq!(self.lock().depth(), 1);
        self.leave();
        assert_eq!(self.lock().unlock(Thread::current()), Err(NotHeld));
    }

    fn add(&self) {
        self.payload.with_mut(|payload| {
            // SAFETY: the lock is held; loom fails the test if another access is possible.
            unsafe { *payload += 1 };
        });
    }
}

fn spawn(guarded: &Arc<Guarded>) -> thread::JoinHandle<()> {
    let guarded = Arc::clone(guarded);
    thread::spawn(move || guarded.add_two())
}

#[test]
fn levels_exclude_like_one() {
    explore(|| {
        let guarded = Guarded::new();
        let others = [spawn(&guarded), spawn(&guarded)];
        guarded.add_two();
        for other in others {
            other.join().unwrap();
        }
        let _taken = guarded.enter();
        let payload = guarded.payload.with(|payload| {
            // SAFETY: the lock is held, and all other threads have ended.
            unsafe { *payload }
        });
        assert_eq!((payload, guarded.told.load(Relaxed)), (6, 0));
    });
}

#[test]
fn the_levels_of_the_dead_are_gone_with_it() {
    with_every_death(|dies_at| {
        let guarded = Guarded::new();
        let victim = Arc::clone(&guarded);
        let victim = thread::spawn(move || run(Some(dies_at), || victim.add_two()));
        let other = spawn(&guarded);
        guarded.add_two();
        other.join().unwrap();
        let victim = victim.join().unwrap();
        guarded.add_two();
        let told = guarded.told.load(Relaxed);
        assert!(told <= u32::from(victim == Ended::Died), "a death is told once");
        victim
    });
}
