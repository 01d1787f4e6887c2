//! Any calls of several clients, at the same time, come to what some order of the same calls comes to on
//! a plain object.
//!
//! The calls of each client are in order, and nothing is known of the others'. A search looks for an order
//! that explains all that was returned. The clients are threads here: their calls come through one connection
//! and are mixed there. Processes are in `storm.rs`.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::collections::BTreeMap;

use common::watch;
use manager::{Dict, List, Manager, Queue};
use proptest::prelude::*;

mod common;

/// A call, and what it returned.
#[derive(Clone, Debug)]
enum Call {
    Insert(u8, u8),
    Remove(u8),
    Get(u8),
    CompareAndSet(u8, Option<u8>, Option<u8>),
    GetOrInsert(u8, u8),
    Update(u8, u8),
    Len,
    Pop,
    Push(u8),
    PopFront,
    PopBack,
    Put(u8),
    TryGet,
}

/// What a call returned, as text: all that is compared.
type Returned = String;

/// The plain object: a map, which keeps the order of its keys, a list and a queue.
#[derive(Clone, Debug, Default, PartialEq)]
struct Plain {
    keys: Vec<u8>,
    map: BTreeMap<u8, u8>,
    list: Vec<u8>,
    queue: Vec<u8>,
}

impl Plain {
    fn set(&mut self, key: u8, value: Option<u8>) -> Option<u8> {
        match value {
            Some(value) => {
                if !self.map.contains_key(&key) {
                    self.keys.push(key);
                }
                self.map.insert(key, value)
            }
            None => {
                self.keys.retain(|kept| *kept != key);
                self.map.remove(&key)
            }
        }
    }

    fn call(&mut self, call: &Call) -> Returned {
        match *call {
            Call::Insert(key, value) => format!("{:?}", self.set(key, Some(value))),
            Call::Remove(key) => format!("{:?}", self.set(key, None)),
            Call::Get(key) => format!("{:?}", self.map.get(&key)),
            Call::CompareAndSet(key, expected, new) => {
                let is_so = self.map.get(&key).copied() == expected;
                if is_so {
                    self.set(key, new);
                }
                format!("{is_so:?}")
            }
            Call::GetOrInsert(key, value) => {
                if !self.map.contains_key(&key) {
                    self.set(key, Some(value));
                }
                format!("{:?}", self.map[&key])
            }
            Call::Update(key, by) => {
                let new = update((self.map.get(&key).copied(), by));
                self.set(key, new);
                format!("{new:?}")
            }
            Call::Len => format!("{:?}", self.map.len()),
            Call::Pop => {
                let key = self.keys.last().copied();
                format!("{:?}", key.map(|key| (key, self.set(key, None).unwrap())))
            }
            Call::Push(item) => {
                self.list.push(item);
                "()".into()
            }
            Call::PopFront => {
                let item = (!self.list.is_empty()).then(|| self.list.remove(0));
                format!("{item:?}")
            }
            Call::PopBack => format!("{:?}", self.list.pop()),
            Call::Put(item) => {
                self.queue.push(item);
                "()".into()
            }
            Call::TryGet => {
                let item = (!self.queue.is_empty()).then(|| self.queue.remove(0));
                format!("{item:?}")
            }
        }
    }
}

fn update((old, by): (Option<u8>, u8)) -> Option<u8> {
    old.unwrap_or(0).checked_add(by).filter(|sum| sum % 5 != 0)
}

#[derive(Clone)]
struct Real {
    dict: Dict<u8, u8>,
    list: List<u8>,
    queue: Queue<u8>,
}

impl Real {
    fn call(&self, call: &Call) -> Returned {
        let Self { dict, list, queue } = self;
        match *call {
            Call::Insert(key, value) => format!("{:?}", dict.insert(&key, &value).unwrap()),
            Call::Remove(key) => format!("{:?}", dict.remove(&key).unwrap()),
            Call::Get(key) => format!("{:?}", dict.get(&key).unwrap()),
            Call::CompareAndSet(key, expected, new) => {
                let is_so = dict.compare_and_set(&key, expected.as_ref(), new.as_ref());
                format!("{:?}", is_so.unwrap())
            }
            Call::GetOrInsert(key, value) => {
                format!("{:?}", dict.get_or_insert(&key, &value).unwrap())
            }
            Call::Update(key, by) => format!("{:?}", dict.update(&key, update, &by).unwrap()),
            Call::Len => format!("{:?}", dict.len().unwrap()),
            Call::Pop => format!("{:?}", dict.pop().unwrap()),
            Call::Push(item) => format!("{:?}", list.push(&item).unwrap()),
            Call::PopFront => format!("{:?}", list.pop_front().unwrap()),
            Call::PopBack => format!("{:?}", list.pop().unwrap()),
            Call::Put(item) => format!("{:?}", queue.put(&item).unwrap()),
            Call::TryGet => format!("{:?}", queue.try_get().ok()),
        }
    }

