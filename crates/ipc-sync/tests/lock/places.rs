//! Where locks lie, how they travel, and what is left of them.

use std::mem;
use std::os::fd::AsFd as _;
use std::thread;

use ipc_core::primitive::AtomicU32;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{OWNER_DIED, Thread, WAITERS};
use ipc_core::wire::{self, DecodeError, Limits, MessageSocket};
use ipc_core::{Deadline, Kind, Layout, Segment, SegmentError};
use ipc_sync::Lock;
use testkit::Outcome;
use testkit::leaks::Snapshot;

use crate::together::{SHORT, in_child, passed};

const KIND: Kind = Kind::new(*b"locks\0\0\0", 1);

pub(crate) fn locks_in_one_segment_are_apart() -> Outcome {
    let mut layout = Layout::new();
    let offsets = [(); 4].map(|()| Lock::reserve(&mut layout));
    let segment = Segment::create(KIND, 0, layout.size())?;
    let locks = offsets.map(|offset| Lock::in_segment(&segment, offset).unwrap());
    let guards = [&locks[0], &locks[2]].map(|lock| lock.lock().unwrap());
    in_child(|| locks.each_ref().map(|lock| lock.try_lock().is_ok()) == [false, true, false, true]);
    drop(guards);
    assert!(locks.iter().all(|lock| lock.try_lock().is_ok()));
    assert_eq!(locks[3].offset(), offsets[3]);
    assert_eq!(locks[3].segment().id(), segment.id());
    passed()
}

pub(crate) fn a_lock_must_lie_inside_its_segment() -> Outcome {
    let segment = Segment::create(KIND, 0, 128)?;
    assert!(Lock::in_segment(&segment, 64).is_ok());
    for offset in [65, 128, usize::MAX] {
        let error = Lock::in_segment(&segment, offset).unwrap_err();
        assert!(matches!(error, SegmentError::OutOfBounds { .. }), "{offset}: {error}");
    }
    let error = Lock::in_segment(&segment, 32).unwrap_err();
    assert!(matches!(error, SegmentError::Misaligned { .. }), "{error}");
    passed()
}

pub(crate) fn a_lock_that_travels_is_the_same() -> Outcome {
    let segment = Segment::create(KIND, 0, 128)?;
    for lock in [Lock::new()?, Lock::in_segment(&segment, 64)?] {
        let arrived: Lock = wire::decode(wire::encode(&lock)?)?;
        let guard = arrived.lock().unwrap();
        assert!(lock.try_lock().unwrap_err().is_would_block());
        assert_eq!(arrived.offset(), lock.offset());
        drop(guard);
        assert!(lock.try_lock().is_ok());
    }
    passed()
}

pub(crate) fn a_lock_does_not_arrive_out_of_bounds() -> Outcome {
    let segment = Segment::create(KIND, 0, 128)?;
    for offset in [96_u64, 128, u64::MAX, 1] {
        let forged = wire::encode(&(segment.clone(), offset))?;
        let error = wire::decode::<Lock>(forged).unwrap_err();
        assert!(matches!(error, DecodeError::Segment(_)), "{offset}: {error}");
    }
    passed()
}

pub(crate) fn a_lock_reaches_another_process() -> Outcome {
    let lock = Lock::new()?;
    let (ours, theirs) = MessageSocket::pair()?;
    ours.send(&wire::encode(&lock)?, Deadline::NEVER)?;
    in_child(|| {
        let message = theirs.recv(&Limits::default(), Deadline::NEVER).unwrap().unwrap();
        let arrived: Lock = wire::decode(message).unwrap();
        mem::forget(arrived.lock().unwrap());
        mem::forget(arrived);
        true
    });
    assert!(lock.lock().unwrap_err().is_owner_died());
    passed()
}

pub(crate) fn a_forgotten_guard_keeps_the_memory() -> Outcome {
    let lock = Lock::new()?;
    let segment = lock.segment().as_fd().try_clone_to_owned()?;
    let before = Snapshot::take();
    let handle = lock.clone();
    in_child(|| {
        // A guard that is dropped in order does not.
        let other = Lock::new().unwrap();
        drop(other.lock().unwrap());
        drop(other);
        // Nor one that another handle still holds.
        let guard = lock.lock().unwrap();
        drop(handle);
        drop(guard);
        let nothing = before.leaks().is_empty();
        mem::forget(lock.lock().unwrap());
        // The child's mapping is the parent's segment: it would be gone with the last handle.
        drop(lock);
        nothing && is_mapped(&segment)
    });
    passed()
}

/// Whether this process has the memory behind the descriptor mapped.
fn is_mapped(memory: &impl std::os::fd::AsRawFd) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    let inode = std::fs::metadata(format!("/proc/self/fd/{}", memory.as_raw_fd())).unwrap().ino();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let inode = inode.to_string();
    maps.lines().any(|line| line.split_ascii_whitespace().nth(4) == Some(inode.as_str()))
}

pub(crate) fn nothing_is_left_of_locks() -> Outcome {
    // What the process makes once is made before.
    drop(Lock::new()?.lock());
    let before = Snapshot::take();
    {
        let locks: Vec<_> = (0..20).map(|_| Lock::new()).collect::<Result<_, _>>()?;
        let clones = locks.clone();
        let guards: Vec<_> = locks.iter().map(|lock| lock.lock().unwrap()).collect();
        in_child(|| clones.iter().all(|lock| lock.try_lock().is_err()));
        // Handles that go while others hold the lock.
        drop(clones);
        drop(guards);
        in_child(|| {
            mem::forget(locks[0].lock().unwrap());
            true
        });
        // Last, for a process with threads must not be forked.
        let in_thread = || locks.iter().all(|lock| lock.lock().is_ok() || lock.lock().is_ok());
        thread::scope(|scope| assert!(scope.spawn(in_thread).join().unwrap()));
    }
    before.assert_none();
    passed()
}

pub(crate) fn scribbling_is_survived() -> Outcome {
    let segment = Segment::create(KIND, 0, 128)?;
    let (lock, neighbor) = (Lock::in_segment(&segment, 0)?, Lock::in_segment(&segment, 64)?);
    let words: &[AtomicU32] = segment.slice_at(0, 16)?;
    let me = Thread::current().tid();
    for scribble in [1, me, me | WAITERS, WAITERS, OWNER_DIED, OWNER_DIED | WAITERS, u32::MAX] {
        for word in words {
            word.store(scribble, Relaxed);
        }
        drop(neighbor.lock().unwrap());
        // Whatever it says, it says so in time.
        let taken = lock.lock_timeout(SHORT).map_err(|error| error.without_lock().to_string());
        drop(taken);
        drop(lock.try_lock().map_err(|error| error.without_lock().to_string()));
        // While it is held, too.
        for word in words {
            word.store(0, Relaxed);
        }
        let (guard, outer) = (lock.lock().unwrap(), neighbor.lock().unwrap());
        for word in words {
            word.store(scribble, Relaxed);
        }
        drop(guard);
        drop(outer);
        drop(neighbor.lock().unwrap());
    }
    // A dead one whose list was scribbled over marks what it can; the kernel is not harmed.
    for word in words {
        word.store(0, Relaxed);
    }
    in_child(|| {
        let guards = [lock.lock(), neighbor.lock()].map(Result::unwrap);
        for word in &words[1..] {
            word.store(u32::MAX, Relaxed);
        }
        mem::forget(guards);
        true
    });
    assert!(neighbor.lock().unwrap_err().is_owner_died(), "the newest is found first");
    passed()
}
