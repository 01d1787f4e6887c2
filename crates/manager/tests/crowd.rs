//! Thousands of clients at once: all are served, by as many threads as one is, and those that die leave nothing.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use common::raw::Raw;
use common::{wait_until, watch};
use ipc_pipe::{Connection, pipe};
use manager::{Address, Manager};
use proc_core::Process;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

mod common;

/// So many processes have clients.
const N_PROCESSES: u64 = 4;

/// Has a manager and its clients have as many descriptors as they may; returns how many clients there may be, which
/// are 2,000 at most.
fn raise_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    // Each takes one of the manager's, which needs some for itself.
    let most = limit.maximum.map_or(2_000, |most| most.saturating_sub(100).min(2_000));
    most / N_PROCESSES * N_PROCESSES
}

fn n_threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().count()
}

/// A process with so many clients, which all make an event and look at it, and then look again as often as they are
/// told to.
fn crowd((address, count, control): (String, u64, Connection<(), ()>)) {
    let address = Address::abstract_name(address);
    let clients: Vec<_> = (0..count)
        .map(|_| {
            let raw = Raw::greeted(&address);
            let event = raw.make("event", &[]);
            (raw, event)
        })
        .collect();
    loop {
        for (raw, event) in &clients {
            assert_eq!(raw.call(*event, 3, &[]), (true, vec![0, 1, 0]));
        }
        control.send(&()).unwrap();
        if control.recv().is_err() {
            return;
        }
    }
}

/// Starts as many processes as there are, with so many clients each.
fn start_crowds(name: &str, count: u64) -> Vec<(Process<()>, Connection<(), ()>)> {
    let start = |_| {
        let (ours, theirs) = pipe().unwrap();
        let argument = (name.to_owned(), count, theirs);
        (Process::spawn(crowd, argument).unwrap(), ours)
    };
    (0..N_PROCESSES).map(start).collect()
}

/// A child that may have few descriptors, and more if it says so, and starts a manager for many clients.
fn start_with_few(name: String) {
    const FEW: u64 = 150;
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(FEW), maximum }).unwrap();
    let manager =
        Manager::builder().address(&Address::abstract_name(name.clone())).start().unwrap();
    let crowds = start_crowds(&name, FEW / 2);
    crowds.iter().for_each(|(_, control)| control.recv().unwrap());
    assert_eq!(manager.stats().unwrap().clients, N_PROCESSES * (FEW / 2) + 1);
    for (process, control) in crowds {
        drop(control);
        process.join().unwrap();
    }
    assert_eq!(getrlimit(Resource::Nofile).current, Some(FEW), "its own is its own");
}

#[test]
fn a_manager_has_as_many_descriptors_as_it_needs() {
    let _watchdog = watch("few descriptors");
    let name = format!("few-{}", rustix::process::getpid().as_raw_nonzero());
    Process::spawn(start_with_few, name).unwrap().join().unwrap();
}

#[test]
fn thousands_of_clients_are_served_by_no_more_threads_than_one() {
    let _watchdog = watch("a crowd");
    let n_clients = raise_limit();
    let name = format!("crowd-{}", rustix::process::getpid().as_raw_nonzero());
    let address = Address::abstract_name(name.clone());
    let manager = Manager::builder().address(&address).start().unwrap();
    assert_eq!(manager.stats().unwrap().clients, 1);
    let pid = manager.pid().unwrap();
    let n_threads_of_one = n_threads(pid);
    let mut crowds = start_crowds(&name, n_clients / N_PROCESSES);
    crowds.iter().for_each(|(_, control)| control.recv().unwrap());
    let stats = manager.stats().unwrap();
    assert_eq!((stats.clients, stats.objects), (n_clients + 1, n_clients));
    assert_eq!(n_threads(pid), n_threads_of_one);
    // Half of them die, and the others do not notice.
    for (process, _) in crowds.drain(..2) {
        process.kill().unwrap();
        process.join().unwrap_err();
    }
    crowds.iter().for_each(|(_, control)| control.send(&()).unwrap());
    crowds.iter().for_each(|(_, control)| control.recv().unwrap());
    let left = n_clients / 2;
    wait_until(&manager, "those who died are gone", |stats| {
        (stats.clients, stats.objects, stats.references) == (left + 1, left, left)
    });
    for (process, control) in crowds {
        drop(control);
        process.join().unwrap();
    }
    wait_until(&manager, "all are gone", |stats| {
        (stats.clients, stats.objects, stats.references) == (1, 0, 0)
    });
    assert_eq!(n_threads(pid), n_threads_of_one);
}
