//! The states of a mutex's value: consistent, poisoned, and who is told.

use std::mem;
use std::panic::{self, AssertUnwindSafe};

use ipc_sync::{LockError, Mutex, MutexGuard, Recovery, TryLockError};
use testkit::Outcome;

use crate::together::{SHORT, finish, in_child, passed, start};

/// Two numbers that are equal when nobody is changing them.
type Pair = Mutex<[u64; 2]>;

type Taken<'m> = Result<MutexGuard<'m, [u64; 2]>, LockError<Recovery<'m, [u64; 2]>>>;

fn owner_died(taken: Taken<'_>) -> Recovery<'_, [u64; 2]> {
    match taken {
        Err(LockError::OwnerDied(recovery)) => recovery,
        other => panic!("{other:?}"),
    }
}

fn poisoned(taken: Taken<'_>) -> Recovery<'_, [u64; 2]> {
    match taken {
        Err(LockError::Poisoned(recovery)) => recovery,
        other => panic!("{other:?}"),
    }
}

/// A process dies between two steps of a change.
fn die_half_way(pair: &Pair) {
    in_child(|| {
        let mut guard = pair
            .lock()
            .or_else(|error| error.into_inner().map(Recovery::into_guard).ok_or(()))
            .unwrap();
        guard[0] += 1;
        mem::forget(guard);
        true
    });
}

/// Runs `body`, which panics, without printing what it says.
fn panics(body: impl FnOnce()) {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let panicked = panic::catch_unwind(AssertUnwindSafe(body)).is_err();
    panic::set_hook(hook);
    assert!(panicked);
}

pub(crate) fn what_one_adds_another_finds() -> Outcome {
    let pair = Pair::new([1, 2])?;
    in_child(|| {
        let mut guard = pair.lock().unwrap();
        *guard == [1, 2] && {
            *guard = [3, 4];
            true
        }
    });
    assert_eq!(*pair.lock().unwrap(), [3, 4]);
    pair.set([5, 6]).unwrap();
    in_child(|| {
        pair.get().unwrap() == [5, 6] && pair.update(|[a, b]| [a * 2, b * 2]).unwrap() == [10, 12]
    });
    assert_eq!(pair.get().unwrap(), [10, 12]);
    assert_eq!(format!("{:?}", pair.lock().unwrap()), "[10, 12]");
    passed()
}

pub(crate) fn processes_add_right() -> Outcome {
    const TIMES: u64 = 20_000;
    let pair = Pair::new([0, 0])?;
    let mut adders = [(); 4].map(|()| {
        start(|| {
            for _ in 0..TIMES {
                let mut guard = pair.lock().unwrap();
                guard[0] += 1;
                guard[1] += 1;
            }
            true
        })
    });
    adders.iter_mut().for_each(finish);
    assert_eq!(pair.get().unwrap(), [4 * TIMES, 4 * TIMES]);
    passed()
}

pub(crate) fn after_a_death_it_can_be_recovered() -> Outcome {
    let pair = Pair::new([7, 7])?;
    die_half_way(&pair);
    let recovery = owner_died(pair.lock());
    assert_eq!(recovery.get(), [8, 7], "it shows what was left");
    in_child(|| pair.try_lock().unwrap_err().is_would_block());
    let mut guard = recovery.recover(|pair| *pair = [0, 0]);
    assert!(MutexGuard::is_consistent(&guard));
    guard[0] = 1;
    drop(guard);
    in_child(|| *pair.lock().unwrap() == [1, 0]);
    assert_eq!(pair.stats().deaths, 1);
    passed()
}

pub(crate) fn a_whole_value_can_be_kept() -> Outcome {
    let pair = Pair::new([7, 7])?;
    die_half_way(&pair);
    drop(owner_died(pair.lock()).mark_consistent());
    assert_eq!(*pair.lock().unwrap(), [8, 7]);
    die_half_way(&pair);
    let mut guard = owner_died(pair.lock()).into_guard();
    assert!(!MutexGuard::is_consistent(&guard));
    MutexGuard::mark_consistent(&mut guard);
    drop(guard);
    assert_eq!(*pair.lock().unwrap(), [9, 7]);
    passed()
}

pub(crate) fn what_nobody_recovers_is_poisoned() -> Outcome {
    let pair = Pair::new([7, 7])?;
    die_half_way(&pair);
    drop(owner_died(pair.lock()));
    for _ in 0..2 {
        drop(poisoned(pair.lock()));
        in_child(|| pair.lock().unwrap_err().is_poisoned());
    }
    drop(poisoned(pair.lock()).into_guard());
    assert!(pair.stats().is_poisoned);
    drop(poisoned(pair.lock()).recover(|pair| *pair = [1, 1]));
    assert!(!pair.stats().is_poisoned);
    in_child(|| *pair.lock().unwrap() == [1, 1]);
    assert_eq!(pair.stats().deaths, 1);
    passed()
}

pub(crate) fn a_death_after_a_death_is_told_again() -> Outcome {
    let pair = Pair::new([7, 7])?;
    die_half_way(&pair);
    die_half_way(&pair);
    drop(owner_died(pair.lock()));
    die_half_way(&pair);
    drop(owner_died(pair.lock()).recover(|pair| *pair = [0, 0]));
    assert_eq!(pair.stats().deaths, 3);
    assert_eq!(pair.get().unwrap(), [0, 0]);
    passed()
}

pub(crate) fn copies_are_refused_while_poisoned() -> Outcome {
    let pair = Pair::new([7, 7])?;
    die_half_way(&pair);
    assert!(pair.get().unwrap_err().is_owner_died());
    assert!(pair.get().unwrap_err().is_poisoned());
    assert!(pair.set([1, 1]).unwrap_err().is_poisoned());
    assert!(pair.update(|pair| pair).unwrap_err().is_poisoned());
    assert_eq!(poisoned(pair.lock()).get(), [8, 7], "none of it was done");
    // But to say what it shall be is to recover it.
    assert_eq!(*pair.reset([2, 2]).unwrap(), [2, 2]);
    assert_eq!(pair.get().unwrap(), [2, 2]);
    die_half_way(&pair);
    drop(pair.reset([3, 3]).unwrap());
    assert_eq!(pair.get().unwrap(), [3, 3]);
    passed()
}

/// Sets a pair when it is dropped.
struct CleansUp<'m>(&'m Pair);

impl Drop for CleansUp<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = [1, 1];
    }
}

