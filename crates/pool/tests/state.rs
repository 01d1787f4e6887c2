//! The state that a worker keeps: who gets it, when it is made anew, and what happens if it cannot
//! be made.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::cell::Cell;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ipc_core::wire::Handle;
use pool::{Pool, StatefulPool, TaskError};

use common::{STARTS, builders, square, wait_until, watch};

mod common;

/// Neither a value that can be sent nor one for other threads.
struct Counter {
    n_calls: Rc<Cell<u64>>,
}

fn start(first: u64) -> Counter {
    Counter { n_calls: Rc::new(Cell::new(first)) }
}

/// Counts its calls; returns how many that were, and the number of the process.
fn count(counter: &mut Counter, x: u64) -> (u64, u32) {
    assert!(x != 13, "bad luck");
    counter.n_calls.set(counter.n_calls.get() + 1);
    (counter.n_calls.get(), proc_core::current().pid())
}

fn counters(n_workers: usize) -> StatefulPool<Counter> {
    Pool::builder().workers(n_workers).initializer(start, 100).build().unwrap()
}

#[test]
fn each_worker_has_a_state_of_its_own_and_keeps_it() {
    let _watchdog = watch("own state");
    for start_method in STARTS {
        let builder = Pool::builder().workers(2).start(start_method);
        let pool = builder.initializer(start, 100).build().unwrap();
        let counts = pool.map(count, 0..10).unwrap();
        let more = pool.imap_unordered(count, 20..30).map(Result::unwrap);
        let mut by_pid = std::collections::HashMap::<u32, Vec<u64>>::new();
        for (n, pid) in counts.into_iter().chain(more) {
            by_pid.entry(pid).or_default().push(n);
        }
        for counts in by_pid.values_mut() {
            counts.sort_unstable();
            assert!(counts.iter().copied().eq(101..101 + counts.len() as u64), "{counts:?}");
        }
    }
}

#[test]
fn results_of_imap_are_in_order_and_plain_tasks_need_no_state() {
    let _watchdog = watch("forms");
    let pool = counters(1);
    let counts: Vec<u64> = pool.imap(count, 0..5).map(|result| result.unwrap().0).collect();
    assert_eq!(counts, [101, 102, 103, 104, 105]);
    assert_eq!(pool.pool().call(square, 4).unwrap(), 16);
    assert_eq!(pool.submit(count, 0).unwrap().join().unwrap().0, 106);
}

#[test]
fn task_that_panics_costs_its_worker_the_state_and_nobody_else() {
    let _watchdog = watch("panic");
    let pool = counters(1);
    let (_, first) = pool.call(count, 0).unwrap();
    let tasks: Vec<_> = (10..20).map(|x| pool.submit(count, x).unwrap()).collect();
    let results: Vec<_> = tasks.iter().map(pool::Task::join).collect();
    for (x, result) in (10..20).zip(&results) {
        match result {
            Ok((_, pid)) => assert_eq!(*pid == first, x < 13, "{x}"),
            Err(error) => assert_eq!((x, error.panic().unwrap().message()), (13, "bad luck")),
        }
    }
    // The new one began anew.
    assert_eq!(results.last().unwrap().as_ref().unwrap().0, 106);
    assert_eq!(pool.pool().stats().replaced, 1);
    // A panic of a task without the state leaves it alone.
    assert!(pool.pool().call(|()| -> () { panic!("aside") }, ()).is_err());
    assert_eq!(pool.call(count, 0).unwrap().0, 107);
}

#[test]
fn successor_of_a_dead_worker_makes_its_own_state() {
    let _watchdog = watch("successor");
    for builder in builders() {
        let pool = builder.workers(1).initializer(start, 100).build().unwrap();
        for n_deaths in 1..=3 {
            assert_eq!(pool.call(count, 0).unwrap().0, 101);
            pool.pool().kill_worker(0).unwrap();
            wait_until(pool.pool(), |pool| pool.stats().replaced == n_deaths);
        }
    }
}

/// Says through a pipe that it is dropped.
struct Loud(File);

impl Drop for Loud {
    fn drop(&mut self) {
        self.0.write_all(b"bye").unwrap();
    }
}

