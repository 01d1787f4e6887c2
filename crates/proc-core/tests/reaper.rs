//! Orphans that come to a reaper, and all the others, whom it leaves alone.
#![expect(clippy::unwrap_used, clippy::panic, clippy::exit, reason = "a test")]

mod common;

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::time::Duration;

use common::start;
use ipc_core::wire::Handle;
use proc_core::{ExitStatus, Fork, Process, Reaper, Start, fork, wait_for, zombies};

common::with_each_start_alone! {
    orphan_comes_to_the_reaper_and_is_reaped
    reaper_takes_the_status_of_nobody_else
    no_orphan_comes_when_the_reaper_is_gone
}

/// Starts a child that leaves one behind, which ends with `code` when the writer is dropped; returns
/// the number of that one.
fn leave_an_orphan(way: Start, pipe: Handle, code: i32) -> u32 {
    fn orphan((pipe, code): (Handle, i32)) {
        File::from(pipe).read_to_end(&mut Vec::new()).unwrap();
        std::process::exit(code);
    }
    fn middle(argument: (Handle, i32)) -> u32 {
        // Not a copy, which would have the other end of the pipe.
        Process::spawn(orphan, argument).unwrap().detach()
    }
    start(way, middle, (pipe, code)).join().unwrap()
}

fn orphan_comes_to_the_reaper_and_is_reaped(way: Start) {
    let reaper = Reaper::adopt_orphans().unwrap();
    assert_eq!(reaper.orphans().unwrap(), []);
    assert_eq!(reaper.wait().unwrap(), None);
    let mut expected = Vec::new();
    let mut writers = Vec::new();
    for code in 1..=3 {
        let (reader, writer) = std::io::pipe().unwrap();
        writers.push(writer);
        let pid = leave_an_orphan(way, OwnedFd::from(reader).into(), code);
        expected.push((pid, ExitStatus::Exited(code)));
    }
    let orphans = reaper.orphans().unwrap();
    assert_eq!(orphans.len(), 3);
    assert!(orphans.iter().all(|orphan| !orphan.is_zombie && !orphan.name.is_empty()));
    assert_eq!(reaper.reap().unwrap(), []);
    // The later ones have the earlier writers only if they are copies, which they are not.
    drop(writers.remove(1));
    assert_eq!(reaper.wait().unwrap(), Some(expected.remove(1)));
    drop(writers);
    while !reaper.orphans().unwrap().iter().all(|orphan| orphan.is_zombie) {
        testkit::clock::pause(Duration::from_millis(1));
    }
    assert_eq!(zombies().unwrap().len(), 2);
    let mut reaped = reaper.reap().unwrap();
    reaped.sort_by_key(|(pid, _)| *pid);
    expected.sort_by_key(|(pid, _)| *pid);
    assert_eq!(reaped, expected);
    assert_eq!(reaper.orphans().unwrap(), []);
    assert_eq!(zombies().unwrap(), []);
}

fn reaper_takes_the_status_of_nobody_else(way: Start) {
    let mut before = std::process::Command::new("true").spawn().unwrap();
    let reaper = Reaper::adopt_orphans().unwrap();
    let held = start(way, |()| 5, ());
    let dropped = start(way, drop, ());
    drop(dropped);
    let mut spared = std::process::Command::new("false").spawn().unwrap();
    reaper.spare(spared.id());
    let copy = (way == Start::Fork).then(|| match fork().unwrap() {
        Fork::Child => std::process::exit(9),
        Fork::Parent(pid) => pid,
    });
    // The dropped one may be reaped by now.
    while zombies().unwrap().len() < 3 + usize::from(copy.is_some()) {
        testkit::clock::pause(Duration::from_millis(1));
    }
    assert_eq!(reaper.orphans().unwrap(), []);
    assert_eq!(reaper.reap().unwrap(), []);
    assert_eq!(reaper.wait().unwrap(), None);
    assert!(before.wait().unwrap().success());
    assert_eq!(spared.wait().unwrap().code(), Some(1));
    assert_eq!(held.join().unwrap(), 5);
    assert_eq!(held.exit_status().unwrap(), Some(ExitStatus::Exited(0)));
    if let Some(pid) = copy {
        assert_eq!(wait_for(pid).unwrap(), ExitStatus::Exited(9));
    }
}

fn no_orphan_comes_when_the_reaper_is_gone(way: Start) {
    drop(Reaper::adopt_orphans().unwrap());
    let (reader, writer) = std::io::pipe().unwrap();
    let pid = leave_an_orphan(way, OwnedFd::from(reader).into(), 1);
    let children = |()| std::fs::read_to_string("/proc/thread-self/children").unwrap();
    assert!(!children(()).split_whitespace().any(|child| child == pid.to_string()));
    drop(writer);
    // One inside another: the inner one's end is not the outer one's.
    let outer = Reaper::adopt_orphans().unwrap();
    drop(Reaper::adopt_orphans().unwrap());
    let (reader, writer) = std::io::pipe().unwrap();
    let pid = leave_an_orphan(way, OwnedFd::from(reader).into(), 1);
    assert_eq!(outer.orphans().unwrap()[0].pid, pid);
    drop(writer);
    assert_eq!(outer.wait().unwrap(), Some((pid, ExitStatus::Exited(1))));
}
