//! Primitives seen from outside: each tells what it is and who holds it, and any bytes are bearable.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::thread;

use ipc_core::inspect::{Description, View};
use ipc_core::robust::Thread;
use ipc_core::{Kind, Segment};
use ipc_sync::{
    Barrier, BoundedSemaphore, Condition, Event, Lock, Mutex, Once, RLock, RwLock, Semaphore,
    inspect,
};
use proptest::prelude::*;
use testkit::die_alone;

fn view(segment: &Segment) -> View {
    View::open(segment.as_fd().try_clone_to_owned().unwrap()).unwrap()
}

fn see(segment: &Segment) -> Description {
    inspect::describe(&view(segment)).unwrap().unwrap()
}

fn me() -> Vec<u32> {
    vec![Thread::current().tid()]
}

#[test]
fn a_lock_tells_its_holder_and_how_many_died() {
    let lock = Lock::new().unwrap();
    let seen = see(lock.segment());
    assert_eq!((seen.what, seen.depth, seen.deaths), ("Lock", Some(0), Some(0)));
    assert_eq!((seen.has_waiters, seen.holders), (Some(false), vec![]));
    let guard = lock.lock().unwrap();
    let seen = see(lock.segment());
    assert_eq!((seen.depth, seen.capacity, seen.holders), (Some(1), Some(1), me()));
    drop(guard);

    die_alone(|| {
        let _held = ManuallyDrop::new(lock.lock().unwrap());
    });
    let seen = see(lock.segment());
    assert_eq!((seen.deaths, seen.remarks), (Some(0), vec!["owner died"]));
    drop(lock.lock().unwrap_err());
    let seen = see(lock.segment());
    assert_eq!((seen.deaths, seen.remarks), (Some(1), vec![]));
}

#[test]
fn looking_leaves_every_byte_as_it_is() {
    let lock = Lock::new().unwrap();
    let _guard = lock.lock().unwrap();
    let bytes = || {
        let mut bytes = vec![0; 128 + lock.segment().len()];
        let file = File::from(lock.segment().as_fd().try_clone_to_owned().unwrap());
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    let before = bytes();
    see(lock.segment());
    assert_eq!(bytes(), before);
}

#[test]
fn a_mutex_tells_that_it_is_poisoned() {
    let mutex = Mutex::new(5_u64).unwrap();
    assert_eq!(see(mutex.segment()).what, "Mutex");
    die_alone(|| {
        let _held = ManuallyDrop::new(mutex.lock().unwrap());
    });
    assert_eq!(see(mutex.segment()).remarks, ["owner died"]);
    drop(mutex.lock().unwrap_err());
    assert_eq!(see(mutex.segment()).remarks, ["poisoned"]);
}

#[test]
fn an_rlock_tells_how_often_it_is_held() {
    let lock = RLock::new().unwrap();
    assert_eq!((see(lock.segment()).what, see(lock.segment()).depth), ("RLock", Some(0)));
    let _outer = lock.lock().unwrap();
    let _inner = lock.lock().unwrap();
    let seen = see(lock.segment());
    assert_eq!((seen.depth, seen.holders), (Some(2), me()));
}

#[test]
fn a_once_tells_that_it_was_done() {
    let once = Once::new().unwrap();
    assert_eq!(see(once.segment()).remarks, Vec::<&str>::new());
    once.call_once(|_| {
        assert_eq!(see(once.segment()).holders, me());
    })
    .unwrap();
    let seen = see(once.segment());
    assert_eq!((seen.what, seen.remarks), ("Once", vec!["done"]));
}

#[test]
fn an_rwlock_tells_its_readers_and_its_writer() {
    let lock = RwLock::new(1_u32).unwrap();
    let reader = lock.read().unwrap();
    let seen = see(lock.segment());
    assert_eq!((seen.what, seen.depth, seen.capacity), ("RwLock", Some(1), Some(16)));
    thread::scope(|scope| {
        scope.spawn(|| {
            let _another = lock.read().unwrap();
            assert_eq!(see(lock.segment()).depth, Some(2));
        });
    });
    drop(reader);
    let _writer = lock.write().unwrap();
    let seen = see(lock.segment());
    assert_eq!((seen.holders, seen.remarks), (me(), vec!["written"]));
}

#[test]
fn semaphores_tell_their_permits_and_who_has_some() {
    let semaphore = Semaphore::new(3).unwrap();
    let _permit = semaphore.acquire().unwrap();
    let seen = see(semaphore.segment());
    assert_eq!((seen.what, seen.depth, seen.capacity), ("Semaphore", Some(2), None));
    assert_eq!(seen.holders, me());
    let bounded = BoundedSemaphore::new(3).unwrap();
    let seen = see(bounded.segment());
    assert_eq!((seen.what, seen.depth, seen.capacity), ("BoundedSemaphore", Some(3), Some(3)));
}

#[test]
fn events_conditions_and_barriers_tell_their_state() {
    let event = Event::new().unwrap();
    assert_eq!(see(event.segment()).remarks, Vec::<&str>::new());
    event.set();
    let seen = see(event.segment());
    assert_eq!((seen.what, seen.remarks), ("Event", vec!["set"]));
    let condition = Condition::new().unwrap();
    let seen = see(condition.segment());
    assert_eq!((seen.what, seen.has_waiters), ("Condition", Some(false)));
    let barrier = Barrier::new(3).unwrap();
    let seen = see(barrier.segment());
    assert_eq!((seen.what, seen.depth, seen.capacity), ("Barrier", Some(0), Some(3)));
    barrier.abort();
    assert_eq!(see(barrier.segment()).remarks, ["broken"]);
}

#[test]
fn something_else_is_not_described() {
    let segment = Segment::create(Kind::new(*b"lock\0\0\0\0", 999), 0, 64).unwrap();
    assert_eq!(inspect::describe(&view(&segment)).unwrap(), None);
}

#[test]
fn a_segment_that_is_too_short_is_an_error() {
    for kind in kinds() {
        let segment = Segment::create(kind, 0, 8).unwrap();
        assert!(inspect::describe(&view(&segment)).is_err(), "{kind}");
    }
}

/// The kinds of all primitives, as they call themselves.
fn kinds() -> Vec<Kind> {
    let segments = [
        Lock::new().unwrap().segment().kind(),
        Mutex::new(0_u8).unwrap().segment().kind(),
        RLock::new().unwrap().segment().kind(),
        Once::new().unwrap().segment().kind(),
        RwLock::new(0_u8).unwrap().segment().kind(),
        Semaphore::new(1).unwrap().segment().kind(),
        BoundedSemaphore::new(1).unwrap().segment().kind(),
        Event::new().unwrap().segment().kind(),
        Condition::new().unwrap().segment().kind(),
        Barrier::new(1).unwrap().segment().kind(),
    ];
    segments.into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_are_described_or_refused(
        kind in 0_usize..10,
        len in 0_usize..3000,
        bytes in proptest::collection::vec(any::<u8>(), 0..512),
        fill in any::<u8>(),
    ) {
        let kind = kinds()[kind];
        let segment = Segment::create(kind, 0, len).unwrap();
        let mut body = vec![fill; len];
        body.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        let file = File::from(segment.as_fd().try_clone_to_owned().unwrap());
        file.write_all_at(&body, 128).unwrap();
        if let Ok(seen) = inspect::describe(&view(&segment)) {
            prop_assert!(seen.is_some());
        }
    }
}
