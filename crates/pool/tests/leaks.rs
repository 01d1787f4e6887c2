//! A pool leaves nothing behind, however it ends: descriptors, memory, processes.
//!
//! Each scenario is alone in its process, whose whole state it counts.

#![expect(clippy::unwrap_used, reason = "scenarios end when something is not as it should be")]
#![expect(clippy::panic, reason = "scenarios end when something is not as it should be")]

use std::process::ExitCode;
use std::time::Duration;

use ipc_core::wire::Handle;
use nix::sys::signal::Signal;
use pool::{Pool, PoolError, Retry, TaskError};
use testkit::leaks::Snapshot;
use testkit::{Counter, Outcome, Report, SharedArena, child, clock};

use common::{Gate, pass, pool, square, wait_until, wait_until_idle, wait_until_running};

mod common;
#[path = "leaks/parents.rs"]
mod parents;

fn main() -> ExitCode {
    testkit::main(&[
        ("dropped pool leaves nothing", dropped_pool_leaves_nothing),
        ("joined pool leaves nothing", joined_pool_leaves_nothing),
        ("replaced workers leave nothing", replaced_workers_leave_nothing),
        ("killed parent leaves no worker", parents::killed_parent_leaves_no_worker),
        (
            "parent killed at any moment leaves nobody",
            parents::parent_killed_at_any_moment_leaves_nobody,
        ),
        ("copy of the process has no pool", copy_of_the_process_has_no_pool),
        ("pool that cannot start leaves nothing", pool_that_cannot_start_leaves_nothing),
        (
            "result that cannot be received is lost alone",
            result_that_cannot_be_received_is_lost_alone,
        ),
        ("pool whose workers cannot start says so", pool_whose_workers_cannot_start_says_so),
        ("large values hold no descriptors", large_values_hold_no_descriptors),
        ("stopped fork server holds up nobody", stopped_fork_server_holds_up_nobody),
        ("keeper sleeps in every state", keeper_sleeps_in_every_state),
        ("death is seen without a poll", death_is_seen_without_a_poll),
    ])
}

/// So many values are too large for a ring, and more than this process may have descriptors.
fn large_values_hold_no_descriptors() -> Outcome {
    const N_TASKS: usize = 3_000;

    let before = warm_up();
    let pool = Pool::builder().workers(3).on_worker_death(Retry::always()).build()?;
    let gate = Gate::new();
    let blocker = pool.submit(pass, gate.handle()).map_err(|error| error.to_string())?;
    let n_open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let n_before = n_open();
    limit_descriptors(n_before as u64 + 60);
    let text = |n: usize| format!("{n} ").repeat(20_000 / 5);
    let mut tasks = Vec::new();
    for n in 0..N_TASKS {
        tasks.push(pool.submit(|text: String| text, text(n)).map_err(|error| error.to_string())?);
        if n % 500 == 250 {
            pool.kill_worker(n / 500 % 3)?;
        }
    }
    // All are done, and nobody has taken a result. A worker that was killed a moment ago may pass too.
    gate.open(10);
    blocker.join()?;
    wait_until(&pool, |_| tasks.iter().all(pool::Task::is_ready));
    wait_until_idle(&pool);
    assert!(n_open() <= n_before + 3, "{} descriptors", n_open() - n_before);
    for (n, task) in tasks.iter().enumerate() {
        assert!(task.join()? == text(n), "{n}");
    }
    limit_descriptors(1024);
    drop((pool, tasks, blocker, gate));
    check(&before);
    Ok(Report::PASSED)
}

/// The fork server of this process.
fn fork_server() -> u32 {
    let children = common::children();
    children.iter().find(|(_, name)| name == "fork-server").unwrap().0
}

fn send(signal: Signal, pid: u32) {
    let pid = i32::try_from(pid).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}

fn stopped_fork_server_holds_up_nobody() -> Outcome {
    let before = warm_up();
    let first = pool(2);
    send(Signal::SIGSTOP, fork_server());
    // Nobody can be started by that one, so another is.
    let second = pool(2);
    assert_eq!(second.call(square, 5)?, 25);
    send(Signal::SIGSTOP, fork_server());
    let gate = Gate::new();
    let task = first.submit(pass, gate.handle()).map_err(|error| error.to_string())?;
    wait_until_running(&first, 1);
    for place in 0..2 {
        first.kill_worker(place)?;
    }
    // The keeper is starting others now, or about to.
    drop(first);
    assert!(task.join().is_err());
    drop((task, gate, second));
    check(&before);
    Ok(Report::PASSED)
}

/// Where the kernel says how long the keeper has run, in a process with one pool.
struct KeeperTime(std::fs::File);

impl KeeperTime {
    fn open() -> Self {
        let mut tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let keeper = tasks.find(|task| {
            let name = std::fs::read_to_string(task.path().join("comm"));
            name.is_ok_and(|name| name == "pool-keeper\n")
        });
        Self(std::fs::File::open(keeper.unwrap().path().join("schedstat")).unwrap())
    }

