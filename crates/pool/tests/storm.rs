//! A storm: workers are killed at random while thousands of tasks run, and every one is accounted
//! for.

#![expect(clippy::unwrap_used, reason = "scenarios end when something is not as it should be")]
#![expect(clippy::panic, reason = "scenarios end when something is not as it should be")]

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{Kind, Segment};
use pool::{Pool, Retry, TaskError};
use testkit::seed::Rng;
use testkit::{Outcome, clock, full, report};

fn main() -> ExitCode {
    testkit::main(&[
        ("pool storm, tasks run again", tasks_run_again),
        ("pool storm, tasks fail", tasks_fail),
        ("pool storm, items that travel together", chunks),
        ("pool storm, large values", large_values),
        ("pool storm, many threads", many_threads),
        ("pool storm, workers that come and go", workers_that_come_and_go),
    ])
}

const KIND: Kind = Kind::new(*b"audit\0\0\0", 1);

/// A word for each task, in which its runs are counted.
#[derive(Clone, Debug)]
struct Audit(Segment);

impl Audit {
    fn new(n_tasks: usize) -> Self {
        Self(Segment::create(KIND, 0, n_tasks * size_of::<u64>()).unwrap())
    }

    fn runs(&self, task: u64) -> &AtomicU64 {
        self.0.at(usize::try_from(task).unwrap() * size_of::<u64>()).unwrap()
    }
}

/// What a task does: notes that it runs, and works for a while.
fn work((audit, task, micros): (Segment, u64, u64)) -> u64 {
    Audit(audit).runs(task).fetch_add(1, Relaxed);
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(micros) {}
    task.wrapping_mul(31)
}

/// Kills random workers at random times while `work` runs; returns how many and what `work` did.
fn in_a_storm<R>(pool: &Pool, name: &str, mean: Duration, work: impl FnOnce() -> R) -> (u64, R) {
    let is_over = Mutex::new(false);
    let mut rng = Rng::of_run(name);
    std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let n_workers = pool.stats().workers.len();
            let mut n_kills = 0_u64;
            while !*is_over.lock().unwrap() {
                clock::pause(rng.until_next(mean));
                n_kills += u64::from(pool.kill_worker(rng.index(n_workers)).unwrap().is_some());
            }
            n_kills
        });
        let result = work();
        *is_over.lock().unwrap() = true;
        (killer.join().unwrap(), result)
    })
}

/// What a storm came to.
#[derive(Debug)]
struct Tally {
    lost: u64,
    doubled: u64,
    stall: Duration,
    last: Instant,
    seen: Vec<u32>,
}

impl Tally {
    fn new(n_tasks: u64) -> Self {
        let seen = vec![0; usize::try_from(n_tasks).unwrap()];
        Self { lost: 0, doubled: 0, stall: Duration::ZERO, last: Instant::now(), seen }
    }

    fn came(&mut self, task: u64) {
        self.stall = self.stall.max(self.last.elapsed());
        self.last = Instant::now();
        self.seen[usize::try_from(task).unwrap()] += 1;
    }

    fn report(mut self, pool: Pool, kills: u64) -> Outcome {
        drop(pool);
        // A scenario leaves no process behind.
        proc_core::stop_fork_server();
        self.lost += self.seen.iter().filter(|n| **n == 0).count() as u64;
        self.doubled += self.seen.iter().filter(|n| **n > 1).count() as u64;
        let messages = self.seen.len() as u64;
        let Self { lost, doubled, stall: longest_stall, .. } = self;
        Ok(report::Storm { kills, messages, lost, doubled, longest_stall }.into())
    }
}

fn n_tasks() -> u64 {
    if full() { 2_000_000 } else { 20_000 }
}

fn tasks_run_again() -> Outcome {
    let pool = Pool::builder().workers(2).on_worker_death(Retry::always()).build()?;
    let audit = Audit::new(usize::try_from(n_tasks())?);
    let mut tally = Tally::new(n_tasks());
    let items = (0..n_tasks()).map(|task| (audit.0.clone(), task, task % 40));
    let (kills, ()) = in_a_storm(&pool, "again", Duration::from_millis(4), || {
        for result in pool.imap_unordered(work, items) {
            tally.came(result.unwrap() / 31);
        }
    });
    let runs: Vec<u64> = (0..n_tasks()).map(|task| audit.runs(task).load(Relaxed)).collect();
    if runs.contains(&0) {
        return Err("a task has a result and was not run".into());
    }
    // Each kill has one task run again, or none.
    let again: u64 = runs.iter().map(|n| n - 1).sum();
    if again > kills {
        return Err(format!("{again} runs too many for {kills} kills").into());
    }
    tally.report(pool, kills)
}

