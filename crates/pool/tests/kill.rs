//! A worker is killed after the n-th instruction of two tasks, for every n.
//!
//! It is stepped by ptrace, from where it waits for a task to where it has answered both: through
//! the taking of a task, the word on the board, the call, the answer, and all between. Whatever n
//! is, each task must have its result or have died with the worker, at most one may have died, and
//! the next worker must go on. The same for a worker that makes room for another after its second
//! task: through that task and what it says, to where it returns. The same in a [chunk] of items. And the
//! same for a worker from its first instruction to its first answer ([`life`]), or, if it is spawned, to its
//! end ([`spawned`]).
//!
//! The quick form takes every so-many-th instruction, beginning at a random one.

#![expect(clippy::unwrap_used, reason = "scenarios end when something is not as it should be")]
#![expect(clippy::print_stdout, reason = "says at which instruction something went wrong")]

use std::process::ExitCode;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{Kind, Segment};
use pool::{Pool, Retry, Task, TaskError, WorkerState};
use proc_core::Start;
use testkit::kill::{Attached, Stepped};
use testkit::report::Sweep;
use testkit::seed::Rng;
use testkit::{Outcome, Report, full};

use common::square;

#[path = "sweeps/chunk.rs"]
mod chunk;
mod common;
#[path = "sweeps/life.rs"]
mod life;
#[path = "sweeps/spawned.rs"]
mod spawned;

fn main() -> ExitCode {
    testkit::main(&[
        ("worker dies in two tasks, which fail", || sweep(Start::ForkServer, Retry::never())),
        ("spawned worker dies in two tasks, which fail", || sweep(Start::Spawn, Retry::never())),
        ("worker dies in two tasks, which run again", || sweep(Start::ForkServer, Retry::always())),
        ("one of two tasks is cancelled", cancelled),
        ("worker dies in its last task and as it leaves", sweep_leaving),
        ("worker dies in a chunk", chunk::sweep),
        ("worker dies between its first instruction and its first answer", life::sweep),
        ("spawned worker dies at any call of its life", spawned::sweep),
    ])
}

/// How many kills there are in the quick form. Without optimizations there is more to step through.
const N_QUICK: usize = if cfg!(debug_assertions) { 25 } else { 150 };

/// So many instructions behind the second answer count too; fewer than it looks for a next task
/// before it falls asleep, in which no step would end.
const N_BEHIND: usize = 200;

