//! A worker is killed after the n-th instruction of a chunk, for every n.
//!
//! Whatever n is, each item has its result or has died with the worker, at most one of them may have died,
//! each was run once at most, and the next worker does those that were not begun.

use std::thread;

use ipc_core::Segment;
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use pool::{Pool, StatefulPool, TaskError};
use testkit::kill::{Attached, Stepped};
use testkit::report::Sweep;
use testkit::seed::Rng;
use testkit::{Outcome, Report, full};

use crate::common::{self, square};
use crate::{KIND, N_BEHIND};

const N_ITEMS: usize = 3;

/// How many kills there are in the quick form.
const N_QUICK: usize = if cfg!(debug_assertions) { 8 } else { 60 };

/// A word for each item, in which its runs are counted.
struct Book(Segment);

impl Book {
    fn new() -> Result<Self, String> {
        let book = Segment::create(KIND, 0, N_ITEMS * size_of::<u64>());
        book.map(Self).map_err(|error| error.to_string())
    }

    fn runs(&self, item: usize) -> &AtomicU64 {
        self.0.at(item * size_of::<u64>()).unwrap()
    }

    fn wipe(&self) {
        (0..N_ITEMS).for_each(|item| self.runs(item).store(0, Relaxed));
    }
}

fn work(book: &mut Book, item: usize) -> u64 {
    book.runs(item).fetch_add(1, Relaxed);
    square(item as u64)
}

type Results = Vec<Result<u64, TaskError>>;

pub(crate) fn sweep() -> Outcome {
    let book = Book::new()?;
    let pool = Pool::builder().workers(1).initializer(Book, book.0.clone()).build()?;
    // It knows the function.
    assert_eq!(run(&pool).len(), N_ITEMS);
    let n_steps = step(&pool, usize::MAX, false)?.n_steps;
    let stride = if full() { 1 } else { (n_steps / N_QUICK).max(1) };
    let first = Rng::of_run("first instruction of a chunk").index(stride);
    let mut sweep = Sweep::default();
    let mut n_died = 0;
    // The last one costs nothing, however few there are.
    for n in (first..n_steps).step_by(stride).chain([n_steps]) {
        sweep.points += 1;
        book.wipe();
        match kill_after(&pool, &book, n) {
            Ok(died) => {
                sweep.survived += 1;
                n_died += u64::from(died);
            }
            Err(why) => {
                sweep.failed += 1;
                println!("\nkilled after {n} of {n_steps} instructions: {why}");
            }
        }
    }
    if sweep.failed == 0 && (n_died == 0 || n_died == sweep.points) {
        return Err(format!("{n_died} of {} kills cost an item", sweep.points).into());
    }
    drop(pool);
    proc_core::stop_fork_server();
    Ok(Report { kill: sweep, ..Report::default() })
}

/// Has the items done, in one chunk.
fn run(pool: &StatefulPool<Book>) -> Results {
    pool.task(work).chunk_size(N_ITEMS).imap(0..N_ITEMS).collect()
}

/// What came of a chunk whose worker was stepped for a while.
struct Walk {
    results: Results,
    n_steps: usize,
    pid: u32,
}

/// Has a worker that waits do a chunk, and make at most `n` steps towards its end; kills it there if it is
/// to be.
fn step(pool: &StatefulPool<Book>, n: usize, is_killed: bool) -> Result<Walk, String> {
    common::wait_until_idle(pool.pool());
    let pid = pool.pool().stats().workers[0].pid.unwrap();
    let worker = Attached::stop(pid.cast_signed())?;
    thread::scope(|scope| {
        let results = scope.spawn(|| run(pool));
        let (mut n_steps, mut n_left) = (0, N_BEHIND);
        let mut stepped = Ok(Stepped::Done);
        while n_steps < n && n_left > 0 && stepped == Ok(Stepped::Done) {
            stepped = worker.step();
            n_steps += 1;
            n_left -= usize::from(results.is_finished());
        }
        // However that went, it does not stand for ever.
        let killed = if is_killed { pool.pool().kill_worker(0).unwrap() } else { Some(pid) };
        if !is_killed {
            worker.let_go()?;
        }
        let results = results.join().unwrap();
        match stepped? {
            Stepped::Done if killed == Some(pid) => Ok(Walk { results, n_steps, pid }),
            other => Err(format!("worker {pid} is not there any more: {other:?}, {killed:?}")),
        }
    })
}

/// Kills the worker after so many instructions; says whether an item died of it.
fn kill_after(pool: &StatefulPool<Book>, book: &Book, n: usize) -> Result<bool, String> {
    let n_replaced = pool.pool().stats().replaced;
    let Walk { results, pid, .. } = step(pool, n, true)?;
    let mut n_died = 0;
    for (item, result) in results.iter().enumerate() {
        let n_runs = book.runs(item).load(Relaxed);
        match (result, n_runs) {
            (Ok(value), 1) if *value == square(item as u64) => {}
            (Err(TaskError::WorkerDied { pid: told, status, n_deaths: 1, .. }), 0 | 1)
                if *told == pid && status.signal() == Some(9) =>
            {
                n_died += 1;
            }
            other => return Err(format!("item {item}: {other:?}, of {results:?}")),
        }
    }
    if results.len() != N_ITEMS || n_died > 1 {
        return Err(format!("{n_died} items died with one worker: {results:?}"));
    }
    if pool.pool().call(square, 5).ok() != Some(25) {
        return Err("the next worker does not go on".to_owned());
    }
    common::wait_until(pool.pool(), |pool| pool.stats().replaced == n_replaced + 1);
    Ok(n_died == 1)
}
