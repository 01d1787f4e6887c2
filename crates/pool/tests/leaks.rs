//! A pool leaves nothing behind, however it ends: descriptors, memory, processes.
//!
//! Each scenario is alone in its process, whose whole state it counts.

#![expect(clippy::unwrap_used, reason = "scenarios end when something is not as it should be")]
#![expect(clippy::panic, reason = "scenarios end when something is not as it should be")]

use std::process::ExitCode;
use std::time::Duration;

use ipc_core::wire::Handle;
use pool::{Pool, PoolError, Retry, TaskError};
use testkit::leaks::Snapshot;
use testkit::seed::Rng;
use testkit::{Counter, Outcome, Report, SharedArena, child, clock, full};

use common::{Gate, pass, pool, square, wait_until, wait_until_idle, wait_until_running};

mod common;

fn main() -> ExitCode {
    testkit::main(&[
        ("dropped pool leaves nothing", dropped_pool_leaves_nothing),
        ("joined pool leaves nothing", joined_pool_leaves_nothing),
        ("replaced workers leave nothing", replaced_workers_leave_nothing),
        ("killed parent leaves no worker", killed_parent_leaves_no_worker),
        ("parent killed at any moment leaves nobody", parent_killed_at_any_moment_leaves_nobody),
        ("copy of the process has no pool", copy_of_the_process_has_no_pool),
        ("pool that cannot start leaves nothing", pool_that_cannot_start_leaves_nothing),
        (
            "result that cannot be received is lost alone",
            result_that_cannot_be_received_is_lost_alone,
        ),
        ("pool whose workers cannot start says so", pool_whose_workers_cannot_start_says_so),
    ])
}

/// Uses everything that a process has one of: it is there from now on.
fn warm_up() -> Snapshot {
    drop(pool(1));
    proc_core::stop_fork_server();
    Snapshot::with_names("multiproc")
}

fn check(before: &Snapshot) {
    proc_core::stop_fork_server();
    before.assert_none();
}

fn dropped_pool_leaves_nothing() -> Outcome {
    let before = warm_up();
    for _ in 0..3 {
        let pool = pool(2);
        let gate = Gate::new();
        pool.map(square, 0..1_000)?;
        pool.call(|text: String| text, "x".repeat(1 << 20))?;
        let handle = pool.submit(pass, gate.handle()).map_err(|error| error.to_string())?;
        wait_until_running(&pool, 1);
        let tasks: Vec<_> = (0..100).flat_map(|x| pool.submit(square, x)).collect();
        drop(pool);
        drop((tasks, handle));
    }
    check(&before);
    Ok(Report::PASSED)
}

fn joined_pool_leaves_nothing() -> Outcome {
    let before = warm_up();
    let pool = pool(2);
    std::thread::scope(|scope| {
        for n in 0..4 {
            let pool = &pool;
            scope.spawn(move || pool.map(square, n..n + 500).unwrap());
        }
    });
    pool.join()?;
    drop(pool);
    check(&before);
    Ok(Report::PASSED)
}

fn replaced_workers_leave_nothing() -> Outcome {
    let before = warm_up();
    let pool = Pool::builder().workers(2).on_worker_death(Retry::always()).build()?;
    for n in 0..20 {
        let results = pool.map(|text: String| text.len(), (0..50).map(|_| "x".repeat(20_000)))?;
        assert!(results.iter().all(|len| *len == 20_000));
        wait_until_idle(&pool);
        pool.kill_worker(n % 2)?;
        wait_until(&pool, |pool| pool.stats().replaced == n as u64 + 1);
    }
    drop(pool);
    check(&before);
    Ok(Report::PASSED)
}

fn killed_parent_leaves_no_worker() -> Outcome {
    let before = Snapshot::with_names("multiproc");
    let pids = SharedArena::<Counter>::new(4);
    let mut parent = child::fork(|| {
        let pool = pool(3);
        wait_until_idle(&pool);
        let _tasks = [(); 2].map(|()| pool.submit(sleep_for_ever, ()).unwrap());
        wait_until_running(&pool, 2);
        for (slot, worker) in pids.iter().zip(&pool.stats().workers) {
            slot.set(worker.pid.unwrap().into());
        }
        pids[3].set(1);
        loop {
            clock::pause(Duration::from_secs(1000));
        }
    });
    while pids[3].get() == 0 {
        clock::pause(Duration::from_millis(1));
    }
    parent.kill();
    parent.wait();
    for slot in pids.iter().take(3) {
        let pid = u32::try_from(slot.get())?;
        // Nothing is asserted about how soon; the runner ends what takes for ever.
        if let Some(id) = ipc_core::ProcessId::of(pid)? {
            assert!(ipc_core::wait_for_death(id, ipc_core::Deadline::NEVER)?);
        }
    }
    drop((parent, pids));
    before.assert_none();
    Ok(Report::PASSED)
}

