//! When a scope ends, so have its tasks.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{Kind, ProcessId, Segment, is_alive};
use pool::TaskError;

use common::{Gate, pass, pools, square, wait_until_running, watch};

mod common;

const KIND: Kind = Kind::new(*b"numbers\0", 1);

/// Counts up in its word, time and again.
fn count((memory, place, n): (Segment, usize, u64)) -> u64 {
    let word: &AtomicU64 = memory.at(place * 8).unwrap();
    (0..n).for_each(|_| _ = word.fetch_add(1, Relaxed));
    n
}

#[test]
fn scope_ends_when_all_its_tasks_have_and_results_are_there() {
    let _watchdog = watch("scope");
    for pool in pools(2) {
        let memory = Segment::create(KIND, 0, 20 * 8).unwrap();
        let tasks = pool.scope(|scope| {
            let count = |place| scope.submit(count, (memory.clone(), place, 10_000)).unwrap();
            (0..20).map(count).collect::<Vec<_>>()
        });
        for place in 0..20 {
            assert_eq!(memory.at::<AtomicU64>(place * 8).unwrap().load(Relaxed), 10_000);
        }
        assert!(tasks.iter().all(|task| task.is_ready() && task.join().unwrap() == 10_000));
    }
}

#[test]
fn scope_waits_for_tasks_whose_handles_were_dropped_or_joined() {
    let _watchdog = watch("handles");
    for pool in pools(1) {
        let memory = Segment::create(KIND, 0, 8).unwrap();
        pool.scope(|scope| {
            assert_eq!(scope.submit(square, 3).unwrap().join().unwrap(), 9);
            drop(scope.submit(count, (memory.clone(), 0, 10_000)).unwrap());
        });
        assert_eq!(memory.at::<AtomicU64>(0).unwrap().load(Relaxed), 10_000);
    }
}

#[test]
fn tasks_of_a_scope_that_panics_are_ended() {
    let _watchdog = watch("panic");
    for pool in pools(2) {
        let gate = Gate::new();
        let mut tasks = Vec::new();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|scope| {
                tasks.extend((0..5).map(|_| scope.submit(pass, gate.handle()).unwrap()));
                wait_until_running(&pool, 2);
                panic!("enough");
            });
        }));
        assert!(panicked.is_err());
        assert!(tasks.iter().all(|task| matches!(task.join(), Err(TaskError::Cancelled))));
        assert_eq!(pool.call(square, 3).unwrap(), 9);
    }
}

#[test]
fn no_worker_is_at_a_task_when_the_pool_is_ended_in_a_scope() {
    let _watchdog = watch("ended");
    for pool in pools(2) {
        let gate = Gate::new();
        let pids: Vec<_> = pool.stats().workers.iter().map(|worker| worker.pid.unwrap()).collect();
        let workers: Vec<_> = pids.into_iter().map(|pid| ProcessId::of(pid).unwrap()).collect();
        std::thread::scope(|threads| {
            let task = pool.scope(|scope| {
                let task = scope.submit(pass, gate.handle()).unwrap();
                wait_until_running(&pool, 1);
                threads.spawn(|| pool.terminate().unwrap());
                task
            });
            assert!(matches!(task.join(), Err(TaskError::Terminated)));
            for worker in workers {
                assert!(!is_alive(worker.unwrap()).unwrap());
            }
        });
    }
}
