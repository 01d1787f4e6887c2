//! Arguments that lead to what processes share: locks, connections, queues, other pools.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::io::Read as _;
use std::os::fd::OwnedFd;

use ipc_core::wire::Handle;
use ipc_pipe::{Connection, pipe};
use ipc_queue::Queue;
use ipc_sync::{LockError, Mutex};
use pool::Retry;
use rustix::process::{Pid, Signal, kill_process};

use common::{builders, pool, pools, square, watch};

mod common;

fn add((sum, x): (Mutex<u64>, u64)) {
    *sum.lock().unwrap() += x;
}

#[test]
fn workers_of_several_pools_share_a_lock() {
    let _watchdog = watch("lock");
    let pools = [pool(2), pool(1), pool(1)];
    let sum = Mutex::new(0_u64).unwrap();
    std::thread::scope(|scope| {
        for pool in &pools {
            scope.spawn(|| pool.map(add, (0..200).map(|x| (sum.clone(), x))).unwrap());
        }
    });
    assert_eq!(*sum.lock().unwrap(), 3 * (0..200).sum::<u64>());
}

/// Dies with the lock in its hands, the first time.
fn die_with_it(sum: Mutex<u64>) -> u64 {
    match sum.lock() {
        Ok(mut sum) => {
            *sum = 7;
            std::process::abort();
        }
        Err(LockError::OwnerDied(sum)) => {
            let mut sum = sum.recover(|sum| assert_eq!(*sum, 7));
            *sum += 1;
            *sum
        }
        Err(_) => 0,
    }
}

#[test]
fn lock_of_a_dead_worker_is_told_to_the_one_that_runs_the_task_again() {
    let _watchdog = watch("owner died");
    for builder in builders() {
        let pool = builder.workers(1).on_worker_death(Retry::times(1)).build().unwrap();
        let sum = Mutex::new(0_u64).unwrap();
        assert_eq!(pool.call(die_with_it, sum.clone()).unwrap(), 8);
        assert_eq!(*sum.lock().unwrap(), 8);
    }
}

fn answer(end: Connection<u64, u64>) -> u64 {
    end.iter().map_while(Result::ok).take_while(|x| end.send(&square(*x)).is_ok()).count() as u64
}

#[test]
fn task_talks_through_a_connection_and_its_death_is_the_end_of_that() {
    let _watchdog = watch("connection");
    for pool in pools(1) {
        let (mut here, there) = pipe::<u64, u64>().unwrap();
        let task = pool.submit(answer, there).unwrap();
        for x in 0..10 {
            assert_eq!(here.request(&x).unwrap(), square(x));
        }
        here.close();
        assert_eq!(task.join().unwrap(), 10);
        let (mut here, there) = pipe::<u64, u64>().unwrap();
        let task = pool.submit(answer, there).unwrap();
        assert_eq!(here.request(&3).unwrap(), 9);
        pool.kill_worker(0).unwrap();
        assert!(task.join().unwrap_err().is_worker_died());
        assert!(here.request(&3).is_err());
    }
}

/// A task that has a pool of its own, whose tasks put into a queue of everybody's.
fn spread((queue, n): (Queue<u64>, u64)) -> usize {
    let pool = pool(2);
    let put = |(queue, x): (Queue<u64>, u64)| queue.put(x).is_ok();
    let done = pool.map(put, (0..n).map(|x| (queue.clone(), x))).unwrap();
    done.into_iter().filter(|done| *done).count()
}

#[test]
fn pools_in_tasks_reach_what_the_outer_ones_reach() {
    let _watchdog = watch("nested");
    for pool in pools(2) {
        let queue = Queue::bounded(1000).unwrap();
        let done = pool.map(spread, [(queue.clone(), 100), (queue.clone(), 200)]).unwrap();
        assert_eq!(done, [100, 200]);
        let mut sum = 0;
        while let Ok(x) = queue.try_get() {
            sum += x;
        }
        assert_eq!(sum, (0..100).sum::<u64>() + (0..200).sum::<u64>());
    }
}

fn hold(_: Handle) {}

#[test]
fn handle_of_a_task_that_was_taken_back_does_not_stay_open() {
    let _watchdog = watch("taken back");
    for pool in pools(1) {
        common::wait_until_idle(&pool);
        let pid = Pid::from_raw(pool.stats().workers[0].pid.unwrap().cast_signed()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let writer = OwnedFd::from(writer);
        // It was given each of them, and begins none.
        for _ in 0..10 {
            let task = pool.submit(hold, writer.try_clone().unwrap().into()).unwrap();
            assert!(task.cancel());
            assert!(task.join().unwrap_err().is_cancelled());
        }
        drop(writer);
        kill_process(pid, Signal::CONT).unwrap();
        // Nobody else comes to that worker, and it lets go all the same.
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
        assert_eq!(pool.call(square, 3).unwrap(), 9);
        assert_eq!(pool.stats().replaced, 0);
    }
}
