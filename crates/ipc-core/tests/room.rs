//! Rooms: memory behind the body of a segment that is there when it is asked for.
#![expect(unsafe_code, reason = "a window gives out pointers")]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;

use ipc_core::primitive::{copy_in, copy_out};
use ipc_core::{Extent, Kind, PAGE, Segment, SegmentError, Window};
use testkit::{Outcome, Report, child};

fn main() -> ExitCode {
    testkit::main(&[
        (
            "a room takes memory where it is asked for and gives it back",
            a_room_takes_memory_where_it_is_asked_for_and_gives_it_back,
        ),
        ("all who have the segment see the same room", all_who_have_the_segment_see_the_same_room),
        ("a room ends where it ends", a_room_ends_where_it_ends),
        ("a room that no file can have is no space", a_room_that_no_file_can_have_is_no_space),
        (
            "a process that may not write long files is told and lives",
            a_process_that_may_not_write_long_files_is_told_and_lives,
        ),
        (
            "a process with few addresses maps what it has room for",
            a_process_with_few_addresses_maps_what_it_has_room_for,
        ),
        ("a named segment has a room too", a_named_segment_has_a_room_too),
    ])
}

const KIND: Kind = Kind::new(*b"room\0\0\0\0", 1);
const GIB: u64 = 1 << 30;

fn segment(room: u64) -> Segment {
    Segment::create(KIND, 0, Extent { body: 100, room }).unwrap()
}

/// How many bytes of memory the file has.
fn taken(segment: &Segment) -> u64 {
    let stat = rustix::fs::fstat(segment).unwrap();
    u64::try_from(stat.st_blocks).unwrap() * 512
}

fn write(window: &Window, at: usize, bytes: &[u8]) {
    assert!(at + bytes.len() <= window.bytes().len());
    let start = window.bytes().cast::<u8>();
    // SAFETY: inside the window, as was just checked.
    let target = unsafe { start.add(at) };
    // SAFETY: as above, and nobody else uses the window.
    unsafe { copy_in(target.as_ptr(), bytes) };
}

fn read(window: &Window, at: usize, len: usize) -> Vec<u8> {
    assert!(at + len <= window.bytes().len());
    let mut bytes = vec![0; len];
    let start = window.bytes().cast::<u8>();
    // SAFETY: inside the window, as was just checked.
    let source = unsafe { start.add(at) };
    // SAFETY: as above, and nobody else uses the window.
    unsafe { copy_out(source.as_ptr(), bytes.as_mut_ptr(), len) };
    bytes
}

fn a_room_takes_memory_where_it_is_asked_for_and_gives_it_back() -> Outcome {
    let segment = segment(1 << 40);
    assert_eq!(segment.room_len(), 1 << 40);
    assert_eq!(segment.len(), 100);
    let before = taken(&segment);
    assert!(before <= 2 * PAGE as u64, "{before} bytes of an empty segment");
    let far = 700 * GIB;
    segment.back_room(far..far + (1 << 20)).unwrap();
    assert_eq!(taken(&segment), before + (1 << 20));
    // What is there is not taken twice.
    segment.back_room(far..far + (2 << 20)).unwrap();
    assert_eq!(taken(&segment), before + (2 << 20));
    let window = segment.window(far, 2 << 20).unwrap();
    assert_eq!(read(&window, 0, 100), [0; 100]);
    write(&window, (2 << 20) - 5, b"there");
    // Longer than what is backed at a time.
    segment.back_room(0..40 << 20).unwrap();
    assert_eq!(taken(&segment), before + (42 << 20));
    segment.give_back_room(0..40 << 20).unwrap();
    segment.give_back_room(far..far + (1 << 20)).unwrap();
    assert_eq!(taken(&segment), before + (1 << 20));
    assert_eq!(read(&window, (2 << 20) - 5, 5), b"there");
    segment.give_back_room(far..far + (2 << 20)).unwrap();
    assert_eq!(taken(&segment), before);
    segment.give_back_room(far..far + (2 << 20)).unwrap();
    segment.give_back_room(7..7).unwrap();
    Ok(Report::PASSED)
}

