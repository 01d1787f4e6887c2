//! Any operations, by those who have the memory and by those who call, come to what they come to on a `HashMap` and a
//! `Vec`.

use std::collections::HashMap;

use manager::{Address, Error, Manager, ShmDict, ShmList};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use testkit::{Outcome, Report};

use crate::common::{self, watch};
use crate::{caller_of_dict, caller_of_list};

/// Its length is no multiple of a word's.
type Key = [u8; 3];
type Value = [u16; 5];

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u16),
    Remove(u8),
    CompareAndSet(u8, Option<u16>, Option<u16>),
    GetOrInsert(u8, u16),
    Update(u8, u16),
    Extend(Vec<(u8, u16)>),
    ClearDict,
    Push(u16),
    Pop,
    Append(Vec<u16>),
    Set(usize, u16),
    Replace(usize, u16, u16),
    Change(usize, u16),
    Truncate(usize),
}

fn a_step() -> impl Strategy<Value = Step> {
    let (key, value, at) = (|| 0_u8..6, || 0_u16..4, || 0_usize..6);
    let maybe = || prop::option::of(0_u16..4);
    prop_oneof![
        (key(), value()).prop_map(|(k, v)| Step::Insert(k, v)),
        key().prop_map(Step::Remove),
        (key(), maybe(), maybe()).prop_map(|(k, e, n)| Step::CompareAndSet(k, e, n)),
        (key(), value()).prop_map(|(k, v)| Step::GetOrInsert(k, v)),
        (key(), value()).prop_map(|(k, v)| Step::Update(k, v)),
        prop::collection::vec((key(), value()), 0..4).prop_map(Step::Extend),
        Just(Step::ClearDict),
        value().prop_map(Step::Push),
        Just(Step::Pop),
        prop::collection::vec(value(), 0..4).prop_map(Step::Append),
        (at(), value()).prop_map(|(at, v)| Step::Set(at, v)),
        (at(), value(), value()).prop_map(|(at, e, n)| Step::Replace(at, e, n)),
        (at(), value()).prop_map(|(at, v)| Step::Change(at, v)),
        at().prop_map(Step::Truncate),
    ]
}

/// The list has room for so many.
const ROOM: usize = 8;

fn key_of(n: u8) -> Key {
    [n, 0, n]
}

fn value_of(n: u16) -> Value {
    [n, 1, 2, 3, n]
}

fn sum((old, by): (Option<Value>, u16)) -> Option<Value> {
    let sum = old.map_or(0, |old| old[0]) + by;
    (sum % 3 != 0).then(|| value_of(sum))
}

#[derive(Default)]
struct Plain {
    dict: HashMap<Key, Value>,
    list: Vec<Value>,
}

impl Plain {
    fn set(&mut self, key: Key, value: Option<Value>) -> Option<Value> {
        match value {
            Some(value) => self.dict.insert(key, value),
            None => self.dict.remove(&key),
        }
    }

    /// What a step comes to, as text.
    fn step(&mut self, step: &Step) -> String {
        let out_of = |len: usize| format!("there are {len}");
        let len = self.list.len();
        match step {
            Step::Insert(key, value) => {
                format!("{:?}", self.set(key_of(*key), Some(value_of(*value))))
            }
            Step::Remove(key) => format!("{:?}", self.set(key_of(*key), None)),
            Step::CompareAndSet(key, expected, new) => {
                let key = key_of(*key);
                let is_so = self.dict.get(&key).copied() == expected.map(value_of);
                if is_so {
                    self.set(key, new.map(value_of));
                }
                format!("{is_so}")
            }
            Step::GetOrInsert(key, value) => {
                format!("{:?}", self.dict.entry(key_of(*key)).or_insert(value_of(*value)))
            }
            Step::Update(key, by) => {
                let new = sum((self.dict.get(&key_of(*key)).copied(), *by));
                self.set(key_of(*key), new);
                format!("{new:?}")
            }
            Step::Extend(entries) => {
                self.dict.extend(entries.iter().map(|(k, v)| (key_of(*k), value_of(*v))));
                "()".into()
            }
            Step::ClearDict => {
                self.dict.clear();
                "()".into()
            }
            Step::Push(_) if len == ROOM => "no room".into(),
            Step::Push(value) => {
                self.list.push(value_of(*value));
                "()".into()
            }
            Step::Pop => format!("{:?}", self.list.pop()),
            Step::Append(more) if len + more.len() > ROOM => "no room".into(),
            Step::Append(more) => {
                self.list.extend(more.iter().copied().map(value_of));
                "()".into()
            }
            Step::Set(at, _) | Step::Replace(at, ..) | Step::Change(at, _) if *at >= len => {
                out_of(len)
            }
            Step::Set(at, value) => {
                format!("{:?}", std::mem::replace(&mut self.list[*at], value_of(*value)))
            }
            Step::Replace(at, expected, new) => {
                let is_so = self.list[*at] == value_of(*expected);
                if is_so {
                    self.list[*at] = value_of(*new);
                }
                format!("{is_so}")
            }
            Step::Change(at, by) => {
                self.list[*at] = value_of(self.list[*at][0] + by);
                format!("{:?}", self.list[*at])
            }
            Step::Truncate(len) => {
                self.list.truncate(*len);
                "()".into()
            }
        }
    }
}

