//! How a process is ended, and what is known of it then; each test in a process that has no others.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]
#![expect(unsafe_code, reason = "sets what signals do")]

mod common;

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::time::Duration;

use common::start;
use ipc_core::wire::Handle;
use ipc_core::{Deadline, DeathWatch, ProcessId};
use proc_core::{
    ExitStatus, Fork, JoinError, Process, Run, Start, active_children, current, fork, scope,
    wait_any, wait_timeout, zombies,
};
use serde::{Deserialize, Serialize};

common::with_each_start_alone! {
    interrupted_process_is_reported_as_interrupted
    process_that_ends_when_asked_is_not_killed
    process_that_ignores_being_asked_is_killed
    tree_is_killed_whole_though_it_grows
    tree_of_one_that_has_ended_is_nobody
    orphans_of_a_tree_are_killed_with_it
    group_of_a_tree_is_killed_with_it
    handle_of_a_running_process_is_not_closed
    detached_process_goes_on
    what_a_process_used_up_is_known_when_it_has_ended
    panic_has_its_backtrace_where_that_is_enabled
    object_is_made_here_and_runs_there
    active_children_are_those_that_live
    first_of_many_to_end_is_named
    wait_for_any_child_can_have_a_limit
    scope_waits_for_its_processes
    scope_that_panics_kills_its_processes
}

fn wait_for_ever(_: ()) {
    loop {
        std::thread::park();
    }
}

fn waiting(way: Start) -> Process<()> {
    start(way, wait_for_ever, ())
}

fn killed_by(signal: i32) -> ExitStatus {
    ExitStatus::Signaled { signal, core_dumped: false }
}

fn interrupted_process_is_reported_as_interrupted(way: Start) {
    let builder = Process::builder().start(way).default_signal(libc::SIGINT);
    let child = builder.spawn(wait_for_ever, ()).unwrap();
    child.interrupt().unwrap();
    assert_eq!(child.wait().unwrap(), killed_by(libc::SIGINT));
    child.interrupt().unwrap();
}

fn process_that_ends_when_asked_is_not_killed(way: Start) {
    let child = waiting(way);
    assert_eq!(child.terminate_within(Duration::MAX).unwrap(), killed_by(libc::SIGTERM));
    assert_eq!(child.terminate_within(Duration::ZERO).unwrap(), killed_by(libc::SIGTERM));
}

fn process_that_ignores_being_asked_is_killed(way: Start) {
    let builder = Process::builder().start(way).ignore_signal(libc::SIGTERM);
    let child = builder.spawn(wait_for_ever, ()).unwrap();
    let status = child.terminate_within(Duration::from_millis(20)).unwrap();
    assert_eq!(status, killed_by(libc::SIGKILL));
}

/// Every process that has an end of a pipe; when all are gone, the other end is seen to be closed.
fn read_to_end(reader: std::io::PipeReader) -> String {
    std::io::read_to_string(reader).unwrap()
}

/// Copies itself twice, and then each of the three makes copies that do nothing, for ever.
fn grow(pipe: Handle) {
    let mut pipe = File::from(pipe);
    for _ in 0..2 {
        if fork().unwrap() == Fork::Child {
            break;
        }
    }
    loop {
        if fork().unwrap() == Fork::Child {
            // One that is missed ends nevertheless.
            // SAFETY: has no conditions.
            unsafe { libc::alarm(200) };
            wait_for_ever(());
        }
        std::io::Write::write_all(&mut pipe, b"x").unwrap();
        testkit::clock::pause(Duration::from_micros(200));
    }
}

fn tree_is_killed_whole_though_it_grows(way: Start) {
    for n_grown in [1, 10, 100] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let builder = Process::builder().start(way).default_signal(libc::SIGALRM);
        let child = builder.spawn(grow, OwnedFd::from(writer).into()).unwrap();
        for _ in 0..n_grown {
            reader.read_exact(&mut [0]).unwrap();
        }
        assert!(child.kill_tree().unwrap() > n_grown);
        // Nobody has the other end any more: there is an end, and not only after the alarm.
        while reader.read(&mut [0; 100]).unwrap() > 0 {
            let ready = wait_any([&reader], Deadline::after(Duration::from_secs(60)));
            assert_eq!(ready.unwrap(), Some(0), "somebody got away");
        }
        assert_eq!(child.exit_status().unwrap(), Some(killed_by(libc::SIGKILL)));
    }
}

fn tree_of_one_that_has_ended_is_nobody(way: Start) {
    let child = start(way, drop, ());
    child.wait().unwrap();
    assert_eq!(child.kill_tree().unwrap(), 0);
}

/// Writes something, and holds the pipe for ever.
fn hold(pipe: Handle) {
    let mut pipe = File::from(pipe);
    std::io::Write::write_all(&mut pipe, b"x").unwrap();
    loop {
        std::thread::park();
    }
}