fn all_who_have_the_segment_see_the_same_room() -> Outcome {
    let segment = segment(GIB);
    segment.back_room(0..PAGE as u64).unwrap();
    let window = segment.window(0, PAGE).unwrap();
    write(&window, 17, b"hello");
    let fd: OwnedFd = segment.as_fd().try_clone_to_owned().unwrap();
    assert_eq!(Segment::from_fd(fd, KIND, 0).unwrap().room_len(), GIB);
    let mut bytes = [0; 5];
    segment.read_room(17, &mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
    let mut other = child::fork(|| {
        let own = segment.window(0, PAGE).unwrap();
        write(&window, 17, b"jello");
        i32::from(read(&own, 17, 5) != b"jello")
    });
    assert!(other.wait().is_success());
    assert_eq!(read(&window, 17, 5), b"jello");
    // A window outlives the handles.
    drop(segment);
    assert_eq!(read(&window, 17, 5), b"jello");
    Ok(Report::PASSED)
}

fn a_room_ends_where_it_ends() -> Outcome {
    let segment = segment(3 * PAGE as u64 + 5);
    let end = segment.room_len();
    let is_outside = |result: Result<(), SegmentError>| matches!(result, Err(SegmentError::OutOfBounds { len, .. }) if len as u64 == end);
    for part in [0..end + 1, end..end + 1, 1..u64::MAX, u64::MAX..u64::MAX] {
        assert!(is_outside(segment.back_room(part.clone())), "{part:?}");
        assert!(is_outside(segment.give_back_room(part.clone())), "{part:?}");
        let len = usize::try_from(part.end - part.start).unwrap();
        assert!(is_outside(segment.window(part.start, len).map(drop)), "{part:?}");
    }
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is wrong with it")]
    let backwards = 5..4;
    assert!(is_outside(segment.back_room(backwards)));
    assert!(is_outside(segment.read_room(end - 3, &mut [0; 4])));
    segment.read_room(end - 3, &mut [0; 3]).unwrap();
    segment.back_room(0..end).unwrap();
    // A room that is not there at all.
    let bare = Segment::create(KIND, 0, 100).unwrap();
    assert_eq!(bare.room_len(), 0);
    assert!(matches!(bare.back_room(0..1), Err(SegmentError::OutOfBounds { .. })));
    bare.back_room(0..0).unwrap();
    Ok(Report::PASSED)
}

fn a_room_that_no_file_can_have_is_no_space() -> Outcome {
    let create = |body, room| Segment::create(KIND, 0, Extent { body, room });
    assert!(create(1, u64::MAX).unwrap_err().is_no_space());
    assert!(create(1, i64::MAX.unsigned_abs()).unwrap_err().is_no_space());
    // More than any machine has, in a room where it is only asked for.
    let segment = create(1, 1 << 60).unwrap();
    assert!(segment.back_room(0..1 << 50).unwrap_err().is_no_space());
    assert!(taken(&segment) < GIB);
    Ok(Report::PASSED)
}

fn a_process_that_may_not_write_long_files_is_told_and_lives() -> Outcome {
    let mut limited = child::fork(|| {
        let limit = rustix::process::Rlimit { current: Some(GIB), maximum: None };
        rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
        let too_long = [
            Extent { body: 1, room: 2 * GIB },
            Extent { body: 1, room: GIB - 1000 },
            Extent { body: 1 << 30, room: 0 },
        ];
        let all_refused = too_long.into_iter().all(|extent| {
            let refused = Segment::create(KIND, 0, extent);
            !extent.is_allowed() && refused.is_err_and(|error| error.is_no_space())
        });
        let short = Extent { body: 1, room: GIB / 2 };
        let is_made = short.is_allowed() && Segment::create(KIND, 0, short).is_ok();
        i32::from(!all_refused || !is_made)
    });
    assert!(limited.wait().is_success());
    Ok(Report::PASSED)
}

fn a_process_with_few_addresses_maps_what_it_has_room_for() -> Outcome {
    let segment = segment(1 << 40);
    let mut limited = child::fork(|| {
        let limit = rustix::process::Rlimit { current: Some(4 * GIB), maximum: None };
        rustix::process::setrlimit(rustix::process::Resource::As, limit).unwrap();
        let all = segment.window(0, 1 << 40);
        segment.back_room(0..PAGE as u64).unwrap();
        let some = segment.window(0, PAGE);
        let mut bytes = [1; 8];
        segment.read_room(0, &mut bytes).unwrap();
        let is_right = all.is_err_and(|error| error.is_no_space()) && some.is_ok();
        i32::from(!is_right || bytes != [0; 8])
    });
    assert!(limited.wait().is_success());
    Ok(Report::PASSED)
}

fn a_named_segment_has_a_room_too() -> Outcome {
    let name = format!("multiproc-room-{}", rustix::process::getpid().as_raw_nonzero());
    let extent = Extent { body: 64, room: 1 << 30 };
    let made = Segment::create_named(&name, KIND, 0, extent, |_| ()).unwrap();
    let opened = Segment::open_named(&name, KIND, 0);
    Segment::unlink(&name).unwrap();
    made.back_room(0..10).unwrap();
    assert_eq!(opened.unwrap().room_len(), 1 << 30);
    Ok(Report::PASSED)
}
