//! Values between processes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use shm_value::bytemuck::{CheckedBitPattern, NoUninit};
use shm_value::{AccessError, RawValue, Value};
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{finish, in_child, passed, start};

const SHORT: Duration = Duration::from_millis(20);

pub(crate) fn what_one_sets_another_gets() -> Outcome {
    let triple = Value::new([1.0, 2.0, 3.0])?;
    let letter = Value::new('a')?;
    let is_ready = RawValue::new(false)?;
    in_child(|| {
        let found = triple.get() == Ok([1.0, 2.0, 3.0]) && letter.get() == Ok('a');
        triple.set([4.0, 5.0, 6.0]).unwrap();
        letter.set('ä').unwrap();
        is_ready.set(true);
        found
    });
    assert_eq!(triple.get(), Ok([4.0, 5.0, 6.0]));
    assert_eq!(letter.get(), Ok('ä'));
    assert_eq!(is_ready.get(), Ok(true));
    passed()
}

pub(crate) fn updates_lose_nothing() -> Outcome {
    let sums = Value::new([0_u32; 3])?;
    let children: Vec<_> = (0..4)
        .map(|_| start(|| (0..5_000).all(|_| sums.update(|sums| sums.map(|sum| sum + 1)).is_ok())))
        .collect();
    children.into_iter().for_each(finish);
    assert_eq!(sums.get(), Ok([20_000; 3]));
    passed()
}

pub(crate) fn readers_wait_for_nobody() -> Outcome {
    let equal = Value::new([0_u64; 40])?;
    let notes = SharedArena::<Counter>::new(1);
    let writer = start(|| {
        let mut number = 0;
        while notes[0].get() == 0 {
            number += 1;
            equal.set([number; 40]).unwrap();
        }
        true
    });
    let mut last = 0;
    let mut n_different = 0;
    while n_different < 1_000 {
        let found = equal.get().unwrap();
        assert_eq!(found, [found[0]; 40], "torn");
        assert!(found[0] >= last);
        n_different += u32::from(found[0] != last);
        last = found[0];
    }
    notes[0].set(1);
    finish(writer);
    // Also while somebody has a guard, who would keep out whoever took a lock.
    let guard = equal.lock().unwrap();
    in_child(|| equal.get() == Ok(*guard));
    passed()
}

pub(crate) fn a_guard_changes_at_its_end() -> Outcome {
    let pair = Value::new([1_u64, 2])?;
    let mut guard = pair.lock().unwrap();
    guard[0] = 10;
    guard[1] = 20;
    in_child(|| pair.get() == Ok([1, 2]) && pair.is_locked());
    drop(guard);
    in_child(|| pair.get() == Ok([10, 20]) && !pair.is_locked());
    passed()
}

pub(crate) fn a_discarded_guard_changes_nothing() -> Outcome {
    let pair = Value::new([1_u64, 2])?;
    let mut guard = pair.lock().unwrap();
    guard[0] = 10;
    shm_value::ValueGuard::discard(guard);
    assert_eq!(*pair.try_lock().unwrap(), [1, 2]);
    passed()
}

pub(crate) fn a_guard_that_dies_changes_nothing() -> Outcome {
    let pair = Value::new([1_u64, 2])?;
    let number = Value::new(1_u8)?;
    in_child(|| {
        let mut guard = pair.lock().unwrap();
        guard[0] = 10;
        std::mem::forget(guard);
        let mut guard = number.lock().unwrap();
        *guard = 10;
        std::mem::forget(guard);
        true
    });
    assert_eq!((pair.get(), number.get()), (Ok([1, 2]), Ok(1)));
    assert_eq!(pair.update(|[first, second]| [second, first]), Ok([2, 1]));
    assert_eq!(number.update(|number| number + 1), Ok(2));
    passed()
}

pub(crate) fn a_panic_changes_nothing() -> Outcome {
    let pair = Value::new([1_u64, 2])?;
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let mut guard = pair.lock().unwrap();
        guard[0] = 10;
        panic!("in the middle");
    }));
    assert!(ended.is_err());
    let ended = catch_unwind(AssertUnwindSafe(|| pair.update(|_| panic!("in the middle"))));
    assert!(ended.is_err());
    assert_eq!(pair.get(), Ok([1, 2]));
    assert!(pair.try_lock().is_ok(), "nobody has the turn");
    passed()
}

pub(crate) fn a_child_has_no_turn_of_its_parent() -> Outcome {
    let pair = Value::new([1_u64, 2])?;
    let mut guard = pair.lock().ok();
    if let Some(guard) = &mut guard {
        guard[0] = 10;
    }
    in_child(|| {
        drop(guard.take());
        pair.get() == Ok([1, 2]) && pair.try_lock().is_err()
    });
    drop(guard);
    assert_eq!(pair.get(), Ok([10, 2]));
    passed()
}

pub(crate) fn nobody_waits_for_itself() -> Outcome {
    let pair = Value::new([1_u64, 2])?;
    let guard = pair.lock().unwrap();
    assert_eq!(pair.set([3, 4]), Err(AccessError::WouldDeadlock));
    assert_eq!(pair.update(|pair| pair), Err(AccessError::WouldDeadlock));
    assert_eq!(pair.lock().unwrap_err(), AccessError::WouldDeadlock);
    assert_eq!(pair.get(), Ok([1, 2]), "looking is allowed");
    drop(guard);
    pair.set([3, 4]).unwrap();
    passed()
}

pub(crate) fn tries_and_timeouts_end() -> Outcome {
    let pair = Value::new([1_u64, 2])?;
    let _guard = pair.lock().unwrap();
    in_child(|| {
        pair.try_lock().unwrap_err().is_busy() && pair.lock_timeout(SHORT).unwrap_err().is_busy()
    });
    passed()
}

#[derive(Clone, Copy, Debug, PartialEq, NoUninit, CheckedBitPattern)]
#[repr(C)]
struct Flagged {
    flag: bool,
    rest: [u8; 15],
}

pub(crate) fn bytes_that_are_no_value_are_refused() -> Outcome {
    let flag = Value::new(true)?;
    let whole = Flagged { flag: true, rest: [0; 15] };
    let flags = Value::new(whole)?;
    let raw = RawValue::new(true)?;
    // The word of a small value; both copies of a large one; a raw value is all there is.
    for (segment, offset, word) in [
        (flag.segment(), 64, 2 << 56),
        (flags.segment(), 72, 2),
        (flags.segment(), 88, 2),
        (raw.segment(), 0, 2 << 56),
    ] {
        segment.at::<AtomicU64>(offset).unwrap().store(word, Relaxed);
    }
    assert_eq!(flag.get(), Err(AccessError::Corrupt));
    assert_eq!(flag.update(|flag| flag), Err(AccessError::Corrupt));
    assert!(flag.lock().unwrap_err().is_corrupt());
    assert_eq!(flags.get(), Err(AccessError::Corrupt));
    assert_eq!(flags.update(|flags| flags), Err(AccessError::Corrupt));
    assert!(flags.try_lock().unwrap_err().is_corrupt());
    assert_eq!(raw.get(), Err(AccessError::Corrupt));
    // What is written over is not looked at.
    flag.set(false).unwrap();
    flags.set(whole).unwrap();
    raw.set(false);
    assert_eq!((flag.get(), flags.get(), raw.get()), (Ok(false), Ok(whole), Ok(false)));
    passed()
}
