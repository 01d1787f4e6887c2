//! `ByteQueue` between threads: order, room, waiting, closing.
#![cfg(not(ipc_loom))]

use std::thread;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_queue::{Builder, ByteQueue, GetError, PutError};
use testkit::Watchdog;

/// So short that it only shows that a deadline ends a wait.
const SHORT: Duration = Duration::from_millis(5);

fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(60), what)
}

/// A message that shows where it was cut or mixed up.
fn message(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + seed * 31 + at / 251).to_le_bytes()[0]).collect()
}

/// Looks until a getter, or a putter, has announced that it may sleep.
fn until_asleep(queue: &ByteQueue, is_asleep: impl Fn(&ByteQueue) -> bool) {
    while !is_asleep(queue) {
        thread::yield_now();
    }
}

fn a_getter_waits(queue: &ByteQueue) -> bool {
    queue.stats().getters_wait
}

fn a_putter_waits(queue: &ByteQueue) -> bool {
    queue.stats().putters_wait
}

#[test]
fn messages_come_out_in_the_order_in_which_they_went_in() {
    let queue = ByteQueue::bounded(7).unwrap();
    let mut got = 0_u32;
    for number in 0..1000_u32 {
        queue.put(&number.to_le_bytes()).unwrap();
        // Between empty and full, and several times around.
        while queue.len() > (number % 7) as usize {
            assert_eq!(queue.get().unwrap(), got.to_le_bytes());
            got += 1;
        }
    }
}

#[test]
fn the_capacity_is_exact_whatever_the_number() {
    for capacity in [1, 2, 3, 5, 7, 64, 1000, 1025] {
        let queue = ByteQueue::bounded(capacity).unwrap();
        assert_eq!(queue.capacity(), capacity);
        for round in 0..3 {
            assert!(queue.is_empty() && !queue.is_full());
            for n_put in 0..capacity {
                assert_eq!((queue.len(), queue.is_full()), (n_put, false), "round {round}");
                queue.try_put(&message(8, n_put)).unwrap();
            }
            assert!(queue.is_full() && !queue.is_empty());
            assert!(matches!(queue.try_put(b"more"), Err(PutError::Full(b"more"))));
            assert_eq!(queue.len(), capacity, "what was refused is not in");
            for n_got in 0..capacity {
                assert_eq!(queue.len(), capacity - n_got);
                assert_eq!(queue.try_get().unwrap(), message(8, n_got));
            }
            assert!(matches!(queue.try_get(), Err(GetError::Empty)));
        }
    }
}

#[test]
fn a_refused_message_is_the_one_that_was_given() {
    let queue = ByteQueue::bounded(1).unwrap();
    queue.put(b"first").unwrap();
    let bytes = message(20, 5);
    let is_given = |error: PutError<&[u8]>| {
        let is_full = error.is_full();
        (is_full, std::ptr::eq(error.into_inner(), &raw const bytes[..]))
    };
    assert_eq!(is_given(queue.try_put(&bytes).unwrap_err()), (true, true));
    assert_eq!(is_given(queue.put_timeout(&bytes, SHORT).unwrap_err()), (true, true));
    queue.close();
    assert_eq!(is_given(queue.put(&bytes).unwrap_err()), (false, true));
}

#[test]
fn a_deadline_ends_a_wait_and_one_that_is_past_is_no_wait() {
    let _watchdog = watch("deadlines");
    let queue = ByteQueue::bounded(1).unwrap();
    assert!(matches!(queue.get_timeout(SHORT), Err(GetError::TimedOut)));
    assert!(matches!(queue.get_timeout(Duration::ZERO), Err(GetError::TimedOut)));
    assert!(matches!(queue.get_deadline(Deadline::now()), Err(GetError::TimedOut)));
    queue.put_deadline(b"one", Deadline::now()).unwrap();
    assert!(matches!(queue.put_timeout(b"two", SHORT), Err(PutError::TimedOut(b"two"))));
    assert!(matches!(queue.put_timeout(b"two", Duration::ZERO), Err(PutError::TimedOut(_))));
    assert!(matches!(queue.put_deadline(b"two", Deadline::now()), Err(PutError::TimedOut(_))));
    // What is there is had, even if the time is over.
    assert_eq!(queue.get_deadline(Deadline::now()).unwrap(), b"one");
}

#[test]
fn a_timeout_is_at_least_as_long_as_it_says() {
    let queue = Builder::new(1).without_backstop().bytes().unwrap();
    let start = std::time::Instant::now();
    let timeout = Duration::from_millis(30);
    assert!(matches!(queue.get_timeout(timeout), Err(GetError::TimedOut)));
    assert!(start.elapsed() >= timeout);
    queue.put(b"x").unwrap();
    let start = std::time::Instant::now();
    assert!(matches!(queue.put_timeout(b"y", timeout), Err(PutError::TimedOut(_))));
    assert!(start.elapsed() >= timeout);
}

#[test]
fn a_sleeping_getter_is_woken_by_a_put_and_a_sleeping_putter_by_a_get() {
    let _watchdog = watch("a put wakes a getter, a get wakes a putter");
    let queue = Builder::new(1).without_backstop().bytes().unwrap();
    thread::scope(|scope| {
        for number in 0..100_u32 {
            let getter = scope.spawn(|| queue.get());
            until_asleep(&queue, a_getter_waits);
            queue.put(&number.to_le_bytes()).unwrap();
            assert_eq!(getter.join().unwrap().unwrap(), number.to_le_bytes());

            queue.put(b"in the way").unwrap();
            let bytes = number.to_le_bytes();
            let queue = &queue;
            let putter = scope.spawn(move || queue.put(&bytes).map_err(|error| error.to_string()));
            until_asleep(queue, a_putter_waits);
            assert_eq!(queue.get().unwrap(), b"in the way");
            putter.join().unwrap().unwrap();
            assert_eq!(queue.get().unwrap(), bytes);
        }
    });
}

