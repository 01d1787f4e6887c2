//! Items that travel together are tasks of their own all the same.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::wire::Handle;
use ipc_core::{Kind, Segment};
use pool::{Event, Pool, Retry, StatefulPool, TaskError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use common::{Gate, builders, pool, pools, square, wait_until, wait_until_running, watch};

mod common;

const KIND: Kind = Kind::new(*b"audit\0\0\0", 1);

/// A word for each item, in which its runs are counted.
struct Audit(Segment);

impl Audit {
    fn new(n_items: u64) -> Self {
        let len = usize::try_from(n_items).unwrap() * size_of::<u64>();
        Self(Segment::create(KIND, 0, len).unwrap())
    }

    fn run(&self, item: u64) -> u64 {
        let at = usize::try_from(item).unwrap() * size_of::<u64>();
        self.0.at::<AtomicU64>(at).unwrap().fetch_add(1, Relaxed)
    }

    fn runs(&self, n_items: u64) -> Vec<u64> {
        (0..n_items).map(|item| self.run(item)).collect()
    }

    /// A pool whose workers count what they run.
    fn pool(&self, builder: pool::Builder) -> StatefulPool<Self> {
        builder.initializer(Audit, self.0.clone()).build().unwrap()
    }
}

#[test]
fn items_of_a_chunk_are_given_and_done_as_tasks_of_their_own() {
    let _watchdog = watch("events of chunks");
    let pool = pool(1);
    let events = pool.events(100);
    assert_eq!(pool.map_chunked(square, 0..8, 4).unwrap(), [0, 1, 4, 9, 16, 25, 36, 49]);
    assert_eq!((pool.stats().done, pool.stats().run_time.count), (8, 8));
    drop(pool);
    let told: Vec<(bool, u64)> = events
        .filter_map(|event| match event {
            Event::TaskGiven { task, .. } => Some((true, task.number)),
            Event::TaskDone { task, .. } => Some((false, task.number)),
            _ => None,
        })
        .collect();
    let [first, second] = [0..4, 4..8];
    let expected = [(true, first.clone()), (false, first), (true, second.clone()), (false, second)];
    let expected: Vec<(bool, u64)> = expected
        .into_iter()
        .flat_map(|(is_given, numbers)| numbers.map(move |number| (is_given, number)))
        .collect();
    // Nobody knows how long they take, so the second four wait for the first.
    assert_eq!(told, expected);
}

#[test]
fn quick_items_travel_together_and_all_results_are_in_order() {
    let _watchdog = watch("many quick items");
    let pool = pool(2);
    let mut events = pool.events(200_000);
    // How many were given one after the other before anything else happened, at most. More than go one
    // by one, as soon as they are found to be quick: on a busy machine that may take a few maps.
    let mut longest = 0;
    while longest <= 64 {
        assert_eq!(
            pool.map(square, 0..50_000).unwrap(),
            (0..50_000).map(square).collect::<Vec<_>>()
        );
        let mut together = 0;
        while let Some(event) = events.try_next() {
            together = if matches!(event, Event::TaskGiven { .. }) { together + 1 } else { 0 };
            longest = longest.max(together);
        }
    }
}

/// What cannot be read where it arrives, or cannot be sent back, if it is one of those.
#[derive(Debug, PartialEq)]
struct Fussy(u32);

const UNREADABLE: u32 = 7;
const UNSENDABLE: u32 = 11;
const PANICS: u32 = 13;
const UNENCODABLE: u32 = 17;

impl Serialize for Fussy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            UNENCODABLE | 1011 => Err(serde::ser::Error::custom("will not")),
            number => number.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Fussy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            UNREADABLE => Err(serde::de::Error::custom("cannot")),
            number => Ok(Self(number)),
        }
    }
}

fn fuss(Fussy(number): Fussy) -> Fussy {
    assert!(number != PANICS, "bad luck");
    Fussy(number + 1000)
}

