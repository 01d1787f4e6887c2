//! Memory that a stranger writes into while it is used: operations end, with errors or with wrong
//! values, and touch nothing else.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a helper of tests ends them")]

mod scribble;

use std::mem::ManuallyDrop;
use std::thread;
use std::time::Duration;

use ipc_queue::{ByteQueue, GetError, JoinableQueue, PutError};
use proptest::prelude::*;
use testkit::seed::Rng;
use testkit::{Counter, Watchdog};

use scribble::{
    Places, ROOM, growing, look, look_in, position_bits, queue, slot_bits, use_all, write, write_in,
};

fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(240), what)
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
    assert_eq!(look(&queue, Places::TAIL), position_bits(1, 1));
    assert_eq!(look(&queue, Places::HEAD), 0);
    assert_eq!(look(&queue, places.slot(0)), slot_bits(1, 0, 0));
    assert_eq!(look(&queue, places.slot(0) + 8), 4);
    assert_ne!(low_half(&queue, places.life(0)), 0);
    assert_eq!(low_half(&queue, places.life(1)), 0);
    queue.get().unwrap();
    assert_eq!(look(&queue, places.slot(0)), slot_bits(6, 0, 0));
    assert_eq!(look(&queue, Places::HEAD), position_bits(1, 1));
    queue.try_get().unwrap_err();
    queue.get_timeout(Duration::from_millis(1)).unwrap_err();
    assert_eq!(low_half(&queue, Places::BELLS), 1 << 31);
    queue.close();
    assert_eq!(low_half(&queue, Places::ALARM), 1 << 31);
    // A hole of a dead owner, who sits in no seat that there is.
    write(&queue, places.slot(1), slot_bits(2, 3000, 0));
    queue.get().unwrap_err();
    assert_eq!((look(&queue, Places::RETIRED), queue.stats().deaths_repaired), (1, 1));
    assert_eq!(queue.segment().len(), places.end());
}

#[test]
fn the_words_of_a_queue_that_grows_lie_where_the_tests_write() {
    let (queue, places) = growing(2).unwrap();
    assert_eq!((look(&queue, Places::BEGUN), queue.stats().capacity), (0, 64));
    for number in 0..64 {
        queue.put(&[number]).unwrap();
    }
    // The second chunk led to a third, which was got for it.
    assert_eq!((look(&queue, Places::BEGUN), queue.stats().capacity), (128, 128));
    assert_eq!(look(&queue, places.slot(0)), slot_bits(1, 0, 0));
    assert_eq!(look(&queue, places.slot(31)), slot_bits(63, 0, 2));
    assert_eq!(look(&queue, places.slot(63)), slot_bits(127, 0, 3));
    assert_eq!(look(&queue, Places::TAIL), position_bits(64, 64));
    assert_eq!(queue.segment().len(), places.end());
}

#[test]
fn impossible_words_are_told_of_as_such() {
    // Positions that are in no ring of three.
    let numbers = [0, 1, 77, (1 << 39) - 1];
    let outside = numbers.iter().map(|&number| position_bits(number, 3));
    for bits in outside.chain([1 << 62, 1 << 63, 1 << 63 | 1, u64::MAX]) {
        let (queue, _) = queue(3, 2, 112).unwrap();
        write(&queue, Places::TAIL, bits);
        write(&queue, Places::HEAD, bits);
        let wait = Duration::from_secs(3600);
        assert!(matches!(queue.try_put(b"x"), Err(PutError::Corrupt(_))), "{bits:#x}");
        assert!(matches!(queue.try_get(), Err(GetError::Corrupt)), "{bits:#x}");
        assert!(matches!(queue.put_timeout(b"x", wait), Err(PutError::Corrupt(_))), "{bits:#x}");
        assert!(matches!(queue.get_timeout(wait), Err(GetError::Corrupt)), "{bits:#x}");
        assert!(queue.len() <= 3);
    }
    // Slots that can only be there if the position had moved, which it has not.
    for (cycle, owner) in [(3, 0), (3, 1), (5, 1), (77, 0)] {
        let (queue, places) = queue(3, 2, 112).unwrap();
        queue.put(b"x").unwrap();
        queue.get().unwrap();
        write(&queue, places.slot(1), slot_bits(cycle + 2, owner, 0));
        assert!(matches!(queue.try_put(b"y"), Err(PutError::Corrupt(_))), "{cycle}, {owner}");
        assert!(matches!(queue.try_get(), Err(GetError::Corrupt)), "{cycle}, {owner}");
    }
    // A message that is longer than its slot.
    let (queue, places) = queue(3, 2, 112).unwrap();
    for len in [113, 4000, u64::from(u32::MAX), (1 << 63) - 1] {
        queue.put(b"x").unwrap();
        queue.put(b"next").unwrap();
        let slot = (look(&queue, Places::HEAD) & 0x7f_ffff) as usize;
        write(&queue, places.slot(slot) + 8, len);
        let mut bytes = Vec::new();
        assert!(matches!(queue.try_get_into(&mut bytes), Err(GetError::Corrupt)), "{len}");
        assert!(bytes.capacity() < 1000, "no memory is taken for it");
        // It was taken, and the next one is whole.
        assert_eq!(queue.get().unwrap(), b"next");
    }
}

