//! The lock against a plain reference: any order of coming in, leaving, panicking and dying, by a
//! few threads, comes to what a few lines say that it should.
//!
//! The threads do one thing at a time, so that there is only one right answer to each.

use std::collections::BTreeSet;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use ipc_sync::{
    LockError, Readers, RwLock, RwLockReadGuard, RwLockRecovery, RwLockWriteGuard, TryLockError,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use testkit::{Mortal, Outcome};

use crate::together::passed;

const N_THREADS: usize = 4;
const N_READERS: usize = 2;

/// What one thread is told to do.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// Come in to read, if that does not take for ever.
    Read(Way),
    /// Come in to write, if that does not take for ever; then do with the value what is said.
    Write(Way, Repair),
    /// Add one to the value, if inside to write.
    Add,
    /// Become a reader, if inside to write.
    Downgrade,
    /// Leave, if inside.
    Leave,
    /// Panic inside, if there.
    Panic,
    /// End the thread with all that it holds; another takes its place.
    Die,
    /// Copy the value, if that does not take for ever.
    Get,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Wait,
    Try,
    Timeout,
}

/// What to do with a value that may be half changed.
#[derive(Clone, Copy, Debug)]
enum Repair {
    Recover,
    Keep,
    Ignore,
    GiveUp,
}

/// How the lock was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Whole(u64),
    OwnerDied(u64),
    Poisoned(u64),
    Held,
    HeldByMe,
    Nothing,
}

fn moves() -> impl Strategy<Value = Vec<(usize, Move)>> {
    let way = || prop_oneof![Just(Way::Wait), Just(Way::Try), Just(Way::Timeout)];
    let repair = prop_oneof![
        Just(Repair::Recover),
        Just(Repair::Keep),
        Just(Repair::Ignore),
        Just(Repair::GiveUp)
    ];
    let one = prop_oneof![
        6 => way().prop_map(Move::Read),
        6 => (way(), repair).prop_map(|(way, repair)| Move::Write(way, repair)),
        3 => Just(Move::Add),
        1 => Just(Move::Downgrade),
        6 => Just(Move::Leave),
        1 => Just(Move::Panic),
        1 => Just(Move::Die),
        2 => Just(Move::Get),
    ];
    prop::collection::vec((0..N_THREADS, one), 1..80)
}

/// What the lock should be, in a few lines.
#[derive(Clone, Debug, Default)]
struct Reference {
    writer: Option<usize>,
    readers: BTreeSet<usize>,
    died: bool,
    poisoned: bool,
    value: u64,
    dead_writers: u32,
    dead_readers: u32,
}

impl Reference {
    fn apply(&mut self, thread: usize, what: Move) -> Found {
        let writes = self.writer == Some(thread);
        let is_full = self.writer.is_some() || self.readers.len() == N_READERS;
        let is_held = self.writer.is_some() || !self.readers.is_empty();
        match what {
            Move::Read(_) | Move::Write(..) | Move::Get
                if writes || self.readers.contains(&thread) =>
            {
                Found::HeldByMe
            }
            Move::Read(_) | Move::Get if is_full => Found::Held,
            Move::Write(..) if is_held => Found::Held,
            Move::Get => self.look(),
            Move::Read(_) => {
                self.readers.insert(thread);
                self.look()
            }
            Move::Write(_, repair) => {
                let found = self.look();
                if !matches!(found, Found::Whole(_)) {
                    match repair {
                        Repair::Recover => (self.value, self.poisoned) = (0, false),
                        Repair::Keep => self.poisoned = false,
                        Repair::Ignore => {}
                        Repair::GiveUp => return found,
                    }
                }
                self.writer = Some(thread);
                found
            }
            Move::Add => {
                self.value += u64::from(writes);
                Found::Nothing
            }
            Move::Downgrade => {
                if writes {
                    self.writer = None;
                    self.readers.insert(thread);
                }
                Found::Nothing
            }
            Move::Leave | Move::Panic => {
                self.poisoned |= writes && matches!(what, Move::Panic);
                self.leave(thread);
                Found::Nothing
            }
            Move::Die => {
                self.died |= writes;
                self.dead_readers += u32::from(self.readers.contains(&thread));
                self.leave(thread);
                Found::Nothing
            }
        }
    }