pub(crate) fn a_panic_poisons() -> Outcome {
    let pair = Pair::new([7, 7])?;
    panics(|| {
        let mut guard = pair.lock().unwrap();
        guard[0] = 0;
        panic!("half way");
    });
    assert!(!pair.is_locked());
    drop(poisoned(pair.lock()).recover(|pair| *pair = [7, 7]));
    drop(pair.lock().unwrap());
    // A guard that was taken in a panic, to clean up, is not in the middle of anything.
    panics(|| {
        let _cleaner = CleansUp(&pair);
        panic!("elsewhere");
    });
    assert_eq!(*pair.lock().unwrap(), [1, 1]);
    passed()
}

pub(crate) fn a_panic_in_a_repair_poisons() -> Outcome {
    let pair = Pair::new([7, 7])?;
    die_half_way(&pair);
    panics(|| {
        drop(owner_died(pair.lock()).recover(|pair| {
            pair[0] = 0;
            panic!("half way");
        }));
    });
    assert_eq!(poisoned(pair.lock()).get(), [0, 7]);
    passed()
}

pub(crate) fn a_panic_in_an_update_changes_nothing() -> Outcome {
    let pair = Pair::new([7, 7])?;
    panics(|| {
        pair.update(|_| panic!("before it was written")).unwrap();
    });
    assert_eq!(pair.get().unwrap(), [7, 7]);
    passed()
}

pub(crate) fn a_forked_childs_panic_poisons_nothing() -> Outcome {
    let pair = Pair::new([7, 7])?;
    let mut guard = Some(pair.lock().unwrap());
    in_child(|| {
        panics(|| {
            let _inherited = guard.take();
            panic!("in the child");
        });
        true
    });
    drop(guard);
    assert_eq!(pair.get().unwrap(), [7, 7]);
    passed()
}

pub(crate) fn tries_and_timeouts_tell() -> Outcome {
    let pair = Pair::new([7, 7])?;
    die_half_way(&pair);
    assert!(matches!(pair.try_lock(), Err(TryLockError::OwnerDied(_))));
    assert!(matches!(pair.try_lock(), Err(TryLockError::Poisoned(_))));
    assert!(pair.lock_timeout(SHORT).unwrap_err().is_poisoned());
    die_half_way(&pair);
    assert!(pair.lock_timeout(SHORT).unwrap_err().is_owner_died());
    let guard = poisoned(pair.lock()).mark_consistent();
    in_child(|| {
        pair.try_lock().unwrap_err().is_would_block()
            && pair.lock_timeout(SHORT).unwrap_err().is_timeout()
    });
    assert!(matches!(pair.lock(), Err(LockError::WouldDeadlock)));
    drop(guard);
    drop(pair.try_lock().unwrap());
    drop(pair.lock_timeout(SHORT).unwrap());
    passed()
}
