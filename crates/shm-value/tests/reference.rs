//! The same operations on shared things and on those of the standard library: the same answers.
#![cfg(not(ipc_loom))]

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use shm_value::{Array, ChangeError, RawArray, RawValue, SharedMemory, ShmMap, ShmVec};

fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(if testkit::full() { 5_000 } else { 300 })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_map_is_a_hash_map(steps in vec((0_u8..7, 0_u16..40, any::<[u32; 3]>()), 0..200)) {
        let (map, mut model) = (ShmMap::<u16, [u32; 3]>::with_capacity(30).unwrap(), HashMap::new());
        let handle = map.clone();
        for (operation, key, value) in steps {
            match operation {
                0..3 => match map.insert(key, value) {
                    // It has room for thirty, and some more.
                    Err(error) => {
                        prop_assert_eq!(error, ChangeError::Full);
                        prop_assert!(model.len() >= 30 && !model.contains_key(&key));
                    }
                    Ok(old) => prop_assert_eq!(old, model.insert(key, value)),
                },
                3..5 => prop_assert_eq!(handle.remove(key).unwrap(), model.remove(&key)),
                5 => {
                    let change = |old: [u32; 3]| [old[1], old[2], value[0]];
                    let old = model.get(&key).copied();
                    model.entry(key).and_modify(|value| *value = change(*value));
                    prop_assert_eq!(map.update(key, change).unwrap(), old);
                }
                _ if value[0] % 8 == 0 => {
                    map.clear().unwrap();
                    model.clear();
                }
                _ => {}
            }
            prop_assert_eq!(handle.get(key).unwrap(), model.get(&key).copied());
            prop_assert_eq!(map.len().unwrap(), model.len());
        }
        prop_assert_eq!(map.to_hash_map().unwrap(), model);
    }

    #[test]
    fn a_vector_is_a_vec(steps in vec((0_u8..8, 0_usize..12, any::<[u8; 11]>()), 0..200)) {
        let (shared, mut model) = (ShmVec::with_capacity(10).unwrap(), Vec::new());
        for (operation, idx, item) in steps {
            match operation {
                0..4 => {
                    let pushed = shared.push(item);
                    prop_assert_eq!(pushed, if model.len() < 10 { Ok(()) } else { Err(ChangeError::Full) });
                    if pushed.is_ok() {
                        model.push(item);
                    }
                }
                4 => prop_assert_eq!(shared.pop().unwrap(), model.pop()),
                5 => prop_assert_eq!(shared.set(idx, item).is_ok(), model.get_mut(idx).map(|place| *place = item).is_some()),
                6 => {
                    let reverse = |mut item: [u8; 11]| { item.reverse(); item };
                    let changed = model.get_mut(idx).map(|place| { *place = reverse(*place); *place });
                    prop_assert_eq!(shared.update(idx, reverse).ok(), changed);
                }
                _ => {
                    shared.truncate(idx).unwrap();
                    model.truncate(idx);
                }
            }
            prop_assert_eq!(shared.get(idx).unwrap(), model.get(idx).copied());
            prop_assert_eq!(shared.len(), model.len());
        }
        prop_assert_eq!(shared.to_vec().unwrap(), model);
    }

    #[test]
    fn arrays_are_slices(
        parts in 1_usize..9,
        steps in vec((0_usize..50, vec(any::<[u8; 3]>(), 0..20)), 0..40),
    ) {
        let locked = Array::<[u8; 3]>::zeroed_in_parts(41, parts).unwrap();
        let raw = RawArray::<[u8; 3]>::zeroed(41).unwrap();
        let mut model = vec![[0; 3]; 41];
        for (start, values) in steps {
            let target = model.get_mut(start..).and_then(|rest| rest.get_mut(..values.len()));
            let is_inside = target.map(|target| target.copy_from_slice(&values)).is_some();
            prop_assert_eq!(locked.copy_in(start, &values).is_ok(), is_inside);
            prop_assert_eq!(raw.copy_in(start, &values).is_ok(), is_inside);
            let (mut found, mut found_raw) = (values.clone(), values.clone());
            prop_assert_eq!(locked.copy_out(start, &mut found).is_ok(), is_inside);
            prop_assert_eq!(raw.copy_out(start, &mut found_raw).is_ok(), is_inside);
            prop_assert_eq!((&found, &found_raw), (&values, &values));
        }
        prop_assert_eq!(locked.to_vec().unwrap(), model.clone());
        prop_assert_eq!(raw.iter().collect::<Result<Vec<_>, _>>().unwrap(), model);
    }

    #[test]
    fn memory_is_bytes(steps in vec((0_usize..9_000, vec(any::<u8>(), 0..40), any::<bool>()), 0..40)) {
        let memory = SharedMemory::new(100).unwrap();
        let mut model = vec![0; 100];
        for (offset, bytes, grows) in steps {
            if grows {
                memory.grow(offset).unwrap();
                model.resize(model.len().max(offset), 0);
            }
            let target = model.get_mut(offset..).and_then(|rest| rest.get_mut(..bytes.len()));
            let is_inside = target.map(|target| target.copy_from_slice(&bytes)).is_some();
            prop_assert_eq!(memory.write(offset, &bytes).is_ok(), is_inside);
        }
        prop_assert_eq!(memory.size(), model.len());
        prop_assert_eq!(memory.to_vec().unwrap(), model);
    }

    #[test]
    fn atomic_numbers_are_numbers(start: i16, steps in vec((0_u8..9, any::<i16>()), 0..50)) {
        let (shared, mut model) = (RawValue::new(start).unwrap(), start);
        for (operation, number) in steps {
            let old = model;
            let (found, new) = match operation {
                0 => (shared.fetch_add(number), old.wrapping_add(number)),
                1 => (shared.fetch_sub(number), old.wrapping_sub(number)),
                2 => (shared.fetch_max(number), old.max(number)),
                3 => (shared.fetch_min(number), old.min(number)),
                4 => (shared.fetch_or(number), old | number),
                5 => (shared.fetch_and(number), old & number),
                6 => (shared.fetch_xor(number), old ^ number),
                7 => (shared.swap(number), number),
                _ => {
                    let current = if number % 2 == 0 { old } else { number };
                    let swapped = shared.compare_exchange(current, number);
                    prop_assert_eq!(swapped, if current == old { Ok(old) } else { Err(old) });
                    (old, if current == old { number } else { old })
                }
            };
            model = new;
            prop_assert_eq!((found, shared.load()), (old, model));
        }
    }
}
