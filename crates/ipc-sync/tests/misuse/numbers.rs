//! Numbers, places and types that cannot be.
#![expect(unsafe_code, reason = "values are placed in segments")]

use ipc_core::wire::{self, DecodeError};
use ipc_core::{Kind, Segment, SegmentError};
use ipc_sync::{
    AcquireError, Barrier, BarrierError, BoundedSemaphore, Condition, Event, Lock, MemberError,
    Mutex, NewBarrierError, Once, RLock, Readers, RwLock, Semaphore, SemaphoreError,
    TryAcquireError,
};
use testkit::Outcome;

use crate::names::{of_barrier, of_semaphore};
use crate::together::{LONG, SHORT, in_child, passed};
use crate::unchanged;

const KIND: Kind = Kind::new(*b"misuse\0\0", 1);

pub(crate) fn of_parties() -> Outcome {
    for parties in [0, 65_536, u32::MAX] {
        let refused = Barrier::new(parties).unwrap_err();
        assert!(matches!(refused, NewBarrierError::Parties { asked } if asked == parties));
        assert!(refused.to_string().contains(&parties.to_string()), "{refused}");
    }
    assert_eq!(Barrier::new(1)?.wait(), Ok(0));
    passed()
}

pub(crate) fn of_a_broken_barrier() -> Outcome {
    type Break = fn(&Barrier);
    let barrier = Barrier::new(2)?;
    let breaks: [(Break, BarrierError); 3] = [
        (|barrier| barrier.abort(), BarrierError::Aborted),
        (|barrier| in_child(|| barrier.wait_timeout(SHORT).is_err()), BarrierError::PartyTimedOut),
        (
            |barrier| {
                in_child(|| {
                    std::mem::forget(barrier.member().unwrap());
                    true
                });
                assert!(barrier.wait().is_err());
            },
            BarrierError::PartyDied { pid: 0 },
        ),
    ];
    for (break_it, cause) in breaks {
        break_it(&barrier);
        for _ in 0..2 {
            let told = unchanged(&barrier, || barrier.wait_timeout(LONG)).unwrap_err();
            match (told, cause) {
                (BarrierError::PartyDied { pid }, BarrierError::PartyDied { .. }) => {
                    assert_ne!(pid, 0);
                }
                (told, cause) => assert_eq!(told, cause),
            }
        }
        unchanged(&barrier, || barrier.abort());
        barrier.reset();
        assert!(!barrier.is_broken());
    }
    passed()
}

pub(crate) fn of_who_is_there() -> Outcome {
    let barrier = Barrier::new(1)?;
    let mut again = None;
    barrier.wait_with(|| again = Some(unchanged(&barrier, || barrier.wait_timeout(LONG))))?;
    assert_eq!(again, Some(Err(BarrierError::WouldDeadlock)));
    let member = barrier.member()?;
    let refused = unchanged(&barrier, || barrier.member()).unwrap_err();
    assert_eq!(refused, MemberError::AlreadyMember);
    unchanged(&barrier, || {
        in_child(|| matches!(barrier.member(), Err(MemberError::TooManyMembers)));
    });
    drop(member);
    assert!(barrier.member().is_ok());
    passed()
}

pub(crate) fn of_permits() -> Outcome {
    // A number below zero cannot be written: `Semaphore::new` has an example that does not compile.
    for permits in [Semaphore::MOST_PERMITS + 1, u32::MAX] {
        for refused in [
            Semaphore::new(permits).unwrap_err(),
            BoundedSemaphore::new(permits).unwrap_err(),
            Semaphore::with_seats(permits, u32::MAX).unwrap_err(),
        ] {
            let is_told =
                matches!(refused, SemaphoreError::TooManyPermits { asked } if asked == permits);
            assert!(is_told, "{refused}");
        }
    }
    for seats in [Semaphore::MOST_SEATS + 1, u32::MAX] {
        let refused = Semaphore::with_seats(1, seats).unwrap_err();
        let is_told = matches!(refused, SemaphoreError::TooManySeats { asked } if asked == seats);
        assert!(is_told, "{refused}");
    }
    let seatless = Semaphore::with_seats(1, 0)?;
    let refused = unchanged(&seatless, || seatless.acquire_timeout(LONG)).unwrap_err();
    assert_eq!(refused, AcquireError::NoSeat);
    let refused = unchanged(&seatless, || seatless.try_acquire()).unwrap_err();
    assert_eq!(refused, TryAcquireError::NoSeat);
    passed()
}

