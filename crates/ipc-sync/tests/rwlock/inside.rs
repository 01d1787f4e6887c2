//! Coming in and leaving, in turn and at the same time, by the living and by readers that die.

use std::mem;
use std::thread;

use ipc_core::robust::MAX_HELD;
use ipc_core::{Deadline, Kind, Layout, Segment};
use ipc_sync::{LockError, Readers, RwLock, RwLockWriteGuard, TryLockError};
use testkit::child::Child;
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

/// A child that reads until it is told to leave.
fn reading(lock: &RwLock<u64>, notes: &[Counter], idx: usize) -> Child {
    let child = start(|| {
        let _guard = lock.read().unwrap();
        notes[idx].set(1);
        notes[idx].wait_until(|note| note == 2);
        true
    });
    notes[idx].wait_until(|note| note == 1);
    child
}

pub(crate) fn readers_together_a_writer_alone() -> Outcome {
    let lock = RwLock::new(7_u64)?;
    let guard = lock.read().unwrap();
    assert_eq!(*guard, 7);
    in_child(|| {
        *lock.read().unwrap() == 7
            && *lock.try_read().unwrap() == 7
            && *lock.read_timeout(SHORT).unwrap() == 7
            && lock.get().unwrap() == 7
            && lock.try_write().unwrap_err().is_would_block()
            && lock.write_timeout(SHORT).unwrap_err().is_timeout()
    });
    assert_eq!(lock.stats().readers.len(), 1);
    assert_eq!(lock.stats().writer, None);
    drop(guard);
    let mut guard = lock.write().unwrap();
    *guard = 8;
    in_child(|| {
        lock.try_write().unwrap_err().is_would_block()
            && lock.try_read().unwrap_err().is_would_block()
            && lock.read_deadline(Deadline::now()).unwrap_err().is_timeout()
            && lock.write_deadline(Deadline::now()).unwrap_err().is_timeout()
    });
    assert!(lock.stats().writer.is_some());
    drop(guard);
    in_child(|| {
        let mut guard = lock.try_write().unwrap();
        *guard += 1;
        *guard == 9
    });
    drop(lock.write_timeout(SHORT).unwrap());
    assert_eq!(format!("{0} {0:?}", lock.read().unwrap()), "9 9");
    assert_eq!(format!("{0} {0:?}", lock.write().unwrap()), "9 9");
    passed()
}

pub(crate) fn who_waits_comes_in() -> Outcome {
    let lock = RwLock::new(0_u64)?;
    let guard = lock.write().unwrap();
    let mut waiting = [
        start(|| lock.read().is_ok()),
        start(|| lock.write().is_ok()),
        start(|| lock.read_timeout(LONG).is_ok()),
        start(|| lock.write_timeout(LONG).is_ok()),
    ];
    for child in &mut waiting {
        child.wait_asleep(LONG)?;
        // What stops and continues a process interrupts its sleep.
        child.signal(libc::SIGSTOP);
        child.signal(libc::SIGCONT);
    }
    waiting[0].wait_asleep(LONG)?;
    assert!(lock.stats().has_waiters);
    drop(guard);
    waiting.iter_mut().for_each(finish);
    let guard = lock.read().unwrap();
    let mut waiting = start(|| lock.write().is_ok());
    waiting.wait_asleep(LONG)?;
    drop(guard);
    finish(&mut waiting);
    // The marks of the sleepers go with the next who leave.
    drop(lock.write().unwrap());
    drop(lock.read().unwrap());
    assert!(!lock.stats().has_waiters);
    passed()
}

pub(crate) fn new_readers_do_not_pass_a_writer() -> Outcome {
    let lock = RwLock::new(0_u64)?;
    let guard = lock.read().unwrap();
    let mut writer = start(|| {
        *lock.write().unwrap() = 1;
        true
    });
    writer.wait_asleep(LONG)?;
    assert!(lock.stats().writer.is_some());
    in_child(|| lock.try_read().unwrap_err().is_would_block());
    let mut reader = start(|| *lock.read().unwrap() == 1);
    reader.wait_asleep(LONG)?;
    assert_eq!(*guard, 0);
    drop(guard);
    finish(&mut writer);
    finish(&mut reader);
    passed()
}

