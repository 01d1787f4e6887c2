//! What Python promises of processes, and no other test looks at: with each start method.
//!
//! `docs/semantics-proc.md` says of each of Python's promises which test it is that looks.

#![expect(clippy::unwrap_used, clippy::panic, clippy::exit, reason = "a test")]
#![expect(unsafe_code, reason = "ends a process without ceremony")]

mod common;

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use common::{start, with_each_start};
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::wire::Handle;
use proc_core::{ExitStatus, JoinError, Process, Start, Stdio, cpu_count};

with_each_start! {
    what_a_child_writes_its_parent_does_not_see
    crash_of_one_changes_nothing_for_others
    threads_of_a_child_end_with_its_function
    what_a_child_has_printed_is_there_when_it_has_ended
    code_without_ceremony_is_reported
    handle_says_whose_it_is_and_how_that_ended
    processors_are_those_that_the_child_may_use
    join_looks_and_waits_and_gives_the_value_once
}

fn what_a_child_writes_its_parent_does_not_see(way: Start) {
    static COUNTER: AtomicU64 = AtomicU64::new(0);

    let count = |()| COUNTER.fetch_add(1, Relaxed) + 1;
    // Tests of other ways do not write to it: they run it in children.
    let children: Vec<_> = (0..2).map(|_| start(way, count, ())).collect();
    let counted: Vec<u64> = children.iter().map(|child| child.join().unwrap()).collect();
    assert_eq!((counted, COUNTER.load(Relaxed)), (vec![1, 1], 0));
}

fn crash_of_one_changes_nothing_for_others(way: Start) {
    fn answer(pipe: Handle) -> u8 {
        let mut byte = [0];
        std::fs::File::from(OwnedFd::from(pipe)).read_exact(&mut byte).unwrap();
        byte[0]
    }
    fn abort(_: ()) {
        std::process::abort()
    }
    let (reader, mut writer) = std::io::pipe().unwrap();
    let other = start(way, answer, Handle::from(OwnedFd::from(reader)));
    let crash = start(way, abort, ());
    let ended = crash.join();
    assert!(matches!(ended, Err(JoinError::Signaled { signal: libc::SIGABRT, .. })), "{ended:?}");
    assert!(other.is_alive());
    writer.write_all(&[7]).unwrap();
    assert_eq!(other.join().unwrap(), 7);
}

fn threads_of_a_child_end_with_its_function(way: Start) {
    fn leave_a_thread(_: ()) -> u32 {
        drop(std::thread::spawn(|| {
            loop {
                std::thread::park();
            }
        }));
        5
    }
    assert_eq!(start(way, leave_a_thread, ()).join().unwrap(), 5);
}

fn what_a_child_has_printed_is_there_when_it_has_ended(way: Start) {
    #[expect(clippy::print_stdout, reason = "what is looked for")]
    fn print(_: ()) {
        // No end of a line, so it is still in the buffer.
        print!("the last word");
    }
    let child = Process::builder().start(way).stdout(Stdio::piped()).spawn(print, ()).unwrap();
    let mut text = String::new();
    child.take_stdout().unwrap().read_to_string(&mut text).unwrap();
    child.join().unwrap();
    assert_eq!(text, "the last word");
}

fn code_without_ceremony_is_reported(way: Start) {
    fn leave(code: i32) {
        // SAFETY: ends this process; nothing runs after it.
        unsafe { libc::_exit(code) }
    }
    let child = start(way, leave, 9);
    let joined = child.join();
    assert!(matches!(joined, Err(JoinError::Exited(9))), "{joined:?}");
    assert_eq!(child.exit_status().unwrap(), Some(ExitStatus::Exited(9)));
}

fn handle_says_whose_it_is_and_how_that_ended(way: Start) {
    fn end(code: i32) {
        std::process::exit(code)
    }
    let child = Process::builder().start(way).name("scribe").spawn(end, 3).unwrap();
    let who = format!("Process {{ name: \"scribe\", pid: {}, status: ", child.pid());
    assert_eq!(format!("{child:?}"), format!("{who}\"running, or not waited for\" }}"));
    child.wait().unwrap();
    let status = ExitStatus::Exited(3);
    assert_eq!(format!("{child:?}"), format!("{who}{status} }}"));
}

fn processors_are_those_that_the_child_may_use(way: Start) {
    let here = cpu_count();
    let first = rustix::thread::sched_getaffinity(None).unwrap();
    let first = (0..rustix::thread::CpuSet::MAX_CPU).find(|cpu| first.is_set(*cpu)).unwrap();
    let count = |()| (cpu_count().machine, cpu_count().affinity);
    let child = Process::builder().start(way).affinity([first]).spawn(count, ()).unwrap();
    assert_eq!(child.join().unwrap(), (here.machine, 1));
}

fn join_looks_and_waits_and_gives_the_value_once(way: Start) {
    fn answer(pipe: Handle) -> u8 {
        let mut byte = [0];
        std::fs::File::from(OwnedFd::from(pipe)).read_exact(&mut byte).unwrap();
        byte[0]
    }
    let (reader, mut writer) = std::io::pipe().unwrap();
    let child = start(way, answer, Handle::from(OwnedFd::from(reader)));
    let no_time = std::time::Duration::ZERO;
    assert!(child.try_join().unwrap().is_none());
    assert!(child.join_timeout(no_time).unwrap().is_none());
    writer.write_all(&[7]).unwrap();
    child.wait().unwrap();
    assert_eq!(child.join_timeout(no_time).unwrap(), Some(7));
    let again = child.join();
    assert!(matches!(again, Err(JoinError::Taken)), "{again:?}");
    // How it ended is known as often as anybody asks.
    assert_eq!(child.wait().unwrap(), ExitStatus::Exited(0));
    assert!(!child.is_alive());
}
