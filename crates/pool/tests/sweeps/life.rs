//! A worker is killed anywhere between its first instruction and its first answer: in its start, in its
//! initializer, as it takes a task, runs it, and answers.
//!
//! A point is an instruction after one of its system calls, so that whoever comes to it need not step all
//! that comes before; and in the long form, where the way from one call to the next is known, nor all that
//! comes after that call. Whatever the point is, the task has its result or has died with the worker, was run
//! at most once, and not at all if another worker did it; and the next worker goes on.
//!
//! The worker is a copy that the fork server has made in advance: it exists before its start, and can be
//! stopped there, and all have their code in the same places. The long form can be had in parts: so many
//! of the system calls. Lives that begin by spawn are swept by [`spawned`](crate::spawned).

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use ipc_core::Segment;
use pool::{Pool, StatefulPool, Task, TaskError};
use proc_core::Start;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::gettid;
use testkit::kill::{Attached, Stepped};
use testkit::report::Sweep;
use testkit::seed::Rng;
use testkit::{Outcome, Report, full, part};

use crate::common::{self, square};
use crate::{count, n_runs, no_runs};

/// How many kills there are in the quick form.
const N_QUICK: usize = if cfg!(debug_assertions) { 20 } else { 60 };

/// In the quick form a point is fewer instructions than this after a call.
const MOST_STEPS: usize = 1000;

/// As long a pool lets a start take.
const LONGEST_START: Duration = Duration::from_secs(10);

/// Where to kill: after so many system calls, from an instruction on that is met once before the next one, if
/// any is said, so many instructions behind that; or before the next call.
#[derive(Clone, Copy, Debug)]
struct Point {
    n_calls: usize,
    landmark: Option<u64>,
    n_steps: usize,
    /// Where that is, if it is known.
    place: Option<u64>,
}

/// When in its life a worker died, by what became of its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Died {
    /// Before it had begun the task, which another one did.
    Before,
    /// With the task.
    In,
    /// After its answer.
    After,
}

type Pools = StatefulPool<u64>;

/// Makes the state; this takes part in the life that is swept.
fn initialize(start: u64) -> u64 {
    (0..start).map(std::hint::black_box).sum()
}

fn counted(_: &mut u64, runs: Segment) -> (u64, u32) {
    (count(runs), proc_core::current().pid())
}

pub(crate) fn sweep() -> Outcome {
    let mut swept = Swept::default();
    let is_whole = if full() { sweep_all(&mut swept)? } else { sweep_some(&mut swept)? };
    let Swept { sweep, n_before, n_in, n_elsewhere } = swept;
    if sweep.failed == 0 && is_whole && (n_before == 0 || n_in == 0) {
        return Err(format!("{n_before} died before the task, and {n_in} with it").into());
    }
    if n_elsewhere > sweep.points / 10 {
        return Err(format!("{n_elsewhere} of {} died elsewhere", sweep.points).into());
    }
    proc_core::stop_fork_server();
    Ok(Report { kill: sweep, ..Report::default() })
}

fn new_pool() -> Result<Pools, Box<dyn Error>> {
    let pool = Pool::builder().workers(1).start(Start::ForkServer);
    let pool = pool.initializer(initialize, 20).build()?;
    pool.pool().call(square, 2)?;
    Ok(pool)
}

/// Kills at some points.
fn sweep_some(swept: &mut Swept) -> Result<bool, Box<dyn Error>> {
    let pool = new_pool()?;
    let route = walk(&pool)?;
    let mut rng = Rng::of_run("points of a life");
    let stride = (route.n_calls / N_QUICK).max(1);
    let some = (rng.index(stride)..route.n_calls).step_by(stride);
    // However few there are, in one of them it has the task.
    for n_calls in some.chain([route.with_the_task]) {
        let n_steps = if rng.chance(3) { 0 } else { rng.index(MOST_STEPS) };
        let n_steps = if n_calls == route.with_the_task { 0 } else { n_steps };
        swept.kill_at(&pool, Point { n_calls, landmark: None, n_steps, place: None });
    }
    Ok(true)
}

/// So many workers have a seat of their own at the queue of a pool; later ones take those of the dead.
const N_SEATS: usize = 512;

