//! Semaphores and events against a plain reference: any order of taking, releasing, leasing,
//! forgetting, setting, clearing and dying, by a few threads through a few handles, comes to what a
//! few lines say that it should.
//!
//! The threads do one thing at a time, so that there is only one right answer to each.

#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "a test")]
#![expect(clippy::mem_forget, reason = "who forgets a guard and ends has died holding it")]

use std::mem;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ipc_core::Deadline;
use ipc_sync::{
    AcquireError, BoundedSemaphore, Event, Permit, ReleaseError, Semaphore, TryAcquireError,
};
use proptest::prelude::*;
use testkit::Watchdog;

const N_THREADS: usize = 3;
const N_SEATS: u32 = 2;
const PERMITS: u32 = 3;

/// What one thread is told to do.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// Take a permit without a guard.
    Take(Way),
    /// Take a permit with a guard.
    Acquire(Way),
    /// Release so many.
    Release(u32),
    /// Drop the oldest guard, if there is one.
    GiveBack,
    /// Forget the newest guard, if there is one.
    Forget,
    /// End the thread with all guards that it holds; another takes its place.
    Die,
    Set,
    Clear,
    Wait(Way),
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Try,
    Timeout,
    Past,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Done,
    NoPermit,
    NoSeat,
    TooMany,
    Set(bool),
}

fn moves() -> impl Strategy<Value = Vec<(usize, Move)>> {
    let way = || prop_oneof![Just(Way::Try), Just(Way::Timeout), Just(Way::Past)];
    let one = prop_oneof![
        3 => way().prop_map(Move::Take),
        5 => way().prop_map(Move::Acquire),
        4 => prop_oneof![3 => Just(1_u32), 1 => 0..5_u32].prop_map(Move::Release),
        3 => Just(Move::GiveBack),
        1 => Just(Move::Forget),
        2 => Just(Move::Die),
        1 => Just(Move::Set),
        1 => Just(Move::Clear),
        1 => way().prop_map(Move::Wait),
    ];
    prop::collection::vec((0..N_THREADS, one), 1..60)
}

/// What they should be, in a few lines.
#[derive(Debug)]
struct Reference {
    value: u32,
    most: u32,
    /// How many guards each thread has.
    guards: [u32; N_THREADS],
    is_set: bool,
}

impl Reference {
    fn apply(&mut self, thread: usize, what: Move) -> Found {
        match what {
            Move::Take(_) | Move::Acquire(_) if self.value == 0 => return Found::NoPermit,
            Move::Take(_) => self.value -= 1,
            Move::Acquire(_) if self.guards.iter().sum::<u32>() == N_SEATS => return Found::NoSeat,
            Move::Acquire(_) => {
                (self.value, self.guards[thread]) = (self.value - 1, self.guards[thread] + 1);
            }
            Move::Release(more) if self.value + more > self.most => return Found::TooMany,
            Move::Release(more) => self.value += more,
            Move::GiveBack | Move::Forget if self.guards[thread] == 0 => {}
            Move::GiveBack => {
                self.guards[thread] -= 1;
                self.value = (self.value + 1).min(self.most);
            }
            Move::Forget => self.guards[thread] -= 1,
            Move::Die => {
                self.value = (self.value + mem::take(&mut self.guards[thread])).min(self.most);
            }
            Move::Set => self.is_set = true,
            Move::Clear => self.is_set = false,
            Move::Wait(_) => return Found::Set(self.is_set),
        }
        Found::Done
    }
}

