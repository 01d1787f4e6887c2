//! Callbacks and futures: results that nobody joins.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]
#![expect(clippy::panic, reason = "a waker that panics")]

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use pool::{MapError, Pool, Retry, TaskError};

use common::{Gate, pass, pool, pools, square, wait_until_running, watch};

mod common;

#[test]
fn callbacks_hear_of_results_and_of_errors_in_one_thread() {
    let _watchdog = watch("callbacks");
    let pool = pool(2);
    let (sender, receiver) = mpsc::channel();
    for x in 0..100_u64 {
        let sender = sender.clone();
        let work = |x: u64| match x % 10 {
            3 => panic!("no {x}"),
            5 => std::process::abort(),
            _ => x,
        };
        let task = pool.submit(work, x).unwrap();
        let call = move |result| sender.send((x, result, thread::current().id())).unwrap();
        task.on_done(call).unwrap();
    }
    pool.join().unwrap();
    // Joining has waited for them.
    let heard: Vec<(u64, Result<u64, TaskError>, _)> = receiver.try_iter().collect();
    assert_eq!(heard.len(), 100);
    for (x, result, thread) in &heard {
        assert!(*thread == heard[0].2 && *thread != thread::current().id());
        match (x % 10, result) {
            (3, Err(error)) => assert_eq!(error.panic().unwrap().message(), format!("no {x}")),
            (5, Err(error)) => assert!(error.is_worker_died()),
            (_, Ok(value)) => assert_eq!(value, x),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn callback_of_a_task_that_is_done_is_called_too() {
    let _watchdog = watch("late callback");
    let pool = pool(1);
    let task = pool.submit(square, 3).unwrap();
    while !task.is_ready() {
        thread::yield_now();
    }
    let (sender, receiver) = mpsc::channel();
    let late = sender.clone();
    task.on_done(move |result| late.send(result).unwrap()).unwrap();
    assert_eq!(receiver.recv().unwrap().unwrap(), 9);
    // It has the result; and there may be more than one, also when the pool is gone.
    assert!(matches!(task.join(), Err(TaskError::Taken)));
    drop(pool);
    task.on_done(move |result| sender.send(result).unwrap()).unwrap();
    assert!(matches!(receiver.recv().unwrap(), Err(TaskError::Taken)));
}

#[test]
fn callback_that_panics_harms_nobody() {
    let _watchdog = watch("panicking callback");
    for pool in pools(1) {
        let (sender, receiver) = mpsc::channel();
        for x in 0..10_u64 {
            let sender = sender.clone();
            let call = move |result: Result<u64, TaskError>| {
                assert!(x % 2 == 0, "this panic is part of the test");
                sender.send(result.unwrap()).unwrap();
            };
            pool.submit(square, x).unwrap().on_done(call).unwrap();
        }
        pool.join().unwrap();
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [0, 4, 16, 36, 64]);
    }
}

#[test]
fn callback_that_blocks_holds_up_no_task() {
    let _watchdog = watch("blocking callback");
    let pool = pool(2);
    let (sender, receiver) = mpsc::channel::<()>();
    let task = pool.submit(square, 1).unwrap();
    task.on_done(move |_| {
        let _closed = receiver.recv();
    })
    .unwrap();
    assert_eq!(pool.map(square, 0..500).unwrap().len(), 500);
    assert!(!pool.join_timeout(Duration::from_millis(20)).unwrap(), "it waits for the callback");
    drop(sender);
    pool.join().unwrap();
}

#[test]
fn callback_can_use_the_pool_and_be_the_last_who_has_it() {
    let _watchdog = watch("callback that uses the pool");
    let pool = Arc::new(pool(2));
    let (sender, receiver) = mpsc::channel();
    let inner = Arc::clone(&pool);
    let task = pool.submit(square, 2).unwrap();
    drop(pool);
    let call = move |result: Result<u64, TaskError>| {
        let more = inner.map(square, 0..result.unwrap()).unwrap();
        inner.join().unwrap();
        drop(inner);
        sender.send(more).unwrap();
    };
    task.on_done(call).unwrap();
    assert_eq!(receiver.recv().unwrap(), [0, 1, 4, 9]);
}

#[test]
fn callbacks_hear_of_the_end_of_a_pool_and_of_being_cancelled() {
    let _watchdog = watch("end");
    let pool = pool(1);
    let gate = Gate::new();
    let (sender, receiver) = mpsc::channel();
    let tasks = [(); 3].map(|()| pool.submit(pass, gate.handle()).unwrap());
    for (place, task) in tasks.iter().enumerate() {
        let sender = sender.clone();
        task.on_done(move |result| sender.send((place, result.unwrap_err())).unwrap()).unwrap();
    }
    wait_until_running(&pool, 1);
    tasks[1].cancel();
    let (place, error) = receiver.recv().unwrap();
    assert!(place == 1 && error.is_cancelled());
    drop(pool);
    for _ in 0..2 {
        let (_, error) = receiver.recv().unwrap();
        assert!(matches!(error, TaskError::Terminated), "{error}");
    }
}

#[test]
fn callback_of_a_map_hears_of_all_results_at_once() {
    let _watchdog = watch("callback of a map");
    let pool = pool(2);
    let (sender, receiver) = mpsc::channel();
    let good = sender.clone();
    let map = pool.submit_map(square, 0..1_000);
    map.on_done(move |results| good.send(results).unwrap()).unwrap();
    assert_eq!(receiver.recv().unwrap().unwrap(), (0..1_000).map(square).collect::<Vec<_>>());
    let bad = pool.submit_map(|x: u64| 10 / x, [2, 1, 0, 0]);
    bad.on_done(move |results| sender.send(results).unwrap()).unwrap();
    let MapError { index, error, .. } = receiver.recv().unwrap().unwrap_err();
    assert!(index == 2 && error.panic().is_some());
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future as an executor would that has no other.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn task_can_be_awaited_without_any_runtime() {
    let _watchdog = watch("await");
    let pool = pool(2);
    block_on(async {
        for x in 0..200 {
            assert_eq!(pool.submit(square, x).unwrap().await.unwrap(), square(x));
        }
        let mut tasks: Vec<_> = (0..200).map(|x| pool.submit(square, x).unwrap()).collect();
        for (x, task) in (0..).zip(&mut tasks) {
            assert_eq!(task.await.unwrap(), square(x));
        }
        assert!(matches!((&mut tasks[0]).await, Err(TaskError::Taken)));
        let squares = pool.submit_map(square, 0..100).await.unwrap();
        assert_eq!(squares, (0..100).map(square).collect::<Vec<_>>());
        let died = pool.submit(|()| -> () { std::process::abort() }, ()).unwrap().await;
        assert!(died.unwrap_err().is_worker_died());
        let limited = pool.task(|()| thread::park()).timeout(Duration::from_millis(10));
        assert!(limited.submit(()).unwrap().await.unwrap_err().is_timed_out());
    });
}

/// Counts how often it was woken.
struct Count(Mutex<u32>);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() += 1;
    }
}

#[test]
fn last_waker_is_woken_and_no_other() {
    let _watchdog = watch("last waker");
    let pool = pool(1);
    let gate = Gate::new();
    let mut task = pool.submit(pass, gate.handle()).unwrap();
    let counts = [(); 3].map(|()| Arc::new(Count(Mutex::new(0))));
    for count in &counts {
        let waker = Waker::from(Arc::clone(count));
        assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    gate.open(1);
    assert!(task.join().is_ok());
    // Whoever collected tells it after it has let us go.
    common::wait_until(&pool, |_| *counts[2].0.lock().unwrap() > 0);
    assert_eq!(counts.map(|count| *count.0.lock().unwrap()), [0, 0, 1]);
}

#[test]
fn future_that_is_dropped_leaves_its_task_and_others_alone() {
    let _watchdog = watch("dropped future");
    let pool = Pool::builder().workers(1).on_worker_death(Retry::always()).build().unwrap();
    let gate = Gate::new();
    let count = Arc::new(Count(Mutex::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    for _ in 0..3 {
        let mut task = pool.submit(pass, gate.handle()).unwrap();
        assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 1, "nobody keeps a waker");
    let last = pool.submit(square, 3).unwrap();
    gate.open(3);
    assert_eq!(block_on(last).unwrap(), 9);
    assert_eq!(*count.0.lock().unwrap(), 0);
    assert_eq!(pool.stats().done, 4);
}

/// Panics when it is to wake somebody.
struct Bad;

impl Wake for Bad {
    fn wake(self: Arc<Self>) {
        panic!("this panic is part of the test");
    }
}

#[test]
fn waker_that_panics_harms_nobody() {
    let _watchdog = watch("bad waker");
    let pool = pool(1);
    for x in 0..10 {
        let mut task = pool.submit(square, x).unwrap();
        let waker = Waker::from(Arc::new(Bad));
        let _pending = Pin::new(&mut task).poll(&mut Context::from_waker(&waker));
        assert_eq!(pool.call(square, 5).unwrap(), 25);
    }
}

#[test]
fn results_behind_that_of_a_waker_that_panics_arrive() {
    let _watchdog = watch("bad waker among others");
    let pool = pool(1);
    let gate = Gate::new();
    let waits = pool.submit(pass, gate.handle()).unwrap();
    let mut tasks: Vec<_> = (0..20).map(|x| pool.submit(square, x).unwrap()).collect();
    let waker = Waker::from(Arc::new(Bad));
    for task in &mut tasks[..10] {
        assert!(Pin::new(task).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    gate.open(1);
    for (task, x) in tasks.into_iter().zip(0..) {
        assert_eq!(task.join().unwrap(), x * x);
    }
    waits.join().unwrap();
}
