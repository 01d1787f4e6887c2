//! Segments: made, opened again, refused when they are not what was asked for.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]
#![expect(clippy::disallowed_methods, reason = "a pid makes the names of this test its own")]

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use ipc_core::primitive::{AtomicU32, AtomicU64, Ordering::Relaxed};
use ipc_core::{Kind, Segment, SegmentError};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};

const KIND: Kind = Kind::new(*b"test\0\0\0\0", 1);
const HASH: u64 = 0x1234_5678_9abc_def0;

/// The offset of each field in the header; a test that fails here has found a change of layout.
mod field {
    pub(super) const MAGIC: u64 = 0;
    pub(super) const LAYOUT_VERSION: u64 = 8;
    pub(super) const KIND_VERSION: u64 = 12;
    pub(super) const KIND_NAME: u64 = 16;
    pub(super) const TYPE_HASH: u64 = 24;
    pub(super) const BODY_LEN: u64 = 32;
    pub(super) const PID_NAMESPACE: u64 = 40;
    pub(super) const BODY: u64 = 128;
}

const HEADER_LEN: usize = 128;

fn again(segment: &Segment) -> OwnedFd {
    segment.as_fd().try_clone_to_owned().unwrap()
}

/// Memory as another program could make it: the header of a real segment with one field changed.
fn forged(at: u64, bytes: &[u8], size: u64, seals: SealFlags) -> OwnedFd {
    let model = Segment::create(KIND, HASH, 64).unwrap();
    let mut header = [0; HEADER_LEN];
    assert_eq!(rustix::io::pread(model.as_fd(), &mut header[..], 0).unwrap(), header.len());
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(rustix::fs::memfd_create("forged", flags).unwrap());
    file.write_all(&header).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
    file.set_len(size).unwrap();
    rustix::fs::fcntl_add_seals(&file, seals).unwrap();
    file.into()
}

const SEALED: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

fn open_forged(at: u64, bytes: &[u8]) -> SegmentError {
    Segment::from_fd(forged(at, bytes, field::BODY + 64, SEALED), KIND, HASH).unwrap_err()
}

#[test]
fn a_fresh_body_is_zero_and_aligned() {
    let segment = Segment::create(KIND, HASH, 10_000).unwrap();
    assert_eq!(segment.len(), 10_000);
    assert!(!segment.is_empty());
    assert_eq!(segment.as_ptr().addr().get() % 128, 0);
    let words: &[AtomicU32] = segment.slice_at(0, 2_500).unwrap();
    assert!(words.iter().all(|word| word.load(Relaxed) == 0));
    words[2_499].store(u32::MAX, Relaxed);
}

#[test]
fn an_empty_body_is_possible() {
    let segment = Segment::create(KIND, HASH, 0).unwrap();
    assert!(segment.is_empty());
    assert!(segment.at::<[AtomicU32; 0]>(0).is_ok());
    assert!(matches!(segment.at::<AtomicU32>(0), Err(SegmentError::OutOfBounds { .. })));
}

#[test]
fn memory_is_sealed_and_closed_on_exec() {
    let segment = Segment::create(KIND, HASH, 64).unwrap();
    assert!(rustix::fs::fcntl_get_seals(&segment).unwrap().contains(SEALED));
    assert!(rustix::fs::ftruncate(&segment, 0).is_err());
    assert!(rustix::fs::ftruncate(&segment, 1 << 20).is_err());
    assert!(rustix::fs::fcntl_add_seals(&segment, SealFlags::WRITE).is_err());
    assert!(rustix::io::fcntl_getfd(&segment).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
}

#[test]
fn memory_stands_behind_every_byte_at_once() {
    let segment = Segment::create(KIND, HASH, 1 << 20).unwrap();
    let stat = rustix::fs::fstat(&segment).unwrap();
    assert!(stat.st_blocks * 512 >= 1 << 20, "{} blocks", stat.st_blocks);
}

#[test]
fn more_than_the_machine_has_is_an_error() {
    for len in [usize::MAX, usize::MAX / 2, 1 << 50] {
        let error = Segment::create(KIND, HASH, len).unwrap_err();
        assert!(error.is_no_space(), "{len}: {error}");
    }
}

#[test]
fn the_same_memory_is_mapped_once() {
    let first = Segment::create(KIND, HASH, 64).unwrap();
    let second = Segment::from_fd(again(&first), KIND, HASH).unwrap();
    assert_eq!(first.id(), second.id());
    assert_eq!(first.as_ptr(), second.as_ptr());
    let other = Segment::create(KIND, HASH, 64).unwrap();
    assert_ne!(first.id(), other.id());
}

#[test]
fn memory_can_be_opened_again_after_the_last_handle_was_dropped() {
    let segment = Segment::create(KIND, HASH, 64).unwrap();
    segment.at::<AtomicU64>(8).unwrap().store(5, Relaxed);
    let fd = again(&segment);
    drop(segment);
    let segment = Segment::from_fd(fd, KIND, HASH).unwrap();
    assert_eq!(segment.at::<AtomicU64>(8).unwrap().load(Relaxed), 5);
}

#[test]
fn what_threads_open_and_drop_at_the_same_time_is_the_same_memory() {
    let fd = again(&Segment::create(KIND, HASH, 64).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let segment = Segment::from_fd(fd.try_clone().unwrap(), KIND, HASH).unwrap();
                    segment.at::<AtomicU64>(0).unwrap().fetch_add(1, Relaxed);
                }
            });
        }
    });
    let segment = Segment::from_fd(fd, KIND, HASH).unwrap();
    assert_eq!(segment.at::<AtomicU64>(0).unwrap().load(Relaxed), 800);
}

