//! Arguments and results of any size, and with handles.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::wire::Handle;
use ipc_core::{Kind, Segment};
use ipc_queue::Queue;
use pool::Retry;

use common::{builders, pool, watch};

mod common;

fn reverse(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.reverse();
    bytes
}

fn bytes(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

#[test]
fn values_of_any_size_come_back_whole() {
    let _watchdog = watch("sizes");
    let pool = pool(2);
    for len in [0, 1, 40, 111, 112, 113, 5_000, 16_370, 16_384, 16_400, 1 << 20] {
        assert_eq!(pool.call(reverse, bytes(len)).unwrap(), reverse(bytes(len)), "{len} bytes");
    }
    let results = pool.map(reverse, (0..300).map(|n| bytes(n * 97))).unwrap();
    for (n, result) in results.into_iter().enumerate() {
        assert_eq!(result, reverse(bytes(n * 97)));
    }
}

#[test]
fn fifty_megabytes_go_there_and_back() {
    let _watchdog = watch("50 MiB");
    let pool = pool(1);
    // A text is encoded as a whole, which is quick without optimizations too.
    let sent = "0123456789abcdef".repeat((50 << 20) / 16);
    let received = pool.call(|text: String| text.to_uppercase(), sent.clone()).unwrap();
    assert!(received == sent.to_uppercase());
}

#[test]
fn many_large_values_are_under_way_at_a_time() {
    let _watchdog = watch("many large");
    let pool = pool(2);
    let tasks: Vec<_> =
        (0..12).map(|n| pool.submit(reverse, bytes((1 << 20) + n)).unwrap()).collect();
    for (n, task) in tasks.iter().enumerate() {
        assert!(task.join().unwrap() == reverse(bytes((1 << 20) + n)));
    }
}

const KIND: Kind = Kind::new(*b"counter\0", 1);

#[test]
fn segment_is_the_same_memory_in_every_worker() {
    let _watchdog = watch("segments");
    let pool = pool(2);
    let segment = Segment::create(KIND, 0, 64).unwrap();
    let add = |(segment, n): (Segment, u64)| {
        segment.at::<AtomicU64>(0).unwrap().fetch_add(n, Relaxed);
    };
    let items = (1..=100).map(|n| (segment.clone(), n));
    pool.map(add, items).unwrap();
    assert_eq!(segment.at::<AtomicU64>(0).unwrap().load(Relaxed), 5_050);
}

#[test]
fn files_and_queues_can_be_arguments_and_results() {
    let _watchdog = watch("files");
    let pool = pool(1);
    let mut file = tempfile::tempfile().unwrap();
    let copy: Handle = OwnedFd::from(file.try_clone().unwrap()).into();
    let back = pool
        .call(
            |handle: Handle| {
                let mut file = File::from(OwnedFd::from(handle));
                file.write_all(b"from the worker").unwrap();
                Handle::from(OwnedFd::from(file))
            },
            copy,
        )
        .unwrap();
    let mut text = String::new();
    file.rewind().unwrap();
    File::from(OwnedFd::from(back)).read_to_string(&mut text).unwrap();
    assert_eq!(text, "from the worker");

    let queue = Queue::<u32>::bounded(4).unwrap();
    let task = pool.submit(|queue: Queue<u32>| queue.get().unwrap() + 1, queue.clone()).unwrap();
    queue.put(4).unwrap();
    assert_eq!(task.join().unwrap(), 5);
}

#[test]
fn large_value_with_many_handles_goes_there_and_back() {
    let _watchdog = watch("large with handles");
    let pool = pool(1);
    let handles: Vec<Handle> = (0..300).map(|_| File::open("/dev/null").unwrap().into()).collect();
    let (handles, bytes) =
        pool.call(|value: (Vec<Handle>, Vec<u8>)| value, (handles, bytes(1 << 18))).unwrap();
    assert_eq!((handles.len(), bytes.len()), (300, 1 << 18));
}

/// Dies the first time.
fn sum_once((log, numbers): (Handle, Vec<u64>)) -> u64 {
    let mut log = File::from(OwnedFd::from(log));
    let len = log.metadata().unwrap().len();
    log.write_all(b"x").unwrap();
    if len == 0 {
        std::process::abort();
    }
    numbers.iter().sum()
}

#[test]
fn large_argument_with_handles_is_sent_again_after_a_death() {
    let _watchdog = watch("large again");
    for builder in builders() {
        let pool = builder.workers(1).on_worker_death(Retry::times(1)).build().unwrap();
        let log: Handle = OwnedFd::from(tempfile::tempfile().unwrap()).into();
        let numbers: Vec<u64> = (0..100_000).collect();
        assert_eq!(pool.call(sum_once, (log, numbers)).unwrap(), (0..100_000).sum::<u64>());
    }
}
