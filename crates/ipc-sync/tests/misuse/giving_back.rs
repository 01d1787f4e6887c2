//! Giving back what one does not hold, and taking what one has.

use std::mem;
use std::thread;

use ipc_sync::{
    BoundedSemaphore, Condition, Lock, LockError, Mutex, NotHeld, Once, OnceError, RLock,
    ReleaseError, RwLock, Semaphore, TryLockError, WaitError,
};
use testkit::Outcome;

use crate::together::{LONG, in_child, passed};
use crate::unchanged;

/// In a forked child, and last in another thread: a process with threads must not be forked.
fn by_others<P: std::fmt::Debug + Sync>(primitive: &P, refused: impl Fn() -> bool + Sync) {
    unchanged(primitive, || in_child(&refused));
    let by_a_thread = || thread::scope(|scope| scope.spawn(&refused).join().unwrap());
    assert!(unchanged(primitive, by_a_thread));
}

pub(crate) fn of_a_lock() -> Outcome {
    let lock = Lock::new()?;
    assert_eq!(unchanged(&lock, || lock.release()), Err(NotHeld));
    lock.acquire().unwrap();
    by_others(&lock, || lock.release() == Err(NotHeld));
    assert_eq!(lock.release(), Ok(()));
    assert_eq!(unchanged(&lock, || lock.release()), Err(NotHeld));
    passed()
}

pub(crate) fn of_an_rlock() -> Outcome {
    let lock = RLock::new()?;
    assert_eq!(unchanged(&lock, || lock.release()), Err(NotHeld));
    lock.acquire().unwrap();
    lock.acquire().unwrap();
    by_others(&lock, || lock.release() == Err(NotHeld));
    assert_eq!(lock.depth(), 2);
    assert_eq!([lock.release(), lock.release()], [Ok(()); 2]);
    assert_eq!(unchanged(&lock, || lock.release()), Err(NotHeld), "once too often");
    passed()
}

pub(crate) fn of_a_semaphore() -> Outcome {
    const MOST: u32 = Semaphore::MOST_PERMITS;
    let semaphore = Semaphore::new(MOST - 1)?;
    // All or nothing.
    for too_many in [2, 3, MOST, u32::MAX] {
        let refused = unchanged(&semaphore, || semaphore.release_n(too_many));
        assert_eq!(refused, Err(ReleaseError::TooManyPermits), "{too_many}");
    }
    assert_eq!(unchanged(&semaphore, || semaphore.release_n(0)), Ok(()));
    // Anybody may release what nobody has taken, as long as there is room.
    in_child(|| semaphore.release().is_ok());
    assert_eq!(semaphore.value(), MOST);
    by_others(&semaphore, || semaphore.release() == Err(ReleaseError::TooManyPermits));
    passed()
}

pub(crate) fn of_a_bounded_semaphore() -> Outcome {
    let semaphore = BoundedSemaphore::new(2)?;
    by_others(&semaphore, || semaphore.release() == Err(ReleaseError::TooManyPermits));
    semaphore.take()?;
    let refused = unchanged(&semaphore, || semaphore.release_n(2));
    assert_eq!(refused, Err(ReleaseError::TooManyPermits));
    assert_eq!(semaphore.release(), Ok(()));
    // A guard cannot tell of an error: its permit stays away where another was put in its place.
    semaphore.take()?;
    let permit = semaphore.acquire()?;
    semaphore.release_n(2)?;
    drop(permit);
    assert_eq!(semaphore.value(), 2);
    let none = BoundedSemaphore::new(0)?;
    assert_eq!(unchanged(&none, || none.release()), Err(ReleaseError::TooManyPermits));
    passed()
}

pub(crate) fn of_a_condition() -> Outcome {
    let (lock, rlock, mutex) = (Lock::new()?, RLock::new()?, Mutex::new(0_u8)?);
    let condition = Condition::new()?;
    let guard = lock.lock().unwrap();
    lock.release()?;
    let refused = unchanged(&condition, || condition.wait_timeout(guard, LONG));
    assert!(matches!(refused, Err(WaitError::NotHeld)));
    let guard = rlock.lock().unwrap();
    rlock.release()?;
    let refused = unchanged(&condition, || condition.wait(guard));
    assert!(matches!(refused, Err(WaitError::NotHeld)));
    // A guard that was inherited holds nothing.
    let mut guard = Some(mutex.lock().unwrap());
    unchanged(&condition, || {
        in_child(|| {
            let guard = guard.take().unwrap();
            matches!(condition.wait_while(guard, |_| true), Err(WaitError::NotHeld))
        });
    });
    assert!(mutex.is_locked());
    // To notify takes no lock, and does nothing where nobody waits.
    unchanged(&condition, || {
        condition.notify_one();
        condition.notify_n(usize::MAX);
        condition.notify_all();
    });
    passed()
}

