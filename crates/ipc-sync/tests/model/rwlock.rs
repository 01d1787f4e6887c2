//! The lock for readers and writers in the model: nobody writes while others are inside, all come
//! through, and a writer's death is told.

#![expect(unsafe_code, reason = "the payload is read and written under the lock")]
#![expect(clippy::disallowed_types, reason = "what the test notes is no part of the model")]

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};

use ipc_core::Deadline;
use ipc_core::primitive::model::{Ended, run};
use ipc_core::robust::{RobustWord, Thread};
use ipc_sync::raw::{RawRwLock, Refused, Taken};
use loom::cell::UnsafeCell;
use loom::thread;

use super::{explore, with_every_death};

/// A lock, what it protects, and what the test notes beside the model.
struct Guarded {
    writer: RobustWord,
    slots: Vec<RobustWord>,
    payload: UnsafeCell<u32>,
    /// How many were told of a death.
    told: AtomicU32,
    /// Whether the victim is between having come in to write and leaving.
    victim_writes: AtomicBool,
}

// SAFETY: the payload is only touched under the lock, which is what the model checks.
unsafe impl Sync for Guarded {}
// SAFETY: as for `Sync`.
unsafe impl Send for Guarded {}

/// What one thread does.
type Part = fn(&Guarded);

impl Guarded {
    fn new(n_slots: usize) -> Arc<Self> {
        Arc::new(Self {
            writer: RobustWord::new(),
            slots: (0..n_slots).map(|_| RobustWord::new()).collect(),
            payload: UnsafeCell::new(0),
            told: AtomicU32::new(0),
            victim_writes: AtomicBool::new(false),
        })
    }

    fn lock(&self) -> RawRwLock<'_> {
        RawRwLock::new(&self.writer, &self.slots)
    }

    fn note(&self, taken: Taken) {
        if taken == Taken::OwnerDied {
            self.told.fetch_add(1, Relaxed);
            assert!(self.lock().is_poisoned(), "a death is not told without leaving a mark");
        }
    }

    fn look(&self) -> u32 {
        self.payload.with(|payload| {
            // SAFETY: the lock is held; loom fails the test if a write is possible.
            unsafe { *payload }
        })
    }

    fn change(&self) {
        self.payload.with_mut(|payload| {
            // SAFETY: the lock is held; loom fails the test if another access is possible.
            unsafe { *payload += 1 };
        });
    }

    fn read(&self) {
        let me = Thread::current();
        // SAFETY: the words live until the last thread of the model has ended.
        let read = unsafe { self.lock().read(me, Deadline::NEVER) };
        let (share, taken) = read.expect("a thread that holds nothing gets in");
        self.note(taken);
        self.look();
        share.unlock_read(me);
    }

    fn write(&self) {
        let me = Thread::current();
        // SAFETY: as in `read`.
        let taken = unsafe { self.lock().write(me, Deadline::NEVER) };
        self.note(taken.expect("a thread that holds nothing gets in"));
        self.change();
        self.lock().unlock_write(me);
    }

    fn write_as_victim(&self) {
        let me = Thread::current();
        // SAFETY: as in `read`.
        let taken = unsafe { self.lock().write(me, Deadline::NEVER) };
        self.victim_writes.store(true, Relaxed);
        self.note(taken.expect("a thread that holds nothing gets in"));
        self.change();
        // An access to die before, with the change made.
        assert!(!self.lock().is_poisoned(), "nobody else dies");
        self.victim_writes.store(false, Relaxed);
        self.lock().unlock_write(me);
    }

    fn downgrade(&self) {
        let me = Thread::current();
        // SAFETY: as in `read`.
        let taken = unsafe { self.lock().write(me, Deadline::NEVER) };
        self.note(taken.expect("a thread that holds nothing gets in"));
        self.change();
        let seen = self.look();
        // SAFETY: as in `read`.
        let share = unsafe { self.lock().downgrade(me) }.expect("there is a slot");
        assert_eq!(self.look(), seen, "no other writer came in between");
        share.unlock_read(me);
    }

    /// Comes in to read and then to write if that is possible at once.
    fn try_both(&self) {
        let me = Thread::current();
        // SAFETY: as in `read`.
        match unsafe { self.lock().try_read(me) } {
            Ok((share, taken)) => {
                self.note(taken);
                self.look();
                // SAFETY: as in `read`.
                assert_eq!(unsafe { self.lock().try_write(me) }, Err(Refused::WouldDeadlock));
                share.unlock_read(me);
            }
            Err(why) => assert_eq!(why, Refused::Held),
        }
        // SAFETY: as in `read`.
        match unsafe { self.lock().try_write(me) } {
            Ok(taken) => {
                self.note(taken);
                self.change();
                self.lock().unlock_write(me);
            }
            Err(why) => assert_eq!(why, Refused::Held),
        }
    }

    /// What all those who lived must find in the end.
    fn audit(&self, victim: &Ended<()>) {
        let me = Thread::current();
        // SAFETY: as in `read`.
        let taken = unsafe { self.lock().try_write(me) };
        self.note(taken.expect("nobody is inside"));
        self.lock().unlock_write(me);
        let told = self.told.load(Relaxed);
        if victim.is_finished() {
            assert_eq!(told, 0, "nobody died");
            assert!(!self.lock().is_poisoned(), "nobody died");
        } else {
            assert!(told <= 1, "a death is told once");
            assert!(!self.victim_writes.load(Relaxed) || told == 1, "a writer's death is told");
            assert_eq!(self.lock().is_poisoned(), told == 1, "what was told leaves its mark");
        }
        assert_eq!(self.lock().writer(), None);
        assert_eq!(self.lock().readers().count(), 0);
    }
}

