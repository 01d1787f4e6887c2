//! Maps over slices, which workers read where they lie: whatever their number, size and type, whoever dies, and
//! whatever a worker tries to do there.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use pool::{Pool, PoolError, Retry, TaskError};

use common::{builders, pool, pools, watch};

mod common;

/// Other bytes for each number.
fn bytes(number: usize, len: usize) -> Vec<u8> {
    (0..=250).cycle().skip(number % 251).take(len).collect()
}

fn numbers(number: usize, len: usize) -> Vec<u64> {
    (0..len as u64).map(|at| at << 8 | number as u64).collect()
}

fn sum(of: &[u64]) -> (usize, u64) {
    (of.len(), of.iter().fold(7, |sum, x| sum.wrapping_mul(31).wrapping_add(*x)))
}

fn digest(of: &[u8]) -> (usize, u64) {
    (of.len(), of.iter().fold(7, |sum, x| sum.wrapping_mul(31).wrapping_add(u64::from(*x))))
}

/// None, few, about what fits a ring, a page and one more, odd ones, and what fits no shelf.
const LENS: [usize; 12] =
    [0, 1, 3, 1_000, 2_047, 2_048, 2_049, 4_095, 16_385, 100_001, 1 << 17, 1_200_000];

#[test]
fn slices_of_any_length_arrive_whole_in_order_and_lie_as_their_items_should() {
    let _watchdog = watch("lengths");
    for pool in pools(2) {
        let items: Vec<Vec<u64>> =
            (0..36).map(|number| numbers(number, LENS[number % LENS.len()])).collect();
        let expected: Vec<_> = items.iter().map(|items| sum(items)).collect();
        // Borrowed, given away, and parts of something.
        assert_eq!(pool.map_slices(sum, &items).unwrap(), expected);
        assert_eq!(pool.map_slices(sum, items.clone()).unwrap(), expected);
        let whole = items.concat();
        let parts: Vec<_> = whole.chunks(100_001).map(sum).collect();
        assert_eq!(pool.map_slices(sum, whole.chunks(100_001)).unwrap(), parts);
        let items: Vec<_> =
            (0..36).map(|number| bytes(number, LENS[number % LENS.len()])).collect();
        let expected: Vec<_> = items.iter().map(|items| digest(items)).collect();
        assert_eq!(pool.map_slices(digest, &items).unwrap(), expected);
        assert_eq!(pool.map_slices(sum, Vec::<Vec<u64>>::new()).unwrap(), []);
    }
}

#[test]
fn more_and_larger_slices_than_there_is_room_for_arrive_whole() {
    let _watchdog = watch("room");
    let pool = pool(2);
    let items: Vec<Vec<u8>> = (0..100).map(|number| bytes(number, 1 << 20 | 1)).collect();
    let expected: Vec<_> = items.iter().map(|items| digest(items)).collect();
    // All at the same time, and a few at a time.
    let tasks: Vec<_> =
        items.iter().map(|items| pool.submit_slice(digest, items).unwrap()).collect();
    assert_eq!(pool.map_slices(digest, &items).unwrap(), expected);
    let done: Vec<_> = tasks.iter().map(|task| task.join().unwrap()).collect();
    assert_eq!(done, expected);
}

/// Where the slice lies in a worker, and what lies there.
fn place(of: &[u64]) -> (bool, String) {
    let address = of.as_ptr().addr();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|at| usize::from_str_radix(at, 16).unwrap());
        (start..end).contains(&address)
    });
    (address.is_multiple_of(64), line.unwrap().to_owned())
}

#[test]
fn large_slices_are_read_where_they_lie() {
    let _watchdog = watch("in place");
    for pool in pools(1) {
        for (is_aligned, line) in
            pool.map_slices(place, [numbers(1, 100_000), numbers(2, 4_097)]).unwrap()
        {
            assert!(is_aligned);
            assert!(line.contains(" r--s ") && line.contains("multiproc sheet"), "{line}");
        }
        // One that fits no shelf is in a file of its own.
        let (is_aligned, line) = pool.call_slice(place, &numbers(3, 1_200_000)).unwrap();
        assert!(is_aligned && line.contains("memfd"), "{line}");
    }
}

fn die_of_three(of: &[u8]) -> u8 {
    if of[0] == 3 {
        std::process::abort();
    }
    of[0]
}

fn is_whole(of: &[u8]) -> bool {
    of.iter().all(|byte| *byte == of[0])
}

#[test]
fn death_in_the_middle_costs_its_slice_and_no_other() {
    let _watchdog = watch("death");
    for pool in pools(2) {
        for len in [10, 1 << 20] {
            let items: Vec<Vec<u8>> = (0..8).map(|n| vec![n; len]).collect();
            let error = pool.map_slices(die_of_three, &items).unwrap_err();
            assert!(error.index == 3 && error.error.is_worker_died(), "{error}");
            assert!(error.error.to_string().contains("die_of_three"), "{error}");
            assert_eq!(pool.map_slices(is_whole, &items).unwrap(), [true; 8]);
        }
    }
}