    fn whole(&self) -> Plain {
        let entries = self.dict.to_vec().unwrap();
        let queue = std::iter::from_fn(|| self.queue.try_get().ok()).collect();
        Plain {
            keys: entries.iter().map(|(key, _)| *key).collect(),
            map: entries.into_iter().collect(),
            list: self.list.to_vec().unwrap(),
            queue,
        }
    }
}

fn a_call() -> impl Strategy<Value = Call> {
    let (key, value) = (0_u8..3, 0_u8..4);
    let maybe = || prop::option::of(0_u8..4);
    prop_oneof![
        (key.clone(), value.clone()).prop_map(|(k, v)| Call::Insert(k, v)),
        key.clone().prop_map(Call::Remove),
        key.clone().prop_map(Call::Get),
        (key.clone(), maybe(), maybe()).prop_map(|(k, e, n)| Call::CompareAndSet(k, e, n)),
        (key.clone(), value.clone()).prop_map(|(k, v)| Call::GetOrInsert(k, v)),
        (key, value.clone()).prop_map(|(k, v)| Call::Update(k, v)),
        Just(Call::Len),
        Just(Call::Pop),
        value.clone().prop_map(Call::Push),
        Just(Call::PopFront),
        Just(Call::PopBack),
        value.prop_map(Call::Put),
        Just(Call::TryGet),
    ]
}

/// Whether some order of the calls, in which those of each client are in their order, comes to this.
fn is_explained(plain: &Plain, left: &[&[(Call, Returned)]], end: &Plain) -> bool {
    if left.iter().all(|calls| calls.is_empty()) {
        return plain == end;
    }
    (0..left.len()).any(|client| {
        let Some(((call, returned), rest)) = left[client].split_first() else { return false };
        let mut next = plain.clone();
        if next.call(call) != *returned {
            return false;
        }
        let mut left = left.to_vec();
        left[client] = rest;
        is_explained(&next, &left, end)
    })
}

thread_local! {
    static MANAGER: Manager = common::builder().start().unwrap();
}

fn real() -> Real {
    MANAGER.with(|manager| Real {
        dict: manager.dict().unwrap(),
        list: manager.list().unwrap(),
        queue: manager.queue(0).unwrap(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn calls_one_after_the_other_come_to_what_they_come_to_on_a_plain_object(
        calls in prop::collection::vec(a_call(), 0..60),
    ) {
        let _watchdog = watch("reference, one");
        let (real, mut plain) = (real(), Plain::default());
        for call in &calls {
            prop_assert_eq!(real.call(call), plain.call(call), "{:?}", call);
        }
        prop_assert_eq!(real.whole(), plain);
    }

    #[test]
    fn calls_of_several_at_the_same_time_come_to_what_some_order_of_them_comes_to(
        calls in prop::collection::vec(prop::collection::vec(a_call(), 1..8), 2..4),
    ) {
        let _watchdog = watch("reference, several");
        let real = real();
        let told: Vec<Vec<(Call, Returned)>> = std::thread::scope(|scope| {
            let clients: Vec<_> = calls
                .iter()
                .map(|calls| {
                    let real = &real;
                    scope.spawn(move || {
                        calls.iter().map(|call| (call.clone(), real.call(call))).collect()
                    })
                })
                .collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        let left: Vec<&[(Call, Returned)]> = told.iter().map(Vec::as_slice).collect();
        let end = real.whole();
        prop_assert!(is_explained(&Plain::default(), &left, &end), "{told:?} {end:?}");
    }
}

#[test]
fn what_no_order_explains_is_seen() {
    // Two that count up by reading and writing, as a manager without `update` would.
    let one = [(Call::Get(1), "None".to_owned()), (Call::Insert(1, 1), "None".to_owned())];
    let other = [(Call::Get(1), "None".to_owned()), (Call::Insert(1, 1), "None".to_owned())];
    let mut end = Plain::default();
    end.set(1, Some(1));
    assert!(!is_explained(&Plain::default(), &[&one, &other], &end));
    assert!(is_explained(&Plain::default(), &[&one], &end));
}
