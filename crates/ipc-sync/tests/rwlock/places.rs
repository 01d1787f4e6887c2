//! Where locks lie, how they travel, and what is left of them.
#![expect(unsafe_code, reason = "locks are placed in segments")]

use std::mem;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::{AtomicU32, AtomicU64};
use ipc_core::robust::{OWNER_DIED, Thread, WAITERS};
use ipc_core::wire::{self, DecodeError};
use ipc_core::{Kind, Layout, Placed, Segment, SegmentError, Shared};
use ipc_sync::{Readers, RwLock};
use testkit::Outcome;
use testkit::leaks::Snapshot;
use testkit::seed;

use crate::together::{SHORT, in_child, passed};

const KIND: Kind = Kind::new(*b"values\0\0", 1);

/// Makes a lock in a segment of zeros in which nothing else uses that place.
pub(crate) fn made_in<T: NoUninit + CheckedBitPattern>(
    segment: &Segment,
    offset: usize,
    readers: Readers,
    value: T,
) -> RwLock<T> {
    // SAFETY: callers use the place for this lock only.
    unsafe { RwLock::new_in_segment(segment, offset, readers, value) }.unwrap()
}

/// Words that lie over a lock, to scribble on.
pub(crate) fn over<T, W: Shared>(lock: &RwLock<T>, distance: usize) -> Placed<W> {
    // SAFETY: nobody has a reference to the value.
    unsafe { lock.segment().place_exclusive(lock.offset() + distance) }.unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(128))]
struct Wide([u64; 16]);

pub(crate) fn locks_lie_where_they_may() -> Outcome {
    let (two, default) = (Readers::new(2).ok_or("a number")?, Readers::default());
    assert_eq!((RwLock::<u8>::size(two), RwLock::<u8>::ALIGNMENT), (193, 64));
    assert_eq!((RwLock::<Wide>::size(two), RwLock::<Wide>::ALIGNMENT), (384, 128));
    let mut layout = Layout::new();
    let first = RwLock::<u8>::reserve(&mut layout, two);
    let second = RwLock::<Wide>::reserve(&mut layout, two);
    let third = RwLock::<()>::reserve(&mut layout, default);
    assert_eq!((first, second, third), (0, 256, 640));
    let segment = Segment::create(KIND, 0, layout.size())?;
    let byte = made_in(&segment, first, two, 7_u8);
    let wide = made_in(&segment, second, two, Wide([9; 16]));
    // SAFETY: the layout has room for it there.
    let nothing = unsafe { RwLock::<()>::in_segment(&segment, third) }?;
    assert_eq!(nothing.max_readers(), 16, "zeros are a lock for as many");
    let guards = (byte.write().unwrap(), wide.write().unwrap(), nothing.write().unwrap());
    assert_eq!((*guards.0, *guards.1), (7, Wide([9; 16])));
    drop(guards);
    // SAFETY: it is a lock of this type.
    let again = unsafe { RwLock::<Wide>::in_segment(&segment, second) }?;
    assert_eq!((again.max_readers(), again.get().unwrap()), (2, Wide([9; 16])));
    for (offset, misaligned) in
        [(64, true), (32, true), (1 << 20, false), (usize::MAX - 127, false)]
    {
        // SAFETY: it is not used.
        let refused = unsafe { RwLock::new_in_segment(&segment, offset, two, Wide([0; 16])) };
        let refused = refused.unwrap_err();
        assert_eq!(matches!(refused, SegmentError::Misaligned { .. }), misaligned, "{refused}");
        assert_eq!(matches!(refused, SegmentError::OutOfBounds { .. }), !misaligned, "{refused}");
    }
    passed()
}

pub(crate) fn bad_numbers_are_refused() -> Outcome {
    assert_eq!(Readers::new(0), None);
    assert_eq!(Readers::new(128), None);
    assert_eq!(Readers::new(127), Some(Readers::MAX));
    assert_eq!(Readers::MAX.get(), 127);
    let lock = RwLock::with_readers(0_u8, Readers::MAX)?;
    assert_eq!(lock.max_readers(), 127);
    drop(lock.write().unwrap());
    // What others wrote there is checked at the opening, and not looked at again.
    let said: Placed<AtomicU64> = over(&lock, 112);
    for number in [128, 1 << 40, u64::MAX] {
        said.store(number, Relaxed);
        // SAFETY: it is a lock of this type.
        let refused = unsafe { RwLock::<u8>::in_segment(lock.segment(), 0) }.unwrap_err();
        assert!(matches!(refused, SegmentError::OutOfBounds { .. }), "{refused}");
        assert_eq!(lock.get().unwrap(), 0);
    }
    let small = RwLock::with_readers(0_u8, Readers::new(1).ok_or("a number")?)?;
    let said: Placed<AtomicU64> = over(&small, 112);
    said.store(2, Relaxed);
    // SAFETY: it is a lock of this type.
    let refused = unsafe { RwLock::<u8>::in_segment(small.segment(), 0) }.unwrap_err();
    assert!(matches!(refused, SegmentError::OutOfBounds { .. }), "{refused}");
    passed()
}

