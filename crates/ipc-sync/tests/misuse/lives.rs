//! Primitives that outlive their segment's handles and their users, in every kind of process.
#![expect(unsafe_code, reason = "a fresh process takes a descriptor over")]

use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::{mem, thread};

use ipc_core::wire::{self, Limits, MessageSocket};
use ipc_core::{Deadline, Kind, Layout, Segment};
use ipc_sync::{
    Barrier, BarrierError, BoundedSemaphore, Condition, Event, Lock, LockError, Mutex, Once, RLock,
    RwLock, Semaphore,
};
use serde::{Deserialize, Serialize};
use testkit::Outcome;
use testkit::child::Fresh;
use testkit::leaks::Snapshot;

use crate::together::{LONG, finish, in_child, passed, start};

/// One of each.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct All {
    lock: Lock,
    rlock: RLock,
    mutex: Mutex<u64>,
    rwlock: RwLock<u64>,
    event: Event,
    semaphore: Semaphore,
    bounded: BoundedSemaphore,
    condition: Condition,
    once: Once,
    barrier: Barrier,
}

impl All {
    fn new(parties: u32) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self {
            lock: Lock::new()?,
            rlock: RLock::new()?,
            mutex: Mutex::new(0)?,
            rwlock: RwLock::new(0)?,
            event: Event::new()?,
            semaphore: Semaphore::new(0)?,
            bounded: BoundedSemaphore::new(1)?,
            condition: Condition::new()?,
            once: Once::new()?,
            barrier: Barrier::new(parties)?,
        })
    }

    /// Uses each of them, together with as many others as the barrier has parties.
    fn use_all(&self) -> bool {
        self.once.call_once(|_| *self.mutex.lock().unwrap() += 100).unwrap();
        let guard = self.lock.lock().unwrap();
        let levels = (self.rlock.lock().unwrap(), self.rlock.lock().unwrap());
        *self.rwlock.write().unwrap() += 1;
        drop(levels);
        drop(guard);
        let permit = self.bounded.acquire().unwrap();
        let mut count = self.mutex.lock().unwrap();
        *count += 1;
        self.condition.notify_all();
        drop(count);
        drop(permit);
        let all = 100 + u64::from(self.barrier.parties());
        let count = self.mutex.lock().unwrap();
        drop(self.condition.wait_while(count, |count| *count < all).unwrap());
        // One party releases a permit for each, and all go on.
        let number = self.barrier.wait().unwrap();
        if number == 0 {
            self.semaphore.release_n(self.barrier.parties()).unwrap();
            self.event.set();
        }
        self.event.wait();
        self.semaphore.take().unwrap();
        self.barrier.wait().is_ok()
    }

    fn was_used_by(&self, users: u64) {
        assert_eq!((self.mutex.get().unwrap(), self.rwlock.get().unwrap()), (100 + users, users));
        assert_eq!((self.semaphore.value(), self.bounded.value()), (0, 1));
        assert!(!self.lock.is_locked() && !self.rlock.is_locked() && self.once.is_completed());
        assert!(self.event.is_set() && !self.barrier.is_broken());
    }
}

/// There is no use after a close: what lies in a segment keeps it.
pub(crate) fn when_the_segment_was_closed() -> Outcome {
    let before = Snapshot::take();
    {
        let mut layout = Layout::new();
        let offsets = (Lock::reserve(&mut layout), Event::reserve(&mut layout));
        let segment = Segment::create(Kind::new(*b"closed\0\0", 1), 0, layout.size())?;
        let lock = Lock::in_segment(&segment, offsets.0)?;
        let event = Event::in_segment(&segment, offsets.1)?;
        drop(segment);
        let guard = lock.lock().unwrap();
        in_child(|| lock.try_lock().unwrap_err().is_would_block());
        drop(guard);
        let mut child = start(|| event.wait_timeout(LONG));
        event.set();
        finish(&mut child);
        // Nor does a guard lose its memory with the last handle that can be dropped.
        drop(event);
        in_child(|| {
            mem::forget(lock.lock().unwrap());
            drop(lock.clone());
            true
        });
        assert!(matches!(lock.lock(), Err(LockError::OwnerDied(_))));
    }
    before.assert_none();
    passed()
}

