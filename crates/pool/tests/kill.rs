//! A worker is killed after the n-th instruction of two tasks, for every n.
//!
//! It is stepped by ptrace, from where it waits for a task to where it has answered both: through
//! the taking of a task, the word on the board, the call, the answer, and all between. Whatever n
//! is, each task must have its result or have died with the worker, at most one may have died, and
//! the next worker must go on.
//!
//! The quick form takes every so-many-th instruction, beginning at a random one.

#![expect(clippy::unwrap_used, reason = "scenarios end when something is not as it should be")]
#![expect(clippy::print_stdout, reason = "says at which instruction something went wrong")]

use std::process::ExitCode;

use pool::{Pool, Retry, Task, TaskError};
use testkit::kill::{Attached, Stepped};
use testkit::report::Sweep;
use testkit::seed::Rng;
use testkit::{Outcome, Report, full};

use common::square;

mod common;

fn main() -> ExitCode {
    testkit::main(&[
        ("worker dies in two tasks, which fail", || sweep(Retry::never())),
        ("worker dies in two tasks, which run again", || sweep(Retry::always())),
        ("one of two tasks is cancelled", cancelled),
    ])
}

/// How many kills there are in the quick form. Without optimizations there is more to step through.
const N_QUICK: usize = if cfg!(debug_assertions) { 25 } else { 150 };

/// So many instructions behind the second answer count too; fewer than it looks for a next task
/// before it falls asleep, in which no step would end.
const N_BEHIND: usize = 200;

fn sweep(retry: Retry) -> Outcome {
    let pool = Pool::builder().workers(1).on_worker_death(retry).build()?;
    let n_steps = n_steps(&pool)?;
    let stride = if full() { 1 } else { (n_steps / N_QUICK).max(1) };
    let mut sweep = Sweep::default();
    let first = Rng::of_run("first instruction").index(stride);
    let mut n_died = 0;
    for n in (first..=n_steps).step_by(stride) {
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
