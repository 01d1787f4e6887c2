//! Messages that do not fit into a slot: any length, within a limit in bytes.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::thread;
use std::time::Duration;

use ipc_queue::{Builder, ByteQueue, GetError, PutError};
use testkit::Watchdog;

/// What a slot has room for, if nothing else is said.
const PAYLOAD: usize = 112;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(120), what)
}

/// A message that shows where it was cut or mixed up.
fn message(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + seed * 31 + at / 251).to_le_bytes()[0]).collect()
}

#[test]
fn a_message_may_have_any_length_and_takes_one_place() {
    let queue = ByteQueue::bounded(3).unwrap();
    let lens = [0, 1, PAYLOAD - 1, PAYLOAD, PAYLOAD + 1, 4095, 4096, 4097, 8192, 70_000, 3 << 20];
    for (seed, &len) in lens.iter().chain(lens.iter().rev()).enumerate() {
        let sent = message(len, seed);
        queue.try_put(b"before").unwrap();
        queue.try_put(&sent).unwrap();
        queue.try_put(b"after").unwrap();
        assert!(queue.is_full());
        assert_eq!(queue.try_get().unwrap(), b"before");
        assert!(queue.try_get().unwrap() == sent, "{len}");
        assert_eq!(queue.try_get().unwrap(), b"after");
        assert_eq!(queue.stats().blocks, 0);
    }
}

#[test]
fn a_long_slot_holds_a_long_message() {
    let queue = Builder::new(2).message_bytes(20_000).max_bytes(0).bytes().unwrap();
    for len in [0, 1, 4096, 4097, 9000, 20_000] {
        let sent = message(len, 1);
        queue.put(&sent).unwrap();
        assert!(queue.get().unwrap() == sent, "{len}");
        queue.put(&sent).unwrap();
        let mut buffer = Vec::with_capacity(10);
        queue.try_get_into(&mut buffer).unwrap();
        assert!(buffer == sent, "{len}");
        queue.put(&sent).unwrap();
        assert!(*queue.get_in_place().unwrap() == sent, "{len}");
    }
}

#[test]
fn the_capacity_is_exact_for_large_messages_too() {
    let queue = ByteQueue::bounded(100).unwrap();
    for round in 0..3 {
        for number in 0..100 {
            queue.try_put(&message(5000 + number * 100, number + round)).unwrap();
        }
        assert!(queue.try_put(&message(5000, 0)).unwrap_err().is_full());
        assert_eq!(queue.stats().blocks, 100);
        for number in 0..100 {
            assert!(queue.get().unwrap() == message(5000 + number * 100, number + round));
        }
    }
    assert_eq!(queue.stats().blocks, 0);
}

