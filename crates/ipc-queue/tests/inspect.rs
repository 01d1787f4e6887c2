//! Queues seen from outside: what they tell, and that any bytes are bearable.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::thread;

use ipc_core::inspect::{Description, View};
use ipc_core::robust::Thread;
use ipc_core::{Kind, Segment};
use ipc_queue::{JoinableQueue, Queue, inspect};
use proptest::prelude::*;

fn view(segment: &Segment) -> View {
    View::open(segment.as_fd().try_clone_to_owned().unwrap()).unwrap()
}

fn see(segment: &Segment) -> Description {
    inspect::describe(&view(segment)).unwrap().unwrap()
}

#[test]
fn a_queue_tells_how_full_it_is_and_who_uses_it() {
    let queue = Queue::<u64>::bounded(8).unwrap();
    let seen = see(queue.segment());
    assert_eq!((seen.what, seen.depth, seen.capacity), ("Queue", Some(0), Some(8)));
    assert_eq!((seen.holders, seen.has_waiters, seen.deaths), (vec![], Some(false), Some(0)));
    for number in 0..3 {
        queue.put(number).unwrap();
    }
    queue.get().unwrap();
    let seen = see(queue.segment());
    assert_eq!((seen.depth, seen.holders), (Some(2), vec![Thread::current().tid()]));
    queue.close();
    assert_eq!(see(queue.segment()).remarks, ["closed"]);
}

#[test]
fn a_thread_that_has_ended_uses_a_queue_no_more() {
    let queue = Queue::<u64>::bounded(8).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| queue.put(1).unwrap()).join().unwrap();
    });
    let seen = see(queue.segment());
    assert_eq!((seen.depth, seen.holders), (Some(1), vec![]));
}

#[test]
fn a_queue_that_grows_and_a_joinable_one_are_told_apart() {
    let growing = Queue::<u8>::unbounded().unwrap();
    for number in 0..100 {
        growing.put(number).unwrap();
    }
    let seen = see(growing.segment());
    assert_eq!((seen.what, seen.depth), ("Queue", Some(100)));
    let joinable = JoinableQueue::<u8>::bounded(4).unwrap();
    joinable.put(1).unwrap();
    let seen = see(joinable.segment());
    assert_eq!((seen.what, seen.depth, seen.capacity), ("JoinableQueue", Some(1), Some(4)));
}

#[test]
fn something_else_is_not_described() {
    let segment = Segment::create(Kind::new(*b"ipc-ring", 999), 0, 64).unwrap();
    assert_eq!(inspect::describe(&view(&segment)).unwrap(), None);
}

/// The bytes of a queue's body.
fn body_of(segment: &Segment) -> Vec<u8> {
    let mut bytes = vec![0; segment.len()];
    let file = File::from(segment.as_fd().try_clone_to_owned().unwrap());
    file.read_exact_at(&mut bytes, 128).unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_are_described_or_refused(
        is_cut in any::<bool>(),
        scribbles in proptest::collection::vec((0_usize..2048, any::<u64>()), 0..12),
    ) {
        let queue = Queue::<u64>::bounded(8).unwrap();
        queue.put(1).unwrap();
        let mut body = body_of(queue.segment());
        for (at, bits) in scribbles {
            let word = body.iter_mut().skip(at - at % 4);
            word.zip(bits.to_le_bytes()).for_each(|(to, from)| *to = from);
        }
        if is_cut {
            body.truncate(700);
        }
        let segment = Segment::create(queue.segment().kind(), 0, body.len()).unwrap();
        let file = File::from(segment.as_fd().try_clone_to_owned().unwrap());
        file.write_all_at(&body, 128).unwrap();
        if let Ok(seen) = inspect::describe(&view(&segment)) {
            let seen = seen.unwrap();
            prop_assert!(seen.depth.unwrap() <= 1 << 23);
        }
    }
}
