//! Joinable queues in tasks of an executor, in event loops, and in loops.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]
#![expect(unsafe_code, reason = "waits for a descriptor as event loops do")]
#![expect(clippy::mem_forget, reason = "who forgets a lease and ends has died holding it")]

use std::future::Future as _;
use std::os::fd::AsRawFd as _;
use std::pin::pin;
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use ipc_queue::{Builder, GetError, JoinableQueue, Readiness, UnfinishedError};
use testkit::{Mortal, Watchdog};

fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(60), what)
}

/// A queue in which nobody looks again by himself: who is not told is found.
fn queue(capacity: usize) -> JoinableQueue<u32> {
    Builder::new(capacity).without_backstop().joinable().unwrap()
}

/// Waits until somebody sleeps on the queue, or is about to.
fn wait_for_sleeper(queue: &JoinableQueue<u32>) {
    while !queue.stats().queue.getters_wait {
        thread::yield_now();
    }
}

/// A waker that counts, and can be waited for.
#[derive(Default)]
struct Calls {
    n_calls: Mutex<u32>,
    changed: Condvar,
}

impl Calls {
    fn new() -> (Arc<Self>, Waker) {
        let calls = Arc::<Self>::default();
        (Arc::clone(&calls), Waker::from(calls))
    }

    /// Waits until it was called, and begins anew.
    fn wait(&self) {
        let calls = self.n_calls.lock().unwrap();
        *self.changed.wait_while(calls, |calls| *calls == 0).unwrap() = 0;
    }
}

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        *self.n_calls.lock().unwrap() += 1;
        self.changed.notify_all();
    }
}

#[test]
fn a_get_in_a_task_waits_for_a_value_and_a_put_for_room() {
    let _watchdog = watch("tasks that put and get");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let (sender, receiver) = queue(2).split().unwrap();
    let sum = runtime.block_on(async {
        let putting = tokio::spawn(async move {
            for value in 1..=100 {
                sender.put_async(value).await.unwrap();
            }
            sender
        });
        let mut sum = 0;
        while sum < 5050 {
            let lease = receiver.get_async().await.unwrap();
            assert_eq!(lease.deliveries(), 1);
            sum += lease.done().unwrap();
        }
        let sender = putting.await.unwrap();
        sender.try_join().unwrap();
        drop(sender);
        assert!(matches!(receiver.get_async().await, Err(GetError::Disconnected)));
        sum
    });
    assert_eq!(sum, 5050);
}

#[test]
fn a_task_is_told_of_what_is_given_back() {
    let _watchdog = watch("a value that is given back");
    let queue = queue(4);
    let (calls, waker) = Calls::new();
    let mut context = Context::from_waker(&waker);
    for _ in 0..50 {
        queue.put(7).unwrap();
        let lease = queue.get().unwrap();
        let mut getting = pin!(queue.get_async());
        assert!(getting.as_mut().poll(&mut context).is_pending());
        wait_for_sleeper(&queue);
        lease.fail().unwrap();
        let again = loop {
            calls.wait();
            if let Poll::Ready(got) = getting.as_mut().poll(&mut context) {
                break got.unwrap();
            }
        };
        assert_eq!((*again, again.deliveries()), (7, 2));
    }
    queue.try_join().unwrap();
}

#[test]
fn a_task_that_waits_is_told_of_a_holders_death() {
    let _watchdog = watch("a holder that dies while a task waits");
    let queue = queue(4);
    let (calls, waker) = Calls::new();
    let mut context = Context::from_waker(&waker);
    for _ in 0..50 {
        let is_held = Arc::new(Barrier::new(2));
        let may_die = Arc::new(Barrier::new(2));
        queue.put(7).unwrap();
        let holder = {
            let (queue, is_held, may_die) = (queue.clone(), is_held.clone(), may_die.clone());
            Mortal::spawn(move || {
                std::mem::forget(queue.get().unwrap());
                is_held.wait();
                may_die.wait();
            })
        };
        is_held.wait();
        let mut getting = pin!(queue.get_async());
        assert!(getting.as_mut().poll(&mut context).is_pending());
        wait_for_sleeper(&queue);
        may_die.wait();
        let again = loop {
            calls.wait();
            if let Poll::Ready(got) = getting.as_mut().poll(&mut context) {
                break got.unwrap();
            }
        };
        assert_eq!((*again, again.deliveries()), (7, 2));
        holder.wait();
    }
}

#[test]
fn a_task_joins_when_another_has_finished() {
    let _watchdog = watch("a task that joins");
    let queue = queue(4);
    let (calls, waker) = Calls::new();
    let mut context = Context::from_waker(&waker);
    for _ in 0..50 {
        queue.put(7).unwrap();
        queue.put(8).unwrap();
        // In the hands of the thread that polls, as another task's on the same thread would be.
        let (first, second) = (queue.get().unwrap(), queue.get().unwrap());
        assert_eq!(queue.try_join(), Err(UnfinishedError::ByCaller));
        let mut joining = pin!(queue.join_async());
        assert!(joining.as_mut().poll(&mut context).is_pending());
        second.done().unwrap();
        assert!(joining.as_mut().poll(&mut context).is_pending());
        first.done().unwrap();
        calls.wait();
        assert_eq!(joining.as_mut().poll(&mut context), Poll::Ready(Ok(())));
    }
}

