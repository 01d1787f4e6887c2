//! A worker that is spawned is killed at any system call of its life: in its start, in its initializer, as
//! it takes its one task, runs it, answers, leaves, and ends.
//!
//! Its birth is seen where it happens: in the keeper of a pool in another process, which this one traces
//! until it has made one. Whatever the point is, the task has its result or has died with the worker, was
//! run at most once, and not at all if another worker did it; and the next worker goes on.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use ipc_core::Segment;
use pool::{Pool, StatefulPool, TaskError};
use proc_core::Start;
use rustix::process::{Pid, Signal, kill_process};
use testkit::kill::{Attached, Stepped};
use testkit::report::Sweep;
use testkit::seed::Rng;
use testkit::{Outcome, Report, child, full};

use crate::common::{self, square};
use crate::{count, n_runs, no_runs};

/// How many kills there are in the quick form.
const N_QUICK: usize = if cfg!(debug_assertions) { 15 } else { 40 };

fn counted(_: &mut u64, runs: Segment) -> (u64, u32) {
    (count(runs), proc_core::current().pid())
}

/// What the parent tells of a task: that it was run by this process, or died with it.
const RUN: u8 = 1;
const DIED: u8 = 2;
const WRONG: u8 = 3;

/// What the parent is told: to have a round, or to end.
const GO: [u8; 1] = [1];
const STOP: [u8; 1] = [2];

/// A process with a pool, which does as it is told.
fn be_parent(mut orders: File, mut tells: File, runs: &Segment) -> i32 {
    let builder = Pool::builder().workers(1).start(Start::Spawn).max_tasks_per_worker(1);
    let pool = builder.initializer(|start: u64| start, 7).build().unwrap();
    loop {
        common::wait_until_idle(pool.pool());
        tells.write_all(&keeper().to_le_bytes()).unwrap();
        let mut order = [0];
        orders.read_exact(&mut order).unwrap();
        if order == STOP {
            return 0;
        }
        let (what, pid) = play_round(&pool, runs);
        tells.write_all(&[what]).unwrap();
        tells.write_all(&pid.to_le_bytes()).unwrap();
    }
}

/// Ends the worker that there is, and gives a task to the next one.
fn play_round(pool: &StatefulPool<u64>, runs: &Segment) -> (u8, u32) {
    let n_before = n_runs(runs);
    pool.pool().kill_worker(0).unwrap();
    let (what, pid) = match pool.call(counted, runs.clone()) {
        Ok((seen, pid)) if seen == n_before && n_runs(runs) == n_before + 1 => (RUN, pid),
        Err(TaskError::WorkerDied { pid, status, n_deaths: 1, .. })
            if status.signal() == Some(9) && n_runs(runs) <= n_before + 1 =>
        {
            (DIED, pid)
        }
        other => {
            println!("\n{other:?}, {} runs after {n_before}", n_runs(runs));
            (WRONG, 0)
        }
    };
    if pool.pool().call(square, 5).ok() == Some(25) { (what, pid) } else { (WRONG, 1) }
}

/// The thread that starts workers, in this process.
fn keeper() -> i32 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let mut named = tasks.filter(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name == "pool-keeper\n")
    });
    named.next().unwrap().file_name().to_str().unwrap().parse().unwrap()
}

/// When in its life a worker died, by what became of its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Died {
    Before,
    In,
    After,
}

/// The parent, as its tracer has it.
struct Parent {
    orders: File,
    told: File,
    runs: Segment,
}

impl Parent {
    /// Has a worker born and killed when it has come to so many beginnings and ends of system calls, or
    /// ended; says how many they were, after how many of them the task had been run, and when it died.
    fn round(&mut self, n: usize) -> Result<(usize, Option<usize>, Died), String> {
        let mut keeper = [0; 4];
        self.told.read_exact(&mut keeper).map_err(|error| error.to_string())?;
        let keeper = Attached::stop(i32::from_le_bytes(keeper))?;
        let n_before = n_runs(&self.runs);
        self.orders.write_all(&GO).map_err(|error| error.to_string())?;
        let victim = keeper.let_go_for_its_child()?;
        let pid = victim.pid().cast_unsigned();
        let (mut n_calls, mut with_the_task) = (0, None);
        while n_calls < n && victim.run_to_call()? == Stepped::Done {
            n_calls += 1;
            if with_the_task.is_none() && n_runs(&self.runs) > n_before {
                with_the_task = Some(n_calls);
            }
        }
        // It fails only if it is dead.
        let _killed = kill_process(Pid::from_raw(victim.pid()).unwrap(), Signal::KILL);
        victim.see_off()?;
        let mut told = [0; 5];
        self.told.read_exact(&mut told).map_err(|error| error.to_string())?;
        let [what, number @ ..] = told;
        let died = match (what, u32::from_le_bytes(number) == pid) {
            (RUN, true) => Died::After,
            (RUN, false) => Died::Before,
            (DIED, true) => Died::In,
            _ => return Err(format!("of {pid}: {told:?}")),
        };
        Ok((n_calls, with_the_task, died))
    }
}

pub(crate) fn sweep() -> Outcome {
    let runs = no_runs();
    let (its_orders, orders) = std::io::pipe()?;
    let (told, tells) = std::io::pipe()?;
    let its_runs = runs.clone();
    let mut process = child::fork(move || {
        let (orders, tells) = (OwnedFd::from(its_orders), OwnedFd::from(tells));
        be_parent(orders.into(), tells.into(), &its_runs)
    });
    let (orders, told) = (OwnedFd::from(orders).into(), OwnedFd::from(told).into());
    let mut parent = Parent { orders, told, runs };
    let (n_calls, with_the_task, _) = parent.round(usize::MAX)?;
    let with_the_task = with_the_task.ok_or("it makes no call in its task")?;
    let stride = if full() { 1 } else { (n_calls / N_QUICK).max(1) };
    let first = Rng::of_run("first call of a spawned life").index(stride);
    let (mut sweep, mut seen) = (Sweep::default(), Vec::new());
    // However few there are, in one of them it has the task, and in one it has not come to it.
    for n in (first..n_calls).step_by(stride).chain([0, with_the_task, n_calls]) {
        sweep.points += 1;
        match parent.round(n) {
            Ok((_, _, died)) => {
                sweep.survived += 1;
                seen.push(died);
            }
            Err(why) => {
                println!("\nkilled at {n} of {n_calls} calls: {why}");
                sweep.failed += 1;
                // It may not be there any more.
                break;
            }
        }
    }
    if sweep.failed == 0 {
        parent.orders.write_all(&STOP)?;
        process.wait();
    }
    if sweep.failed == 0
        && ![Died::Before, Died::In, Died::After].iter().all(|it| seen.contains(it))
    {
        return Err(format!("not all was seen: {seen:?}").into());
    }
    Ok(Report { kill: sweep, ..Report::default() })
}
