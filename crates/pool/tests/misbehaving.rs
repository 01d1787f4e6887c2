//! Tasks that do what no task should: they cost themselves at most, and the pool goes on.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]
#![expect(unsafe_code, reason = "what misbehaves does so by system calls")]

use std::hint::black_box;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::time::Duration;

use ipc_core::wire::Handle;
use pool::{Pool, TaskError};
use proc_core::{ExitStatus, Fork, fork_with_threads};

use common::{STARTS, square, watch};

mod common;

/// Has a worker of a new pool misbehave, twice, while others work; then all is as before.
fn survives<R: serde::Serialize + serde::de::DeserializeOwned>(
    what: &str,
    task: fn(u32) -> R,
    judge: impl Fn(Result<R, TaskError>),
) {
    let _watchdog = watch(what);
    for start in STARTS {
        let pool = Pool::builder().workers(2).start(start).build().unwrap();
        let large = "x".repeat(3 << 20);
        for _ in 0..2 {
            let misbehaving = pool.submit(task, 1).unwrap();
            let others: Vec<_> = (0..50).map(|n| pool.submit(square, n).unwrap()).collect();
            judge(misbehaving.join());
            for (n, other) in (0..50).zip(others) {
                assert_eq!(other.join().unwrap(), n * n);
            }
        }
        // What is large goes through descriptors.
        let lengths = pool.map(|text: String| text.len(), vec![large.clone(); 4]).unwrap();
        assert_eq!(lengths, [large.len(); 4]);
        pool.join().unwrap();
    }
}

fn deeper(depth: u32) -> u64 {
    let room = black_box([u64::from(depth); 64]);
    if depth == u32::MAX { 0 } else { deeper(depth + 1) + room[7] }
}

#[test]
fn task_that_overflows_its_stack_fails_alone() {
    survives("an overflow", deeper, |result| {
        assert!(matches!(result, Err(TaskError::WorkerDied { .. })), "{result:?}");
    });
}

/// Forks a child that outlives its task and its worker, and has all their descriptors.
fn leave_a_child(_: u32) -> u32 {
    // SAFETY: the child does nothing but wait for its end. (A worker has a second thread.)
    match unsafe { fork_with_threads() }.unwrap() {
        Fork::Parent(pid) => pid,
        Fork::Child => {
            // SAFETY: waits for a signal.
            unsafe { libc::pause() };
            // SAFETY: ends the process without another word.
            unsafe { libc::_exit(0) }
        }
    }
}

#[test]
fn task_that_leaves_a_child_behind_is_done_and_holds_up_nobody() {
    survives("a child", leave_a_child, |result| {
        let pid = i32::try_from(result.unwrap()).unwrap();
        // SAFETY: the number is that of the child, which ends by nothing else, so it is still its.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
    });
}

/// Forks a child that ends by itself, and waits for it.
fn fork_and_wait(_: u32) -> bool {
    // SAFETY: the child does nothing but end.
    match unsafe { fork_with_threads() }.unwrap() {
        Fork::Parent(pid) => proc_core::wait_for(pid).unwrap() == ExitStatus::Exited(7),
        // SAFETY: it ends the process.
        Fork::Child => unsafe { libc::_exit(7) },
    }
}

#[test]
fn task_may_fork_and_wait() {
    survives("a fork", fork_and_wait, |result| assert!(result.unwrap()));
}

fn close_all(_: u32) {
    // SAFETY: breaks what is this process's, which is what is tested.
    unsafe { libc::close_range(3, u32::MAX, 0) };
}

#[test]
fn task_that_closes_all_descriptors_harms_its_worker_at_most() {
    survives("closed", close_all, |result| {
        assert!(matches!(result, Ok(()) | Err(TaskError::WorkerDied { .. })), "{result:?}");
    });
}

fn write_everywhere(_: u32) {
    for descriptor in 3..100 {
        // SAFETY: changes a flag of what is open, if anything is.
        unsafe { libc::fcntl(descriptor, libc::F_SETFL, libc::O_NONBLOCK) };
        // SAFETY: writes what is in the buffer, or fails.
        unsafe { libc::write(descriptor, [0xa5_u8; 40].as_ptr().cast(), 40) };
    }
}

#[test]
fn task_that_writes_on_descriptors_that_are_not_its_own_harms_its_worker_at_most() {
    survives("written", write_everywhere, |result| {
        assert!(matches!(result, Ok(()) | Err(TaskError::WorkerDied { .. })), "{result:?}");
    });
}

fn ignore_all(_: u32) {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: changes a disposition of this process.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    loop {
        std::thread::park();
    }
}

#[test]
fn task_that_ignores_all_signals_can_be_ended() {
    let _watchdog = watch("ignored");
    for start in STARTS {
        let pool = Pool::builder().workers(1).start(start).build().unwrap();
        let short = Duration::from_millis(20);
        let ended = pool.task(ignore_all).timeout(short).grace(short).call(1);
        assert!(matches!(ended, Err(TaskError::TimedOut { .. })), "{ended:?}");
        assert_eq!(pool.call(square, 5).unwrap(), 25);
        pool.join().unwrap();
    }
}

/// Forks, and goes on in both; the number of the process.
fn fork_and_go_on(_: u32) -> u32 {
    // SAFETY: the copy does nothing but what a worker does after its task.
    let _fork = unsafe { fork_with_threads() }.unwrap();
    proc_core::current().pid()
}

/// The number of the process, which ends if that is another one.
fn only_in(pid: u32) -> u32 {
    if proc_core::current().pid() != pid {
        std::process::abort();
    }
    pid
}

#[test]
fn copy_that_a_task_has_made_answers_nothing_and_gets_no_task() {
    let _watchdog = watch("a copy");
    for start in STARTS {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let keep = |pipe: Handle| -> Handle { pipe };
        let pool = Pool::builder().workers(1).start(start);
        let pool = pool.initializer(keep, OwnedFd::from(writer).into()).build().unwrap();
        let (stateful, pool) = (&pool, pool.pool());
        let pid = pool.call(|()| proc_core::current().pid(), ()).unwrap();
        for n in 0..20 {
            assert_eq!(pool.call(fork_and_go_on, n).unwrap(), pid);
            // What a copy takes, and dies of, never comes back.
            let task = pool.submit(only_in, pid).unwrap();
            assert_eq!(task.join_timeout(Duration::from_secs(20)).unwrap(), Some(pid));
        }
        assert!(pool.map(fork_and_go_on, 0..50).unwrap().iter().all(|by| *by == pid));
        assert_eq!(stateful.call(|_, n| fork_and_go_on(n), 1).unwrap(), pid);
        assert_eq!(pool.stats().replaced, 0);
        pool.join().unwrap();
        // Each copy has the pipe as well, until its end.
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 0);
    }
}

#[test]
fn copy_that_an_initializer_has_made_does_not_come_to_work() {
    let _watchdog = watch("a copied beginner");
    for start in STARTS {
        let pool = Pool::builder().workers(1).start(start);
        let pool = pool.initializer(fork_and_go_on, 1).build().unwrap();
        let own = |pid: &mut u32, ()| (*pid, proc_core::current().pid());
        for _ in 0..50 {
            let (of_state, pid) = pool.call(own, ()).unwrap();
            assert_eq!(of_state, pid);
            assert_eq!(pool.pool().stats().workers[0].pid, Some(pid));
        }
    }
}