    fn read(&self) -> Duration {
        let mut text = [0; 100];
        let len = std::os::unix::fs::FileExt::read_at(&self.0, &mut text, 0).unwrap();
        let text = str::from_utf8(&text[..len]).unwrap();
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    }

    #[track_caller]
    fn assert_it_sleeps(&self, state: &str) {
        /// One that spins would have most of it, and surely a tenth.
        const WATCHED: Duration = Duration::from_millis(400);

        let before = self.read();
        clock::pause(WATCHED);
        let ran = self.read() - before;
        assert!(ran < WATCHED / 10, "{state}: the keeper ran {ran:?} of {WATCHED:?}");
    }
}

/// Waits until another process has set a word, and returns what to.
fn wait_for(word: &Counter) -> u64 {
    while word.get() == 0 {
        clock::pause(Duration::from_millis(1));
    }
    word.get()
}

fn keeper_sleeps_in_every_state() -> Outcome {
    // The worker to trace, and whether it is traced. The tracer is made while there is one thread.
    let words = SharedArena::<Counter>::new(2);
    let mut tracer = child::fork(|| {
        let worker = i32::try_from(wait_for(&words[0])).unwrap();
        let worker = nix::unistd::Pid::from_raw(worker);
        nix::sys::ptrace::seize(worker, nix::sys::ptrace::Options::empty()).unwrap();
        words[1].set(1);
        loop {
            clock::pause(Duration::from_secs(1000));
        }
    });
    let before = warm_up();
    let pool = pool(1);
    let keeper = KeeperTime::open();
    wait_until_idle(&pool);
    keeper.assert_it_sleeps("no task");
    let gate = Gate::new();
    let task = pool.submit(pass, gate.handle()).map_err(|error| error.to_string())?;
    wait_until_running(&pool, 1);
    let queued: Vec<_> = (0..10).flat_map(|x| pool.submit(square, x)).collect();
    keeper.assert_it_sleeps("a long task");
    let worker = pool.stats().workers[0].pid.unwrap();
    send(Signal::SIGSTOP, worker);
    keeper.assert_it_sleeps("a stopped worker");
    send(Signal::SIGCONT, worker);
    send(Signal::SIGKILL, fork_server());
    keeper.assert_it_sleeps("a dead fork server");
    gate.open(1);
    assert_eq!(task.join()?, worker);
    assert_eq!(queued[9].join()?, 81);

    // Its descriptor says that it has ended, and its status is not to be had.
    pool.call(let_everybody_trace, ())?;
    words[0].set(worker.into());
    wait_for(&words[1]);
    send(Signal::SIGKILL, worker);
    while !std::fs::read_to_string(format!("/proc/{worker}/stat"))?.contains(") Z ") {
        clock::pause(Duration::from_millis(1));
    }
    keeper.assert_it_sleeps("a dead worker that a debugger holds");
    tracer.kill();
    tracer.wait();
    wait_until(&pool, |pool| pool.stats().replaced == 1);
    assert_eq!(pool.call(square, 9)?, 81);

    // It may have none at all.
    limit_descriptors(0);
    keeper.assert_it_sleeps("no descriptors");
    limit_descriptors(1024);
    drop((pool, gate, task, queued, keeper));
    check(&before);
    Ok(Report::PASSED)
}

#[expect(unsafe_code, reason = "sets who may trace this process")]
fn let_everybody_trace(_: ()) {
    // SAFETY: sets a number of this process. Where nothing restricts who may, it fails.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY) };
}

/// The kernel refuses a poll of more descriptors than a process may have.
fn death_is_seen_without_a_poll() -> Outcome {
    let before = warm_up();
    let pool = pool(4);
    let gate = Gate::new();
    let task = pool.submit(pass, gate.handle()).map_err(|error| error.to_string())?;
    wait_until_running(&pool, 1);
    limit_descriptors(3);
    // So that the keeper waits with this limit when the worker dies.
    clock::pause(Duration::from_millis(200));
    let running = |worker: &&pool::WorkerStats| worker.state == pool::WorkerState::Running;
    let place = pool.stats().workers.iter().find(running).unwrap().place;
    pool.kill_worker(place)?;
    assert!(task.join().unwrap_err().is_worker_died());
    assert_eq!(pool.call(square, 3)?, 9);
    limit_descriptors(1024);
    wait_until(&pool, |pool| pool.stats().replaced == 1);
    drop((pool, gate, task));
    check(&before);
    Ok(Report::PASSED)
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
    let large = |gate: Handle| pass(gate).to_string().repeat(5 << 20);
    let task = pool.submit(large, gate.handle()).map_err(|error| error.to_string())?;
    wait_until_running(&pool, 1);
    // There is no descriptor for the file that the result comes in: it is too large for a shelf.
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
    assert!(pool.call(large, gate.handle())?.len() >= 5 << 20);
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
    unsafe { proc_core::fork_with_threads() }.unwrap()
}

#[expect(unsafe_code, reason = "ends a copy without what the original registered for its end")]
fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; nothing runs after it.
    unsafe { libc::_exit(code) }
}
