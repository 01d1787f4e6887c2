//! Starts of a process that is alone, and so can be told that the system or the fork server does not do
//! its part.

use std::os::fd::AsFd as _;
use std::os::unix::process::parent_id;

use ipc_core::wire::Message;
use serde::{Deserialize, Deserializer, Serialize};

use super::double;
use crate::error::StartError;
use crate::start::frame::{Order, Parcel};
use crate::start::server;
use crate::sys::{proc, process};
use crate::{ExitStatus, Process, Start, stop_fork_server};

#[test]
fn request_that_is_none_does_not_harm_the_server() {
    let alone = Process::spawn(
        |()| {
            let start = || Process::builder().start(Start::ForkServer).spawn(double, 6).unwrap();
            assert_eq!(start().join().unwrap(), 12);
            for bytes in [Vec::new(), vec![0xff; 100]] {
                server::send_raw(&Message { bytes, handles: Vec::new() });
            }
            let no_socket = vec![std::fs::File::open("/dev/null").unwrap().into()];
            let order = Parcel::new(Order::Copy { request: 0 }, no_socket).pack().unwrap();
            let before = server::pid();
            server::send_raw(&order);
            assert_eq!(start().join().unwrap(), 12);
            assert_eq!(server::pid(), before);
            stop_fork_server();
        },
        (),
    );
    alone.unwrap().join().unwrap();
}

/// So many bytes that the server is busy with them for a while.
#[derive(Debug)]
struct Bulk;

impl Serialize for Bulk {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&vec![1; 200 << 20])
    }
}

impl<'de> Deserialize<'de> for Bulk {
    fn deserialize<D: Deserializer<'de>>(_deserializer: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

#[test]
fn start_that_is_given_up_harms_neither_the_server_nor_other_starts() {
    let alone = Process::spawn(
        |()| {
            let start = || Process::builder().start(Start::ForkServer).spawn(double, 6);
            assert_eq!(start().unwrap().join().unwrap(), 12);
            let before = server::pid();
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        let timeout = std::time::Duration::from_millis(1);
                        let builder = Process::builder().start(Start::ForkServer);
                        let started = builder.start_timeout(timeout).spawn(drop::<Bulk>, Bulk);
                        assert!(matches!(started, Err(StartError::TimedOut)), "{started:?}");
                    });
                }
                for _ in 0..20 {
                    assert_eq!(start().unwrap().join().unwrap(), 12);
                }
            });
            assert_eq!(server::pid(), before);
            // Those that were given up are reaped with a later start, or with the server.
            assert_eq!(start().unwrap().join().unwrap(), 12);
            stop_fork_server();
            assert_eq!(proc::children().unwrap(), Vec::<u32>::new());
        },
        (),
    );
    alone.unwrap().join().unwrap();
}

#[test]
fn result_that_cannot_be_received_is_told_as_lost() {
    let alone = Process::spawn(
        |()| {
            let child = Process::spawn(|()| "x".repeat(1 << 20), ()).unwrap();
            child.wait().unwrap();
            process::limit_descriptors(0);
            for _ in 0..2 {
                let joined = child.join();
                assert!(matches!(joined, Err(crate::JoinError::Lost(_))), "{joined:?}");
            }
            assert_eq!(child.exit_status().unwrap(), Some(ExitStatus::Exited(0)));
        },
        (),
    );
    alone.unwrap().join().unwrap();
}

#[test]
fn starts_by_a_server_that_cannot_be_are_done_by_spawn() {
    let alone = Process::spawn(
        |()| {
            server::make_impossible();
            let start =
                |x| Process::builder().start(Start::ForkServer).spawn(|_: u64| parent_id(), x);
            assert_eq!(start(1).unwrap().join().unwrap(), process::own_pid());
            assert_eq!(server::pid(), None);
        },
        (),
    );
    alone.unwrap().join().unwrap();
}

#[test]
fn program_without_an_entrance_for_children_starts_none() {
    let alone = Process::spawn(
        |()| {
            crate::sys::hook::forget_that_it_ran();
            for way in [Start::Spawn, Start::ForkServer] {
                let started = Process::builder().start(way).spawn(double, 1);
                assert!(matches!(started, Err(StartError::NoEntrance)), "{started:?}");
            }
            crate::init();
            assert_eq!(Process::spawn(double, 1).unwrap().join().unwrap(), 2);
        },
        (),
    );
    alone.unwrap().join().unwrap();
}

#[test]
fn start_without_free_descriptors_is_an_error_and_leaves_nothing() {
    let alone = Process::spawn(
        |()| {
            let null = || std::fs::File::open("/dev/null").map(std::os::fd::OwnedFd::from);
            let mut held = Vec::new();
            while let Ok(file) = null() {
                held.push(file);
                if held.len() == 64 {
                    let limit = held.last().unwrap().as_fd();
                    process::limit_descriptors(
                        u64::from(std::os::fd::AsRawFd::as_raw_fd(&limit).unsigned_abs()) + 1,
                    );
                }
            }
            // With each one that is given back the start gets a little further.
            let mut n_failed = 0;
            for way in [Start::Spawn, Start::ForkServer, Start::Fork] {
                loop {
                    match Process::builder().start(way).spawn(double, 6) {
                        Ok(child) => break assert_eq!(child.join().unwrap(), 12),
                        Err(StartError::System { .. } | StartError::Argument(_)) => n_failed += 1,
                        // The other side had no room for what it was sent.
                        Err(StartError::Died { .. } | StartError::ServerDied { .. }) => {
                            n_failed += 1;
                        }
                        Err(error) => panic!("{way:?}: {error}"),
                    }
                    drop(held.pop().unwrap());
                }
                stop_fork_server();
                assert_eq!(proc::children().unwrap(), Vec::<u32>::new(), "{way:?}");
                while let Ok(file) = null() {
                    held.push(file);
                }
            }
            assert!(n_failed > 6, "{n_failed}");
        },
        (),
    );
    alone.unwrap().join().unwrap();
}