    fn leave(&mut self, thread: usize) {
        self.writer = self.writer.filter(|&writer| writer != thread);
        self.readers.remove(&thread);
    }

    fn look(&mut self) -> Found {
        let found = match (self.died, self.poisoned) {
            (true, _) => Found::OwnerDied(self.value),
            (false, true) => Found::Poisoned(self.value),
            (false, false) => Found::Whole(self.value),
        };
        self.dead_writers += u32::from(self.died);
        (self.poisoned, self.died) = (self.poisoned || self.died, false);
        found
    }
}

/// What a thread has in its hands.
#[expect(dead_code, reason = "a reader's guard is only held")]
enum Inside<'lock> {
    Not,
    Reading(RwLockReadGuard<'lock, u64>),
    Writing(RwLockWriteGuard<'lock, u64>),
}

/// A thread that does what it is told.
struct Worker {
    orders: Sender<Move>,
    answers: Receiver<Found>,
    thread: Mortal,
}

impl Worker {
    fn start(lock: &RwLock<u64>) -> Self {
        let (orders, ordered) = channel();
        let (answer, answers) = channel();
        // A handle of its own, which it leaves behind when it dies.
        let lock = lock.clone();
        let thread = Mortal::spawn(move || {
            let mut inside = Inside::Not;
            for what in ordered {
                if matches!(what, Move::Die) {
                    mem::forget(inside);
                    return;
                }
                answer.send(act(&lock, &mut inside, what)).unwrap();
            }
        });
        Self { orders, answers, thread }
    }

    fn tell(&self, what: Move) -> Found {
        self.orders.send(what).unwrap();
        self.answers.recv().unwrap()
    }

    fn die(self) {
        self.orders.send(Move::Die).unwrap();
        self.thread.wait();
    }
}

/// What an attempt comes to that would rather not have waited.
fn with_time<R>(error: TryLockError<R>) -> LockError<R> {
    match error {
        TryLockError::WouldBlock => LockError::Timeout,
        TryLockError::OwnerDied(inner) => LockError::OwnerDied(inner),
        TryLockError::Poisoned(inner) => LockError::Poisoned(inner),
        other => panic!("{}", other.without_lock()),
    }
}

fn act<'lock>(lock: &'lock RwLock<u64>, inside: &mut Inside<'lock>, what: Move) -> Found {
    let is_inside = !matches!(inside, Inside::Not);
    let stats = lock.stats();
    let is_full = stats.writer.is_some() || stats.readers.len() == N_READERS;
    let is_held = stats.writer.is_some() || !stats.readers.is_empty();
    match what {
        // To wait for one that waits for us would be for ever.
        Move::Read(Way::Wait) | Move::Get if is_full && !is_inside => Found::Held,
        Move::Write(Way::Wait, _) if is_held && !is_inside => Found::Held,
        Move::Read(way) => {
            let came_in = match way {
                Way::Wait => lock.read(),
                Way::Timeout => lock.read_timeout(Duration::ZERO),
                Way::Try => lock.try_read().map_err(with_time),
            };
            let (found, guard) = match came_in {
                Ok(guard) => (Found::Whole(*guard), guard),
                Err(LockError::OwnerDied(guard)) => (Found::OwnerDied(*guard), guard),
                Err(LockError::Poisoned(guard)) => (Found::Poisoned(*guard), guard),
                Err(error) => return refused(&error, way, is_inside),
            };
            *inside = Inside::Reading(guard);
            found
        }
        Move::Write(way, repair) => {
            let came_in = match way {
                Way::Wait => lock.write(),
                Way::Timeout => lock.write_timeout(Duration::ZERO),
                Way::Try => lock.try_write().map_err(with_time),
            };
            let (found, recovery) = match came_in {
                Ok(guard) => {
                    let found = Found::Whole(*guard);
                    *inside = Inside::Writing(guard);
                    return found;
                }
                Err(LockError::OwnerDied(recovery)) => (Found::OwnerDied(recovery.get()), recovery),
                Err(LockError::Poisoned(recovery)) => (Found::Poisoned(recovery.get()), recovery),
                Err(error) => return refused(&error, way, is_inside),
            };
            if let Some(guard) = settle(recovery, repair) {
                *inside = Inside::Writing(guard);
            }
            found
        }
        Move::Get => match lock.get() {
            Ok(value) => Found::Whole(value),
            Err(LockError::OwnerDied(guard)) => Found::OwnerDied(*guard),
            Err(LockError::Poisoned(guard)) => Found::Poisoned(*guard),
            Err(error) => refused(&error, Way::Wait, is_inside),
        },
        Move::Add => {
            if let Inside::Writing(guard) = inside {
                **guard += 1;
            }
            Found::Nothing
        }
        Move::Downgrade => {
            *inside = match mem::replace(inside, Inside::Not) {
                Inside::Writing(guard) => match RwLockWriteGuard::downgrade(guard) {
                    Ok(guard) => Inside::Reading(guard),
                    Err(guard) => Inside::Writing(guard),
                },
                other => other,
            };
            Found::Nothing
        }
        Move::Leave => {
            *inside = Inside::Not;
            Found::Nothing
        }
        Move::Panic => {
            let in_hand = mem::replace(inside, Inside::Not);
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let _in_hand = in_hand;
                resume_unwind(Box::new(()));
            }));
            assert!(panicked.is_err());
            Found::Nothing
        }
        Move::Die => unreachable!("the thread has ended"),
    }
}

