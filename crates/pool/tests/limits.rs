//! Time limits, retries with pauses, priorities, and what errors tell.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]
#![expect(clippy::exit, reason = "a task that ends its process")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ipc_core::Deadline;
use ipc_core::wire::Handle;
use nix::sys::signal::{SigSet, Signal};
use pool::{Event, Pool, Retry, TaskError};
use serde::{Deserialize, Deserializer, Serialize};

use common::{Gate, builders, pass, pools, square, wait_until_running, watch};

mod common;

const SOON: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3600);

fn spin(_: ()) {
    loop {
        std::hint::black_box(());
    }
}

#[test]
fn task_whose_time_is_up_is_ended_and_its_worker_replaced() {
    let _watchdog = watch("time is up");
    for pool in pools(2) {
        let start = Instant::now();
        match pool.task(spin).timeout(SOON).tag("spinner").call(()) {
            Err(TaskError::TimedOut { limit, pid, n_deaths: 1, tag, .. }) => {
                assert_eq!((limit, tag.as_deref()), (SOON, Some("spinner")));
                assert!(pool.stats().workers.iter().all(|worker| worker.pid != Some(pid)));
            }
            other => panic!("{other:?}"),
        }
        assert!(start.elapsed() >= SOON, "no task is ended early");
        assert_eq!(pool.map(square, 0..10).unwrap(), (0..10).map(square).collect::<Vec<_>>());
        common::wait_until(&pool, |pool| pool.stats().replaced == 1);
    }
}

#[test]
fn limit_of_a_pool_holds_for_all_its_tasks() {
    let _watchdog = watch("limit of a pool");
    for builder in builders() {
        let pool = builder.workers(2).timeout(SOON).build().unwrap();
        assert!(pool.call(spin, ()).unwrap_err().is_timed_out());
        let gate = Gate::new();
        let error = pool.map(pass, [gate.handle(), gate.handle(), gate.handle()]).unwrap_err();
        assert!(error.index == 0 && error.error.is_timed_out());
        let results: Vec<_> = pool.task(square).timeout(HOUR).imap(0..2_000).collect();
        assert!((0..).zip(results).all(|(x, result)| result.unwrap() == square(x)));
        common::wait_until(&pool, |pool| pool.stats().replaced == 4);
    }
}

#[test]
fn time_counts_from_when_a_worker_begins() {
    let _watchdog = watch("time that counts");
    // Side by side: they mostly wait.
    std::thread::scope(|scope| {
        for pool in pools(1) {
            scope.spawn(|| wait_longer_than_a_task_may_run(pool));
        }
    });
}

fn wait_longer_than_a_task_may_run(pool: Pool) {
    let pass_if = |gate: Option<Handle>| gate.map(pass);
    // Known to be short, so that some are given ahead.
    pool.map(pass_if, (0..1_000).map(|_| None)).unwrap();
    let gate = Gate::new();
    let first = pool.submit(pass_if, Some(gate.handle())).unwrap();
    wait_until_running(&pool, 1);
    // The limit is for a slow machine.
    let limit = Duration::from_millis(1500);
    let limited = pool.task(pass_if).timeout(limit);
    let tasks: Vec<_> = (0..10).map(|_| limited.submit(None).unwrap()).collect();
    let last = limited.submit(Some(gate.handle())).unwrap();
    testkit::clock::pause(2 * limit);
    gate.open(1);
    assert!(first.join().unwrap().is_some());
    assert!(tasks.iter().all(|task| task.join().unwrap().is_none()));
    assert!(last.join().unwrap_err().is_timed_out(), "nobody opens for it");
}

#[test]
fn task_whose_time_is_up_runs_again_as_often_as_was_said() {
    let _watchdog = watch("time and retry");
    for pool in pools(1) {
        let events = pool.events(100);
        match pool.task(spin).timeout(SOON).retry(Retry::times(2)).call(()) {
            Err(TaskError::TimedOut { n_deaths: 3, .. }) => {}
            other => panic!("{other:?}"),
        }
        drop(pool);
        let told: Vec<Option<bool>> = events
            .filter_map(|event| match event {
                Event::TaskGiven { .. } => Some(None),
                Event::TaskDied { again, .. } => Some(Some(again)),
                _ => None,
            })
            .collect();
        assert_eq!(told, [None, Some(true), None, Some(true), None, Some(false)]);
    }
}

/// Has a worker care for `SIGTERM` itself, from its beginning.
fn block_sigterm(_: ()) -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.thread_block().unwrap();
    signals
}

/// Returns when it is asked to end.
fn return_at_sigterm(signals: &mut SigSet, _: ()) -> i32 {
    signals.wait().unwrap() as i32
}