#[test]
fn each_item_of_a_chunk_has_its_own_error() {
    let _watchdog = watch("errors in a chunk");
    for (pool, n_each) in [1, 5, 100].into_iter().flat_map(|n| pools(1).map(move |pool| (pool, n)))
    {
        let results: Vec<_> = pool.task(fuss).chunk_size(n_each).imap((0..30).map(Fussy)).collect();
        assert_eq!(results.len(), 30);
        for (number, result) in (0..).zip(results) {
            match (number, result) {
                (UNREADABLE, Err(TaskError::Refused(_)))
                | (UNSENDABLE, Err(TaskError::Unsendable(_)))
                | (PANICS, Err(TaskError::Panicked(_)))
                | (UNENCODABLE, Err(TaskError::NotTaken(_))) => {}
                (UNREADABLE | UNSENDABLE | PANICS | UNENCODABLE, other) => {
                    unreachable!("{n_each} each, {number}: {other:?}")
                }
                (_, result) => assert_eq!(result.unwrap(), Fussy(number + 1000)),
            }
        }
        assert_eq!(pool.stats().replaced, 0);
    }
}

/// Counts its run, and ends the worker in the run of this item with this number.
fn die_at(audit: &mut Audit, (item, fatal, n_fatal): (u64, u64, u64)) -> u64 {
    if audit.run(item) < n_fatal && item == fatal {
        std::process::abort();
    }
    square(item)
}

#[test]
fn worker_that_dies_in_a_chunk_costs_the_item_in_its_hands_and_no_other_is_run_twice() {
    let _watchdog = watch("death in a chunk");
    let cases =
        [0, 1, 37, 98, 99].into_iter().flat_map(|fatal| builders().map(move |it| (it, fatal)));
    for (builder, fatal) in cases {
        let audit = Audit::new(100);
        let pool = audit.pool(builder.workers(1));
        let tasks = pool.task(die_at).chunk_size(100);
        let results: Vec<_> = tasks.imap((0..100).map(|item| (item, fatal, 1))).collect();
        for (item, result) in (0..).zip(results) {
            match result {
                Ok(value) => assert!(item != fatal && value == square(item)),
                Err(error) => assert!(item == fatal && error.is_worker_died(), "{item}: {error}"),
            }
        }
        assert_eq!(audit.runs(100), [1; 100], "the worker died in item {fatal}");
        assert_eq!(pool.pool().stats().done, 99);
    }
}

/// A number that is written as one up to a number, and behind it as the only field of a tuple, which reads
/// the same.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Sometimes(u64);

const LAST_PLAIN: u64 = 30;

impl Serialize for Sometimes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            number @ ..=LAST_PLAIN | number @ 60.. => number.serialize(serializer),
            number => (number,).serialize(serializer),
        }
    }
}

/// As [`die_at`], by numbers alone: the first that runs ends the worker at this item.
fn die_once<R>(
    audit: &mut Audit,
    Sometimes(item): Sometimes,
    fatal: u64,
    result: fn(u64) -> R,
) -> R {
    if audit.run(item) == 0 && item == fatal {
        std::process::abort();
    }
    result(item)
}

#[test]
fn results_of_a_worker_that_dies_are_kept_in_whatever_form_they_are() {
    fn check<R: PartialEq + std::fmt::Debug + Serialize + serde::de::DeserializeOwned>(
        function: fn(&mut Audit, Sometimes) -> R,
        result: fn(u64) -> R,
        fatal: u64,
    ) {
        for builder in builders() {
            let audit = Audit::new(100);
            let pool = audit.pool(builder.workers(1));
            let results: Vec<_> =
                pool.task(function).chunk_size(100).imap((0..100).map(Sometimes)).collect();
            for (item, found) in (0..).zip(results) {
                match found {
                    Ok(found) => assert!(item != fatal && found == result(item)),
                    Err(error) => {
                        assert!(item == fatal && error.is_worker_died(), "{item}: {error}");
                    }
                }
            }
            assert_eq!(audit.runs(100), [1; 100], "the worker died in item {fatal}");
            assert_eq!(pool.pool().stats().done, 99);
        }
    }

    let _watchdog = watch("deaths among words and pieces");
    check(|audit, item| die_once(audit, item, 17, square), square, 17);
    check(|audit, item| die_once(audit, item, 50, Sometimes), Sometimes, 50);
    check(|audit, item| die_once(audit, item, 70, Sometimes), Sometimes, 70);
    check(|audit, item| die_once(audit, item, 20, |n| n.to_string()), |n| n.to_string(), 20);
    check(|audit, item| die_once(audit, item, 40, |n| n as f32), |n| n as f32, 40);
}

