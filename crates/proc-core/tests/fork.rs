//! The plain fork, and closures in a copy of the process; in processes with a single thread.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]
#![expect(unsafe_code, reason = "forks")]

use std::cell::Cell;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};

use ipc_core::wire::Handle;
use proc_core::{
    ExitStatus, Fork, ForkHooks, Process, Start, StartError, current, fork, on_fork, parent, wait,
    wait_for,
};

/// Runs a test where it is the only thread.
macro_rules! alone {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            Process::spawn(|()| body::$name(), ()).unwrap().join().unwrap();
        }
    )*};
}

alone! {
    fork_returns_twice
    wait_returns_any_child_and_wait_for_the_one
    child_of_fork_knows_whose_it_is
    closure_works_on_a_copy_of_what_it_captured
    closure_that_panics_unwinds_no_further_than_itself
    copy_does_not_run_what_the_parent_registered_for_its_end
    copy_lets_go_of_what_is_not_passed_on
    text_in_the_buffer_is_written_once
    hooks_run_in_their_order_on_both_sides
    hook_that_panics_aborts_the_copy_and_nothing_else_runs_there
    copy_that_closes_what_it_does_not_need_lets_its_parent_see_the_end
}

mod body {
    use super::*;

    pub(super) fn fork_returns_twice() {
        let local = Cell::new(1);
        match fork().unwrap() {
            Fork::Child => {
                local.set(7);
                // SAFETY: ends the process.
                unsafe { libc::_exit(local.get()) };
            }
            Fork::Parent(pid) => {
                assert_eq!(wait_for(pid).unwrap(), ExitStatus::Exited(7));
                assert_eq!(local.get(), 1, "the child had a copy");
            }
        }
    }

    pub(super) fn wait_returns_any_child_and_wait_for_the_one() {
        let mut pids = Vec::new();
        for code in 1..=3 {
            match fork().unwrap() {
                // SAFETY: ends the process.
                Fork::Child => unsafe { libc::_exit(code) },
                Fork::Parent(pid) => pids.push(pid),
            }
        }
        assert_eq!(wait_for(pids[1]).unwrap(), ExitStatus::Exited(2));
        let mut ended = [wait().unwrap(), wait().unwrap()];
        ended.sort_by_key(|(pid, _)| *pid);
        let mut expected = [(pids[0], ExitStatus::Exited(1)), (pids[2], ExitStatus::Exited(3))];
        expected.sort_by_key(|(pid, _)| *pid);
        assert_eq!(ended, expected);
        assert_eq!(wait().unwrap_err().raw_os_error(), Some(libc::ECHILD));
    }

    pub(super) fn child_of_fork_knows_whose_it_is() {
        let me = current();
        match fork().unwrap() {
            Fork::Child => {
                let child = current();
                let right = child.is_child()
                    && child.pid() != me.pid()
                    && child.name() == format!("{}:1", me.name())
                    && parent().is_some_and(|parent| parent.pid() == me.pid() && parent.is_alive());
                // SAFETY: ends the process.
                unsafe { libc::_exit(i32::from(!right)) };
            }
            Fork::Parent(pid) => assert!(wait_for(pid).unwrap().success()),
        }
    }

    pub(super) fn closure_works_on_a_copy_of_what_it_captured() {
        let mut counts = vec![1, 2, 3];
        let child = Process::builder().name("copy").spawn_forked(|| {
            counts.push(4);
            (counts.iter().sum::<i32>(), current().name().to_owned())
        });
        assert_eq!(child.unwrap().join().unwrap(), (10, "copy".to_owned()));
        assert_eq!(counts, [1, 2, 3]);
    }

