//! Who holds it, who does not, and what becomes of it when its holder dies.

use std::mem;

use ipc_core::primitive::AtomicU32;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{OWNER_DIED, Thread, WAITERS};
use ipc_core::wire::{self, MessageSocket};
use ipc_core::{Deadline, Kind, Layout, Segment, SegmentError};
use ipc_sync::{LockError, NotHeld, RLock, TryLockError};
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

const KIND: Kind = Kind::new(*b"rlocks\0\0", 1);

/// A process takes the lock so often and dies without giving it back.
fn die_holding(lock: &RLock, levels: u32) {
    in_child(|| {
        (0..levels).for_each(|_| mem::forget(lock.lock().unwrap()));
        true
    });
}

pub(crate) fn only_the_holder_gives_it_back() -> Outcome {
    let lock = RLock::new()?;
    assert_eq!(lock.release(), Err(NotHeld));
    let guard = lock.lock().unwrap();
    in_child(|| lock.release() == Err(NotHeld) && lock.is_locked());
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(lock.release(), Err(NotHeld)));
    });
    assert_eq!(lock.depth(), 1, "nothing has changed");
    drop(guard);
    assert_eq!(lock.release(), Err(NotHeld));
    assert_eq!(NotHeld.to_string(), "this thread does not hold the lock");
    passed()
}

pub(crate) fn a_guard_too_many_does_nothing() -> Outcome {
    let lock = RLock::new()?;
    let guards = [lock.lock().unwrap(), lock.lock().unwrap()];
    lock.release()?;
    lock.release()?;
    in_child(|| lock.try_lock().is_ok());
    // Another holds it when they are dropped: it stays so.
    let notes = SharedArena::<Counter>::new(2);
    let mut other = start(|| {
        let _guard = lock.lock().unwrap();
        notes[0].set(1);
        notes[1].wait_until(|note| note == 1);
        true
    });
    notes[0].wait_until(|note| note == 1);
    drop(guards);
    assert!(lock.is_locked());
    assert!(lock.try_lock().unwrap_err().is_would_block());
    notes[1].set(1);
    finish(&mut other);
    passed()
}

pub(crate) fn others_wait_for_the_last() -> Outcome {
    let lock = RLock::new()?;
    let guards = [lock.lock().unwrap(), lock.lock().unwrap()];
    let mut waiting = [start(|| lock.lock().is_ok()), start(|| lock.lock_timeout(LONG).is_ok())];
    for child in &mut waiting {
        child.wait_asleep(LONG)?;
    }
    let [outer, inner] = guards;
    drop(inner);
    for child in &mut waiting {
        child.wait_asleep(LONG)?;
    }
    in_child(|| lock.try_lock().unwrap_err().is_would_block());
    drop(outer);
    waiting.iter_mut().for_each(finish);
    passed()
}

pub(crate) fn the_dead_held_it_once() -> Outcome {
    let lock = RLock::new()?;
    for (deaths, levels) in (1..).zip([1, 2, 7]) {
        die_holding(&lock, levels);
        assert_eq!((lock.depth(), lock.is_locked()), (0, false), "the dead hold nothing");
        match lock.lock() {
            Err(LockError::OwnerDied(guard)) => {
                assert_eq!(lock.depth(), 1);
                drop(guard);
            }
            other => return Err(format!("{other:?}").into()),
        }
        in_child(|| lock.try_lock().is_ok());
        assert_eq!(lock.stats().deaths, deaths);
    }
    // Without a guard, and without waiting, it is held as well.
    die_holding(&lock, 2);
    assert_eq!(lock.try_acquire(), Err(TryLockError::OwnerDied(())));
    assert_eq!(lock.depth(), 1);
    lock.release()?;
    die_holding(&lock, 2);
    assert_eq!(lock.acquire(), Err(LockError::OwnerDied(())));
    lock.release()?;
    passed()
}

pub(crate) fn a_death_wakes_who_waits() -> Outcome {
    let lock = RLock::new()?;
    let notes = SharedArena::<Counter>::new(1);
    let mut holder = start(|| {
        (0..3).for_each(|_| mem::forget(lock.lock().unwrap()));
        notes[0].set(1);
        loop {
            std::thread::park();
        }
    });
    notes[0].wait_until(|note| note == 1);
    let told = SharedArena::<Counter>::new(1);
    let mut waiting = [(); 2].map(|()| {
        start(|| {
            let died = lock.lock().is_err_and(|error| error.is_owner_died());
            told[0].add(u64::from(died));
            true
        })
    });
    for child in &mut waiting {
        child.wait_asleep(LONG)?;
    }
    holder.kill();
    waiting.iter_mut().for_each(finish);
    assert_eq!(told[0].get(), 1, "it is told once");
    holder.wait();
    passed()
}

