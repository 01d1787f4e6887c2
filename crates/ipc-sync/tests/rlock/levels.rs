//! How often it is held, and who sees that.

use std::mem;

use ipc_core::primitive::AtomicU32;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::Thread;
use ipc_core::{Deadline, Kind, Segment};
use ipc_sync::{LockError, NotHeld, RLock, RLockGuard, TryLockError};
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert_eq};
use proptest::test_runner::{Config, TestRunner};
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

pub(crate) fn given_back_as_often_as_taken() -> Outcome {
    let lock = RLock::new()?;
    for depth in 1..=5 {
        mem::forget(lock.lock().unwrap());
        assert_eq!(lock.depth(), depth);
        assert!(lock.is_mine());
    }
    for depth in (0..5).rev() {
        in_child(|| lock.try_lock().unwrap_err().is_would_block());
        lock.release()?;
        assert_eq!(lock.depth(), depth);
        assert_eq!(lock.is_mine(), depth > 0);
        assert_eq!(lock.is_locked(), depth > 0);
    }
    in_child(|| lock.try_lock().is_ok());
    passed()
}

pub(crate) fn guards_may_go_in_any_order() -> Outcome {
    let lock = RLock::new()?;
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
        let mut guards = [(); 3].map(|()| lock.lock().ok());
        assert_eq!(lock.depth(), 3);
        for (left, idx) in (0..3).rev().zip(order) {
            drop(guards[idx].take());
            assert_eq!(lock.depth(), left, "{order:?}");
        }
        in_child(|| lock.try_lock().is_ok());
    }
    passed()
}

pub(crate) fn every_way_takes_one_level() -> Outcome {
    let lock = RLock::new()?;
    let ways: [fn(&RLock); 8] = [
        |lock| mem::forget(lock.lock().unwrap()),
        |lock| mem::forget(lock.try_lock().unwrap()),
        |lock| mem::forget(lock.lock_timeout(SHORT).unwrap()),
        |lock| mem::forget(lock.lock_deadline(Deadline::now()).unwrap()),
        |lock| lock.acquire().unwrap(),
        |lock| lock.try_acquire().unwrap(),
        |lock| lock.acquire_timeout(SHORT).unwrap(),
        |lock| lock.acquire_deadline(Deadline::now()).unwrap(),
    ];
    // First of all, and on top of another.
    for take in ways {
        for depth in 1..=2 {
            take(&lock);
            assert_eq!(lock.depth(), depth);
        }
        lock.release()?;
        lock.release()?;
        assert_eq!(lock.release(), Err(NotHeld));
    }
    assert_eq!(lock.stats().deaths, 0);
    passed()
}

pub(crate) fn owner_and_depth_are_seen_by_others() -> Outcome {
    let lock = RLock::new()?;
    let notes = SharedArena::<Counter>::new(2);
    let mut holder = start(|| {
        let _guards = [lock.lock().unwrap(), lock.lock().unwrap(), lock.lock().unwrap()];
        notes[0].set(u64::from(Thread::current().tid()));
        notes[1].wait_until(|note| note == 1);
        true
    });
    notes[0].wait_until(|tid| tid != 0);
    let stats = lock.stats();
    let who = stats.holder.unwrap();
    assert_eq!(u64::from(who.tid), notes[0].get());
    assert_eq!(who.pid, Some(u32::try_from(holder.pid())?));
    assert_eq!((stats.depth, lock.depth()), (3, 3));
    assert!(lock.is_locked() && !lock.is_mine());
    assert!(format!("{lock:?}").contains("depth: 3"), "{lock:?}");
    let mut waiting = start(|| lock.lock().is_ok());
    waiting.wait_asleep(LONG)?;
    assert!(lock.stats().has_waiters);
    notes[1].set(1);
    finish(&mut holder);
    finish(&mut waiting);
    assert_eq!((lock.depth(), lock.stats().holder), (0, None));
    passed()
}

pub(crate) fn it_counts_no_further_than_it_can() -> Outcome {
    let segment = Segment::create(Kind::new(*b"rlock\0\0\0", 1), 0, 64)?;
    let lock = RLock::in_segment(&segment, 0)?;
    let words: &[AtomicU32] = segment.slice_at(0, 16)?;
    let guard = lock.lock().unwrap();
    // The depth is the word behind the lock's own; nobody takes it four billion times for a test.
    assert_eq!(words[1].load(Relaxed), 1);
    words[1].store(u32::MAX, Relaxed);
    assert!(matches!(lock.lock(), Err(LockError::TooDeep)));
    assert!(matches!(lock.try_lock(), Err(TryLockError::TooDeep)));
    assert!(matches!(lock.acquire(), Err(LockError::TooDeep)));
    assert_eq!(lock.depth(), u32::MAX, "nothing has changed");
    words[1].store(1, Relaxed);
    drop(guard);
    assert!(!lock.is_locked());
    passed()
}

/// Any order of taking and giving back comes to what a plain count comes to.
pub(crate) fn levels_are_as_a_plain_count() -> Outcome {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    runner.run(&vec(any::<(u8, u8)>(), 0..60), |steps| {
        let lock = RLock::new().unwrap();
        let mut guards: Vec<RLockGuard<'_>> = vec![];
        let mut expected = 0_u32;
        for (step, which) in steps {
            match step % 5 {
                0 => guards.push(lock.lock().unwrap()),
                1 => guards.push(lock.try_lock().unwrap()),
                2 => lock.acquire().unwrap(),
                3 => {
                    prop_assert_eq!(lock.release().is_ok(), expected > 0);
                    expected = expected.saturating_sub(1);
                    continue;
                }
                _ if guards.is_empty() => continue,
                _ => {
                    drop(guards.swap_remove(usize::from(which) % guards.len()));
                    expected = expected.saturating_sub(1);
                    prop_assert_eq!(lock.depth(), expected);
                    continue;
                }
            }
            expected += 1;
            prop_assert_eq!(lock.depth(), expected);
            prop_assert_eq!(lock.is_mine(), expected > 0);
        }
        guards.into_iter().for_each(mem::forget);
        while lock.release().is_ok() {}
        prop_assert_eq!(lock.is_locked(), false);
        Ok(())
    })?;
    passed()
}
