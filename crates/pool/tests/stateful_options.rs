//! What can be said of tasks can be said of those with a state, too.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::time::Duration;

use pool::{Pool, Retry, StatefulPool};

use common::{Gate, pass, watch};

mod common;

/// Counts the tasks of each worker.
fn counting(n_workers: usize) -> StatefulPool<u32> {
    Pool::builder().workers(n_workers).initializer(|first: u32| first, 0).build().unwrap()
}

fn count(n_before: &mut u32, step: u32) -> u32 {
    *n_before += step;
    *n_before
}

#[test]
fn task_with_a_state_is_ended_when_its_time_is_up_and_the_error_has_its_tag() {
    let _watchdog = watch("stateful timeout");
    let pool = counting(1);
    let hang = |_: &mut u32, ()| -> u32 {
        loop {
            std::thread::park();
        }
    };
    let tasks = pool.task(hang).timeout(Duration::from_millis(30)).tag("hang");
    let error = tasks.call(()).unwrap_err();
    assert!(error.is_timed_out() && error.to_string().contains("\"hang\""), "{error}");
    let gentle = tasks.clone().grace(Duration::from_millis(20));
    assert!(gentle.submit(()).unwrap().join().unwrap_err().is_timed_out());
    assert_eq!(pool.call(count, 1).unwrap(), 1, "its successor has a state of its own");
}

#[test]
fn task_with_a_state_runs_again_as_often_as_was_said() {
    let _watchdog = watch("stateful retry");
    let pool = counting(1);
    let die = |_: &mut u32, ()| -> u32 { std::process::abort() };
    let error = pool.task(die).retry(Retry::times(2)).call(()).unwrap_err();
    assert!(matches!(error, pool::TaskError::WorkerDied { n_deaths: 3, .. }), "{error}");
}

#[test]
fn task_with_a_state_that_is_urgent_goes_first() {
    let _watchdog = watch("stateful priority");
    let pool = counting(1);
    let gate = Gate::new();
    let blocked = pool.pool().submit(pass, gate.handle()).unwrap();
    common::wait_until_running(pool.pool(), 1);
    let tasks = [0, 5, -5].map(|priority| pool.task(count).priority(priority).submit(1).unwrap());
    gate.open(1);
    blocked.join().unwrap();
    assert_eq!(tasks.map(|task| task.join().unwrap()), [2, 1, 3]);
}

#[test]
fn maps_with_a_state_come_in_all_forms() {
    let _watchdog = watch("stateful maps");
    let pool = counting(1);
    let tasks = pool.task(count).chunk_size(4);
    assert_eq!(tasks.map([1; 10]).unwrap(), (1..=10).collect::<Vec<_>>());
    assert_eq!(tasks.submit_map([1; 5]).join().unwrap(), [11, 12, 13, 14, 15]);
    assert_eq!(pool.submit_map(count, [1; 2]).join().unwrap(), [16, 17]);
    let results: Vec<u32> = tasks.imap([1; 3]).map(Result::unwrap).collect();
    assert_eq!(results, [18, 19, 20]);
    let mut results: Vec<u32> = tasks.imap_unordered([1; 3]).map(Result::unwrap).collect();
    results.sort_unstable();
    assert_eq!(results, [21, 22, 23]);
}
