//! Tasks that are cancelled: waiting, running, or done.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use ipc_core::wire::Handle;
use nix::sys::signal::{SigSet, Signal};
use pool::{Retry, TaskError};

use common::{Gate, builders, pass, pool, pools, square, wait_until_running, watch};

mod common;

/// Blocks `SIGTERM` in this process, which has one thread, so that it does nothing.
fn block_sigterm() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.thread_block().unwrap();
    signals
}

fn tell(handle: Handle) {
    File::from(OwnedFd::from(handle)).write_all(b"x").unwrap();
}

#[test]
fn waiting_task_is_taken_out_at_once_and_never_runs() {
    let _watchdog = watch("cancel waiting");
    for pool in pools(1) {
        let gate = Gate::new();
        let running = pool.submit(pass, gate.handle()).unwrap();
        wait_until_running(&pool, 1);
        let (mut reader, writer) = std::io::pipe().unwrap();
        let waiting = pool.submit(tell, OwnedFd::from(writer).into()).unwrap();
        let other = pool.submit(square, 3).unwrap();
        assert!(!waiting.is_ready() && !waiting.is_running() && waiting.worker().is_none());
        assert!(waiting.cancel());
        assert!(waiting.is_ready());
        assert!(!waiting.cancel(), "it has ended");
        assert!(matches!(waiting.join(), Err(TaskError::Cancelled)));
        assert!(matches!(waiting.join(), Err(TaskError::Taken)));
        // Its argument is gone, so nobody holds the other end.
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
        gate.open(1);
        assert!(running.join().is_ok());
        assert_eq!(other.join().unwrap(), 9);
        assert_eq!(pool.stats().replaced, 0);
    }
}

#[test]
fn running_task_ends_with_its_worker_and_no_other_task_does() {
    let _watchdog = watch("cancel running");
    for pool in pools(1) {
        // Known to be short, so that some are given ahead.
        let pass_or_not = |gate: Option<Handle>| gate.map(pass);
        pool.map(pass_or_not, (0..1_000).map(|_| None)).unwrap();
        let gate = Gate::new();
        let task = pool.submit(pass_or_not, Some(gate.handle())).unwrap();
        wait_until_running(&pool, 1);
        let others: Vec<_> = (0..50).map(|_| pool.submit(pass_or_not, None).unwrap()).collect();
        assert!(task.is_running());
        assert_eq!(task.worker(), pool.stats().workers[0].pid);
        assert!(task.cancel());
        assert!(task.join().unwrap_err().is_cancelled());
        assert!(!task.is_running());
        assert!(others.iter().all(|other| other.join().unwrap().is_none()));
        assert_eq!(pool.stats().replaced, 1);
    }
}

#[test]
fn running_task_does_not_run_again_when_it_is_cancelled() {
    let _watchdog = watch("cancel no retry");
    for builder in builders() {
        let pool = builder.workers(1).on_worker_death(Retry::always()).build().unwrap();
        let gate = Gate::new();
        let task = pool.submit(pass, gate.handle()).unwrap();
        wait_until_running(&pool, 1);
        assert!(task.cancel());
        assert!(task.join().unwrap_err().is_cancelled());
        assert_eq!(pool.call(square, 3).unwrap(), 9);
    }
}

/// Says that it runs, and does not care for `SIGTERM`.
fn ignore_sigterm(gate: Handle) {
    block_sigterm();
    pass(gate);
}

#[test]
fn task_that_does_not_care_for_sigterm_is_killed() {
    let _watchdog = watch("cancel stubborn");
    for pool in pools(1) {
        let gate = Gate::new();
        for grace in [Duration::ZERO, Duration::from_millis(20)] {
            let task = pool.task(ignore_sigterm).grace(grace).submit(gate.handle()).unwrap();
            wait_until_running(&pool, 1);
            assert!(task.cancel());
            assert!(task.join().unwrap_err().is_cancelled());
        }
        let task = pool.submit(ignore_sigterm, gate.handle()).unwrap();
        wait_until_running(&pool, 1);
        assert!(task.cancel());
        assert!(task.cancel(), "it has not ended, or has just ended");
        assert!(task.join().unwrap_err().is_cancelled());
        assert_eq!(pool.call(square, 3).unwrap(), 9);
    }
}

/// Says that it is ready to be asked, and returns when it is.
fn return_at_sigterm(ready: Handle) -> String {
    let signals = block_sigterm();
    tell(ready);
    signals.wait().unwrap().as_str().to_owned()
}

#[test]
fn task_that_returns_when_it_is_asked_has_its_result() {
    let _watchdog = watch("cancel soft");
    for pool in pools(1) {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let hour = Duration::from_secs(3600);
        let task = pool.task(return_at_sigterm).grace(hour).submit(OwnedFd::from(writer).into());
        let task = task.unwrap();
        reader.read_exact(&mut [0]).unwrap();
        assert!(task.cancel());
        assert_eq!(task.join().unwrap(), "SIGTERM");
        // The signal could come at any moment, so the worker is not given anything else.
        assert_eq!(pool.call(square, 3).unwrap(), 9);
        assert_eq!(pool.stats().replaced, 1);
    }
}