/// A young pool is replaced after so many kills, before its seats are taken: each costs two workers.
const LONGEST_YOUTH: usize = 200;

/// Kills at all points, of pools in which no seat was taken before, and of one in which all were; says whether
/// these were all indeed, and no part.
fn sweep_all(swept: &mut Swept) -> Result<bool, Box<dyn Error>> {
    let old = new_pool()?;
    for _ in 0..N_SEATS {
        let killed = old.pool().kill_worker(0)?;
        common::wait_until(old.pool(), |pool| pool.stats().workers[0].pid != killed);
        old.pool().call(square, 2)?;
    }
    let route = walk(&old)?;
    let part = part(route.n_calls)?;
    for n_calls in part.clone() {
        for point in points_after(&old, n_calls)? {
            swept.kill_at(&old, point);
        }
        let mut young = new_pool()?;
        for (n, point) in points_after(&young, n_calls)?.into_iter().enumerate() {
            if n % LONGEST_YOUTH == LONGEST_YOUTH - 1 {
                young = new_pool()?;
            }
            swept.kill_at(&young, point);
        }
    }
    Ok(part.len() == route.n_calls)
}

/// What became of all kills so far.
#[derive(Default)]
struct Swept {
    sweep: Sweep,
    n_before: u32,
    n_in: u32,
    /// How many took another way than the one before them: so long as it waits for others, a life is not always
    /// the same.
    n_elsewhere: u64,
}

impl Swept {
    /// Kills a worker at a point.
    fn kill_at(&mut self, pool: &Pools, point: Point) {
        self.sweep.points += 1;
        match kill_at(pool, point) {
            Ok((died, is_there)) => {
                self.sweep.survived += 1;
                self.n_elsewhere += u64::from(!is_there);
                self.n_before += u32::from(died == Died::Before);
                self.n_in += u32::from(died == Died::In);
            }
            Err(why) => {
                self.sweep.failed += 1;
                println!("\nkilled at {point:?}: {why}");
            }
        }
    }
}

/// A worker that is about to be started, and the task that waits for it.
struct Born {
    worker: Attached,
    pid: u32,
    runs: Segment,
    task: Task<(u64, u32)>,
}

/// Stops the copy that will be the next worker, ends the worker there is, and submits a task.
fn bear(pool: &Pools) -> Result<Born, String> {
    common::wait_until_idle(pool.pool());
    let pid = spare();
    let worker = Attached::stop(pid.cast_signed())?;
    let old = pool.pool().kill_worker(0).unwrap();
    // It must not get the task.
    common::wait_until(pool.pool(), |pool| pool.stats().workers[0].pid != old);
    let runs = no_runs();
    let task = pool.submit(counted, runs.clone()).map_err(|error| error.to_string())?;
    Ok(Born { worker, pid, runs, task })
}

/// The copy that the fork server has made in advance, when it sleeps.
fn spare() -> u32 {
    loop {
        let is_asleep = |pid: u32| {
            fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") S "))
        };
        let children = common::children();
        let spare = children.iter().find(|(pid, name)| name == "fork-spare" && is_asleep(*pid));
        if let Some((pid, _)) = spare {
            return *pid;
        }
        thread::yield_now();
    }
}

/// The way through a life.
struct Route {
    /// How many system calls there are up to the first answer.
    n_calls: usize,
    /// After so many of them the worker has the task.
    with_the_task: usize,
}

/// Lives a life to its first answer.
fn walk(pool: &Pools) -> Result<Route, String> {
    let Born { worker, task, .. } = bear(pool)?;
    let (mut n_calls, mut with_the_task) = (0, Vec::new());
    while !task.is_ready() {
        pass_call(&worker)?;
        if task.is_running() {
            with_the_task.push(n_calls);
        }
        n_calls += 1;
    }
    worker.let_go()?;
    task.join().map_err(|error| error.to_string())?;
    let with_the_task = with_the_task.get(with_the_task.len() / 2).copied();
    Ok(Route { n_calls, with_the_task: with_the_task.ok_or("it makes no call in its task")? })
}

/// Lets a process run to the end of its next system call, or of the one that it is in.
fn pass_call(worker: &Attached) -> Result<(), String> {
    for _ in 0..2 {
        if worker.run_to_call()? == Stepped::Ended {
            return Err("the worker has ended".to_owned());
        }
    }
    Ok(())
}