pub(crate) fn one_too_many_waits_for_any_slot() -> Outcome {
    let lock = RwLock::with_readers(5_u64, Readers::new(3).ok_or("a number")?)?;
    assert_eq!(lock.max_readers(), 3);
    let notes = SharedArena::<Counter>::new(3);
    for leaves in 0..3 {
        let mut inside = [0, 1, 2].map(|idx| reading(&lock, &notes, idx));
        assert_eq!(lock.stats().readers.len(), 3);
        in_child(|| {
            lock.try_read().unwrap_err().is_would_block()
                && lock.read_timeout(SHORT).unwrap_err().is_timeout()
        });
        let mut waiting = start(|| *lock.read().unwrap() == 5);
        waiting.wait_asleep(LONG)?;
        // Whoever leaves makes room, and the others stay.
        notes[leaves].set(2);
        finish(&mut waiting);
        notes.iter().for_each(|note| note.set(2));
        inside.iter_mut().for_each(finish);
    }
    let mut inside = [0, 1, 2].map(|idx| reading(&lock, &notes, idx));
    let mut waiting = start(|| *lock.read().unwrap() == 5);
    waiting.wait_asleep(LONG)?;
    // A death makes room as well.
    inside[1].kill();
    finish(&mut waiting);
    notes.iter().for_each(|note| note.set(2));
    finish(&mut inside[0]);
    finish(&mut inside[2]);
    in_child(|| lock.write().is_ok());
    passed()
}

pub(crate) fn who_is_inside_does_not_come_in_again() -> Outcome {
    let lock = RwLock::new(0_u64)?;
    let other = lock.clone();
    let guard = lock.read().unwrap();
    assert!(matches!(other.read(), Err(LockError::WouldDeadlock)));
    assert!(matches!(other.read_timeout(LONG), Err(LockError::WouldDeadlock)));
    assert!(matches!(other.write(), Err(LockError::WouldDeadlock)));
    assert!(matches!(other.get(), Err(LockError::WouldDeadlock)));
    assert!(matches!(other.try_read(), Err(TryLockError::WouldBlock)));
    assert!(matches!(other.try_write(), Err(TryLockError::WouldBlock)));
    drop(guard);
    let guard = lock.write().unwrap();
    assert!(matches!(other.read(), Err(LockError::WouldDeadlock)));
    assert!(matches!(other.write_timeout(LONG), Err(LockError::WouldDeadlock)));
    assert!(matches!(other.set(1), Err(LockError::WouldDeadlock)));
    assert!(matches!(other.try_read(), Err(TryLockError::WouldBlock)));
    // Another lock is another lock.
    drop(RwLock::new(0_u64)?.read().unwrap());
    drop(guard);
    assert_eq!(other.get().unwrap(), 0);
    passed()
}

pub(crate) fn timeouts_end_a_wait() -> Outcome {
    let lock = RwLock::new(0_u64)?;
    let guard = lock.read().unwrap();
    in_child(|| {
        let start = Deadline::now();
        let timed_out = lock.write_timeout(SHORT).unwrap_err().is_timeout();
        // It is not said to have passed before it has; and whoever comes then can read.
        timed_out && start < Deadline::now() && lock.try_read().is_ok()
    });
    drop(guard);
    let guard = lock.write().unwrap();
    in_child(|| lock.read_timeout(SHORT).unwrap_err().is_timeout());
    drop(guard);
    in_child(|| lock.try_read().is_ok() && lock.try_write().is_ok());
    passed()
}

pub(crate) fn a_writer_becomes_a_reader() -> Outcome {
    let lock = RwLock::new(0_u64)?;
    let mut guard = lock.write().unwrap();
    let mut others = [start(|| {
        lock.write().is_ok_and(|mut value| {
            *value += 1;
            *value == 8
        })
    })];
    others[0].wait_asleep(LONG)?;
    *guard = 7;
    let guard = RwLockWriteGuard::downgrade(guard).map_err(|_| "no downgrade")?;
    assert_eq!(*guard, 7);
    // The other has its hands on the lock by now, and waits for us.
    others[0].wait_asleep(LONG)?;
    assert_eq!(*guard, 7);
    drop(guard);
    others.iter_mut().for_each(finish);
    let guard = RwLockWriteGuard::downgrade(lock.write().unwrap()).map_err(|_| "no downgrade")?;
    in_child(|| *lock.try_read().unwrap() == 8);
    drop(guard);
    passed()
}