pub(crate) fn of_a_once() -> Outcome {
    let once = Once::new()?;
    let mut turn = once.begin()?;
    unchanged(&once, || {
        in_child(|| turn.take().unwrap().complete() == Err(OnceError::NotHeld));
    });
    // Nor does a child give up what its parent has begun.
    unchanged(&once, || {
        in_child(|| {
            drop(turn.take());
            true
        });
    });
    assert!(!once.is_completed());
    turn.unwrap().complete()?;
    assert!(once.is_completed());
    passed()
}

pub(crate) fn of_values() -> Outcome {
    let (mutex, rwlock) = (Mutex::new(1_u32)?, RwLock::new(1_u32)?);
    let mut guards = Some((mutex.lock().unwrap(), rwlock.write().unwrap()));
    in_child(|| {
        drop(guards.take());
        mutex.try_lock().unwrap_err().is_would_block()
            && rwlock.try_read().unwrap_err().is_would_block()
    });
    assert!(mutex.is_locked() && rwlock.stats().is_written);
    drop(guards);
    // Nor does a child say that what its parent has in hand is whole.
    in_child(|| {
        mem::forget((mutex.lock().unwrap(), rwlock.write().unwrap()));
        true
    });
    let mut recoveries = Some((mutex.lock().unwrap_err(), rwlock.write().unwrap_err()));
    in_child(|| {
        let (mutex, rwlock) = recoveries.take().unwrap();
        drop(mutex.into_inner().unwrap().mark_consistent());
        drop(rwlock.into_inner().unwrap().mark_consistent());
        true
    });
    assert!(mutex.stats().is_poisoned && rwlock.stats().is_poisoned, "still half changed");
    let (of_mutex, of_rwlock) = recoveries.unwrap();
    drop(of_mutex.into_inner().unwrap().mark_consistent());
    drop(of_rwlock.into_inner().unwrap().mark_consistent());
    assert!(mutex.lock().is_ok() && rwlock.read().is_ok());
    let mut share = Some(rwlock.read().unwrap());
    in_child(|| {
        drop(share.take());
        rwlock.try_write().unwrap_err().is_would_block()
    });
    assert_eq!(rwlock.stats().readers.len(), 1);
    passed()
}

pub(crate) fn taken_twice() -> Outcome {
    let lock = Lock::new()?;
    let guard = lock.lock().unwrap();
    let refused = unchanged(&lock, || lock.acquire());
    assert_eq!(refused, Err(LockError::WouldDeadlock));
    assert_eq!(unchanged(&lock, || lock.try_acquire()), Err(TryLockError::WouldBlock));
    drop(guard);
    let mutex = Mutex::new(0_u8)?;
    let guard = mutex.lock().unwrap();
    let refused = unchanged(&mutex, || mutex.lock_timeout(LONG).map(mem::forget));
    assert!(matches!(refused, Err(LockError::WouldDeadlock)));
    let refused = unchanged(&mutex, || mutex.get());
    assert!(matches!(refused, Err(LockError::WouldDeadlock)));
    drop(guard);
    let rwlock = RwLock::new(0_u8)?;
    let twice = || {
        matches!(rwlock.read(), Err(LockError::WouldDeadlock))
            && matches!(rwlock.write(), Err(LockError::WouldDeadlock))
    };
    let guard = rwlock.read().unwrap();
    assert!(unchanged(&rwlock, twice));
    drop(guard);
    let guard = rwlock.write().unwrap();
    assert!(unchanged(&rwlock, twice));
    drop(guard);
    let once = Once::new()?;
    once.call_once(|_| {
        let again = unchanged(&once, || once.call_once_timeout(LONG, |_| panic!("it is begun")));
        assert_eq!(again, Err(OnceError::Recursive));
        let again = unchanged(&once, || once.try_call_once(|_| panic!("it is begun")));
        assert_eq!(again, Err(OnceError::Recursive));
    })?;
    assert!(once.is_completed());
    passed()
}
