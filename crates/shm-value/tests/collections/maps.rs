//! Maps.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{ProcessId, Segment, wire};
use shm_value::{AccessError, ChangeError, ShareableList, ShmMap, ShmVec};
use testkit::leaks::Snapshot;
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{finish, in_child, passed, start};

pub(crate) fn what_one_inserts_another_gets() -> Outcome {
    let map = ShmMap::<[u8; 12], [f64; 3]>::with_capacity(100)?;
    let key = |n: u8| [n; 12];
    in_child(|| {
        (0..100).all(|n| map.insert(key(n), [f64::from(n); 3]) == Ok(None))
            && map.insert(key(7), [0.5; 3]) == Ok(Some([7.0; 3]))
    });
    assert_eq!(map.len()?, 100);
    assert_eq!((map.get(key(7))?, map.get(key(100))?), (Some([0.5; 3]), None));
    assert!(map.contains_key(key(99))?);
    assert_eq!(map.update(key(7), |value| value.map(|n| n * 2.0))?, Some([0.5; 3]));
    assert_eq!(map.update(key(200), |value| value)?, None);
    assert_eq!((map.remove(key(7))?, map.remove(key(7))?), (Some([1.0; 3]), None));
    assert_eq!((map.len()?, map.iter().count()), (99, 99));
    let copy = map.to_hash_map_of_keys();
    assert_eq!(copy.len(), 99);
    map.clear()?;
    assert!(map.is_empty()? && map.iter().next().is_none());
    assert_eq!(map.get(key(1))?, None);
    passed()
}

/// The keys of a map whose values cannot be compared.
trait Keys {
    fn to_hash_map_of_keys(&self) -> HashMap<[u8; 12], [f64; 3]>;
}

impl Keys for ShmMap<[u8; 12], [f64; 3]> {
    fn to_hash_map_of_keys(&self) -> HashMap<[u8; 12], [f64; 3]> {
        self.to_hash_map().unwrap()
    }
}

pub(crate) fn many_count_at_the_same_keys() -> Outcome {
    const EACH: u64 = 4_000;
    let map = ShmMap::<u64, u64>::with_capacity(10)?;
    let workers: Vec<_> = (0..4)
        .map(|_| {
            start(|| {
                (0..EACH).all(|n| map.alter(n % 10, |count| Some(count.unwrap_or(0) + 1)).is_ok())
            })
        })
        .collect();
    workers.into_iter().for_each(finish);
    assert_eq!(map.to_hash_map()?, (0..10).map(|key| (key, 4 * EACH / 10)).collect());
    passed()
}

pub(crate) fn it_is_full_at_some_time() -> Outcome {
    for capacity in [0_u32, 1, 5, 100, 1_000] {
        let map = ShmMap::<u32, u32>::with_capacity(capacity as usize)?;
        for key in 0..capacity {
            assert_eq!(map.insert(key, key)?, None, "{key} of {capacity}");
        }
        let mut more = capacity;
        while map.insert(more, more).is_ok() {
            more += 1;
        }
        assert_eq!(map.insert(more, 0), Err(ChangeError::Full));
        assert_eq!(map.len()?, more as usize);
        // What is there can be changed still.
        if capacity > 0 {
            assert_eq!(map.insert(0, 7)?, Some(0));
        }
        for key in 0..more {
            assert!(map.remove(key)?.is_some());
        }
        assert!(map.is_empty()?);
        // Nothing wears out.
        for key in 0..20_000 {
            map.insert(key, key)?;
            assert_eq!(map.remove(key)?, Some(key));
        }
    }
    passed()
}

pub(crate) fn what_is_there_is_found() -> Outcome {
    let map = ShmMap::<u64, [u64; 2]>::with_capacity(60)?;
    for key in 0..20 {
        map.insert(key, [0; 2])?;
    }
    let stop = SharedArena::<Counter>::new(1);
    let changers: Vec<_> = (0..2)
        .map(|changer: u64| {
            let (map, stop) = (&map, &stop);
            start(move || {
                let mut round = 0;
                while stop[0].get() == 0 {
                    round += 1;
                    // Some come and go, some change; in the slots between the others.
                    let passing = 100 + changer * 1_000 + round % 10;
                    map.insert(passing, [1, 2]).unwrap();
                    map.insert(round % 20, [round; 2]).unwrap();
                    map.remove(passing).unwrap();
                }
                true
            })
        })
        .collect();
    for round in 0..20_000 {
        let found = map.get(round % 20)?;
        assert!(found.is_some_and(|[first, second]| first == second), "{found:?}");
    }
    for _ in 0..200 {
        let keys: Vec<_> = map.iter().map(|entry| entry.unwrap().0).collect();
        assert!((0..20).all(|key| keys.iter().filter(|found| **found == key).count() == 1));
    }
    stop[0].set(1);
    changers.into_iter().for_each(finish);
    assert_eq!(map.len()?, 20);
    passed()
}