fn sweep(start: Start, retry: Retry) -> Outcome {
    let pool = Pool::builder().workers(1).start(start).on_worker_death(retry).build()?;
    let n_steps = n_steps(&pool)?;
    let stride = if full() { 1 } else { (n_steps / N_QUICK).max(1) };
    let mut sweep = Sweep::default();
    let first = Rng::of_run("first instruction").index(stride);
    let mut n_died = 0;
    // The last one costs nothing, however few there are.
    for n in (first..n_steps).step_by(stride).chain([n_steps]) {
        sweep.points += 1;
        match kill_after(&pool, n, retry) {
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
    if retry == Retry::never() && (n_died == 0 || n_died == sweep.points) {
        return Err(format!("{n_died} of {} kills cost a task", sweep.points).into());
    }
    drop(pool);
    proc_core::stop_fork_server();
    Ok(Report { kill: sweep, ..Report::default() })
}

/// How many instructions two tasks take, with some behind them.
fn n_steps(pool: &Pool) -> Result<usize, String> {
    let walk = walk(pool, usize::MAX)?;
    walk.worker.let_go()?;
    Ok(walk.n_steps)
}

/// Kills the worker after so many instructions; says whether a task died of it.
fn kill_after(pool: &Pool, n: usize, retry: Retry) -> Result<bool, String> {
    let before = pool.stats();
    let Walk { tasks, pid, worker: _stands, .. } = walk(pool, n)?;
    let killed = pool.kill_worker(0).unwrap();
    if killed != Some(pid) {
        return Err(format!("worker {pid} is not there any more: {killed:?}"));
    }
    let mut n_died = 0;
    for (task, expected) in tasks.iter().zip([144, 169]) {
        match task.join() {
            Ok((value, _)) if value == expected => {}
            Err(TaskError::WorkerDied { pid: told, status, n_deaths: 1, .. })
                if retry == Retry::never() && told == pid && status.signal() == Some(9) =>
            {
                n_died += 1;
            }
            other => return Err(format!("{other:?} in place of {expected}")),
        }
    }
    if n_died > 1 {
        return Err("two tasks died with one worker".to_owned());
    }
    match pool.call(square, 5) {
        Ok(25) => {}
        other => return Err(format!("afterwards: {other:?}")),
    }
    common::wait_until(pool, |pool| pool.stats().replaced == before.replaced + 1);
    Ok(n_died == 1)
}

/// One of two tasks is cancelled after the n-th instruction of their worker.
///
/// It is done, by that worker, or it is never done; and the other one is done in any case.
fn cancelled() -> Outcome {
    let pool = Pool::builder().workers(1).build()?;
    let n_steps = n_steps(&pool)?;
    let stride = if full() { 1 } else { (n_steps / N_QUICK).max(1) };
    let mut sweep = Sweep::default();
    let first = Rng::of_run("first instruction").index(stride);
    let mut n_cancelled = [0; 2];
    for (which, n) in (0..).zip((first..=n_steps).step_by(stride)) {
        sweep.points += 1;
        match cancel_after(&pool, n, which % 2) {
            Ok(was_cancelled) => {
                sweep.survived += 1;
                n_cancelled[which % 2] += u64::from(was_cancelled);
            }
            Err(why) => {
                sweep.failed += 1;
                println!("\ncancelled after {n} of {n_steps} instructions: {why}");
            }
        }
    }
    if n_cancelled.contains(&0) || n_cancelled.iter().sum::<u64>() == sweep.points {
        return Err(format!("{n_cancelled:?} of {} were cancelled", sweep.points).into());
    }
    drop(pool);
    proc_core::stop_fork_server();
    Ok(Report { kill: sweep, ..Report::default() })
}

/// Cancels a task after so many instructions; says whether that was in time.
fn cancel_after(pool: &Pool, n: usize, which: usize) -> Result<bool, String> {
    let walk = walk(pool, n)?;
    // If it was sent `SIGTERM`, that comes when it goes on.
    let is_in_time = walk.tasks[which].cancel();
    walk.worker.let_go()?;
    let mut was_cancelled = false;
    for (place, (task, expected)) in walk.tasks.iter().zip([144, 169]).enumerate() {
        match task.join() {
            Ok((value, pid)) if value == expected && (place != which || pid == walk.pid) => {}
            Err(TaskError::Cancelled) if place == which && is_in_time => was_cancelled = true,
            other => return Err(format!("task {place}, of {which}, {is_in_time}: {other:?}")),
        }
    }
    match pool.call(square, 5) {
        Ok(25) => Ok(was_cancelled),
        other => Err(format!("afterwards: {other:?}")),
    }
}

/// What the tasks do; says in which process.
fn square_here(x: u64) -> (u64, u32) {
    (square(x), proc_core::current().pid())
}

/// A worker that was stepped for a while.
#[derive(Debug)]
struct Walk {
    tasks: [Task<(u64, u32)>; 2],
    worker: Attached,
    pid: u32,
    n_steps: usize,
}

/// Gives two tasks to a worker that waits, and has it make at most `n` steps towards their ends; it
/// stands still then.
fn walk(pool: &Pool, n: usize) -> Result<Walk, String> {
    // It knows the function, and is known to be quick; so it gets both at once.
    for _ in 0..50 {
        pool.call(square_here, 5).map_err(|error| error.to_string())?;
    }
    common::wait_until_idle(pool);
    let pid = pool.stats().workers[0].pid.unwrap();
    let worker = Attached::stop(pid.cast_signed())?;
    let tasks = [12, 13].map(|x| pool.submit(square_here, x).unwrap());
    let (mut n_steps, mut n_left) = (0, N_BEHIND);
    while n_steps < n && n_left > 0 {
        if worker.step()? == Stepped::Ended {
            return Err("the worker has ended".to_owned());
        }
        n_steps += 1;
        if tasks.iter().all(Task::is_ready) {
            n_left -= 1;
        }
    }
    Ok(Walk { tasks, worker, pid, n_steps })
}

/// Without optimizations there is far more to step through in the last task than in others.
const N_QUICK_LEAVING: usize = if cfg!(debug_assertions) { 8 } else { 80 };

/// So many instructions after it has said that it leaves count too.
const N_BEHIND_LEAVING: usize = 1000;

fn sweep_leaving() -> Outcome {
    let pool = Pool::builder().workers(1).max_tasks_per_worker(2).build()?;
    // The first of its two.
    pool.call(square, 5)?;
    let Leaving { n_steps, with_the_task, .. } = leave_after(&pool, usize::MAX)?;
    let stride = if full() { 1 } else { (n_steps / N_QUICK_LEAVING).max(1) };
    let mut sweep = Sweep::default();
    let first = Rng::of_run("first instruction of the last task").index(stride);
    let mut n_died = 0;
    // Of the last two one costs the task and one does not, however few there are.
    for n in (first..n_steps).step_by(stride).chain([with_the_task, n_steps]) {
        sweep.points += 1;
        match leave_after(&pool, n) {
            Ok(Leaving { has_died, .. }) => {
                sweep.survived += 1;
                n_died += u64::from(has_died);
            }
            Err(why) => {
                sweep.failed += 1;
                println!("\nkilled after {n} of {n_steps} instructions: {why}");
            }
        }
    }
    if n_died == 0 || n_died == sweep.points {
        return Err(format!("{n_died} of {} kills cost a task", sweep.points).into());
    }
    drop(pool);
    proc_core::stop_fork_server();
    Ok(Report { kill: sweep, ..Report::default() })
}

const KIND: Kind = Kind::new(*b"audit\0\0\0", 1);

/// Where a task counts its runs.
fn no_runs() -> Segment {
    Segment::create(KIND, 0, size_of::<u64>()).unwrap()
}

/// Counts its runs.
fn count(runs: Segment) -> u64 {
    runs.at::<AtomicU64>(0).unwrap().fetch_add(1, Relaxed)
}

/// Counts its runs; says in which process.
fn count_here(runs: Segment) -> (u64, u32) {
    (count(runs), proc_core::current().pid())
}

fn n_runs(runs: &Segment) -> u64 {
    runs.at::<AtomicU64>(0).unwrap().load(Relaxed)
}

/// A worker that was killed in its last task, or as it left.
struct Leaving {
    n_steps: usize,
    /// After so many steps it had the task, as far as was seen.
    with_the_task: usize,
    /// Whether the task died with it.
    has_died: bool,
}

/// Kills a worker so many instructions after it got its last task. If they have no bound, they end when
/// it has said that it leaves.
fn leave_after(pool: &Pool, n: usize) -> Result<Leaving, String> {
    common::wait_until_idle(pool);
    let before = pool.stats();
    let pid = before.workers[0].pid.unwrap();
    let runs = no_runs();
    let worker = Attached::stop(pid.cast_signed())?;
    let task = pool.submit(count_here, runs.clone()).map_err(|error| error.to_string())?;
    let (mut n_steps, mut n_left, mut leaves) = (0, N_BEHIND_LEAVING, false);
    let (mut with_the_task, mut has_ended) = (Vec::new(), false);
    while n_steps < n && n_left > 0 && !has_ended {
        has_ended = worker.step()? == Stepped::Ended;
        n_steps += 1;
        if n == usize::MAX && n_steps % 50 == 0 {
            let stats = pool.stats();
            leaves = leaves || stats.workers[0].state == WorkerState::Starting;
            with_the_task.extend((stats.running > 0).then_some(n_steps));
        }
        n_left -= usize::from(leaves);
    }
    // One that has not ended a while after it said that it leaves is killed by the pool. Steps are slow.
    let killed = if has_ended { None } else { pool.kill_worker(0).unwrap() };
    if killed.is_some_and(|killed| killed != pid) {
        return Err(format!("worker {pid} is not there any more"));
    }
    let (has_died, by) = match task.join() {
        Ok((0, by)) => (false, by),
        Err(TaskError::WorkerDied { pid: told, status, n_deaths: 1, .. })
            if !has_ended && told == pid && status.signal() == Some(9) =>
        {
            (true, pid)
        }
        other => return Err(format!("{other:?}")),
    };
    // If the next worker did that, it goes on, and has done the first of its two; else it does that now.
    if by == pid && pool.call(square, 5).ok() != Some(25) {
        return Err("the next worker does not go on".to_owned());
    }
    common::wait_until(pool, |pool| pool.stats().replaced == before.replaced + 1);
    match n_runs(&runs) {
        0 | 1 => {}
        n_runs => return Err(format!("the task was run {n_runs} times")),
    }
    let with_the_task = with_the_task.get(with_the_task.len() / 2).copied().unwrap_or_default();
    Ok(Leaving { n_steps, with_the_task, has_died })
}
