//! Where semaphores lie, how they travel, and what is left of them.

use std::mem;

use ipc_core::primitive::AtomicU32;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{OWNER_DIED, Thread, WAITERS};
use ipc_core::{Kind, Layout, Segment, SegmentError, wire};
use ipc_sync::{BoundedSemaphore, Lock, Semaphore, SemaphoreError};
use testkit::leaks::Snapshot;
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

const KIND: Kind = Kind::new(*b"permits\0", 1);

pub(crate) fn semaphores_in_one_segment_are_apart() -> Outcome {
    let mut layout = Layout::new();
    let offsets = [0, 2, 1].map(|seats| (Semaphore::reserve(&mut layout, seats), seats));
    assert_eq!(layout.size(), 6 * 64);
    let segment = Segment::create(KIND, 0, layout.size())?;
    let semaphores = offsets
        .map(|(offset, seats)| Semaphore::new_in_segment(&segment, offset, 2, seats).unwrap());
    in_child(|| {
        mem::forget(semaphores[1].acquire().unwrap());
        semaphores[2].take().is_ok()
    });
    assert_eq!(semaphores.each_ref().map(Semaphore::value), [2, 2, 1]);
    // Whoever comes later finds what it was made with.
    let again = Semaphore::in_segment(&segment, offsets[1].0)?;
    assert_eq!((again.seats(), again.most()), (2, Semaphore::MOST_PERMITS));
    assert_eq!((again.offset(), again.segment().id()), (offsets[1].0, segment.id()));
    assert_eq!(again.stats().deaths, 1);
    passed()
}

pub(crate) fn a_semaphore_must_lie_inside() -> Outcome {
    let segment = Segment::create(KIND, 0, 256)?;
    assert!(Semaphore::new_in_segment(&segment, 64, 1, 2).is_ok());
    for (offset, seats) in [(64, 3), (192, 1), (256, 0), (usize::MAX & !63, 0), (usize::MAX, 1)] {
        let error = Semaphore::new_in_segment(&segment, offset, 1, seats).unwrap_err();
        let is_outside = matches!(error, SemaphoreError::Segment(SegmentError::OutOfBounds { .. }));
        assert!(is_outside, "{offset} {seats}: {error}");
    }
    let error = Semaphore::new_in_segment(&segment, 32, 1, 0).unwrap_err();
    assert!(matches!(error, SemaphoreError::Segment(SegmentError::Misaligned { .. })), "{error}");
    passed()
}

pub(crate) fn numbers_that_cannot_be_are_refused() -> Outcome {
    for permits in [Semaphore::MOST_PERMITS + 1, u32::MAX] {
        let error = Semaphore::new(permits).unwrap_err();
        assert!(matches!(error, SemaphoreError::TooManyPermits { asked } if asked == permits));
        let error = BoundedSemaphore::new(permits).unwrap_err();
        assert!(matches!(error, SemaphoreError::TooManyPermits { asked } if asked == permits));
    }
    let error = Semaphore::with_seats(1, Semaphore::MOST_SEATS + 1).unwrap_err();
    assert!(matches!(error, SemaphoreError::TooManySeats { asked: 121 }), "{error}");
    assert!(Semaphore::with_seats(1, u32::MAX).is_err());
    let most = Semaphore::with_seats(Semaphore::MOST_PERMITS, Semaphore::MOST_SEATS)?;
    let permits: Vec<_> = (0..Semaphore::MOST_SEATS).map(|_| most.acquire().unwrap()).collect();
    assert!(most.acquire().is_err());
    drop(permits);
    // Nothing in the place of one is one without permits and seats; nonsense is none.
    let segment = Segment::create(KIND, 0, 128)?;
    let nothing = Semaphore::in_segment(&segment, 0)?;
    assert_eq!((nothing.value(), nothing.seats()), (0, 0));
    assert!(matches!(BoundedSemaphore::in_segment(&segment, 0), Err(SemaphoreError::Unbounded)));
    let words: &[AtomicU32] = segment.slice_at(0, 16)?;
    words.iter().for_each(|word| word.store(u32::MAX, Relaxed));
    assert!(matches!(Semaphore::in_segment(&segment, 0), Err(SemaphoreError::Corrupt)));
    passed()
}

pub(crate) fn a_semaphore_that_travels_is_the_same() -> Outcome {
    let semaphore = Semaphore::new(2)?;
    let arrived: Semaphore = wire::decode(wire::encode(&semaphore)?)?;
    let permit = arrived.acquire()?;
    assert_eq!(semaphore.value(), 1);
    drop(permit);
    let bounded = BoundedSemaphore::new(2)?;
    let arrived: BoundedSemaphore = wire::decode(wire::encode(&bounded)?)?;
    assert!(arrived.release().is_err());
    // What has no bound is no bounded one.
    assert!(wire::decode::<BoundedSemaphore>(wire::encode(&semaphore)?).is_err());
    for offset in [64_u64, u64::MAX, 1, 1 << 40] {
        let forged = wire::encode(&(bounded.segment().clone(), offset))?;
        let found = wire::decode::<Semaphore>(forged);
        assert!(found.is_err() || found.is_ok_and(|found| found.seats() == 0), "{offset}");
    }
    passed()
}