/// Leaves a child of its child behind, which has the pipe, and waits.
fn leave_an_orphan(pipe: Handle) {
    let middle = Process::spawn(|pipe: Handle| Process::spawn(hold, pipe).unwrap().detach(), pipe);
    middle.unwrap().join().unwrap();
    loop {
        std::thread::park();
    }
}

fn kill_orphan(reader: std::io::PipeReader, child: &Process<()>) {
    let mut reader = reader;
    reader.read_exact(&mut [0]).unwrap();
    // The one between has ended when it is a zombie or gone.
    let middle = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", child.pid())).unwrap().flatten();
        let lists = tasks.flat_map(|task| std::fs::read_to_string(task.path().join("children")));
        lists.collect::<String>().split_whitespace().count()
    };
    while middle() > 1 {
        testkit::clock::pause(Duration::from_millis(1));
    }
    child.kill_tree().unwrap();
    assert_eq!(read_to_end(reader), "");
}

fn orphans_of_a_tree_are_killed_with_it(way: Start) {
    let (reader, writer) = std::io::pipe().unwrap();
    let builder = Process::builder().start(way).keeps_orphans(true);
    let child = builder.spawn(leave_an_orphan, OwnedFd::from(writer).into()).unwrap();
    kill_orphan(reader, &child);
}

fn group_of_a_tree_is_killed_with_it(way: Start) {
    let (reader, writer) = std::io::pipe().unwrap();
    let builder = Process::builder().start(way).new_group(true);
    let child = builder.spawn(leave_an_orphan, OwnedFd::from(writer).into()).unwrap();
    kill_orphan(reader, &child);
}

fn handle_of_a_running_process_is_not_closed(way: Start) {
    let child = waiting(way);
    let error = child.close().unwrap_err();
    assert_eq!(error.to_string(), "the process has not ended");
    let child = error.into_process();
    child.kill().unwrap();
    child.wait().unwrap();
    child.close().unwrap();
}

fn detached_process_goes_on(way: Start) {
    let child = waiting(way);
    let watch = DeathWatch::open(child.id().unwrap()).unwrap().unwrap();
    let pid = child.detach();
    assert!(ProcessId::of(pid).unwrap().is_some());
    // SAFETY: sends a signal to a child whose status nobody takes meanwhile.
    unsafe { libc::kill(i32::try_from(pid).unwrap(), libc::SIGKILL) };
    assert!(watch.wait(Deadline::NEVER).unwrap());
    // It is a zombie until it is looked after.
    assert_eq!(zombies().unwrap(), [pid]);
    assert_eq!(active_children().len(), 0);
    assert_eq!(zombies().unwrap(), []);
}

fn what_a_process_used_up_is_known_when_it_has_ended(way: Start) {
    fn use_up(_: ()) -> usize {
        let mut bytes = vec![1_u8; 64 << 20];
        bytes.fill(2);
        let mut n = 0_usize;
        for i in 0..20_000_000_usize {
            n = std::hint::black_box(n.wrapping_add(i));
        }
        std::hint::black_box(&bytes).len()
    }
    let child = start(way, use_up, ());
    assert_eq!(child.usage(), None);
    child.join().unwrap();
    let usage = child.usage().unwrap();
    assert!(usage.max_memory > 64 << 20, "{usage:?}");
    assert!(usage.user_time > Duration::ZERO, "{usage:?}");
    // Somebody else takes the status.
    let child = start(way, drop, ());
    let pid = i32::try_from(child.pid()).unwrap();
    // SAFETY: takes the status of a child, and writes it nowhere.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
    assert_eq!(child.wait().unwrap(), ExitStatus::Unknown);
    assert_eq!(child.usage(), None);
}

fn panic_has_its_backtrace_where_that_is_enabled(way: Start) {
    let panic = |backtrace: &str| {
        // Not in this process, which knows already whether it is enabled.
        let builder = Process::builder().start(Start::Spawn).env("RUST_BACKTRACE", backtrace);
        let outer = builder.spawn(
            |way: Start| {
                let child: Process<()> = start(way, |()| panic!("traced"), ());
                match child.join() {
                    Err(JoinError::Panicked(panic)) => panic,
                    other => panic!("{other:?}"),
                }
            },
            way,
        );
        outer.unwrap().join().unwrap()
    };
    assert_eq!(panic("0").backtrace(), None);
    let traced = panic("1");
    assert!(traced.backtrace().unwrap().contains("panic_has_its_backtrace"), "{traced:?}");
    assert!(traced.to_string().ends_with("traced"), "the message is short");
}

#[derive(Serialize, Deserialize)]
struct Scribe<T> {
    text: T,
}

