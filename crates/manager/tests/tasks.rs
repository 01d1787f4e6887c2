//! Calls whose replies tasks wait for.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use common::proxy::Proxy;
use common::{Account, wait_until, watch};
use manager::{
    Address, Batch, Dict, Error, Event, List, Manager, Queue, Remote, RemoteIter, Value,
};
use tokio::runtime::{Builder, Runtime};

mod common;

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn every_method_does_in_a_task_what_it_does_in_a_thread() {
    let _watchdog = watch("methods");
    let manager = Manager::builder().register::<Account>().start().unwrap();
    one_thread().block_on(async {
        let dict: Dict<String, List<u8>> = manager.dict().unwrap();
        let list: List<u8> = manager.list().unwrap();
        assert_eq!(dict.insert_async("a", &list).await.unwrap(), None);
        dict.set_async("b", &list).await.unwrap();
        list.push_async(&7).await.unwrap();
        let found = dict.get_async("a").await.unwrap().unwrap();
        assert_eq!((found.len_async().await.unwrap(), found == list), (1, true));
        assert!(dict.remove_async("b").await.unwrap().is_some());
        assert!(dict.remove_async("b").await.unwrap().is_none());

        let value: Value<u64> = manager.value(&1).unwrap();
        value.set_async(&2).await.unwrap();
        assert_eq!(value.get_async().await.unwrap(), 2);

        let account = manager.create::<Account>(10).unwrap();
        assert_eq!(account.call_async::<_, i64>("pay_in", &5_i64).await.unwrap(), 15);
        let panicked = account.call_async::<_, ()>("explode", "why").await;
        assert!(matches!(panicked, Err(Error::Panicked(_))));

        let mut batch = Batch::new();
        let later = list.push_in(&mut batch, &8).unwrap();
        let mut done = batch.call_async().await.unwrap();
        done.take(later).unwrap();
        assert!(Batch::new().call_async().await.unwrap().is_ok());
        assert_eq!(list.to_vec().unwrap(), [7, 8]);
    });
}

#[test]
fn calls_of_many_tasks_are_on_their_way_together() {
    const N: u64 = 300;

    let _watchdog = watch("together");
    let manager = Manager::start().unwrap();
    let (queue, gate): (Queue<u64>, Event) = (manager.queue(0).unwrap(), manager.event().unwrap());
    one_thread().block_on(async {
        let mut tasks = Vec::new();
        for _ in 0..N {
            let (queue, gate) = (queue.clone(), gate.clone());
            tasks.push(tokio::spawn(async move {
                gate.wait_async().await.unwrap();
                queue.get_async().await.unwrap()
            }));
        }
        // They wait at the same time, though the runtime has one thread.
        while manager.stats().unwrap().waiting < N {
            tokio::task::yield_now().await;
        }
        gate.set().unwrap();
        for n in 0..N {
            queue.put_async(&n).await.unwrap();
        }
        let mut got = Vec::new();
        for task in tasks {
            got.push(task.await.unwrap());
        }
        got.sort_unstable();
        assert_eq!(got, (0..N).collect::<Vec<_>>());
    });
}

#[test]
fn tasks_and_threads_wait_at_the_same_connection() {
    let _watchdog = watch("tasks and threads");
    let manager = Manager::start().unwrap();
    let queue: Queue<u64> = manager.queue(0).unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| (0..100).map(|_| queue.get().unwrap()).sum::<u64>()))
            .collect();
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                runtime.spawn(async move {
                    let mut sum = 0;
                    for _ in 0..100 {
                        sum += queue.get_async().await.unwrap();
                    }
                    sum
                })
            })
            .collect();
        (0..600).for_each(|n| queue.put(&n).unwrap());
        let of_threads: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        let of_tasks: u64 = tasks.into_iter().map(|task| runtime.block_on(task).unwrap()).sum();
        assert_eq!(of_threads + of_tasks, (0..600).sum());
    });
}

#[test]
fn a_future_that_is_dropped_holds_up_nobody() {
    let _watchdog = watch("dropped");
    let manager = Manager::start().unwrap();
    let (event, value): (Event, Value<u64>) =
        (manager.event().unwrap(), manager.value(&3).unwrap());
    let runtime = one_thread();
    runtime.block_on(async {
        let waiting = tokio::time::timeout(Duration::from_millis(20), event.wait_async());
        assert!(waiting.await.is_err());
        assert_eq!(value.get_async().await.unwrap(), 3);
    });
    // The runtime does not wait for what nobody wants.
    drop(runtime);
    assert_eq!(value.get().unwrap(), 3);
    // The call still waits, until the event comes, and is set.
    wait_until(&manager, "it waits", |stats| stats.waiting == 1);
    event.set().unwrap();
    wait_until(&manager, "it is over", |stats| stats.waiting == 0);
}

