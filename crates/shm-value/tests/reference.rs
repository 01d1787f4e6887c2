//! The same operations on shared things and on those of the standard library: the same answers.
#![cfg(not(ipc_loom))]

use std::collections::HashMap;

use bytemuck::bytes_of;
use proptest::collection::vec;
use proptest::prelude::*;
use shm_value::{
    Array, ByteMap, ByteVec, ChangeError, RawArray, RawValue, SharedMemory, ShmMap, ShmVec,
};

fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(if testkit::full() { 5_000 } else { 300 })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_map_is_a_hash_map(steps in vec((0_u8..7, 0_u16..40, any::<[u32; 3]>()), 0..200)) {
        let type_hash = ShmMap::<u16, [u32; 3]>::type_hash();
        let bytes = ByteMap::with_capacity(30, 2, 12, type_hash).unwrap();
        let map = ShmMap::<u16, [u32; 3]>::open(bytes.segment()).unwrap();
        let (handle, mut model) = (map.clone(), HashMap::new());
        let value_of = |bytes: Vec<u8>| bytemuck::pod_read_unaligned(&bytes);
        for (operation, key, value) in steps {
            let (key_bytes, is_typed) = (bytes_of(&key), value[1] % 2 == 0);
            let insert = || match is_typed {
                true => map.insert(key, value),
                false => Ok(bytes.insert(key_bytes, bytes_of(&value))?.map(value_of)),
            };
            match operation {
                0..3 => match insert() {
                    // It has room for thirty, and some more.
                    Err(error) => {
                        prop_assert_eq!(error, ChangeError::Full);
                        prop_assert!(model.len() >= 30 && !model.contains_key(&key));
                    }
                    Ok(old) => prop_assert_eq!(old, model.insert(key, value)),
                },
                3..5 if is_typed => {
                    prop_assert_eq!(handle.remove(key).unwrap(), model.remove(&key));
                }
                3..5 => {
                    let removed = bytes.remove(key_bytes).unwrap().map(value_of);
                    prop_assert_eq!(removed, model.remove(&key));
                }
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
            prop_assert_eq!(bytes.get(key_bytes).unwrap().map(value_of), model.get(&key).copied());
            prop_assert_eq!((map.len().unwrap(), bytes.len().unwrap()), (model.len(), model.len()));
        }
        let slots = (0..bytes.n_slots()).filter_map(|slot| bytes.slot(slot).unwrap());
        let entries = slots.map(|slot| (u16::from_ne_bytes([slot[0], slot[1]]), slot[2..].to_vec()));
        let seen: HashMap<_, _> = entries.map(|(key, value)| (key, value_of(value))).collect();
        prop_assert_eq!(&seen, &model);
        prop_assert_eq!(map.to_hash_map().unwrap(), model);
    }

    #[test]
    fn a_vector_is_a_vec(steps in vec((0_u8..8, 0_usize..12, any::<[u8; 11]>()), 0..200)) {
        let bytes = ByteVec::with_capacity(10, 11, ShmVec::<[u8; 11]>::type_hash()).unwrap();
        let shared = ShmVec::<[u8; 11]>::open(bytes.segment()).unwrap();
        let mut model = Vec::new();
        for (operation, idx, item) in steps {
            // Each goes by the type or by the bytes, some for several items at once.
            let is_typed = item[0] % 2 == 0;
            match operation {
                0..4 => {
                    let items = vec![item; if operation == 0 { idx } else { 1 }];
                    let pushed = match (is_typed, operation) {
                        (true, 0) => shared.extend_from_slice(&items),
                        (true, _) => shared.push(item),
                        (false, _) => bytes.push(&items),
                    };
                    let has_room = model.len() + items.len() <= 10;
                    prop_assert_eq!(pushed, if has_room { Ok(()) } else { Err(ChangeError::Full) });
                    if has_room {
                        model.extend(items);
                    }
                }
                4 if is_typed => prop_assert_eq!(shared.pop().unwrap(), model.pop()),
                4 => prop_assert_eq!(bytes.pop().unwrap(), model.pop().map(|item| item.to_vec())),
                5 => {
                    let is_set = if is_typed {
                        shared.set(idx, item).is_ok()
                    } else {
                        bytes.alter(idx, |_| Some(item)).is_ok()
                    };
                    prop_assert_eq!(is_set, model.get_mut(idx).map(|place| *place = item).is_some());
                }
                6 => {
                    let reverse = |mut item: [u8; 11]| { item.reverse(); item };
                    let changed = model.get_mut(idx).map(|place| { *place = reverse(*place); *place });
                    prop_assert_eq!(shared.update(idx, reverse).ok(), changed);
                }
                _ => {
                    if is_typed { shared.truncate(idx) } else { bytes.truncate(idx) }.unwrap();
                    model.truncate(idx);
                }
            }
            prop_assert_eq!(shared.get(idx).unwrap(), model.get(idx).copied());
            prop_assert_eq!(bytes.get(idx).unwrap(), model.get(idx).map(|item| item.to_vec()));
            prop_assert_eq!((shared.len(), bytes.len()), (model.len(), model.len()));
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
