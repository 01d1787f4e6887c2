//! A storm: workers are killed at random while thousands of tasks run, and every one is accounted
//! for.

#![expect(clippy::unwrap_used, reason = "scenarios end when something is not as it should be")]
#![expect(clippy::panic, reason = "scenarios end when something is not as it should be")]

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::wire::Handle;
use ipc_core::{Kind, Segment};
use pool::{Pool, Retry, Task, TaskError};
use proc_core::Start;
use testkit::seed::Rng;
use testkit::{Outcome, clock, full, report};

use common::{resident_bytes, wait_until_idle};

mod common;

fn main() -> ExitCode {
    testkit::main(&[
        ("pool storm, tasks run again", tasks_run_again),
        ("pool storm, tasks fail", tasks_fail),
        ("pool storm, items that travel together", chunks),
        ("pool storm, large values", large_values),
        ("pool storm, many threads", many_threads),
        ("pool storm, workers that come and go", workers_that_come_and_go),
        ("pool storm, nothing is lost and nothing left", || lasting(Start::ForkServer)),
        ("pool storm, nothing is lost and nothing left by spawn", || lasting(Start::Spawn)),
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

    /// What failed was begun, and nothing is begun twice.
    fn is_none_run_twice(&self, n_tasks: u64) -> Result<(), String> {
        match (0..n_tasks).find(|&task| self.runs(task).load(Relaxed) > 1) {
            Some(task) => Err(format!("task {task} was run twice")),
            None => Ok(()),
        }
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

    /// The task has a result or has died with its worker; whether it died.
    fn came_or_died(&mut self, task: u64, result: Result<u64, TaskError>) -> bool {
        match result {
            Ok(value) => self.came(value / 31),
            Err(TaskError::WorkerDied { status, .. }) => {
                assert_eq!(status.signal(), Some(9), "{status}");
                self.came(task);
                return true;
            }
            Err(error) => panic!("task {task}: {error}"),
        }
        false
    }

    fn report<P>(mut self, pool: P, kills: u64) -> Outcome {
        drop(pool);
        // A scenario leaves no process behind.
        proc_core::stop_fork_server();
        self.lost += self.seen.iter().filter(|n| **n == 0).count() as u64;
        self.doubled += self.seen.iter().filter(|n| **n > 1).count() as u64;
        let messages = self.seen.len() as u64;
        let Self { lost, doubled, stall: longest_stall, .. } = self;
        let own_stall = None;
        Ok(report::Storm { kills, messages, lost, doubled, longest_stall, own_stall }.into())
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
            n_died += u64::from(tally.came_or_died(task, result));
        }
    });
    if n_died > kills {
        return Err(format!("{n_died} tasks died of {kills} kills").into());
    }
    audit.is_none_run_twice(n_tasks())?;
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
            n_died += u64::from(tally.came_or_died(task, result));
        }
    });
    if n_died > kills {
        return Err(format!("{n_died} tasks died of {kills} kills").into());
    }
    audit.is_none_run_twice(n_tasks)?;
    let n_not_run = (0..n_tasks).filter(|task| audit.runs(*task).load(Relaxed) == 0).count() as u64;
    // One may have been begun and not run.
    if n_not_run > n_died {
        return Err(format!("{n_not_run} tasks were not run, and {n_died} died").into());
    }
    tally.report(pool, kills)
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
    tally.report(pool, kills)
}

/// How many tasks are under way at a time in [`lasting`].
const N_AT_A_TIME: u64 = 500;

/// After so many rounds all that grows to some size has done so.
const N_FIRST_ROUNDS: u64 = 2;

/// What is kept for each of a hundred thousand tasks, or of the thousands of workers, would be more.
const MOST_GROWTH: u64 = 4 << 20;

type Job = (Segment, u64, u64, Option<Handle>, String);

/// As [`work`], of tasks some of which bring a handle or much text.
fn carry((audit, task, micros, handle, text): Job) -> (u64, usize) {
    drop(handle);
    (work((audit, task, micros)), text.len())
}

