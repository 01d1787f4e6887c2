//! Clients that do in the memory what none of ours does.

use std::cell::Cell;
use std::time::Duration;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{Deadline, Segment};
use ipc_pipe::{Connection, connect};
use manager::{Dict, Error, ShmDict, ShmList};
use testkit::child;
use testkit::seed::Rng;
use testkit::{Counter, Outcome, Report, SharedArena};

use crate::common::{self, wait_until, watch};
use crate::{caller_of_dict, caller_of_list, is};

pub(crate) fn keeps_its_turn() -> Outcome {
    let _watchdog = watch("keeps its turn");
    let manager = common::builder().start()?;
    let shared: ShmDict<u64, u64> = manager.shm_dict(10)?;
    let other: Dict<u64, u64> = manager.dict()?;
    let caller = caller_of_dict(&manager, &shared);
    shared.set(&1, &1)?;
    let at_it = SharedArena::<Counter>::new(1);
    let holder = child::fork(|| {
        let keep = |_: (Option<u64>, ())| {
            at_it[0].add(1);
            loop {
                std::thread::park();
            }
        };
        shared.update(&1, keep, &()).map_or(1, |_| 0)
    });
    at_it[0].wait_until(|n| n == 1);
    std::thread::scope(|scope| -> Result<(), Box<dyn std::error::Error>> {
        let (calls, looks) = (manager.stats()?.calls, Cell::new(0));
        let waiting = scope.spawn(|| caller.insert(&1, &2));
        // It is refused and comes again, and meanwhile all others are served, and it itself can read.
        wait_until(&manager, "it has come again and again", |stats| {
            // Each look is a call.
            looks.set(looks.get() + 1);
            stats.calls > calls + looks.get() + 3
        });
        is(other.insert(&1, &1)?.is_none(), "a dict of the same manager")?;
        is(shared.get(&1)? == Some(1) && caller.get(&1)? == Some(1), "reading waits for nobody")?;
        is(!waiting.is_finished(), "it is not its turn")?;
        holder.kill();
        drop(holder);
        // The turn of the dead is over, and what it had not done is not there.
        is(waiting.join().unwrap()? == Some(1), "what was there")?;
        Ok(())
    })?;
    is(shared.get(&1)? == Some(2), "what it has put")?;
    Ok(Report::PASSED)
}

/// The words of some memory in which no lock lies.
fn words(segment: &Segment, is_lock: impl Fn(usize) -> bool) -> Vec<&AtomicU64> {
    let n_words = segment.len() / 8;
    let words = (0..n_words).filter(|word| !is_lock(*word));
    words.map(|word| segment.at::<AtomicU64>(word * 8).unwrap()).collect()
}

pub(crate) fn scribbles() -> Outcome {
    let _watchdog = watch("scribbles");
    let manager = common::builder().start()?;
    let dict: ShmDict<char, bool> = manager.shm_dict(10)?;
    let list: ShmList<char> = manager.shm_list(10)?;
    let (map, items) = (dict.as_map()?.ok_or("memory")?, list.as_vec()?.ok_or("memory")?);
    // A lock that lies is like one that is held: for that see the scenario above.
    let of_map = words(map.segment(), |word| (8..16).contains(&word));
    let of_items = words(items.segment(), |word| (0..8).contains(&word));
    let (caller, caller_of_items) = (caller_of_dict(&manager, &dict), caller_of_list(&list));
    let mut rng = Rng::of_run("scribbles");
    for round in 0..if testkit::full() { 5_000 } else { 200 } {
        for words in [&of_map, &of_items] {
            for _ in 0..1 + round % 30 {
                let word = words[rng.index(words.len())];
                let value = match rng.range(0..4) {
                    0 => 0,
                    1 => u64::MAX,
                    2 => rng.range(0..20),
                    _ => rng.next_u64(),
                };
                word.store(value, Relaxed);
            }
        }
        // Whatever comes, it comes.
        for dict in [&dict, &caller] {
            let key = char::from_u32(u32::try_from(rng.range(0..20))?).unwrap_or_default();
            drop((dict.get(&key), dict.insert(&key, &true), dict.len(), dict.keys()));
            drop((dict.remove(&key), dict.compare_and_set(&key, None, Some(&false))));
            drop((dict.get_or_insert(&key, &true), dict.iter().take(1_000).count()));
        }
        for list in [&list, &caller_of_items] {
            drop((list.push(&'x'), list.get(3), list.len(), list.to_vec(), list.set(1, &'y')));
            drop((list.compare_and_set(0, &'x', &'y'), list.pop(), list.truncate(5)));
        }
    }
    // What is written there by who keeps to no rules is no value, and is told.
    dict.clear()?;
    dict.set(&'a', &true)?;
    for word in &of_map {
        if word.load(Relaxed) == u64::from('a') {
            word.store(u64::MAX, Relaxed);
        }
    }
    is(dict.iter().any(|entry| matches!(entry, Err(Error::Corrupt))), "here")?;
    is(caller.iter().any(|entry| matches!(entry, Err(Error::Corrupt))), "there")?;
    is(manager.dict::<u8, u8>()?.is_empty()?, "the manager goes on")?;
    Ok(Report::PASSED)
}

/// A client's hello that asks for the memory of an object.
fn hello(object: u8, secret: u8) -> Vec<u8> {
    [b"mp-mngr\0".as_slice(), &[1, 0, 0, 2, object, secret]].concat()
}

pub(crate) fn guesses() -> Outcome {
    let _watchdog = watch("guesses");
    let manager = common::builder().start()?;
    let shared: ShmDict<u64, u64> = manager.shm_dict(10)?;
    let plain: Dict<u64, u64> = manager.dict()?;
    let refused = manager.stats()?.refused;
    let asked = [hello(1, 7), hello(2, 7), hello(99, 7), hello(0, 0), hello(1, 0x80)];
    for hello in &asked {
        let line: Connection<(), ()> = connect(manager.address(), None)?;
        line.send_bytes(hello)?;
        is(
            line.recv_bytes_deadline(1 << 20, Deadline::after(Duration::from_secs(60)))
                .is_err_and(|error| !error.is_timed_out()),
            "it is shown out, and told nothing",
        )?;
    }
    wait_until(&manager, "they are counted", |stats| {
        (stats.refused, stats.clients) == (refused + asked.len() as u64, 1)
    });
    is(shared.insert(&1, &1)?.is_none() && plain.insert(&1, &1)?.is_none(), "as before")?;
    Ok(Report::PASSED)
}
