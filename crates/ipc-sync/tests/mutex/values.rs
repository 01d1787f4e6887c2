//! The bytes of a mutex's value, and where they lie.
#![expect(unsafe_code, reason = "mutexes are placed in segments")]

use std::mem;

use ipc_core::primitive::AtomicU32;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::wire::{self, DecodeError};
use ipc_core::{Kind, Layout, Segment, SegmentError};
use ipc_sync::{Lock, LockError, Mutex, TryLockError};
use testkit::Outcome;
use testkit::leaks::Snapshot;

use crate::together::{SHORT, in_child, passed};

const KIND: Kind = Kind::new(*b"values\0\0", 1);

/// Writes a word over the value of a mutex that lies at the beginning of a segment of its own.
fn scribble<T>(mutex: &Mutex<T>, value: u32)
where
    T: bytemuck::NoUninit + bytemuck::CheckedBitPattern,
{
    // SAFETY: nobody has a reference to the value.
    let word = unsafe { mutex.segment().place_exclusive::<AtomicU32>(mutex.offset() + 64) };
    word.unwrap().store(value, Relaxed);
}

pub(crate) fn bytes_that_are_no_value_are_refused() -> Outcome {
    let letter = Mutex::new('a')?;
    scribble(&letter, 0xd800);
    for _ in 0..2 {
        assert!(matches!(letter.lock(), Err(LockError::Corrupt)));
        assert!(matches!(letter.try_lock(), Err(TryLockError::Corrupt)));
        assert!(matches!(letter.lock_timeout(SHORT), Err(LockError::Corrupt)));
        assert!(matches!(letter.get(), Err(LockError::Corrupt)));
        assert!(matches!(letter.update(|letter| letter), Err(LockError::Corrupt)));
        assert!(!letter.is_locked(), "it was given back each time");
    }
    letter.set('b').unwrap();
    assert_eq!(*letter.lock().unwrap(), 'b');
    scribble(&letter, u32::MAX);
    assert_eq!(*letter.reset('c').unwrap(), 'c');
    assert_eq!(letter.get().unwrap(), 'c');
    passed()
}

pub(crate) fn a_dead_holder_may_leave_no_value() -> Outcome {
    let letter = Mutex::new('a')?;
    in_child(|| {
        mem::forget(letter.lock().unwrap());
        scribble(&letter, 0xd800);
        true
    });
    assert!(matches!(letter.lock(), Err(LockError::Corrupt)));
    scribble(&letter, u32::from('x'));
    // The death is not forgotten over it.
    match letter.lock() {
        Err(LockError::Poisoned(recovery)) => assert_eq!(recovery.get(), 'x'),
        other => panic!("{other:?}"),
    }
    assert_eq!(*letter.reset('b').unwrap(), 'b');
    assert_eq!(letter.get().unwrap(), 'b');
    passed()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(128))]
struct Wide([u64; 16]);

pub(crate) fn values_lie_at_their_alignment() -> Outcome {
    let mut layout = Layout::new();
    let first = Mutex::<u8>::reserve(&mut layout);
    let second = Mutex::<Wide>::reserve(&mut layout);
    let third = Mutex::<()>::reserve(&mut layout);
    assert_eq!((first, second, third), (0, 128, 384));
    assert_eq!((Mutex::<u8>::SIZE, Mutex::<u8>::ALIGNMENT), (65, 64));
    assert_eq!((Mutex::<Wide>::SIZE, Mutex::<Wide>::ALIGNMENT), (256, 128));
    let segment = Segment::create(KIND, 0, layout.size())?;
    // SAFETY: the layout has room for them there, and nobody else has the segment.
    let byte = unsafe { Mutex::new_in_segment(&segment, first, 7_u8) }?;
    let value = Wide([9; 16]);
    // SAFETY: as for the first.
    let wide = unsafe { Mutex::new_in_segment(&segment, second, value) }?;
    // SAFETY: as for the first.
    let nothing = unsafe { Mutex::new_in_segment(&segment, third, ()) }?;
    let guards = (byte.lock().unwrap(), wide.lock().unwrap(), nothing.lock().unwrap());
    assert_eq!((*guards.0, *guards.1), (7, value));
    drop(guards);
    for (offset, misaligned) in
        [(64, true), (32, true), (256, false), (384, false), (usize::MAX - 127, false)]
    {
        // SAFETY: it is not used.
        let refused = unsafe { Mutex::<Wide>::in_segment(&segment, offset) }.unwrap_err();
        assert_eq!(matches!(refused, SegmentError::Misaligned { .. }), misaligned, "{refused}");
        assert_eq!(matches!(refused, SegmentError::OutOfBounds { .. }), !misaligned, "{refused}");
    }
    passed()
}

pub(crate) fn large_values_are_whole() -> Outcome {
    const LEN: usize = 20_000;
    let numbers = Mutex::new([0_u64; LEN])?;
    in_child(|| {
        let mut guard = numbers.lock().unwrap();
        for (idx, number) in guard.iter_mut().enumerate() {
            *number = idx as u64;
        }
        true
    });
    let copy = numbers.get().unwrap();
    assert!(copy.iter().enumerate().all(|(idx, &number)| number == idx as u64));
    numbers.set([3; LEN]).unwrap();
    in_child(|| numbers.lock().unwrap().iter().all(|&number| number == 3));
    passed()
}

