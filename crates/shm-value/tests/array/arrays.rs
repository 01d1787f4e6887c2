//! Arrays under locks.
#![expect(unsafe_code, reason = "writes over the first words of an array")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{ProcessId, Segment, SegmentError, wire};
use ipc_sync::LockError;
use shm_value::{Array, ArrayError, ArrayGuard};
use testkit::leaks::Snapshot;
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{finish, in_child, passed, start};

pub(crate) fn what_one_writes_another_reads() -> Outcome {
    let array = Array::from_slice(&[1.0, 2.0, 3.0])?;
    in_child(|| {
        let mut values = array.write().unwrap();
        values.iter_mut().for_each(|value| *value *= 2.0);
        *values == [2.0, 4.0, 6.0]
    });
    assert_eq!(*array.read()?, [2.0, 4.0, 6.0]);
    assert_eq!(array.to_vec()?, [2.0, 4.0, 6.0]);
    passed()
}

pub(crate) fn values_are_got_set_and_copied() -> Outcome {
    for parts in [1, 2, 3, 10, 12] {
        let array = Array::<u32>::zeroed_in_parts(10, parts)?;
        assert_eq!((array.len(), array.parts()), (10, parts));
        for idx in 0..10_u32 {
            array.set(idx as usize, idx)?;
        }
        for idx in 0..10_u32 {
            assert_eq!(array.get(idx as usize)?, idx, "in {parts}");
        }
        array.copy_in(3, &[30, 40, 50, 60])?;
        let mut found = [0; 6];
        array.copy_out(2, &mut found)?;
        assert_eq!(found, [2, 30, 40, 50, 60, 7], "in {parts}");
        array.copy_out(10, &mut [])?;
        array.copy_in(0, &[])?;
    }
    assert!(Array::<u64>::from_slice(&[])?.is_empty());
    passed()
}

pub(crate) fn what_is_outside_is_refused() -> Outcome {
    let array = Array::<u32>::zeroed_in_parts(10, 3)?;
    for idx in [10, 11, usize::MAX] {
        assert!(matches!(array.get(idx), Err(ArrayError::OutOfBounds { .. })));
        assert!(matches!(array.set(idx, 1), Err(ArrayError::OutOfBounds { .. })));
    }
    assert!(matches!(array.copy_in(9, &[1, 2]), Err(ArrayError::OutOfBounds { .. })));
    assert!(matches!(array.copy_out(9, &mut [1, 2]), Err(ArrayError::OutOfBounds { .. })));
    assert!(array.write_part(3).unwrap().is_empty());
    assert!(array.read_part(usize::MAX)?.is_empty());
    for parts in [0, 513] {
        let refused = Array::<u32>::zeroed_in_parts(10, parts);
        assert!(matches!(refused, Err(ArrayError::BadParts { .. })));
    }
    let refused = Array::<u64>::zeroed(usize::MAX / 4);
    assert!(matches!(refused, Err(ArrayError::Segment(SegmentError::NoSpace { .. }))));
    passed()
}

pub(crate) fn parts_cover_all() -> Outcome {
    for (len, parts) in [(0, 1), (0, 5), (1, 5), (5, 5), (17, 5), (1000, 7), (1000, 512)] {
        let array = Array::<u8>::zeroed_in_parts(len, parts)?;
        let mut next = 0;
        for part in 0..parts {
            let range = array.part(part);
            assert_eq!(range.start, next);
            assert!(range.len().abs_diff(len / parts) <= 1);
            next = range.end;
        }
        assert_eq!((next, array.part(parts)), (len, len..len));
    }
    passed()
}

pub(crate) fn workers_write_their_parts() -> Outcome {
    let array = Array::<u64>::zeroed_in_parts(1_001, 4)?;
    let inside = SharedArena::<Counter>::new(2);
    let workers: Vec<_> = (0..4)
        .map(|part| {
            let (array, inside) = (&array, &inside);
            start(move || {
                let mut values = array.write_part(part).unwrap();
                // All are inside at the same time.
                inside[0].add(1);
                inside[0].wait_until(|n| n == 4);
                values.fill(part as u64 + 1);
                values.len() == array.part(part).len()
            })
        })
        .collect();
    workers.into_iter().for_each(finish);
    let values = array.read()?;
    for part in 0..4 {
        assert!(values[array.part(part)].iter().all(|value| *value == part as u64 + 1));
    }
    // The same part is not for two.
    drop(values);
    let _one = array.write_part(1).unwrap();
    let waits = start(|| {
        inside[1].set(1);
        array.write_part(1).is_ok_and(|values| values[0] == 9)
    });
    inside[1].wait_until(|n| n == 1);
    let mut one = _one;
    one[0] = 9;
    drop(one);
    finish(waits);
    passed()
}