#[test]
fn what_was_put_before_the_close_can_still_be_got() {
    let queue = ByteQueue::bounded(3).unwrap();
    queue.put(b"one").unwrap();
    queue.put(b"two").unwrap();
    assert!(!queue.is_closed());
    queue.close();
    queue.close();
    assert!(queue.is_closed() && queue.clone().is_closed());
    let error = queue.put(b"three").unwrap_err();
    assert!(error.is_closed() && !error.is_full());
    assert!(matches!(queue.try_put(b"three"), Err(PutError::Closed(b"three"))));
    assert!(matches!(queue.put_timeout(b"three", SHORT), Err(PutError::Closed(_))));
    assert_eq!(queue.len(), 2);
    assert_eq!(queue.get().unwrap(), b"one");
    assert_eq!(queue.try_get().unwrap(), b"two");
    assert!(queue.try_get().unwrap_err().is_closed());
    assert!(queue.get().unwrap_err().is_closed());
    assert!(queue.get_timeout(SHORT).unwrap_err().is_closed());
    assert!(queue.is_empty());
}

#[test]
fn puts_into_a_closed_queue_leave_nothing_behind() {
    let queue = ByteQueue::bounded(3).unwrap();
    queue.close();
    for _ in 0..10 {
        assert!(queue.put(b"late").unwrap_err().is_closed());
        assert!(queue.try_put(b"late").unwrap_err().is_closed());
        assert!(queue.is_empty());
    }
    assert_eq!(queue.stats().deaths_repaired, 0);
    assert!(queue.get().unwrap_err().is_closed());
}

#[test]
fn a_put_into_a_queue_that_is_full_and_closed_says_closed() {
    let queue = ByteQueue::bounded(1).unwrap();
    queue.put(b"one").unwrap();
    queue.close();
    assert!(queue.try_put(b"two").unwrap_err().is_closed());
    assert!(queue.put(b"two").unwrap_err().is_closed());
    assert_eq!(queue.get().unwrap(), b"one");
    assert!(queue.get().unwrap_err().is_closed());
}

#[test]
fn closing_wakes_all_who_sleep() {
    let _watchdog = watch("close wakes everybody");
    for round in 0..20 {
        let queue = Builder::new(2).without_backstop().bytes().unwrap();
        let is_full = round % 2 == 0;
        if is_full {
            queue.put(b"one").unwrap();
            queue.put(b"two").unwrap();
        }
        thread::scope(|scope| {
            let sleepers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| match is_full {
                        true => queue.put(b"more").unwrap_err().is_closed(),
                        false => queue.get().unwrap_err().is_closed(),
                    })
                })
                .collect();
            until_asleep(&queue, if is_full { a_putter_waits } else { a_getter_waits });
            queue.close();
            for sleeper in sleepers {
                assert!(sleeper.join().unwrap());
            }
        });
    }
}

#[test]
fn a_buffer_is_used_again_and_is_empty_after_an_error() {
    let queue = ByteQueue::bounded(40).unwrap();
    let mut buffer = Vec::with_capacity(4096);
    let begin = buffer.as_ptr();
    queue.put(&message(4000, 6)).unwrap();
    queue.put(b"short").unwrap();
    queue.get_into(&mut buffer, Deadline::now()).unwrap();
    assert_eq!(buffer, message(4000, 6));
    queue.try_get_into(&mut buffer).unwrap();
    assert_eq!(buffer, b"short");
    assert_eq!(buffer.as_ptr(), begin, "nothing was allocated");
    assert!(matches!(queue.try_get_into(&mut buffer), Err(GetError::Empty)));
    assert!(buffer.is_empty());
    buffer.extend(b"old");
    let error = queue.get_into(&mut buffer, Deadline::now()).unwrap_err();
    assert!(matches!(error, GetError::TimedOut) && error.is_empty() && buffer.is_empty());
}

#[test]
fn clones_are_handles_to_the_same_queue() {
    let queue = ByteQueue::bounded(2).unwrap();
    let other = queue.clone();
    queue.put(b"one").unwrap();
    drop(queue);
    assert_eq!((other.len(), other.get().unwrap()), (1, b"one".to_vec()));
    assert_eq!(other.clone().segment().id(), other.segment().id());
}

#[test]
fn the_stats_tell_who_waits_and_what_is_there() {
    let _watchdog = watch("stats");
    let queue = Builder::new(2).seats(4).bytes().unwrap();
    let stats = queue.stats();
    assert_eq!((stats.len, stats.capacity, stats.closed), (0, 2, false));
    assert_eq!((stats.users, stats.dead_users, stats.deaths_repaired), (0, 0, 0));
    assert!(!stats.getters_wait && !stats.putters_wait);
    queue.put(b"one").unwrap();
    queue.put(b"two").unwrap();
    let stats = queue.stats();
    assert_eq!((stats.len, stats.users), (2, 1));
    thread::scope(|scope| {
        let putter = scope.spawn(|| queue.put(b"three").is_ok());
        until_asleep(&queue, a_putter_waits);
        let stats = queue.stats();
        assert_eq!((stats.users, stats.getters_wait), (2, false));
        queue.close();
        assert!(!putter.join().unwrap());
    });
    assert!(queue.stats().closed);
}

#[test]
fn a_queue_says_in_short_what_it_is() {
    let queue = ByteQueue::bounded(3).unwrap();
    queue.put(b"secret").unwrap();
    let text = format!("{queue:?}");
    assert_eq!(text, "ByteQueue { len: 1, capacity: 3, closed: false, .. }");
    queue.close();
    assert!(format!("{queue:?}").contains("closed: true"));
}