pub(crate) fn a_mutex_that_travels_is_the_same() -> Outcome {
    let mutex = Mutex::new(5_u32)?;
    let arrived: Mutex<u32> = wire::decode(wire::encode(&mutex)?)?;
    *arrived.lock().unwrap() += 1;
    let guard = arrived.lock().unwrap();
    assert!(mutex.try_lock().unwrap_err().is_would_block());
    drop(guard);
    assert_eq!(mutex.get().unwrap(), 6);
    let segment = Segment::create(Kind::exclusive(*b"letters\0", 1), 0, 256)?;
    // SAFETY: nobody else has the segment, and nothing else is in it.
    let placed = unsafe { Mutex::new_in_segment(&segment, 64, 'x') }?;
    let arrived: Mutex<char> = wire::decode(wire::encode(&placed)?)?;
    assert_eq!((arrived.offset(), arrived.get().unwrap()), (64, 'x'));
    // Where there is none, or one of another type, there is none to receive.
    for (offset, hash) in [(0_u64, segment_hash::<char>()?), (64, segment_hash::<u32>()?)] {
        let forged = wire::encode(&(segment.clone(), offset, hash))?;
        let refused = if offset == 0 {
            wire::decode::<Mutex<char>>(forged).map(drop)
        } else {
            wire::decode::<Mutex<u32>>(forged).map(drop)
        };
        assert!(matches!(refused, Err(DecodeError::Segment(SegmentError::WrongType { .. }))));
    }
    passed()
}

fn segment_hash<T: bytemuck::NoUninit + bytemuck::CheckedBitPattern + Default>()
-> Result<u64, SegmentError> {
    Ok(Mutex::new(T::default())?.segment().type_hash())
}

/// Else safe code could write what a guard lends.
pub(crate) fn nothing_else_is_placed_over_a_mutex() -> Outcome {
    let mutex = Mutex::new(5_u32)?;
    let segment = mutex.segment();
    let is_refused = |refused: Result<(), SegmentError>| {
        assert!(matches!(refused, Err(SegmentError::Exclusive { .. })), "{refused:?}");
    };
    is_refused(segment.at::<AtomicU32>(64).map(drop));
    is_refused(segment.slice_at::<AtomicU32>(64, 1).map(drop));
    is_refused(segment.place::<AtomicU32>(64).map(drop));
    is_refused(segment.place_slice::<AtomicU32>(64, 1).map(drop));
    is_refused(Lock::in_segment(segment, 0).map(drop));
    // In a segment where safe code can, a mutex works, but none is sent or received.
    let open = Segment::create(KIND, 0, 256)?;
    // SAFETY: nobody else has the segment, and nothing else is in it.
    let placed = unsafe { Mutex::new_in_segment(&open, 64, 5_u32) }?;
    assert_eq!(placed.update(|value| value + 1).unwrap(), 6);
    assert!(wire::encode(&placed).is_err());
    let forged = wire::encode(&(open, 64_u64, segment.type_hash()))?;
    let refused = wire::decode::<Mutex<u32>>(forged).map(drop);
    assert!(matches!(refused, Err(DecodeError::Segment(SegmentError::WrongKind { .. }))));
    passed()
}

pub(crate) fn a_mutex_keeps_its_type() -> Outcome {
    fn assert_wrong_type<T>(decoded: Result<Mutex<T>, DecodeError>) {
        match decoded {
            Err(DecodeError::Segment(SegmentError::WrongType { .. })) => {}
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it arrived"),
        }
    }

    let mutex = Mutex::new(5_u32)?;
    // What says that it is another type, and what says that it is this one, and is not.
    assert_wrong_type(wire::decode::<Mutex<i32>>(wire::encode(&mutex)?));
    let other = Mutex::new(5_i32)?;
    let hash = mutex.segment().type_hash();
    let forged = wire::encode(&(other.segment().clone(), 0_u64, hash))?;
    assert_wrong_type(wire::decode::<Mutex<u32>>(forged));
    let forged = wire::encode(&(mutex.segment().clone(), 64_u64, hash))?;
    let error = wire::decode::<Mutex<u32>>(forged).unwrap_err();
    assert!(matches!(error, DecodeError::Segment(SegmentError::OutOfBounds { .. })), "{error}");
    passed()
}

pub(crate) fn nothing_is_left_of_mutexes() -> Outcome {
    drop(Mutex::new(0)?.lock());
    let before = Snapshot::take();
    {
        let mutexes: Vec<_> = (0..20).map(Mutex::new).collect::<Result<_, _>>()?;
        let arrived: Vec<Mutex<i32>> = wire::decode(wire::encode(&mutexes)?)?;
        let guards: Vec<_> = mutexes.iter().map(|mutex| mutex.lock().unwrap()).collect();
        drop(arrived);
        drop(guards);
    }
    before.assert_none();
    passed()
}