#[test]
fn a_message_longer_than_the_limit_comes_back_with_it_and_one_as_long_does_not() {
    for (max_bytes, limit) in [(0, PAYLOAD), (100, PAYLOAD), (4096, 4096), (10_000, 8192)] {
        let queue = Builder::new(2).max_bytes(max_bytes).bytes().unwrap();
        assert_eq!(queue.max_message(), limit);
        let longest = message(limit, 1);
        for _ in 0..3 {
            queue.try_put(&longest).unwrap();
            assert!(queue.get().unwrap() == longest);
        }
        let longer = message(limit + 1, 2);
        match queue.put(&longer) {
            Err(PutError::TooLarge { value, len, limit: told }) => {
                assert_eq!((len, told), (limit + 1, limit));
                assert!(std::ptr::eq(value, &raw const longer[..]));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn bytes_are_bounded_and_short_messages_are_not_counted() {
    let queue = Builder::new(10).max_bytes(16 * KIB).bytes().unwrap();
    let large = message(8000, 3);
    queue.try_put(&large).unwrap();
    queue.try_put(&large).unwrap();
    assert_eq!((queue.stats().blocks, queue.stats().bytes), (2, 16 * KIB));
    assert!(matches!(queue.try_put(&large), Err(PutError::Full(_))));
    let soon = Duration::from_millis(5);
    assert!(matches!(queue.put_timeout(&large, soon), Err(PutError::TimedOut(_))));
    assert!(queue.try_put(&message(PAYLOAD + 1, 0)).unwrap_err().is_full(), "not one byte");
    queue.try_put(b"short").unwrap();
    assert!(queue.get().unwrap() == large);
    queue.try_put(&large).unwrap();
    assert!(queue.get().unwrap() == large);
    assert_eq!(queue.get().unwrap(), b"short");
    assert!(queue.get().unwrap() == large);
    assert_eq!(queue.stats().blocks, 0);
}

#[test]
fn memory_of_one_size_is_given_up_for_another() {
    let queue = Builder::new(100).max_bytes(64 * KIB).bytes().unwrap();
    for round in 0..3 {
        for len in [64 << 10, 4096, 20_000, 1000, 64 << 10, 33_000, 8192] {
            let sent = message(len, round);
            let mut n_put = 0;
            while queue.try_put(&sent).is_ok() {
                n_put += 1;
            }
            let taken = (len as u64).next_multiple_of(4096);
            assert_eq!(n_put, (64 * KIB / taken).min(100), "{len}");
            assert!(queue.stats().bytes <= 64 * KIB);
            for _ in 0..n_put {
                assert!(queue.get().unwrap() == sent);
            }
        }
    }
}

#[test]
fn what_is_not_to_be_retained_is_given_back() {
    let queue = Builder::new(100).max_bytes(64 * MIB).retain_bytes(MIB).bytes().unwrap();
    let before = taken(&queue);
    let large = message(1 << 20, 1);
    for _ in 0..30 {
        queue.put(&large).unwrap();
    }
    assert_eq!(queue.stats().bytes, 30 * MIB);
    assert!(taken(&queue) >= before + 30 * MIB);
    for _ in 0..30 {
        assert!(queue.get().unwrap() == large);
    }
    assert_eq!(queue.stats().bytes, MIB);
    // Beside the memory of the blocks there are their words.
    assert!(taken(&queue) <= before + MIB + 64 * KIB, "{}", taken(&queue) - before);
    let frugal = Builder::new(1).retain_bytes(0).bytes().unwrap();
    frugal.put(&large).unwrap();
    assert!(frugal.get().unwrap() == large);
    assert_eq!(frugal.stats().bytes, 0);
}

/// How many bytes of memory the queue's file has.
fn taken(queue: &ByteQueue) -> u64 {
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::MetadataExt as _;
    let file = queue.segment().as_fd().try_clone_to_owned().unwrap();
    std::fs::File::from(file).metadata().unwrap().blocks() * 512
}

#[test]
fn a_putter_that_finds_no_memory_sleeps_until_there_is_some() {
    let _watchdog = watch("a large message waits for memory");
    let queue = Builder::new(100).max_bytes(64 * KIB).without_backstop().bytes().unwrap();
    let (small, large) = (message(16 << 10, 1), message(64 << 10, 2));
    for _ in 0..20 {
        for _ in 0..4 {
            queue.try_put(&small).unwrap();
        }
        thread::scope(|scope| {
            let putter = scope.spawn(|| queue.put(&large));
            for _ in 0..4 {
                while !queue.stats().putters_wait {
                    thread::yield_now();
                }
                assert!(queue.get().unwrap() == small);
            }
            putter.join().unwrap().unwrap();
        });
        assert!(queue.get().unwrap() == large);
    }
}

#[test]
fn all_who_wait_for_memory_are_told_of_it_and_of_the_close() {
    let _watchdog = watch("many wait for memory");
    let queue = Builder::new(100).max_bytes(16 * KIB).without_backstop().bytes().unwrap();
    let large = message(16 << 10, 1);
    let half = message(8 << 10, 2);
    queue.put(&large).unwrap();
    thread::scope(|scope| {
        let putters: Vec<_> = (0..4).map(|_| scope.spawn(|| queue.put(&half))).collect();
        let mut got = vec![queue.get().unwrap()];
        // There is room for two at a time.
        while got.len() < 5 {
            got.push(queue.get().unwrap());
        }
        assert!(got[0] == large && got[1..].iter().all(|got| *got == half));
        for putter in putters {
            putter.join().unwrap().unwrap();
        }
        queue.put(&large).unwrap();
        let late: Vec<_> = (0..3).map(|_| scope.spawn(|| queue.put(&half))).collect();
        while !queue.stats().putters_wait {
            thread::yield_now();
        }
        queue.close();
        for putter in late {
            assert!(putter.join().unwrap().unwrap_err().is_closed());
        }
    });
    assert!(queue.get().unwrap() == large);
    assert!(matches!(queue.get(), Err(GetError::Closed)));
    assert_eq!(queue.stats().blocks, 0);
}

#[test]
fn a_large_put_into_a_full_or_closed_queue_keeps_no_memory() {
    let queue = Builder::new(1).bytes().unwrap();
    let large = message(10_000, 1);
    queue.put(b"first").unwrap();
    assert!(matches!(queue.try_put(&large), Err(PutError::Full(_))));
    assert_eq!(queue.stats().blocks, 0);
    queue.close();
    assert!(queue.put(&large).unwrap_err().is_closed());
    assert_eq!(queue.stats().blocks, 0);
}

#[test]
fn a_gibibyte_is_a_message() {
    let len = 1 << 30;
    let available = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    // The message, its copy, and the block.
    if available.is_none_or(|kib| kib < 5 << 20) {
        return;
    }
    let queue = ByteQueue::bounded(1).unwrap();
    let mut sent = vec![0; len];
    sent[0] = 1;
    sent[len / 2] = 2;
    sent[len - 1] = 3;
    queue.put(&sent).unwrap();
    let got = queue.get().unwrap();
    assert!(got == sent);
    assert_eq!(queue.stats().blocks, 0);
    assert!(queue.stats().bytes <= 256 * MIB);
}