impl Run for Scribe<String> {
    type Output = (String, String);

    fn run(self) -> (String, String) {
        (self.text + "!", current().name().to_owned())
    }
}

fn object_is_made_here_and_runs_there(way: Start) {
    let object = || Scribe { text: "made here".to_owned() };
    let child = Process::builder().start(way).run(object()).unwrap();
    let name = child.name().to_owned();
    assert!(name.starts_with("Scribe-"), "{name}");
    assert_eq!(child.join().unwrap(), ("made here!".to_owned(), name));
    let child = Process::builder().start(way).name("mine").run(object()).unwrap();
    assert_eq!(child.join().unwrap().1, "mine");
}

fn active_children_are_those_that_live(way: Start) {
    let (first, second) = (waiting(way), waiting(way));
    let third_pid = waiting(way).detach();
    let pids = || active_children().iter().map(proc_core::ActiveChild::pid).collect::<Vec<_>>();
    let mut all = pids();
    all.sort_unstable();
    let mut expected = [first.pid(), second.pid(), third_pid];
    expected.sort_unstable();
    assert_eq!(all, expected, "without the fork server");
    let of_second = active_children().into_iter().find(|c| c.pid() == second.pid()).unwrap();
    assert_eq!(of_second.name(), second.name());
    of_second.terminate().unwrap();
    let status = of_second.wait_deadline(Deadline::NEVER).unwrap();
    assert_eq!(status, Some(killed_by(libc::SIGTERM)));
    assert!(!of_second.is_alive());
    assert!(second.join().is_err());
    assert_eq!(pids().len(), 2);
    for child in active_children() {
        child.kill().unwrap();
        child.terminate().unwrap();
        let status = child.wait_deadline(Deadline::NEVER).unwrap().unwrap();
        assert!(matches!(status, ExitStatus::Signaled { .. }), "{status}");
    }
    assert!(active_children().is_empty());
    assert!(zombies().unwrap().is_empty());
}

fn first_of_many_to_end_is_named(way: Start) {
    let mut children: Vec<_> = (0..50).map(|_| waiting(way)).collect();
    let sentinels = |children: &[Process<()>], deadline| wait_any(children, deadline).unwrap();
    assert_eq!(sentinels(&children, Deadline::now()), None);
    assert_eq!(sentinels(&children, Deadline::after(Duration::from_millis(5))), None);
    children[37].kill().unwrap();
    assert_eq!(sentinels(&children, Deadline::NEVER), Some(37));
    children.remove(37);
    assert_eq!(sentinels(&children, Deadline::now()), None);
    assert_eq!(wait_any(Vec::<OwnedFd>::new(), Deadline::now()).unwrap(), None);
    for child in &children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn wait_for_any_child_can_have_a_limit(way: Start) {
    let child = waiting(way);
    assert_eq!(wait_timeout(Duration::ZERO).unwrap(), None);
    assert_eq!(wait_timeout(Duration::from_millis(25)).unwrap(), None);
    let mut foreign = std::process::Command::new("cat");
    let mut foreign = foreign.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.kill().unwrap();
    let ended = wait_timeout(Duration::MAX).unwrap();
    assert_eq!(ended, Some((child.pid(), killed_by(libc::SIGKILL))));
    drop(foreign.stdin.take());
    assert_eq!(wait_timeout(Duration::MAX).unwrap(), Some((foreign.id(), ExitStatus::Exited(0))));
    assert!(foreign.wait().is_err());
    let none = wait_timeout(Duration::MAX).unwrap_err();
    assert_eq!(none.raw_os_error(), Some(libc::ECHILD));
}

fn scope_waits_for_its_processes(way: Start) {
    let (reader, writer) = std::io::pipe().unwrap();
    let handles = scope(|scope| {
        let pipe = Handle::from(OwnedFd::from(writer));
        let builder = Process::builder().start(way);
        let child = scope.spawn(
            builder,
            |pipe: Handle| std::io::Write::write_all(&mut File::from(pipe), b"done").unwrap(),
            pipe,
        );
        let other = start(way, drop, ());
        scope.add(&other);
        (child.unwrap(), other)
    });
    assert_eq!(handles.0.try_join().unwrap(), Some(()));
    assert_eq!(handles.1.try_join().unwrap(), Some(()));
    assert_eq!(read_to_end(reader), "done");
}

fn scope_that_panics_kills_its_processes(way: Start) {
    let mut pid = 0;
    let scoped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scope(|scope| {
            let child = scope.spawn(Process::builder().start(way), wait_for_ever, ()).unwrap();
            pid = child.pid();
            panic!("in the scope")
        })
    }));
    assert!(scoped.is_err());
    assert_eq!(ProcessId::of(pid).unwrap(), None);
}
