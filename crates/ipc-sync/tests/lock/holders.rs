//! Taking and giving back, in turn and at the same time, by the living and the dead.

use std::mem;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::thread;

use ipc_core::robust::{MAX_HELD, Thread};
use ipc_core::{Deadline, Kind, Layout, ProcessId, Segment};
use ipc_sync::{Lock, LockError, LockGuard, NotHeld, TryLockError};
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

/// A process takes the lock and dies without giving it back.
fn die_holding(lock: &Lock) {
    in_child(|| {
        mem::forget(lock.lock().unwrap());
        true
    });
}

pub(crate) fn a_held_lock_is_not_taken_twice() -> Outcome {
    let lock = Lock::new()?;
    let guard = lock.lock().unwrap();
    // By the thread that holds it, through this handle or another.
    assert!(matches!(lock.lock(), Err(LockError::WouldDeadlock)));
    assert!(matches!(lock.clone().lock_timeout(LONG), Err(LockError::WouldDeadlock)));
    assert!(matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
    // By another process.
    in_child(|| {
        lock.try_lock().unwrap_err().is_would_block()
            && lock.lock_timeout(SHORT).unwrap_err().is_timeout()
            && lock.lock_deadline(Deadline::now()).unwrap_err().is_timeout()
    });
    drop(guard);
    in_child(|| lock.lock().is_ok());
    // By another thread; last, for a process with threads must not be forked.
    let _guard = lock.lock().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| assert!(lock.try_lock().unwrap_err().is_would_block()));
    });
    passed()
}

pub(crate) fn a_guard_holds_the_lock() -> Outcome {
    let lock = Lock::new()?;
    assert!(!lock.is_locked());
    assert_eq!(lock.stats().holder, None);
    let ways: [fn(&Lock) -> LockGuard<'_>; 4] = [
        |lock| lock.lock().unwrap(),
        |lock| lock.try_lock().unwrap(),
        |lock| lock.lock_timeout(SHORT).unwrap(),
        |lock| lock.lock_deadline(Deadline::now()).unwrap(),
    ];
    for take in ways {
        let guard = take(&lock);
        assert!(lock.is_locked());
        let holder = lock.stats().holder.unwrap();
        assert_eq!(holder.tid, Thread::current().tid());
        assert_eq!(holder.pid, Some(ProcessId::current().unwrap().pid()));
        assert!(format!("{lock:?}").contains(&holder.to_string()), "{lock:?}");
        drop(guard);
        assert!(!lock.is_locked());
    }
    assert_eq!(lock.stats().deaths, 0);
    passed()
}

pub(crate) fn who_waits_gets_the_lock() -> Outcome {
    let lock = Lock::new()?;
    let order = SharedArena::<Counter>::new(1);
    let guard = lock.lock().unwrap();
    let mut waiting = [(); 3].map(|()| {
        start(|| {
            let taken = lock.lock();
            order[0].add(1);
            taken.is_ok()
        })
    });
    for child in &mut waiting {
        child.wait_asleep(LONG)?;
    }
    assert!(lock.stats().has_waiters);
    assert_eq!(order[0].get(), 0);
    drop(guard);
    waiting.iter_mut().for_each(finish);
    assert_eq!(order[0].get(), 3);
    // The mark of the sleepers is gone: giving it back takes no system call any more.
    drop(lock.lock().unwrap());
    assert!(!lock.stats().has_waiters);
    passed()
}

pub(crate) fn a_timeout_ends_a_wait() -> Outcome {
    let lock = Lock::new()?;
    let guard = lock.lock().unwrap();
    let mut patient = start(|| lock.lock().is_ok());
    patient.wait_asleep(LONG)?;
    let mut timed = start(|| lock.lock_timeout(LONG).is_ok());
    timed.wait_asleep(LONG)?;
    in_child(|| {
        let start = Deadline::now();
        let timed_out = lock.lock_timeout(SHORT).unwrap_err().is_timeout();
        // It is not said to have passed before it has.
        timed_out && start < Deadline::now()
    });
    drop(guard);
    finish(&mut patient);
    finish(&mut timed);
    passed()
}