/// The bits of a block's word: owned, or in the queue.
fn owned_bits(owner: u64) -> u64 {
    1 << 62 | owner
}

fn queued_bits(number: u64, index: u64) -> u64 {
    2 << 62 | position_bits(number, index)
}

#[test]
fn a_large_message_whose_words_were_scribbled_over_is_told_of_as_such() {
    let _watchdog = watch("scribbled blocks");
    let large = [5; 5000];
    // The class of 8 KiB is the second; its words are behind those of the first.
    let block = |queue: &ByteQueue| {
        let mut place = ROOM;
        while look(queue, place) == 0 {
            place += 64;
        }
        place
    };
    let (fresh, places) = queue(3, 2, 112).unwrap();
    fresh.put(&large).unwrap();
    let place = block(&fresh);
    assert_eq!(look(&fresh, place), queued_bits(0, 0));
    assert_eq!(look(&fresh, place + 8), 8192);
    let record = look(&fresh, places.slot(0) + 8);
    assert_eq!(record, 1 << 63 | 1 << 58 | 5000);
    // The block says that it is another's, or nobody's, or in another slot, or nonsense.
    for word in [
        0,
        1,
        owned_bits(1),
        owned_bits(0),
        owned_bits(4095),
        queued_bits(1, 0),
        queued_bits(0, 1),
        3 << 62,
        u64::MAX,
    ] {
        let (queue, _) = queue(3, 2, 112).unwrap();
        queue.put(&large).unwrap();
        queue.put(b"next").unwrap();
        write(&queue, place, word);
        assert!(matches!(queue.try_get(), Err(GetError::Corrupt)), "{word:#x}");
        assert_eq!(queue.get().unwrap(), b"next");
    }
    // The record names a block that there is not, or more bytes than it has.
    let records = [
        1 << 63 | 31 << 58 | 5000,
        1 << 63 | 1 << 58 | 1 << 38 | 5000,
        1 << 63 | 5000,
        1 << 63 | 1 << 58 | 0xfffff << 38 | 5000,
        record + 4000,
        record | ((1 << 38) - 1),
        u64::MAX,
    ];
    for bits in records {
        let (queue, places) = queue(3, 2, 112).unwrap();
        queue.put(&large).unwrap();
        queue.put(b"next").unwrap();
        write(&queue, places.slot(0) + 8, bits);
        let mut bytes = Vec::new();
        assert!(matches!(queue.try_get_into(&mut bytes), Err(GetError::Corrupt)), "{bits:#x}");
        assert!(bytes.capacity() < 1000, "no memory is taken for it");
        assert_eq!(queue.get().unwrap(), b"next");
        // What nobody has any more is found by the next look.
        assert_eq!(queue.stats().blocks, 0, "{bits:#x}");
    }
    // The sum says that there is no memory left, or that all of it is.
    for sum in [u64::MAX, 1 << 63, 64 << 10, 0] {
        let (queue, places) = queue(3, 2, 112).unwrap();
        queue.put(&large).unwrap();
        write(&queue, places.heap() + 64, sum);
        assert_eq!(queue.get().unwrap(), large);
        let put = queue.try_put(&large);
        assert!(matches!(put, Ok(()) | Err(PutError::Full(_))), "{sum:#x}: {put:?}");
    }
}