/// Proxies of the same objects.
struct Real {
    dict: ShmDict<Key, Value>,
    list: ShmList<Value>,
}

fn text<R: std::fmt::Debug>(returned: Result<R, Error>) -> String {
    match returned {
        Ok(returned) => format!("{returned:?}"),
        Err(Error::NoRoom) => "no room".into(),
        Err(Error::OutOfRange { len }) => format!("there are {len}"),
        Err(error) => error.to_string(),
    }
}

impl Real {
    fn step(&self, step: &Step) -> String {
        let Self { dict, list } = self;
        match step {
            Step::Insert(key, value) => text(dict.insert(&key_of(*key), &value_of(*value))),
            Step::Remove(key) => text(dict.remove(&key_of(*key))),
            Step::CompareAndSet(key, expected, new) => {
                let (expected, new) = (expected.map(value_of), new.map(value_of));
                text(dict.compare_and_set(&key_of(*key), expected.as_ref(), new.as_ref()))
            }
            Step::GetOrInsert(key, value) => {
                text(dict.get_or_insert(&key_of(*key), &value_of(*value)))
            }
            Step::Update(key, by) => text(dict.update(&key_of(*key), sum, by)),
            Step::Extend(entries) => {
                let entries: Vec<(Key, Value)> =
                    entries.iter().map(|(k, v)| (key_of(*k), value_of(*v))).collect();
                text(dict.extend(entries.iter().map(|(key, value)| (key, value))))
            }
            Step::ClearDict => text(dict.clear()),
            Step::Push(value) => text(list.push(&value_of(*value))),
            Step::Pop => text(list.pop()),
            Step::Append(more) => {
                let more: Vec<Value> = more.iter().copied().map(value_of).collect();
                text(list.extend(&more))
            }
            Step::Set(at, value) => text(list.set(*at, &value_of(*value))),
            Step::Replace(at, expected, new) => {
                text(list.compare_and_set(*at, &value_of(*expected), &value_of(*new)))
            }
            Step::Change(at, by) => text(list.update(*at, |(old, by)| value_of(old[0] + by), by)),
            Step::Truncate(len) => text(list.truncate(*len)),
        }
    }

    /// Whether it is, as far as can be seen, the same.
    fn is(&self, plain: &Plain) -> bool {
        let Self { dict, list } = self;
        let found: HashMap<Key, Value> = dict.to_vec().unwrap().into_iter().collect();
        let by_key = (0..6).map(key_of).all(|key| {
            let there = plain.dict.get(&key).copied();
            dict.get(&key).unwrap() == there && dict.contains_key(&key).unwrap() == there.is_some()
        });
        let by_index = (0..ROOM).all(|at| list.get(at).unwrap() == plain.list.get(at).copied());
        (found, dict.len().unwrap()) == (plain.dict.clone(), plain.dict.len())
            && (list.to_vec().unwrap(), list.len().unwrap())
                == (plain.list.clone(), plain.list.len())
            && by_key
            && by_index
    }
}

fn run(cases: u32, ways: &[Real]) -> Outcome {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let steps = prop::collection::vec((a_step(), 0..ways.len()), 0..60);
    let clean = |real: &Real| real.dict.clear().and_then(|()| real.list.clear());
    TestRunner::new(config).run(&steps, |steps| {
        let mut plain = Plain::default();
        clean(&ways[0]).map_err(|error| TestCaseError::fail(error.to_string()))?;
        for (step, way) in &steps {
            prop_assert_eq!(ways[*way].step(step), plain.step(step), "{:?} by {}", step, way);
        }
        prop_assert!(ways.iter().all(|real| real.is(&plain)), "what is there at the end");
        Ok(())
    })?;
    Ok(Report::PASSED)
}

fn make(manager: &Manager) -> Result<Real, Error> {
    Ok(Real { dict: manager.shm_dict(20)?, list: manager.shm_list(ROOM)? })
}

pub(crate) fn both() -> Outcome {
    let _watchdog = watch("both ways");
    let manager = common::builder().start()?;
    let here = make(&manager)?;
    let there =
        Real { dict: caller_of_dict(&manager, &here.dict), list: caller_of_list(&here.list) };
    run(if testkit::full() { 2_000 } else { 150 }, &[here, there])
}

pub(crate) fn over_tcp() -> Outcome {
    let _watchdog = watch("over TCP");
    let builder = common::builder().address(&Address::tcp("127.0.0.1:0")?).key("a key");
    let manager = builder.start()?;
    let real = make(&manager)?;
    assert!(real.dict.as_map()?.is_none() && real.list.as_vec()?.is_none());
    run(if testkit::full() { 500 } else { 10 }, &[real])
}
