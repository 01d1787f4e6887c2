//! Workers that all begin at the same time, and are counted by somebody else.
//!
//! Worker 0 stays on core 0, worker 1 on core 1, and so on, round and round. Whoever measures sleeps
//! meanwhile, and reads the workers' counters at both ends of a window after a warm-up.

#![expect(unsafe_code, reason = "forks")]

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use crate::board::{Board, LANES, share};
use crate::flags::Effort;
use crate::rounds::die_with_parent;
use crate::{Result, cores};

/// What workers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Forked from this process, which must have no threads.
    Processes,
    /// Threads of this process: for the rivals that know no others, and for ceilings.
    Threads,
}

/// What a worker does, and on which core.
pub(crate) struct Worker {
    pub(crate) core: usize,
    pub(crate) work: Box<dyn FnOnce(&mut Seat) -> Result + Send>,
}

impl Worker {
    /// A worker that stays on the n-th core.
    pub(crate) fn on(core: usize, work: impl FnOnce(&mut Seat) -> Result + Send + 'static) -> Self {
        Self { core, work: Box::new(work) }
    }
}

/// A worker's side of the board.
pub(crate) struct Seat {
    board: &'static Board,
    lane: usize,
    count: u64,
}

impl Seat {
    /// Whether there is more to do.
    #[inline]
    pub(crate) fn goes_on(&self) -> bool {
        !self.board.stop.0.load(Relaxed)
    }

    /// One more is done.
    #[inline]
    pub(crate) fn count(&mut self) {
        self.count += 1;
        self.board.lanes[self.lane].0.store(self.count, Relaxed);
    }

    fn begin(&self) {
        self.board.n_ready.fetch_add(1, Release);
        while !self.board.go.0.load(Acquire) {
            thread::yield_now();
        }
    }
}

/// Workers at work; those that are processes are killed when this is dropped.
pub(crate) struct Crew {
    board: &'static Board,
    members: Vec<Member>,
}

enum Member {
    Process(Pid),
    Thread(thread::JoinHandle<Result>),
    Over,
}

/// What was counted in a window.
#[derive(Debug)]
pub(crate) struct Window {
    /// By each worker.
    pub(crate) counts: Vec<u64>,
    time: Duration,
}

impl Window {
    /// How many a second, of all workers together.
    pub(crate) fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a figure needs no 53 bits")]
        let total = self.counts.iter().sum::<u64>() as f64;
        total / self.time.as_secs_f64()
    }
}

impl Crew {
    /// Starts workers, and lets them begin when all are in place.
    pub(crate) fn start(kind: Kind, workers: Vec<Worker>) -> Result<Self> {
        let n_workers = workers.len();
        if n_workers > LANES {
            return Err(format!("{n_workers} workers are too many").into());
        }
        let mut crew = Self { board: share()?, members: vec![] };
        for (lane, worker) in workers.into_iter().enumerate() {
            let seat = Seat { board: crew.board, lane, count: 0 };
            let member = match kind {
                Kind::Processes => Member::Process(start_process(worker, seat)?),
                Kind::Threads => Member::Thread(thread::spawn(move || run(worker, seat))),
            };
            crew.members.push(member);
        }
        while usize::try_from(crew.board.n_ready.load(Acquire))? < n_workers {
            crew.check()?;
            thread::yield_now();
        }
        crew.board.go.0.store(true, Release);
        Ok(crew)
    }

    /// Lets the workers warm up, and counts what they do in a window.
    pub(crate) fn measure(&mut self, effort: Effort) -> Result<Window> {
        thread::sleep(effort.warm_up);
        let (start, before) = (Instant::now(), self.counts());
        thread::sleep(effort.window);
        let (time, after) = (start.elapsed(), self.counts());
        self.check()?;
        let counts = after.iter().zip(before).map(|(after, before)| after - before).collect();
        Ok(Window { counts, time })
    }

    /// Lets the workers end by themselves; returns how many all of them have done.
    pub(crate) fn finish(mut self) -> Result<u64> {
        self.board.stop.0.store(true, Relaxed);
        for member in &mut self.members {
            member.wait()?;
        }
        Ok(self.counts().iter().sum())
    }

    fn counts(&self) -> Vec<u64> {
        let lanes = self.board.lanes.iter().take(self.members.len());
        lanes.map(|lane| lane.0.load(Relaxed)).collect()
    }

    /// Fails if a worker has ended.
    fn check(&mut self) -> Result {
        for member in &mut self.members {
            match member {
                Member::Process(pid) => {
                    let status = waitpid(*pid, Some(WaitPidFlag::WNOHANG))?;
                    if status != WaitStatus::StillAlive {
                        *member = Member::Over;
                        return Err(format!("a worker ended too early: {status:?}").into());
                    }
                }
                Member::Thread(thread) if thread.is_finished() => {
                    member.wait()?;
                    return Err("a worker ended too early".into());
                }
                Member::Thread(_) | Member::Over => {}
            }
        }
        Ok(())
    }
}

impl Member {
    /// Waits for the end of a worker, and fails if the worker did.
    fn wait(&mut self) -> Result {
        match std::mem::replace(self, Self::Over) {
            Self::Process(pid) => match waitpid(pid, None)? {
                WaitStatus::Exited(_, 0) => Ok(()),
                status => Err(format!("a worker failed: {status:?}").into()),
            },
            Self::Thread(thread) => thread.join().map_err(|_| "a worker panicked")?,
            Self::Over => Ok(()),
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for member in &self.members {
            if let Member::Process(pid) = member {
                // It fails if it is dead already; then there is no need.
                kill(*pid, Signal::SIGKILL).ok();
                waitpid(*pid, None).ok();
            }
        }
    }
}

/// Does what a worker does, from its place on.
fn run(worker: Worker, mut seat: Seat) -> Result {
    cores::pin(worker.core)?;
    seat.begin();
    (worker.work)(&mut seat)
}

fn start_process(worker: Worker, seat: Seat) -> Result<Pid> {
    fork_off(move || run(worker, seat))
}

/// Forks a process that does something and ends; it is killed when this one ends.
pub(crate) fn fork_off(work: impl FnOnce() -> Result) -> Result<Pid> {
    let n_threads = std::fs::read_dir("/proc/self/task")?.count();
    if n_threads != 1 {
        return Err(format!("a process with {n_threads} threads is not to be forked").into());
    }
    // SAFETY: this process has one thread, so that the copy lacks nothing.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            // Nothing may return from here into what the parent was doing.
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
                die_with_parent()?;
                work()
            }));
            match outcome {
                Ok(Ok(())) => std::process::exit(0),
                Ok(Err(failure)) => {
                    eprintln!("compare: a worker failed: {failure}");
                    std::process::exit(1)
                }
                Err(_) => std::process::exit(101),
            }
        }
    }
}