pub(crate) fn a_forked_child_does_not_own_it() -> Outcome {
    let lock = RLock::new()?;
    let outer = lock.lock().unwrap();
    let inherited = &mut Some(lock.lock().unwrap());
    in_child(|| {
        drop(inherited.take());
        !lock.is_mine()
            && lock.release() == Err(NotHeld)
            && lock.try_lock().unwrap_err().is_would_block()
            && lock.lock_timeout(SHORT).unwrap_err().is_timeout()
            && lock.depth() == 2
    });
    assert_eq!(lock.depth(), 2, "still ours");
    drop(inherited.take());
    drop(outer);
    in_child(|| lock.try_lock().is_ok());
    passed()
}

pub(crate) fn a_timeout_ends_a_wait() -> Outcome {
    let lock = RLock::new()?;
    let _guards = [lock.lock().unwrap(), lock.lock().unwrap()];
    in_child(|| {
        lock.lock_timeout(SHORT).unwrap_err().is_timeout()
            && lock.lock_deadline(Deadline::now()).unwrap_err().is_timeout()
            && lock.acquire_timeout(SHORT).unwrap_err().is_timeout()
            && lock.try_acquire().unwrap_err().is_would_block()
            && !lock.is_mine()
    });
    assert_eq!(lock.depth(), 2);
    passed()
}

pub(crate) fn a_lock_that_travels_is_the_same() -> Outcome {
    let lock = RLock::new()?;
    let arrived: RLock = wire::decode(wire::encode(&lock)?)?;
    let _guards = [lock.lock().unwrap(), arrived.lock().unwrap()];
    assert_eq!((lock.depth(), arrived.depth()), (2, 2));
    let other = RLock::new()?;
    let (ours, theirs) = MessageSocket::pair()?;
    ours.send(&wire::encode(&other)?, Deadline::NEVER)?;
    in_child(|| {
        let message = theirs.recv(&Default::default(), Deadline::NEVER).unwrap().unwrap();
        let arrived: RLock = wire::decode(message).unwrap();
        mem::forget(arrived.lock().unwrap());
        mem::forget(arrived);
        true
    });
    assert!(other.lock().unwrap_err().is_owner_died());
    passed()
}

pub(crate) fn locks_in_one_segment_are_apart() -> Outcome {
    let mut layout = Layout::new();
    let offsets = [(); 3].map(|()| RLock::reserve(&mut layout));
    let segment = Segment::create(KIND, 0, layout.size())?;
    let locks = offsets.map(|offset| RLock::in_segment(&segment, offset).unwrap());
    let _guards = [locks[0].lock().unwrap(), locks[0].lock().unwrap(), locks[2].lock().unwrap()];
    assert_eq!(locks.each_ref().map(RLock::depth), [2, 0, 1]);
    assert_eq!(locks[1].offset(), offsets[1]);
    assert_eq!(locks[1].segment().id(), segment.id());
    let error = RLock::in_segment(&segment, layout.size()).unwrap_err();
    assert!(matches!(error, SegmentError::OutOfBounds { .. }), "{error}");
    let error = RLock::in_segment(&segment, 8).unwrap_err();
    assert!(matches!(error, SegmentError::Misaligned { .. }), "{error}");
    passed()
}

pub(crate) fn scribbling_is_survived() -> Outcome {
    let segment = Segment::create(KIND, 0, 64)?;
    let lock = RLock::in_segment(&segment, 0)?;
    let words: &[AtomicU32] = segment.slice_at(0, 16)?;
    let me = Thread::current().tid();
    for scribble in [0, 1, me, me | WAITERS, WAITERS, OWNER_DIED, u32::MAX] {
        for before in [true, false] {
            words.iter().for_each(|word| word.store(if before { scribble } else { 0 }, Relaxed));
            // Whatever it says, it says so in time, and neither count runs over.
            let guards = [lock.lock_timeout(SHORT).ok(), lock.lock_timeout(SHORT).ok()];
            if !before {
                words.iter().for_each(|word| word.store(scribble, Relaxed));
            }
            let third = lock.try_lock().ok();
            assert_eq!(lock.depth(), lock.stats().depth);
            drop(third);
            drop(guards);
            let released = (0..4).filter(|_| lock.release().is_ok()).count();
            assert!(released <= 4);
            // Held for ever, perhaps, but by nobody of us.
            words.iter().for_each(|word| word.store(0, Relaxed));
            while lock.release().is_ok() {
                words.iter().for_each(|word| word.store(0, Relaxed));
            }
        }
    }
    assert!(lock.try_lock().is_ok());
    passed()
}
