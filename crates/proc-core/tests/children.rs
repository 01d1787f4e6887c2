//! The end of children: waited for, stolen, let go; each test in a process that has no others.
#![expect(clippy::unwrap_used, clippy::panic, clippy::exit, reason = "a test")]
#![expect(unsafe_code, reason = "takes statuses behind the crate's back")]

mod common;

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use common::start;
use ipc_core::wire::Handle;
use ipc_core::{Deadline, DeathWatch};
use proc_core::{ExitStatus, JoinError, Process, Start, wait, wait_for};

common::with_each_start_alone! {
    running_process_is_alive_until_it_is_terminated
    killed_process_is_reported_as_killed
    wait_names_each_child_once_and_leaves_its_value
    wait_for_returns_the_status_of_one_child
    dropped_process_goes_on_and_leaves_no_zombie
    process_with_ignored_end_is_known_to_have_ended
    process_whose_status_was_stolen_is_known_to_have_ended
    value_is_had_once
    sentinel_is_ready_when_the_process_has_ended_though_a_grandchild_lives
    identity_is_that_of_the_process
    handle_in_a_copy_of_the_parent_is_a_strangers
}

/// Waits for ever, or until the other end of its standard input's replacement is closed.
fn wait_for_end_of(pipe: Handle) {
    let mut text = String::new();
    std::fs::File::from(pipe).read_to_string(&mut text).unwrap();
}

/// A process that ends when the writer is dropped, in this process and in copies of it.
fn waiting(way: Start) -> (Process<()>, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let reader = Handle::from(OwnedFd::from(reader));
    (start(way, wait_for_end_of, reader), writer)
}

fn running_process_is_alive_until_it_is_terminated(way: Start) {
    let (child, _writer) = waiting(way);
    assert!(child.is_alive());
    assert_eq!(child.exit_status().unwrap(), None);
    assert!(child.try_join().unwrap().is_none());
    assert!(child.join_timeout(Duration::from_millis(10)).unwrap().is_none());
    child.terminate().unwrap();
    match child.join() {
        Err(JoinError::Signaled { signal, .. }) => assert_eq!(signal, libc::SIGTERM),
        other => panic!("{other:?}"),
    }
    assert!(!child.is_alive());
    child.terminate().unwrap();
    child.kill().unwrap();
}

fn killed_process_is_reported_as_killed(way: Start) {
    let (child, _writer) = waiting(way);
    child.kill().unwrap();
    let killed = ExitStatus::Signaled { signal: libc::SIGKILL, core_dumped: false };
    assert_eq!(child.wait().unwrap(), killed);
    // However often one asks.
    for _ in 0..2 {
        let joined = child.join();
        assert!(matches!(joined, Err(JoinError::Signaled { signal: libc::SIGKILL, .. })));
    }
    assert_eq!(child.wait_timeout(Duration::ZERO).unwrap(), Some(killed));
}

fn wait_names_each_child_once_and_leaves_its_value(way: Start) {
    let children: Vec<Process<u32>> = (0..3).map(|n| start(way, |n: u32| n, n)).collect();
    let mut of_others = std::process::Command::new("false").spawn().unwrap();
    let mut ended: Vec<(u32, ExitStatus)> = (0..4).map(|_| wait().unwrap()).collect();
    let mut expected: Vec<(u32, ExitStatus)> =
        children.iter().map(|child| (child.pid(), ExitStatus::Exited(0))).collect();
    expected.push((of_others.id(), ExitStatus::Exited(1)));
    ended.sort_by_key(|(pid, _)| *pid);
    expected.sort_by_key(|(pid, _)| *pid);
    assert_eq!(ended, expected);
    // The fork server, if there is one, is not a child to wait for.
    assert_eq!(wait().unwrap_err().raw_os_error(), Some(libc::ECHILD));
    let values: Vec<u32> = children.iter().map(|child| child.join().unwrap()).collect();
    assert_eq!(values, [0, 1, 2]);
    assert!(of_others.wait().is_err());
}

fn wait_for_returns_the_status_of_one_child(way: Start) {
    let first = start(way, exit, 3);
    let second: Process<()> = start(way, |()| (), ());
    assert_eq!(wait_for(second.pid()).unwrap(), ExitStatus::Exited(0));
    assert_eq!(wait_for(first.pid()).unwrap(), ExitStatus::Exited(3));
    assert!(matches!(first.join(), Err::<(), _>(JoinError::Exited(3))));
    assert_eq!(wait_for(first.pid()).unwrap_err().raw_os_error(), Some(libc::ECHILD));
    assert_eq!(wait_for(u32::MAX).unwrap_err().raw_os_error(), Some(libc::ECHILD));
    second.join().unwrap();
}

