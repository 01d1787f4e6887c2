//! Joinable queues among threads, and among processes that live.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a helper of tests ends them")]

use std::mem::ManuallyDrop;
use std::thread;
use std::time::Duration;

use ipc_queue::{
    Builder, GetError, JoinableQueue, JoinableReceiver, PutError, Queue, QueueError,
    UnfinishedError,
};
use testkit::Watchdog;

fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(120), what)
}

fn queue(capacity: usize) -> JoinableQueue<u32> {
    Builder::new(capacity).seats(8).without_backstop().joinable().unwrap()
}

#[test]
fn what_is_put_is_got_once_and_is_unfinished_until_it_is_done() {
    let queue = queue(4);
    queue.join().unwrap();
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!((queue.len(), queue.unfinished()), (2, 2));
    let first = queue.get().unwrap();
    assert_eq!((*first, first.deliveries()), (1, 1));
    assert_eq!((queue.len(), queue.unfinished()), (1, 2));
    assert_eq!(queue.get().unwrap().done(), Ok(2));
    assert_eq!((queue.len(), queue.unfinished()), (0, 1));
    assert!(matches!(queue.try_get(), Err(GetError::Empty)));
    drop(first);
    assert_eq!(queue.unfinished(), 0);
    queue.join().unwrap();
}

#[test]
fn what_is_given_back_is_handed_out_again_and_counted() {
    let queue = queue(4);
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    for times in 1..=1100 {
        let lease = queue.get().unwrap();
        assert_eq!((*lease, lease.deliveries()), (1, times.min(1023)));
        assert_eq!(lease.fail(), Ok(()));
        assert_eq!((queue.len(), queue.unfinished()), (1, 2));
    }
    let (one, two) = (queue.get().unwrap(), queue.get().unwrap());
    assert_eq!((*one, *two, two.deliveries()), (1, 2, 1));
    assert_eq!(queue.stats().redelivered, 1100);
    one.done().unwrap();
    two.done().unwrap();
    queue.join().unwrap();
}

#[test]
fn what_is_changed_in_a_lease_is_not_changed_in_the_queue() {
    let queue = queue(1);
    queue.put(1).unwrap();
    let mut lease = queue.get().unwrap();
    *lease += 6;
    assert_eq!(*lease, 7);
    lease.fail().unwrap();
    assert_eq!(queue.get().unwrap().done(), Ok(1));
}

#[test]
fn a_panic_with_a_lease_in_hand_gives_it_back() {
    let _watchdog = watch("a panic");
    let queue = queue(2);
    queue.put(7).unwrap();
    let worker = queue.clone();
    let ended = thread::spawn(move || {
        let lease = worker.get().unwrap();
        assert_eq!(*lease, 8, "this fails, and is meant to");
    });
    assert!(ended.join().is_err());
    let lease = queue.get().unwrap();
    assert_eq!((*lease, lease.deliveries()), (7, 2));
    lease.done().unwrap();
    queue.join().unwrap();
}

#[test]
fn what_is_taken_and_dropped_in_the_course_of_a_panic_is_done() {
    struct GetsWhenDropped(JoinableQueue<u32>);
    impl Drop for GetsWhenDropped {
        fn drop(&mut self) {
            drop(self.0.get().unwrap());
        }
    }
    let queue = queue(2);
    queue.put(7).unwrap();
    let late = GetsWhenDropped(queue.clone());
    let ended = thread::spawn(move || {
        let _late = late;
        panic!("meant to");
    });
    assert!(ended.join().is_err());
    queue.join().unwrap();
}

#[test]
fn join_waits_for_what_is_in_hand_and_for_what_came_of_it() {
    let _watchdog = watch("join");
    let queue = queue(64);
    queue.put(6).unwrap();
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let queue = queue.clone();
            thread::spawn(move || {
                let mut n_done = 0;
                while let Ok(depth) = queue.get() {
                    // A tree of work: each puts two before it is done.
                    for _ in 0..2 {
                        if *depth > 0 {
                            queue.put(*depth - 1).unwrap();
                        }
                    }
                    depth.done().unwrap();
                    n_done += 1;
                }
                n_done
            })
        })
        .collect();
    queue.join().unwrap();
    assert_eq!(queue.unfinished(), 0);
    queue.close();
    let n_done: u32 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    assert_eq!(n_done, 127);
}

