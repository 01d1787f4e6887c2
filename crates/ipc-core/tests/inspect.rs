//! Looking at segments from outside: what is seen, and that whatever lies there harms nobody.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::fs::FileExt as _;

use ipc_core::inspect::{Snapshot, View};
use ipc_core::primitive::{AtomicU32, AtomicU64, Ordering::Relaxed};
use ipc_core::{Extent, Kind, PAGE, Segment, SegmentError};
use proptest::prelude::*;

const KIND: Kind = Kind::new(*b"test\0\0\0\0", 1);

/// Opens it as a stranger would.
fn for_reading(fd: impl AsFd) -> File {
    File::open(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())).unwrap()
}

fn view(segment: &Segment) -> View {
    View::open(for_reading(segment)).unwrap()
}

/// A file in memory that can still change its size.
fn file(bytes: &[u8]) -> File {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::memfd_create("unsealed", flags).unwrap());
    file.write_all(bytes).unwrap();
    file
}

/// All bytes of a segment, header and body.
fn bytes_of(segment: &Segment) -> Vec<u8> {
    let mut bytes = vec![0; 128 + segment.len()];
    for_reading(segment).read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn header_and_words_are_seen() {
    let extent = Extent { body: 1000, room: 3 * PAGE as u64 };
    let segment = Segment::create(KIND, 7, extent).unwrap();
    segment.at::<AtomicU64>(512).unwrap().store(11, Relaxed);
    let view = view(&segment);
    assert_eq!((view.kind(), view.type_hash(), view.extent()), (KIND, 7, extent));
    assert_eq!(view.id(), segment.id());
    assert!(view.is_sealed());
    // Only the body has memory.
    assert_eq!(view.memory().unwrap(), PAGE as u64);
    let seen = view.copy(500, 20).unwrap();
    assert_eq!(seen.at::<AtomicU64>(512).unwrap().load(Relaxed), 11);
}

#[test]
fn a_snapshot_stays_what_it_was_and_changes_nothing() {
    let segment = Segment::create(KIND, 0, 64).unwrap();
    let word: &AtomicU32 = segment.at(4).unwrap();
    word.store(1, Relaxed);
    let seen = view(&segment).copy(0, 64).unwrap();
    word.store(2, Relaxed);
    let copied: &AtomicU32 = seen.at(4).unwrap();
    assert_eq!(copied.load(Relaxed), 1);
    copied.store(3, Relaxed);
    assert_eq!(word.load(Relaxed), 2);
}

#[test]
fn what_lies_outside_of_the_copy_or_the_body_is_an_error() {
    let segment = Segment::create(KIND, 0, 300).unwrap();
    let view = view(&segment);
    for (offset, len) in [(0, 301), (301, 0), (299, 2), (usize::MAX, 1), (1, usize::MAX)] {
        assert!(matches!(view.copy(offset, len), Err(SegmentError::OutOfBounds { .. })));
    }
    assert!(view.copy(300, 0).is_ok());
    let seen = view.copy(130, 20).unwrap();
    assert!(seen.at::<AtomicU64>(136).is_ok());
    assert!(seen.slice_at::<AtomicU32>(132, 4).is_ok());
    for offset in [0, 120, 144, 152, usize::MAX] {
        let found = seen.at::<AtomicU64>(offset);
        assert!(matches!(found, Err(SegmentError::OutOfBounds { .. })), "{offset}");
    }
    let found = seen.slice_at::<AtomicU64>(136, usize::MAX);
    assert!(matches!(found, Err(SegmentError::OutOfBounds { .. })));
    let found = seen.at::<AtomicU64>(132);
    assert!(matches!(found, Err(SegmentError::Misaligned { alignment: 8, .. })));
}

#[test]
fn more_than_a_look_is_refused() {
    let extent = Extent { body: Snapshot::MOST + 1, room: 0 };
    let segment = Segment::create(KIND, 0, extent).unwrap();
    let view = view(&segment);
    assert!(matches!(view.copy(0, Snapshot::MOST + 1), Err(SegmentError::OutOfBounds { .. })));
    assert!(view.copy(1, 64).is_ok());
}

#[test]
fn looking_takes_no_memory_where_there_is_none() {
    let extent = Extent { body: PAGE, room: 8 * PAGE as u64 };
    let segment = Segment::create(KIND, 0, extent).unwrap();
    let view = view(&segment);
    let before = view.memory().unwrap();
    view.copy(0, PAGE).unwrap();
    assert_eq!(view.memory().unwrap(), before);
}

#[test]
fn what_is_no_segment_is_refused() {
    let (reader, _writer) = std::io::pipe().unwrap();
    assert!(matches!(View::open(reader), Err(SegmentError::NotASegment)));
    assert!(matches!(View::open(file(b"")), Err(SegmentError::Truncated { .. })));
    assert!(matches!(View::open(file(&[7; 4096])), Err(SegmentError::WrongMagic)));
    assert!(matches!(View::open(File::open("/").unwrap()), Err(SegmentError::NotASegment)));
}

#[test]
fn a_file_that_shrinks_under_a_look_is_an_error() {
    let segment = Segment::create(KIND, 0, 8192).unwrap();
    let file = file(&bytes_of(&segment));
    let view = View::open(file.try_clone().unwrap()).unwrap();
    assert!(!view.is_sealed());
    assert!(view.copy(4096, 4096).is_ok());
    file.set_len(100).unwrap();
    assert!(matches!(view.copy(4096, 4096), Err(SegmentError::Truncated { found: 0, .. })));
}

proptest! {
    #[test]
    fn any_header_is_an_error_or_a_view_of_what_is_there(
        at in 0_usize..128,
        bytes in proptest::collection::vec(any::<u8>(), 1..16),
        len in 0_usize..400,
    ) {
        let segment = Segment::create(KIND, 0, 200).unwrap();
        let mut all = bytes_of(&segment);
        for (place, byte) in all.iter_mut().skip(at).zip(bytes) {
            *place = byte;
        }
        all.resize(len, 0);
        if let Ok(view) = View::open(file(&all)) {
            prop_assert_eq!(view.extent().body, 200);
            prop_assert!(view.copy(0, 200).is_ok());
        }
    }
}