#[test]
fn task_with_a_grace_is_asked_first() {
    let _watchdog = watch("grace");
    for builder in builders() {
        let builder = builder.workers(1).timeout(SOON).grace(HOUR);
        let careful = builder.clone().initializer(block_sigterm, ()).build().unwrap();
        assert_eq!(careful.call(return_at_sigterm, ()).unwrap(), Signal::SIGTERM as i32);
        // Who does not care is killed; who does nothing about it ends at once.
        let stubborn = careful.task(|_, ()| spin(()));
        assert!(stubborn.grace(SOON).call(()).unwrap_err().is_timed_out());
        let pool = builder.build().unwrap();
        assert!(pool.call(spin, ()).unwrap_err().is_timed_out());
    }
}

#[test]
fn worker_that_is_stopped_is_ended_too() {
    let _watchdog = watch("stopped");
    for pool in pools(1) {
        let stop = |()| {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)
                .unwrap();
        };
        assert!(pool.task(stop).timeout(SOON).call(()).unwrap_err().is_timed_out());
        assert_eq!(pool.call(square, 3).unwrap(), 9);
    }
}

/// Its decoding never ends.
#[derive(Serialize)]
struct Endless;

impl<'de> Deserialize<'de> for Endless {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        spin(());
        Ok(Self)
    }
}

#[test]
fn decoding_of_an_argument_counts() {
    let _watchdog = watch("endless argument");
    for pool in pools(1) {
        assert!(pool.task(|_: Endless| ()).timeout(SOON).call(Endless).unwrap_err().is_timed_out());
    }
}

#[test]
fn time_that_is_no_time_is_taken_as_it_is() {
    let _watchdog = watch("no time");
    for pool in pools(1) {
        let error = pool.task(spin).timeout(Duration::ZERO).call(()).unwrap_err();
        assert!(error.is_timed_out());
        assert_eq!(pool.task(square).timeout(Duration::MAX).call(4).unwrap(), 16);
    }
}

#[test]
fn others_are_not_harmed_when_the_time_of_one_is_up() {
    let _watchdog = watch("unharmed");
    for pool in pools(2) {
        // Known to be short, so that many are given at a time.
        let spin_or_not = |spins: bool| {
            if spins {
                spin(());
            }
        };
        pool.map(spin_or_not, (0..1_000).map(|_| false)).unwrap();
        let limited = pool.task(spin_or_not).timeout(Duration::from_millis(100));
        let free = pool.task(spin_or_not);
        let tasks: Vec<_> = (0..400)
            .map(|n| if n % 100 == 30 { limited.submit(true) } else { free.submit(false) }.unwrap())
            .collect();
        for (n, task) in tasks.iter().enumerate() {
            match task.join() {
                Ok(()) if n % 100 != 30 => {}
                Err(TaskError::TimedOut { .. }) if n % 100 == 30 => {}
                other => panic!("task {n}: {other:?}"),
            }
        }
    }
}

#[test]
fn task_rests_before_it_runs_again_and_others_run_meanwhile() {
    let _watchdog = watch("backoff");
    for pool in pools(1) {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let die = |handle: Handle| -> () {
            File::from(OwnedFd::from(handle)).write_all(b"x").unwrap();
            std::process::abort();
        };
        let pause = Duration::from_millis(40);
        let start = Instant::now();
        let task = pool.task(die).retry(Retry::times(2).with_backoff(pause));
        let task = task.submit(OwnedFd::from(writer).into()).unwrap();
        reader.read_exact(&mut [0]).unwrap();
        // The only worker is free for others.
        assert_eq!(pool.call(square, 5).unwrap(), 25);
        match task.join() {
            Err(TaskError::WorkerDied { n_deaths: 3, .. }) => {}
            other => panic!("{other:?}"),
        }
        assert!(start.elapsed() >= 3 * pause, "40 ms and 80 ms");
        assert_eq!(std::io::read_to_string(reader).unwrap(), "xx");
    }
}

#[test]
fn task_that_rests_can_be_cancelled_and_ends_with_the_pool() {
    let _watchdog = watch("resting");
    for pool in pools(1) {
        let die = pool.task(|()| -> () { std::process::abort() });
        let die = die.retry(Retry::always().with_backoff(HOUR));
        let tasks = [(); 2].map(|()| die.submit(()).unwrap());
        common::wait_until(&pool, |pool| {
            let stats = pool.stats();
            stats.replaced == 2 && stats.queued == 2
        });
        assert!(tasks[0].cancel());
        assert!(tasks[0].join().unwrap_err().is_cancelled());
        assert_eq!(pool.stats().queued, 1);
        drop(pool);
        assert!(matches!(tasks[1].join(), Err(TaskError::Terminated)));
    }
}