    pub(super) fn closure_that_panics_unwinds_no_further_than_itself() {
        struct SaysSo(std::io::PipeWriter);
        impl Drop for SaysSo {
            fn drop(&mut self) {
                self.0.write_all(b"dropped").unwrap();
            }
        }
        let (reader, writer) = std::io::pipe().unwrap();
        // Lies on the stack of the caller, which the child has too but must not leave.
        let outer = SaysSo(writer);
        let child = Process::builder().spawn_forked(|| panic!("in the copy"));
        let result: Result<(), _> = child.unwrap().join();
        assert!(result.unwrap_err().to_string().contains("in the copy"));
        drop(outer);
        assert_eq!(std::io::read_to_string(reader).unwrap(), "dropped", "once, here");
    }

    pub(super) fn copy_does_not_run_what_the_parent_registered_for_its_end() {
        extern "C" fn at_exit() {
            // SAFETY: ends the process at once, with a code that nobody else uses.
            unsafe { libc::_exit(42) };
        }
        // This very process would end with it, so it happens in one more.
        let middle = Process::spawn(
            |()| {
                // SAFETY: registers a function that may run at any time.
                unsafe { libc::atexit(at_exit) };
                let copy = Process::builder().spawn_forked(|| 7).unwrap();
                assert_eq!(copy.join().unwrap(), 7);
                copy.exit_status().unwrap().unwrap()
            },
            (),
        )
        .unwrap();
        assert_eq!(middle.join().unwrap(), ExitStatus::Exited(0));
        assert_eq!(middle.exit_status().unwrap(), Some(ExitStatus::Exited(42)), "its own end");
    }

    pub(super) fn copy_lets_go_of_what_is_not_passed_on() {
        let (reader, writer) = std::io::pipe().unwrap();
        let (kept, of_kept) = std::io::pipe().unwrap();
        let in_copy = || {
            // Nobody but this process has a writer any more.
            let kept_is_open = std::io::Write::write_all(&mut &of_kept, b"kept").is_ok();
            let lost = std::io::Write::write_all(&mut &writer, b"lost");
            (kept_is_open, lost.unwrap_err().raw_os_error())
        };
        let builder = Process::builder().pass_on_only(&[of_kept.as_fd()]);
        let child = builder.stdout(proc_core::Stdio::piped()).spawn_forked(in_copy).unwrap();
        assert_eq!(child.join().unwrap(), (true, Some(libc::EBADF)));
        drop(of_kept);
        assert_eq!(std::io::read_to_string(kept).unwrap(), "kept");

        // Of a copy that still lives.
        let (gate, opener) = std::io::pipe().unwrap();
        let wait = |gate: Handle| {
            std::io::Read::read_to_end(&mut std::fs::File::from(gate), &mut Vec::new()).unwrap()
        };
        let builder = Process::builder().start(Start::Fork).pass_on_only(&[]);
        let child = builder.spawn(wait, Handle::from(OwnedFd::from(gate))).unwrap();
        drop(writer);
        assert_eq!(std::io::read_to_string(reader).unwrap(), "", "the end, though the copy lives");
        assert!(child.is_alive());
        drop(opener);
        assert_eq!(child.join().unwrap(), 0);
    }

    pub(super) fn text_in_the_buffer_is_written_once() {
        let (reader, writer) = std::io::pipe().unwrap();
        rustix::stdio::dup2_stdout(&writer).unwrap();
        drop(writer);
        print!("of the parent, ");
        let child = Process::builder().spawn_forked(|| print!("of the child, ")).unwrap();
        child.join().unwrap();
        print!("of the parent again");
        std::io::stdout().flush().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        rustix::stdio::dup2_stdout(&null).unwrap();
        let text = std::io::read_to_string(reader).unwrap();
        assert_eq!(text, "of the parent, of the child, of the parent again");
    }

    std::thread_local! {
        static CALLS: std::cell::RefCell<Vec<&'static str>> = const { std::cell::RefCell::new(Vec::new()) };
    }

    fn note(call: &'static str) {
        CALLS.with_borrow_mut(|calls| calls.push(call));
    }

