//! Where they lie, how they travel, and what scribbling does to them.

use ipc_core::primitive::AtomicU32;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{OWNER_DIED, Thread, WAITERS};
use ipc_core::wire;
use ipc_core::{Kind, Layout, Segment, SegmentError};
use ipc_sync::Once;
use testkit::Outcome;

use crate::together::{SHORT, in_child, passed};

const KIND: Kind = Kind::new(*b"onces\0\0\0", 1);

pub(crate) fn it_travels() -> Outcome {
    let once = Once::new()?;
    let arrived: Once = wire::decode(wire::encode(&once)?)?;
    in_child(|| arrived.call_once(|_| ()).is_ok());
    assert!(once.is_completed());
    let error = wire::decode::<Once>(wire::encode(&(once.segment().clone(), 64_u64))?);
    assert!(error.is_err(), "out of bounds");
    passed()
}

pub(crate) fn those_in_one_segment_are_apart() -> Outcome {
    let mut layout = Layout::new();
    let offsets = [(); 3].map(|()| Once::reserve(&mut layout));
    let segment = Segment::create(KIND, 0, layout.size())?;
    let onces = offsets.map(|offset| Once::in_segment(&segment, offset).unwrap());
    onces[1].call_once(|_| ())?;
    assert_eq!(onces.each_ref().map(Once::is_completed), [false, true, false]);
    assert_eq!((onces[2].offset(), onces[2].segment().id()), (offsets[2], segment.id()));
    let error = Once::in_segment(&segment, layout.size()).unwrap_err();
    assert!(matches!(error, SegmentError::OutOfBounds { .. }), "{error}");
    let error = Once::in_segment(&segment, 4).unwrap_err();
    assert!(matches!(error, SegmentError::Misaligned { .. }), "{error}");
    passed()
}

pub(crate) fn scribbling_is_survived() -> Outcome {
    let segment = Segment::create(KIND, 0, 64)?;
    let once = Once::in_segment(&segment, 0)?;
    let words: &[AtomicU32] = segment.slice_at(0, 16)?;
    let me = Thread::current().tid();
    for scribble in [0, 1, 2, me, me | WAITERS, WAITERS, OWNER_DIED, u32::MAX] {
        words.iter().for_each(|word| word.store(scribble, Relaxed));
        // Whatever it says, it says so in time, and nothing runs over.
        once.call_once_timeout(SHORT, |_| ()).ok();
        once.try_call_once(|_| ()).ok();
        words.iter().for_each(|word| word.store(0, Relaxed));
        let turn = once.begin_timeout(SHORT)?;
        words.iter().for_each(|word| word.store(scribble, Relaxed));
        assert_eq!(once.stats().is_completed, once.is_completed());
        drop(turn);
        words.iter().for_each(|word| word.store(0, Relaxed));
        let turn = once.begin_timeout(SHORT)?.unwrap();
        words.iter().for_each(|word| word.store(scribble, Relaxed));
        turn.complete()?;
    }
    words.iter().for_each(|word| word.store(0, Relaxed));
    once.call_once(|_| ())?;
    assert!(once.is_completed());
    passed()
}
