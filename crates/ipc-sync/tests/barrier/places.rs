//! Where barriers lie, how they travel, and what is left of them.

use ipc_core::primitive::AtomicU32;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{OWNER_DIED, Thread, WAITERS};
use ipc_core::wire;
use ipc_core::{Kind, Layout, Segment, SegmentError};
use ipc_sync::{Barrier, NewBarrierError};
use testkit::leaks::Snapshot;
use testkit::{Outcome, seed};

use crate::together::{SHORT, finish, in_child, passed, start};

const KIND: Kind = Kind::new(*b"barriers", 1);

pub(crate) fn bad_numbers_are_refused() -> Outcome {
    for asked in [0, 65_536, u32::MAX] {
        match Barrier::new(asked) {
            Err(NewBarrierError::Parties { asked: found }) if found == asked => {}
            other => return Err(format!("{other:?}").into()),
        }
        let name = format!("multiproc-test-barrier-{}", Thread::current().tid());
        assert!(matches!(
            Barrier::create_named(&name, asked),
            Err(NewBarrierError::Parties { .. })
        ));
        assert!(Segment::unlink(&name).is_err(), "nothing was made");
    }
    assert_eq!(Barrier::new(65_535)?.parties(), 65_535);
    let segment = Segment::create(KIND, 0, Barrier::size(2))?;
    assert!(matches!(Barrier::in_segment(&segment, 0), Err(NewBarrierError::Corrupt)));
    for (offset, parties) in [(0, 3), (64, 2), (1 << 20, 1), (usize::MAX - 63, 1)] {
        match Barrier::new_in_segment(&segment, offset, parties) {
            Err(NewBarrierError::Segment(SegmentError::OutOfBounds { .. })) => {}
            other => return Err(format!("{other:?}").into()),
        }
    }
    match Barrier::new_in_segment(&segment, 32, 1) {
        Err(NewBarrierError::Segment(SegmentError::Misaligned { .. })) => {}
        other => return Err(format!("{other:?}").into()),
    }
    assert_eq!(Barrier::new_in_segment(&segment, 0, 2)?.parties(), 2);
    assert_eq!(Barrier::in_segment(&segment, 0)?.parties(), 2);
    passed()
}

pub(crate) fn a_barrier_travels() -> Outcome {
    let mut layout = Layout::new();
    layout.bytes(1, 1);
    let offset = Barrier::reserve(&mut layout, 2);
    let segment = Segment::create(KIND, 0, layout.size())?;
    for barrier in [Barrier::new(2)?, Barrier::new_in_segment(&segment, offset, 2)?] {
        let arrived: Barrier = wire::decode(wire::encode(&barrier)?)?;
        assert_eq!(arrived.offset(), barrier.offset());
        let mut other = start(|| arrived.wait().is_ok());
        barrier.wait().unwrap();
        finish(&mut other);
    }
    for offset in [1_u64, 96, 1 << 30, u64::MAX] {
        let forged = wire::encode(&(segment.clone(), offset))?;
        assert!(wire::decode::<Barrier>(forged).is_err(), "{offset}");
    }
    passed()
}

pub(crate) fn a_barrier_is_found_by_its_name() -> Outcome {
    let name = format!("multiproc-test-barrier-{}", Thread::current().tid());
    let not_found = |found| matches!(found, Err(NewBarrierError::Segment(SegmentError::NotFound)));
    assert!(not_found(Barrier::open_named(&name)));
    let barrier = Barrier::create_named(&name, 2)?;
    assert!(matches!(
        Barrier::create_named(&name, 2),
        Err(NewBarrierError::Segment(SegmentError::AlreadyExists))
    ));
    let mut other = start(|| Barrier::open_named(&name).unwrap().wait().is_ok());
    barrier.wait().unwrap();
    finish(&mut other);
    Segment::unlink(&name)?;
    assert!(not_found(Barrier::open_named(&name)));
    passed()
}

pub(crate) fn nothing_is_left() -> Outcome {
    assert!(Barrier::new(1)?.wait().is_ok());
    let before = Snapshot::take();
    {
        let barriers: Vec<_> = (1..20).map(Barrier::new).collect::<Result<_, _>>()?;
        let clones = barriers.clone();
        in_child(|| clones[0].wait() == Ok(0));
        assert!(barriers[1].wait_timeout(SHORT).is_err());
    }
    before.assert_none();
    passed()
}

pub(crate) fn scribbling_is_survived() -> Outcome {
    let segment = Segment::create(KIND, 0, Barrier::size(3))?;
    let words: &[AtomicU32] = segment.slice_at(0, Barrier::size(3) / 4)?;
    let barrier = Barrier::new_in_segment(&segment, 0, 3)?;
    let me = Thread::current().tid();
    let mut rng = seed::Rng::of_run("scribble");
    let marks = [1, 2, me, me | WAITERS, WAITERS, OWNER_DIED, OWNER_DIED | WAITERS, u32::MAX];
    for round in 0..300 {
        for word in words {
            if rng.chance(4) {
                let any = u32::try_from(rng.range(0..1 << 32))?;
                word.store(
                    if rng.chance(2) { any } else { marks[rng.index(marks.len())] },
                    Relaxed,
                );
            }
        }
        // Whatever it says, it says so in time.
        barrier.wait_timeout(if round < 20 { SHORT } else { SHORT / 20 }).ok();
        barrier.wait_timeout(SHORT / 20).ok();
        assert!(format!("{barrier:?} {:?}", barrier.stats()).len() > 10);
        barrier.abort();
        barrier.reset();
        assert_eq!(barrier.parties(), 3, "that is known from private memory");
    }
    for word in words {
        word.store(0, Relaxed);
    }
    let barrier = Barrier::new_in_segment(&segment, 0, 3)?;
    let mut others = [start(|| barrier.wait().is_ok()), start(|| barrier.wait().is_ok())];
    barrier.wait().unwrap();
    others.iter_mut().for_each(finish);
    passed()
}
