//! What workers are like: how they are started, what they may use, when they make room for others,
//! and how many there are.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::time::Duration;

use pool::{Pool, PoolError, TaskError, WorkerState};
use proc_core::{MemoryHint, Start, StartError};

use common::{
    Gate, builders, pass, pool, square, wait_until, wait_until_idle, wait_until_running, watch,
};

mod common;

/// So long is no worker at rest in these tests, unless it shall be.
const LONG: Duration = Duration::from_secs(1000);

fn pid(_: ()) -> u32 {
    proc_core::current().pid()
}

fn name(_: ()) -> String {
    proc_core::current().name().to_owned()
}

fn variable(name: String) -> Option<String> {
    std::env::var(name).ok()
}

fn n_present(pool: &Pool) -> usize {
    pool.stats().workers.iter().filter(|worker| worker.pid.is_some()).count()
}

#[test]
fn workers_of_every_way_of_starting_work_and_are_replaced() {
    let _watchdog = watch("ways of starting");
    for start in [Start::ForkServer, Start::Spawn] {
        let pool = Pool::builder().workers(2).start(start).build().unwrap();
        assert_eq!(pool.map(square, 0..100).unwrap(), (0..100).map(square).collect::<Vec<_>>());
        let gate = Gate::new();
        let task = pool.submit(pass, gate.handle()).unwrap();
        wait_until_running(&pool, 1);
        for place in 0..2 {
            pool.kill_worker(place).unwrap();
        }
        assert!(task.join().unwrap_err().is_worker_died());
        wait_until(&pool, |pool| pool.stats().replaced == 2);
        assert_eq!(pool.call(square, 7).unwrap(), 49);
        pool.join().unwrap();
    }
}

#[test]
fn copies_of_a_process_with_threads_are_refused() {
    let _watchdog = watch("fork");
    let error = Pool::builder().workers(1).start(Start::Fork).build().unwrap_err();
    assert!(matches!(error, PoolError::Start(StartError::Threads { .. })), "{error:?}");
}

#[test]
fn workers_are_set_up_as_was_said_and_their_successors_too() {
    let _watchdog = watch("setup");
    let pool = Pool::builder()
        .workers(1)
        .name("digger")
        .env("POOL_TEST_COLOR", "green")
        .env("POOL_TEST_PLACE", "unknown")
        .nice(19)
        .affinity([usable_processor()])
        .for_each_worker(|place, process| process.env("POOL_TEST_PLACE", place.to_string()))
        .build()
        .unwrap();
    for _ in 0..2 {
        assert_eq!(pool.call(name, ()).unwrap(), "digger-0");
        assert_eq!(pool.call(variable, "POOL_TEST_COLOR".into()).unwrap().unwrap(), "green");
        assert_eq!(pool.call(variable, "POOL_TEST_PLACE".into()).unwrap().unwrap(), "0");
        assert_eq!(pool.call(niceness, ()).unwrap(), 19);
        assert_eq!(pool.call(processors, ()).unwrap(), [usable_processor()]);
        pool.kill_worker(0).unwrap();
    }
    assert_eq!(variable("POOL_TEST_COLOR".into()), None);
}

fn niceness(_: ()) -> i32 {
    rustix::process::getpriority_process(None).unwrap()
}

fn processors(_: ()) -> Vec<usize> {
    let set = rustix::thread::sched_getaffinity(None).unwrap();
    (0..rustix::thread::CpuSet::MAX_CPU).filter(|number| set.is_set(*number)).collect()
}

fn usable_processor() -> usize {
    *processors(()).last().unwrap()
}

/// Takes memory, and touches it.
fn allocate(n_bytes: usize) -> usize {
    vec![1_u8; n_bytes].iter().filter(|byte| **byte == 1).count()
}

#[test]
fn task_that_wants_more_memory_than_there_may_be_fails_alone() {
    let _watchdog = watch("memory limit");
    for builder in builders() {
        let pool = builder.workers(1).memory_limit(1 << 30).build().unwrap();
        assert_eq!(pool.call(allocate, 1 << 20).unwrap(), 1 << 20);
        let error = pool.call(allocate, 2 << 30).unwrap_err();
        let TaskError::WorkerDied { memory_hint, .. } = error else { panic!("{error:?}") };
        assert_eq!(memory_hint, Some(MemoryHint::AbortedUnderLimit));
        assert_eq!(pool.call(square, 3).unwrap(), 9);
    }
}

