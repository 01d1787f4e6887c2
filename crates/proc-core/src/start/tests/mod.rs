//! Children that die, or are told nonsense, at each moment of a start; from both sides.

mod alone;

use std::sync::Arc;

use ipc_core::Deadline;
use ipc_core::wire::{Message, MessageSocket};
use serde::{Deserialize, Deserializer, Serialize};

use super::frame::{Call, Order, Parcel, Report};
use super::{Started, await_acceptance, server, spawn};
use crate::call::{self, Refusal};
use crate::child::Child;
use crate::entry::Entry;
use crate::error::StartError;
use crate::sys::signal::Signal;
use crate::sys::{proc, process};
use crate::{ExitStatus, Process, Start, current, stop_fork_server};

fn double(x: u64) -> u64 {
    x * 2
}

fn call() -> Call {
    Call {
        entry: Entry::of(double).unwrap(),
        introduction: current::introduce(None, None, None),
        dies_with_parent: false,
        n_ancestors: 0,
        setup: None,
    }
}

fn killed_by(signal: Signal) -> ExitStatus {
    ExitStatus::Signaled { signal: signal.as_raw(), core_dumped: false }
}

/// What became of a start whose child has been killed or misled.
#[track_caller]
fn assert_died(started: Result<Started, StartError>, expected: ExitStatus) {
    match started {
        Err(StartError::Died { pid, status }) => {
            assert_eq!(status, expected);
            assert_gone(pid);
        }
        other => panic!("{other:?}"),
    }
}

/// Nothing is left of a child of this process: it is no zombie.
#[track_caller]
fn assert_gone(pid: u32) {
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

/// Waits until the child sleeps in a call that receives from its channel.
fn wait_until_it_listens(child: &Child) {
    let path = format!("/proc/{}/syscall", child.pid());
    let receives = format!("{} 0x3 ", libc::SYS_recvmsg);
    while !std::fs::read_to_string(&path).unwrap().starts_with(&receives) {
        process::pause(std::time::Duration::from_millis(1));
    }
}

#[test]
fn child_that_is_killed_before_it_runs_the_program_is_an_error() {
    let (channel, child) = spawn::run_program().unwrap();
    child.signal(Signal::KILL).unwrap();
    assert_died(await_acceptance(channel, child, Deadline::NEVER), killed_by(Signal::KILL));
}

#[test]
fn child_that_is_killed_while_it_waits_for_its_order_is_an_error() {
    let (channel, child) = spawn::run_program().unwrap();
    wait_until_it_listens(&child);
    child.signal(Signal::KILL).unwrap();
    assert_died(await_acceptance(channel, child, Deadline::NEVER), killed_by(Signal::KILL));
}

#[test]
fn child_that_is_killed_in_the_middle_of_its_order_is_an_error() {
    let (channel, child) = spawn::run_program().unwrap();
    let argument = call::argument(&7_u64).unwrap();
    let handles = vec![process::open_own_pidfd().unwrap()];
    let message =
        Parcel { words: Order::Call(Box::new(call())), handles, value: argument }.pack().unwrap();
    // As much of it as looks like the beginning of a message.
    let stream = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(channel));
    let prefix = (message.bytes.len() as u64).to_le_bytes();
    std::io::Write::write_all(&mut &stream, &prefix).unwrap();
    wait_until_it_listens(&child);
    child.signal(Signal::KILL).unwrap();
    assert_died(await_acceptance(stream.into(), child, Deadline::NEVER), killed_by(Signal::KILL));
}

#[test]
fn child_whose_parent_gives_up_ends_by_itself() {
    let (channel, child) = spawn::run_program().unwrap();
    drop(channel);
    assert_eq!(child.wait(Deadline::NEVER).unwrap(), Some(ExitStatus::Exited(254)));
}

#[test]
fn child_with_the_other_end_of_its_channel_held_open_by_others_is_missed_nevertheless() {
    let (channel, child) = spawn::run_program().unwrap();
    // As if a process that was forked at the wrong moment had the child's end too.
    let (ours, theirs) = MessageSocket::pair().unwrap();
    wait_until_it_listens(&child);
    child.signal(Signal::TERM).unwrap();
    assert_died(await_acceptance(ours, child, Deadline::NEVER), killed_by(Signal::TERM));
    drop((channel, theirs));
}