/// A thread that does what it is told.
struct Worker {
    orders: Sender<Move>,
    answers: Receiver<Found>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn start(semaphore: &Semaphore, event: &Event) -> Self {
        let (orders, ordered) = channel();
        let (answer, answers) = channel();
        // Handles of its own, which it leaves behind when it dies.
        let (semaphore, event) = (semaphore.clone(), event.clone());
        let thread = thread::spawn(move || {
            let mut guards = Vec::new();
            for what in ordered {
                if matches!(what, Move::Die) {
                    mem::forget(guards);
                    return;
                }
                answer.send(act(&semaphore, &event, &mut guards, what)).unwrap();
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
        self.thread.join().unwrap();
    }
}

fn act<'s>(
    semaphore: &'s Semaphore,
    event: &Event,
    guards: &mut Vec<Permit<'s>>,
    what: Move,
) -> Found {
    match what {
        Move::Take(way) => found(match way {
            Way::Try => semaphore.try_take().map_err(without_waiting),
            Way::Timeout => semaphore.take_timeout(Duration::ZERO),
            Way::Past => semaphore.take_deadline(Deadline::now()),
        }),
        Move::Acquire(way) => found(
            match way {
                Way::Try => semaphore.try_acquire().map_err(without_waiting),
                Way::Timeout => semaphore.acquire_timeout(Duration::ZERO),
                Way::Past => semaphore.acquire_deadline(Deadline::now()),
            }
            .map(|permit| guards.push(permit)),
        ),
        Move::Release(more) => match semaphore.release_n(more) {
            Ok(()) => Found::Done,
            Err(ReleaseError::TooManyPermits) => Found::TooMany,
            Err(other) => unreachable!("{other}"),
        },
        Move::GiveBack => {
            if !guards.is_empty() {
                drop(guards.remove(0));
            }
            Found::Done
        }
        Move::Forget => {
            if let Some(permit) = guards.pop() {
                permit.forget();
            }
            Found::Done
        }
        Move::Set => {
            event.set();
            Found::Done
        }
        Move::Clear => {
            event.clear();
            Found::Done
        }
        Move::Wait(way) => Found::Set(match way {
            Way::Try => event.is_set(),
            Way::Timeout => event.wait_timeout(Duration::ZERO),
            Way::Past => event.wait_deadline(Deadline::now()),
        }),
        Move::Die => unreachable!("the thread has ended"),
    }
}

fn without_waiting(error: TryAcquireError) -> AcquireError {
    match error {
        TryAcquireError::WouldBlock => AcquireError::Timeout,
        TryAcquireError::NoSeat => AcquireError::NoSeat,
        _ => AcquireError::TooManyHeld,
    }
}

fn found(taken: Result<(), AcquireError>) -> Found {
    match taken {
        Ok(()) => Found::Done,
        Err(AcquireError::Timeout) => Found::NoPermit,
        Err(AcquireError::NoSeat) => Found::NoSeat,
        Err(other) => unreachable!("{other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_comes_to_what_the_reference_says(moves in moves(), bounded: bool) {
        let _watchdog = Watchdog::start(Duration::from_secs(60), "a sequence of moves");
        let semaphore = if bounded {
            Semaphore::clone(&BoundedSemaphore::with_seats(PERMITS, N_SEATS).unwrap())
        } else {
            Semaphore::with_seats(PERMITS, N_SEATS).unwrap()
        };
        let event = Event::new().unwrap();
        let most = if bounded { PERMITS } else { Semaphore::MOST_PERMITS };
        let mut reference =
            Reference { value: PERMITS, most, guards: [0; N_THREADS], is_set: false };
        let mut workers: Vec<_> =
            (0..N_THREADS).map(|_| Worker::start(&semaphore, &event)).collect();
        for (idx, &(thread, what)) in moves.iter().enumerate() {
            let expected = reference.apply(thread, what);
            if matches!(what, Move::Die) {
                let next = Worker::start(&semaphore, &event);
                mem::replace(&mut workers[thread], next).die();
                // A dead thread's guards come back one after the other, before they are missed.
                prop_assert_eq!(semaphore.value(), reference.value, "move {}", idx);
            } else {
                let found = workers[thread].tell(what);
                prop_assert_eq!(found, expected, "move {}: {:?}", idx, what);
            }
            let stats = semaphore.stats();
            prop_assert_eq!(stats.value, reference.value, "move {}: {:?}", idx, what);
            let holders = u32::try_from(semaphore.holders().len()).unwrap();
            prop_assert_eq!(holders, reference.guards.iter().sum::<u32>());
            prop_assert!(!stats.has_waiters, "nobody ever slept");
            prop_assert_eq!(event.stats().is_set, reference.is_set);
        }
        for worker in workers {
            drop(worker.orders);
            worker.thread.join().unwrap();
        }
    }
}
