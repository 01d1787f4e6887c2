//! How many wait: each primitive says it, of all processes, and does not count the dead.

#![cfg_attr(not(ipc_loom), expect(clippy::unwrap_used, clippy::panic, reason = "a test binary"))]

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
#[path = "together/mod.rs"]
mod together;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("waiters: of a lock", waiters::of_a_lock),
        ("waiters: of an rlock", waiters::of_an_rlock),
        ("waiters: of a mutex", waiters::of_a_mutex),
        ("waiters: of a writer", waiters::of_a_writer),
        ("waiters: of readers", waiters::of_readers),
        ("waiters: of an event", waiters::of_an_event),
        ("waiters: of a semaphore, with and without a guard", waiters::of_a_semaphore),
        ("waiters: of a condition", waiters::of_a_condition),
        ("waiters: of a once", waiters::of_a_once),
        ("waiters: of a barrier", waiters::of_a_barrier),
        ("waiters: scribbled words count nobody more or less", waiters::of_scribbled_words),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}

#[cfg(not(ipc_loom))]
mod waiters {
    use std::fmt::Debug;
    use std::thread;

    use ipc_core::primitive::AtomicU32;
    use ipc_core::primitive::Ordering::Relaxed;
    use ipc_core::robust::Thread;
    use ipc_core::{Kind, Segment};
    use ipc_sync::{Barrier, BarrierError, Condition, Event, Lock, Mutex, Once, RLock};
    use ipc_sync::{RwLock, Semaphore};
    use testkit::Outcome;
    use testkit::child::Child;

    use crate::together::{LONG, SHORT, finish, in_child, passed, start};

    /// Waits until so many are said to wait.
    fn until(waiters: impl Fn() -> u32, expected: u32) {
        while waiters() != expected {
            thread::yield_now();
        }
    }

    /// Three processes wait, the second of them dies, and the others go on: each time it is said how
    /// many wait, also to people.
    fn are_counted<P: Debug>(
        primitive: &P,
        waiters: impl Fn(&P) -> u32,
        wait: impl Fn() -> bool,
        let_go: impl FnOnce(),
    ) -> Outcome {
        // Who looks before it sleeps is not counted.
        ipc_sync::raw::set_spin(0);
        assert_eq!(waiters(primitive), 0);
        let mut waiting: Vec<Child> = Vec::new();
        for n_waiting in 1..=3 {
            waiting.push(start(&wait));
            until(|| waiters(primitive), n_waiting);
        }
        for child in &mut waiting {
            child.wait_asleep(LONG)?;
        }
        assert_eq!(waiters(primitive), 3, "nobody was woken by the question");
        let mut victim = waiting.swap_remove(1);
        victim.kill();
        victim.wait();
        until(|| waiters(primitive), 2);
        let said = format!("{primitive:?}");
        assert!(said.contains("waiters: 2"), "{said}");
        let_go();
        waiting.iter_mut().for_each(finish);
        assert_eq!(waiters(primitive), 0);
        passed()
    }

    pub(super) fn of_a_lock() -> Outcome {
        let lock = Lock::new()?;
        let guard = lock.lock().unwrap();
        let wait = || lock.lock().is_ok();
        are_counted(
            &lock,
            |lock| lock.stats().waiters,
            wait,
            || {
                // Who has given up does not wait.
                in_child(|| lock.lock_timeout(SHORT).unwrap_err().is_timeout());
                assert_eq!(lock.stats().waiters, 2);
                drop(guard);
            },
        )
    }

    pub(super) fn of_an_rlock() -> Outcome {
        let lock = RLock::new()?;
        let guards = [lock.lock().unwrap(), lock.lock().unwrap()];
        let wait = || lock.lock().is_ok();
        are_counted(&lock, |lock| lock.stats().waiters, wait, || drop(guards))
    }

    pub(super) fn of_a_mutex() -> Outcome {
        let mutex = Mutex::new(0_u64)?;
        let guard = mutex.lock().unwrap();
        let wait = || mutex.lock_timeout(LONG).is_ok();
        are_counted(&mutex, |mutex| mutex.stats().waiters, wait, || drop(guard))
    }