#[test]
fn numbers_of_all_types_and_what_is_none_come_back_as_they_went() {
    fn same<T>(pool: &Pool, values: &[T])
    where
        T: Clone + PartialEq + std::fmt::Debug + Serialize + serde::de::DeserializeOwned,
    {
        for n_each in [1, 3, 1000] {
            let there = pool.map_chunked(|value: T| value, values.to_vec(), n_each).unwrap();
            assert_eq!(there, values);
        }
    }

    let _watchdog = watch("numbers of all types");
    let pool = pool(1);
    same(&pool, &[0, 1, u64::MAX, 1 << 63]);
    same(&pool, &[0, u8::MAX, 7, 1]);
    same(&pool, &[i64::MIN, -1, 0, i64::MAX]);
    same(&pool, &[i8::MIN, -1, 0, i8::MAX]);
    same(&pool, &[u32::MAX, 0, 5]);
    same(&pool, &[-0.0_f64, f64::INFINITY, f64::MIN_POSITIVE]);
    same(&pool, &[1.5_f32, f32::MIN, -0.0]);
    same(&pool, &[true, false, true]);
    same(&pool, &['ä', '\0', char::MAX]);
    same(&pool, &[usize::MAX, 0]);
    same(&pool, &[u128::MAX, 0]);
    same(&pool, &[Some(3), None, Some(5)]);
    same(&pool, &[(), ()]);
    same(&pool, &["text".to_owned(), String::new()]);
    same(&pool, &(0..100).map(Sometimes).collect::<Vec<_>>());
    // What a number of nothing is, bit by bit.
    let nans = [0x7ff0_0000_0000_0001, 0xfff8_1234_5678_9abc].map(f64::from_bits);
    let there = pool.map_chunked(|nan: f64| nan, nans, 2).unwrap();
    assert_eq!(there.iter().map(|nan| nan.to_bits()).collect::<Vec<_>>(), nans.map(f64::to_bits));
}

#[test]
fn item_that_may_run_again_does_so_alone() {
    let _watchdog = watch("again in a chunk");
    for builder in builders() {
        let audit = Audit::new(50);
        let pool = audit.pool(builder.workers(2).on_worker_death(Retry::times(2)));
        let results =
            pool.task(die_at).chunk_size(25).map((0..50).map(|item| (item, 30, 2))).unwrap();
        assert_eq!(results, (0..50).map(square).collect::<Vec<_>>());
        let mut runs = audit.runs(50);
        assert_eq!(runs.remove(30), 3);
        assert_eq!(runs, [1; 49]);
        let error =
            pool.task(die_at).chunk_size(25).map((0..50).map(|item| (item, 30, 99))).unwrap_err();
        assert!(matches!(
            (error.index, error.error),
            (30, TaskError::WorkerDied { n_deaths: 3, .. })
        ));
    }
}

#[test]
fn results_with_handles_and_large_ones_come_back_from_chunks() {
    let _watchdog = watch("handles from chunks");
    let pool = pool(1);
    let file = |number: u32| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&number.to_le_bytes()).unwrap();
        number.is_multiple_of(3).then(|| Handle::from(OwnedFd::from(reader)))
    };
    let results = pool.map_chunked(file, 0..40, 40).unwrap();
    for (number, handle) in (0_u32..).zip(results) {
        assert_eq!(handle.is_some(), number.is_multiple_of(3));
        if let Some(handle) = handle {
            let mut bytes = [0; 4];
            File::from(OwnedFd::from(handle)).read_exact(&mut bytes).unwrap();
            assert_eq!(u32::from_le_bytes(bytes), number);
        }
    }
    let text = |len: usize| "x".repeat(len);
    let lens = || (0..200).map(|n| n * n);
    assert_eq!(pool.map_chunked(text, lens(), 200).unwrap(), lens().map(text).collect::<Vec<_>>());
    // And back.
    let texts: Vec<String> = lens().map(text).collect();
    let len = |text: String| text.len();
    assert_eq!(pool.map_chunked(len, texts, 200).unwrap(), lens().collect::<Vec<_>>());
}

