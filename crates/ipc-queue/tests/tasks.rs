//! Queues in tasks of an executor, and in event loops.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]
#![expect(unsafe_code, reason = "waits for a descriptor as event loops do")]

use std::future::Future as _;
use std::io;
use std::os::fd::AsRawFd as _;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use ipc_queue::{Builder, GetError, PutError, Readiness};
use testkit::Watchdog;
use tokio::io::unix::AsyncFd;

fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(60), what)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
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

    fn n_calls(&self) -> u32 {
        *self.n_calls.lock().unwrap()
    }

    fn wait_for(&self, n_calls: u32) {
        let calls = self.n_calls.lock().unwrap();
        drop(self.changed.wait_while(calls, |calls| *calls < n_calls).unwrap());
    }
}

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        *self.n_calls.lock().unwrap() += 1;
        self.changed.notify_all();
    }
}

#[test]
fn a_get_in_a_task_waits_for_a_message() {
    let _watchdog = watch("a task that gets");
    let (sender, receiver) = ipc_queue::channel::<u32>(2).unwrap();
    let sum = runtime().block_on(async {
        let getting = tokio::spawn(async move {
            let mut sum = 0;
            loop {
                match receiver.get_async().await {
                    Ok(value) => sum += value,
                    Err(GetError::Disconnected) => return sum,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        for value in 1..=100 {
            sender.put_async(value).await.unwrap();
        }
        drop(sender);
        getting.await.unwrap()
    });
    assert_eq!(sum, 5050);
}

#[test]
fn a_put_in_a_task_waits_for_room_and_gives_the_value_back() {
    let _watchdog = watch("a task that puts");
    let (sender, receiver) = ipc_queue::channel::<String>(1).unwrap();
    runtime().block_on(async {
        sender.put_async("one".into()).await.unwrap();
        let putting = tokio::spawn(async move {
            sender.put_async("two".into()).await.unwrap();
            sender.put_async("three".into()).await
        });
        assert_eq!(receiver.get_async().await.unwrap(), "one");
        assert_eq!(receiver.get_async().await.unwrap(), "two");
        drop(receiver);
        // It was put before the last getter left, or came back.
        match putting.await.unwrap() {
            Ok(()) => {}
            Err(refused) => {
                assert!(refused.is_disconnected());
                assert_eq!(refused.into_inner(), "three");
            }
        }
    });
}

#[test]
fn a_future_that_is_dropped_loses_nothing() {
    let _watchdog = watch("dropped futures");
    let queue = Builder::new(4).without_backstop().values::<u32>().unwrap();
    let (calls, waker) = Calls::new();
    let mut context = Context::from_waker(&waker);
    for round in 1..=50 {
        {
            let mut getting = pin!(queue.get_async());
            assert!(getting.as_mut().poll(&mut context).is_pending());
            queue.put(round).unwrap();
            calls.wait_for(round);
            // It was called, and is dropped before it looks.
        }
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.try_get().unwrap(), round);
    }
    // Nor is the queue put into by a put that was dropped as it waited.
    queue.put_all(0..4).unwrap();
    {
        let mut putting = pin!(queue.put_async(9));
        assert!(putting.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(queue.get_many(9).unwrap(), [0, 1, 2, 3]);
    assert!(queue.is_empty());
}

#[test]
fn one_that_watches_takes_no_wake_up_from_one_that_sleeps() {
    let _watchdog = watch("a watch beside a sleeper");
    let queue = Builder::new(4).without_backstop().values::<u32>().unwrap();
    let (calls, waker) = Calls::new();
    let mut context = Context::from_waker(&waker);
    for round in 1..=200 {
        let mut getting = pin!(queue.get_async());
        assert!(getting.as_mut().poll(&mut context).is_pending());
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| queue.get().unwrap());
            queue.put(round).unwrap();
            assert_eq!(sleeper.join().unwrap(), round);
        });
        // It may have been called, or not.
        if calls.n_calls() > 0 && round % 2 == 0 {
            assert!(getting.as_mut().poll(&mut context).is_pending(), "nothing is there");
        }
    }
}

#[test]
fn a_task_is_told_when_the_queue_is_closed_and_when_the_other_side_has_left() {
    let _watchdog = watch("the end in a task");
    for closes in [true, false] {
        let (sender, receiver) =
            Builder::new(1).without_backstop().values::<u32>().unwrap().split().unwrap();
        let (calls, waker) = Calls::new();
        let mut context = Context::from_waker(&waker);
        let mut getting = pin!(receiver.get_async());
        assert!(getting.as_mut().poll(&mut context).is_pending());
        if closes {
            sender.close();
        } else {
            drop(sender);
        }
        calls.wait_for(1);
        let Poll::Ready(Err(error)) = getting.as_mut().poll(&mut context) else {
            panic!("not the end");
        };
        assert_eq!((error.is_closed(), error.is_disconnected()), (closes, !closes));
    }
}

#[test]
fn a_large_message_waits_for_memory_in_a_task_too() {
    let _watchdog = watch("memory in a task");
    let queue = Builder::new(8).max_bytes(4 << 20).bytes().unwrap();
    let message = vec![7; 3 << 20];
    runtime().block_on(async {
        queue.put_async(&message).await.unwrap();
        let (second, got) = tokio::join!(queue.put_async(&message), async {
            tokio::task::yield_now().await;
            queue.get_async().await
        });
        second.unwrap();
        assert!(got.unwrap() == message);
        assert!(queue.get_async().await.unwrap() == message);
    });
}

#[test]
fn a_stream_and_a_sink_carry_all_values_in_order() {
    let _watchdog = watch("a stream and a sink");
    let (sender, receiver) = ipc_queue::channel::<u32>(3).unwrap();
    let got = runtime().block_on(async {
        let sending = tokio::spawn(async move {
            let mut sink = sender.into_sink();
            for value in 0..200 {
                sink.feed(value).await.unwrap();
            }
            sink.close().await.unwrap();
        });
        let got: Vec<_> = receiver.into_stream().map(Result::unwrap).collect().await;
        sending.await.unwrap();
        got
    });
    assert!(got.into_iter().eq(0..200));
}

#[test]
fn a_sink_without_getters_gives_the_value_back() {
    let (sender, receiver) = ipc_queue::channel::<u32>(3).unwrap();
    drop(receiver);
    let refused = runtime().block_on(sender.into_sink().send(7)).unwrap_err();
    assert!(matches!(refused, PutError::Disconnected(7)));
}

/// Whether the descriptor is readable within that many milliseconds.
fn polls(readiness: &Readiness, milliseconds: i32) -> bool {
    let fd = readiness.as_raw_fd();
    let mut polled = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which lives through the call.
    let n_ready = unsafe { libc::poll(&raw mut polled, 1, milliseconds) };
    assert!(n_ready >= 0, "{}", io::Error::last_os_error());
    polled.revents & libc::POLLIN != 0
}

const FOREVER: i32 = -1;

#[test]
fn a_descriptor_is_readable_when_there_is_something_to_get() {
    let _watchdog = watch("readable");
    let (sender, receiver) = Builder::new(4).without_backstop().bytes().unwrap().split().unwrap();
    let readiness = receiver.readable().unwrap();
    assert!(!polls(&readiness, 20));
    for _ in 0..50 {
        sender.put_all([[1], [2]]).unwrap();
        assert!(polls(&readiness, FOREVER) && polls(&readiness, 0));
        assert_eq!(receiver.try_get().unwrap(), [1]);
        // Cleared too early: there is one more.
        readiness.clear().unwrap();
        assert!(polls(&readiness, FOREVER));
        assert_eq!(receiver.try_get().unwrap(), [2]);
        readiness.clear().unwrap();
        assert!(!polls(&readiness, 1));
    }
    drop(sender);
    assert!(polls(&readiness, FOREVER));
    assert!(receiver.try_get().unwrap_err().is_disconnected());
}

#[test]
fn a_descriptor_is_readable_when_there_is_room() {
    let _watchdog = watch("writable");
    let queue = Builder::new(1).without_backstop().bytes().unwrap();
    let readiness = queue.writable().unwrap();
    for _ in 0..50 {
        assert!(polls(&readiness, FOREVER));
        queue.try_put(&[1]).unwrap();
        assert!(matches!(queue.try_put(&[2]), Err(PutError::Full(_))));
        readiness.clear().unwrap();
        assert!(!polls(&readiness, 1));
        queue.get().unwrap();
    }
    queue.put(&[3]).unwrap();
    readiness.clear().unwrap();
    queue.close();
    assert!(polls(&readiness, FOREVER));
}

#[test]
fn a_descriptor_works_in_somebody_elses_event_loop() {
    let _watchdog = watch("tokio's own loop");
    let (sender, receiver) = ipc_queue::channel::<u32>(2).unwrap();
    let got = runtime().block_on(async {
        let putting = tokio::task::spawn_blocking(move || sender.put_all(0..100).unwrap());
        let readiness = receiver.readable().unwrap();
        // SAFETY: the descriptor is the readiness's own, from its beginning to its end.
        let readiness = unsafe { AsyncFd::register(readiness) }.unwrap();
        let mut got = Vec::new();
        'all: loop {
            let mut guard = readiness.readable().await.unwrap();
            loop {
                match receiver.try_get() {
                    Ok(value) => got.push(value),
                    Err(GetError::Empty) => break,
                    Err(_) => break 'all,
                }
            }
            readiness.get_ref().clear().unwrap();
            guard.clear_ready();
        }
        putting.await.unwrap();
        got
    });
    assert!(got.into_iter().eq(0..100));
}

#[test]
fn a_thread_that_watches_ends_with_the_handle() {
    let _watchdog = watch("the end of a thread");
    let (sender, receiver) = Builder::new(1).without_backstop().bytes().unwrap().split().unwrap();
    // What the thread keeps as long as it waits for a message that never comes.
    let (calls, waker) = Calls::new();
    assert!(pin!(receiver.get_async()).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    let kept = Arc::downgrade(&calls);
    drop(calls);
    drop(receiver);
    while kept.upgrade().is_some() {
        thread::yield_now();
    }
    assert!(sender.put(b"x").unwrap_err().is_disconnected(), "it is on no side");
}