pub(crate) fn processes_sum_parts() -> Outcome {
    const LEN: u32 = 1 << 20;
    let array = Array::<u64>::zeroed_in_parts(LEN as usize, 3)?;
    for (n, value) in (0_u64..).zip(&mut *array.write().unwrap()) {
        *value = n;
    }
    let sums = SharedArena::<Counter>::new(3);
    let workers: Vec<_> = (0..3)
        .map(|part| {
            let (array, sums) = (&array, &sums);
            start(move || {
                sums[part].set(array.read_part(part).unwrap().iter().sum());
                true
            })
        })
        .collect();
    workers.into_iter().for_each(finish);
    assert_eq!(sums.iter().map(Counter::get).sum::<u64>(), u64::from(LEN) * u64::from(LEN - 1) / 2);
    passed()
}

pub(crate) fn copies_are_of_one_moment() -> Outcome {
    let array = Array::<u64>::zeroed_in_parts(40, 4)?;
    let stop = SharedArena::<Counter>::new(1);
    let writer = start(|| {
        let mut number = 0;
        while stop[0].get() == 0 {
            number += 1;
            array.copy_in(5, &[number; 30]).unwrap();
        }
        true
    });
    let (mut last, mut n_different) = (0, 0);
    while n_different < 200 {
        let mut found = [0; 30];
        array.copy_out(5, &mut found)?;
        assert_eq!(found, [found[0]; 30], "torn");
        n_different += u32::from(found[0] != last);
        last = found[0];
    }
    stop[0].set(1);
    finish(writer);
    passed()
}

pub(crate) fn after_a_death_it_can_be_recovered() -> Outcome {
    let array = Array::<u64>::zeroed_in_parts(10, 2)?;
    in_child(|| {
        let mut values = array.write_part(1).unwrap();
        values[0] = 7;
        std::mem::forget(values);
        true
    });
    // The other part is as good as before.
    array.set(0, 1)?;
    assert!(matches!(array.get(5), Err(ArrayError::Lock(LockError::OwnerDied(())))));
    match array.write() {
        Err(LockError::Poisoned(values)) => assert_eq!(values[5], 7),
        other => panic!("{other:?}"),
    }
    // Until somebody says that it is whole.
    match array.write_part(1) {
        Err(LockError::Poisoned(mut values)) => {
            assert!(!ArrayGuard::is_consistent(&values));
            values.fill(0);
            ArrayGuard::mark_consistent(&mut values);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(array.get(5)?, 0);
    assert!(ArrayGuard::is_consistent(&array.write().unwrap()));
    in_child(|| {
        std::mem::forget(array.write().unwrap());
        true
    });
    assert!(array.write().unwrap_err().is_owner_died());
    assert!(array.write().unwrap_err().is_poisoned());
    passed()
}

pub(crate) fn a_panic_poisons() -> Outcome {
    let array = Array::<u64>::zeroed(10)?;
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let mut values = array.write().unwrap();
        values[0] = 7;
        panic!("in the middle");
    }));
    assert!(ended.is_err());
    assert!(matches!(array.read(), Err(ArrayError::Lock(LockError::Poisoned(())))));
    assert!(matches!(array.set(1, 1), Err(ArrayError::Lock(LockError::Poisoned(())))));
    let mut values = array.write().unwrap_err().into_inner().unwrap();
    ArrayGuard::mark_consistent(&mut values);
    drop(values);
    assert_eq!(array.get(0)?, 7);
    passed()
}

