//! Counts in a map, among keys that come and go, and a vector that is pushed to and popped from.

use shm_value::{ShmMap, ShmVec};
use testkit::kill::{Storm, Worker};
use testkit::{Counter, Outcome, SharedArena};

use super::{LONGEST_STALL, ended};

const N_CHANGERS: usize = 3;
const N_KEYS: u64 = 20;
const N_PLACES: usize = 20;

struct Stormed {
    /// The counts of some keys, twice each, and other keys that pass through.
    map: ShmMap<u64, [u64; 2]>,
    /// Items of which both halves are equal.
    vec: ShmVec<[u64; 2]>,
    /// For each changer: how many counts were begun.
    begun: SharedArena<Counter>,
    /// For each changer: how many counts were done.
    done: SharedArena<Counter>,
}

pub(crate) fn storm(name: &str, kills: u64) -> Outcome {
    let stormed = Stormed {
        map: ShmMap::with_capacity(20)?,
        vec: ShmVec::with_capacity(30)?,
        begun: SharedArena::new(N_CHANGERS),
        done: SharedArena::new(N_CHANGERS),
    };
    for key in 0..N_KEYS {
        stormed.map.insert(key, [0; 2])?;
    }
    let end = Storm::new(name, &stormed)
        .role("changer", N_CHANGERS, |stormed, me| ended(stormed.change(me)))
        .role("reader", 2, |stormed, me| ended(stormed.read(me)))
        .kills(if testkit::full() { kills * 50 } else { kills })
        .longest_stall(LONGEST_STALL)
        .run()?;
    let total = |notes: &[Counter]| notes.iter().map(Counter::get).sum::<u64>();
    let (begun, done) = (total(&stormed.begun), total(&stormed.done));
    let mut sum = 0;
    let mut n_passing = 0;
    for entry in stormed.map.iter() {
        let (key, value) = entry?;
        if key < N_KEYS {
            sum += whole(value)?;
        } else {
            n_passing += 1;
        }
    }
    let len = stormed.map.len()? as u64;
    if len != N_KEYS || n_passing != 0 || sum == 0 {
        return Err(format!("{len} keys, of which {n_passing} pass, and a sum of {sum}").into());
    }
    if begun - done > end.kills {
        return Err(format!("{done} of {begun} counts").into());
    }
    Ok(end.report(sum, done.saturating_sub(sum), sum.saturating_sub(begun)).into())
}

impl Stormed {
    fn change(&self, me: &Worker<'_>) -> Result<(), String> {
        let mut rng = me.rng("changes");
        while !me.should_stop() {
            let passing = 1_000 * (me.place as u64 + 1) + rng.range(0..4);
            self.map.insert(passing, [1; 2]).map_err(|error| error.to_string())?;
            self.begun[me.place].add(1);
            let count = |[first, second]: [u64; 2]| [first + 1, second + 1];
            let key = rng.range(0..N_KEYS);
            let old = self.map.update(key, count).map_err(|error| error.to_string())?;
            self.done[me.place].add(1);
            whole(old.ok_or_else(|| format!("{key} is gone"))?)?;
            self.map.remove(passing).map_err(|error| error.to_string())?;
            if rng.range(0..2) == 0 {
                // It may be full.
                self.vec.push([passing; 2]).ok();
            } else {
                let popped = self.vec.pop().map_err(|error| error.to_string())?;
                popped.map_or(Ok(0), whole)?;
            }
            me.got_on();
        }
        // What those left behind who died here.
        for passing in 0..4 {
            let passing = 1_000 * (me.place as u64 + 1) + passing;
            self.map.remove(passing).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn read(&self, me: &Worker<'_>) -> Result<(), String> {
        let mut rng = me.rng("looks");
        let mut last = [0; N_PLACES];
        while !me.should_stop() {
            let idx = rng.index(N_PLACES);
            let key = idx as u64;
            let found = self.map.get(key).map_err(|error| error.to_string())?;
            let count = whole(found.ok_or_else(|| format!("{key} is not found"))?)?;
            let place = &mut last[idx];
            if count < *place {
                return Err(format!("{key} had {place}, and then {count}"));
            }
            *place = count;
            for item in self.vec.iter() {
                whole(item.map_err(|error| error.to_string())?)?;
            }
            me.got_on();
        }
        Ok(())
    }
}

/// The number of which the value is made.
fn whole([first, second]: [u64; 2]) -> Result<u64, String> {
    if first == second { Ok(first) } else { Err(format!("torn: {first} and {second}")) }
}