fn tasks_fail() -> Outcome {
    let pool = Pool::builder().workers(2).build()?;
    let audit = Audit::new(usize::try_from(n_tasks())?);
    let mut tally = Tally::new(n_tasks());
    let items = (0..n_tasks()).map(|task| (audit.0.clone(), task, task % 40));
    let mut n_died = 0;
    let (kills, ()) = in_a_storm(&pool, "fail", Duration::from_millis(4), || {
        for (task, result) in (0..).zip(pool.imap(work, items)) {
            match result {
                Ok(value) => tally.came(value / 31),
                Err(TaskError::WorkerDied { status, .. }) => {
                    assert_eq!(status.signal(), Some(9), "{status}");
                    n_died += 1;
                    tally.came(task);
                }
                Err(error) => panic!("task {task}: {error}"),
            }
        }
    });
    if n_died > kills {
        return Err(format!("{n_died} tasks died of {kills} kills").into());
    }
    // What failed was begun, and nothing is begun twice.
    for task in 0..n_tasks() {
        if audit.runs(task).load(Relaxed) > 1 {
            return Err(format!("task {task} was run twice").into());
        }
    }
    tally.report(pool, kills)
}

/// Quick items in chunks: each is run once, and has its result or has died with its worker.
fn chunks() -> Outcome {
    let n_tasks = n_tasks() * 2;
    let audit = Audit::new(usize::try_from(n_tasks)?);
    let builder = Pool::builder().workers(2);
    let pool = builder.initializer(Audit, audit.0.clone()).build()?;
    let quick = |audit: &mut Audit, task: u64| work((audit.0.clone(), task, task % 20));
    let mut tally = Tally::new(n_tasks);
    let mut n_died = 0;
    let (kills, ()) = in_a_storm(pool.pool(), "chunks", Duration::from_millis(4), || {
        for (task, result) in (0..).zip(pool.imap(quick, 0..n_tasks)) {
            match result {
                Ok(value) => tally.came(value / 31),
                Err(TaskError::WorkerDied { status, .. }) => {
                    assert_eq!(status.signal(), Some(9), "{status}");
                    n_died += 1;
                    tally.came(task);
                }
                Err(error) => panic!("task {task}: {error}"),
            }
        }
    });
    if n_died > kills {
        return Err(format!("{n_died} tasks died of {kills} kills").into());
    }
    let n_not_run = (0..n_tasks).filter(|task| audit.runs(*task).load(Relaxed) != 1).count() as u64;
    // One may have been begun and not run.
    if n_not_run > n_died {
        return Err(format!("{n_not_run} tasks were not run once, and {n_died} died").into());
    }
    drop(pool);
    tally.report(Pool::builder().workers(1).build()?, kills)
}

fn large_values() -> Outcome {
    let n_tasks = n_tasks() / 20;
    let pool = Pool::builder().workers(2).on_worker_death(Retry::always()).build()?;
    let mut tally = Tally::new(n_tasks);
    let items =
        (0..n_tasks).map(|task| (task, "x".repeat(usize::try_from(task % 7).unwrap() * 9_000)));
    let (kills, ()) = in_a_storm(&pool, "large", Duration::from_millis(4), || {
        for result in pool.imap_unordered(|value: (u64, String)| value, items) {
            let (task, text) = result.unwrap();
            assert_eq!(text.len() as u64, task % 7 * 9_000);
            tally.came(task);
        }
    });
    tally.report(pool, kills)
}

fn many_threads() -> Outcome {
    let n_tasks = n_tasks() / 4;
    let pool = Pool::builder().workers(3).on_worker_death(Retry::always()).build()?;
    let audit = Audit::new(usize::try_from(n_tasks)?);
    let tally = Mutex::new(Tally::new(n_tasks));
    let (kills, ()) = in_a_storm(&pool, "threads", Duration::from_millis(4), || {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (pool, audit, tally) = (&pool, &audit, &tally);
                scope.spawn(move || {
                    for task in (0..n_tasks).filter(|task| task % 4 == thread) {
                        let value = pool.call(work, (audit.0.clone(), task, task % 30)).unwrap();
                        tally.lock().unwrap().came(value / 31);
                    }
                });
            }
        });
    });
    tally.into_inner().unwrap().report(pool, kills)
}

/// Workers make a state before they are ready, leave after a few tasks, become more and fewer, and are
/// killed at all of that.
fn workers_that_come_and_go() -> Outcome {
    let n_tasks = n_tasks() / 4;
    let builder = Pool::builder().workers(2).max_workers(4).on_worker_death(Retry::always());
    let builder = builder.max_tasks_per_worker(50);
    let pool = builder.initializer(|start: u64| start, 7).build()?;
    let audit = Audit::new(usize::try_from(n_tasks)?);
    let mut tally = Tally::new(n_tasks);
    let items = (0..n_tasks).map(|task| (audit.0.clone(), task, task % 30));
    let in_state = |n_before: &mut u64, task| {
        *n_before += 1;
        // It is as old as its worker.
        assert!(*n_before <= 57);
        work(task)
    };
    let mut rng = Rng::of_run("sizes");
    let (kills, ()) = in_a_storm(pool.pool(), "come and go", Duration::from_millis(4), || {
        for (n, result) in pool.imap_unordered(in_state, items).enumerate() {
            tally.came(result.unwrap() / 31);
            if n % 100 == 0 {
                pool.pool().resize(1 + rng.index(4)).unwrap();
            }
        }
    });
    for task in 0..n_tasks {
        if audit.runs(task).load(Relaxed) == 0 {
            return Err(format!("task {task} has a result and was not run").into());
        }
    }
    drop(pool);
    tally.report(Pool::builder().workers(1).build()?, kills)
}
