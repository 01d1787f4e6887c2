//! Locks against a plain reference: any order of taking, giving back, panicking and dying, by a
//! few threads through a few handles, comes to what a few lines say that it should.
//!
//! The threads do one thing at a time, so that there is only one right answer to each.

#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]
#![expect(clippy::mem_forget, reason = "who forgets a guard and ends has died holding it")]

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use ipc_sync::{LockError, Mutex, MutexGuard, Recovery, TryLockError};
use proptest::prelude::*;
use testkit::{Mortal, Watchdog};

const N_THREADS: usize = 3;
const N_LOCKS: usize = 4;

/// What one thread is told to do with one lock.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// Take it, if that does not block for ever; then do with the value what is said.
    Take(Way, Repair),
    /// Add one to the value, if it is held.
    Add,
    /// Give it back, if it is held.
    GiveBack,
    /// Panic with it in hand, if it is held.
    Panic,
    /// End the thread with all that it holds; another takes its place.
    Die,
    /// Copy the value, if that does not block for ever.
    Get,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Lock,
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

/// How a lock was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Whole(u64),
    OwnerDied(u64),
    Poisoned(u64),
    Held,
    HeldByMe,
    Nothing,
}

fn moves() -> impl Strategy<Value = Vec<(usize, usize, Move)>> {
    let way = prop_oneof![Just(Way::Lock), Just(Way::Try), Just(Way::Timeout)];
    let repair = prop_oneof![
        Just(Repair::Recover),
        Just(Repair::Keep),
        Just(Repair::Ignore),
        Just(Repair::GiveUp)
    ];
    let one = prop_oneof![
        6 => (way, repair).prop_map(|(way, repair)| Move::Take(way, repair)),
        3 => Just(Move::Add),
        3 => Just(Move::GiveBack),
        1 => Just(Move::Panic),
        1 => Just(Move::Die),
        1 => Just(Move::Get),
    ];
    prop::collection::vec((0..N_THREADS, 0..N_LOCKS, one), 1..60)
}

/// What a lock should be, in a few lines.
#[derive(Clone, Copy, Debug, Default)]
struct Reference {
    holder: Option<usize>,
    died: bool,
    poisoned: bool,
    value: u64,
    deaths: u32,
}

impl Reference {
    fn apply(&mut self, thread: usize, what: Move) -> Found {
        let is_mine = self.holder == Some(thread);
        match what {
            Move::Take(..) | Move::Get if is_mine => Found::HeldByMe,
            Move::Take(..) | Move::Get if self.holder.is_some() => Found::Held,
            Move::Take(_, repair) => {
                let found = self.take();
                if !matches!(found, Found::Whole(_)) {
                    match repair {
                        Repair::Recover => (self.value, self.poisoned) = (0, false),
                        Repair::Keep => self.poisoned = false,
                        Repair::Ignore | Repair::GiveUp => {}
                    }
                }
                let gives_up =
                    matches!(repair, Repair::GiveUp) && !matches!(found, Found::Whole(_));
                self.holder = (!gives_up).then_some(thread);
                found
            }
            Move::Get => self.take(),
            Move::Add if is_mine => {
                self.value += 1;
                Found::Nothing
            }
            Move::Panic if is_mine => {
                (self.holder, self.poisoned) = (None, true);
                Found::Nothing
            }
            Move::GiveBack if is_mine => {
                self.holder = None;
                Found::Nothing
            }
            _ => Found::Nothing,
        }
    }

    fn take(&mut self) -> Found {
        let found = match (self.died, self.poisoned) {
            (true, _) => Found::OwnerDied(self.value),
            (false, true) => Found::Poisoned(self.value),
            (false, false) => Found::Whole(self.value),
        };
        self.deaths += u32::from(self.died);
        (self.poisoned, self.died) = (self.poisoned || self.died, false);
        found
    }
}

type Guards<'m> = [Option<MutexGuard<'m, u64>>; N_LOCKS];

/// A thread that does what it is told.
struct Worker {
    orders: Sender<(usize, Move)>,
    answers: Receiver<Found>,
    thread: Mortal,
}

impl Worker {
    fn start(mutexes: &[Mutex<u64>]) -> Self {
        let (orders, ordered) = channel();
        let (answer, answers) = channel();
        // Handles of its own, which it leaves behind when it dies.
        let mutexes = mutexes.to_vec();
        let thread = Mortal::spawn(move || {
            let mut guards: Guards<'_> = Default::default();
            for (lock, what) in ordered {
                if matches!(what, Move::Die) {
                    mem::forget(guards);
                    // The handles go first: the memory must stay all the same.
                    return;
                }
                answer.send(act(&mutexes, &mut guards, lock, what)).unwrap();
            }
        });
        Self { orders, answers, thread }
    }