/// Waits until it is asked to end, tells so, and does not.
fn resist(asked: Handle) {
    block_sigterm().wait().unwrap();
    tell(asked);
    loop {
        thread::park();
    }
}

#[test]
fn task_whose_time_is_up_does_not_run_again_when_it_is_cancelled_then() {
    let _watchdog = watch("cancel timed out");
    for pool in pools(1) {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let resist = pool.task(resist).timeout(Duration::from_millis(20)).retry(Retry::always());
        let resist = resist.grace(Duration::from_secs(3600));
        let task = resist.submit(OwnedFd::from(writer).into()).unwrap();
        reader.read_exact(&mut [0]).unwrap();
        // It has an hour to end. Without the cancel it would run again.
        assert!(task.cancel());
        pool.kill_worker(0).unwrap();
        assert!(task.join().unwrap_err().is_cancelled());
        assert_eq!(pool.call(square, 3).unwrap(), 9);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "it ran again");
    }
}

#[test]
fn stopped_worker_can_be_cancelled() {
    let _watchdog = watch("cancel stopped");
    for pool in pools(1) {
        let gate = Gate::new();
        let task = pool.submit(pass, gate.handle()).unwrap();
        wait_until_running(&pool, 1);
        let pid = nix::unistd::Pid::from_raw(task.worker().unwrap().cast_signed());
        nix::sys::signal::kill(pid, Signal::SIGSTOP).unwrap();
        assert!(task.cancel());
        assert!(task.join().unwrap_err().is_cancelled());
    }
}

#[test]
fn task_that_is_done_cannot_be_cancelled() {
    let _watchdog = watch("cancel done");
    for pool in pools(1) {
        let task = pool.submit(square, 4).unwrap();
        while !task.is_ready() {
            thread::yield_now();
        }
        assert!(!task.cancel());
        assert_eq!(task.join().unwrap(), 16);
        assert!(!task.cancel());
        assert_eq!(pool.stats().replaced, 0);
        pool.terminate().unwrap();
        let after = pool.submit(square, 5).map(drop).unwrap_err();
        assert!(after.is_closed());
    }
}

#[test]
fn whether_it_is_cancelled_in_time_or_not_a_task_has_one_end() {
    let _watchdog = watch("cancel race");
    let pool = pool(2);
    pool.map(square, 0..2_000).unwrap();
    let mut n_cancelled = 0;
    for round in 0_u64.. {
        // Some are in time, on any machine sooner or later.
        if round >= 300 && n_cancelled > 0 {
            break;
        }
        let tasks: Vec<_> = (0..20).map(|x| pool.submit(square, x).unwrap()).collect();
        let at = usize::try_from(round % 20).unwrap();
        let was_in_time = tasks[at].cancel();
        for (x, task) in (0..).zip(&tasks) {
            match task.join() {
                Ok(value) => assert_eq!(value, square(x)),
                Err(TaskError::Cancelled) if was_in_time && x == at as u64 => n_cancelled += 1,
                other => panic!("task {x} of round {round}: {other:?}"),
            }
        }
    }
}

#[test]
fn pool_can_be_joined_when_its_last_task_was_cancelled() {
    let _watchdog = watch("cancel and join");
    for pool in pools(1) {
        let gate = Gate::new();
        let running = pool.submit(pass, gate.handle()).unwrap();
        wait_until_running(&pool, 1);
        let waiting = pool.submit(square, 1).unwrap();
        thread::scope(|scope| {
            let joined = scope.spawn(|| pool.join());
            assert!(waiting.cancel());
            assert!(running.cancel());
            joined.join().unwrap().unwrap();
        });
        assert!(running.join().unwrap_err().is_cancelled());
        assert!(waiting.join().unwrap_err().is_cancelled());
    }
}

#[test]
fn thread_without_a_seat_can_cancel() {
    const N_THREADS: usize = 600;
    let _watchdog = watch("cancel without a seat");
    let pool = pool(1);
    let gate = Gate::new();
    let barrier = Barrier::new(N_THREADS + 1);
    thread::scope(|scope| {
        for _ in 0..N_THREADS {
            let (pool, barrier) = (&pool, &barrier);
            let work = move || {
                assert_eq!(pool.call(square, 2).unwrap(), 4);
                barrier.wait();
                barrier.wait();
            };
            thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, work).unwrap();
        }
        // All are there at a time, so that nobody gives a seat back.
        barrier.wait();
        let task = pool.submit(pass, gate.handle()).unwrap();
        wait_until_running(&pool, 1);
        assert!(task.cancel());
        assert!(task.join().unwrap_err().is_cancelled());
        barrier.wait();
    });
}