/// Nothing has a name that nobody gave it, so nothing stays.
pub(crate) fn when_their_users_were_killed() -> Outcome {
    let before = Snapshot::take();
    let ready = testkit::SharedArena::<testkit::Counter>::new(1);
    let mut users: Vec<_> = (0..3)
        .map(|_| {
            start(|| {
                // Made, held and waited for.
                let all = All::new(2).unwrap();
                mem::forget((all.lock.lock().unwrap(), all.rwlock.read().unwrap()));
                mem::forget((all.bounded.acquire().unwrap(), all.barrier.member().unwrap()));
                ready[0].add(1);
                all.event.wait();
                false
            })
        })
        .collect();
    ready[0].wait_until(|n_ready| n_ready == 3);
    for user in &mut users {
        user.wait_asleep(LONG)?;
        user.kill();
        user.wait();
    }
    drop((users, ready));
    before.assert_none();
    passed()
}

pub(crate) fn in_every_kind_of_process() -> Outcome {
    let all = All::new(4)?;
    let mut forked = start(|| all.use_all());
    let (here, there) = MessageSocket::pair()?;
    here.send(&wire::encode(&all)?, Deadline::NEVER)?;
    let mut fresh = Fresh::new("user").fd(there.as_fd()).start();
    drop(there);
    let clone = all.clone();
    let thread = thread::spawn(move || clone.use_all());
    assert!(all.use_all());
    assert!(thread.join().unwrap());
    finish(&mut forked);
    finish(&mut fresh);
    all.was_used_by(4);
    passed()
}

/// The entry of the fresh process.
#[expect(clippy::needless_pass_by_value, reason = "the form of an entry")]
pub(crate) fn fresh_user(args: Vec<String>) -> i32 {
    let Some(number) = args.first().and_then(|arg| arg.parse().ok()) else { return 2 };
    // SAFETY: the parent left this descriptor open for us, and nobody else here knows of it.
    let socket = MessageSocket::from_fd(unsafe { OwnedFd::from_raw_fd(number) }).unwrap();
    let message = socket.recv(&Limits::default(), Deadline::NEVER).unwrap().unwrap();
    let all: All = wire::decode(message).unwrap();
    i32::from(!all.use_all())
}

/// Takes one of each that a thread can hold, and never gives them back.
fn hold_all(all: &All) {
    mem::forget((all.lock.lock().unwrap(), all.rlock.lock().unwrap(), all.rlock.lock().unwrap()));
    mem::forget((all.mutex.lock().unwrap(), all.rwlock.write().unwrap()));
    mem::forget((all.bounded.acquire().unwrap(), all.once.begin().unwrap()));
    mem::forget(all.barrier.member().unwrap());
}

/// Whoever was left something by a dead one is told, once, and all goes on.
fn all_are_told(all: &All) {
    assert!(matches!(all.lock.lock(), Err(LockError::OwnerDied(_))));
    assert!(matches!(all.rlock.lock(), Err(LockError::OwnerDied(_))));
    match all.mutex.lock() {
        Err(LockError::OwnerDied(recovery)) => drop(recovery.mark_consistent()),
        other => panic!("{other:?}"),
    }
    match all.rwlock.write() {
        Err(LockError::OwnerDied(recovery)) => drop(recovery.mark_consistent()),
        other => panic!("{other:?}"),
    }
    assert_eq!(all.bounded.value(), 1, "its permit came back");
    all.once.call_once(|state| assert_eq!(state.deaths(), 1)).unwrap();
    assert!(matches!(all.barrier.wait(), Err(BarrierError::PartyDied { .. })));
    all.barrier.reset();
    assert!(all.lock.lock().is_ok() && all.rlock.lock().is_ok());
    assert!(all.mutex.lock().is_ok() && all.rwlock.read().is_ok());
    assert!(all.bounded.acquire().is_ok() && all.once.is_completed());
    assert_eq!(all.barrier.wait(), Ok(0));
}

pub(crate) fn when_a_thread_dies_alone() -> Outcome {
    let all = All::new(1)?;
    testkit::die_alone(|| hold_all(&all));
    all_are_told(&all);
    passed()
}

pub(crate) fn when_a_program_becomes_another() -> Outcome {
    let all = All::new(1)?;
    in_child(|| {
        hold_all(&all);
        panic!("{}", Command::new("true").exec());
    });
    all_are_told(&all);
    passed()
}
