//! Vectors.

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{ProcessId, Segment, wire};
use shm_value::{AccessError, ChangeError, ShmVec};
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{finish, in_child, passed, start};

pub(crate) fn it_is_filled_and_emptied() -> Outcome {
    let vec = ShmVec::<[u32; 3]>::with_capacity(3)?;
    assert!(vec.is_empty());
    in_child(|| (0..3).all(|n| vec.push([n; 3]).is_ok()) && vec.push([3; 3]).is_err());
    assert_eq!((vec.len(), vec.capacity()), (3, 3));
    assert_eq!(vec.push([3; 3]), Err(ChangeError::Full));
    assert_eq!((vec.get(2)?, vec.get(3)?), (Some([2; 3]), None));
    vec.set(1, [7; 3])?;
    assert_eq!(vec.update(1, |item| item.map(|n| n + 1))?, [8; 3]);
    assert_eq!(vec.set(3, [0; 3]), Err(ChangeError::OutOfBounds { idx: 3, len: 3 }));
    assert_eq!(vec.to_vec()?, [[0; 3], [8; 3], [2; 3]]);
    assert_eq!(vec.iter().collect::<Result<Vec<_>, _>>()?, vec.to_vec()?);
    assert_eq!(vec.pop()?, Some([2; 3]));
    assert_eq!(vec.update(2, |item| item), Err(ChangeError::OutOfBounds { idx: 2, len: 2 }));
    vec.truncate(5)?;
    vec.truncate(1)?;
    assert_eq!(vec.to_vec()?, [[0; 3]]);
    vec.clear()?;
    assert_eq!((vec.pop()?, vec.len()), (None, 0));
    passed()
}

pub(crate) fn many_push_and_pop() -> Outcome {
    const EACH: u64 = 400;
    let vec = ShmVec::<u64>::with_capacity(50)?;
    let sums = SharedArena::<Counter>::new(2);
    let pushers: Vec<_> = (0..2)
        .map(|_| {
            start(|| {
                for n in 1..=EACH {
                    while vec.push(n).is_err() {}
                }
                true
            })
        })
        .collect();
    let poppers: Vec<_> = (0..2)
        .map(|_| {
            start(|| {
                while sums[1].get() < 2 * EACH {
                    if let Some(n) = vec.pop().unwrap() {
                        sums[0].add(n);
                        sums[1].add(1);
                    }
                }
                true
            })
        })
        .collect();
    pushers.into_iter().chain(poppers).for_each(finish);
    assert_eq!((sums[0].get(), vec.len()), (EACH * (EACH + 1), 0));
    passed()
}

pub(crate) fn a_change_in_a_change_is_refused() -> Outcome {
    let vec = ShmVec::<u64>::with_capacity(2)?;
    vec.push(1)?;
    let mut inner = None;
    vec.update(0, |item| {
        inner = Some((vec.push(2), vec.get(0)));
        item
    })?;
    assert_eq!(inner, Some((Err(AccessError::WouldDeadlock.into()), Ok(Some(1)))));
    passed()
}

pub(crate) fn words_that_lie_are_not_believed() -> Outcome {
    let vec = ShmVec::<bool>::with_capacity(2)?;
    vec.push(true)?;
    let words: &[AtomicU64] = vec.segment().slice_at(64, 8)?;
    // More than there is room for.
    words[1].store(u64::MAX, Relaxed);
    assert_eq!((vec.len(), vec.get(2)?), (2, None));
    assert_eq!(vec.push(true), Err(ChangeError::Full));
    // Neither copy is a truth.
    words[3].store(2, Relaxed);
    words[4].store(2, Relaxed);
    assert_eq!(vec.get(0), Err(AccessError::Corrupt));
    assert_eq!(vec.to_vec(), Err(AccessError::Corrupt));
    vec.set(0, false)?;
    assert_eq!(vec.get(0)?, Some(false));
    for lie in [0, 1, 3, u64::MAX] {
        words[0].store(lie, Relaxed);
        assert_eq!(vec.capacity(), 2);
        assert!(wire::decode::<ShmVec<bool>>(wire::encode(vec.segment())?).is_err());
    }
    passed()
}

pub(crate) fn it_travels_and_has_names() -> Outcome {
    let vec = ShmVec::<u16>::with_capacity(2)?;
    let received: ShmVec<u16> = wire::decode(wire::encode(&vec)?)?;
    received.push(7)?;
    assert_eq!(vec.to_vec()?, [7]);
    assert!(wire::decode::<ShmVec<i16>>(wire::encode(&vec)?).is_err());
    let name = format!("shm-vec-{}", ProcessId::current()?.pid());
    let named = ShmVec::<u16>::create_named(&name, 2)?;
    in_child(|| ShmVec::<u16>::open_named(&name).is_ok_and(|vec| vec.push(7).is_ok()));
    assert_eq!(named.len(), 1);
    Segment::unlink(&name)?;
    passed()
}