#[test]
fn urgent_tasks_go_first() {
    let _watchdog = watch("priority");
    for pool in pools(1) {
        let gate = Gate::new();
        let blocker = pool.submit(pass, gate.handle()).unwrap();
        wait_until_running(&pool, 1);
        let (mut reader, writer) = std::io::pipe().unwrap();
        let log = |(handle, letter): (Handle, u8)| {
            File::from(OwnedFd::from(handle)).write_all(&[letter]).unwrap();
        };
        let letters = [(b'd', 0), (b'f', -5), (b'b', 3), (b'e', 0), (b'a', 9), (b'c', 3)];
        let tasks = letters.map(|(letter, priority)| {
            let argument = (OwnedFd::from(writer.try_clone().unwrap()).into(), letter);
            pool.task(log).priority(priority).submit(argument).unwrap()
        });
        gate.open(1);
        blocker.join().unwrap();
        tasks.iter().for_each(|task| task.join().unwrap());
        let mut order = [0; 6];
        reader.read_exact(&mut order).unwrap();
        assert_eq!(str::from_utf8(&order).unwrap(), "abcdef");
    }
}

#[test]
fn urgent_task_overtakes_what_a_worker_has_and_has_not_begun() {
    let _watchdog = watch("overtaking");
    for pool in pools(1) {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let log = |(handle, letter): (Handle, u8)| {
            let until = Deadline::after(SOON);
            while !until.is_past() {}
            File::from(OwnedFd::from(handle)).write_all(&[letter]).unwrap();
        };
        let argument = |letter| (OwnedFd::from(writer.try_clone().unwrap()).into(), letter);
        // From now on it is known how long it takes, so that one of them is given ahead.
        pool.call(log, argument(b'0')).unwrap();
        let gate = Gate::new();
        let blocker = pool.submit(pass, gate.handle()).unwrap();
        wait_until_running(&pool, 1);
        let letters = [(b'c', 0), (b'd', 0), (b'b', 1), (b'a', 2), (b'e', -1)];
        let tasks = letters.map(|(letter, priority)| {
            pool.task(log).priority(priority).submit(argument(letter)).unwrap()
        });
        gate.open(1);
        blocker.join().unwrap();
        tasks.iter().for_each(|task| task.join().unwrap());
        let mut order = [0; 6];
        reader.read_exact(&mut order).unwrap();
        assert_eq!(str::from_utf8(&order).unwrap(), "0abcde");
    }
}

#[test]
fn error_of_a_death_tells_task_attempt_and_memory() {
    let _watchdog = watch("details");
    for pool in pools(1) {
        let die = |size: usize| -> () {
            let memory = vec![1_u8; size];
            assert_eq!(std::hint::black_box(&memory)[size - 1], 1);
            std::process::abort();
        };
        let die = pool.task(die).tag("glutton").retry(Retry::times(1));
        let error = die.call(64 << 20).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("while it ran the task \"glutton\" (attempt 2): killed by SIGABRT"),
            "{text}"
        );
        match error {
            TaskError::WorkerDied { n_deaths: 2, max_memory, memory_hint: None, tag, .. } => {
                assert!(max_memory.unwrap() > 64 << 20, "{max_memory:?}");
                assert_eq!(tag.as_deref(), Some("glutton"));
            }
            other => panic!("{other:?}"),
        }
        let text = pool.call(|()| -> () { std::process::exit(3) }, ()).unwrap_err().to_string();
        assert!(text.ends_with("died while it ran the task: exit code 3"), "{text}");
    }
}

/// Never returns.
fn waste_all_its_time(x: u64) -> u64 {
    while std::hint::black_box(x) == x {}
    x + 7
}

/// Never returns.
fn waste_the_time_of_its_state(state: &mut u64, x: u64) -> u64 {
    while std::hint::black_box(*state) == *state {}
    x + 8
}

#[test]
fn error_of_a_task_without_a_tag_names_its_function() {
    let _watchdog = watch("names");
    for builder in builders() {
        let builder = builder.workers(1).timeout(SOON);
        let pool = builder.initializer(|x: u64| x, 3).build().unwrap();
        let plain = pool.pool().call(waste_all_its_time, 1).unwrap_err();
        let mapped = pool.pool().map(waste_all_its_time, [1, 2]).unwrap_err().error;
        for error in [plain, mapped] {
            let text = error.to_string();
            assert!(text.starts_with("the task limits::waste_all_its_time took longer"), "{text}");
        }
        let stateful = pool.call(waste_the_time_of_its_state, 1).unwrap_err();
        let TaskError::TimedOut { function, .. } = &stateful else { panic!("{stateful:?}") };
        assert_eq!(function.as_deref(), Some("limits::waste_the_time_of_its_state"));
        let tagged = pool.pool().task(waste_all_its_time).tag("waste").call(1).unwrap_err();
        assert!(tagged.to_string().starts_with("the task \"waste\" took longer"), "{tagged}");
    }
}