#[test]
fn order_that_is_none_is_refused() {
    for bytes in [Vec::new(), vec![0; 3], vec![0xff; 100]] {
        let (channel, child) = spawn::run_program().unwrap();
        let message = Message { bytes, handles: Vec::new() };
        channel.send(&message, Deadline::NEVER).unwrap();
        let pid = child.pid();
        match await_acceptance(channel, child, Deadline::NEVER) {
            Err(StartError::Refused(Refusal::Malformed(_))) => assert_gone(pid),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn order_without_its_descriptor_is_an_error() {
    let (channel, child) = spawn::run_program().unwrap();
    let argument = call::argument(&7_u64).unwrap();
    let parcel =
        Parcel { words: Order::Call(Box::new(call())), handles: Vec::new(), value: argument };
    channel.send(&parcel.pack().unwrap(), Deadline::NEVER).unwrap();
    assert_died(await_acceptance(channel, child, Deadline::NEVER), ExitStatus::Exited(254));
}

#[test]
fn function_of_another_program_is_refused_by_every_child() {
    for way in [Start::Spawn, Start::ForkServer] {
        let entry = Entry::of(double).unwrap().of_another_program();
        let call = Call { entry, ..call() };
        let argument = call::argument(&7_u64).unwrap();
        let started = match way {
            Start::Spawn => spawn::start(call, Vec::new(), argument, Deadline::NEVER),
            _ => server::start(call, Vec::new(), argument, Deadline::NEVER),
        };
        let refused = matches!(started, Err(StartError::Refused(Refusal::OtherProgram)));
        assert!(refused, "{way:?}: {started:?}");
    }
}

#[test]
fn child_that_speaks_out_of_turn_is_an_error() {
    let (channel, child) = spawn::run_program().unwrap();
    let (ours, theirs) = MessageSocket::pair().unwrap();
    let report = Parcel::new(Report::Answered, Vec::new()).pack().unwrap();
    theirs.send(&report, Deadline::NEVER).unwrap();
    drop(channel);
    assert_died(await_acceptance(ours, child, Deadline::NEVER), ExitStatus::Exited(254));
}

/// Kills the process that decodes it.
#[derive(Debug, Serialize)]
struct Poison {
    signal: i32,
}

impl<'de> Deserialize<'de> for Poison {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let signal = i32::deserialize(deserializer)?;
        if signal == 0 {
            process::exit_now(9);
        }
        nix::sys::signal::raise(signal.try_into().unwrap()).unwrap();
        unreachable!("it was signal {signal}")
    }
}

fn start_poisoned(way: Start) {
    let poison = |signal| Process::builder().start(way).spawn(drop::<Poison>, Poison { signal });
    match poison(libc::SIGKILL) {
        Err(StartError::Died { pid, status }) => {
            assert_eq!(status, killed_by(Signal::KILL));
            assert_gone(pid);
        }
        other => panic!("{way:?}: {other:?}"),
    }
    match poison(0) {
        Err(StartError::Died { pid, status }) => {
            assert_eq!(status, ExitStatus::Exited(9));
            assert_gone(pid);
        }
        other => panic!("{way:?}: {other:?}"),
    }
}

#[test]
fn child_that_dies_of_its_argument_is_an_error() {
    start_poisoned(Start::Spawn);
    start_poisoned(Start::ForkServer);
    Process::spawn(|()| start_poisoned(Start::Fork), ()).unwrap().join().unwrap();
}

/// Takes for ever to decode.
#[derive(Debug, Serialize)]
struct Tar;

impl<'de> Deserialize<'de> for Tar {
    fn deserialize<D: Deserializer<'de>>(_deserializer: D) -> Result<Self, D::Error> {
        loop {
            process::pause(std::time::Duration::from_secs(1000));
        }
    }
}

fn start_stuck(way: Start) {
    for millis in [0, 1, 50] {
        let timeout = std::time::Duration::from_millis(millis);
        let builder = Process::builder().start(way).start_timeout(timeout);
        let started = builder.spawn(drop::<Tar>, Tar);
        assert!(matches!(started, Err(StartError::TimedOut)), "{way:?}: {started:?}");
    }
    stop_fork_server();
    assert_eq!(proc::children().unwrap(), Vec::<u32>::new(), "{way:?}");
}

#[test]
fn start_that_takes_too_long_is_given_up_and_leaves_nothing() {
    for way in [Start::Spawn, Start::ForkServer, Start::Fork] {
        Process::spawn(start_stuck_by_number, way as u8).unwrap().join().unwrap();
    }
    let in_time = Process::builder().start_timeout(std::time::Duration::from_secs(100));
    assert_eq!(in_time.spawn(double, 4).unwrap().join().unwrap(), 8);
}

fn start_stuck_by_number(number: u8) {
    let ways = [Start::Spawn, Start::ForkServer, Start::Fork];
    start_stuck(ways[usize::from(number)]);
}

/// Each child is killed a little later in its start than the one before.
#[test]
fn child_that_is_killed_at_any_time_is_an_error_or_has_started() {
    let mut n_died = 0;
    let mut n_started = 0;
    for delay in 0..60 {
        let argument = call::argument(&7_u64).unwrap();
        let (channel, child) =
            spawn::launch(Order::Call(Box::new(call())), Vec::new(), argument).unwrap();
        let victim = Arc::clone(&child);
        let killer = std::thread::spawn(move || {
            process::pause(std::time::Duration::from_micros(delay * 40));
            victim.signal(Signal::KILL).unwrap();
        });
        let pid = child.pid();
        match await_acceptance(channel, child, Deadline::NEVER) {
            Ok(Started { child, .. }) => {
                n_started += 1;
                child.wait(Deadline::NEVER).unwrap().unwrap();
            }
            Err(StartError::Died { status, .. }) => {
                n_died += 1;
                assert_eq!(status, killed_by(Signal::KILL));
            }
            Err(error) => panic!("{error}"),
        }
        assert_gone(pid);
        killer.join().unwrap();
    }
    println!("{n_died} died, {n_started} started");
}
