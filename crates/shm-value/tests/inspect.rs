//! Shared values seen from outside: each tells how much is in it, and any bytes are bearable.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;

use ipc_core::inspect::{Description, View};
use ipc_core::robust::Thread;
use ipc_core::{Kind, Segment};
use proptest::prelude::*;
use shm_value::{Array, Item, RawArray, RawValue, ShareableList, ShmMap, ShmVec, Value, inspect};

fn view(segment: &Segment) -> View {
    View::open(segment.as_fd().try_clone_to_owned().unwrap()).unwrap()
}

fn see(segment: &Segment) -> Description {
    inspect::describe(&view(segment)).unwrap().unwrap()
}

#[test]
fn a_value_tells_whose_turn_it_is() {
    let value = Value::new([1_u64, 2]).unwrap();
    let seen = see(value.segment());
    assert_eq!((seen.what, seen.holders, seen.depth), ("Value", vec![], None));
    let _guard = value.lock().unwrap();
    assert_eq!(see(value.segment()).holders, [Thread::current().tid()]);
}

#[test]
fn vectors_and_lists_tell_how_many_items_they_have() {
    let track = ShmVec::with_capacity(5).unwrap();
    track.push(1.0).unwrap();
    track.push(2.0).unwrap();
    let seen = see(track.segment());
    assert_eq!((seen.what, seen.depth, seen.capacity), ("ShmVec", Some(2), Some(5)));
    let list = ShareableList::new([Item::from(1), Item::None, Item::from("text")]).unwrap();
    let seen = see(list.segment());
    assert_eq!((seen.what, seen.depth), ("ShareableList", Some(3)));
}

#[test]
fn a_map_of_many_shards_tells_how_many_keys_it_has() {
    let map = ShmMap::<u64, u32>::with_capacity(1000).unwrap();
    for key in 0..300 {
        map.insert(key, 1).unwrap();
    }
    let seen = see(map.segment());
    assert_eq!((seen.what, seen.depth, seen.has_waiters), ("ShmMap", Some(300), Some(false)));
    assert!(seen.capacity.unwrap() >= 1000);
}

#[test]
fn arrays_and_bare_words_tell_what_they_are() {
    let array = Array::<u16>::zeroed(9).unwrap();
    let seen = see(array.segment());
    assert_eq!((seen.what, seen.capacity), ("Array", Some(9)));
    assert_eq!(see(RawArray::<u64>::zeroed(3).unwrap().segment()).what, "RawArray");
    assert_eq!(see(RawValue::new(3_u32).unwrap().segment()).what, "RawValue");
}

#[test]
fn something_else_is_not_described() {
    let segment = Segment::create(Kind::new(*b"map\0\0\0\0\0", 999), 0, 64).unwrap();
    assert_eq!(inspect::describe(&view(&segment)).unwrap(), None);
}

fn kinds() -> [Kind; 5] {
    [
        Value::new(0_u8).unwrap().segment().kind(),
        ShareableList::new([Item::None]).unwrap().segment().kind(),
        ShmVec::<u8>::with_capacity(1).unwrap().segment().kind(),
        ShmMap::<u8, u8>::with_capacity(1).unwrap().segment().kind(),
        Array::<u8>::zeroed(1).unwrap().segment().kind(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_are_described_or_refused(
        kind in 0_usize..5,
        len in 0_usize..3000,
        first in prop_oneof![0_u64..40, any::<u64>()],
        bytes in proptest::collection::vec(any::<u8>(), 0..256),
        fill in any::<u8>(),
    ) {
        let segment = Segment::create(kinds()[kind], 0, len).unwrap();
        let mut body = vec![fill; len];
        let bytes = first.to_le_bytes().into_iter().chain(bytes);
        body.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        let file = File::from(segment.as_fd().try_clone_to_owned().unwrap());
        file.write_all_at(&body, 128).unwrap();
        if let Ok(seen) = inspect::describe(&view(&segment)) {
            prop_assert!(seen.is_some());
        }
    }
}