pub(crate) fn a_panic_changes_nothing() -> Outcome {
    let map = ShmMap::<u64, u64>::with_capacity(10)?;
    map.insert(1, 1)?;
    let ended = catch_unwind(AssertUnwindSafe(|| map.alter(1, |_| panic!("in the middle"))));
    assert!(ended.is_err());
    assert_eq!(map.alter(1, |value| value.map(|n| n + 1))?, Some(1));
    let inner = map.alter(1, |value| {
        assert_eq!(map.insert(1, 7), Err(AccessError::WouldDeadlock.into()));
        assert_eq!(map.get(1), Ok(Some(2)));
        value
    });
    assert_eq!(inner?, Some(2));
    passed()
}

pub(crate) fn bytes_that_are_no_value_are_refused() -> Outcome {
    let map = ShmMap::<u64, bool>::with_capacity(1)?;
    map.insert(1, true)?;
    // Whatever looks like the value becomes none.
    for word in map.segment().slice_at::<AtomicU64>(64 + 64 + 8, 8 * 7)? {
        word.compare_exchange(1, 2, Relaxed, Relaxed).ok();
    }
    // The key was written over as well: so nothing is found, or it is refused; nothing else.
    assert!(matches!(map.get(1), Ok(None) | Err(AccessError::Corrupt)));
    assert!(matches!(map.get(2), Ok(None) | Err(AccessError::Corrupt)));
    assert!(map.iter().all(|entry| entry == Err(AccessError::Corrupt)));
    passed()
}

pub(crate) fn words_that_lie_are_not_believed() -> Outcome {
    let map = ShmMap::<u64, u64>::with_capacity(200)?;
    map.insert(1, 1)?;
    let words: &[AtomicU64] = map.segment().slice_at(0, 2)?;
    let honest = [0, 1].map(|idx: usize| words[idx].load(Relaxed));
    for lie in [[0, honest[1]], [honest[0], 0], [u64::MAX; 2], [3, honest[1]], [honest[0], 1]] {
        for (word, number) in words.iter().zip(lie) {
            word.store(number, Relaxed);
        }
        assert_eq!(map.get(1)?, Some(1));
        assert!(wire::decode::<ShmMap<u64, u64>>(wire::encode(map.segment())?).is_err());
    }
    passed()
}

pub(crate) fn it_travels_and_has_names() -> Outcome {
    let map = ShmMap::<u16, u32>::with_capacity(2)?;
    let received: ShmMap<u16, u32> = wire::decode(wire::encode(&map)?)?;
    received.insert(7, 8)?;
    assert_eq!(map.get(7)?, Some(8));
    assert!(wire::decode::<ShmMap<u16, i32>>(wire::encode(&map)?).is_err());
    let name = format!("shm-map-{}", ProcessId::current()?.pid());
    let named = ShmMap::<u16, u32>::create_named(&name, 2)?;
    in_child(|| ShmMap::<u16, u32>::open_named(&name).is_ok_and(|map| map.insert(1, 2).is_ok()));
    assert_eq!(named.get(1)?, Some(2));
    Segment::unlink(&name)?;
    passed()
}

pub(crate) fn nothing_is_left() -> Outcome {
    drop(ShmMap::<u64, u64>::with_capacity(10)?);
    let before = Snapshot::take();
    for _ in 0..3 {
        let map = ShmMap::<u64, u64>::with_capacity(1_000)?;
        let vec = ShmVec::<u64>::with_capacity(10)?;
        let list = ShareableList::new([1.into()])?;
        in_child(|| map.insert(1, 1).is_ok() && vec.push(1).is_ok() && list.set(0, 2).is_ok());
        let copies = (map.clone(), vec.clone(), list.clone());
        drop(wire::decode::<(ShmMap<u64, u64>, ShmVec<u64>, ShareableList)>(wire::encode(
            &copies,
        )?)?);
    }
    before.assert_none();
    passed()
}