pub(crate) fn nobody_waits_for_itself() -> Outcome {
    let array = Array::<u64>::zeroed_in_parts(10, 2)?;
    let values = array.write_part(0).unwrap();
    assert!(matches!(array.write(), Err(LockError::WouldDeadlock)));
    assert!(matches!(array.get(0), Err(ArrayError::Lock(LockError::WouldDeadlock))));
    assert_eq!(array.get(9)?, 0);
    drop(values);
    assert_eq!(array.get(0)?, 0);
    passed()
}

pub(crate) fn values_have_dimensions() -> Outcome {
    let array = Array::from_slice(&[0, 1, 2, 3, 4, 5])?;
    let mut values = array.write().unwrap();
    let mut rows = values.shaped([3, 2])?;
    rows[[2, 1]] = 50;
    assert_eq!((rows[[1, 0]], rows.shape()), (2, [3, 2]));
    assert_eq!(rows.get_mut([3, 0]), None);
    assert!(matches!(values.shaped([3, 3]), Err(ArrayError::BadShape { len: 6 })));
    assert!(values.shaped([usize::MAX, 2]).is_err());
    drop(values);
    let values = array.read()?;
    let cube = values.shaped([1, 2, 3])?;
    assert_eq!((cube[[0, 1, 2]], cube.get([0, 2, 0]), cube.get([0, 1, 3])), (50, None, None));
    assert_eq!(values.shaped([2, 3])?.row(1), Some(&[3, 4, 50][..]));
    assert_eq!(values.shaped([2, 3])?.row(2), None);
    passed()
}

pub(crate) fn an_array_that_travels_is_the_same() -> Outcome {
    let array = Array::<u16>::zeroed_in_parts(10, 2)?;
    let received: Array<u16> = wire::decode(wire::encode(&array)?)?;
    assert_eq!((received.len(), received.parts()), (10, 2));
    received.set(9, 7)?;
    assert_eq!(array.get(9)?, 7);
    assert!(wire::decode::<Array<i16>>(wire::encode(&array)?).is_err());
    // Safe code can place nothing over it.
    assert!(matches!(array.segment().at::<AtomicU64>(0), Err(SegmentError::Exclusive { .. })));
    passed()
}

pub(crate) fn words_that_lie_are_not_believed() -> Outcome {
    let array = Array::<u16>::zeroed_in_parts(10, 2)?;
    // SAFETY: the first words are of the array's own; nobody has a reference to a value.
    let words = unsafe { array.segment().place_slice_exclusive::<AtomicU64>(0, 2) }?;
    for lie in [[11, 2], [u64::MAX, 2], [10, 1], [10, 3], [10, 0], [10, u64::MAX]] {
        let honest = [0, 1].map(|idx| words[idx].load(Relaxed));
        for (word, number) in words.iter().zip(lie) {
            word.store(number, Relaxed);
        }
        // Who has it keeps to what was checked.
        assert_eq!((array.len(), array.parts(), array.get(9)?), (10, 2, 0));
        let opened = wire::decode::<Array<u16>>(wire::encode(array.segment())?);
        // Eleven small values take as much room as ten.
        assert!(opened.is_err() || lie == [11, 2], "{lie:?}");
        for (word, number) in words.iter().zip(honest) {
            word.store(number, Relaxed);
        }
    }
    passed()
}

pub(crate) fn arrays_have_names() -> Outcome {
    let name = format!("shm-array-{}", ProcessId::current()?.pid());
    let array = Array::<f32>::create_named(&name, 100, 4)?;
    in_child(|| Array::<f32>::open_named(&name).is_ok_and(|array| array.set(99, 1.5).is_ok()));
    assert_eq!(array.get(99)?.to_bits(), 1.5_f32.to_bits());
    assert!(Array::<u32>::open_named(&name).is_err());
    Segment::unlink(&name)?;
    passed()
}

pub(crate) fn nothing_is_left_of_arrays() -> Outcome {
    drop(Array::<u64>::zeroed(10)?);
    let before = Snapshot::take();
    for _ in 0..3 {
        let array = Array::<u64>::zeroed_in_parts(1_000, 5)?;
        drop(array.write().unwrap());
        let copy = array.clone();
        in_child(|| copy.set(1, 1).is_ok());
        drop(wire::decode::<Array<u64>>(wire::encode(&copy)?)?);
    }
    before.assert_none();
    passed()
}
