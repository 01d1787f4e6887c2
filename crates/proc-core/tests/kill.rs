//! Who takes part in a start dies at every point of it.
//!
//! | who dies, and where                                          | what must be                            |
//! |--------------------------------------------------------------|-----------------------------------------|
//! | the fork server, while it makes the next copy: after each instruction | the starts before and after it are done once each |
//! | the fork server, while a start waits for a copy: after each instruction | that start is done once, by another server if need be |
//! | the child of a server: before and after each system call      | its start is an error, or its join, or it has returned; it was called at most once |
//! | the child by spawn, by a copy: from its first instruction on, before and after each system call, those of the system's linker among them | the same |
//! | the fork server: the same, from its first instruction on      | the start is an error or done once, by the next server or by spawn |
//! | the parent: before and after each system call                 | nobody is left: no child that dies with its parent, no server, no next copy |
//!
//! After each nobody is left, no zombie, no descriptor. The victim is stepped by ptrace.
//!
//! The server writes to memory that others read, so each of its instructions counts; the quick form
//! takes every so-many-th, beginning at a random one. Of child and parent others see nothing but their
//! system calls, of which each form takes all.

#![expect(clippy::unwrap_used, reason = "scenarios end when something is not as it should be")]
#![expect(clippy::print_stdout, reason = "says at which instruction something went wrong")]

use std::fs;
use std::process::ExitCode;
use std::thread;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{Deadline, DeathWatch, Kind, ProcessId, Segment};
use proc_core::{JoinError, Process, Start, StartError, stop_fork_server};
use rustix::process::{Pid, Signal, kill_process};
use testkit::child::End;
use testkit::kill::{Attached, Stepped};
use testkit::leaks::Snapshot;
use testkit::report::Sweep;
use testkit::seed::Rng;
use testkit::{Outcome, Report, child, full};

fn main() -> ExitCode {
    testkit::main(&[
        ("fork server dies while it makes the next copy", server_in_advance),
        ("fork server dies while a start waits for it", server_in_need),
        ("child of a fork server dies in its start", child_dies),
        ("child by spawn dies in its start", || newborn_dies(Start::Spawn)),
        ("child by a copy dies in its start", || newborn_dies(Start::Fork)),
        ("fork server dies in its own start", || newborn_dies(Start::ForkServer)),
        ("parent dies in a start by spawn", || parent_dies(Start::Spawn)),
        ("parent dies in a start by a fork server", || parent_dies(Start::ForkServer)),
        ("parent dies in a start by a copy", || parent_dies(Start::Fork)),
    ])
}

/// How many kills there are of each kind in the quick form. Without optimizations there is more to
/// step through.
const N_QUICK: usize = if cfg!(debug_assertions) { 10 } else { 40 };

/// Kills after so many instructions, for every number of them or, in the quick form, for some;
/// `round` makes one kill, and says how many instructions there were.
fn sweep_instructions(mut round: impl FnMut(usize) -> Result<usize, String>) -> Outcome {
    let n_steps = round(usize::MAX)?;
    sweep(n_steps, if full() { 1 } else { (n_steps / N_QUICK).max(1) }, round)
}

/// Kills after so many beginnings and ends of system calls, for every number of them.
fn sweep_calls(mut round: impl FnMut(usize) -> Result<usize, String>) -> Outcome {
    sweep(round(usize::MAX)?, 1, round)
}

fn sweep(
    n_steps: usize,
    stride: usize,
    mut round: impl FnMut(usize) -> Result<usize, String>,
) -> Outcome {
    let mut sweep = Sweep::default();
    let first = Rng::of_run("first step").index(stride);
    for n in (first..=n_steps).step_by(stride) {
        sweep.points += 1;
        match round(n) {
            Ok(_) => sweep.survived += 1,
            Err(why) => {
                sweep.failed += 1;
                println!("\nkilled after {n} of {n_steps} steps: {why}");
            }
        }
    }
    Ok(Report { kill: sweep, ..Report::default() })
}

/// Steps a process so often, or until it sleeps or ends, and kills it; says how many steps it made.
fn step_and_kill(victim: &Attached, pid: i32, n: usize) -> Result<usize, String> {
    let mut n_steps = 0;
    while n_steps < n && victim.step_or_sleep()? == Stepped::Done {
        n_steps += 1;
    }
    kill(pid);
    Ok(n_steps)
}

/// Lets a process run to so many beginnings and ends of system calls, or to its end, and kills it; says
/// how many it came to.
fn run_and_kill(victim: &Attached, pid: i32, n: usize) -> Result<usize, String> {
    let mut n_steps = 0;
    while n_steps < n && victim.run_to_call()? == Stepped::Done {
        n_steps += 1;
    }
    kill(pid);
    Ok(n_steps)
}

/// Kills a process that is traced by this thread.
fn kill(pid: i32) {
    // It fails only if it is dead.
    let _killed = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
}