fn parent_killed_at_any_moment_leaves_nobody() -> Outcome {
    let mut rng = Rng::of_run("moments");
    for _ in 0..if full() { 1_000 } else { 30 } {
        let mut parent = child::fork(|| {
            let pool = Pool::builder().workers(2).on_worker_death(Retry::always()).build().unwrap();
            for (n, result) in pool.imap_unordered(square, 0..).enumerate() {
                result.unwrap();
                if n % 1_000 == 0 {
                    pool.kill_worker(n / 1_000 % 2).unwrap();
                }
            }
            0
        });
        clock::pause(rng.duration(Duration::ZERO..Duration::from_millis(25)));
        parent.kill();
        parent.wait();
    }
    // Those whose parent is dead are the runner's now, which fails the scenario if any lives on.
    Ok(Report::PASSED)
}

fn sleep_for_ever(_: ()) {
    loop {
        clock::pause(Duration::from_secs(1000));
    }
}

fn copy_of_the_process_has_no_pool() -> Outcome {
    let before = warm_up();
    let pool = pool(1);
    let gate = Gate::new();
    let task = pool.submit(pass, gate.handle()).map_err(|error| error.to_string())?;
    wait_until_running(&pool, 1);
    match fork() {
        proc_core::Fork::Child => {
            let is_refused =
                matches!(pool.call(square, 1), Err(TaskError::NotTaken(PoolError::NotOurs)))
                    && matches!(
                        pool.map(square, 0..2).unwrap_err().error,
                        TaskError::NotTaken(PoolError::NotOurs)
                    )
                    && matches!(task.join(), Err(TaskError::NotOurs))
                    && pool.stats().workers.is_empty()
                    && matches!(pool.terminate(), Err(PoolError::NotOurs));
            drop(task);
            // It must leave the workers alone.
            drop(pool);
            exit_now(if is_refused { 0 } else { 1 });
        }
        proc_core::Fork::Parent(pid) => {
            let status = proc_core::wait_for(pid)?;
            assert!(status.success(), "the copy: {status}");
        }
    }
    gate.open(1);
    task.join()?;
    assert_eq!(pool.stats().replaced, 0);
    drop((pool, task, gate));
    check(&before);
    Ok(Report::PASSED)
}

fn pool_that_cannot_start_leaves_nothing() -> Outcome {
    let before = warm_up();
    let n_open = std::fs::read_dir("/proc/self/fd")?.count() as u64;
    // Enough for some workers, and not for all.
    limit_descriptors(n_open + 30);
    let error = Pool::builder().workers(100).build().map(|_| ()).unwrap_err();
    assert!(!error.is_closed(), "{error}");
    limit_descriptors(1024);
    assert_eq!(pool(1).call(square, 3)?, 9);
    check(&before);
    Ok(Report::PASSED)
}

fn pool_whose_workers_cannot_start_says_so() -> Outcome {
    let before = warm_up();
    let pool = pool(1);
    let gate = Gate::new();
    let running = pool.submit(pass, gate.handle()).map_err(|error| error.to_string())?;
    wait_until_running(&pool, 1);
    let queued = pool.submit(square, 2).map_err(|error| error.to_string())?;
    // No descriptor is left for another worker.
    limit_descriptors(3);
    pool.kill_worker(0)?;
    assert!(running.join().unwrap_err().is_worker_died());
    match queued.join() {
        Err(TaskError::NoWorkers(reason)) => assert!(!reason.is_empty()),
        other => panic!("{other:?}"),
    }
    let error = pool.submit(square, 2).unwrap_err();
    assert!(matches!(error.reason(), PoolError::NoWorkers(_)), "{error}");
    limit_descriptors(1024);
    drop((pool, gate, running, queued));
    check(&before);
    Ok(Report::PASSED)
}

fn result_that_cannot_be_received_is_lost_alone() -> Outcome {
    let before = warm_up();
    let pool = pool(1);
    let gate = Gate::new();
    let large = |gate: Handle| pass(gate).to_string().repeat(1 << 18);
    let task = pool.submit(large, gate.handle()).map_err(|error| error.to_string())?;
    wait_until_running(&pool, 1);
    // There is no descriptor for the file that the result comes in.
    limit_descriptors(3);
    gate.open(1);
    match task.join() {
        Err(TaskError::Lost(reason)) => assert!(reason.contains("descriptors"), "{reason}"),
        other => panic!("{other:?}"),
    }
    limit_descriptors(1024);
    assert_eq!(pool.call(square, 3)?, 9);
    // What comes through that worker's socket could not be trusted any more.
    wait_until(&pool, |pool| pool.stats().replaced == 1);
    gate.open(1);
    assert!(pool.call(large, gate.handle())?.len() >= 1 << 18);
    drop((pool, task, gate));
    check(&before);
    Ok(Report::PASSED)
}

fn limit_descriptors(most: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }).unwrap();
}

#[expect(unsafe_code, reason = "forks a process with threads")]
fn fork() -> proc_core::Fork {
    // SAFETY: the child uses nothing that another thread may have been changing: that it does not
    // is what the scenario is about.
    unsafe { proc_core::fork() }.unwrap()
}

#[expect(unsafe_code, reason = "ends a copy without what the original registered for its end")]
fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; nothing runs after it.
    unsafe { libc::_exit(code) }
}