#[test]
fn a_descriptor_that_is_no_memory_is_refused() {
    let (pipe, _write) = std::io::pipe().unwrap();
    let folder = File::open("/").unwrap();
    let device = File::options().read(true).write(true).open("/dev/null").unwrap();
    let disk = tempfile();
    for fd in [OwnedFd::from(pipe), folder.into(), device.into(), disk.into()] {
        let error = Segment::from_fd(fd, KIND, HASH).unwrap_err();
        assert!(matches!(error, SegmentError::NotASegment), "{error}");
    }
}

/// A file on a disk, if there is one: `/dev/shm` and `/tmp` may both be memory.
fn tempfile() -> File {
    File::open(std::env::current_exe().unwrap()).unwrap()
}

#[test]
fn memory_that_could_shrink_is_refused() {
    for seals in [SealFlags::empty(), SealFlags::GROW, SealFlags::SHRINK] {
        let fd = forged(field::BODY, &[], field::BODY + 64, seals);
        let error = Segment::from_fd(fd, KIND, HASH).unwrap_err();
        assert!(matches!(error, SegmentError::NotSealed), "{error}");
    }
}

#[test]
fn a_header_that_is_right_is_accepted_from_anybody() {
    let fd = forged(field::BODY, b"body", field::BODY + 64, SEALED);
    let segment = Segment::from_fd(fd, KIND, HASH).unwrap();
    let word = segment.at::<AtomicU32>(0).unwrap().load(Relaxed);
    assert_eq!(word.to_ne_bytes(), *b"body");
}

#[test]
fn each_wrong_field_of_a_header_has_its_own_error() {
    let error = open_forged(field::MAGIC, b"x");
    assert!(matches!(error, SegmentError::WrongMagic), "{error}");
    let error = open_forged(field::LAYOUT_VERSION, &[99]);
    assert!(matches!(error, SegmentError::WrongLayoutVersion { found: 99, .. }), "{error}");
    let error = open_forged(field::KIND_VERSION, &[2]);
    assert!(matches!(error, SegmentError::WrongKindVersion { .. }), "{error}");
    let error = open_forged(field::KIND_NAME, b"rest");
    assert!(matches!(error, SegmentError::WrongKind { .. }), "{error}");
    let error = open_forged(field::TYPE_HASH, &[0]);
    assert!(matches!(error, SegmentError::WrongType { expected: HASH, .. }), "{error}");
    let error = open_forged(field::BODY_LEN, &[65]);
    assert!(matches!(error, SegmentError::Truncated { expected: 193, found: 192 }), "{error}");
    let error = open_forged(field::BODY_LEN, &[63]);
    assert!(matches!(error, SegmentError::TooLong { expected: 191, found: 192 }), "{error}");
    let error = open_forged(field::BODY_LEN, &[0xff; 8]);
    assert!(matches!(error, SegmentError::Truncated { .. }), "{error}");
    let error = open_forged(field::PID_NAMESPACE, &[1, 2, 3, 4]);
    assert!(matches!(error, SegmentError::OtherPidNamespace), "{error}");
}