#[test]
fn state_is_dropped_when_its_worker_returns() {
    let _watchdog = watch("drop");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let writer: Handle = OwnedFd::from(writer).into();
    let pool = Pool::builder().workers(2).initializer(|file: Handle| Loud(file.into()), writer);
    let pool = pool.build().unwrap();
    pool.call(|_, ()| (), ()).unwrap();
    pool.pool().resize(1).unwrap();
    let mut text = [0; 3];
    reader.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"bye");
    pool.pool().join().unwrap();
    drop(pool);
    assert_eq!(std::io::read_to_string(reader).unwrap(), "bye");
}

/// Writes a byte, so that the test can count the starts, and fails.
fn refuse((log, what): (Handle, String)) -> Result<Counter, String> {
    File::from(log).write_all(b"x").unwrap();
    Err(format!("no {what}"))
}

#[test]
fn initializer_that_fails_is_told_to_all_who_wait_and_the_starts_end() {
    let _watchdog = watch("fails");
    for start in STARTS {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let log: Handle = OwnedFd::from(writer).into();
        let builder = Pool::builder().workers(2).start(start);
        let builder = builder.try_initializer(refuse, (log, "tea".to_owned()));
        let pool = builder.build().unwrap();
        // The first failure is told; tasks that come too late hear it at once.
        for _ in 0..2 {
            let error = pool.call(count, 1).unwrap_err();
            assert!(error.to_string().contains("the initializer failed: no tea"), "{error}");
        }
        drop(pool);
        let mut starts = String::new();
        reader.read_to_string(&mut starts).unwrap();
        assert!((10..=22).contains(&starts.len()), "{} starts", starts.len());
    }
}

#[test]
fn initializer_that_panics_or_dies_is_told_as_well() {
    fn panic(text: String) -> Counter {
        panic!("{text}")
    }

    fn die(_: ()) -> Counter {
        std::process::abort()
    }

    let _watchdog = watch("panics");
    for start in STARTS {
        let builder = || Pool::builder().workers(1).start(start);
        let pool = builder().initializer(panic, "spilled".to_owned()).build().unwrap();
        let error = pool.call(count, 1).unwrap_err();
        assert!(matches!(error, TaskError::NoWorkers(_) | TaskError::NotTaken(_)), "{error:?}");
        assert!(error.to_string().contains("spilled"), "{error}");
        let pool = builder().initializer(die, ()).build().unwrap();
        let error = pool.call(count, 1).unwrap_err();
        assert!(error.to_string().contains("SIGABRT"), "{error}");
    }
}

/// Fails as long as there are bytes to read, each for one start.
fn fail_for_each_byte(bytes: Handle) -> Result<Counter, String> {
    match File::from(bytes).read(&mut [0]) {
        Ok(0) => Ok(start(0)),
        _ => Err("one more time".to_owned()),
    }
}

#[test]
fn initializer_that_fails_at_first_is_tried_again() {
    let _watchdog = watch("at first");
    for start in STARTS {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"12345").unwrap();
        drop(writer);
        let reader: Handle = OwnedFd::from(reader).into();
        let builder = Pool::builder().workers(1).start(start);
        let pool = builder.try_initializer(fail_for_each_byte, reader).build().unwrap();
        assert_eq!(pool.call(count, 1).unwrap().0, 1);
        assert_eq!(pool.pool().stats().replaced, 5);
    }
}

/// The first worker waits for a byte, the others fail.
fn wait_if_first((first, gate): (Handle, Handle)) -> Result<Counter, String> {
    match File::from(first).read(&mut [0]) {
        Ok(1) => {
            File::from(gate).read_exact(&mut [0]).unwrap();
            Ok(start(0))
        }
        _ => Err("only the first".to_owned()),
    }
}

#[test]
fn initializer_that_takes_its_time_is_waited_for_while_others_fail() {
    let _watchdog = watch("takes its time");
    for start in STARTS {
        let (first, mut one) = std::io::pipe().unwrap();
        one.write_all(b"1").unwrap();
        drop(one);
        let (gate, mut opener) = std::io::pipe().unwrap();
        let handles = (OwnedFd::from(first).into(), OwnedFd::from(gate).into());
        let builder = Pool::builder().workers(2).start(start);
        let pool = builder.try_initializer(wait_if_first, handles).build().unwrap();
        let task = pool.submit(count, 1).unwrap();
        // So many that did not come would be the end of a pool that hopes for nobody.
        wait_until(pool.pool(), |pool| pool.stats().replaced >= 11);
        opener.write_all(b"1").unwrap();
        assert_eq!(task.join().unwrap().0, 1);
    }
}