/// All points after so many system calls and before the next, or the first answer: a life is lived step by
/// step there.
fn points_after(pool: &Pools, n_calls: usize) -> Result<Vec<Point>, String> {
    let Born { worker, task, .. } = bear(pool)?;
    pass_calls(&worker, &task, n_calls)?;
    let (mut landmark, mut n_steps) = (None, 0);
    let mut place = worker.place()?;
    let mut points = vec![Point { n_calls, landmark, n_steps, place: Some(place) }];
    let mut seen = HashSet::from([place]);
    while !task.is_ready() && !worker.is_before_call()? && worker.step()? == Stepped::Done {
        n_steps += 1;
        place = worker.place()?;
        if seen.insert(place) {
            (landmark, n_steps) = (Some(place), 0);
        }
        points.push(Point { n_calls, landmark, n_steps, place: Some(place) });
    }
    worker.let_go()?;
    task.join().map_err(|error| error.to_string())?;
    Ok(points)
}

/// Behind so many of the last calls the worker waits until its pool has heard of them.
///
/// Where it comes to work, and is given a task, what it finds depends on how quick the pool is, and so does
/// its way, and how many calls that has. So it is always the slower one.
const N_HEARD: usize = 25;

/// Lets a worker pass so many system calls and one more, of which it may stand in the first.
fn pass_calls(worker: &Attached, task: &Task<(u64, u32)>, n_calls: usize) -> Result<(), String> {
    for n in 0..=n_calls {
        // If it was quicker this time, it sleeps, and has answered.
        if task.is_ready() {
            break;
        }
        pass_call(worker)?;
        if n + N_HEARD > n_calls {
            wait_until_others_sleep().map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Waits until all other threads of this process are asleep, and have not just been woken.
fn wait_until_others_sleep() -> io::Result<()> {
    let own = gettid().as_raw_nonzero().to_string();
    let are_asleep = || -> io::Result<bool> {
        for thread in fs::read_dir("/proc/self/task")? {
            let thread = thread?;
            // One that is not there any more does nothing.
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            if thread.file_name() != *own && !stat.is_empty() && !stat.contains(") S ") {
                return Ok(false);
            }
        }
        Ok(true)
    };
    loop {
        if are_asleep()? {
            testkit::clock::pause(Duration::from_micros(30));
            if are_asleep()? {
                return Ok(());
            }
        }
        thread::yield_now();
    }
}

/// Kills a worker at a point of its life; says when that was, and whether it was where it should have been.
fn kill_at(pool: &Pools, point: Point) -> Result<(Died, bool), String> {
    let began = Instant::now();
    let Born { worker, pid, runs, task } = bear(pool)?;
    pass_calls(&worker, &task, point.n_calls)?;
    let mut goes_on = !task.is_ready();
    if let Some(landmark) = point.landmark {
        goes_on = goes_on && worker.run_to(landmark)?;
    }
    for _ in 0..point.n_steps {
        if !goes_on || worker.is_before_call()? {
            break;
        }
        goes_on = worker.step()? == Stepped::Done;
    }
    let is_there = point.place.is_none_or(|place| worker.place() == Ok(place));
    // Its start may not have returned yet, so that the pool does not know it.
    match kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL) {
        Ok(()) => {}
        // Steps are slow, and the pool has ended a start that took too long.
        Err(Errno::SRCH) if began.elapsed() >= LONGEST_START => {}
        Err(error) => return Err(error.to_string()),
    }
    let died = match task.join() {
        Ok((0, by)) if by == pid => Died::After,
        Ok((0, _)) => Died::Before,
        Err(TaskError::WorkerDied { pid: told, status, n_deaths: 1, .. })
            if told == pid && status.signal() == Some(9) =>
        {
            Died::In
        }
        other => return Err(format!("{other:?}")),
    };
    match (died, n_runs(&runs)) {
        (Died::In, 0) | (_, 1) => {}
        (died, n_runs) => return Err(format!("{died:?}, and it was run {n_runs} times")),
    }
    match pool.pool().call(square, 5) {
        Ok(25) => Ok((died, is_there)),
        other => Err(format!("afterwards: {other:?}")),
    }
}