/// A worker is killed every 5 ms, at tasks of all kinds, of which every second one runs again. Each has
/// its answer or its error; and of all that was there for a while, nothing stays.
fn lasting(start: Start) -> Outcome {
    let n_tasks: u64 = if full() { 100_000 } else { 3_000 };
    let pool = Pool::builder().workers(2).start(start).build()?;
    let audit = Audit::new(usize::try_from(n_tasks)?);
    let mut tally = Tally::new(n_tasks);
    let (mut n_died, mut first) = (0, None);
    let name = format!("lasting, {start:?}");
    let (kills, last) = in_a_storm(&pool, &name, Duration::from_millis(5), || {
        for round in 0..n_tasks / N_AT_A_TIME {
            if round == N_FIRST_ROUNDS {
                first = Some(Held::now(&pool));
            }
            let tasks = (0..N_AT_A_TIME).map(|n| round * N_AT_A_TIME + n);
            let tasks: Vec<_> = tasks.map(|task| (task, submit(&pool, &audit, task))).collect();
            for (task, running) in tasks {
                match running.join() {
                    Ok((value, len)) => {
                        assert_eq!((value, len), (task.wrapping_mul(31), text_of(task).len()));
                    }
                    Err(TaskError::WorkerDied { status, n_deaths: 1, .. }) if task % 2 == 0 => {
                        assert_eq!(status.signal(), Some(9), "{status}");
                        n_died += 1;
                    }
                    Err(error) => panic!("task {task}: {error}"),
                }
                tally.came(task);
            }
        }
        Held::now(&pool)
    });
    last.is_not_above(&first.ok_or("it was over too soon")?)?;
    let mut again = 0;
    for task in 0..n_tasks {
        match (audit.runs(task).load(Relaxed), task % 2) {
            (0 | 1, 0) => {}
            (0, _) => return Err(format!("task {task} has a result and was not run").into()),
            (runs, 0) => return Err(format!("task {task} was run {runs} times").into()),
            (runs, _) => again += runs - 1,
        }
    }
    if n_died + again > kills {
        return Err(format!("{n_died} died and {again} ran again of {kills} kills").into());
    }
    tally.report(pool, kills)
}

fn text_of(task: u64) -> String {
    if task.is_multiple_of(41) { "text ".repeat(8_000) } else { String::new() }
}

fn submit(pool: &Pool, audit: &Audit, task: u64) -> Task<(u64, usize)> {
    let handle =
        || Handle::from(std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
    let job =
        (audit.0.clone(), task, task % 300, task.is_multiple_of(29).then(handle), text_of(task));
    let retry = if task.is_multiple_of(2) { Retry::never() } else { Retry::always() };
    pool.task(carry).retry(retry).submit(job).unwrap()
}

/// What this process and its fork server have at a moment when no task is under way.
#[derive(Debug)]
struct Held {
    n_descriptors: usize,
    n_of_server: usize,
    n_mappings: usize,
    n_children: usize,
    bytes: u64,
}

impl Held {
    /// The killer goes on: so it is the least of several looks, which has nobody starting or ending.
    fn now(pool: &Pool) -> Self {
        let mut least = Self::look();
        for _ in 0..50 {
            wait_until_idle(pool);
            let now = Self::look();
            least.n_descriptors = least.n_descriptors.min(now.n_descriptors);
            least.n_of_server = least.n_of_server.min(now.n_of_server);
            least.n_mappings = least.n_mappings.min(now.n_mappings);
            least.n_children = least.n_children.min(now.n_children);
            least.bytes = least.bytes.min(now.bytes);
        }
        least
    }

    fn look() -> Self {
        let n_open =
            |pid: &str| std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        let children = common::children();
        let server = children.iter().find(|(_, name)| name == "fork-server");
        Self {
            n_descriptors: n_open("self"),
            n_of_server: server.map_or(0, |(pid, _)| n_open(&pid.to_string())),
            n_mappings: std::fs::read_to_string("/proc/self/maps").unwrap().lines().count(),
            n_children: children.len(),
            bytes: resident_bytes(),
        }
    }

    fn is_not_above(&self, first: &Self) -> Result<(), String> {
        // At each of the two looks some worker may have been on its way, at most.
        let is_flat = self.n_descriptors <= first.n_descriptors + 8
            && self.n_of_server <= first.n_of_server + 4
            && self.n_mappings <= first.n_mappings + 8
            && self.n_children <= first.n_children + 2
            && self.bytes <= first.bytes + MOST_GROWTH;
        if is_flat { Ok(()) } else { Err(format!("it grew from {first:?} to {self:?}")) }
    }
}