#[test]
fn a_file_without_room_for_a_header_is_truncated() {
    for size in [0, 1, field::BODY - 1] {
        let fd = forged(field::BODY, &[], size, SEALED);
        let error = Segment::from_fd(fd, KIND, HASH).unwrap_err();
        assert!(matches!(error, SegmentError::Truncated { .. }), "{size}: {error}");
    }
}

#[test]
fn a_segment_that_is_open_already_is_checked_too() {
    let segment = Segment::create(KIND, HASH, 64).unwrap();
    let error = Segment::from_fd(again(&segment), KIND, HASH + 1).unwrap_err();
    assert!(matches!(error, SegmentError::WrongType { .. }), "{error}");
}

#[test]
fn a_descriptor_for_reading_only_is_refused() {
    let segment = Segment::create(KIND, HASH, 64).unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&segment.as_fd()));
    let fd = OwnedFd::from(File::open(path).unwrap());
    drop(segment);
    let error = Segment::from_fd(fd, KIND, HASH).unwrap_err();
    assert!(matches!(error, SegmentError::PermissionDenied), "{error}");
}

#[test]
fn placement_is_checked_for_room_and_alignment() {
    let segment = Segment::create(KIND, HASH, 64).unwrap();
    assert!(segment.at::<AtomicU64>(56).is_ok());
    let error = segment.at::<AtomicU64>(57).unwrap_err();
    assert!(matches!(error, SegmentError::OutOfBounds { offset: 57, size: 8, len: 64 }), "{error}");
    for offset in [64, 65, usize::MAX - 7, usize::MAX] {
        let error = segment.at::<AtomicU64>(offset).unwrap_err();
        assert!(matches!(error, SegmentError::OutOfBounds { .. }), "{offset}: {error}");
    }
    let error = segment.at::<AtomicU64>(4).unwrap_err();
    assert!(matches!(error, SegmentError::Misaligned { offset: 4, alignment: 8 }), "{error}");
    assert!(segment.slice_at::<AtomicU64>(0, 8).is_ok());
    for count in [9, usize::MAX, usize::MAX / 8 + 1] {
        let error = segment.slice_at::<AtomicU64>(0, count).unwrap_err();
        assert!(matches!(error, SegmentError::OutOfBounds { .. }), "{count}: {error}");
    }
    assert!(segment.bytes_at(60, 4).is_ok());
    assert!(segment.bytes_at(60, 5).is_err());
}

#[test]
fn a_placed_value_keeps_its_segment_mapped() {
    let segment = Segment::create(KIND, HASH, 64).unwrap();
    let words = segment.place_slice::<AtomicU64>(0, 8).unwrap();
    let word = segment.place::<AtomicU64>(56).unwrap();
    drop(segment);
    words[7].store(3, Relaxed);
    drop(words);
    let word = { word.clone() };
    assert_eq!(word.load(Relaxed), 3);
}

/// A name that goes away with the test, whatever happens.
struct Name(String);

impl Name {
    fn new(test: &str) -> Self {
        Self(format!("multiproc-test-{}-{test}", std::process::id()))
    }

    fn path(&self) -> PathBuf {
        Path::new("/dev/shm").join(&self.0)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        drop(std::fs::remove_file(self.path()));
    }
}

#[test]
fn a_named_segment_is_opened_by_its_name_until_that_is_taken_away() {
    let name = Name::new("life");
    let made = Segment::create_named(&name.0, KIND, HASH, 64, |segment| {
        segment.at::<AtomicU64>(0).unwrap().store(9, Relaxed);
    })
    .unwrap();
    let id = made.id();
    drop(made);
    let opened = Segment::open_named(&name.0, KIND, HASH).unwrap();
    assert_eq!(opened.id(), id);
    assert_eq!(opened.at::<AtomicU64>(0).unwrap().load(Relaxed), 9);
    let mode = rustix::fs::fstat(&opened).unwrap().st_mode;
    assert_eq!(mode & 0o777, 0o600);

    Segment::unlink(&name.0).unwrap();
    let error = Segment::open_named(&name.0, KIND, HASH).unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(Segment::unlink(&name.0).unwrap_err().is_not_found());
    assert_eq!(opened.at::<AtomicU64>(0).unwrap().load(Relaxed), 9);
}

#[test]
fn a_name_is_not_there_before_the_segment_is_whole() {
    let name = Name::new("whole");
    let segment = Segment::create_named(&name.0, KIND, HASH, 64, |_| {
        assert!(Segment::open_named(&name.0, KIND, HASH).unwrap_err().is_not_found());
    });
    assert!(segment.is_ok());
    assert!(Segment::open_named(&name.0, KIND, HASH).is_ok());
}

