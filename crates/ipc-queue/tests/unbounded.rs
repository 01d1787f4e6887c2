//! Queues that grow: against a `VecDeque`, at their limit, in other processes' hands.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::thread;
use std::time::Duration;

use ipc_core::wire;
use ipc_queue::{Builder, ByteQueue, GetError, PutError, Queue};
use proptest::prelude::*;
use testkit::Watchdog;

/// A queue of slots of 64 bytes, with room for so many.
fn of_slots(n_slots: usize) -> ByteQueue {
    Builder::unbounded().message_bytes(48).max_bytes(64 * n_slots as u64).bytes().unwrap()
}

/// How many bytes of memory a queue has.
fn bytes(queue: &ByteQueue) -> u64 {
    let file = File::from(queue.segment().as_fd().try_clone_to_owned().unwrap());
    file.metadata().unwrap().blocks() * 512
}

#[test]
fn a_queue_takes_what_is_put_and_memory_as_it_needs_it() {
    let queue = Queue::<u32>::unbounded().unwrap();
    assert!(queue.capacity() > 8_000_000);
    let slots = queue.stats().capacity;
    assert!(slots < 5000, "{slots}");
    for number in 0..100_000 {
        queue.try_put(number).unwrap();
        assert_eq!(queue.len(), number as usize + 1);
    }
    let grown = queue.stats().capacity;
    assert!((100_001..120_000).contains(&grown), "{grown}");
    assert!(!queue.is_full());
    for number in 0..100_000 {
        assert_eq!(queue.get().unwrap(), number);
    }
    assert!(matches!(queue.try_get(), Err(GetError::Empty)));
    assert_eq!(queue.stats().capacity, grown, "it does not shrink");
}

#[test]
fn what_was_got_is_used_again() {
    let queue = of_slots(1 << 16);
    let mut most = 0;
    for round in 0..50_u32 {
        for number in 0..1000_u32 {
            queue.try_put(&(round * number).to_le_bytes()).unwrap();
        }
        for number in 0..1000_u32 {
            assert_eq!(queue.get().unwrap(), (round * number).to_le_bytes());
        }
        let now = bytes(&queue);
        assert!(round == 0 || now == most, "{now} bytes after {round} rounds, not {most}");
        most = now;
    }
}

#[test]
fn at_its_limit_a_queue_is_one_with_a_bound() {
    let queue = of_slots(96);
    assert_eq!(queue.capacity(), 64);
    let mut n_put = 0_u8;
    while queue.try_put(&[n_put]).is_ok() {
        n_put += 1;
    }
    assert!((64..96).contains(&n_put) && queue.is_full(), "{n_put}");
    assert!(matches!(queue.try_put(b"x"), Err(PutError::Full(_))));
    assert!(matches!(queue.put_timeout(b"x", Duration::ZERO), Err(PutError::TimedOut(_))));
    thread::scope(|scope| {
        let putter = scope.spawn(|| queue.put(b"waits"));
        for number in 0..n_put {
            assert_eq!(queue.get().unwrap(), [number]);
        }
        assert_eq!(queue.get().unwrap(), b"waits");
        putter.join().unwrap().unwrap();
    });
    queue.close();
    assert!(matches!(queue.put(b"x"), Err(PutError::Closed(_))));
}

#[test]
fn a_queue_that_has_grown_arrives_whole() {
    let queue = Builder::unbounded().max_bytes(1 << 22).values::<String>().unwrap();
    for number in 0..1000 {
        queue.put(format!("message {number}")).unwrap();
    }
    let here: Queue<String> = wire::decode(wire::encode(&queue).unwrap()).unwrap();
    let again = Queue::<String>::from_segment(queue.segment().clone()).unwrap();
    for number in (0..1000).step_by(2) {
        assert_eq!(here.get().unwrap(), format!("message {number}"));
        assert_eq!(again.get().unwrap(), format!("message {}", number + 1));
    }
    // It grows for all.
    for number in 0..5000 {
        again.try_put(number.to_string()).unwrap();
    }
    assert_eq!((here.len(), here.stats().capacity), (5000, queue.stats().capacity));
}

#[test]
fn large_messages_have_a_limit_of_their_own() {
    let queue = of_slots(1 << 14);
    let large = vec![7; queue.max_message()];
    queue.try_put(&large).unwrap();
    assert!(queue.try_put(&large).unwrap_err().is_full());
    for _ in 0..10_000 {
        queue.try_put(b"short").unwrap();
    }
    assert_eq!(queue.get().unwrap(), large);
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize),
    Get(usize),
    Reopen,
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (1..70_usize).prop_map(Step::Put),
        8 => (1..70_usize).prop_map(Step::Get),
        4 => (1..4_usize).prop_map(Step::Put),
        4 => (1..4_usize).prop_map(Step::Get),
        1 => Just(Step::Reopen),
    ];
    let steps = proptest::collection::vec(step, 1..60);
    (steps, any::<bool>()).prop_map(|(mut steps, is_closed)| {
        if is_closed {
            steps.insert(steps.len() * 3 / 4, Step::Close);
        }
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_queue_that_grows_does_what_a_vec_deque_would(
        // Chunks of one slot, of four, and of 32.
        (slot_bytes, n_slots) in prop_oneof![
            (Just(64 << 10), 2..20_usize),
            (Just(16 << 10), 8..40_usize),
            (Just(64), 64..300_usize),
        ],
        steps in steps(),
    ) {
        let _watchdog = Watchdog::start(Duration::from_secs(60), "a queue that grows");
        let first = Builder::unbounded()
            .message_bytes(slot_bytes - 16)
            .max_bytes((n_slots * slot_bytes) as u64)
            .bytes()?;
        let chunk = ((64 << 10) / slot_bytes).min(32);
        prop_assert_eq!(first.capacity(), (n_slots / chunk).max(2) * chunk - chunk);
        let mut handles = vec![first];
        let mut reference = VecDeque::new();
        let (mut number, mut is_closed) = (0_u64, false);
        for step in steps {
            let queue = &handles[usize::try_from(number).unwrap() % handles.len()];
            match step {
                Step::Put(times) => for _ in 0..times {
                    number += 1;
                    match queue.try_put(&number.to_le_bytes()) {
                        Ok(()) => {
                            prop_assert!(!is_closed);
                            reference.push_back(number);
                        }
                        Err(PutError::Full(_)) => {
                            prop_assert!(!is_closed && reference.len() >= queue.capacity());
                        }
                        Err(PutError::Closed(_)) => prop_assert!(is_closed),
                        Err(other) => prop_assert!(false, "{other}"),
                    }
                },
                Step::Get(times) => for _ in 0..times {
                    match (queue.try_get(), reference.pop_front()) {
                        (Ok(bytes), Some(number)) => prop_assert_eq!(bytes, number.to_le_bytes()),
                        (Err(GetError::Empty), None) => prop_assert!(!is_closed),
                        (Err(GetError::Closed), None) => prop_assert!(is_closed),
                        other => prop_assert!(false, "{other:?}"),
                    }
                },
                Step::Reopen => handles.push(ByteQueue::from_segment(queue.segment().clone())?),
                Step::Close => {
                    queue.close();
                    is_closed = true;
                }
            }
            for handle in &handles {
                prop_assert_eq!(handle.len(), reference.len());
                prop_assert_eq!(handle.is_full(), reference.len() >= handle.capacity());
            }
        }
        let stats = handles[0].stats();
        prop_assert_eq!((stats.deaths_repaired, stats.closed), (0, is_closed));
    }
}
