//! One program, in the same words, for what lives in the server and what lives in shared memory.

use manager::{Error, Manager};
use testkit::{Outcome, Report};

use crate::common::{self, watch};
use crate::{caller_of_dict, caller_of_list, is};

/// What is kept beside a sum.
type Entry = (u32, i64);

/// What a program does with a dict, whichever it is; what came of it, as text.
macro_rules! use_dict {
    ($dict:expr) => {{
        let dict = $dict;
        let mut log = String::new();
        let mut note = |what: &dyn std::fmt::Debug| log += &format!("{what:?}\n");
        note(&(dict.is_empty()?, dict.get(&1)?, dict.insert(&1, &10)?, dict.insert(&1, &11)?));
        dict.set(&2, &20)?;
        dict.extend([(&3, &30), (&4, &40), (&3, &31)])?;
        note(&(dict.len()?, dict.contains_key(&3)?, dict.contains_key(&9)?, dict.get(&3)?));
        note(&(dict.get_or_insert(&5, &50)?, dict.get_or_insert(&5, &51)?));
        note(&(dict.remove(&5)?, dict.remove(&5)?));
        note(&(
            dict.compare_and_set(&1, Some(&10), Some(&12))?,
            dict.compare_and_set(&1, Some(&11), Some(&12))?,
            dict.compare_and_set(&2, None, Some(&0))?,
            dict.compare_and_set(&2, Some(&20), None)?,
            dict.compare_and_set(&6, None, Some(&60))?,
            dict.compare_and_set(&7, Some(&1), None)?,
            dict.compare_and_set(&7, None, None)?,
        ));
        note(&(
            dict.update(&1, |(old, by)| old.map(|old: i64| old + by), &5)?,
            dict.update(&8, |(old, by): (Option<i64>, i64)| Some(old.unwrap_or(1) * by), &5)?,
            dict.update(&6, |_| None, &())?,
        ));
        let mut entries: Vec<Entry> = dict.to_vec()?;
        entries.sort();
        note(&entries);
        let mut iterated: Vec<Entry> = Vec::new();
        for entry in &dict {
            iterated.push(entry?);
        }
        iterated.sort();
        let mut keys = dict.keys()?;
        keys.sort();
        note(&(iterated, keys));
        dict.clear()?;
        note(&(dict.len()?, dict.to_vec()?, dict.iter().next().is_none()));
        log
    }};
}

/// The same for lists.
macro_rules! use_list {
    ($list:expr) => {{
        let list = $list;
        let mut log = String::new();
        let mut note = |what: &dyn std::fmt::Debug| log += &format!("{what:?}\n");
        let out = |error: Error| matches!(error, Error::OutOfRange { len: 4 });
        note(&(list.is_empty()?, list.pop()?, list.get(0)?));
        list.push(&(-1))?;
        list.extend(&[2, 3, 4, 5])?;
        note(&(list.len()?, list.pop()?, list.set(1, &20)?, list.get(1)?, list.get(4)?));
        note(&(list.set(4, &0).is_err_and(out), list.update(4, |(n, ())| n, &()).is_err_and(out)));
        note(&list.compare_and_set(4, &0, &1).is_err_and(out));
        note(&(list.compare_and_set(0, &0, &1)?, list.compare_and_set(0, &(-1), &1)?));
        note(&(list.update(0, |(n, by)| n + by, &6)?, list.position(&20)?, list.position(&9)?));
        note(&(list.slice(1, 2)?, list.slice(3, 9)?, list.slice(4, 9)?, list.to_vec()?));
        let iterated: Vec<i64> = list.iter().collect::<Result<_, _>>()?;
        let looped: Vec<i64> = (&list).into_iter().collect::<Result<_, _>>()?;
        note(&(iterated, looped));
        list.truncate(2)?;
        list.truncate(9)?;
        note(&list.to_vec()?);
        list.clear()?;
        note(&(list.len()?, list.iter().next().is_none()));
        log
    }};
}

pub(crate) fn dicts() -> Outcome {
    let _watchdog = watch("the same dicts");
    let manager: Manager = common::builder().start()?;
    let plain = use_dict!(manager.dict::<u32, i64>()?);
    let shared = manager.shm_dict::<u32, i64>(100)?;
    is(shared.as_map()?.is_some(), "it has the memory")?;
    let here = use_dict!(shared.clone());
    let there = use_dict!(caller_of_dict(&manager, &shared));
    assert_eq!(here, plain);
    assert_eq!(there, plain);
    Ok(Report::PASSED)
}

pub(crate) fn lists() -> Outcome {
    let _watchdog = watch("the same lists");
    let manager: Manager = common::builder().start()?;
    let plain = use_list!(manager.list::<i64>()?);
    let shared = manager.shm_list::<i64>(10)?;
    is(shared.as_vec()?.is_some(), "it has the memory")?;
    let here = use_list!(shared.clone());
    let there = use_list!(caller_of_list(&shared));
    assert_eq!(here, plain);
    assert_eq!(there, plain);
    Ok(Report::PASSED)
}