pub(crate) fn a_signal_does_not_end_a_wait() -> Outcome {
    let lock = Lock::new()?;
    let guard = lock.lock().unwrap();
    let mut waiting = [start(|| lock.lock().is_ok()), start(|| lock.lock_timeout(LONG).is_ok())];
    for child in &mut waiting {
        child.wait_asleep(LONG)?;
        // What stops and continues a process interrupts its sleep.
        for _ in 0..3 {
            child.signal(libc::SIGSTOP);
            child.signal(libc::SIGCONT);
        }
    }
    waiting[0].wait_asleep(LONG)?;
    drop(guard);
    waiting.iter_mut().for_each(finish);
    passed()
}

pub(crate) fn a_death_is_told_once() -> Outcome {
    let lock = Lock::new()?;
    for deaths in 1..=3 {
        die_holding(&lock);
        assert!(!lock.is_locked(), "the dead hold nothing");
        match lock.lock() {
            Err(LockError::OwnerDied(guard)) => {
                assert!(lock.is_locked());
                in_child(|| lock.try_lock().unwrap_err().is_would_block());
                drop(guard);
            }
            other => return Err(format!("{other:?}").into()),
        }
        drop(lock.lock().unwrap());
        assert_eq!(lock.stats().deaths, deaths);
    }
    die_holding(&lock);
    assert!(lock.try_lock().unwrap_err().is_owner_died(), "it is told to who tries");
    die_holding(&lock);
    assert!(lock.lock_timeout(SHORT).unwrap_err().is_owner_died(), "and to who waits");
    drop(lock.lock().unwrap());
    passed()
}

pub(crate) fn a_death_wakes_who_waits() -> Outcome {
    let lock = Lock::new()?;
    let notes = SharedArena::<Counter>::new(2);
    let mut holder = start(|| {
        let _guard = lock.lock().unwrap();
        notes[0].set(1);
        notes[0].wait_until(|note| note == 2);
        true
    });
    notes[0].wait_until(|note| note == 1);
    let mut waiting = [(); 2].map(|()| {
        start(|| {
            let taken = lock.lock();
            let told = taken.as_ref().is_err_and(LockError::is_owner_died);
            notes[1].add(u64::from(told));
            taken.is_ok() || told
        })
    });
    for child in &mut waiting {
        child.wait_asleep(LONG)?;
    }
    holder.kill();
    waiting.iter_mut().for_each(finish);
    assert_eq!(notes[1].get(), 1, "one of the two was told");
    assert!(!holder.wait().is_success());
    passed()
}

pub(crate) fn a_death_while_taking_over_is_told_again() -> Outcome {
    let lock = Lock::new()?;
    die_holding(&lock);
    in_child(|| {
        mem::forget(lock.lock().unwrap_err());
        true
    });
    assert!(lock.lock().unwrap_err().is_owner_died());
    assert_eq!(lock.stats().deaths, 2);
    passed()
}

pub(crate) fn a_thread_may_die_alone() -> Outcome {
    let lock = Lock::new()?;
    let forget = || mem::forget(lock.lock().unwrap());
    thread::scope(|scope| scope.spawn(forget).join()).unwrap();
    assert!(lock.lock().unwrap_err().is_owner_died());
    // A thread that waits learns of it, too.
    let notes = SharedArena::<Counter>::new(1);
    thread::scope(|scope| {
        scope.spawn(|| {
            let guard = lock.lock().unwrap();
            notes[0].wait_until(|note| note == 1);
            mem::forget(guard);
        });
        while !lock.is_locked() {
            thread::yield_now();
        }
        scope.spawn(|| {
            notes[0].set(1);
            assert!(lock.lock().unwrap_err().is_owner_died());
        });
    });
    passed()
}

pub(crate) fn exec_lets_go() -> Outcome {
    let lock = Lock::new()?;
    in_child(|| {
        mem::forget(lock.lock().unwrap());
        let error = Command::new("true").exec();
        panic!("{error}");
    });
    assert!(lock.lock().unwrap_err().is_owner_died());
    passed()
}

pub(crate) fn a_forked_child_holds_nothing() -> Outcome {
    let (lock, other) = (Lock::new()?, Lock::new()?);
    let guard = lock.lock().unwrap();
    let inherited = &mut Some(guard);
    in_child(|| {
        // What the parent holds is not the child's to give back.
        drop(inherited.take());
        let held = lock.try_lock().unwrap_err().is_would_block();
        // And the child can hold what it takes itself.
        let own = other.lock().unwrap();
        held && lock.lock_timeout(SHORT).unwrap_err().is_timeout() && {
            drop(own);
            other.try_lock().is_ok()
        }
    });
    assert!(lock.is_locked());
    // A child that dies does not take its parent's locks with it.
    let mut child = start(|| {
        loop {
            thread::park();
        }
    });
    child.kill();
    child.wait();
    assert!(matches!(lock.lock(), Err(LockError::WouldDeadlock)), "still ours");
    drop(inherited.take());
    in_child(|| lock.lock().is_ok());
    passed()
}