/// Every interleaving of these parts, played by a thread each.
fn together(n_slots: usize, parts: &'static [Part]) {
    explore(move || {
        let guarded = Guarded::new(n_slots);
        let Some((here, others)) = parts.split_first() else { return };
        let others: Vec<_> = others.iter().map(|part| spawn(&guarded, *part)).collect();
        here(&guarded);
        for other in others {
            other.join().unwrap();
        }
        guarded.audit(&Ended::Finished(()));
    });
}

/// The same with every death of a thread that plays `victim`.
fn after_every_death_of(victim: Part, n_slots: usize, parts: &'static [Part]) {
    with_every_death(move |dies_at| {
        let guarded = Guarded::new(n_slots);
        let Some((here, others)) = parts.split_first() else { return Ended::Finished(()) };
        let shared = Arc::clone(&guarded);
        let victim = thread::spawn(move || run(Some(dies_at), || victim(&shared)));
        let others: Vec<_> = others.iter().map(|part| spawn(&guarded, *part)).collect();
        here(&guarded);
        for other in others {
            other.join().unwrap();
        }
        let victim = victim.join().unwrap();
        guarded.audit(&victim);
        victim
    });
}

fn spawn(guarded: &Arc<Guarded>, part: Part) -> thread::JoinHandle<()> {
    let guarded = Arc::clone(guarded);
    thread::spawn(move || part(&guarded))
}

/// One after the other, in one thread.
fn write_and_read(guarded: &Guarded) {
    guarded.write();
    guarded.read();
}

#[test]
fn rwlock_a_writer_and_a_reader_exclude_each_other() {
    together(2, &[Guarded::write, Guarded::read]);
    together(1, &[write_and_read, write_and_read]);
}

#[test]
fn rwlock_two_readers_and_a_writer_come_through() {
    together(2, &[Guarded::write, Guarded::read, Guarded::read]);
}

#[test]
fn rwlock_two_writers_and_a_reader_come_through() {
    together(1, &[Guarded::read, Guarded::write, Guarded::write]);
}

#[test]
fn rwlock_more_readers_than_slots_come_through() {
    together(1, &[Guarded::read, Guarded::read, Guarded::read]);
}

#[test]
fn rwlock_whoever_tries_comes_in_or_goes_without() {
    together(1, &[Guarded::try_both, Guarded::write, Guarded::read]);
}

#[test]
fn rwlock_no_writer_slips_in_when_one_becomes_a_reader() {
    together(1, &[Guarded::downgrade, Guarded::write, Guarded::read]);
}

#[test]
fn rwlock_survivors_go_on_after_every_death_of_a_writer() {
    after_every_death_of(Guarded::write_as_victim, 1, &[Guarded::read, Guarded::write]);
}

#[test]
fn rwlock_survivors_go_on_after_every_death_of_a_reader() {
    after_every_death_of(Guarded::read, 1, &[Guarded::read, Guarded::write]);
}

#[test]
fn rwlock_one_survivor_goes_on_after_every_death_among_two_slots() {
    after_every_death_of(Guarded::write_as_victim, 2, &[write_and_read]);
    after_every_death_of(Guarded::read, 2, &[write_and_read]);
    after_every_death_of(Guarded::downgrade, 2, &[write_and_read]);
}
