//! Sums in values: each addition is noted before and after, so that the sum is known in the end but
//! for one addition for each death.

use shm_value::{RawValue, Value};
use testkit::kill::{Storm, Worker};
use testkit::{Counter, Outcome, SharedArena};

use super::{LONGEST_STALL, ended};

const N_WRITERS: usize = 3;
const N_READERS: usize = 2;

struct Stormed<const N: usize> {
    /// The sum, so many times.
    sums: Value<[u64; N]>,
    /// The sum again, by atomic additions.
    count: RawValue<u64>,
    /// For each writer: how many additions were begun.
    begun: SharedArena<Counter>,
    /// For each writer: how many additions were done.
    done: SharedArena<Counter>,
}

pub(crate) fn storm<const N: usize>(name: &str, kills: u64) -> Outcome {
    let stormed = Stormed {
        sums: Value::new([0; N])?,
        count: RawValue::new(0)?,
        begun: SharedArena::new(N_WRITERS),
        done: SharedArena::new(N_WRITERS),
    };
    let end = Storm::new(name, &stormed)
        .role("writer", N_WRITERS, |stormed, me| ended(stormed.write(me)))
        .role("reader", N_READERS, |stormed, me| ended(stormed.read(me)))
        .kills(if testkit::full() { kills * 50 } else { kills })
        .longest_stall(LONGEST_STALL)
        .run()?;
    let total = |notes: &[Counter]| notes.iter().map(Counter::get).sum::<u64>();
    let (begun, done) = (total(&stormed.begun), total(&stormed.done));
    let sum = whole(stormed.sums.get()?)?;
    let count = stormed.count.load();
    if sum == 0 || begun - done > end.kills || !(done..=begun).contains(&count) {
        return Err(format!("{done} of {begun} additions, {count} counted, sum {sum}").into());
    }
    Ok(end.report(sum, done.saturating_sub(sum), sum.saturating_sub(begun)).into())
}

impl<const N: usize> Stormed<N> {
    /// Adds, in one of the ways there are.
    fn write(&self, me: &Worker<'_>) -> Result<(), String> {
        let mut rng = me.rng("additions");
        while !me.should_stop() {
            self.begun[me.place].add(1);
            let added = match rng.range(0..3) {
                0 => self.sums.update(|sums| sums.map(|sum| sum + 1)).map(drop),
                1 => self.sums.lock().map(|mut sums| {
                    for sum in &mut *sums {
                        *sum += 1;
                    }
                }),
                _ => self.sums.lock().and_then(|mut sums| {
                    let old = whole(*sums).map_err(|_| shm_value::AccessError::Corrupt)?;
                    *sums = [old + 1; N];
                    Ok(())
                }),
            };
            added.map_err(|error| error.to_string())?;
            self.count.fetch_add(1);
            self.done[me.place].add(1);
            me.got_on();
        }
        Ok(())
    }

    /// Looks, and finds whole values that only grow.
    fn read(&self, me: &Worker<'_>) -> Result<(), String> {
        let mut last = 0;
        while !me.should_stop() {
            let sum = whole(self.sums.get().map_err(|error| error.to_string())?)?;
            if sum < last {
                return Err(format!("{last}, and then {sum}"));
            }
            last = sum;
            me.got_on();
        }
        Ok(())
    }
}

/// The number of which the value is made.
fn whole<const N: usize>(sums: [u64; N]) -> Result<u64, String> {
    if sums == [sums[0]; N] { Ok(sums[0]) } else { Err(format!("torn: {sums:?}")) }
}
