//! Clients and managers that die, and children that are forked.

use std::time::Duration;

use ipc_core::wire;
use manager::{Error, ShmDict, ShmList};
use rustix::process::{Pid, Signal, kill_process};
use testkit::child;
use testkit::kill::{Storm, Worker};
use testkit::{Counter, Outcome, Report, SharedArena};

use crate::common::{self, wait_until, watch};
use crate::{caller_of_dict, is};

pub(crate) fn forked_children() -> Outcome {
    let _watchdog = watch("forked children");
    let manager = common::builder().start()?;
    let used: ShmDict<u64, u64> = manager.shm_dict(10)?;
    used.set(&1, &1)?;
    // Nobody has asked for the memory of this one yet.
    let unused: ShmDict<u64, u64> = wire::decode(wire::encode(&used)?)?;
    let mut child = child::fork(|| {
        let has_both = used.as_map().unwrap().is_some() && unused.as_map().unwrap().is_some();
        let added = |(n, by): (Option<u64>, u64)| n.map(|n| n + by);
        used.update(&1, added, &1).unwrap();
        unused.update(&1, added, &1).unwrap();
        drop((used.clone(), unused.clone()));
        i32::from(!has_both)
    });
    is(child.wait().is_success(), "in the child")?;
    is(used.get(&1)? == Some(3) && unused.get(&1)? == Some(3), "as it is here")?;
    drop((used, unused));
    wait_until(&manager, "nothing is left", |stats| (stats.objects, stats.clients) == (0, 1));
    Ok(Report::PASSED)
}

pub(crate) fn manager_is_killed() -> Outcome {
    let _watchdog = watch("the manager is killed");
    let manager = common::builder().start()?;
    let dict: ShmDict<u64, u64> = manager.shm_dict(10)?;
    let list: ShmList<u64> = manager.shm_list(10)?;
    dict.set(&1, &1)?;
    let caller = caller_of_dict(&manager, &dict);
    let unused: ShmDict<u64, u64> = wire::decode(wire::encode(&dict)?)?;
    let pid = i32::try_from(manager.pid().ok_or("it is ours")?)?;
    kill_process(Pid::from_raw(pid).ok_or("a pid")?, Signal::KILL)?;
    is(caller.get(&1).is_err_and(|error| error.is_disconnected()), "who calls")?;
    manager.shutdown()?;
    is(dict.update(&1, |(n, by)| n.map(|n| n + by), &1)? == Some(2), "it goes on")?;
    list.push(&1)?;
    let mut child = child::fork(|| {
        dict.set(&2, &2).unwrap();
        0
    });
    is(child.wait().is_success() && dict.get(&2)? == Some(2), "and its children")?;
    is(unused.get(&1).is_err_and(|error| error.is_disconnected()), "who comes too late")?;
    is(wire::encode(&dict).is_err(), "nobody can be sent there")?;
    is(dict.get_or_insert(&3, &3)? == 3 && dict.len()? == 3, "and on")?;
    Ok(Report::PASSED)
}

const N_CLIENTS: usize = 4;
const N_KEYS: u64 = 20;

struct Stormed {
    dict: ShmDict<u64, [u64; 2]>,
    /// Items of which both halves are equal.
    list: ShmList<[u64; 2]>,
    /// For each client: how many counts were begun.
    begun: SharedArena<Counter>,
    /// For each client: how many were done.
    done: SharedArena<Counter>,
}

/// Half of them have the memory, and half call the manager; none leaves a half-made change.
pub(crate) fn storm() -> Outcome {
    let manager = common::builder().passage_timeout(Duration::from_millis(50)).start()?;
    let stormed = Stormed {
        dict: manager.shm_dict(2 * usize::try_from(N_KEYS)?)?,
        list: manager.shm_list(30)?,
        begun: SharedArena::new(N_CLIENTS),
        done: SharedArena::new(N_CLIENTS),
    };
    for key in 0..N_KEYS {
        stormed.dict.set(&key, &[0; 2])?;
    }
    let end = Storm::new("clients of a dict in shared memory", &stormed)
        .role("client", N_CLIENTS, |stormed, me| match stormed.work(me) {
            Ok(()) => 0,
            Err(_) => 1,
        })
        .kills(if testkit::full() { 3_000 } else { 150 })
        .mean(Duration::from_millis(10))
        .limit(Duration::from_secs(150))
        .run()?;
    let total = |notes: &[Counter]| notes.iter().map(Counter::get).sum::<u64>();
    let (begun, done) = (total(&stormed.begun), total(&stormed.done));
    let mut sum = 0;
    for key in 0..N_KEYS {
        let [first, second] = stormed.dict.get(&key)?.ok_or("a key is gone")?;
        is(first == second, (key, first, second))?;
        sum += first;
    }
    is(stormed.list.to_vec()?.iter().all(|[first, second]| first == second), "items")?;
    is(stormed.dict.len()? == stormed.dict.to_vec()?.len(), "the count is right")?;
    is(done <= sum && sum <= begun && begun - done <= end.kills, (done, sum, begun, end.kills))?;
    wait_until(&manager, "they are gone", |stats| {
        (stats.clients, stats.objects, stats.references) == (1, 2, 2)
    });
    Ok(end.report(sum, done.saturating_sub(sum), sum.saturating_sub(begun)).into())
}

impl Stormed {
    fn work(&self, me: &Worker<'_>) -> Result<(), Error> {
        let mut rng = me.rng("client");
        // Every other one has no memory of its own, and has the manager do it.
        let dict = if me.place.is_multiple_of(2) {
            self.dict.clone()
        } else {
            let bytes = wire::encode(&self.dict)?;
            let other: ShmDict<u64, [u64; 2]> = wire::decode(bytes)?;
            crate::without_files(|| other.as_map().map(drop))?;
            other
        };
        let passing = 1_000 + me.place as u64;
        while !me.should_stop() {
            self.begun[me.place].add(1);
            let count = |(old, by): (Option<[u64; 2]>, u64)| old.map(|[a, b]| [a + by, b + by]);
            dict.update(&rng.range(0..N_KEYS), count, &1)?;
            self.done[me.place].add(1);
            dict.insert(&passing, &[1; 2])?;
            match rng.range(0..3) {
                // It may be full.
                0 => drop(self.list.push(&[passing; 2])),
                1 => drop(self.list.pop()?),
                _ => drop(dict.remove(&passing)?),
            }
            me.got_on();
        }
        Ok(())
    }
}