pub(crate) fn locks_are_given_back_in_any_order() -> Outcome {
    let locks: Vec<_> = (0..5).map(|_| Lock::new()).collect::<Result<_, _>>()?;
    for given_back in [[0, 1, 2], [4, 3, 2], [2, 0, 4], [1, 3, 0]] {
        in_child(|| {
            let mut guards: Vec<_> = locks.iter().map(|lock| lock.lock().ok()).collect();
            for idx in given_back {
                drop(guards[idx].take());
            }
            mem::forget(guards);
            true
        });
        for (idx, lock) in locks.iter().enumerate() {
            let told = lock.lock().err().is_some_and(|error| error.is_owner_died());
            assert_eq!(told, !given_back.contains(&idx), "{given_back:?}, {idx}");
        }
    }
    passed()
}

pub(crate) fn a_thread_can_hold_so_many() -> Outcome {
    let mut layout = Layout::new();
    let offsets: Vec<_> = (0..=MAX_HELD).map(|_| Lock::reserve(&mut layout)).collect();
    let segment = Segment::create(Kind::new(*b"many\0\0\0\0", 1), 0, layout.size())?;
    let locks: Vec<_> = offsets
        .iter()
        .map(|&offset| Lock::in_segment(&segment, offset))
        .collect::<Result<_, _>>()?;
    in_child(|| {
        let guards: Vec<_> = locks[..MAX_HELD].iter().map(|lock| lock.lock().unwrap()).collect();
        let last = &locks[MAX_HELD];
        let refused = matches!(last.lock(), Err(LockError::TooManyHeld))
            && matches!(last.try_lock(), Err(TryLockError::TooManyHeld))
            && !last.is_locked();
        mem::forget(guards);
        refused
    });
    let told = locks.iter().filter(|lock| lock.lock().is_err_and(|error| error.is_owner_died()));
    assert_eq!(told.count(), MAX_HELD, "every one of them tells of the death");
    passed()
}

pub(crate) fn only_the_holder_gives_it_back() -> Outcome {
    let lock = Lock::new()?;
    assert_eq!(lock.release(), Err(NotHeld), "it is free");
    let ways: [fn(&Lock); 4] = [
        |lock| lock.acquire().unwrap(),
        |lock| lock.try_acquire().unwrap(),
        |lock| lock.acquire_timeout(SHORT).unwrap(),
        |lock| lock.acquire_deadline(Deadline::now()).unwrap(),
    ];
    for take in ways {
        take(&lock);
        assert_eq!(lock.acquire(), Err(LockError::WouldDeadlock));
        in_child(|| {
            lock.release() == Err(NotHeld)
                && lock.try_acquire() == Err(TryLockError::WouldBlock)
                && lock.acquire_timeout(SHORT) == Err(LockError::Timeout)
        });
        assert!(lock.is_locked(), "nothing has changed");
        assert_eq!(lock.release(), Ok(()));
        assert_eq!(lock.release(), Err(NotHeld), "it is free again");
    }
    // After a death it is held, too.
    die_holding(&lock);
    assert_eq!(lock.acquire(), Err(LockError::OwnerDied(())));
    assert_eq!(lock.release(), Ok(()));
    die_holding(&lock);
    assert_eq!(lock.acquire_timeout(SHORT), Err(LockError::OwnerDied(())));
    assert_eq!(lock.release(), Ok(()));
    // A guard whose lock was given back does nothing, whoever holds it.
    let guard = lock.lock().unwrap();
    assert_eq!(lock.release(), Ok(()));
    let mut other = start(|| {
        mem::forget(lock.lock().unwrap());
        loop {
            thread::park();
        }
    });
    while !lock.is_locked() {
        thread::yield_now();
    }
    drop(guard);
    assert!(lock.is_locked(), "still the other's");
    other.kill();
    other.wait();
    passed()
}