/// A pipe on which one item waits for another.
struct Ends {
    reader: File,
    writer: File,
}

fn ends((reader, writer): (Handle, Handle)) -> Ends {
    Ends { reader: OwnedFd::from(reader).into(), writer: OwnedFd::from(writer).into() }
}

/// The second waits for the third.
fn meet(ends: &mut Ends, (item, micros): (u32, u64)) -> u32 {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(micros) {}
    match item {
        1 => ends.reader.read_exact(&mut [0]).unwrap(),
        2 => ends.writer.write_all(&[1]).unwrap(),
        _ => {}
    }
    item
}

fn meeting(n_workers: usize) -> StatefulPool<Ends> {
    let (reader, writer) = std::io::pipe().unwrap();
    let handles = (Handle::from(OwnedFd::from(reader)), Handle::from(OwnedFd::from(writer)));
    Pool::builder().workers(n_workers).initializer(ends, handles).build().unwrap()
}

#[test]
fn items_that_take_longer_than_others_did_go_to_all_workers() {
    let _watchdog = watch("items that become long");
    let pool = meeting(2);
    // They are quick for long enough to be believed.
    assert_eq!(pool.map(meet, (100..20_000).map(|item| (item, 0))).unwrap().len(), 19_900);
    let tasks = pool.submit_map(meet, (0..100).map(|item| (item, 5_000)));
    assert_eq!(tasks.join().unwrap(), (0..100).collect::<Vec<_>>());
}

