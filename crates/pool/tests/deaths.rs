//! A worker that dies costs exactly its own task, or not even that.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]
#![expect(clippy::exit, reason = "tasks that end their process")]

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;

use ipc_core::wire::Handle;
use pool::{Pool, Retry, TaskError};
use proc_core::ExitStatus;

use common::{
    Gate, STARTS, pass, pool, pools, square, wait_until, wait_until_idle, wait_until_running, watch,
};

mod common;

const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGABRT: i32 = 6;

fn killed(status: ExitStatus) -> bool {
    status.signal() == Some(SIGKILL)
}

#[test]
fn worker_that_is_killed_fails_its_task_and_is_replaced() {
    let _watchdog = watch("kill running");
    for pool in pools(1) {
        let gate = Gate::new();
        let task = pool.submit(pass, gate.handle()).unwrap();
        wait_until_running(&pool, 1);
        let victim = pool.kill_worker(0).unwrap().unwrap();
        match task.join() {
            Err(TaskError::WorkerDied { pid, status, n_deaths: 1, .. }) => {
                assert_eq!(pid, victim);
                assert!(killed(status), "{status}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(pool.call(square, 3).unwrap(), 9);
        let stats = pool.stats();
        assert_eq!(stats.replaced, 1);
        assert_ne!(stats.workers[0].pid, Some(victim));
    }
}

#[test]
fn worker_that_is_killed_when_idle_is_replaced_without_anybody_asking() {
    let _watchdog = watch("kill idle");
    for pool in pools(2) {
        wait_until_idle(&pool);
        for n_replaced in 1..=6 {
            let pid = pool.kill_worker(n_replaced % 2).unwrap().unwrap();
            wait_until(&pool, |pool| {
                let stats = pool.stats();
                stats.replaced == n_replaced as u64
                    && stats.workers.iter().all(|w| w.pid != Some(pid))
            });
            wait_until_idle(&pool);
        }
        assert_eq!(pool.map(square, 0..10).unwrap(), (0..10).map(square).collect::<Vec<_>>());
    }
}

#[test]
fn tasks_that_a_dead_worker_had_not_begun_are_done_by_others() {
    let _watchdog = watch("not begun");
    // Many short tasks first, so that a worker gets several at a time.
    for pool in pools(1) {
        let gate = Gate::new();
        pool.map(square, 0..2_000).unwrap();
        let first = pool.submit(pass, gate.handle()).unwrap();
        wait_until_running(&pool, 1);
        let others: Vec<_> = (0..100).map(|x| pool.submit(square, x).unwrap()).collect();
        pool.kill_worker(0).unwrap();
        assert!(first.join().unwrap_err().is_worker_died());
        for (x, task) in others.iter().enumerate() {
            assert_eq!(task.join().unwrap(), square(x as u64));
        }
        assert_eq!(pool.stats().replaced, 1);
    }
}

#[test]
fn other_workers_do_not_notice_a_death() {
    let _watchdog = watch("others");
    for pool in pools(2) {
        let gate = Gate::new();
        let tasks = [(); 2].map(|()| pool.submit(pass, gate.handle()).unwrap());
        wait_until_running(&pool, 2);
        let pids: Vec<_> = pool.stats().workers.iter().map(|w| w.pid).collect();
        pool.kill_worker(0).unwrap();
        let is_victim = |task: &pool::Task<u32>| task.is_ready();
        wait_until(&pool, |_| tasks.iter().any(is_victim));
        gate.open(1);
        let results: Vec<_> = tasks.iter().map(pool::Task::join).collect();
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
        assert!(
            results.iter().any(|result| result.as_ref().ok() == pids[1].as_ref()),
            "{results:?}"
        );
    }
}

/// Starts a process of its own, tells its number, and waits.
fn have_a_child(tell: Handle) {
    let child = proc_core::Process::builder()
        .start(proc_core::Start::ForkServer)
        .dies_with_parent(true)
        .spawn(|()| std::thread::park(), ())
        .unwrap();
    File::from(OwnedFd::from(tell)).write_all(&child.pid().to_le_bytes()).unwrap();
    child.join().unwrap();
}

#[test]
fn worker_with_a_child_of_its_own_can_be_killed_like_any_other() {
    let _watchdog = watch("grandchild");
    for pool in pools(1) {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let task = pool.submit(have_a_child, OwnedFd::from(writer).into()).unwrap();
        let mut pid = [0; 4];
        std::io::Read::read_exact(&mut reader, &mut pid).unwrap();
        let grandchild = ipc_core::ProcessId::of(u32::from_le_bytes(pid)).unwrap();
        pool.kill_worker(0).unwrap();
        assert!(task.join().unwrap_err().is_worker_died());
        assert_eq!(pool.call(square, 3).unwrap(), 9);
        if let Some(grandchild) = grandchild {
            assert!(ipc_core::wait_for_death(grandchild, ipc_core::Deadline::NEVER).unwrap());
        }
    }
}

/// Writes a byte, so that the test can count how often it was run, and dies.
fn die(log: Handle) {
    File::from(OwnedFd::from(log)).write_all(b"x").unwrap();
    std::process::abort();
}

#[test]
fn task_runs_again_as_often_as_was_said() {
    let _watchdog = watch("retry");
    for (start, n_times) in
        STARTS.into_iter().flat_map(|start| [(start, 0), (start, 1), (start, 3)])
    {
        let builder = Pool::builder().workers(2).start(start);
        let pool = builder.on_worker_death(Retry::times(n_times)).build().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        match pool.call(die, OwnedFd::from(writer).into()) {
            Err(TaskError::WorkerDied { status, n_deaths, .. }) => {
                assert_eq!(n_deaths, n_times + 1);
                assert_eq!(status.signal(), Some(SIGABRT));
            }
            other => panic!("{other:?}"),
        }
        let log = std::io::read_to_string(reader).unwrap();
        assert_eq!(log.len(), n_times as usize + 1);
    }
}

/// Dies the first time, when the file is still empty.
fn die_once(log: Handle) -> u64 {
    let mut log = File::from(OwnedFd::from(log));
    let len = log.metadata().unwrap().len();
    log.write_all(b"x").unwrap();
    if len == 0 {
        std::process::abort();
    }
    len
}

#[test]
fn task_that_runs_again_and_returns_is_no_error() {
    let _watchdog = watch("retry once");
    for start in STARTS {
        let builder = Pool::builder().workers(1).start(start);
        let pool = builder.on_worker_death(Retry::always()).build().unwrap();
        let file = tempfile::tempfile().unwrap();
        assert_eq!(pool.call(die_once, OwnedFd::from(file).into()).unwrap(), 1);
        assert_eq!(pool.stats().replaced, 1);
    }
}

#[test]
fn exit_codes_and_signals_are_told_as_they_were() {
    let _watchdog = watch("statuses");
    for pool in pools(2) {
        let status = |error: TaskError| match error {
            TaskError::WorkerDied { status, .. } => status,
            other => panic!("{other:?}"),
        };
        for code in [0, 1, 7, 255] {
            let error =
                pool.call(|code: i32| -> () { std::process::exit(code) }, code).unwrap_err();
            assert_eq!(status(error).code(), Some(code));
        }
        let error = pool.call(|()| -> () { std::process::abort() }, ()).unwrap_err();
        assert_eq!(status(error).signal(), Some(SIGABRT));
        let error = pool.call(segfault, ()).unwrap_err();
        assert_eq!(status(error).signal(), Some(SIGSEGV));
        let error = pool.call(raise, SIGKILL).unwrap_err();
        assert!(killed(status(error)));
        assert_eq!(pool.call(square, 2).unwrap(), 4);
    }
}

fn raise(signal: i32) {
    let signal = rustix::process::Signal::from_named_raw(signal).unwrap();
    rustix::process::kill_process(rustix::process::getpid(), signal).unwrap();
}

fn segfault(_: ()) {
    raise(SIGSEGV);
}

#[test]
fn interrupt_does_nothing_to_a_worker() {
    let _watchdog = watch("SIGINT");
    for pool in pools(1) {
        let sigint = rustix::process::Signal::INT.as_raw();
        pool.call(raise, sigint).unwrap();
        assert_eq!(pool.stats().replaced, 0);
    }
}

/// Its decoding kills the process.
#[derive(serde::Serialize)]
struct Deadly;

impl<'de> serde::Deserialize<'de> for Deadly {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        std::process::abort();
    }
}

#[test]
fn decoding_of_an_argument_belongs_to_its_task() {
    let _watchdog = watch("deadly argument");
    for pool in pools(1) {
        let error = pool.call(|_: Deadly| (), Deadly).unwrap_err();
        assert!(error.is_worker_died(), "{error:?}");
        assert_eq!(pool.call(square, 2).unwrap(), 4);
    }
}

#[test]
fn each_of_ten_thousand_tasks_is_answered_once_while_workers_are_killed() {
    let _watchdog = watch("ten thousand");
    let pool = Pool::builder().workers(2).on_worker_death(Retry::always()).build().unwrap();
    let is_over = std::sync::Mutex::new(false);
    std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut n_kills = 0_usize;
            loop {
                n_kills += usize::from(pool.kill_worker(n_kills % 2).unwrap().is_some());
                testkit::clock::pause(std::time::Duration::from_millis(5));
                if *is_over.lock().unwrap() {
                    break n_kills;
                }
            }
        });
        let results = pool.map(slow_square, 0..10_000);
        *is_over.lock().unwrap() = true;
        assert!(killer.join().unwrap() > 0);
        assert_eq!(results.unwrap(), (0..10_000).map(square).collect::<Vec<_>>());
    });
    wait_until(&pool, |pool| pool.stats().replaced > 0);
}

fn slow_square(x: u64) -> u64 {
    let start = std::time::Instant::now();
    while start.elapsed() < std::time::Duration::from_micros(30) {}
    square(x)
}

#[test]
fn without_retry_each_task_has_its_result_or_its_death() {
    let _watchdog = watch("results or deaths");
    let pool = pool(2);
    let (mut n_died, mut n_done) = (0, 0);
    let tasks: Vec<_> = (0..3_000).map(|x| pool.submit(slow_square, x).unwrap()).collect();
    for (x, task) in tasks.iter().enumerate() {
        if x % 50 == 0 {
            pool.kill_worker(x / 50 % 2).unwrap();
        }
        match task.join() {
            Ok(value) => {
                assert_eq!(value, square(x as u64));
                n_done += 1;
            }
            Err(TaskError::WorkerDied { status, .. }) => {
                assert!(killed(status));
                n_died += 1;
            }
            Err(other) => panic!("task {x}: {other:?}"),
        }
    }
    assert_eq!(n_done + n_died, 3_000);
    assert!(n_died <= 60, "{n_died} tasks died of 60 kills");
    let stats = pool.stats();
    assert_eq!(stats.done, n_done);
}
