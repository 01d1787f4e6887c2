//! Processes that are waited for in tasks of tokio.
#![cfg(feature = "tokio")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::time::Duration;

use common::{start, with_each_start};
use ipc_core::wire::Handle;
use proc_core::{ExitStatus, JoinError, Process, Program, Start, wait_any_async};

with_each_start! {
    joined_process_hands_over_its_value
    wait_that_is_given_up_loses_nothing
    many_tasks_wait_for_one_process
    first_of_many_to_end_is_named
    panic_is_carried_back_to_a_task
}

fn in_runtime<R>(work: impl Future<Output = R>) -> R {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// Waits until it is let go.
fn wait_at(gate: Handle) -> u32 {
    std::fs::File::from(gate).read_exact(&mut [0]).unwrap();
    5
}

fn waiting(way: Start) -> (Process<u32>, std::io::PipeWriter) {
    let (reader, gate) = std::io::pipe().unwrap();
    (start(way, wait_at, Handle::from(OwnedFd::from(reader))), gate)
}

fn joined_process_hands_over_its_value(way: Start) {
    let child = start(way, |x: u32| x + 1, 6);
    in_runtime(async {
        assert_eq!(child.join_async().await.unwrap(), 7);
        assert!(matches!(child.join_async().await, Err(JoinError::Taken)));
        assert_eq!(child.wait_async().await.unwrap(), ExitStatus::Exited(0));
    });
}

fn wait_that_is_given_up_loses_nothing(way: Start) {
    let (child, mut gate) = waiting(way);
    in_runtime(async {
        for _ in 0..3 {
            let given_up = tokio::time::timeout(Duration::from_millis(5), child.join_async()).await;
            assert!(given_up.is_err());
        }
        gate.write_all(&[0]).unwrap();
        assert_eq!(child.join_async().await.unwrap(), 5);
    });
}

fn many_tasks_wait_for_one_process(way: Start) {
    let (child, mut gate) = waiting(way);
    let child = std::sync::Arc::new(child);
    in_runtime(async {
        let waits: Vec<_> = (0..10)
            .map(|_| {
                let child = std::sync::Arc::clone(&child);
                tokio::spawn(async move { child.wait_async().await.unwrap() })
            })
            .collect();
        tokio::task::yield_now().await;
        gate.write_all(&[0]).unwrap();
        for wait in waits {
            assert_eq!(wait.await.unwrap(), ExitStatus::Exited(0));
        }
        assert_eq!(child.join_async().await.unwrap(), 5);
    });
}

fn first_of_many_to_end_is_named(way: Start) {
    let (slow, mut gate) = waiting(way);
    let fast = start(way, |x: u32| x, 6);
    in_runtime(async {
        let first = wait_any_async([slow.sentinel(), fast.sentinel()]).await.unwrap();
        assert_eq!(first, 1);
        assert!(slow.is_alive());
        gate.write_all(&[0]).unwrap();
        assert_eq!(slow.join_async().await.unwrap(), 5);
        assert_eq!(fast.join_async().await.unwrap(), 6);
    });
}

fn panic_is_carried_back_to_a_task(way: Start) {
    let child = start(way, |()| -> () { panic!("so it is") }, ());
    in_runtime(async {
        match child.join_async().await {
            Err(JoinError::Panicked(panic)) => assert_eq!(panic.message(), "so it is"),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn end_of_the_parent_is_waited_for() {
    fn parent(pipe: Handle) {
        let orphan = |pipe: Handle| {
            in_runtime(async { proc_core::parent().unwrap().wait_async().await.unwrap() });
            // Nobody else has it any more when this process ends.
            drop(pipe);
        };
        let orphan = Process::spawn(orphan, pipe).unwrap();
        let _number = orphan.detach();
    }
    let (mut reader, writer) = std::io::pipe().unwrap();
    let parent = Process::spawn(parent, Handle::from(OwnedFd::from(writer))).unwrap();
    parent.join().unwrap();
    reader.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn program_is_waited_for() {
    let running = Program::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
    assert_eq!(in_runtime(running.wait_async()).unwrap(), ExitStatus::Exited(7));
}