pub(crate) fn of_readers() -> Outcome {
    assert_eq!([0, 128, usize::MAX].map(Readers::new), [None; 3]);
    passed()
}

pub(crate) fn of_places() -> Outcome {
    type At = fn(&Segment, usize) -> Result<(), SegmentError>;
    let all: [(&str, usize, At); 11] = [
        ("Lock", 64, |segment, offset| Lock::in_segment(segment, offset).map(drop)),
        ("RLock", 64, |segment, offset| RLock::in_segment(segment, offset).map(drop)),
        ("Once", 64, |segment, offset| Once::in_segment(segment, offset).map(drop)),
        ("Condition", 64, |segment, offset| Condition::in_segment(segment, offset).map(drop)),
        ("Event", 16, |segment, offset| Event::in_segment(segment, offset).map(drop)),
        ("Semaphore", 64, |segment, offset| of_semaphore(Semaphore::in_segment(segment, offset))),
        ("Semaphore, new", 64, |segment, offset| {
            of_semaphore(Semaphore::new_in_segment(segment, offset, 1, 2))
        }),
        ("BoundedSemaphore", 64, |segment, offset| {
            of_semaphore(BoundedSemaphore::new_in_segment(segment, offset, 1, 2))
        }),
        ("Barrier", 64, |segment, offset| of_barrier(Barrier::new_in_segment(segment, offset, 2))),
        ("Mutex", 64, |segment, offset| {
            // SAFETY: it is not used.
            unsafe { Mutex::<u32>::new_in_segment(segment, offset, 7) }.map(drop)
        }),
        ("RwLock", 64, |segment, offset| {
            // SAFETY: it is not used.
            unsafe { RwLock::<u32>::new_in_segment(segment, offset, Readers::MAX, 7) }.map(drop)
        }),
    ];
    let segment = Segment::create(KIND, 0, 256)?;
    let top = usize::MAX - 63;
    for (name, alignment, at) in all {
        for offset in [256, 1 << 20, top] {
            let refused = at(&segment, offset).unwrap_err();
            let is_told = matches!(refused, SegmentError::OutOfBounds { .. });
            assert!(is_told, "{name} at {offset}: {refused}");
        }
        let refused = at(&segment, alignment / 2).unwrap_err();
        let is_told = matches!(refused, SegmentError::Misaligned { .. });
        assert!(is_told || name == "Barrier" || name == "RwLock", "{name}: {refused}");
    }
    let bytes: &[ipc_core::primitive::AtomicU32] = segment.slice_at(0, 64)?;
    let untouched = |word: &ipc_core::primitive::AtomicU32| {
        word.load(ipc_core::primitive::Ordering::Relaxed) == 0
    };
    assert!(bytes.iter().all(untouched), "what is refused writes nothing");
    passed()
}

pub(crate) fn of_types() -> Outcome {
    let (mutex, rwlock) = (Mutex::new(7_u32)?, RwLock::new(7_u32)?);
    let told = |error| match error {
        DecodeError::Segment(SegmentError::WrongType { expected, found }) => expected != found,
        _ => false,
    };
    assert!(told(wire::decode::<Mutex<i32>>(wire::encode(&mutex)?).unwrap_err()));
    assert!(told(wire::decode::<RwLock<f32>>(wire::encode(&rwlock)?).unwrap_err()));
    // One kind of primitive is not another.
    let other = wire::decode::<RwLock<u32>>(wire::encode(&mutex)?).unwrap_err();
    assert!(matches!(other, DecodeError::Segment(_)), "{other}");
    assert_eq!((mutex.get().unwrap(), rwlock.get().unwrap()), (7, 7));
    passed()
}
