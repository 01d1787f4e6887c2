//! Waiting for the first of many tasks, and for many together.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use ipc_core::Deadline;
use pool::{MapError, PoolError, Task, TaskError, Until, as_completed, wait};

use common::{Gate, pass, pool, square, wait_until, wait_until_running, watch};

mod common;

const SOON: Duration = Duration::from_millis(20);

fn gated<const N: usize>(pool: &pool::Pool, gates: &[Gate; N]) -> [Task<u32>; N] {
    gates.each_ref().map(|gate| pool.submit(pass, gate.handle()).unwrap())
}

/// Which of all tasks these are.
fn places<R>(all: &[Task<R>], some: &[&Task<R>]) -> Vec<usize> {
    let place = |task: &&Task<R>| all.iter().position(|other| std::ptr::eq(other, *task)).unwrap();
    some.iter().map(place).collect()
}

#[test]
fn wait_returns_when_the_first_is_done_and_takes_no_result() {
    let _watchdog = watch("first completed");
    let pool = pool(3);
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let tasks = gated(&pool, &gates);
    let none = wait(&tasks, Until::FirstCompleted, SOON);
    assert_eq!((none.done.len(), places(&tasks, &none.pending)), (0, vec![0, 1, 2]));
    gates[1].open(1);
    let first = wait(&tasks, Until::FirstCompleted, None);
    assert_eq!(places(&tasks, &first.done), [1]);
    assert_eq!(places(&tasks, &first.pending), [0, 2]);
    // It is done already.
    let first = wait(&tasks, Until::FirstCompleted, Deadline::NEVER);
    assert_eq!(places(&tasks, &first.done), [1]);
    gates[0].open(1);
    gates[2].open(1);
    let all = wait(&tasks, Until::All, None);
    assert_eq!(places(&tasks, &all.done), [0, 1, 2]);
    assert!(tasks.iter().all(|task| task.join().is_ok()));
    // Those whose results were taken are done, and so are those of a pool that is gone.
    drop(pool);
    assert_eq!(wait(&tasks, Until::All, None).done.len(), 3);
}

#[test]
fn wait_returns_at_the_first_error_of_any_kind() {
    let _watchdog = watch("first error");
    let pool = pool(2);
    let gate = Gate::new();
    let fail = |(kind, gate): (u32, Option<ipc_core::wire::Handle>)| match kind {
        0 => panic!("on purpose"),
        1 => std::process::abort(),
        _ => drop(gate.map(pass)),
    };
    for kind in 0..3 {
        let long = pool.submit(fail, (9, Some(gate.handle()))).unwrap();
        let good: Vec<_> = (0..5).map(|_| pool.submit(fail, (9, None)).unwrap()).collect();
        let bad = pool.submit(fail, (kind, Some(gate.handle()))).unwrap();
        if kind == 2 {
            assert!(wait([&long, &bad], Until::FirstError, SOON).done.is_empty());
            bad.cancel();
        }
        let tasks: Vec<&Task<()>> = [&long, &bad].into_iter().chain(&good).collect();
        let waited = wait(tasks.iter().copied(), Until::FirstError, None);
        assert!(waited.done.iter().any(|task| std::ptr::eq(*task, &raw const bad)), "kind {kind}");
        assert!(waited.pending.iter().any(|task| std::ptr::eq(*task, &raw const long)));
        assert!(bad.join().is_err());
        gate.open(1);
        assert_eq!(wait([&long], Until::FirstError, None).done.len(), 1, "no error, and all done");
        assert!(good.iter().all(|task| task.join().is_ok()));
    }
}

#[test]
fn wait_for_nothing_returns_at_once() {
    let _watchdog = watch("nothing");
    for until in [Until::FirstCompleted, Until::FirstError, Until::All] {
        let waited = wait::<u32>([], until, None);
        assert!(waited.done.is_empty() && waited.pending.is_empty());
    }
}

#[test]
fn task_that_is_named_twice_is_told_twice() {
    let _watchdog = watch("twice");
    let pool = pool(1);
    let task = pool.submit(square, 3).unwrap();
    let waited = wait([&task, &task], Until::All, None);
    assert_eq!(waited.done.len(), 2);
    assert_eq!(task.join().unwrap(), 9);
}

#[test]
fn tasks_of_several_pools_can_be_waited_for_together() {
    let _watchdog = watch("several pools");
    let pools = [pool(1), pool(1)];
    let gates = [Gate::new(), Gate::new()];
    let both = || -> Vec<Task<u32>> {
        let submit = |(pool, gate): (&pool::Pool, &Gate)| pool.submit(pass, gate.handle()).unwrap();
        pools.iter().zip(&gates).map(submit).collect()
    };
    let tasks = both();
    assert!(wait(&tasks, Until::FirstCompleted, SOON).done.is_empty());
    gates[1].open(1);
    assert_eq!(places(&tasks, &wait(&tasks, Until::FirstCompleted, None).done), [1]);
    gates[0].open(1);
    assert_eq!(wait(&tasks, Until::All, None).done.len(), 2);
    let tasks = both();
    // One that is killed earlier has not begun its task.
    pools.iter().for_each(|pool| wait_until_running(pool, 1));
    let mut completed = as_completed(tasks);
    gates[1].open(1);
    assert_eq!(completed.next().unwrap().0, 1);
    pools[0].kill_worker(0).unwrap();
    let (place, result) = completed.next().unwrap();
    assert!(place == 0 && result.unwrap_err().is_worker_died());
    assert!(completed.next().is_none());
}