#[test]
fn tasks_are_told_when_the_manager_goes() {
    let _watchdog = watch("goes");
    let manager = Manager::start().unwrap();
    let event: Event = manager.event().unwrap();
    one_thread().block_on(async {
        let waiting = tokio::spawn({
            let event = event.clone();
            async move { event.wait_async().await }
        });
        while manager.stats().unwrap().waiting == 0 {
            tokio::task::yield_now().await;
        }
        manager.shutdown().unwrap();
        assert!(matches!(waiting.await.unwrap(), Err(Error::Lost)));
        assert!(matches!(event.wait_async().await, Err(Error::Disconnected)));
    });
}

#[test]
fn tasks_go_on_when_the_network_breaks() {
    let _watchdog = watch("breaks");
    let builder = Manager::builder().address(&Address::tcp("127.0.0.1:0").unwrap()).key("key");
    let server = builder.reconnect_grace(Duration::from_secs(60)).serve().unwrap();
    let proxy = Proxy::to(server.address());
    let manager = Manager::connector(proxy.address()).key("key").connect().unwrap();
    let list: List<u64> = manager.list().unwrap();
    one_thread().block_on(async {
        for n in 0..30 {
            list.push_async(&n).await.unwrap();
            proxy.cut();
        }
        assert_eq!(list.len_async().await.unwrap(), 30);
    });
    assert_eq!(list.to_vec().unwrap(), (0..30).collect::<Vec<_>>());
}

/// Makes an object with so many lines in its log, and the manager that it is in.
fn with_log(n: i64) -> (Manager, Remote<Account>) {
    let manager = common::builder().register::<Account>().start().unwrap();
    let account = manager.create::<Account>(0).unwrap();
    for amount in 0..n {
        account.call::<_, i64>("pay_in", &amount).unwrap();
    }
    (manager, account)
}

#[test]
fn tasks_and_threads_take_items_out_of_an_iterator() {
    let _watchdog = watch("items in tasks");
    let (manager, account) = with_log(50);
    one_thread().block_on(async {
        let mut ahead: RemoteIter<String> =
            account.iterate_async("log_from", &40_usize).await.unwrap();
        let mut log: RemoteIter<String> = account.iterate("log_from", &0_usize).unwrap();
        for n in 0..40 {
            let next = if n % 3 == 0 { log.next() } else { log.next_async().await };
            assert_eq!(next.unwrap().unwrap(), format!("+{n}"));
        }
        // Both are on their way together.
        for n in 40..50 {
            let (one, other) = tokio::join!(ahead.next_async(), log.next_async());
            let expected = format!("+{n}");
            assert_eq!(
                (one.unwrap().unwrap(), other.unwrap().unwrap()),
                (expected.clone(), expected)
            );
        }
        assert!(ahead.next_async().await.is_none() && log.next_async().await.is_none());
        let refused = account.iterate_async::<_, u8>("log", &()).await;
        assert!(matches!(refused, Err(Error::NoSuchMethod(_))));
    });
    drop(account);
    wait_until(&manager, "nothing is left", |stats| (stats.objects, stats.references) == (0, 0));
}

#[test]
fn no_item_is_lost_with_a_future_that_is_dropped() {
    let _watchdog = watch("dropped futures");
    let (manager, account) = with_log(200);
    let runtime = one_thread();
    let mut log: RemoteIter<String> = account.iterate("log_from", &0_usize).unwrap();
    for n in 0..200 {
        // Polled once: it was under way, or what it would have returned is lost.
        let polled = runtime.block_on(poll_fn(|context| Poll::Ready(log.poll_next(context))));
        let next = match polled {
            Poll::Ready(next) => next,
            Poll::Pending if n % 2 == 0 => log.next(),
            Poll::Pending => runtime.block_on(log.next_async()),
        };
        assert_eq!(next.unwrap().unwrap(), format!("+{n}"));
    }
    // One that is dropped while its items are under way leaves nothing.
    let mut other: RemoteIter<String> = account.iterate("log_from", &0_usize).unwrap();
    let polled = poll_fn(|context| Poll::Ready(other.poll_next(context)));
    drop(runtime.block_on(polled));
    drop((other, log));
    wait_until(&manager, "the account is left", |stats| {
        (stats.objects, stats.references) == (1, 1)
    });
}
