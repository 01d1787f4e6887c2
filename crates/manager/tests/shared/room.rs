//! What they take, what they refuse, and where they go.

use std::collections::HashMap;

use ipc_core::wire;
use manager::{Dict, Error, Manager, Queue, ShmDict, ShmList};
use proc_core::{Process, Start};
use testkit::{Outcome, Report};

use crate::common::{self, wait_until, watch};
use crate::{caller_of_dict, caller_of_list, is};

pub(crate) fn no_room() -> Outcome {
    let _watchdog = watch("no room");
    let manager = common::builder().start()?;
    let dict: ShmDict<u64, u64> = manager.shm_dict(4)?;
    let list: ShmList<u64> = manager.shm_list(4)?;
    let (dicts, lists) =
        ([dict.clone(), caller_of_dict(&manager, &dict)], [list.clone(), caller_of_list(&list)]);
    // It has room for as many as it was made for, and some more.
    let mut plain = HashMap::new();
    let by_turns = (0..1_000_u64).zip(dicts.iter().cycle());
    let mut by_turns = by_turns.map(|(key, dict)| (key, dict.insert(&key, &key)));
    let full = by_turns.find_map(|(key, inserted)| match inserted {
        Ok(old) => {
            assert_eq!(old, plain.insert(key, key));
            None
        }
        Err(error) => Some(error),
    });
    is(matches!(full, Some(Error::NoRoom)) && plain.len() >= 4, plain.len())?;
    for dict in &dicts {
        let new = plain.len() as u64;
        is(matches!(dict.set(&new, &0), Err(Error::NoRoom)), "set")?;
        is(matches!(dict.get_or_insert(&new, &0), Err(Error::NoRoom)), "get_or_insert")?;
        is(matches!(dict.extend([(&0, &0), (&new, &0)]), Err(Error::NoRoom)), "extend")?;
        let put = dict.compare_and_set(&new, None, Some(&0));
        is(matches!(put, Err(Error::NoRoom)), "compare_and_set")?;
        is(matches!(dict.update(&new, |_| Some(0), &()), Err(Error::NoRoom)), "update")?;
        // What is there can change.
        is(dict.insert(&1, &1)? == Some(1) && !dict.contains_key(&new)?, "as before")?;
    }
    is(dict.to_vec()?.into_iter().collect::<HashMap<_, _>>() == plain, "all are there")?;
    dict.remove(&1)?;
    is(dicts[1].insert(&5_000, &1)?.is_none(), "what is taken out makes room")?;

    lists[1].extend(&[1, 2, 3])?;
    for list in &lists {
        is(matches!(list.extend(&[4, 5]), Err(Error::NoRoom)), "all or nothing")?;
        is(list.to_vec()? == [1, 2, 3], "nothing")?;
        list.push(&4)?;
        is(matches!(list.push(&5), Err(Error::NoRoom)) && list.pop()? == Some(4), "push")?;
    }
    Ok(Report::PASSED)
}

pub(crate) fn limits() -> Outcome {
    let _watchdog = watch("limits");
    let manager = common::builder().max_kept_bytes(1 << 20).start()?;
    let kept = manager.stats()?.kept_bytes;
    let dict = manager.shm_dict::<u64, u64>(1_000)?;
    let segment = dict.as_map()?.ok_or("its memory")?.segment().len() as u64;
    is(manager.stats()?.kept_bytes >= kept + segment, "it counts")?;
    let too_much = manager.shm_list::<u64>(1 << 20);
    is(matches!(too_much, Err(Error::Full { limit: 0x10_0000, .. })), "a list")?;
    is(matches!(manager.shm_dict::<u64, u8>(usize::MAX), Err(Error::Refused(_))), "no number")?;
    // Each counts when it is begun, and not when it is ready.
    let made: Vec<_> = std::thread::scope(|scope| {
        let making = || (0..8).map_while(|_| manager.shm_list::<u64>(4_000).ok()).collect();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(making)).collect();
        threads.into_iter().flat_map(|thread| -> Vec<_> { thread.join().unwrap() }).collect()
    });
    let stats = manager.stats()?;
    is(!made.is_empty() && stats.kept_bytes <= 1 << 20, &stats)?;
    is(stats.objects == made.len() as u64 + 1, &stats)?;
    drop((dict, made));
    wait_until(&manager, "all is given back", |stats| {
        (stats.kept_bytes, stats.objects) == (kept, 0)
    });
    let manager = common::builder().max_kept_bytes_per_client(1 << 16).start()?;
    let first = manager.shm_list::<u64>(1_000)?;
    let second = manager.shm_list::<u64>(2_000);
    is(matches!(second, Err(Error::ShareFull { limit: 0x1_0000, .. })), "of this client")?;
    drop(first);
    Ok(Report::PASSED)
}