fn dropped_process_goes_on_and_leaves_no_zombie(way: Start) {
    fn echo((reader, writer): (Handle, Handle)) {
        let mut text = [0; 10];
        std::fs::File::from(reader).read_exact(&mut text).unwrap();
        std::fs::File::from(writer).write_all(&text).unwrap();
    }
    let (reader, mut to_child) = std::io::pipe().unwrap();
    let (mut from_child, writer) = std::io::pipe().unwrap();
    let [reader, writer] = [reader.into(), writer.into()].map(|fd: OwnedFd| Handle::from(fd));
    let child = start(way, echo, (reader, writer));
    let watch = DeathWatch::open(child.id().unwrap()).unwrap().unwrap();
    let pid = child.pid();
    drop(child);
    to_child.write_all(b"still here").unwrap();
    let mut text = [0; 10];
    from_child.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"still here");

    assert!(watch.wait(Deadline::NEVER).unwrap());
    // It is a zombie now, until the next start.
    start(way, drop, ()).join().unwrap();
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

fn process_with_ignored_end_is_known_to_have_ended(way: Start) {
    // SAFETY: sets a signal to be ignored; children are reaped by the kernel from now on.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    let silent = start(way, exit, 7);
    assert!(matches!(silent.join(), Err::<(), _>(JoinError::StatusUnknown)));
    assert!(!silent.is_alive());
    assert_eq!(silent.exit_status().unwrap(), Some(ExitStatus::Unknown));
    assert!(silent.id().is_err());
    // What the function returned came another way.
    assert_eq!(start(way, |n: u32| n + 1, 7).join().unwrap(), 8);
    if way != Start::Fork {
        // A child that is no copy does not ignore the end of its own.
        let of_grandchild = start(way, |()| start(Start::Spawn, exit, 3).wait().unwrap(), ());
        assert_eq!(of_grandchild.join().unwrap(), ExitStatus::Exited(3));
    }
}

fn exit(code: i32) {
    std::process::exit(code);
}

fn process_whose_status_was_stolen_is_known_to_have_ended(way: Start) {
    let child = start(way, |()| 5, ());
    let pid = i32::try_from(child.pid()).unwrap();
    // SAFETY: takes the status of a child, and writes it nowhere.
    assert_eq!(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) }, pid);
    assert!(!child.is_alive());
    assert_eq!(child.exit_status().unwrap(), Some(ExitStatus::Unknown));
    assert_eq!(child.join().unwrap(), 5);
    child.kill().unwrap();
}

fn value_is_had_once(way: Start) {
    let child = start(way, |()| "one".to_owned(), ());
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| child.join())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let values = results.iter().flatten().count();
    let taken = results.iter().filter(|result| matches!(result, Err(JoinError::Taken))).count();
    assert_eq!((values, taken), (1, 3), "{results:?}");
}

fn sentinel_is_ready_when_the_process_has_ended_though_a_grandchild_lives(way: Start) {
    fn leave_a_child(pipe: Handle) {
        let child = Process::spawn(wait_for_end_of, pipe).unwrap();
        drop(child);
    }
    let (reader, writer) = std::io::pipe().unwrap();
    let child = start(way, leave_a_child, Handle::from(OwnedFd::from(reader)));
    assert_eq!(child.sentinel().as_fd().try_clone_to_owned().map(drop).ok(), Some(()));
    child.join().unwrap();
    // The grandchild reads from the pipe still.
    (&writer).write_all(b"x").unwrap();
}

fn identity_is_that_of_the_process(way: Start) {
    let (child, _writer) = waiting(way);
    let id = child.id().unwrap();
    assert_eq!(id.pid(), child.pid());
    assert!(ipc_core::is_alive(id).unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!ipc_core::is_alive(id).unwrap());
    assert_eq!(child.id().unwrap(), id, "it is remembered");
}

fn handle_in_a_copy_of_the_parent_is_a_strangers(way: Start) {
    let (child, _writer) = waiting(way);
    let child = &child;
    let copy = Process::builder().spawn_forked(|| {
        let joined = child.try_join();
        matches!(joined, Err(JoinError::NotOurs))
    });
    assert!(copy.unwrap().join().unwrap());
    assert!(child.is_alive());
    child.kill().unwrap();
    assert!(matches!(child.join(), Err(JoinError::Signaled { .. })));
}