/// Dies of every slice, at one time in three.
fn die_at_times(of: &[u8]) -> (usize, u64) {
    let result = digest(of);
    if proc_core::current().pid().is_multiple_of(3) {
        std::process::abort();
    }
    result
}

#[test]
fn slices_are_read_again_by_who_takes_the_place_of_the_dead() {
    let _watchdog = watch("again");
    for builder in builders() {
        let pool = builder.workers(2).on_worker_death(Retry::always()).build().unwrap();
        let items: Vec<_> = (0..60).map(|number| bytes(number, 300_001)).collect();
        let expected: Vec<_> = items.iter().map(|items| digest(items)).collect();
        std::thread::scope(|scope| {
            let results = scope.spawn(|| pool.map_slices(die_at_times, &items).unwrap());
            for n in 0..10 {
                testkit::clock::pause(Duration::from_millis(5));
                pool.kill_worker(n % 2).unwrap();
            }
            assert_eq!(results.join().unwrap(), expected);
        });
    }
}

/// Tries to change what it was lent, and what lies in its first page and behind it.
fn scribble(of: &[u8]) -> bool {
    let memory = OpenOptions::new().write(true).open("/proc/self/mem").unwrap();
    let at = of.as_ptr().addr() as u64;
    [at, at & !4095, at + of.len() as u64]
        .iter()
        .any(|at| memory.write_at(b"scribbled", *at).is_ok())
}

#[test]
fn no_worker_can_change_what_others_read() {
    let _watchdog = watch("scribbles");
    let pool = pool(2);
    let items: Vec<Vec<u8>> = (0..4).map(|n| vec![n; 1 << 20]).collect();
    assert_eq!(pool.map_slices(scribble, &items).unwrap(), [false; 4]);
    assert_eq!(pool.map_slices(is_whole, &items).unwrap(), [true; 4]);
}

#[test]
fn slices_whose_pool_is_closed_or_whose_function_panics_are_errors() {
    let _watchdog = watch("errors");
    let pool = pool(2);
    let items = [vec![1_u64; 100_000], vec![], vec![2]];
    let error = pool.map_slices(|of: &[u64]| of[0], &items).unwrap_err();
    assert!(error.index == 1 && error.error.panic().is_some(), "{error}");
    pool.close();
    let error = pool.map_slices(sum, &items).unwrap_err();
    assert!(matches!(error.error, TaskError::NotTaken(PoolError::Closed)), "{error}");
}

/// Never ends for a slice that begins with 3.
fn hang_at_three(of: &[u8]) -> (usize, u64) {
    if of[0] == 3 {
        loop {
            std::thread::park();
        }
    }
    digest(of)
}

#[test]
fn what_is_said_of_tasks_over_slices_holds_for_each() {
    let _watchdog = watch("said");
    for pool in pools(2) {
        for len in [10, 1 << 17] {
            let items: Vec<Vec<u8>> = (0..6).map(|n| vec![n; len]).collect();
            let tasks = pool.slice_task(hang_at_three).timeout(Duration::from_millis(500));
            let tasks = tasks.tag("over a slice").retry(Retry::times(1)).chunk_size(1);
            let error = tasks.clone().map(&items).unwrap_err();
            assert_eq!(error.index, 3);
            let why = error.error.to_string();
            assert!(why.contains("over a slice") && why.contains("attempt 2"), "{why}");
            let TaskError::TimedOut { function: Some(function), .. } = error.error else {
                panic!("{why}");
            };
            assert!(function.contains("hang_at_three"), "{function}");
            assert_eq!(tasks.call(&items[4]).unwrap(), digest(&items[4]));
            assert_eq!(tasks.submit(&items[5]).unwrap().tag(), Some("over a slice"));
        }
    }
}

#[test]
fn maps_over_slices_come_in_all_forms() {
    fn check(pool: &Pool, items: &[Vec<u8>], n_each: usize) {
        let expected: Vec<_> = items.iter().map(|items| digest(items)).collect();
        let tasks = pool.slice_task(digest).chunk_size(n_each).priority(1).grace(Duration::ZERO);
        assert_eq!(tasks.map(items).unwrap(), expected);
        assert_eq!(tasks.submit_map(items).join().unwrap(), expected);
        let in_order: Vec<_> = tasks.imap(items).collect::<Result<_, _>>().unwrap();
        assert_eq!(in_order, expected);
        let mut unordered: Vec<_> = tasks.imap_unordered(items).collect::<Result<_, _>>().unwrap();
        let mut sorted = expected;
        unordered.sort_unstable();
        sorted.sort_unstable();
        assert_eq!(unordered, sorted);
    }

    let _watchdog = watch("forms");
    for pool in pools(2) {
        let items: Vec<_> =
            (0..24).map(|number| bytes(number, LENS[number % LENS.len()])).collect();
        for n_each in [1, 5] {
            check(&pool, &items, n_each);
        }
        // Nothing lies where another slice did when its task is done: the iterator lets go of the rest.
        let first: Vec<_> = pool.slice_task(digest).imap(items.iter().cycle()).take(3).collect();
        assert_eq!(first.len(), 3);
    }
}