#[test]
fn threads_can_wait_for_the_same_tasks() {
    let _watchdog = watch("same tasks");
    let pool = pool(2);
    let gates = [Gate::new(), Gate::new()];
    let tasks = gated(&pool, &gates);
    thread::scope(|scope| {
        let waiters = [(); 3].map(|()| scope.spawn(|| wait(&tasks, Until::All, None).done.len()));
        let joiner = scope.spawn(|| tasks[0].join());
        gates.iter().for_each(|gate| gate.open(1));
        assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap() == 2));
        assert!(joiner.join().unwrap().is_ok());
    });
}

#[test]
fn results_come_as_they_are_done_each_once() {
    let _watchdog = watch("as completed");
    let pool = pool(2);
    let tasks: Vec<_> = (0..2_000).map(|x| pool.submit(square, x).unwrap()).collect();
    let mut completed = as_completed(tasks);
    assert_eq!(completed.len(), 2_000);
    let places: BTreeSet<usize> = completed
        .by_ref()
        .map(|(place, result)| {
            assert_eq!(result.unwrap(), square(place as u64));
            place
        })
        .collect();
    assert_eq!((places.len(), completed.len()), (2_000, 0));
    assert!(as_completed::<u32>([]).next().is_none());

    let gates = [Gate::new(), Gate::new()];
    let mut completed = as_completed(gated(&pool, &gates));
    assert!(completed.next_timeout(SOON).is_none() && completed.len() == 2);
    gates[1].open(1);
    assert_eq!(completed.next_timeout(Duration::MAX).unwrap().0, 1);
    assert!(completed.next_deadline(Deadline::now()).is_none() && completed.len() == 1);
    // Those that are left are done all the same.
    drop(completed);
    gates[0].open(1);
    pool.join().unwrap();
}

#[test]
fn waiting_goes_on_over_the_end_of_a_pool() {
    let _watchdog = watch("end of a pool");
    let pool = pool(1);
    let gate = Gate::new();
    let tasks: Vec<_> = (0..3).map(|_| pool.submit(pass, gate.handle()).unwrap()).collect();
    wait_until_running(&pool, 1);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| wait(&tasks, Until::All, None).done.len());
        let pool = pool;
        pool.terminate().unwrap();
        assert_eq!(waiter.join().unwrap(), 3);
    });
    assert!(tasks.iter().all(|task| matches!(task.join(), Err(TaskError::Terminated))));
}

#[test]
fn map_that_was_submitted_has_all_results_in_order() {
    let _watchdog = watch("submit_map");
    let pool = pool(2);
    let map = pool.submit_map(square, 0..3_000);
    assert_eq!(map.n_items(), 3_000);
    assert_eq!(map.join().unwrap(), (0..3_000).map(square).collect::<Vec<_>>());
    assert!(map.is_ready() && map.n_done() == 0);
    assert!(matches!(map.join(), Err(MapError { error: TaskError::Taken, .. })));
    assert_eq!(pool.submit_map(square, []).join().unwrap(), []);
    let gate = Gate::new();
    let map = pool.submit_map(pass, [gate.handle(), gate.handle(), gate.handle()]);
    gate.open(2);
    wait_until(&pool, |_| map.n_done() == 2);
    assert!(!map.is_ready());
    assert!(map.join_timeout(SOON).unwrap().is_none());
    gate.open(1);
    assert_eq!(map.join().unwrap().len(), 3);
}

#[test]
fn threads_that_join_one_map_do_not_get_parts_of_it() {
    let _watchdog = watch("one map");
    let pool = pool(2);
    for _ in 0..50 {
        let map = pool.submit_map(square, 0..100);
        thread::scope(|scope| {
            let joiners = [(); 3].map(|()| scope.spawn(|| map.join()));
            let results = joiners.map(|joiner| joiner.join().unwrap());
            let whole: Vec<_> = results.iter().flatten().collect();
            assert_eq!(whole, [&(0..100).map(square).collect::<Vec<_>>()]);
        });
    }
}

#[test]
fn map_that_was_submitted_names_the_first_item_that_failed() {
    let _watchdog = watch("submit_map error");
    let pool = pool(2);
    let map = pool.submit_map(|x: u64| assert!(x != 40 && x != 70, "not {x}"), 0..100);
    let error = map.join().unwrap_err();
    assert_eq!((error.index, error.error.panic().unwrap().message()), (40, "not 40"));
    pool.close();
    let error = pool.submit_map(square, 0..).join().unwrap_err();
    assert!(matches!(error.error, TaskError::NotTaken(PoolError::Closed)) && error.index == 0);
}

#[test]
fn map_that_was_submitted_can_be_cancelled() {
    let _watchdog = watch("submit_map cancel");
    let pool = pool(2);
    let gate = Gate::new();
    let map = pool.submit_map(pass, (0..20).map(|_| gate.handle()));
    wait_until_running(&pool, 2);
    gate.open(1);
    wait_until(&pool, |_| map.n_done() == 1);
    wait_until_running(&pool, 2);
    let other = pool.submit(square, 3).unwrap();
    assert!(map.cancel());
    let error = map.join().unwrap_err();
    assert!(error.error.is_cancelled() && error.index <= 1, "{error}");
    assert!(!map.cancel(), "all are done");
    assert_eq!(other.join().unwrap(), 9);
    wait_until(&pool, |pool| pool.stats().replaced == 2);
}