#[test]
fn a_lock_that_nobody_gives_back_holds_up_large_messages_and_nothing_else() {
    let _watchdog = watch("a scribbled lock");
    let large = [5; 5000];
    // Somebody who lives, as far as the word says; this very thread; a dead one; sleepers.
    let tid = u64::from(ipc_core::robust::Thread::current().tid());
    for lock in [1, tid, 1 << 30, 1 << 31, 3 << 30, u64::MAX] {
        let (queue, places) = queue(3, 2, 112).unwrap();
        write(&queue, places.heap(), lock);
        let put = queue.try_put(&large);
        assert!(matches!(put, Ok(()) | Err(PutError::Full(_) | PutError::Corrupt(_))), "{put:?}");
        drop(queue.put_timeout(&large, Duration::from_millis(30)));
        queue.put(b"short").unwrap();
        while queue.get().unwrap() != b"short" {}
        assert!(queue.stats().blocks <= 2);
        let mut bytes = Vec::new();
        use_all(&queue, &mut bytes);
    }
}

/// What a word may hold after a stranger has been there.
fn values(was: u64, others: &[u64]) -> Vec<u64> {
    let mut values = vec![0, u64::MAX, 1 << 63, was.wrapping_add(1), was.wrapping_sub(1), !was];
    values.extend((0..64).map(|bit| was ^ 1 << bit));
    for cycle in 0..10 {
        for owner in [0, 1, 4093, 4094, 4095] {
            values.extend([0, 1, 2, 4095].map(|last| slot_bits(cycle, owner, last)));
        }
    }
    values.extend([0, 1, 2, 3].map(|index| position_bits(4, index)));
    values.extend([0, 1, 2, 3].map(|index| queued_bits(4, index)));
    values.extend([0, 1, 2, 4093, 4094, 4095].map(owned_bits));
    values.extend(others);
    values
}

