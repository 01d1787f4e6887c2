//! Times to wait that are none, or more than any clock can tell.

use std::time::Duration;

use ipc_core::Deadline;
use ipc_sync::{
    AcquireError, Barrier, BarrierError, Condition, Event, Lock, LockError, Mutex, Once, OnceError,
    RLock, RwLock, Semaphore,
};
use testkit::Outcome;

use crate::together::{LONG, finish, in_child, passed, start};
use crate::unchanged;

pub(crate) fn none_at_all() -> Outcome {
    let none = Duration::ZERO;
    let (lock, rlock, mutex) = (Lock::new()?, RLock::new()?, Mutex::new(0_u8)?);
    let (rwlock, once) = (RwLock::new(0_u8)?, Once::new()?);
    let held = (
        (lock.lock().unwrap(), rlock.lock().unwrap(), mutex.lock().unwrap()),
        (rwlock.write().unwrap(), once.begin()?),
    );
    // It looks once, and does not wait.
    in_child(|| {
        unchanged(&lock, || lock.acquire_timeout(none)) == Err(LockError::Timeout)
            && unchanged(&rlock, || rlock.acquire_timeout(none)) == Err(LockError::Timeout)
            && unchanged(&mutex, || mutex.lock_timeout(none).unwrap_err().is_timeout())
            && unchanged(&rwlock, || rwlock.read_timeout(none).unwrap_err().is_timeout())
            && unchanged(&rwlock, || rwlock.write_timeout(none).unwrap_err().is_timeout())
            && unchanged(&once, || once.call_once_timeout(none, |_| ())) == Err(OnceError::Timeout)
    });
    drop(held);
    assert!(lock.lock_timeout(none).is_ok() && mutex.lock_timeout(none).is_ok());
    let (event, semaphore) = (Event::new()?, Semaphore::new(0)?);
    assert!(!unchanged(&event, || event.wait_timeout(none)));
    event.set();
    assert!(event.wait_timeout(none));
    for refused in [
        unchanged(&semaphore, || semaphore.take_timeout(none)),
        unchanged(&semaphore, || semaphore.acquire_timeout(none).map(drop)),
    ] {
        assert_eq!(refused, Err(AcquireError::Timeout));
    }
    let condition = Condition::new()?;
    let (guard, end) = condition.wait_timeout(lock.lock().unwrap(), none).unwrap();
    assert!(end.is_timed_out() && lock.is_locked());
    drop(guard);
    // Who comes to a barrier and does not wait breaks it, as there: it had come.
    let barrier = Barrier::new(2)?;
    assert_eq!(barrier.wait_timeout(none), Err(BarrierError::Timeout));
    assert!(barrier.is_broken());
    passed()
}

pub(crate) fn longer_than_any_clock() -> Outcome {
    ipc_sync::raw::set_spin(0);
    let (lock, mutex) = (Lock::new()?, Mutex::new(0_u8)?);
    let (rwlock, once) = (RwLock::new(0_u8)?, Once::new()?);
    let (event, semaphore) = (Event::new()?, Semaphore::new(0)?);
    let (condition, barrier) = (Condition::new()?, Barrier::new(2)?);
    let outer = Lock::new()?;
    for seconds in [u64::MAX, i64::MAX.cast_unsigned(), i64::MAX.cast_unsigned() - 1, 1 << 55] {
        let timeout = Duration::from_secs(seconds);
        let held = (lock.lock().unwrap(), mutex.lock().unwrap(), rwlock.write().unwrap());
        let mut waiting = vec![
            start(|| lock.lock_timeout(timeout).is_ok()),
            start(|| lock.lock_deadline(Deadline::after(timeout)).is_ok()),
            start(|| mutex.lock_timeout(timeout).is_ok()),
            start(|| rwlock.read_timeout(timeout).is_ok()),
            start(|| rwlock.write_timeout(timeout).is_ok()),
            start(|| event.wait_timeout(timeout)),
            start(|| semaphore.take_timeout(timeout).is_ok()),
            start(|| semaphore.acquire_timeout(timeout).map(ipc_sync::Permit::forget).is_ok()),
            start(|| {
                let waited = condition.wait_timeout(outer.lock().unwrap(), timeout);
                !waited.unwrap().1.is_timed_out()
            }),
            start(|| barrier.wait_timeout(timeout).is_ok()),
        ];
        let turn = once.begin()?;
        if let Some(turn) = turn {
            let mut child = start(|| once.call_once_timeout(timeout, |_| ()).is_ok());
            child.wait_asleep(LONG)?;
            turn.complete()?;
            finish(&mut child);
        }
        for child in &mut waiting {
            // It neither gives up nor looks again and again.
            child.wait_asleep(LONG)?;
        }
        drop(held);
        event.set();
        semaphore.release_n(2)?;
        condition.notify_all();
        barrier.wait()?;
        waiting.iter_mut().for_each(finish);
        event.clear();
    }
    passed()
}

/// A `Duration` is never below zero, and not made of what is no number.
pub(crate) fn what_is_no_time() -> Outcome {
    for seconds in [-1.0, -0.001, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e300] {
        assert!(Duration::try_from_secs_f64(seconds).is_err(), "{seconds}");
    }
    // A moment that has passed is no time at all.
    let past = Deadline::now();
    let lock = Lock::new()?;
    let guard = lock.lock().unwrap();
    in_child(|| unchanged(&lock, || lock.acquire_deadline(past)) == Err(LockError::Timeout));
    drop(guard);
    assert_eq!(lock.acquire_deadline(past), Ok(()));
    passed()
}
