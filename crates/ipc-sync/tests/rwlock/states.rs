//! The states of the value: consistent, poisoned, corrupt, and who is told.

use std::mem;
use std::panic::{self, AssertUnwindSafe};

use ipc_core::Placed;
use ipc_core::primitive::AtomicU32;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_sync::{
    LockError, Readers, RwLock, RwLockReadGuard, RwLockRecovery, RwLockWriteGuard, TryLockError,
};
use testkit::{Counter, Outcome, SharedArena};

use crate::places::over;
use crate::together::{LONG, SHORT, finish, in_child, passed, start};

/// Two numbers that are equal when nobody is changing them.
type Pair = RwLock<[u64; 2]>;
type Taken<'p> = Result<RwLockWriteGuard<'p, [u64; 2]>, LockError<RwLockRecovery<'p, [u64; 2]>>>;

fn died(taken: Taken<'_>) -> RwLockRecovery<'_, [u64; 2]> {
    match taken {
        Err(LockError::OwnerDied(recovery)) => recovery,
        other => panic!("{other:?}"),
    }
}

fn poisoned(taken: Taken<'_>) -> RwLockRecovery<'_, [u64; 2]> {
    match taken {
        Err(LockError::Poisoned(recovery)) => recovery,
        other => panic!("{other:?}"),
    }
}

/// A process dies between two steps of a change.
fn die_half_way(pair: &Pair) {
    in_child(|| {
        let mut guard = pair
            .write()
            .or_else(|error| error.into_inner().map(RwLockRecovery::into_guard).ok_or(()))
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

pub(crate) fn it_can_be_recovered() -> Outcome {
    let pair = Pair::new([7, 7])?;
    for deaths in 1..=2 {
        die_half_way(&pair);
        assert_eq!(pair.stats().writer, None, "the dead hold nothing");
        let recovery = died(pair.write());
        assert_eq!(recovery.get(), [8, 7], "it shows what was left");
        in_child(|| pair.try_read().unwrap_err().is_would_block());
        let guard = recovery.recover(|pair| *pair = [7, 7]);
        assert!(RwLockWriteGuard::is_consistent(&guard));
        drop(guard);
        in_child(|| *pair.read().unwrap() == [7, 7] && pair.write().is_ok());
        assert_eq!(pair.stats().dead_writers, deaths);
    }
    die_half_way(&pair);
    assert!(pair.try_write().unwrap_err().is_owner_died(), "it is told to who tries");
    die_half_way(&pair);
    drop(died(pair.write_timeout(SHORT)).mark_consistent());
    assert_eq!(*pair.read().unwrap(), [9, 7]);
    passed()
}

pub(crate) fn a_reader_may_look() -> Outcome {
    let pair = Pair::new([7, 7])?;
    die_half_way(&pair);
    match pair.read() {
        Err(LockError::OwnerDied(guard)) => {
            assert_eq!(*guard, [8, 7]);
            assert!(!RwLockReadGuard::is_consistent(&guard));
            // Others are told, too; all of them may look at the same time.
            in_child(|| matches!(pair.read(), Err(LockError::Poisoned(guard)) if *guard == [8, 7]));
        }
        other => return Err(format!("{other:?}").into()),
    }
    assert!(matches!(pair.try_read(), Err(TryLockError::Poisoned(_))));
    assert!(pair.read_timeout(SHORT).unwrap_err().is_poisoned());
    drop(poisoned(pair.write()).recover(|pair| pair[1] = 8));
    assert_eq!(*pair.read().unwrap(), [8, 8]);
    die_half_way(&pair);
    assert!(matches!(pair.try_read(), Err(TryLockError::OwnerDied(_))));
    assert_eq!(pair.stats().dead_writers, 2);
    passed()
}

pub(crate) fn what_nobody_recovers_is_poisoned() -> Outcome {
    let pair = Pair::new([7, 7])?;
    die_half_way(&pair);
    die_half_way(&pair);
    drop(died(pair.write()));
    for _ in 0..2 {
        drop(poisoned(pair.write()));
        in_child(|| pair.write().unwrap_err().is_poisoned() && pair.read().is_err());
    }
    assert!(pair.get().unwrap_err().is_poisoned());
    assert!(pair.set([1, 1]).unwrap_err().is_poisoned());
    assert!(pair.update(|pair| pair).unwrap_err().is_poisoned());
    let mut guard = poisoned(pair.write()).into_guard();
    assert_eq!(*guard, [9, 7], "none of it was done");
    assert!(!RwLockWriteGuard::is_consistent(&guard));
    RwLockWriteGuard::mark_consistent(&mut guard);
    drop(guard);
    assert!(!pair.stats().is_poisoned);
    assert_eq!(pair.get().unwrap(), [9, 7]);
    die_half_way(&pair);
    // To say what it shall be is to recover it.
    assert_eq!(*pair.reset([2, 2]).unwrap(), [2, 2]);
    pair.set([3, 3]).unwrap();
    assert_eq!(pair.update(|[a, b]| [a * 2, b * 2]).unwrap(), [6, 6]);
    passed()
}

pub(crate) fn a_death_wakes_all_who_wait() -> Outcome {
    let pair = Pair::with_readers([0, 0], Readers::new(2).ok_or("a number")?)?;
    let notes = SharedArena::<Counter>::new(2);
    let mut writer = start(|| {
        let _guard = pair.write().unwrap();
        notes[0].set(1);
        notes[0].wait_until(|note| note == 2);
        true
    });
    notes[0].wait_until(|note| note == 1);
    let read = || match pair.read() {
        Err(error) => {
            notes[1].add(u64::from(error.is_owner_died()));
            error.is_owner_died() || error.is_poisoned()
        }
        Ok(_) => false,
    };
    let mut waiting = [(); 3].map(|()| start(read));
    for child in &mut waiting {
        child.wait_asleep(LONG)?;
    }
    writer.kill();
    waiting.iter_mut().for_each(finish);
    assert_eq!(notes[1].get(), 1, "one of them was told of the death, the others of its trace");
    assert!(!writer.wait().is_success());
    passed()
}

pub(crate) fn who_dies_waiting_changes_nothing() -> Outcome {
    let pair = Pair::new([0, 0])?;
    let guard = pair.read().unwrap();
    let mut writer = start(|| pair.write().is_ok());
    writer.wait_asleep(LONG)?;
    let mut reader = start(|| pair.read().is_ok());
    reader.wait_asleep(LONG)?;
    // It held the writer's word, and had not come in.
    writer.kill();
    finish(&mut reader);
    drop(guard);
    assert!(pair.write().is_ok());
    assert_eq!((pair.stats().dead_writers, pair.stats().is_poisoned), (0, false));
    assert!(!writer.wait().is_success());
    passed()
}

pub(crate) fn who_times_out_leaves_it_untold() -> Outcome {
    let one = Readers::new(1).ok_or("a number")?;
    let pair = Pair::with_readers([0, 0], one)?;
    let notes = SharedArena::<Counter>::new(1);
    die_half_way(&pair);
    // Somebody has the only slot, as one has who is about to see that it must give way.
    let slot: Placed<AtomicU32> = over(&pair, 64);
    let mut other = start(|| {
        slot.store(ipc_core::robust::Thread::current().tid(), Relaxed);
        notes[0].set(1);
        notes[0].wait_until(|note| note == 2);
        slot.store(0, Relaxed);
        true
    });
    notes[0].wait_until(|note| note == 1);
    assert!(pair.write_timeout(SHORT).unwrap_err().is_timeout());
    assert!(pair.try_write().unwrap_err().is_would_block());
    assert!(pair.read_timeout(SHORT).unwrap_err().is_timeout());
    notes[0].set(2);
    finish(&mut other);
    drop(died(pair.write()));
    assert_eq!(pair.stats().dead_writers, 1);
    passed()
}

pub(crate) fn a_thread_may_die_alone() -> Outcome {
    let pair = Pair::new([0, 0])?;
    testkit::die_alone(|| mem::forget(pair.read().unwrap()));
    testkit::die_alone(|| mem::forget(pair.write().unwrap()));
    drop(died(pair.write()).recover(|pair| *pair = [1, 1]));
    assert_eq!(pair.stats().dead_readers, 1);
    assert_eq!(pair.get().unwrap(), [1, 1]);
    passed()
}

pub(crate) fn a_panic_poisons() -> Outcome {
    let pair = Pair::new([7, 7])?;
    panics(|| {
        let _guard = pair.read().unwrap();
        panic!("while it reads");
    });
    panics(|| {
        let mut guard = pair.write().unwrap();
        guard[0] = 0;
        panic!("half way");
    });
    assert_eq!(pair.stats().writer, None);
    drop(poisoned(pair.write()).recover(|pair| *pair = [7, 7]));
    panics(|| {
        let _recovery = pair.write().unwrap();
        let _guard = panic::catch_unwind(AssertUnwindSafe(|| pair.write())).unwrap();
        panic!("half way");
    });
    panics(|| {
        drop(poisoned(pair.write()).recover(|pair| {
            pair[0] = 0;
            panic!("half way");
        }));
    });
    assert_eq!(poisoned(pair.write()).get(), [0, 7]);
    drop(poisoned(pair.write()).mark_consistent());
    let mut guard = Some(pair.write().unwrap());
    in_child(|| {
        panics(|| {
            let _inherited = guard.take();
            panic!("in the child");
        });
        true
    });
    drop(guard);
    assert_eq!(pair.get().unwrap(), [0, 7], "a child's panic is not its parent's");
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

pub(crate) fn bytes_that_are_no_value_are_refused() -> Outcome {
    let one = Readers::new(1).ok_or("a number")?;
    let letter = RwLock::with_readers('a', one)?;
    let value: Placed<AtomicU32> = over(&letter, 128);
    assert_eq!(value.load(Relaxed), u32::from('a'));
    value.store(0xd800, Relaxed);
    for _ in 0..2 {
        assert!(matches!(letter.read(), Err(LockError::Corrupt)));
        assert!(matches!(letter.write(), Err(LockError::Corrupt)));
        assert!(matches!(letter.try_read(), Err(TryLockError::Corrupt)));
        assert!(matches!(letter.try_write(), Err(TryLockError::Corrupt)));
        assert!(matches!(letter.read_timeout(SHORT), Err(LockError::Corrupt)));
        assert!(matches!(letter.write_timeout(SHORT), Err(LockError::Corrupt)));
        assert!(matches!(letter.get(), Err(LockError::Corrupt)));
        assert!(matches!(letter.update(|letter| letter), Err(LockError::Corrupt)));
        let stats = letter.stats();
        assert!(stats.writer.is_none() && stats.readers.is_empty(), "it was given back each time");
    }
    letter.set('b').unwrap();
    assert_eq!(*letter.read().unwrap(), 'b');
    value.store(u32::MAX, Relaxed);
    assert_eq!(*letter.reset('c').unwrap(), 'c');
    assert_eq!(letter.get().unwrap(), 'c');
    passed()
}