    /// They wait behind one who writes.
    pub(super) fn of_a_writer() -> Outcome {
        let lock = RwLock::new(0_u64)?;
        let guard = lock.write().unwrap();
        assert!(lock.stats().is_written);
        let me = Thread::current().tid();
        // Readers and writers.
        let wait = || match Thread::current().tid() % 2 {
            0 => lock.read().is_ok(),
            _ => lock.write().is_ok(),
        };
        are_counted(
            &lock,
            |lock| lock.stats().waiters,
            wait,
            || {
                assert_eq!(lock.stats().writer.unwrap().tid, me);
                drop(guard);
            },
        )?;
        assert!(!lock.stats().is_written);
        passed()
    }

    /// The first of three writers waits for the readers, and the others for it.
    pub(super) fn of_readers() -> Outcome {
        let lock = RwLock::new(0_u64)?;
        let guard = lock.read().unwrap();
        let wait = || lock.write().is_ok();
        are_counted(
            &lock,
            |lock| lock.stats().waiters,
            wait,
            || {
                let stats = lock.stats();
                assert!(stats.writer.is_some() && !stats.is_written, "it has yet to come in");
                drop(guard);
            },
        )
    }

    pub(super) fn of_an_event() -> Outcome {
        let event = Event::new()?;
        let wait = || event.wait_timeout(LONG);
        are_counted(&event, |event| event.stats().waiters, wait, || event.set())
    }

    pub(super) fn of_a_semaphore() -> Outcome {
        let semaphore = Semaphore::new(0)?;
        let release = || semaphore.release_n(2).unwrap();
        let wait = || semaphore.take().is_ok();
        are_counted(&semaphore, |semaphore| semaphore.stats().waiters, wait, release)?;
        let wait = || semaphore.acquire().map(ipc_sync::Permit::forget).is_ok();
        are_counted(&semaphore, |semaphore| semaphore.stats().waiters, wait, release)
    }

    pub(super) fn of_a_condition() -> Outcome {
        let (lock, condition) = (Lock::new()?, Condition::new()?);
        let wait = || condition.wait(lock.lock().unwrap()).is_ok();
        are_counted(
            &condition,
            |condition| condition.stats().waiters,
            wait,
            || {
                condition.notify_all();
            },
        )
    }

    pub(super) fn of_a_once() -> Outcome {
        let once = Once::new()?;
        let turn = once.begin()?.unwrap();
        let wait = || once.call_once(|_| panic!("it was done")).is_ok();
        are_counted(&once, |once| once.stats().waiters, wait, || turn.complete().unwrap())
    }

    /// A barrier names them, and the death of one breaks it.
    pub(super) fn of_a_barrier() -> Outcome {
        let barrier = Barrier::new(4)?;
        let mut waiting = [(); 3]
            .map(|()| start(|| matches!(barrier.wait(), Err(BarrierError::PartyDied { .. }))));
        until(|| barrier.waiting(), 3);
        let mut named: Vec<_> = barrier.stats().waiting.iter().map(|who| who.pid).collect();
        named.sort_unstable();
        let mut pids = waiting.each_ref().map(|child| u32::try_from(child.pid()).ok());
        pids.sort_unstable();
        assert_eq!(named, pids);
        waiting[1].kill();
        waiting[1].wait();
        finish(&mut waiting[0]);
        finish(&mut waiting[2]);
        assert_eq!((barrier.waiting(), barrier.stats().waiting), (0, Vec::new()));
        passed()
    }

    /// The kernel counts, so it does not matter what somebody has written over the words.
    pub(super) fn of_scribbled_words() -> Outcome {
        ipc_sync::raw::set_spin(0);
        let segment = Segment::create(Kind::new(*b"scribble", 1), 0, 128)?;
        let (lock, event) = (Lock::in_segment(&segment, 0)?, Event::in_segment(&segment, 64)?);
        let words: &[AtomicU32] = segment.slice_at(0, 32)?;
        let guard = lock.lock().unwrap();
        let mut at_lock = start(|| lock.lock().is_ok());
        let mut at_event = start(|| event.wait_timeout(LONG));
        until(|| lock.stats().waiters, 1);
        until(|| event.stats().waiters, 1);
        let kept: Vec<u32> = words.iter().map(|word| word.load(Relaxed)).collect();
        for scribble in [0, 1, 1 << 30, u32::MAX] {
            words.iter().for_each(|word| word.store(scribble, Relaxed));
            assert_eq!((lock.stats().waiters, event.stats().waiters), (1, 1), "{scribble:#x}");
        }
        words.iter().zip(kept).for_each(|(word, kept)| word.store(kept, Relaxed));
        drop(guard);
        event.set();
        finish(&mut at_lock);
        finish(&mut at_event);
        passed()
    }
}
