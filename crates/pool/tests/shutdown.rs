//! A pool ends in bounded time, and says so to those who wait.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::time::Duration;

use pool::{Pool, PoolError, TaskError, WorkerState};

use common::{Gate, builders, pass, pools, square, wait_until_running, watch};

mod common;

#[test]
fn closed_pool_takes_nothing_and_does_what_it_has() {
    let _watchdog = watch("close");
    for pool in pools(1) {
        let gate = Gate::new();
        let running = pool.submit(pass, gate.handle()).unwrap();
        let queued = pool.submit(square, 3).unwrap();
        pool.close();
        let error = pool.submit(square, 4).unwrap_err();
        assert!(error.is_closed());
        assert_eq!(error.into_inner(), 4);
        assert!(matches!(pool.call(square, 4), Err(TaskError::NotTaken(PoolError::Closed))));
        let error = pool.map(square, 0..).unwrap_err();
        assert!(error.index == 0 && matches!(error.error, TaskError::NotTaken(PoolError::Closed)));
        gate.open(1);
        running.join().unwrap();
        assert_eq!(queued.join().unwrap(), 9);
    }
}

#[test]
fn join_waits_for_all_tasks_and_their_results_stay() {
    let _watchdog = watch("join");
    for pool in pools(2) {
        let gate = Gate::new();
        let waiting = pool.submit(pass, gate.handle()).unwrap();
        let tasks: Vec<_> = (0..500).map(|x| pool.submit(square, x).unwrap()).collect();
        assert!(!pool.join_timeout(Duration::from_millis(30)).unwrap());
        gate.open(1);
        pool.join().unwrap();
        assert!(waiting.is_ready());
        for (x, task) in tasks.iter().enumerate() {
            assert_eq!(task.try_join().unwrap(), Some(square(x as u64)));
        }
        assert!(pool.submit(square, 1).unwrap_err().is_closed());
        let stats = pool.stats();
        assert!(stats.workers.iter().all(|worker| worker.state == WorkerState::Ended), "{stats}");
        assert_eq!((stats.workers.len(), stats.done, stats.queued), (2, 501, 0), "{stats}");
        pool.join().unwrap();
        pool.terminate().unwrap();
    }
}

#[test]
fn workers_return_when_the_pool_is_joined() {
    let _watchdog = watch("join returns");
    // What is registered for the end of a process is run.
    for pool in pools(1) {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let handle: ipc_core::wire::Handle = std::os::fd::OwnedFd::from(writer).into();
        pool.call(write_at_exit, handle).unwrap();
        pool.join().unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
        assert_eq!(text, "bye");
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
    register(bye);
}

#[expect(unsafe_code, reason = "registers a function for the end of the process")]
fn register(function: extern "C" fn()) {
    // SAFETY: the function can run at any time.
    assert_eq!(unsafe { libc::atexit(function) }, 0);
}

#[test]
fn terminate_ends_workers_that_ignore_everything() {
    let _watchdog = watch("terminate");
    for pool in pools(2) {
        let tasks = [(); 2].map(|()| pool.submit(ignore_everything, ()).unwrap());
        let queued = pool.submit(square, 1).unwrap();
        wait_until_running(&pool, 2);
        pool.terminate().unwrap();
        for task in &tasks {
            assert!(matches!(task.join(), Err(TaskError::Terminated)));
        }
        assert!(matches!(queued.join(), Err(TaskError::Terminated)));
        assert!(pool.submit(square, 1).unwrap_err().is_closed());
        assert_eq!(pool.stats().running, 0);
    }
}

#[expect(unsafe_code, reason = "sets what signals do")]
fn ignore_everything(_: ()) {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: ignoring a signal runs no code.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    loop {
        testkit::clock::pause(Duration::from_secs(1000));
    }
}

#[test]
fn what_was_answered_before_the_end_is_not_lost() {
    let _watchdog = watch("answered");
    for pool in pools(1) {
        let (reader, writer) = std::io::pipe().unwrap();
        let writer: ipc_core::wire::Handle = std::os::fd::OwnedFd::from(writer).into();
        let task = pool.submit(|_: ipc_core::wire::Handle| 7, writer).unwrap();
        // Worker and pool let the pipe go when the task is done, also if nobody asks for its result.
        assert_eq!(std::io::read_to_string(reader).unwrap(), "");
        pool.terminate().unwrap();
        assert_eq!(task.join().unwrap(), 7);
    }
}

#[test]
fn drop_ends_workers_that_sleep_for_ever_and_tasks_are_told() {
    let _watchdog = watch("drop");
    for pool in pools(1) {
        let task = pool.submit(ignore_everything, ()).unwrap();
        wait_until_running(&pool, 1);
        drop(pool);
        assert!(task.is_ready());
        assert!(matches!(task.join(), Err(TaskError::Terminated)));
    }
}

#[test]
fn stopped_workers_hold_up_neither_drop_nor_join() {
    let _watchdog = watch("stopped");
    let endings: [fn(Pool); 3] =
        [drop, |pool| pool.join().unwrap(), |pool| pool.terminate().unwrap()];
    for (pool, ending) in endings.into_iter().flat_map(|it| pools(2).map(move |pool| (pool, it))) {
        assert_eq!(pool.map(square, 0..10).unwrap().len(), 10);
        for worker in &pool.stats().workers {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(worker.pid.unwrap()).unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
        }
        ending(pool);
    }
}

#[test]
fn those_who_wait_are_told_of_the_end() {
    let _watchdog = watch("waiters");
    for pool in pools(1) {
        let gate = Gate::new();
        std::thread::scope(|scope| {
            let waiters = [(); 4].map(|()| {
                let gate = gate.handle();
                let pool = &pool;
                scope.spawn(move || pool.call(pass, gate))
            });
            wait_until_running(&pool, 1);
            pool.terminate().unwrap();
            for waiter in waiters {
                let result = waiter.join().unwrap();
                let is_told = matches!(
                    result,
                    Err(TaskError::Terminated | TaskError::NotTaken(PoolError::Closed))
                );
                assert!(is_told, "{result:?}");
            }
        });
    }
}

#[test]
fn pool_that_is_dropped_at_once_leaves_nothing_to_wait_for() {
    let _watchdog = watch("drop at once");
    for builder in (0..5).flat_map(|_| builders()) {
        drop(builder.workers(3).build().unwrap());
    }
}