pub(crate) fn a_lock_travels() -> Outcome {
    let five = Readers::new(5).ok_or("a number")?;
    let lock = RwLock::with_readers(5_u32, five)?;
    let arrived: RwLock<u32> = wire::decode(wire::encode(&lock)?)?;
    *arrived.write().unwrap() += 1;
    let guard = arrived.write().unwrap();
    in_child(|| lock.try_read().unwrap_err().is_would_block());
    drop(guard);
    assert_eq!((lock.get().unwrap(), arrived.max_readers()), (6, 5));
    match wire::decode::<RwLock<i32>>(wire::encode(&lock)?) {
        Err(DecodeError::Segment(SegmentError::WrongType { .. })) => {}
        other => return Err(format!("{other:?}").into()),
    }
    let hash = lock.segment().type_hash();
    let forged = wire::encode(&(lock.segment().clone(), 1_u64 << 20, hash))?;
    match wire::decode::<RwLock<u32>>(forged) {
        Err(DecodeError::Segment(SegmentError::OutOfBounds { .. })) => {}
        other => return Err(format!("{other:?}").into()),
    }
    let other = RwLock::new(5_i32)?;
    let forged = wire::encode(&(other.segment().clone(), 0_u64, hash))?;
    match wire::decode::<RwLock<u32>>(forged) {
        Err(DecodeError::Segment(SegmentError::WrongType { .. })) => {}
        other => return Err(format!("{other:?}").into()),
    }
    // Safe code can place something over a lock that lies among other things, so it stays here.
    let open = Segment::create(KIND, 0, RwLock::<u32>::size(five))?;
    assert!(wire::encode(&made_in(&open, 0, five, 1_u32)).is_err());
    let closed = Segment::create(Kind::exclusive(*b"values\0\0", 1), 0, open.len())?;
    let lock = made_in(&closed, 0, five, 1_u32);
    let arrived: RwLock<u32> = wire::decode(wire::encode(&lock)?)?;
    assert_eq!((arrived.get().unwrap(), arrived.max_readers()), (1, 5));
    let forged = wire::encode(&(open, 0_u64, hash))?;
    match wire::decode::<RwLock<u32>>(forged) {
        Err(DecodeError::Segment(SegmentError::WrongKind { .. })) => {}
        other => return Err(format!("{other:?}").into()),
    }
    passed()
}

pub(crate) fn a_lock_is_found_by_its_name() -> Outcome {
    let name = format!("multiproc-test-rwlock-{}", Thread::current().tid());
    assert!(matches!(RwLock::<u32>::open_named(&name), Err(SegmentError::NotFound)));
    let lock = RwLock::create_named(&name, 7_u32, Readers::default())?;
    let again = RwLock::create_named(&name, 8_u32, Readers::default());
    assert!(matches!(again, Err(SegmentError::AlreadyExists)));
    in_child(|| {
        let lock = RwLock::<u32>::open_named(&name).unwrap();
        *lock.write().unwrap() += 1;
        let wrong = RwLock::<u64>::open_named(&name).unwrap_err();
        matches!(wrong, SegmentError::WrongType { .. })
    });
    assert_eq!(lock.get().unwrap(), 8);
    Segment::unlink(&name)?;
    assert!(matches!(RwLock::<u32>::open_named(&name), Err(SegmentError::NotFound)));
    let bad = RwLock::create_named("a/b", 7_u32, Readers::default());
    assert!(matches!(bad, Err(SegmentError::BadName)));
    passed()
}

pub(crate) fn nothing_is_left() -> Outcome {
    drop(RwLock::new(0)?.read());
    let before = Snapshot::take();
    {
        let locks: Vec<_> = (0..20).map(RwLock::new).collect::<Result<_, _>>()?;
        let arrived: Vec<RwLock<i32>> = wire::decode(wire::encode(&locks)?)?;
        let reads: Vec<_> = locks[..10].iter().map(|lock| lock.read().unwrap()).collect();
        let writes: Vec<_> = locks[10..].iter().map(|lock| lock.write().unwrap()).collect();
        in_child(|| {
            mem::forget(locks[0].read().unwrap());
            true
        });
        drop(arrived);
        drop(reads);
        drop(writes);
    }
    before.assert_none();
    passed()
}

pub(crate) fn scribbling_is_survived() -> Outcome {
    let two = Readers::new(2).ok_or("a number")?;
    let lock = RwLock::with_readers(0_u32, two)?;
    let words: Placed<[AtomicU32; 49]> = over(&lock, 0);
    let me = Thread::current().tid();
    let mut rng = seed::Rng::of_run("scribble");
    let marks = [1, me, me | WAITERS, WAITERS, OWNER_DIED, OWNER_DIED | WAITERS, u32::MAX];
    for round in 0..400 {
        let scribble = marks[round % marks.len()];
        for word in &*words {
            if round < marks.len() {
                word.store(scribble, Relaxed);
            } else if rng.chance(8) {
                word.store(marks[rng.index(marks.len())], Relaxed);
            }
        }
        // Whatever it says, it says so in time.
        let short = if round < 20 { SHORT } else { SHORT / 20 };
        drop(lock.try_read().map_err(|error| error.without_lock().to_string()));
        drop(lock.try_write().map_err(|error| error.without_lock().to_string()));
        drop(lock.read_timeout(short).map_err(|error| error.without_lock().to_string()));
        drop(lock.write_timeout(short).map_err(|error| error.without_lock().to_string()));
        assert!(format!("{lock:?} {:?}", lock.stats()).len() > 10);
        for word in &*words {
            word.store(0, Relaxed);
        }
        // While it is held, too.
        let guard = lock.read().unwrap();
        words.iter().for_each(|word| word.store(scribble, Relaxed));
        drop(guard);
        words.iter().for_each(|word| word.store(0, Relaxed));
        let guard = lock.write().unwrap();
        words.iter().for_each(|word| word.store(scribble, Relaxed));
        drop(guard);
        words.iter().for_each(|word| word.store(0, Relaxed));
    }
    assert_eq!(*lock.write().unwrap(), 0);
    passed()
}