pub(crate) fn a_semaphore_with_a_name_is_found() -> Outcome {
    let name = format!("semaphore-{}", Thread::current().tid());
    let not_found = |error| matches!(error, SemaphoreError::Segment(SegmentError::NotFound));
    assert!(not_found(Semaphore::open_named(&name).unwrap_err()));
    // One that cannot be leaves no name behind.
    assert!(Semaphore::create_named(&name, u32::MAX).is_err());
    let semaphore = Semaphore::create_named(&name, 0)?;
    let error = Semaphore::create_named(&name, 1).unwrap_err();
    assert!(matches!(error, SemaphoreError::Segment(SegmentError::AlreadyExists)), "{error}");
    let error = BoundedSemaphore::open_named(&name).unwrap_err();
    assert!(matches!(error, SemaphoreError::Segment(SegmentError::WrongKind { .. })), "{error}");
    assert!(matches!(Lock::open_named(&name), Err(SegmentError::WrongKind { .. })));
    let mut child = start(|| Semaphore::open_named(&name).unwrap().take().is_ok());
    child.wait_asleep(LONG)?;
    semaphore.release()?;
    finish(&mut child);
    Segment::unlink(&name)?;
    assert!(not_found(Semaphore::open_named(&name).unwrap_err()));
    let bounded = BoundedSemaphore::create_named(&name, 1)?;
    assert!(BoundedSemaphore::open_named(&name)?.release().is_err());
    assert_eq!(bounded.seats(), Semaphore::SEATS);
    Segment::unlink(&name)?;
    passed()
}

pub(crate) fn nothing_is_left_of_semaphores() -> Outcome {
    // What the process makes once is made before.
    drop(Semaphore::new(1)?.acquire()?);
    let before = Snapshot::take();
    {
        let semaphores: Vec<_> = (0..20).map(|_| Semaphore::new(2)).collect::<Result<_, _>>()?;
        let clones = semaphores.clone();
        let permits: Vec<_> = semaphores.iter().map(|one| one.acquire().unwrap()).collect();
        in_child(|| {
            mem::forget(clones[0].acquire().unwrap());
            clones[1..].iter().all(|semaphore| semaphore.try_take().is_ok())
        });
        drop(clones);
        drop(permits);
        drop(semaphores[0].acquire_timeout(LONG)?);
    }
    before.assert_none();
    passed()
}

pub(crate) fn scribbling_is_survived() -> Outcome {
    let mut layout = Layout::new();
    let offset = Semaphore::reserve(&mut layout, 3);
    let segment = Segment::create(KIND, 0, layout.size())?;
    let semaphore = Semaphore::new_in_segment(&segment, offset, 2, 3)?;
    let words: &[AtomicU32] = segment.slice_at(0, segment.len() / 4)?;
    let stop = SharedArena::<Counter>::new(1);
    // Whatever it says, it says so in time, and to sleepers as well.
    let mut users = [(); 3].map(|()| {
        start(|| {
            while stop[0].get() == 0 {
                let permit = semaphore.acquire_timeout(SHORT);
                semaphore.take_timeout(SHORT / 10).ok();
                semaphore.release().ok();
                drop(permit);
            }
            true
        })
    });
    let me = Thread::current().tid();
    let values = [0, 1, me, me | WAITERS, WAITERS, OWNER_DIED, OWNER_DIED | WAITERS, u32::MAX];
    for seed in 0..40_000_u32 {
        let random = seed.wrapping_mul(0x9e37_79b9);
        let word = &words[(random >> 8) as usize % words.len()];
        word.store(if seed % 3 == 0 { random } else { values[(seed % 8) as usize] }, Relaxed);
        if seed.is_multiple_of(4000) {
            drop(semaphore.acquire_timeout(SHORT));
            drop(semaphore.try_acquire());
            semaphore.take_timeout(SHORT).ok();
            semaphore.release_n(random).ok();
            assert!(semaphore.value() <= Semaphore::MOST_PERMITS);
            assert!(!format!("{semaphore:?}").is_empty());
        }
    }
    stop[0].set(1);
    users.iter_mut().for_each(finish);
    // As good as new, once the bytes are.
    words.iter().for_each(|word| word.store(0, Relaxed));
    let semaphore = Semaphore::new_in_segment(&segment, offset, 1, 3)?;
    drop(semaphore.acquire_timeout(LONG)?);
    assert_eq!(semaphore.value(), 1);
    passed()
}
