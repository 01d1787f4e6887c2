//! The lock behind the guard: given back, taken again, and what is told of it.
#![expect(unsafe_code, reason = "places a mutex where its value can be scribbled over")]

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ipc_core::robust::MAX_HELD;
use ipc_core::{Kind, Layout, Segment};
use ipc_sync::{Condition, Lock, Mutex, RLock, WaitError};
use testkit::Outcome;

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

pub(crate) fn the_lock_is_free_meanwhile() -> Outcome {
    let (lock, mutex, condition) = (Lock::new()?, Mutex::new(1_u64)?, Condition::new()?);
    let mut waiting = start(|| condition.wait(lock.lock().unwrap()).is_ok());
    waiting.wait_asleep(LONG)?;
    let guard = lock.try_lock().unwrap();
    condition.notify_one();
    // It is notified, and now waits for the lock.
    waiting.wait_asleep(LONG)?;
    drop(guard);
    finish(&mut waiting);
    assert!(!lock.is_locked());
    let mut waiting = start(|| {
        let guard = condition.wait(mutex.lock().unwrap()).unwrap();
        *guard == 2 && mutex.stats().holder.is_some()
    });
    waiting.wait_asleep(LONG)?;
    *mutex.try_lock().unwrap() = 2;
    condition.notify_one();
    finish(&mut waiting);
    passed()
}

pub(crate) fn all_levels_are_restored() -> Outcome {
    let (lock, condition) = (RLock::new()?, Condition::new()?);
    for levels in 1..=4 {
        let mut waiting = start(|| {
            let _outer: Vec<_> = (1..levels).map(|_| lock.lock().unwrap()).collect();
            let guard = condition.wait(lock.lock().unwrap()).unwrap();
            let restored = lock.depth() == levels && lock.is_mine();
            drop(guard);
            restored && lock.depth() == levels - 1
        });
        waiting.wait_asleep(LONG)?;
        assert_eq!(lock.depth(), 0);
        drop([lock.try_lock().unwrap(), lock.try_lock().unwrap()]);
        condition.notify_one();
        finish(&mut waiting);
        assert!(!lock.is_locked());
    }
    // After a timeout, too.
    let _outer = lock.lock().unwrap();
    let (_inner, end) = condition.wait_timeout(lock.lock().unwrap(), SHORT).unwrap();
    assert!(end.is_timed_out());
    assert_eq!(lock.depth(), 2);
    passed()
}

pub(crate) fn who_does_not_hold_it_cannot_wait() -> Outcome {
    let (lock, condition) = (Lock::new()?, Condition::new()?);
    let guard = lock.lock().unwrap();
    lock.release()?;
    assert!(matches!(condition.wait(guard), Err(WaitError::NotHeld)));
    let rlock = RLock::new()?;
    let guards = [rlock.lock().unwrap(), rlock.lock().unwrap()];
    let inherited = &mut Some(guards);
    in_child(|| {
        let [outer, inner] = inherited.take().unwrap();
        drop(outer);
        let refused = matches!(condition.wait_timeout(inner, SHORT), Err(WaitError::NotHeld));
        refused && rlock.depth() == 2
    });
    assert_eq!(rlock.depth(), 2, "still ours");
    let mutex = Mutex::new(0_u64)?;
    let inherited = &mut Some(mutex.lock().unwrap());
    in_child(|| {
        let refused = condition.wait(inherited.take().unwrap());
        matches!(refused, Err(WaitError::NotHeld)) && mutex.is_locked()
    });
    assert_eq!(WaitError::<()>::NotHeld.to_string(), "this thread does not hold the lock");
    passed()
}

pub(crate) fn who_holds_too_many_cannot_wait() -> Outcome {
    let mut layout = Layout::new();
    let offsets: Vec<_> = (0..MAX_HELD).map(|_| Lock::reserve(&mut layout)).collect();
    let segment = Segment::create(Kind::new(*b"many\0\0\0\0", 1), 0, layout.size())?;
    let locks = offsets.iter().map(|&offset| Lock::in_segment(&segment, offset));
    let locks: Vec<_> = locks.collect::<Result<_, _>>()?;
    let condition = Condition::new()?;
    let mut guards: Vec<_> = locks.iter().map(|lock| lock.lock().unwrap()).collect();
    let last = guards.pop().unwrap();
    assert!(matches!(condition.wait_timeout(last, SHORT), Err(WaitError::TooManyHeld)));
    assert!(!locks[MAX_HELD - 1].is_locked(), "it was given back");
    // With one less it can.
    drop(guards.pop());
    let last = locks[MAX_HELD - 1].lock().unwrap();
    let (_guard, end) = condition.wait_timeout(last, SHORT).unwrap();
    assert!(end.is_timed_out());
    passed()
}

pub(crate) fn what_became_of_the_value_is_told() -> Outcome {
    std::panic::set_hook(Box::new(|_| ()));
    let (value, condition) = (Mutex::new(1_u64)?, Condition::new()?);
    let wait = || condition.wait(value.lock().unwrap());
    // A death while the value was being changed.
    let mut waiting = start(|| {
        let Err(WaitError::OwnerDied(recovery)) = wait() else { return false };
        *recovery.recover(|value| *value = 3) == 3
    });
    waiting.wait_asleep(LONG)?;
    in_child(|| {
        let mut guard = value.lock().unwrap();
        *guard = 2;
        condition.notify_one();
        mem::forget(guard);
        true
    });
    finish(&mut waiting);
    assert_eq!((value.get().unwrap(), value.stats().deaths), (3, 1));
    // A panic, while it holds the lock that the one who was notified waits for.
    let mut waiting = start(|| {
        let Err(WaitError::Poisoned(recovery)) = wait() else { return false };
        *recovery.mark_consistent() == 4
    });
    waiting.wait_asleep(LONG)?;
    in_child(|| {
        let half_way = AssertUnwindSafe(|| {
            let mut guard = value.lock().unwrap();
            condition.notify_one();
            *guard = 4;
            panic!("half-way");
        });
        catch_unwind(half_way).is_err()
    });
    finish(&mut waiting);
    assert_eq!(value.get().unwrap(), 4);
    // No value of its type any more.
    let (letter, words) = {
        let segment = Segment::create(Kind::new(*b"letter\0\0", 1), 0, 128)?;
        // SAFETY: the segment has nothing else in it, and nobody else has it.
        let letter = unsafe { Mutex::new_in_segment(&segment, 0, 'a') }?;
        (letter, segment)
    };
    let mut waiting = start(|| {
        matches!(condition.wait(letter.lock().unwrap()), Err(WaitError::Corrupt))
            && !letter.is_locked()
    });
    waiting.wait_asleep(LONG)?;
    let value: &ipc_core::primitive::AtomicU32 = words.at(64)?;
    value.store(u32::MAX, ipc_core::primitive::Ordering::Relaxed);
    condition.notify_one();
    finish(&mut waiting);
    passed()
}