const KIND: Kind = Kind::new(*b"startkil", 1);

/// Counts the calls of a function that was to be called in a child.
struct Calls(Segment);

impl Calls {
    fn new() -> Self {
        Self(Segment::create(KIND, 0, size_of::<u64>()).unwrap())
    }

    fn start(&self) -> Result<Process<u64>, StartError> {
        self.start_by(Start::ForkServer)
    }

    fn start_by(&self, way: Start) -> Result<Process<u64>, StartError> {
        Process::builder().start(way).spawn(count, self.0.clone())
    }

    fn n(&self) -> u64 {
        let word: &AtomicU64 = self.0.at(0).unwrap();
        word.load(Relaxed)
    }

    /// Starts a process, and has it end.
    fn make_one(&self) -> Result<(), String> {
        let before = self.n();
        let child = self.start().map_err(|error| error.to_string())?;
        let value = child.join().map_err(|error| error.to_string())?;
        if (value, self.n()) == (7, before + 1) {
            Ok(())
        } else {
            Err(format!("it returned {value}, and was called {} times", self.n() - before))
        }
    }
}

fn count(calls: Segment) -> u64 {
    let word: &AtomicU64 = calls.at(0).unwrap();
    word.fetch_add(1, Relaxed);
    7
}

fn children() -> Vec<i32> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = tasks.flat_map(|task| fs::read_to_string(task.path().join("children")));
    let lists: Vec<String> = lists.collect();
    lists.iter().flat_map(|list| list.split_whitespace()).flat_map(str::parse).collect()
}

/// The child that the kernel calls so, when it sleeps.
fn sleeping(name: &str) -> i32 {
    loop {
        let is_it = |pid: &i32| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm"));
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            comm.is_ok_and(|comm| comm.trim_end() == name) && stat.contains(") S ")
        };
        if let Some(pid) = children().into_iter().find(is_it) {
            return pid;
        }
        thread::yield_now();
    }
}

/// What must hold when a round is over.
fn nobody_is_left(before: &Snapshot) -> Result<(), String> {
    stop_fork_server();
    match (children().as_slice(), before.leaks().as_slice()) {
        ([], []) => Ok(()),
        (left, leaks) => Err(format!("left are the processes {left:?}, and {leaks:?}")),
    }
}

/// Uses everything that a process has one of.
fn warm_up(calls: &Calls) -> Snapshot {
    calls.make_one().unwrap();
    stop_fork_server();
    Snapshot::with_names("multiproc")
}

fn server_in_advance() -> Outcome {
    let calls = Calls::new();
    let before = warm_up(&calls);
    sweep_instructions(|n| {
        calls.make_one()?;
        sleeping("fork-spare");
        let pid = sleeping("fork-server");
        let server = Attached::stop(pid)?;
        // It has a copy, and asks for the next one.
        calls.make_one()?;
        let n_steps = step_and_kill(&server, pid, n)?;
        calls.make_one()?;
        nobody_is_left(&before).map(|()| n_steps)
    })
}

fn server_in_need() -> Outcome {
    let calls = Calls::new();
    let before = warm_up(&calls);
    sweep_instructions(|n| {
        calls.make_one()?;
        let spare = ProcessId::of(sleeping("fork-spare").unsigned_abs()).unwrap().unwrap();
        let watch = DeathWatch::open(spare).unwrap().unwrap();
        kill(spare.pid().cast_signed());
        assert!(watch.wait(Deadline::NEVER).unwrap());
        drop(watch);
        let pid = sleeping("fork-server");
        let server = Attached::stop(pid)?;
        let n_steps = thread::scope(|scope| {
            let start = scope.spawn(|| calls.make_one());
            let n_steps = step_and_kill(&server, pid, n)?;
            start.join().unwrap().map(|()| n_steps)
        })?;
        nobody_is_left(&before).map(|()| n_steps)
    })
}

fn child_dies() -> Outcome {
    let calls = Calls::new();
    let before = warm_up(&calls);
    let (mut n_not_called, mut n_lost) = (0, 0);
    let outcome = sweep_calls(|n| {
        calls.make_one()?;
        let pid = sleeping("fork-spare");
        let n_calls = calls.n();
        let victim = Attached::stop(pid)?;
        let (n_steps, started) = thread::scope(|scope| {
            // It does not join: of a child that is traced here that takes what the tracer waits for.
            let start = scope.spawn(|| calls.start());
            let n_steps = run_and_kill(&victim, pid, n)?;
            Ok::<_, String>((n_steps, start.join().unwrap()))
        })?;
        let joined = started.map(|child| (child.pid(), child.join()));
        let n_calls = calls.n() - n_calls;
        match (joined, n_calls) {
            (Err(StartError::Died { status, .. }), 0) if status.signal() == Some(9) => {
                n_not_called += 1;
            }
            (Ok((_, Err(JoinError::Signaled { signal: 9, .. }))), 0 | 1) => n_lost += 1,
            // It was dead before it was told anything, and the start took another one; or it was not
            // killed before its end.
            (Ok((_, Ok(7))), 1) => {}
            (joined, n_calls) => return Err(format!("{joined:?} after {n_calls} calls")),
        }
        calls.make_one()?;
        nobody_is_left(&before).map(|()| n_steps)
    });
    if n_not_called == 0 || n_lost == 0 {
        return Err(format!("{n_not_called} starts failed, and {n_lost} values were lost").into());
    }
    outcome
}

