//! Functions of two arguments, chunks of items, and bytes.

use std::cell::Cell;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::time::Duration;

use ipc_core::wire::Handle;
use pool::{Pool, PoolError, Retry, TaskError};

use common::{pool, square, watch};

mod common;

fn repeat(text: String, n_times: usize) -> String {
    text.repeat(n_times)
}

fn divide(a: u32, b: u32) -> u32 {
    a / b
}

#[test]
fn function_of_two_arguments_is_mapped_over_pairs() {
    let _watchdog = watch("starmap");
    let pool = pool(2);
    let items = (0..500).map(|n| ("ab".to_owned(), n));
    let expected: Vec<_> = (0..500).map(|n| "ab".repeat(n)).collect();
    assert_eq!(pool.starmap(repeat, items).unwrap(), expected);
    // Another function of the same types is another one.
    assert_eq!(pool.starmap(divide, [(8, 2), (9, 3)]).unwrap(), [4, 3]);
    assert_eq!(pool.starmap(u32::pow, [(8, 2), (9, 3)]).unwrap(), [64, 729]);
    let error = pool.starmap(divide, [(8, 2), (9, 0), (1, 0)]).unwrap_err();
    assert!(error.index == 1 && error.error.panic().is_some());
}

#[test]
fn chunks_of_any_size_give_the_same_results() {
    let _watchdog = watch("chunks");
    let pool = pool(2);
    let expected: Vec<_> = (0..1_000).map(square).collect();
    for n_each in [1, 7, 999, 1_000, 1_001, usize::MAX] {
        assert_eq!(pool.map_chunked(square, 0..1_000, n_each).unwrap(), expected, "{n_each}");
    }
    assert_eq!(pool.map_chunked(square, [], 3).unwrap(), []);
    let error = pool.map_chunked(square, 0..10, 0).unwrap_err();
    assert!(matches!(error.error, TaskError::NotTaken(PoolError::BadChunk)));
}

#[test]
fn panic_in_a_chunk_is_the_end_of_its_item_alone() {
    let _watchdog = watch("panic in a chunk");
    // The handles of a task that goes from one worker to another stay in the first one's socket for
    // a while.
    let pool = pool(1);
    let (reader, writer) = std::io::pipe().unwrap();
    let log = |(n, handle): (u32, Handle)| {
        assert!(n != 13 && n != 5, "not {n}");
        File::from(OwnedFd::from(handle)).write_all(b"x").unwrap();
    };
    let items = (0..20).map(|n| (n, OwnedFd::from(writer.try_clone().unwrap()).into()));
    let error = pool.map_chunked(log, items, 4).unwrap_err();
    assert_eq!((error.index, error.error.panic().unwrap().message()), (5, "not 5"));
    drop(writer);
    assert_eq!(std::io::read_to_string(reader).unwrap().len(), 18);
    assert_eq!(pool.stats().replaced, 0);
}

#[test]
fn death_in_a_chunk_names_its_item() {
    let _watchdog = watch("death in a chunk");
    let pool = pool(2);
    let die = |n: u32| {
        if n == 10 {
            std::process::abort();
        }
        n
    };
    let error = pool.map_chunked(die, 0..40, 4).unwrap_err();
    assert!(error.index == 10 && error.error.is_worker_died(), "{error}");
}

#[test]
fn chunk_whose_worker_dies_can_run_again() {
    let _watchdog = watch("chunk again");
    let pool = Pool::builder().workers(2).on_worker_death(Retry::always()).build().unwrap();
    let slow = |n: u64| {
        testkit::clock::pause(Duration::from_micros(100));
        square(n)
    };
    std::thread::scope(|scope| {
        let results = scope.spawn(|| pool.map_chunked(slow, 0..2_000, 50).unwrap());
        for n in 0..10 {
            testkit::clock::pause(Duration::from_millis(5));
            pool.kill_worker(n % 2).unwrap();
        }
        assert_eq!(results.join().unwrap(), (0..2_000).map(square).collect::<Vec<_>>());
    });
}

#[test]
fn no_more_chunks_are_taken_than_are_needed() {
    let _watchdog = watch("lazy chunks");
    let pool = pool(1);
    let n_taken = Cell::new(0);
    pool.close();
    let items = std::iter::repeat_with(|| n_taken.replace(n_taken.get() + 1));
    let error = pool.map_chunked(|n: u64| n, items, 10).unwrap_err();
    assert!(matches!(error.error, TaskError::NotTaken(PoolError::Closed)));
    assert_eq!(n_taken.get(), 10);
}

#[test]
fn bytes_of_any_number_arrive_whole() {
    let _watchdog = watch("bytes");
    let pool = pool(2);
    let bytes: Vec<u8> = (0..=250).cycle().take(3 << 20).collect();
    let check = |bytes: &[u8]| {
        let is_right =
            bytes.iter().zip((0..=250).cycle()).all(|(byte, expected)| *byte == expected);
        (bytes.len(), is_right)
    };
    for len in [0, 1, 100, 16_000, 16_384, 16_385, 1 << 20, 3 << 20] {
        assert_eq!(pool.call_bytes(check, &bytes[..len]).unwrap(), (len, true));
    }
    let tasks: Vec<_> =
        (0..300).map(|len| pool.submit_bytes(check, &bytes[..len]).unwrap()).collect();
    for (len, task) in tasks.iter().enumerate() {
        assert_eq!(task.join().unwrap(), (len, true));
    }
    let error = pool.call_bytes(|bytes: &[u8]| bytes[9], &bytes[..3]).unwrap_err();
    assert!(error.panic().unwrap().message().contains("out of bounds"));
    pool.close();
    let error = pool.submit_bytes(check, &bytes).unwrap_err();
    assert!(error.is_closed());
}

#[test]
fn plain_data_of_any_number_arrives_whole() {
    let _watchdog = watch("plain data");
    let pool = pool(2);
    let items: Vec<[f32; 3]> = (0_u16..40_000).map(|n| [f32::from(n), 0.5, -1.0]).collect();
    let check = |items: &[[f32; 3]]| {
        let is_right = (0_u16..).zip(items).all(|(n, item)| *item == [f32::from(n), 0.5, -1.0]);
        (items.len(), is_right)
    };
    for len in [0, 1, 9, 1_365, 1_366, 40_000] {
        assert_eq!(pool.call_slice(check, &items[..len]).unwrap(), (len, true));
    }
    let count = |bits: &[bool]| bits.iter().filter(|bit| **bit).count();
    let tasks: Vec<_> =
        (0..100).map(|len| pool.submit_slice(count, &[true, false].repeat(len)).unwrap()).collect();
    for (len, task) in tasks.iter().enumerate() {
        assert_eq!(task.join().unwrap(), len);
    }
    let error = pool.call_slice(|items: &[u64]| items[9], &[1, 2]).unwrap_err();
    assert!(error.panic().unwrap().message().contains("out of bounds"));
    pool.close();
    assert!(pool.submit_slice(check, &items).unwrap_err().is_closed());
}
