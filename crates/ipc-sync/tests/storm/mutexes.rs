//! Sums under mutexes.
//!
//! Each of a few mutexes protects a sum. A worker notes that it is about to add, adds, and notes
//! that it has added; so at the end each sum is known but for one addition for each death.

#![expect(unsafe_code, reason = "mutexes are placed in a segment")]

use std::mem;
use std::time::Duration;

use ipc_core::{Kind, Layout, Segment};
use ipc_sync::{LockError, Mutex, MutexGuard, Recovery, TryLockError};
use testkit::kill::{Storm, Worker};
use testkit::seed::Rng;
use testkit::{Counter, Outcome, SharedArena, clock};

use super::{LONGEST_STALL, complain};

/// The sum, twice: whoever dies between the two leaves them different.
type Sums = [u64; 2];

struct Stormed {
    mutexes: Vec<Mutex<Sums>>,
    /// For each mutex: who is inside, as one more than its place; zero if nobody is.
    inside: SharedArena<Counter>,
    /// For each worker and mutex: how many additions were begun.
    begun: SharedArena<Counter>,
    /// For each worker and mutex: how many additions were done.
    done: SharedArena<Counter>,
    /// How often somebody was told of a death.
    told: SharedArena<Counter>,
    /// How many threads have ended while they held a lock.
    forgotten: SharedArena<Counter>,
    n_workers: usize,
}

pub(crate) fn storm(name: &str, n_workers: usize, n_locks: usize, kills: u64) -> Outcome {
    let mut layout = Layout::new();
    let offsets: Vec<_> = (0..n_locks).map(|_| Mutex::<Sums>::reserve(&mut layout)).collect();
    let segment = Segment::create(Kind::new(*b"storm\0\0\0", 1), 0, layout.size())?;
    let place = |offset| {
        // SAFETY: the layout has room for the mutex there, and nobody else has the segment.
        unsafe { Mutex::in_segment(&segment, offset) }
    };
    let stormed = Stormed {
        mutexes: offsets.into_iter().map(place).collect::<Result<_, _>>()?,
        inside: SharedArena::new(n_locks),
        begun: SharedArena::new(n_locks * n_workers),
        done: SharedArena::new(n_locks * n_workers),
        told: SharedArena::new(1),
        forgotten: SharedArena::new(1),
        n_workers,
    };
    let end = Storm::new(name, &stormed)
        .role("adder", n_workers, Stormed::work)
        .kills(if testkit::full() { kills * 50 } else { kills })
        .longest_stall(LONGEST_STALL)
        .run()?;
    let (mut sum, mut lost, mut doubled) = (0, 0, 0);
    for idx in 0..n_locks {
        let [found, _] = *stormed.take(stormed.mutexes[idx].lock(), idx)?;
        let total = |notes: &[Counter]| {
            notes.iter().skip(idx).step_by(n_locks).map(Counter::get).sum::<u64>()
        };
        let (begun, done) = (total(&stormed.begun), total(&stormed.done));
        sum += found;
        lost += done.saturating_sub(found);
        doubled += found.saturating_sub(begun);
    }
    let (told, forgotten) = (stormed.told[0].get(), stormed.forgotten[0].get());
    // Who is killed holds two locks at most.
    if told > 2 * end.kills + forgotten {
        return Err(format!("{told} were told of {} deaths", end.kills).into());
    }
    if forgotten > 0 && told == 0 || sum == 0 {
        return Err("the storm was none".into());
    }
    Ok(end.report(sum, lost, doubled).into())
}

impl Stormed {
    fn work(&self, me: &Worker<'_>) -> i32 {
        let mut rng = me.rng("additions");
        while !me.should_stop() {
            let ended = match rng.range(0..200) {
                0 => self.forget(me),
                1..40 if self.mutexes.len() > 1 => self.add_to_two(me, &mut rng),
                n => self.add_to_one(me, &mut rng, n),
            };
            if let Err(why) = ended {
                return complain(&why);
            }
            me.got_on();
        }
        0
    }