#[test]
fn one_word_may_hold_anything() {
    let _watchdog = watch("one word of nonsense");
    let mut bytes = Vec::new();
    let mut n_states = 0;
    let bounded =
        [(1, 0), (1, 1_u8), (3, 0), (3, 2), (3, 3)].map(|(n, messages)| (Some(n), messages));
    // Of those that grow, one is about to, and one has.
    for (n_slots, n_messages) in bounded.into_iter().chain([(None, 0), (None, 3), (None, 6)]) {
        let shape = || match n_slots {
            Some(n_slots) => queue(n_slots, 3, 48).unwrap(),
            None => growing(1).unwrap(),
        };
        let places = shape().1;
        for place in places.all() {
            let fresh = || {
                let (queue, _) = shape();
                // The second lap, so that laps before and behind are both possible.
                for _ in 0..n_slots.unwrap_or(1) {
                    queue.put(b"old").unwrap();
                    queue.get().unwrap();
                }
                for number in 0..n_messages {
                    let long = if n_slots.is_some() { 9000 } else { 4000 };
                    let len = if number == 1 || number == 3 { long } else { 0 };
                    queue.put(&vec![number; len]).unwrap();
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
    for (queue, places) in [queue(4, 8, 112).unwrap(), growing(8).unwrap()] {
        scribble_all_the_time(&queue, places);
    }
}

#[expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]
fn scribble_all_the_time(queue: &ByteQueue, places: Places) {
    let _watchdog = watch("a stranger at work");
    let stop = Counter::new(0);
    let all = places.all();
    thread::scope(|scope| {
        let stranger = scope.spawn(|| {
            let mut rng = Rng::of_run("a stranger");
            let mut n_written = 0_u64;
            while stop.get() == 0 {
                let (to, from) = (all[rng.index(all.len())], all[rng.index(all.len())]);
                let was = look(queue, to);
                let value = match rng.index(6) {
                    0 => rng.next_u64(),
                    1 => was ^ 1 << rng.index(64),
                    2 => look(queue, from),
                    3 => slot_bits(rng.range(0..20), rng.range(0..10), rng.range(0..3)),
                    4 => position_bits(rng.range(0..9), rng.range(0..5)),
                    _ => was.wrapping_add(rng.range(0..5)).wrapping_sub(2),
                };
                // It does not close the queue: that would be the end of the test.
                if to != Places::ALARM {
                    write(queue, to, value);
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
                scope.spawn(move || {
                    let long = [user; 9000];
                    let mut rng = Rng::of_run(&format!("user {user}"));
                    for _ in 0..400 {
                        let wait = Duration::from_micros(rng.range(0..300));
                        if user % 2 == 0 {
                            queue.put_timeout(&long[..rng.index(9000)], wait).ok();
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

/// A joinable queue with something in every state that there is.
fn worked_on() -> (JoinableQueue<Vec<u8>>, Places) {
    let (queue, places) = scribble::joinable::queue(3, 3).unwrap();
    for item in 0..3 {
        queue.put(vec![item; 100]).unwrap();
    }
    // Waits in line, is in the hands of a dead thread, and was given back.
    thread::scope(|scope| {
        scope.spawn(|| ManuallyDrop::new(queue.get().unwrap()).deliveries());
    });
    queue.get().unwrap().fail().unwrap();
    (queue, places)
}

#[test]
fn any_word_of_a_joinable_queue_may_hold_anything() {
    let _watchdog = watch("scribbled joinable queues");
    let (_, places) = worked_on();
    let words = places.all().into_iter().chain(places.of_items());
    for place in words {
        for value in [0, 1, u64::MAX, 1 << 62, 2 << 62, 3 << 62, 3 << 62 | 1 << 12 | 1] {
            let (queue, _) = worked_on();
            write_in(queue.segment(), place, value);
            scribble::joinable::use_all(&queue);
        }
        for bit in 0..64 {
            let (queue, _) = worked_on();
            let was = look_in(queue.segment(), place);
            write_in(queue.segment(), place, was ^ 1 << bit);
            scribble::joinable::use_all(&queue);
        }
    }
}

#[test]
fn somebody_who_scribbles_over_a_joinable_queue_stops_nobody_for_ever() {
    let _watchdog = watch("a stranger among workers");
    let (queue, places) = scribble::joinable::queue(4, 8).unwrap();
    let stop = Counter::new(0);
    let all: Vec<usize> = places.all().into_iter().chain(places.of_items()).collect();
    thread::scope(|scope| {
        let stranger = scope.spawn(|| {
            let mut rng = Rng::of_run("a stranger among workers");
            while stop.get() == 0 {
                let (to, from) = (all[rng.index(all.len())], all[rng.index(all.len())]);
                let was = look_in(queue.segment(), to);
                let value = match rng.index(5) {
                    0 => rng.next_u64(),
                    1 => was ^ 1 << rng.index(64),
                    2 => look_in(queue.segment(), from),
                    // Leased: a number, a count, an owner.
                    3 => {
                        3 << 62 | rng.range(0..20) << 22 | rng.range(0..3) << 12 | rng.range(0..10)
                    }
                    _ => was.wrapping_add(rng.range(0..5)).wrapping_sub(2),
                };
                if to != Places::ALARM {
                    write_in(queue.segment(), to, value);
                }
                if rng.chance(64) {
                    thread::yield_now();
                }
            }
        });
        let users: Vec<_> = (0..4_u8)
            .map(|user| {
                let queue = &queue;
                scope.spawn(move || {
                    let mut rng = Rng::of_run(&format!("worker {user}"));
                    let forms = scribble::joinable::N_FORMS.into();
                    for _ in 0..300 {
                        let form = u8::try_from(rng.index(forms)).unwrap();
                        scribble::joinable::operate(queue, form, &[user; 100]);
                    }
                })
            })
            .collect();
        let ended: Vec<_> = users.into_iter().map(|user| user.join().is_ok()).collect();
        stop.set(1);
        stranger.join().unwrap();
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

    #[test]
    fn any_script_for_a_joinable_queue_comes_to_its_end(
        script in proptest::collection::vec(any::<u8>(), 0..300)
    ) {
        let _watchdog = watch("a script of nonsense for a joinable queue");
        scribble::joinable::play(&script);
    }
}