    fn noted() -> Vec<&'static str> {
        CALLS.take()
    }

    pub(super) fn hooks_run_in_their_order_on_both_sides() {
        on_fork(ForkHooks {
            before: Some(|| note("first before")),
            in_parent: Some(|| note("first parent")),
            in_child: Some(|| note("first child")),
        });
        on_fork(ForkHooks {
            before: Some(|| note("second before")),
            in_child: Some(|| note("second child")),
            ..ForkHooks::default()
        });
        let in_child = ["second before", "first before", "first child", "second child"];
        let in_parent = ["second before", "first before", "first parent"];
        let child = Process::builder().spawn_forked(|| noted() == in_child);
        assert!(child.unwrap().join().unwrap());
        assert_eq!(noted(), in_parent);
        // A copy has them too.
        let child = Process::builder().spawn_forked(|| {
            noted();
            let grandchild = Process::builder().spawn_forked(|| noted() == in_child);
            grandchild.unwrap().join().unwrap() && noted() == in_parent
        });
        assert!(child.unwrap().join().unwrap());
        assert_eq!(noted(), in_parent);
        match fork().unwrap() {
            // SAFETY: ends the process.
            Fork::Child => unsafe { libc::_exit(i32::from(noted() != in_child)) },
            Fork::Parent(pid) => assert!(wait_for(pid).unwrap().success()),
        }
        assert_eq!(noted(), in_parent);
    }

    pub(super) fn hook_that_panics_aborts_the_copy_and_nothing_else_runs_there() {
        on_fork(ForkHooks { in_child: Some(|| panic!("in a hook")), ..ForkHooks::default() });
        let started = Process::builder().spawn_forked(|| ());
        match started {
            Err(StartError::Died { status, .. }) => {
                assert_eq!(status.signal(), Some(libc::SIGABRT));
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn copy_that_closes_what_it_does_not_need_lets_its_parent_see_the_end() {
        use std::os::fd::AsFd as _;

        let (mut reader, writer) = std::io::pipe().unwrap();
        let (gate, opens) = std::io::pipe().unwrap();
        let (kept, copy_writes) = std::io::pipe().unwrap();
        let pid = match fork().unwrap() {
            Fork::Child => {
                let files = [gate.as_fd(), copy_writes.as_fd()];
                // SAFETY: what is used after this is in the list, and the process ends without
                // dropping anything.
                unsafe { proc_core::close_descriptors_but(&files) }.unwrap();
                let is_open = |file: &dyn std::os::fd::AsRawFd| {
                    // SAFETY: only asks.
                    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFD) != -1 }
                };
                let right = is_open(&gate)
                    && is_open(&copy_writes)
                    && is_open(&std::io::stdin())
                    && ![is_open(&reader), is_open(&writer), is_open(&opens), is_open(&kept)]
                        .contains(&true);
                (&copy_writes).write_all(&[u8::from(right)]).unwrap();
                std::io::Read::read_to_end(&mut &gate, &mut Vec::new()).unwrap();
                // SAFETY: ends the process.
                unsafe { libc::_exit(0) };
            }
            Fork::Parent(pid) => pid,
        };
        let mut right = [0];
        std::io::Read::read_exact(&mut &kept, &mut right).unwrap();
        assert_eq!(right, [1]);
        // The copy lives, and does not hold the other end.
        drop(writer);
        assert_eq!(std::io::Read::read(&mut reader, &mut [0]).unwrap(), 0);
        drop(opens);
        assert!(wait_for(pid).unwrap().success());
    }
}

#[test]
fn process_with_several_threads_is_not_forked() {
    assert!(matches!(fork(), Err(StartError::Threads { count: 2.. })));
    // libtest has a thread for itself and one for this test.
    let started = Process::builder().spawn_forked(|| 1);
    assert!(matches!(started, Err(StartError::Threads { count: 2.. })), "{started:?}");
    let started = Process::builder().start(Start::Fork).spawn(drop, ());
    assert!(matches!(started, Err(StartError::Threads { count: 2.. })), "{started:?}");
    // SAFETY: the closure touches nothing that another thread could.
    let forced = unsafe { Process::builder().spawn_forked_with_threads(|| std::process::abort()) };
    let result: Result<(), _> = forced.unwrap().join();
    assert!(result.is_err());
}
