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
    ])
}

/// How many kills there are in the quick form. Without optimizations there is more to step through.
const N_QUICK: usize = if cfg!(debug_assertions) { 25 } else { 150 };

/// So many instructions behind the second answer count too; fewer than it looks for a next task
/// before it falls asleep, in which no step would end.
const N_BEHIND: usize = 200;

fn sweep(retry: Retry) -> Outcome {
    let pool = Pool::builder().workers(1).on_worker_death(retry).build()?;
    let n_steps = walk(&pool, usize::MAX)?.n_steps;
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

/// Kills the worker after so many instructions; says whether a task died of it.
fn kill_after(pool: &Pool, n: usize, retry: Retry) -> Result<bool, String> {
    let before = pool.stats();
    let Walk { tasks, pid, .. } = walk(pool, n)?;
    let killed = pool.kill_worker(0).unwrap();
    if killed != Some(pid) {
        return Err(format!("worker {pid} is not there any more: {killed:?}"));
    }
    let mut n_died = 0;
    for (task, expected) in tasks.iter().zip([144, 169]) {
        match task.join() {
            Ok(value) if value == expected => {}
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

/// A worker that was stepped for a while.
#[derive(Debug)]
struct Walk {
    tasks: [Task<u64>; 2],
    pid: u32,
    n_steps: usize,
}

/// Gives two tasks to a worker that waits, and has it make at most `n` steps towards their ends.
///
/// If `n` has no bound, it runs on then.
fn walk(pool: &Pool, n: usize) -> Result<Walk, String> {
    // It knows the function, and is known to be quick; so it gets both at once.
    for _ in 0..50 {
        pool.call(square, 5).map_err(|error| error.to_string())?;
    }
    common::wait_until_idle(pool);
    let pid = pool.stats().workers[0].pid.unwrap();
    let worker = Attached::stop(pid.cast_signed())?;
    let tasks = [12, 13].map(|x| pool.submit(square, x).unwrap());
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
    if n == usize::MAX {
        worker.let_go()?;
    }
    Ok(Walk { tasks, pid, n_steps })
}