    /// Adds under one lock, which it takes in one of the ways there are.
    fn add_to_one(&self, me: &Worker<'_>, rng: &mut Rng, way: u64) -> Result<(), String> {
        let idx = rng.index(self.mutexes.len());
        let mutex = &self.mutexes[idx];
        let taken = match way % 4 {
            0 => mutex.lock_timeout(rng.duration(Duration::ZERO..Duration::from_micros(200))),
            1 => mutex.try_lock().map_err(|error| match error {
                TryLockError::WouldBlock => LockError::Timeout,
                TryLockError::OwnerDied(recovery) => LockError::OwnerDied(recovery),
                TryLockError::Poisoned(recovery) => LockError::Poisoned(recovery),
                _ => LockError::Corrupt,
            }),
            _ => mutex.lock(),
        };
        match taken {
            Err(LockError::Timeout) => Ok(()),
            taken => self.add(me, idx, self.take(taken, idx)?),
        }
    }

    /// Adds under two locks, of which the first is given back first.
    fn add_to_two(&self, me: &Worker<'_>, rng: &mut Rng) -> Result<(), String> {
        // In the order of their places, so that nobody waits in a circle.
        let second = 1 + rng.index(self.mutexes.len() - 1);
        let first = rng.index(second);
        let outer = self.take(self.mutexes[first].lock(), first)?;
        let inner = self.take(self.mutexes[second].lock(), second)?;
        self.add(me, first, outer)?;
        self.add(me, second, inner)
    }

    /// Lets a thread die with a lock that it holds.
    fn forget(&self, me: &Worker<'_>) -> Result<(), String> {
        let mut found = Ok(());
        let forget = || {
            let guard = self.take(self.mutexes[0].lock(), 0)?;
            self.enter(me, 0)?;
            self.forgotten[0].add(1);
            #[expect(clippy::mem_forget, reason = "that is what is tested")]
            mem::forget(guard);
            Ok(())
        };
        testkit::die_alone(|| found = forget());
        found
    }

    /// Makes a guard of whatever came of taking the lock.
    fn take<'m>(
        &self,
        taken: Result<MutexGuard<'m, Sums>, LockError<Recovery<'m, Sums>>>,
        idx: usize,
    ) -> Result<MutexGuard<'m, Sums>, String> {
        let recovery = match taken {
            Ok(guard) if guard[0] == guard[1] => return Ok(guard),
            Ok(guard) => return Err(format!("torn, and nobody told of it: {guard:?}")),
            Err(LockError::OwnerDied(recovery)) => {
                self.told[0].add(1);
                recovery
            }
            Err(LockError::Poisoned(recovery)) => recovery,
            Err(error) => return Err(error.to_string()),
        };
        // The dead is not inside any more. Dying here poisons, which is told to the next.
        self.inside[idx].set(0);
        Ok(recovery.recover(|sums| sums[1] = sums[0]))
    }

    fn add(
        &self,
        me: &Worker<'_>,
        idx: usize,
        mut sums: MutexGuard<'_, Sums>,
    ) -> Result<(), String> {
        let note = me.place * self.mutexes.len() + idx;
        self.enter(me, idx)?;
        self.begun[note].add(1);
        sums[0] += 1;
        if sums[0].is_multiple_of(1 << 12) {
            // Now and then long enough for the others to fall asleep.
            clock::pause(Duration::from_micros(100));
        }
        sums[1] += 1;
        self.done[note].add(1);
        if self.inside[idx].replace(me.place as u64 + 1, 0) {
            Ok(())
        } else {
            Err("somebody came in".to_owned())
        }
    }

    fn enter(&self, me: &Worker<'_>, idx: usize) -> Result<(), String> {
        assert!(me.place < self.n_workers, "a place that there is");
        if self.inside[idx].replace(0, me.place as u64 + 1) {
            Ok(())
        } else {
            Err(format!("worker {} is inside", self.inside[idx].get() - 1))
        }
    }
}