pub(crate) fn readers_never_see_half_a_change() -> Outcome {
    const TIMES: u64 = 5_000;
    let lock = RwLock::with_readers([0_u64; 2], Readers::new(2).ok_or("a number")?)?;
    let write = || {
        for _ in 0..TIMES {
            let mut pair = lock.write().unwrap();
            pair[0] += 1;
            pair[1] += 1;
        }
        true
    };
    let read = || {
        let mut last = 0;
        for _ in 0..TIMES {
            let pair = lock.read().unwrap();
            if pair[0] != pair[1] || pair[0] < last {
                return false;
            }
            last = pair[0];
        }
        true
    };
    let mut children = [start(write), start(write), start(read), start(read), start(read)];
    children.iter_mut().for_each(finish);
    assert_eq!(lock.get().unwrap(), [2 * TIMES; 2]);
    passed()
}

pub(crate) fn a_dead_readers_share_comes_back() -> Outcome {
    let lock = RwLock::with_readers(3_u64, Readers::new(1).ok_or("a number")?)?;
    for deaths in 1..=3 {
        in_child(|| {
            mem::forget(lock.read().unwrap());
            true
        });
        assert_eq!(lock.stats().readers, []);
        assert_eq!(lock.stats().dead_readers, deaths);
        assert_eq!(*lock.try_read().unwrap(), 3, "nobody is told");
        assert_eq!(lock.stats().dead_readers, deaths);
    }
    in_child(|| {
        mem::forget(lock.read().unwrap());
        true
    });
    *lock.try_write().unwrap() = 4;
    assert!(!lock.stats().is_poisoned);
    assert_eq!(lock.stats().dead_writers, 0);
    passed()
}

pub(crate) fn a_readers_death_wakes_who_waits() -> Outcome {
    let lock = RwLock::new(0_u64)?;
    let notes = SharedArena::<Counter>::new(2);
    let inside = [0, 1].map(|idx| reading(&lock, &notes, idx));
    let mut waiting = start(|| lock.write().is_ok());
    waiting.wait_asleep(LONG)?;
    inside[0].kill();
    waiting.wait_asleep(LONG)?;
    inside[1].kill();
    finish(&mut waiting);
    passed()
}

pub(crate) fn a_forked_child_is_not_inside() -> Outcome {
    let lock = RwLock::new(0_u64)?;
    let mut inherited = Some(lock.read().unwrap());
    in_child(|| {
        drop(inherited.take());
        // The parent is still inside; the child may come in by itself.
        lock.try_write().unwrap_err().is_would_block() && lock.read().is_ok()
    });
    in_child(|| lock.try_write().unwrap_err().is_would_block());
    drop(inherited);
    let mut inherited = Some(lock.write().unwrap());
    in_child(|| {
        let mut guard = inherited.take().unwrap();
        RwLockWriteGuard::mark_consistent(&mut guard);
        let refused = RwLockWriteGuard::downgrade(guard);
        let still_held = refused.is_err();
        drop(refused);
        still_held && lock.try_read().unwrap_err().is_would_block()
    });
    in_child(|| lock.try_read().unwrap_err().is_would_block());
    // It died with nothing of its own: the writer is the parent, which lives.
    drop(inherited);
    assert_eq!(*lock.write().unwrap(), 0);
    passed()
}

pub(crate) fn a_thread_can_hold_so_many() -> Outcome {
    let readers = Readers::new(1).ok_or("a number")?;
    let mut layout = Layout::new();
    let offsets: Vec<_> =
        (0..=MAX_HELD).map(|_| RwLock::<u8>::reserve(&mut layout, readers)).collect();
    let segment = Segment::create(Kind::new(*b"locks\0\0\0", 1), 0, layout.size())?;
    let locks: Vec<_> = offsets
        .into_iter()
        .map(|offset| crate::places::made_in(&segment, offset, readers, 0_u8))
        .collect();
    let (last, others) = locks.split_last().ok_or("there are some")?;
    let mut guards: Vec<_> = others.iter().map(|lock| lock.read().unwrap()).collect();
    assert!(matches!(last.read(), Err(LockError::TooManyHeld)));
    assert!(matches!(last.write(), Err(LockError::TooManyHeld)));
    guards.pop();
    let guard = last.write().unwrap();
    // There is no room for a share beside the lock itself.
    let Err(guard) = RwLockWriteGuard::downgrade(guard) else {
        return Err("too many".into());
    };
    drop(guards);
    drop(RwLockWriteGuard::downgrade(guard).map_err(|_| "no downgrade")?);
    // Last, for a process with threads must not be forked.
    let in_thread = || last.write().is_ok();
    assert!(thread::scope(|scope| scope.spawn(in_thread).join()).unwrap());
    passed()
}
