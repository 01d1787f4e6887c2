//! Ctrl-C: what becomes of a program with a pool, each in a process group of its own.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use ipc_core::wire::Handle;
use ipc_core::{Deadline, ProcessId, wait_for_death};
use pool::{MapError, Pool, TaskError};
use proc_core::{JoinError, Process, Start, Stdio};
use rustix::process::{Pid, Signal, kill_process_group};

use common::{STARTS, square, wait_until_running, watch};

mod common;

const SIGINT: i32 = 2;

/// How a program deals with the interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Manner {
    /// It knows nothing of it.
    Plain,
    /// Its pool ends, and then it returns.
    Returns,
    /// Its pool ends, and it goes on for ever.
    Stays,
    /// Its pool ends, and it makes another and asks again.
    Again,
}

fn sleep(_: u32) {
    std::thread::park();
}

/// A program with a pool that is at something which takes for ever. Tells when all workers are at it.
fn run((manner, start, tell): (Manner, Start, Handle)) -> String {
    let mut tell = File::from(OwnedFd::from(tell));
    let mut told = String::new();
    loop {
        let pool = Pool::builder().workers(2).start(start).build().unwrap();
        if manner != Manner::Plain {
            pool.end_on_interrupt().unwrap();
        }
        let result = std::thread::scope(|scope| {
            let map = scope.spawn(|| pool.map(sleep, 0..10));
            wait_until_running(&pool, 2);
            let pids = pool.stats().workers.iter().map(|worker| worker.pid.unwrap()).collect();
            report(&mut tell, pids);
            map.join().unwrap()
        });
        told += match result {
            Err(MapError { error: TaskError::Terminated, .. }) => "terminated ",
            _ => "something else ",
        };
        assert!(pool.call(square, 1).is_err());
        if manner == Manner::Stays {
            report(&mut tell, Vec::new());
            std::thread::park();
        }
        if manner == Manner::Returns || told.len() > 12 {
            return told;
        }
    }
}

fn report(tell: &mut File, pids: Vec<u32>) {
    let line: Vec<String> = pids.iter().map(u32::to_string).collect();
    writeln!(tell, "{}", line.join(" ")).unwrap();
}

/// A program that runs.
struct Program {
    process: Process<String>,
    reports: File,
}

impl Program {
    fn start(manner: Manner, start: Start) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        // Who started the tests may have had it ignored, as shells do in the background.
        let builder = Process::builder().default_signal(SIGINT);
        let builder = builder.new_group(true).stderr(Stdio::piped());
        let process = builder.spawn(run, (manner, start, OwnedFd::from(writer).into())).unwrap();
        Self { process, reports: OwnedFd::from(reader).into() }
    }

    /// The next line that it tells; of workers, those who they are.
    fn hear(&mut self) -> Vec<ProcessId> {
        let mut line = String::new();
        while !line.ends_with('\n') {
            let mut byte = [0];
            self.reports.read_exact(&mut byte).unwrap();
            line.push(char::from(byte[0]));
        }
        let pids = line.split_whitespace().map(|pid| pid.parse().unwrap());
        pids.filter_map(|pid| ProcessId::of(pid).unwrap()).collect()
    }

    /// Ctrl-C at its terminal.
    fn interrupt(&self) {
        let pid = Pid::from_raw(self.process.pid().cast_signed()).unwrap();
        kill_process_group(pid, Signal::INT).unwrap();
    }

    /// What it prints on its standard error, until it and all that it has started have ended.
    fn noise(&self) -> String {
        std::io::read_to_string(self.process.take_stderr().unwrap()).unwrap()
    }
}

fn await_deaths(workers: Vec<ProcessId>) {
    for worker in workers {
        assert!(wait_for_death(worker, Deadline::NEVER).unwrap());
    }
}

#[test]
fn first_interrupt_ends_the_pool_and_the_program_returns() {
    let _watchdog = watch("returns");
    for start in STARTS {
        let mut program = Program::start(Manner::Returns, start);
        let workers = program.hear();
        assert_eq!(workers.len(), 2);
        program.interrupt();
        assert_eq!(program.noise(), "");
        assert_eq!(program.process.join().unwrap(), "terminated ");
        await_deaths(workers);
    }
}

#[test]
fn second_interrupt_ends_the_program() {
    let _watchdog = watch("stays");
    for start in STARTS {
        let mut program = Program::start(Manner::Stays, start);
        let workers = program.hear();
        program.interrupt();
        program.hear();
        // The workers are gone already.
        await_deaths(workers);
        program.interrupt();
        assert_eq!(program.noise(), "");
        let error = program.process.join().unwrap_err();
        assert!(matches!(error, JoinError::Signaled { signal: SIGINT, .. }), "{error:?}");
    }
}

#[test]
fn program_that_asks_again_can_be_interrupted_again() {
    let _watchdog = watch("again");
    for start in STARTS {
        let mut program = Program::start(Manner::Again, start);
        for _ in 0..2 {
            let workers = program.hear();
            program.interrupt();
            await_deaths(workers);
        }
        assert_eq!(program.noise(), "");
        assert_eq!(program.process.join().unwrap(), "terminated terminated ");
    }
}

#[test]
fn interrupt_ends_a_program_that_knows_nothing_of_it_with_its_workers() {
    let _watchdog = watch("plain");
    for start in STARTS {
        let mut program = Program::start(Manner::Plain, start);
        let workers = program.hear();
        program.interrupt();
        assert_eq!(program.noise(), "");
        let error = program.process.join().unwrap_err();
        assert!(matches!(error, JoinError::Signaled { signal: SIGINT, .. }), "{error:?}");
        await_deaths(workers);
    }
}