#[test]
fn a_task_joins_what_a_dead_holder_left_when_another_has_finished_it() {
    let _watchdog = watch("a task that joins beside a holder that dies");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let queue = queue(4);
    for _ in 0..20 {
        queue.put(7).unwrap();
        let is_held = Arc::new(Barrier::new(2));
        let holder = {
            let (queue, is_held) = (queue.clone(), is_held.clone());
            Mortal::spawn(move || {
                std::mem::forget(queue.get().unwrap());
                is_held.wait();
            })
        };
        is_held.wait();
        let (worker, joiner) = (queue.clone(), queue.clone());
        let joined = runtime.spawn(async move { joiner.join_async().await });
        let deliveries = thread::spawn(move || worker.get().unwrap().deliveries());
        runtime.block_on(joined).unwrap().unwrap();
        assert_eq!(deliveries.join().unwrap(), 2);
        holder.wait();
    }
}

#[test]
fn a_sender_in_a_task_is_told_that_nobody_is_left_to_finish() {
    let _watchdog = watch("a task that joins for nothing");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for _ in 0..20 {
        let (sender, receiver) = queue(4).split().unwrap();
        sender.put(7).unwrap();
        let task = sender.clone();
        let joined = runtime.spawn(async move { task.join_async().await });
        let (calls, waker) = Calls::new();
        let mut joining = pin!(sender.join_async());
        assert!(joining.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(receiver);
        assert_eq!(runtime.block_on(joined).unwrap(), Err(UnfinishedError::Disconnected));
        calls.wait();
    }
}

#[test]
fn a_join_that_is_dropped_leaves_nobody_waiting() {
    let _watchdog = watch("dropped joins");
    let queue = queue(1);
    let (calls, waker) = Calls::new();
    queue.put(7).unwrap();
    let threads_before = n_threads();
    {
        let clone = queue.clone();
        let mut joining = pin!(clone.join_async());
        assert!(joining.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(format!("{joining:?}").contains("JoinableQueue"));
    }
    queue.get().unwrap().done().unwrap();
    // Whoever was promised a call gets it, and the next join has all it needs.
    calls.wait();
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(queue.join_async())
        .unwrap();
    drop(queue);
    // The thread that watched ends with the last handle.
    while n_threads() > threads_before {
        thread::yield_now();
    }
}

/// How many threads of this process watch queues: other tests have some as well, for a while.
fn n_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.flatten().flat_map(|task| std::fs::read_to_string(task.path().join("comm")));
    names.filter(|name| name.trim_end() == "queue watch").count()
}

#[test]
fn a_future_that_is_dropped_loses_nothing() {
    let _watchdog = watch("dropped futures");
    let queue = queue(1);
    let (calls, waker) = Calls::new();
    let mut context = Context::from_waker(&waker);
    for value in 0..50 {
        {
            let mut getting = pin!(queue.get_async());
            assert!(getting.as_mut().poll(&mut context).is_pending());
            queue.put(value).unwrap();
            calls.wait();
            // It was called, and is dropped before it looks.
        }
        assert_eq!((queue.len(), queue.unfinished()), (1, 1));
        {
            let mut putting = pin!(queue.put_async(999));
            assert!(putting.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(*queue.try_get().unwrap(), value);
        assert_eq!(queue.try_join(), Ok(()));
    }
}

#[test]
fn a_descriptor_is_readable_when_a_value_comes_back() {
    let _watchdog = watch("a readable descriptor");
    let queue = queue(4);
    let readiness = queue.readable().unwrap();
    assert!(!polls(&readiness, 20));
    queue.put(7).unwrap();
    assert!(polls(&readiness, FOREVER));
    let lease = queue.try_get().unwrap();
    readiness.clear().unwrap();
    assert!(!polls(&readiness, 1));
    wait_for_sleeper(&queue);
    lease.fail().unwrap();
    assert!(polls(&readiness, FOREVER));
    assert_eq!(queue.try_get().unwrap().deliveries(), 2);
    assert!(polls(&queue.writable().unwrap(), FOREVER));
}

/// Whether the descriptor is readable within that many milliseconds.
fn polls(readiness: &Readiness, milliseconds: i32) -> bool {
    let fd = readiness.as_raw_fd();
    let mut polled = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which lives through the call.
    let n_ready = unsafe { libc::poll(&raw mut polled, 1, milliseconds) };
    assert!(n_ready >= 0, "{}", std::io::Error::last_os_error());
    polled.revents & libc::POLLIN != 0
}

const FOREVER: i32 = -1;

#[test]
fn a_loop_over_a_queue_finishes_each_value_and_ends_with_the_queue() {
    let _watchdog = watch("loops over a queue");
    let (sender, receiver) = queue(10).split().unwrap();
    for value in 1..=4 {
        sender.put(value).unwrap();
    }
    let first = receiver.try_iter().next().unwrap().unwrap();
    assert_eq!(*first, 1);
    // One that is in somebody's hands is not there now.
    assert_eq!(receiver.try_iter().map(|lease| lease.unwrap().done().unwrap()).sum::<u32>(), 9);
    assert!(receiver.try_iter().next().is_none());
    first.fail().unwrap();
    assert_eq!(sender.try_join(), Err(UnfinishedError::Unfinished));
    drop(sender);
    let mut rest = vec![];
    for lease in &receiver {
        let lease = lease.unwrap();
        rest.push((*lease, lease.deliveries()));
    }
    assert_eq!(rest, [(1, 2)]);
    assert_eq!((receiver.try_join(), receiver.iter().count()), (Ok(()), 0));
}
