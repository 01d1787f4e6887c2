//! Memory that a stranger writes into while it is used: operations end, with errors or with wrong
//! values, and touch nothing else.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod scribble;

use std::thread;
use std::time::Duration;

use ipc_core::primitive::Ordering::Relaxed;
use ipc_queue::{ByteQueue, GetError, PutError};
use proptest::prelude::*;
use testkit::seed::Rng;
use testkit::{Counter, Watchdog};

use scribble::{Places, position_bits, queue, slot_bits, use_all, word};

fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(240), what)
}

fn write(queue: &ByteQueue, place: usize, value: u64) {
    word(queue, place).unwrap().store(value, Relaxed);
}

fn look(queue: &ByteQueue, place: usize) -> u64 {
    word(queue, place).unwrap().load(Relaxed)
}

/// The first of the two words in this place.
fn low_half(queue: &ByteQueue, place: usize) -> u64 {
    look(queue, place) & u64::from(u32::MAX)
}

#[test]
fn the_words_lie_where_the_tests_write() {
    let (queue, places) = queue(3, 2, 112).unwrap();
    assert!(places.all().iter().all(|&place| look(&queue, place) == 0 || place == 0));
    queue.put(b"four").unwrap();
    assert_eq!(look(&queue, Places::TAIL), position_bits(0, 1));
    assert_eq!(look(&queue, Places::HEAD), 0);
    assert_eq!(look(&queue, places.slot(0)), slot_bits(1, 0, 1));
    assert_eq!(low_half(&queue, places.slot(0) + 8), 4);
    assert_ne!(low_half(&queue, places.life(0)), 0);
    assert_eq!(low_half(&queue, places.life(1)), 0);
    queue.get().unwrap();
    assert_eq!(look(&queue, places.slot(0)), slot_bits(2, 0, 0));
    assert_eq!(look(&queue, Places::HEAD), position_bits(0, 1));
    queue.try_get().unwrap_err();
    queue.get_timeout(Duration::from_millis(1)).unwrap_err();
    assert_eq!(low_half(&queue, Places::BELLS), 1 << 31);
    queue.close();
    assert_eq!(low_half(&queue, Places::ALARM), 1 << 31);
    // A hole of a dead owner, who sits in no seat that there is.
    write(&queue, places.slot(1), slot_bits(0, 3000, 1));
    queue.get().unwrap_err();
    assert_eq!((look(&queue, Places::RETIRED), queue.stats().deaths_repaired), (1, 1));
    assert_eq!(queue.segment().len(), places.slot(2) + 128);
}

#[test]
fn impossible_words_are_told_of_as_such() {
    // A message of no slots, and one of more than there are, claimed by somebody who lives.
    for span in [0, 4, 0xfff] {
        let (queue, places) = queue(3, 2, 112).unwrap();
        queue.put(b"x").unwrap();
        write(&queue, places.slot(0), slot_bits(1, 1, span));
        assert!(matches!(queue.try_get(), Err(GetError::Corrupt)), "{span}");
        write(&queue, places.slot(1), slot_bits(0, 1, span));
        assert!(matches!(queue.try_put(b"y"), Err(PutError::Corrupt(b"y"))), "{span}");
        let wait = Duration::from_secs(3600);
        assert!(matches!(queue.get_timeout(wait), Err(GetError::Corrupt)), "{span}");
        assert!(matches!(queue.put_timeout(b"y", wait), Err(PutError::Corrupt(_))), "{span}");
    }
    // Positions that are in no ring of three, and those that do not fit the slots.
    let laps = [0, 1, 77, (1 << 39) - 1];
    let outside = laps.iter().map(|&lap| position_bits(lap, 3));
    let inside = laps[1..].iter().map(|&lap| position_bits(lap, 2));
    for bits in outside.chain(inside.clone()).chain([1 << 63, 1 << 63 | 1, u64::MAX]) {
        let (queue, _) = queue(3, 2, 112).unwrap();
        write(&queue, Places::TAIL, bits);
        write(&queue, Places::HEAD, bits);
        let fits = |outcome: bool| assert!(outcome, "{bits:#x}");
        let put = queue.try_put(b"x");
        let get = queue.try_get();
        // The slots are behind the position, or before it: full, empty, or nonsense.
        fits(matches!(put, Err(PutError::Corrupt(_) | PutError::Full(_))));
        fits(matches!(get, Err(GetError::Corrupt | GetError::Empty)));
        assert!(queue.len() <= 3);
    }
    // A message that is longer than its slots.
    let (queue, places) = queue(3, 2, 112).unwrap();
    for len in [113, 4000, u32::MAX] {
        queue.put(b"x").unwrap();
        queue.put(b"next").unwrap();
        let slot = (look(&queue, Places::HEAD) & 0xff_ffff) as usize;
        write(&queue, places.slot(slot) + 8, len.into());
        let mut bytes = Vec::new();
        assert!(matches!(queue.try_get_into(&mut bytes), Err(GetError::Corrupt)), "{len}");
        assert!(bytes.capacity() < 1000, "no memory is taken for it");
        // It was taken, and the next one is whole.
        assert_eq!(queue.get().unwrap(), b"next");
    }
}