#[test]
fn join_has_all_forms() {
    let _watchdog = watch("forms of join");
    let queue = queue(2);
    queue.put(1).unwrap();
    assert_eq!(queue.try_join(), Err(UnfinishedError::Unfinished));
    assert_eq!(queue.join_timeout(Duration::from_millis(1)), Err(UnfinishedError::TimedOut));
    assert_eq!(queue.join_deadline(ipc_core::Deadline::now()), Err(UnfinishedError::TimedOut));
    let lease = queue.get().unwrap();
    assert_eq!(queue.join(), Err(UnfinishedError::ByCaller));
    assert_eq!(queue.clone().join(), Err(UnfinishedError::ByCaller));
    let (other, _) = (queue.sender().unwrap(), queue.receiver().unwrap());
    assert_eq!(other.join(), Err(UnfinishedError::ByCaller), "whatever the handle");
    lease.done().unwrap();
    for joined in [queue.join(), queue.try_join(), queue.join_timeout(Duration::ZERO)] {
        assert_eq!(joined, Ok(()));
    }
}

#[test]
fn join_waits_where_nobody_else_is_at_the_table() {
    let _watchdog = watch("a join alone");
    let queue = queue(2);
    let putter = queue.clone();
    thread::spawn(move || putter.put(1).unwrap()).join().unwrap();
    assert_eq!(queue.stats().queue.users, 0);
    assert_eq!(queue.join_timeout(Duration::from_millis(5)), Err(UnfinishedError::TimedOut));
    let joiner = queue.clone();
    let joining = thread::spawn(move || joiner.join());
    while !queue.stats().joiners_wait {
        thread::yield_now();
    }
    queue.get().unwrap().done().unwrap();
    assert_eq!(joining.join().unwrap(), Ok(()));
}

#[test]
fn several_can_join() {
    let _watchdog = watch("several joiners");
    for _ in 0..50 {
        let queue = queue(4);
        (0..4).for_each(|number| queue.put(number).unwrap());
        let joiners: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                thread::spawn(move || queue.join())
            })
            .collect();
        for _ in 0..4 {
            thread::yield_now();
            queue.get().unwrap().done().unwrap();
        }
        for joiner in joiners {
            assert_eq!(joiner.join().unwrap(), Ok(()));
        }
    }
}

#[test]
fn get_and_put_have_all_forms() {
    let _watchdog = watch("forms of get and put");
    let queue = queue(1);
    let short = Duration::from_millis(1);
    assert!(matches!(queue.try_get(), Err(GetError::Empty)));
    assert!(matches!(queue.get_timeout(short), Err(GetError::TimedOut)));
    assert!(matches!(queue.get_deadline(ipc_core::Deadline::now()), Err(GetError::TimedOut)));
    queue.put_timeout(1, short).unwrap();
    assert!(matches!(queue.try_put(2), Err(PutError::Full(2))));
    assert!(matches!(queue.put_timeout(2, short), Err(PutError::TimedOut(2))));
    assert_eq!((queue.is_full(), queue.len(), queue.unfinished()), (true, 1, 1));
    let lease = queue.get_timeout(short).unwrap();
    queue.put_deadline(2, ipc_core::Deadline::after(short)).unwrap();
    assert_eq!(queue.unfinished(), 2, "the bound is on those that wait");
    drop(lease);
    queue.close();
    assert!(queue.is_closed());
    assert!(matches!(queue.put(3), Err(PutError::Closed(3))));
    queue.get().unwrap().fail().unwrap();
    let again = queue.get().unwrap();
    assert_eq!((*again, again.deliveries()), (2, 2));
    assert!(matches!(queue.try_get(), Err(GetError::Closed)));
    again.done().unwrap();
    assert!(matches!(queue.get(), Err(GetError::Closed)));
}

#[test]
fn values_of_any_length_are_kept_and_their_memory_comes_back() {
    let queue = Builder::new(3).max_bytes(8 << 20).retain_bytes(0).joinable::<Vec<u8>>().unwrap();
    for len in [0, 1, 112, 4096, 5000, 3 << 20] {
        queue.put(vec![7; len]).unwrap();
        queue.get().unwrap().fail().unwrap();
        let lease = queue.get().unwrap();
        assert_eq!((lease.len(), lease.deliveries()), (len, 2));
        assert!(lease.iter().all(|byte| *byte == 7));
        drop(lease);
        let stats = queue.stats();
        assert_eq!((stats.queue.blocks, stats.queue.bytes), (0, 0), "{len}");
    }
    assert!(matches!(queue.put(vec![7; 9 << 20]), Err(PutError::TooLarge { .. })));
    queue.join().unwrap();
}

#[test]
fn who_waits_for_memory_gets_that_of_what_is_done() {
    let _watchdog = watch("memory");
    let queue = Builder::new(2).max_bytes(8 << 10).without_backstop().joinable().unwrap();
    for _ in 0..2 {
        queue.put(vec![1_u8; 4000]).unwrap();
    }
    let (one, two) = (queue.get().unwrap(), queue.get().unwrap());
    assert!(matches!(queue.try_put(vec![1; 4000]), Err(PutError::Full(_))));
    let putter = queue.clone();
    let putting = thread::spawn(move || putter.put(vec![2; 4000]).is_ok());
    one.done().unwrap();
    assert!(putting.join().unwrap());
    two.fail().unwrap();
    assert_eq!((queue.get().unwrap()[0], queue.get().unwrap()[0]), (1, 2));
}