/// What came of a start whose first process was to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
enum Came {
    Returned,
    NotStarted,
    Killed,
    ServerKilled,
    Other,
}

impl Came {
    const ALL: [Self; 5] =
        [Self::Returned, Self::NotStarted, Self::Killed, Self::ServerKilled, Self::Other];

    /// Makes a start, in the process that is to be its parent.
    fn of_a_start(calls: &Calls, way: Start) -> Self {
        match calls.start_by(way).map(|child| child.join()) {
            Ok(Ok(7)) => Self::Returned,
            Ok(Err(JoinError::Signaled { signal: 9, .. })) => Self::Killed,
            Err(StartError::Died { status, .. }) if status.signal() == Some(9) => Self::NotStarted,
            Err(StartError::ServerDied { status }) if status.signal() == Some(9) => {
                Self::ServerKilled
            }
            other => {
                println!("{other:?}");
                Self::Other
            }
        }
    }
}

/// The first process that a start makes dies, from its first instruction on.
fn newborn_dies(way: Start) -> Outcome {
    let calls = Calls::new();
    let before = warm_up(&calls);
    let mut seen = Vec::new();
    let outcome = sweep_calls(|n| {
        let n_calls = calls.n();
        let (gate, opener) = std::io::pipe().unwrap();
        let mut parent = child::fork(|| {
            drop(opener.try_clone());
            std::io::Read::read_exact(&mut &gate, &mut [0]).unwrap();
            let before = Snapshot::with_names("multiproc");
            let came = Came::of_a_start(&calls, way);
            nobody_is_left(&before).unwrap();
            came as i32
        });
        drop(gate);
        let maker = Attached::stop(parent.pid())?;
        std::io::Write::write_all(&mut &opener, &[0]).unwrap();
        let victim = maker.let_go_for_its_child()?;
        let n_steps = run_and_kill(&victim, victim.pid(), n)?;
        victim.see_off()?;
        let End::Exited(code) = parent.wait() else { return Err("the parent died".to_owned()) };
        drop((parent, opener));
        let came = Came::ALL.into_iter().find(|came| *came as i32 == code);
        let n_calls = calls.n() - n_calls;
        match (way, came, n_calls) {
            (_, Some(Came::Returned), 1) | (_, Some(Came::NotStarted), 0) => {}
            (Start::ForkServer, Some(Came::ServerKilled), 0) => {}
            (Start::Spawn | Start::Fork, Some(Came::Killed), 0 | 1) => {}
            _ => return Err(format!("{came:?} (code {code}) after {n_calls} calls")),
        }
        seen.extend(came);
        nobody_is_left(&before).map(|()| n_steps)
    });
    let dead = if way == Start::ForkServer { Came::ServerKilled } else { Came::NotStarted };
    let lost = if way == Start::ForkServer { Came::Returned } else { Came::Killed };
    if !seen.contains(&dead) || !seen.contains(&lost) {
        return Err(format!("never seen: {dead:?} or {lost:?}").into());
    }
    outcome
}

/// Starts a child that would stay for ever.
fn start_one(way: Start) {
    let stay = |()| loop {
        thread::park();
    };
    let child: Process<()> =
        Process::builder().start(way).dies_with_parent(true).spawn(stay, ()).unwrap();
    let _number = child.detach();
}

fn parent_dies(way: Start) -> Outcome {
    // Who loses its parent comes here.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let before = Snapshot::with_names("multiproc");
    sweep_calls(|n| {
        let (gate, opener) = std::io::pipe().unwrap();
        let mut parent = child::fork(|| {
            drop(opener.try_clone());
            std::io::Read::read_exact(&mut &gate, &mut [0]).unwrap();
            start_one(way);
            0
        });
        drop(gate);
        let victim = Attached::stop(parent.pid())?;
        std::io::Write::write_all(&mut &opener, &[0]).unwrap();
        let n_steps = run_and_kill(&victim, parent.pid(), n)?;
        parent.wait();
        drop((parent, opener));
        // Each of them ends by itself.
        while rustix::process::wait(rustix::process::WaitOptions::empty()).is_ok() {}
        nobody_is_left(&before).map(|()| n_steps)
    })
}