#[test]
fn task_that_never_ends_is_ended_by_the_limit_of_processor_time() {
    let _watchdog = watch("processor time");
    let limit = Duration::from_secs(1);
    let pool = Pool::builder().workers(1).cpu_time_limit(limit).build().unwrap();
    match pool.call(|()| -> () { while std::hint::black_box(true) {} }, ()) {
        Err(TaskError::WorkerDied { status, .. }) => {
            assert!(matches!(status.signal(), Some(libc::SIGXCPU | libc::SIGKILL)), "{status}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(pool.call(square, 3).unwrap(), 9);
}

#[test]
fn worker_makes_room_after_its_share_of_tasks() {
    let _watchdog = watch("max tasks");
    for builder in builders() {
        let pool = builder.workers(2).max_tasks_per_worker(5).build().unwrap();
        let pids = pool.map(pid, std::iter::repeat_n((), 100)).unwrap();
        let mut n_by_pid = std::collections::HashMap::<u32, u32>::new();
        for pid in pids {
            *n_by_pid.entry(pid).or_default() += 1;
        }
        assert!(n_by_pid.values().all(|n| *n <= 5), "{n_by_pid:?}");
        assert!(n_by_pid.len() >= 20);
        wait_until(&pool, |pool| pool.stats().replaced >= 19);
        assert_eq!(pool.stats().done, 100);
    }
}

#[test]
fn worker_that_makes_room_returns_as_a_program_does() {
    let _watchdog = watch("returns");
    for builder in builders() {
        let pool = builder.workers(1).max_tasks_per_worker(1).build().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let writer: ipc_core::wire::Handle = std::os::fd::OwnedFd::from(writer).into();
        pool.call(write_at_exit, writer).unwrap();
        assert_eq!(std::io::read_to_string(reader).unwrap(), "bye");
    }
}

fn write_at_exit(handle: ipc_core::wire::Handle) {
    use std::sync::OnceLock;
    static WRITER: OnceLock<std::fs::File> = OnceLock::new();

    extern "C" fn bye() {
        use std::io::Write as _;
        WRITER.get().unwrap().write_all(b"bye").unwrap();
    }

    WRITER.set(std::fs::File::from(std::os::fd::OwnedFd::from(handle))).unwrap();
    at_exit(bye);
}

#[expect(unsafe_code, reason = "registers a function for the end of the process")]
fn at_exit(function: extern "C" fn()) {
    // SAFETY: the function can run at any time.
    assert_eq!(unsafe { libc::atexit(function) }, 0);
}

fn never_exit(_: ()) {
    extern "C" fn sleep() {
        testkit::clock::pause(LONG);
    }

    at_exit(sleep);
}

#[test]
fn worker_that_makes_room_and_does_not_end_holds_up_nobody() {
    let _watchdog = watch("does not end");
    for builder in builders() {
        let pool = builder.workers(1).max_tasks_per_worker(10).build().unwrap();
        // It is known to be quick, so the worker has more than it will do.
        let tasks: Vec<_> = (0..40).map(|x| pool.submit(square, x).unwrap()).collect();
        pool.call(never_exit, ()).unwrap();
        let more: Vec<_> = (0..40).map(|x| pool.submit(square, x).unwrap()).collect();
        for (x, task) in tasks.iter().chain(&more).enumerate() {
            assert_eq!(task.join().unwrap(), square(x as u64 % 40));
        }
    }
}

#[test]
fn worker_makes_room_when_it_has_grown_too_large() {
    let _watchdog = watch("max memory");
    let pool = Pool::builder().workers(1).max_memory(60 << 20).build().unwrap();
    let first = pool.call(pid, ()).unwrap();
    // What it lets go of again does not count.
    assert_eq!(pool.call(allocate, 100 << 20).unwrap(), 100 << 20);
    assert_eq!(pool.call(pid, ()).unwrap(), first);
    pool.call(keep_forever, 100 << 20).unwrap();
    assert_ne!(pool.call(pid, ()).unwrap(), first);
    assert_eq!(pool.stats().replaced, 1);
}

fn keep_forever(n_bytes: usize) {
    Vec::leak(vec![1_u8; n_bytes]);
}

#[test]
fn pool_has_as_many_workers_as_was_said_last() {
    let _watchdog = watch("resize");
    let pool = Pool::builder().workers(2).max_workers(5).build().unwrap();
    for n in [5, 1, 3, 2, 4] {
        pool.resize(n).unwrap();
        wait_until(&pool, |pool| n_present(pool) == n && pool.stats().workers.len() == n);
        let gate = Gate::new();
        let tasks: Vec<_> = (0..n).map(|_| pool.submit(pass, gate.handle()).unwrap()).collect();
        wait_until_running(&pool, n);
        gate.open(n);
        let mut pids: Vec<u32> = tasks.iter().map(|task| task.join().unwrap()).collect();
        pids.sort_unstable();
        pids.dedup();
        assert_eq!(pids.len(), n);
    }
    for n in [0, 6] {
        assert!(matches!(pool.resize(n), Err(PoolError::BadWorkers { most: 5 })));
    }
    assert_eq!(pool.map(square, 0..100).unwrap().len(), 100);
}

#[test]
fn shrinking_costs_no_task() {
    let _watchdog = watch("shrink");
    let pool = Pool::builder().workers(4).build().unwrap();
    let gate = Gate::new();
    let running: Vec<_> = (0..4).map(|_| pool.submit(pass, gate.handle()).unwrap()).collect();
    wait_until_running(&pool, 4);
    let queued: Vec<_> = (0..200).map(|x| pool.submit(square, x).unwrap()).collect();
    pool.resize(1).unwrap();
    gate.open(4);
    assert!(running.iter().all(|task| task.join().is_ok()));
    for (x, task) in queued.iter().enumerate() {
        assert_eq!(task.join().unwrap(), square(x as u64));
    }
    wait_until(&pool, |pool| n_present(pool) == 1);
    assert_eq!(pool.stats().done, 204);
}

#[test]
fn elastic_pool_grows_while_tasks_wait_and_shrinks_when_nobody_needs_it() {
    let _watchdog = watch("elastic");
    let builder = Pool::builder().workers(1).max_workers(4);
    let pool = builder.elastic(Duration::from_millis(50)).build().unwrap();
    for _ in 0..2 {
        let gate = Gate::new();
        let tasks: Vec<_> = (0..6).map(|_| pool.submit(pass, gate.handle()).unwrap()).collect();
        wait_until_running(&pool, 4);
        gate.open(6);
        assert!(tasks.iter().all(|task| task.join().is_ok()));
        wait_until(&pool, |pool| n_present(pool) == 1);
    }
    assert_eq!(pool.call(square, 5).unwrap(), 25);
}

#[test]
fn elastic_pool_whose_workers_are_busy_keeps_them() {
    let _watchdog = watch("elastic and busy");
    let builder = Pool::builder().workers(1).max_workers(2);
    let pool = builder.elastic(Duration::from_millis(1)).build().unwrap();
    let gate = Gate::new();
    let tasks = [(); 2].map(|()| pool.submit(pass, gate.handle()).unwrap());
    wait_until_running(&pool, 2);
    let pids: Vec<_> = pool.stats().workers.iter().map(|worker| worker.pid).collect();
    // Far longer than they may rest.
    testkit::clock::pause(Duration::from_millis(100));
    assert_eq!(pool.stats().workers.iter().map(|worker| worker.pid).collect::<Vec<_>>(), pids);
    gate.open(2);
    assert!(tasks.iter().all(|task| task.join().is_ok()));
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let _watchdog = watch("sizes");
    let refused = [
        Pool::builder().workers(0),
        Pool::builder().workers(3).max_workers(2),
        Pool::builder().workers(1).max_workers(pool::Builder::MOST_WORKERS + 1),
    ];
    for builder in refused {
        assert!(matches!(builder.build(), Err(PoolError::BadWorkers { .. })));
    }
    let error = Pool::builder().workers(1).max_tasks_per_worker(0).build().unwrap_err();
    assert!(matches!(error, PoolError::Setup(_)));
}

#[test]
fn stats_tell_what_each_worker_is_at() {
    let _watchdog = watch("stats");
    let pool = pool(2);
    wait_until_idle(&pool);
    let gate = Gate::new();
    let task = pool.submit(pass, gate.handle()).unwrap();
    wait_until_running(&pool, 1);
    wait_until(&pool, |pool| {
        let stats = pool.stats();
        stats.workers.iter().any(|worker| worker.running_for > Some(Duration::from_millis(5)))
    });
    let stats = pool.stats();
    for worker in &stats.workers {
        assert_eq!(worker.running_for.is_some(), worker.state == WorkerState::Running);
        assert!(worker.memory.unwrap() > 100 << 10);
    }
    gate.open(1);
    task.join().unwrap();
    pool.kill_worker(1).unwrap();
    wait_until(&pool, |pool| pool.stats().replaced == 1);
    let restarts: Vec<_> = pool.stats().workers.iter().map(|worker| worker.restarts).collect();
    assert_eq!(restarts, [0, 1]);
}