/// Adds one to each of some keys, and sends the dict back.
fn count((dict, list, me): (ShmDict<u64, u64>, ShmList<u64>, u64)) -> ShmDict<u64, u64> {
    for key in 0..10 {
        dict.update(&key, |(n, by)| Some(n.unwrap_or(0) + by), &1).unwrap();
    }
    list.push(&me).unwrap();
    dict
}

pub(crate) fn they_go_everywhere() -> Outcome {
    let _watchdog = watch("everywhere");
    for start in [Start::Fork, Start::Spawn, Start::ForkServer] {
        let manager: Manager = common::builder().start()?;
        let dict: ShmDict<u64, u64> = manager.shm_dict(100)?;
        let list: ShmList<u64> = manager.shm_list(100)?;
        let label = "shm_dict<u64, u64>";
        is(manager.stats()?.types.get(label) == Some(&1), manager.stats()?)?;
        let child = |me| {
            let argument = (dict.clone(), list.clone(), me);
            Process::builder().start(start).spawn(count, argument)
        };
        let children = (0..4).map(child).collect::<Result<Vec<_>, _>>()?;
        for child in children {
            is(child.join()?.get(&9)?.is_some(), "it came back")?;
        }
        is((0..10).all(|key| dict.get(&key).unwrap() == Some(4)), dict.to_vec()?)?;
        let mut order = list.to_vec()?;
        order.sort_unstable();
        is(order == [0, 1, 2, 3], order)?;

        // Into other objects, through a queue, under a name, into a pool of the manager's.
        let dicts: Dict<String, ShmDict<u64, u64>> = manager.dict()?;
        dicts.set("it", &dict)?;
        let queue: Queue<(ShmDict<u64, u64>, ShmList<u64>)> = manager.queue(0)?;
        queue.put(&(dict.clone(), list.clone()))?;
        manager.publish("it", &dict)?;
        let pool = manager.pool(1)?;
        pool.call(count, &(dict.clone(), list.clone(), 7))?.set(&70, &7)?;
        let found: ShmDict<u64, u64> = manager.look_up("it")?;
        is(found.as_map()?.is_some() && found.get(&70)? == Some(7), "under its name")?;
        let other = manager.look_up::<ShmDict<u64, i64>>("it");
        is(matches!(other, Err(Error::OtherType { .. })), "it is of another type")?;
        drop((dict, list, found));
        let (_, list) = queue.get()?;
        is(list.get(4)? == Some(7), "through the queue")?;
        let dict = dicts.get("it")?.ok_or("it is there")?;
        is(dict.get(&0)? == Some(5), "through the dict")?;
        manager.unpublish("it")?;
        drop((dict, list, dicts, queue, pool));
        wait_until(&manager, "nothing is left", |stats| {
            (stats.objects, stats.references, stats.kept_bytes) == (0, 0, 0)
        });
        manager.shutdown()?;
        proc_core::stop_fork_server();
    }
    Ok(Report::PASSED)
}

pub(crate) fn other_types() -> Outcome {
    let _watchdog = watch("other types");
    let manager = common::builder().start()?;
    let dict: ShmDict<u64, u64> = manager.shm_dict(4)?;
    dict.set(&1, &u64::MAX)?;
    let bytes = wire::encode(&dict)?;
    let other: ShmDict<u64, i64> = wire::decode(bytes)?;
    is(matches!(other.get(&1), Err(Error::Decode(_))), "it is asked of the memory")?;
    is(matches!(other.iter().next(), Some(Err(Error::Decode(_)))), "always")?;
    // Who has no memory is told by what comes.
    let caller =
        caller_of_dict(&manager, &wire::decode::<ShmDict<u64, char>>(wire::encode(&dict)?)?);
    is(matches!(caller.insert(&2, &'x'), Err(Error::BadArgument(_))), "of another length")?;
    is(matches!(caller.get(&1), Err(Error::Malformed)), "of another length")?;
    let caller =
        caller_of_dict(&manager, &wire::decode::<ShmDict<u64, [u32; 2]>>(wire::encode(&dict)?)?);
    is(caller.get(&1)? == Some([u32::MAX; 2]), "plain data of the same length")?;
    // Sizes that nobody can have meant.
    is(manager.shm_dict::<(), u8>(1).is_err() && manager.shm_list::<()>(1).is_err(), "no bytes")?;
    is(manager.shm_dict::<u8, ()>(1)?.insert(&1, &())?.is_none(), "as a set")?;
    Ok(Report::PASSED)
}
