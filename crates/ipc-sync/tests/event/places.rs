//! Where events lie, how they travel, and what is left of them.

use ipc_core::primitive::AtomicU32;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::Thread;
use ipc_core::{Kind, Layout, Segment, SegmentError, wire};
use ipc_sync::{Event, Lock};
use testkit::leaks::Snapshot;
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

const KIND: Kind = Kind::new(*b"events\0\0", 1);

pub(crate) fn events_in_one_segment_are_apart() -> Outcome {
    let mut layout = Layout::new();
    let offsets = [(); 4].map(|()| Event::reserve(&mut layout));
    assert_eq!(layout.size(), 64, "four to a cache line");
    let segment = Segment::create(KIND, 0, layout.size())?;
    let events = offsets.map(|offset| Event::in_segment(&segment, offset).unwrap());
    in_child(|| {
        events[1].set();
        events[2].set();
        events[2].clear();
        true
    });
    assert_eq!(events.each_ref().map(Event::is_set), [false, true, false, false]);
    assert_eq!(events[3].offset(), offsets[3]);
    assert_eq!(events[3].segment().id(), segment.id());
    passed()
}

pub(crate) fn an_event_must_lie_inside_its_segment() -> Outcome {
    let segment = Segment::create(KIND, 0, 32)?;
    assert!(Event::in_segment(&segment, 16).is_ok());
    for offset in [20, 32, usize::MAX] {
        let error = Event::in_segment(&segment, offset).unwrap_err();
        assert!(matches!(error, SegmentError::OutOfBounds { .. }), "{offset}: {error}");
    }
    let error = Event::in_segment(&segment, 4).unwrap_err();
    assert!(matches!(error, SegmentError::Misaligned { .. }), "{error}");
    passed()
}

pub(crate) fn an_event_that_travels_is_the_same() -> Outcome {
    let segment = Segment::create(KIND, 0, 128)?;
    for event in [Event::new()?, Event::in_segment(&segment, 16)?] {
        let arrived: Event = wire::decode(wire::encode(&event)?)?;
        arrived.set();
        assert!(event.is_set());
        assert_eq!(arrived.offset(), event.offset());
    }
    for offset in [120_u64, u64::MAX, 1] {
        let forged = wire::encode(&(segment.clone(), offset))?;
        assert!(wire::decode::<Event>(forged).is_err(), "{offset}");
    }
    passed()
}

pub(crate) fn an_event_with_a_name_is_found() -> Outcome {
    let name = format!("event-{}", Thread::current().tid());
    assert!(matches!(Event::open_named(&name), Err(SegmentError::NotFound)));
    let event = Event::create_named(&name)?;
    assert!(matches!(Event::create_named(&name), Err(SegmentError::AlreadyExists)));
    assert!(matches!(Lock::open_named(&name), Err(SegmentError::WrongKind { .. })));
    let mut child = start(|| {
        let found = Event::open_named(&name).unwrap();
        found.wait();
        true
    });
    child.wait_asleep(LONG)?;
    event.set();
    finish(&mut child);
    Segment::unlink(&name)?;
    assert!(matches!(Event::open_named(&name), Err(SegmentError::NotFound)));
    for bad in ["", "a/b", ".."] {
        assert!(matches!(Event::create_named(bad), Err(SegmentError::BadName)));
        assert!(matches!(Event::open_named(bad), Err(SegmentError::BadName)));
    }
    passed()
}

pub(crate) fn nothing_is_left_of_events() -> Outcome {
    // What the process makes once is made before.
    assert!(!Event::new()?.wait_timeout(SHORT));
    let before = Snapshot::take();
    {
        let events: Vec<_> = (0..20).map(|_| Event::new()).collect::<Result<_, _>>()?;
        let clones = events.clone();
        clones.iter().for_each(Event::set);
        in_child(|| clones.iter().all(|event| event.wait_timeout(LONG)));
        drop(clones);
        assert!(events.iter().all(|event| event.wait_timeout(LONG)));
    }
    before.assert_none();
    passed()
}

pub(crate) fn scribbling_is_survived() -> Outcome {
    let segment = Segment::create(KIND, 0, 64)?;
    let event = Event::in_segment(&segment, 0)?;
    let words: &[AtomicU32] = segment.slice_at(0, 4)?;
    let stop = SharedArena::<Counter>::new(1);
    // Whatever it says, it says so in time, and to sleepers as well.
    let mut users = [(); 2].map(|()| {
        start(|| {
            while stop[0].get() == 0 {
                // The answer is anybody's guess.
                let _set = event.wait_timeout(SHORT);
                event.set();
                event.clear();
            }
            true
        })
    });
    for seed in 0..20_000_u32 {
        let word = &words[seed as usize % words.len()];
        word.store(seed.wrapping_mul(0x9e37_79b9) | (seed & 3) << 30, Relaxed);
        if seed.is_multiple_of(64) {
            word.store(u32::MAX, Relaxed);
            // The answer is anybody's guess.
            let _set = event.wait_timeout(SHORT);
        }
    }
    stop[0].set(1);
    users.iter_mut().for_each(finish);
    words.iter().for_each(|word| word.store(0, Relaxed));
    assert!(!event.wait_timeout(SHORT));
    event.set();
    assert!(event.wait_timeout(LONG));
    passed()
}