#[test]
fn pool_with_room_for_more_workers_pauses_between_starts_that_fail() {
    let _watchdog = watch("room");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let log: Handle = OwnedFd::from(writer).into();
    let builder = Pool::builder().workers(1).max_workers(1000);
    let pool = builder.try_initializer(refuse, (log, "tea".to_owned())).build().unwrap();
    assert!(pool.call(count, 1).is_err());
    drop(pool);
    let mut starts = String::new();
    reader.read_to_string(&mut starts).unwrap();
    assert!((10..=11).contains(&starts.len()), "{} starts", starts.len());
}

/// Ends its process in a moment, whatever that does then.
fn end_soon(_: ()) -> Counter {
    std::thread::spawn(|| {
        std::thread::park_timeout(Duration::from_millis(1));
        std::process::abort()
    });
    start(0)
}

#[test]
fn workers_that_die_for_nothing_are_not_replaced_as_fast_as_they_die() {
    let _watchdog = watch("for nothing");
    for start_method in STARTS {
        let builder = Pool::builder().workers(1).start(start_method);
        let began = Instant::now();
        let pool = builder.initializer(end_soon, ()).build().unwrap();
        wait_until(pool.pool(), |pool| pool.stats().replaced >= 12);
        // The last of the pauses before that were 16, 32, 64 and 128 ms.
        assert!(began.elapsed() >= Duration::from_millis(240), "{:?}", began.elapsed());
    }
}

/// The first worker is ready, the others wait for a byte.
fn wait_unless_first((first, gate): (Handle, Handle)) -> Counter {
    if File::from(first).read(&mut [0]).unwrap() == 0 {
        File::from(gate).read_exact(&mut [0]).unwrap();
    }
    start(0)
}

#[test]
fn tasks_go_to_workers_that_are_ready() {
    let _watchdog = watch("ready");
    let (first, mut one) = std::io::pipe().unwrap();
    one.write_all(b"1").unwrap();
    drop(one);
    let (gate, opener) = std::io::pipe().unwrap();
    let handles = (OwnedFd::from(first).into(), OwnedFd::from(gate).into());
    let pool = Pool::builder().workers(3).initializer(wait_unless_first, handles).build().unwrap();
    let mut pids: Vec<u32> = (0..20).map(|x| pool.call(count, x % 9).unwrap().1).collect();
    pids.dedup();
    assert_eq!(pids.len(), 1, "the others are not ready");
    (&opener).write_all(b"23").unwrap();
    common::wait_until_idle(pool.pool());
}

#[test]
fn initializer_that_never_returns_holds_up_no_end() {
    let _watchdog = watch("never returns");
    let endings: [fn(StatefulPool<Counter>); 2] = [drop, |pool| pool.pool().terminate().unwrap()];
    for (start_method, end) in STARTS.into_iter().flat_map(|start| endings.map(|end| (start, end)))
    {
        let pool = Pool::builder().workers(2).start(start_method).initializer(
            |()| -> Counter {
                std::thread::park();
                start(0)
            },
            (),
        );
        let pool = pool.build().unwrap();
        let task = pool.submit(count, 1).unwrap();
        end(pool);
        assert!(matches!(task.join(), Err(TaskError::Terminated)));
    }
}

fn pass(_: &mut Counter, gate: Option<Handle>) -> u32 {
    gate.map_or(0, common::pass)
}

fn skip(_: &mut Counter, _: Option<Handle>) -> u32 {
    0
}

#[test]
fn functions_of_one_type_are_not_taken_for_each_other() {
    let _watchdog = watch("one type");
    let pool = counters(1);
    // Nobody knows how long the one takes, however quick the other is.
    assert_eq!(pool.map(skip, (0..200).map(|_| None)).unwrap().len(), 200);
    let gate = common::Gate::new();
    let tasks = [(); 2].map(|()| pool.submit(pass, Some(gate.handle())).unwrap());
    common::wait_until_running(pool.pool(), 1);
    let stats = pool.pool().stats();
    assert_eq!((stats.queued, stats.workers[0].queued), (1, 0));
    gate.open(2);
    assert!(tasks.iter().all(|task| task.join().unwrap() > 0));
}