    fn tell(&self, lock: usize, what: Move) -> Found {
        self.orders.send((lock, what)).unwrap();
        self.answers.recv().unwrap()
    }

    fn die(self) {
        self.orders.send((0, Move::Die)).unwrap();
        self.thread.wait();
    }
}

fn act<'m>(mutexes: &'m [Mutex<u64>], guards: &mut Guards<'m>, lock: usize, what: Move) -> Found {
    let mutex = &mutexes[lock];
    match what {
        Move::Take(way, repair) => {
            let taken = match way {
                // To wait for one's own thread, or for one that waits for us, would be for ever.
                Way::Lock if mutex.is_locked() && guards[lock].is_none() => Err(LockError::Timeout),
                Way::Lock => mutex.lock(),
                Way::Timeout => mutex.lock_timeout(Duration::ZERO),
                Way::Try => mutex.try_lock().map_err(|error| match error {
                    TryLockError::WouldBlock if guards[lock].is_some() => LockError::WouldDeadlock,
                    TryLockError::WouldBlock => LockError::Timeout,
                    TryLockError::OwnerDied(recovery) => LockError::OwnerDied(recovery),
                    TryLockError::Poisoned(recovery) => LockError::Poisoned(recovery),
                    other => panic!("{other}"),
                }),
            };
            let (found, guard) = settle(taken, repair);
            if guard.is_some() {
                guards[lock] = guard;
            }
            found
        }
        Move::Get if guards[lock].is_none() && mutex.is_locked() => Found::Held,
        Move::Get => match mutex.get() {
            Ok(value) => Found::Whole(value),
            Err(error) => settle(Err(error), Repair::GiveUp).0,
        },
        Move::Add => {
            if let Some(guard) = &mut guards[lock] {
                **guard += 1;
            }
            Found::Nothing
        }
        Move::GiveBack => {
            drop(guards[lock].take());
            Found::Nothing
        }
        Move::Panic => {
            let guard = guards[lock].take();
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let _in_hand = guard;
                resume_unwind(Box::new(()));
            }));
            assert!(panicked.is_err());
            Found::Nothing
        }
        Move::Die => unreachable!("the thread has ended"),
    }
}

/// Says how the lock was found, and does with it what is to be done.
fn settle<'m>(
    taken: Result<MutexGuard<'m, u64>, LockError<Recovery<'m, u64>>>,
    repair: Repair,
) -> (Found, Option<MutexGuard<'m, u64>>) {
    let (found, recovery) = match taken {
        Ok(guard) => return (Found::Whole(*guard), Some(guard)),
        Err(LockError::OwnerDied(recovery)) => (Found::OwnerDied(recovery.get()), recovery),
        Err(LockError::Poisoned(recovery)) => (Found::Poisoned(recovery.get()), recovery),
        Err(LockError::Timeout) => return (Found::Held, None),
        Err(LockError::WouldDeadlock) => return (Found::HeldByMe, None),
        Err(other) => panic!("{other}"),
    };
    let guard = match repair {
        Repair::Recover => Some(recovery.recover(|value| *value = 0)),
        Repair::Keep => Some(recovery.mark_consistent()),
        Repair::Ignore => Some(recovery.into_guard()),
        Repair::GiveUp => None,
    };
    (found, guard)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_comes_to_what_the_reference_says(moves in moves()) {
        let _watchdog = Watchdog::start(Duration::from_secs(60), "a sequence of moves");
        let mutexes: Vec<_> = (0..N_LOCKS).map(|_| Mutex::new(0_u64).unwrap()).collect();
        let mut references = [Reference::default(); N_LOCKS];
        let mut workers: Vec<_> = (0..N_THREADS).map(|_| Worker::start(&mutexes)).collect();
        for (idx, &(thread, lock, what)) in moves.iter().enumerate() {
            if matches!(what, Move::Die) {
                mem::replace(&mut workers[thread], Worker::start(&mutexes)).die();
                for reference in references.iter_mut().filter(|lock| lock.holder == Some(thread)) {
                    (reference.holder, reference.died) = (None, true);
                }
            } else {
                let expected = references[lock].apply(thread, what);
                let found = workers[thread].tell(lock, what);
                prop_assert_eq!(found, expected, "move {}: {:?}", idx, what);
            }
            for (mutex, reference) in mutexes.iter().zip(&references) {
                let stats = mutex.stats();
                prop_assert_eq!(stats.holder.is_some(), reference.holder.is_some());
                prop_assert_eq!(stats.is_poisoned, reference.poisoned);
                prop_assert_eq!(stats.deaths, reference.deaths);
                prop_assert!(!stats.has_waiters, "nobody ever slept");
            }
        }
        for worker in workers {
            drop(worker.orders);
            worker.thread.wait();
        }
    }
}
