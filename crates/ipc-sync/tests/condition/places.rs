//! Where conditions lie, how they travel, and what scribbling does to them.

use ipc_core::primitive::AtomicU32;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{OWNER_DIED, Thread, WAITERS};
use ipc_core::wire;
use ipc_core::{Kind, Layout, Segment, SegmentError};
use ipc_sync::{Condition, Lock, Once, RLock};
use testkit::Outcome;
use testkit::seed::Rng;

use crate::together::{LONG, SHORT, finish, passed, start};

const KIND: Kind = Kind::new(*b"conditns", 1);

pub(crate) fn it_travels() -> Outcome {
    let (lock, condition) = (Lock::new()?, Condition::new()?);
    let arrived: Condition = wire::decode(wire::encode(&condition)?)?;
    let mut waiting = start(|| condition.wait(lock.lock().unwrap()).is_ok());
    waiting.wait_asleep(LONG)?;
    arrived.notify_one();
    finish(&mut waiting);
    for offset in [64_u64, 128, u64::MAX, 1] {
        let forged = wire::encode(&(condition.segment().clone(), offset))?;
        assert!(wire::decode::<Condition>(forged).is_err(), "{offset}");
    }
    passed()
}

pub(crate) fn those_in_one_segment_are_apart() -> Outcome {
    let mut layout = Layout::new();
    let offsets = [(); 3].map(|()| Condition::reserve(&mut layout));
    let lock = Lock::reserve(&mut layout);
    let segment = Segment::create(KIND, 0, layout.size())?;
    let lock = Lock::in_segment(&segment, lock)?;
    let conditions = offsets.map(|offset| Condition::in_segment(&segment, offset).unwrap());
    let mut waiting = start(|| conditions[1].wait(lock.lock().unwrap()).is_ok());
    waiting.wait_asleep(LONG)?;
    conditions[0].notify_all();
    conditions[2].notify_all();
    waiting.wait_asleep(LONG)?;
    conditions[1].notify_one();
    finish(&mut waiting);
    assert_eq!((conditions[2].offset(), conditions[2].segment().id()), (offsets[2], segment.id()));
    let error = Condition::in_segment(&segment, layout.size() - 64).unwrap_err();
    assert!(matches!(error, SegmentError::OutOfBounds { .. }), "{error}");
    let error = Condition::in_segment(&segment, 8).unwrap_err();
    assert!(matches!(error, SegmentError::Misaligned { .. }), "{error}");
    passed()
}

pub(crate) fn one_with_a_name_is_found() -> Outcome {
    let name = format!("condition-{}", Thread::current().tid());
    assert!(matches!(Condition::open_named(&name), Err(SegmentError::NotFound)));
    let (lock, condition) = (Lock::new()?, Condition::create_named(&name)?);
    assert!(matches!(Condition::create_named(&name), Err(SegmentError::AlreadyExists)));
    assert!(matches!(RLock::open_named(&name), Err(SegmentError::WrongKind { .. })));
    let mut waiting = start(|| {
        let found = Condition::open_named(&name).unwrap();
        found.wait(lock.lock().unwrap()).is_ok()
    });
    waiting.wait_asleep(LONG)?;
    condition.notify_one();
    finish(&mut waiting);
    Segment::unlink(&name)?;
    // The others have names as well.
    let rlock = RLock::create_named(&name)?;
    let _guard = rlock.lock().unwrap();
    assert_eq!(RLock::open_named(&name)?.depth(), 1);
    Segment::unlink(&name)?;
    let once = Once::create_named(&name)?;
    once.call_once(|_| ())?;
    assert!(Once::open_named(&name)?.is_completed());
    assert!(matches!(Condition::open_named(&name), Err(SegmentError::WrongKind { .. })));
    Segment::unlink(&name)?;
    passed()
}

pub(crate) fn what_it_says_about_itself() -> Outcome {
    let (lock, condition) = (Lock::new()?, Condition::new()?);
    let stats = condition.stats();
    assert_eq!((stats.first_waiter, stats.has_more_waiters, stats.untaken), (None, false, 0));
    let mut waiting = [(); 2].map(|()| start(|| condition.wait(lock.lock().unwrap()).is_ok()));
    for child in &mut waiting {
        child.wait_asleep(LONG)?;
    }
    let stats = condition.stats();
    let pids = waiting.each_ref().map(|child| child.pid().to_string());
    let first = stats.first_waiter.unwrap();
    assert_eq!(first.pid, Some(first.tid), "a process of one thread");
    let first = first.tid.to_string();
    assert!(pids.contains(&first), "{first} is not among {pids:?}");
    assert!(stats.has_more_waiters);
    assert!(format!("{condition:?}").contains(&first), "{condition:?}");
    condition.notify_all();
    waiting.iter_mut().for_each(finish);
    assert_eq!(condition.stats().first_waiter, None);
    passed()
}

/// Bytes of any kind over all of its words, while one waits and another notifies: they come back.
pub(crate) fn scribbling_is_survived() -> Outcome {
    let segment = Segment::create(KIND, 0, 192)?;
    let condition = Condition::in_segment(&segment, 0)?;
    let lock = Lock::in_segment(&segment, 128)?;
    let words: &[AtomicU32] = segment.slice_at(0, 32)?;
    let me = Thread::current().tid();
    let mut random = Rng::of_run("scribbles");
    for round in 0..60 {
        let scribbles = [0, 1, me, me | WAITERS, WAITERS, OWNER_DIED, u32::MAX, 0xffff, 1 << 31];
        let scribble = scribbles.get(round).copied();
        let mut waiting = start(|| {
            let guard = lock.lock().unwrap();
            condition.wait_timeout(guard, SHORT).ok();
            true
        });
        for word in words {
            word.store(scribble.unwrap_or_else(|| (random.next_u64() >> 32) as u32), Relaxed);
        }
        condition.notify_one();
        condition.notify_n(7);
        condition.notify_all();
        assert!(condition.stats().untaken <= 0xffff);
        finish(&mut waiting);
        words.iter().for_each(|word| word.store(0, Relaxed));
    }
    let mut waiting = start(|| condition.wait(lock.lock().unwrap()).is_ok());
    waiting.wait_asleep(LONG)?;
    condition.notify_one();
    finish(&mut waiting);
    passed()
}