#[test]
fn a_long_put_that_finds_nonsense_behind_the_tail_ends() {
    // Behind the free slot of the tail stands one that can only be there if the tail had moved.
    for (cycle, owner) in [(0, 1), (1, 0), (1, 1), (2, 0), (77, 0)] {
        let (queue, places) = queue(4, 2, 112).unwrap();
        queue.put(b"x").unwrap();
        queue.get().unwrap();
        write(&queue, places.slot(2), slot_bits(cycle, owner, 1));
        let long = [1; 300];
        assert!(matches!(queue.try_put(&long), Err(PutError::Corrupt(_))), "{cycle}, {owner}");
    }
}

/// What a word may hold after a stranger has been there.
fn values(was: u64, others: &[u64]) -> Vec<u64> {
    let mut values = vec![0, u64::MAX, 1 << 63, was.wrapping_add(1), was.wrapping_sub(1), !was];
    values.extend((0..64).map(|bit| was ^ 1 << bit));
    for cycle in 0..4 {
        for owner in [0, 1, 2, 4093, 4094, 4095] {
            values.extend([0, 1, 2, 3, 4, 4095].map(|span| slot_bits(cycle, owner, span)));
        }
    }
    values.extend([0, 1, 2, 3].map(|index| position_bits(1, index)));
    values.extend(others);
    values
}

#[test]
fn one_word_may_hold_anything() {
    let _watchdog = watch("one word of nonsense");
    let mut bytes = Vec::new();
    let mut n_states = 0;
    for (n_slots, n_messages) in [(1, 0), (1, 1), (3, 0), (3, 1), (3, 2), (3, 3)] {
        let shape = || queue(n_slots, 3, 48).unwrap();
        let places = shape().1;
        for place in places.all() {
            let fresh = || {
                let (queue, _) = shape();
                // The second lap, so that laps before and behind are both possible.
                for _ in 0..n_slots {
                    queue.put(b"old").unwrap();
                    queue.get().unwrap();
                }
                for _ in 0..n_messages {
                    queue.put(b"new").unwrap();
                }
                queue
            };
            let queue = fresh();
            let others: Vec<u64> =
                places.all().into_iter().map(|other| look(&queue, other)).collect();
            for value in values(look(&queue, place), &others) {
                let queue = fresh();
                write(&queue, place, value);
                use_all(&queue, &mut bytes);
                n_states += 1;
            }
        }
    }
    assert!(n_states > 10_000, "{n_states}");
}

#[test]
fn a_seat_whose_word_was_scribbled_over_leaves_no_trace_of_itself() {
    let _watchdog = watch("scribbled seats");
    for value in [0, u64::MAX, 1, 1 << 30, 1 << 31, 3 << 30] {
        let queues: Vec<_> = (0..4).map(|_| queue(1, 1, 48).unwrap()).collect();
        for (queue, _) in &queues {
            queue.put(b"x").unwrap();
        }
        // The kernel's list of this thread leads through all of them, in this order.
        let mut queues = queues.into_iter();
        let (first, scribbled) = (queues.next().unwrap(), queues.next().unwrap());
        write(&scribbled.0, scribbled.1.life(0), value);
        drop(scribbled);
        // Its memory is gone; so nobody may go there for the sake of its neighbours.
        drop(first);
        let (last, _) = queue(1, 1, 48).unwrap();
        last.put(b"y").unwrap();
        drop(queues);
        assert_eq!(last.get().unwrap(), b"y");
    }
}

#[test]
fn somebody_who_scribbles_all_the_time_stops_nobody_for_ever() {
    let _watchdog = watch("a stranger at work");
    let (queue, places) = queue(4, 8, 112).unwrap();
    let stop = Counter::new(0);
    let all = places.all();
    thread::scope(|scope| {
        let stranger = scope.spawn(|| {
            let mut rng = Rng::of_run("a stranger");
            let mut n_written = 0_u64;
            while stop.get() == 0 {
                let (to, from) = (all[rng.index(all.len())], all[rng.index(all.len())]);
                let was = look(&queue, to);
                let value = match rng.index(6) {
                    0 => rng.next_u64(),
                    1 => was ^ 1 << rng.index(64),
                    2 => look(&queue, from),
                    3 => slot_bits(rng.range(0..6), rng.range(0..10), rng.range(0..6)),
                    4 => position_bits(rng.range(0..3), rng.range(0..5)),
                    _ => was.wrapping_add(rng.range(0..5)).wrapping_sub(2),
                };
                // It does not close the queue: that would be the end of the test.
                if to != Places::ALARM {
                    write(&queue, to, value);
                    n_written += 1;
                }
                if rng.chance(64) {
                    thread::yield_now();
                }
            }
            n_written
        });
        let users: Vec<_> = (0..4)
            .map(|user| {
                let queue = &queue;
                scope.spawn(move || {
                    let long = [user; 400];
                    let mut rng = Rng::of_run(&format!("user {user}"));
                    for _ in 0..400 {
                        let wait = Duration::from_micros(rng.range(0..300));
                        if user % 2 == 0 {
                            queue.put_timeout(&long[..rng.index(400)], wait).ok();
                        } else {
                            queue.get_timeout(wait).ok();
                        }
                    }
                })
            })
            .collect();
        let ended: Vec<_> = users.into_iter().map(|user| user.join().is_ok()).collect();
        stop.set(1);
        assert!(stranger.join().unwrap() > 0);
        assert_eq!(ended, [true; 4], "nobody panicked");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_script_comes_to_its_end(script in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _watchdog = watch("a script of nonsense");
        scribble::play(&script);
    }
}