#[test]
fn ends_are_told_when_nobody_is_left() {
    let _watchdog = watch("ends");
    let (sender, receiver) = queue(4).split().unwrap();
    sender.put(1).unwrap();
    sender.put(2).unwrap();
    let lease = receiver.get().unwrap();
    let other = receiver.clone();
    lease.done().unwrap();
    drop(receiver);
    assert_eq!(sender.join_timeout(Duration::from_millis(1)), Err(UnfinishedError::TimedOut));
    drop(other);
    assert_eq!(sender.join(), Err(UnfinishedError::Disconnected));
    assert_eq!(sender.try_join(), Err(UnfinishedError::Unfinished));
    assert!(matches!(sender.put(3), Err(PutError::Disconnected(3))));

    let (sender, receiver): (_, JoinableReceiver<u32>) = queue(4).split().unwrap();
    sender.put(1).unwrap();
    drop(sender);
    receiver.get().unwrap().fail().unwrap();
    let lease = receiver.get().unwrap();
    assert!(matches!(receiver.get(), Err(GetError::Disconnected)));
    lease.done().unwrap();
    receiver.join().unwrap();
}

#[test]
fn a_joiner_asleep_is_told_when_the_last_getter_goes() {
    let _watchdog = watch("the last getter goes");
    let (sender, receiver) = JoinableQueue::<u32>::bounded(4).unwrap().split().unwrap();
    sender.put(1).unwrap();
    let joining = thread::spawn(move || sender.join());
    while !receiver.stats().joiners_wait {
        thread::yield_now();
    }
    drop(receiver);
    assert_eq!(joining.join().unwrap(), Err(UnfinishedError::Disconnected));
}

#[test]
fn a_value_that_is_no_value_is_told_of_and_finished() {
    #[derive(serde::Serialize)]
    struct Odd(bool);
    impl<'de> serde::Deserialize<'de> for Odd {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            match bool::deserialize(from)? {
                true => Ok(Self(true)),
                false => Err(serde::de::Error::custom("odd")),
            }
        }
    }
    let queue = JoinableQueue::bounded(2).unwrap();
    queue.put(Odd(false)).unwrap();
    queue.put(Odd(true)).unwrap();
    assert!(matches!(queue.get(), Err(GetError::Decode(_))));
    assert_eq!(queue.unfinished(), 1);
    assert!(queue.get().unwrap().0);
    queue.join().unwrap();
}

#[test]
fn other_queues_are_not_opened_as_joinable_ones() {
    let plain = Queue::<u32>::bounded(2).unwrap();
    let joinable = queue(2);
    let refused = JoinableQueue::<u32>::from_segment(plain.segment().clone());
    assert!(matches!(refused, Err(QueueError::Segment(_))));
    let refused = Queue::<u32>::from_segment(joinable.segment().clone());
    assert!(matches!(refused, Err(QueueError::Segment(_))));
    let refused = JoinableQueue::<u64>::from_segment(joinable.segment().clone());
    assert!(matches!(refused, Err(QueueError::Segment(_))));
    let same = JoinableQueue::<u32>::from_segment(joinable.segment().clone()).unwrap();
    assert!(same.same_queue(&joinable));
}

#[test]
fn a_joinable_queue_can_have_a_name() {
    let name = format!("ipc-queue-joinable-{}", ipc_core::ProcessId::current().unwrap());
    let here = JoinableQueue::<u32>::open_or_create(&name, 2).unwrap();
    let there = JoinableQueue::<u32>::open_named(&name).unwrap();
    assert!(JoinableQueue::<u32>::create_named(&name, 2).is_err());
    here.put(1).unwrap();
    there.get().unwrap().done().unwrap();
    here.join().unwrap();
    JoinableQueue::<u32>::unlink(&name).unwrap();
    assert!(JoinableQueue::<u32>::open_named(&name).is_err());
}

#[test]
fn a_thread_that_ends_with_a_forgotten_lease_is_a_dead_one() {
    let _watchdog = watch("a forgotten lease");
    let queue = queue(2);
    queue.put(1).unwrap();
    let worker = queue.clone();
    let forgets = move || ManuallyDrop::new(worker.get().unwrap()).deliveries();
    thread::spawn(forgets).join().unwrap();
    let lease = queue.get().unwrap();
    assert_eq!((*lease, lease.deliveries()), (1, 2));
}