fn refused<R>(error: &LockError<R>, way: Way, is_inside: bool) -> Found {
    match error {
        LockError::Timeout if way == Way::Try && is_inside => Found::HeldByMe,
        LockError::Timeout => Found::Held,
        LockError::WouldDeadlock => Found::HeldByMe,
        other => panic!("{other}"),
    }
}

fn settle(recovery: RwLockRecovery<'_, u64>, repair: Repair) -> Option<RwLockWriteGuard<'_, u64>> {
    match repair {
        Repair::Recover => Some(recovery.recover(|value| *value = 0)),
        Repair::Keep => Some(recovery.mark_consistent()),
        Repair::Ignore => Some(recovery.into_guard()),
        Repair::GiveUp => None,
    }
}

fn follows_the_reference(moves: &[(usize, Move)]) -> Result<(), TestCaseError> {
    let lock = RwLock::with_readers(0_u64, Readers::new(N_READERS).unwrap()).unwrap();
    let mut reference = Reference::default();
    let mut workers: Vec<_> = (0..N_THREADS).map(|_| Worker::start(&lock)).collect();
    for (idx, &(thread, what)) in moves.iter().enumerate() {
        let expected = reference.apply(thread, what);
        if matches!(what, Move::Die) {
            mem::replace(&mut workers[thread], Worker::start(&lock)).die();
        } else {
            let found = workers[thread].tell(what);
            prop_assert_eq!(found, expected, "move {}: {:?}", idx, what);
        }
        let stats = lock.stats();
        prop_assert_eq!(stats.writer.is_some(), reference.writer.is_some());
        prop_assert_eq!(stats.readers.len(), reference.readers.len());
        prop_assert_eq!(stats.is_poisoned, reference.poisoned);
        prop_assert_eq!(stats.dead_writers, reference.dead_writers);
        prop_assert_eq!(stats.dead_readers, reference.dead_readers);
        prop_assert!(!stats.has_waiters, "nobody ever slept");
    }
    for worker in workers {
        drop(worker.orders);
        worker.thread.wait();
    }
    Ok(())
}

pub(crate) fn any_sequence() -> Outcome {
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() };
    TestRunner::new(config)
        .run(&moves(), |moves| follows_the_reference(&moves))
        .map_err(|error| error.to_string())?;
    passed()
}
