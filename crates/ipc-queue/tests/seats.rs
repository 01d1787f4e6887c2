//! Seats: who may use a queue, and when a seat is free again.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ipc_queue::{Builder, ByteQueue, GetError, PutError, SeatError};
use testkit::Watchdog;

fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(60), what)
}

fn queue(seats: usize) -> ByteQueue {
    Builder::new(4).seats(seats).bytes().unwrap()
}

/// Another handle to the memory, as a stranger opens it: its threads sit down anew.
fn reopened(queue: &ByteQueue) -> ByteQueue {
    ByteQueue::from_segment(queue.segment().clone()).unwrap()
}

fn finds_no_seat(queue: &ByteQueue, seats: usize) -> bool {
    let all_taken = SeatError::AllTaken { n_seats: seats };
    let get = matches!(queue.try_get(), Err(GetError::NoSeat(error)) if error == all_taken);
    let put = queue.try_put(b"x");
    get && matches!(put, Err(PutError::NoSeat { value: b"x", source }) if source == all_taken)
}

#[test]
fn more_threads_than_seats_find_none_until_one_has_ended() {
    let _watchdog = watch("threads and seats");
    let queue = queue(2);
    thread::scope(|scope| {
        let (stay, until) = mpsc::channel::<()>();
        let (sat, has_sat) = mpsc::channel();
        let other = scope.spawn({
            let queue = queue.clone();
            move || {
                queue.put(b"from the other").unwrap();
                sat.send(()).unwrap();
                until.recv().ok();
            }
        });
        has_sat.recv().unwrap();
        assert_eq!(queue.get().unwrap(), b"from the other");
        // Both seats are taken: by the other thread and by this one.
        scope.spawn(|| assert!(finds_no_seat(&queue, 2))).join().unwrap();
        assert_eq!(queue.stats().users, 2);
        drop(stay);
        other.join().unwrap();
        scope.spawn(|| queue.put(b"now").unwrap()).join().unwrap();
        assert_eq!(queue.get().unwrap(), b"now");
    });
}

#[test]
fn looking_at_a_queue_and_closing_it_takes_no_seat() {
    let queue = queue(1);
    queue.put(b"x").unwrap();
    thread::scope(|scope| {
        let look = || {
            queue.close();
            (queue.len(), queue.is_full(), queue.is_closed(), queue.stats().users)
        };
        assert_eq!(scope.spawn(look).join().unwrap(), (1, false, true, 1));
    });
}

#[test]
fn threads_that_end_give_their_seats_back_for_ever() {
    let queue = queue(1);
    // Joined by hand: a scope does not wait for the destructors of its threads.
    thread::scope(|scope| {
        for number in 0..100_u8 {
            let queue = &queue;
            scope.spawn(move || queue.put(&[number]).unwrap()).join().unwrap();
            let got = scope.spawn(move || queue.get().unwrap()).join().unwrap();
            assert_eq!(got, [number]);
        }
    });
    let stats = queue.stats();
    assert_eq!((stats.users, stats.dead_users), (0, 0), "they left, and did not die");
}

#[test]
fn the_last_handle_gives_the_seat_back() {
    let first = queue(1);
    first.put(b"x").unwrap();
    let second = reopened(&first);
    assert!(finds_no_seat(&second, 1));
    let clone = first.clone();
    drop(first);
    assert!(finds_no_seat(&second, 1), "a clone is left");
    drop(clone);
    assert_eq!(second.get().unwrap(), b"x");
}

#[test]
fn a_seat_whose_handles_another_thread_dropped_is_given_back_at_the_next_sitting() {
    let first = queue(1);
    first.put(b"x").unwrap();
    let second = reopened(&first);
    thread::scope(|scope| {
        scope.spawn(move || drop(first));
    });
    // This thread still has the seat, and notices when it sits down at the same memory again.
    assert_eq!(second.get().unwrap(), b"x");
}

#[test]
fn a_seat_whose_handles_another_thread_dropped_is_given_back_at_a_sitting_elsewhere() {
    let [gone, one, other] = [queue(1), queue(2), queue(2)];
    gone.put(b"x").unwrap();
    let stranger = reopened(&gone);
    // The thread knows its seats here, and need not look for them.
    let go_on = || {
        for queue in [&one, &other] {
            queue.put(b"y").unwrap();
            assert_eq!(queue.get().unwrap(), b"y");
        }
    };
    go_on();
    thread::scope(|scope| {
        scope.spawn(|| assert!(finds_no_seat(&stranger, 1)));
    });
    thread::scope(|scope| {
        scope.spawn(move || drop(gone));
    });
    go_on();
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(stranger.get().unwrap(), b"x"));
    });
}

#[test]
fn a_thread_may_use_many_queues_in_turn() {
    let queues: Vec<_> = (0..100).map(|_| queue(1)).collect();
    for round in 0..3_u8 {
        for (number, queue) in (0..).zip(&queues) {
            queue.put(&[number, round]).unwrap();
        }
        for (number, queue) in (0..).zip(&queues) {
            assert_eq!(queue.get().unwrap(), [number, round]);
        }
    }
    for queue in queues {
        let other = reopened(&queue);
        assert!(finds_no_seat(&other, 1));
        drop(queue);
        other.put(b"again").unwrap();
    }
}

#[test]
fn a_thread_that_holds_too_much_is_told() {
    const MOST: usize = ipc_core::robust::MAX_HELD;
    let first = Builder::new(4).seats(MOST + 100).bytes().unwrap();
    let mut handles = Vec::new();
    let error = loop {
        let handle = reopened(&first);
        match handle.try_get() {
            Err(GetError::Empty) => handles.push(handle),
            Err(error) => break error,
            Ok(_) => unreachable!("nothing was put"),
        }
    };
    assert!(matches!(error, GetError::NoSeat(SeatError::TooManyHeld(_))), "{error}");
    assert!(handles.len() <= MOST);
    // Others are not concerned, and one less is enough.
    thread::scope(|scope| {
        scope.spawn(|| reopened(&first).put(b"x").unwrap());
    });
    handles.pop();
    assert_eq!(reopened(&first).get().unwrap(), b"x");
}

#[test]
fn a_thread_local_that_outlives_the_seats_can_still_put() {
    struct PutsAtTheEnd(ByteQueue);
    impl Drop for PutsAtTheEnd {
        fn drop(&mut self) {
            self.0.put(b"the end").unwrap();
        }
    }
    thread_local! {
        static LAST: std::cell::RefCell<Option<PutsAtTheEnd>> = const { std::cell::RefCell::new(None) };
    }
    let queue = queue(2);
    // Destroyed after the seats that the thread remembers, and before them.
    for is_later in [true, false, true] {
        let user = thread::spawn({
            let queue = queue.clone();
            move || {
                if is_later {
                    LAST.set(Some(PutsAtTheEnd(queue.clone())));
                }
                queue.put(b"the beginning").unwrap();
                LAST.set(Some(PutsAtTheEnd(queue)));
            }
        });
        user.join().unwrap();
        assert_eq!(queue.get().unwrap(), b"the beginning");
        if is_later {
            assert_eq!(queue.get().unwrap(), b"the end", "of the first value");
        }
        assert_eq!(queue.get().unwrap(), b"the end");
        assert_eq!(queue.stats().users, 1, "nobody but this thread");
    }
}