#[test]
fn a_name_is_given_once() {
    let name = Name::new("twice");
    let first = Segment::create_named(&name.0, KIND, HASH, 64, |_| {}).unwrap();
    let error = Segment::create_named(&name.0, KIND, HASH, 64, |_| {}).unwrap_err();
    assert!(error.is_already_exists(), "{error}");
    assert_eq!(Segment::open_named(&name.0, KIND, HASH).unwrap().id(), first.id());
}

#[test]
fn a_named_segment_that_was_shortened_is_truncated() {
    let name = Name::new("short");
    drop(Segment::create_named(&name.0, KIND, HASH, 64, |_| {}).unwrap());
    File::options().write(true).open(name.path()).unwrap().set_len(100).unwrap();
    let error = Segment::open_named(&name.0, KIND, HASH).unwrap_err();
    assert!(matches!(error, SegmentError::Truncated { .. }), "{error}");
}

#[test]
fn a_named_segment_that_others_may_open_is_refused() {
    let name = Name::new("open");
    drop(Segment::create_named(&name.0, KIND, HASH, 64, |_| {}).unwrap());
    rustix::fs::chmod(name.path(), Mode::from_raw_mode(0o666)).unwrap();
    let error = Segment::open_named(&name.0, KIND, HASH).unwrap_err();
    assert!(matches!(error, SegmentError::NotSealed), "{error}");
}

#[test]
fn links_folders_and_pipes_with_the_name_are_no_segments() {
    let target = Name::new("target");
    drop(Segment::create_named(&target.0, KIND, HASH, 64, |_| {}).unwrap());
    let link = Name::new("link");
    std::os::unix::fs::symlink(target.path(), link.path()).unwrap();
    let pipe = Name::new("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, pipe.path(), Mode::RWXU).unwrap();
    for name in [&link, &pipe] {
        let error = Segment::open_named(&name.0, KIND, HASH).unwrap_err();
        assert!(matches!(error, SegmentError::NotASegment), "{}: {error}", name.0);
    }
    let folder = Name::new("folder");
    std::fs::create_dir(folder.path()).unwrap();
    let error = Segment::open_named(&folder.0, KIND, HASH).unwrap_err();
    std::fs::remove_dir(folder.path()).unwrap();
    assert!(matches!(error, SegmentError::NotASegment), "{error}");
}

#[test]
fn names_that_would_lead_elsewhere_are_bad() {
    let long = "x".repeat(256);
    for name in ["", ".", "..", "a/b", "/a", "a\0b", long.as_str()] {
        for error in [
            Segment::create_named(name, KIND, HASH, 64, |_| {}).unwrap_err(),
            Segment::open_named(name, KIND, HASH).unwrap_err(),
            Segment::unlink(name).unwrap_err(),
        ] {
            assert!(matches!(error, SegmentError::BadName), "{name:?}: {error}");
        }
    }
}

#[test]
fn a_named_segment_larger_than_its_folder_is_an_error_and_leaves_no_name() {
    let name = Name::new("large");
    let folder = rustix::fs::statvfs("/dev/shm").unwrap();
    let room = usize::try_from(folder.f_frsize * folder.f_bavail).unwrap();
    let error = Segment::create_named(&name.0, KIND, HASH, room + (1 << 20), |_| {}).unwrap_err();
    assert!(error.is_no_space(), "{error}");
    assert!(!name.path().exists());
}

#[test]
fn a_descriptor_of_a_named_segment_is_opened_like_one_of_a_nameless() {
    let name = Name::new("sent");
    let segment = Segment::create_named(&name.0, KIND, HASH, 64, |_| {}).unwrap();
    let fd = again(&segment);
    drop(segment);
    assert_eq!(Segment::from_fd(fd, KIND, HASH).unwrap().len(), 64);
}

/// `O_PATH` descriptors name a file without opening it.
#[test]
fn a_descriptor_that_only_names_a_file_is_refused() {
    let name = Name::new("path");
    drop(Segment::create_named(&name.0, KIND, HASH, 64, |_| {}).unwrap());
    let fd = rustix::fs::open(name.path(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let error = Segment::from_fd(fd, KIND, HASH).unwrap_err();
    assert!(matches!(error, SegmentError::NotASegment), "{error}");
}