#[test]
fn item_that_waits_for_one_behind_it_in_its_chunk_gets_it() {
    let _watchdog = watch("items that wait for each other");
    let pool = meeting(2);
    for _ in 0..3 {
        assert_eq!(pool.map(meet, (100..20_000).map(|item| (item, 0))).unwrap().len(), 19_900);
        let tasks = pool.submit_map(meet, (0..100).map(|item| (item, 0)));
        assert_eq!(tasks.join().unwrap(), (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn results_are_there_while_a_later_item_of_their_chunk_is_at_work() {
    let _watchdog = watch("early results");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut opens = writer.try_clone().unwrap();
    let handles = (Handle::from(OwnedFd::from(reader)), Handle::from(OwnedFd::from(writer)));
    let pool = Pool::builder().workers(1).initializer(ends, handles).build().unwrap();
    // The last waits until somebody has the results of all the others.
    let mut results = pool.task(meet).chunk_size(11).imap((3..13).chain([1]).map(|item| (item, 0)));
    for item in 3..13 {
        assert_eq!(results.next().unwrap().unwrap(), item);
    }
    opens.write_all(&[1]).unwrap();
    assert_eq!(results.next().unwrap().unwrap(), 1);
}

#[test]
fn items_of_a_chunk_whose_first_blocks_are_cancelled_with_it_and_never_run() {
    let _watchdog = watch("cancelled chunk");
    for builder in builders() {
        let (audit, gate) = (Audit::new(100), Gate::new());
        let begin = |(runs, gate): (Segment, Handle)| (Audit(runs), OwnedFd::from(gate).into());
        let builder = builder.workers(1).initializer(begin, (audit.0.clone(), gate.handle()));
        let pool = builder.build().unwrap();
        // The first waits at a gate that nobody opens.
        let run = |(audit, gate): &mut (Audit, File), item: u64| {
            audit.run(item);
            if item == 0 {
                gate.read_exact(&mut [0]).unwrap();
            }
        };
        let tasks = pool.task(run).chunk_size(100).submit_map(0..100);
        wait_until_running(pool.pool(), 1);
        assert!(tasks.cancel());
        let error = tasks.join().unwrap_err();
        assert!(matches!((error.index, error.error), (0, TaskError::Cancelled)));
        // Another worker goes on.
        pool.call(run, 99).unwrap();
        pool.pool().join().unwrap();
        assert_eq!(audit.runs(100)[1..], [vec![0; 98], vec![1]].concat());
    }
}

#[test]
fn worker_does_no_more_items_of_a_chunk_than_its_share() {
    let _watchdog = watch("share of a chunk");
    // Chunks in which the share ends, and such that end before it does.
    for n_each in [50, 5] {
        let pool = Pool::builder().workers(2).max_tasks_per_worker(7).build().unwrap();
        let pids = pool.map_chunked(|_: u32| proc_core::current().pid(), 0..100, n_each).unwrap();
        let mut n_done = BTreeMap::new();
        for pid in pids {
            *n_done.entry(pid).or_insert(0) += 1;
        }
        assert!(n_done.values().all(|n| *n <= 7), "chunks of {n_each}: {n_done:?}");
    }
}

#[test]
fn state_that_a_panic_in_a_chunk_spoils_is_made_anew() {
    let _watchdog = watch("state in a chunk");
    let pool = Pool::builder().workers(1).initializer(|first: u32| first, 0).build().unwrap();
    let count = |n_before: &mut u32, item: u32| {
        assert!(item != 5, "five");
        *n_before += 1;
        *n_before
    };
    let results: Vec<_> = pool.task(count).chunk_size(10).imap(0..10).map(Result::ok).collect();
    let expected =
        [1, 2, 3, 4, 5].map(Some).into_iter().chain([None]).chain([1, 2, 3, 4].map(Some));
    assert_eq!(results, expected.collect::<Vec<_>>());
}

#[test]
fn item_whose_time_is_limited_is_ended_alone() {
    let _watchdog = watch("limited items");
    let pool = pool(2);
    let hang = |item: u32| {
        if item == 60 {
            loop {
                std::thread::park();
            }
        }
        item
    };
    // They are known to be quick.
    pool.map(hang, 100..2_000).unwrap();
    // So long no item is held up, however busy the machine is.
    let tasks = pool.task(hang).timeout(Duration::from_secs(3));
    let results: Vec<_> = tasks.imap(0..100).collect();
    for (item, result) in (0..).zip(results) {
        match result {
            Ok(value) => assert!(value == item && item != 60),
            Err(error) => assert!(item == 60 && error.is_timed_out(), "{item}: {error}"),
        }
    }
}

#[test]
fn rest_of_a_chunk_is_not_begun_for_who_has_no_interest_any_more() {
    let _watchdog = watch("forgotten chunk");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut opens = writer.try_clone().unwrap();
    let (mut begun, tells) = std::io::pipe().unwrap();
    let handles = (Handle::from(OwnedFd::from(reader)), Handle::from(OwnedFd::from(tells)));
    drop(writer);
    let pool = Pool::builder().workers(1).initializer(ends, handles).build().unwrap();
    // Each says that it is begun, and waits to be let go on.
    let pass = |ends: &mut Ends, number: u8| {
        ends.writer.write_all(&[number]).unwrap();
        ends.reader.read_exact(&mut [0]).unwrap();
    };
    let mut results = pool.task(pass).chunk_size(200).imap(0..200);
    std::thread::scope(|scope| {
        // The first is done when somebody lets it; the chunk goes on to the second.
        scope.spawn(|| opens.write_all(&[1]).unwrap());
        results.next().unwrap().unwrap();
    });
    drop(results);
    // What is left of it is known to nobody when the worker has been told.
    wait_until(pool.pool(), |pool| pool.stats().workers[0].queued <= 2);
    opens.write_all(&[1; 200]).unwrap();
    pool.pool().join().unwrap();
    drop(pool);
    let mut numbers = Vec::new();
    begun.read_to_end(&mut numbers).unwrap();
    // It was at the second, and may have come to the third before it looked.
    assert!(numbers.len() <= 3, "{numbers:?} were begun");
}
