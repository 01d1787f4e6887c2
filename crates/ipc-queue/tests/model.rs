//! The ring in loom's world: every interleaving of a few threads, and the death of one of them
//! before each of its accesses.
//!
//! The models borrow their words as the mapped ring does. A message is the pair of its putter and
//! its number; its bytes are a loom cell for each slot, so that a missing edge shows as a race.

#![cfg(ipc_loom)]
#![expect(dead_code, reason = "the models use a part of the ring's moves")]
#![expect(unsafe_code, reason = "loom's cells give raw pointers, and check what is done with them")]
#![expect(clippy::arc_with_non_send_sync, reason = "loom's threads are one thread's coroutines")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that talks and that fails"
)]

#[path = "../src/ring/mod.rs"]
mod ring;

use std::sync::Arc;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::model::{Ended, run};
use ipc_core::robust::{Life, Thread};
use loom::cell::UnsafeCell;

use ring::bells::Bells;
use ring::position::PositionWord;
use ring::slot::{Owner, SlotWord};
use ring::{Memory, Patience, Refused, Ring, Tuning};

struct Words {
    tail: PositionWord,
    head: PositionWord,
    bells: Bells,
    slots: Vec<SlotWord>,
    cells: Vec<UnsafeCell<u64>>,
    lives: Vec<Life>,
    retired: AtomicU64,
}

impl Words {
    fn new(n_slots: usize, n_seats: usize) -> Arc<Self> {
        Arc::new(Self {
            tail: PositionWord::default(),
            head: PositionWord::default(),
            bells: Bells::default(),
            slots: (0..n_slots).map(|_| SlotWord::default()).collect(),
            cells: (0..n_slots).map(|_| UnsafeCell::new(0)).collect(),
            lives: (0..n_seats).map(|_| Life::new()).collect(),
            retired: AtomicU64::new(0),
        })
    }

    /// Runs one operation of the thread in `seat` as the mapped ring does.
    fn operation<T>(&self, operate: impl FnOnce(Ring<'_, Self>) -> T) -> T {
        let me = Thread::current();
        // SAFETY: a model's words live until its last thread has ended.
        unsafe { me.pend(self.bells.alarm.word()) };
        let result = operate(Ring(self));
        me.pend_clear();
        result
    }

    fn sit_down(&self, seat: u16) -> Owner {
        // SAFETY: a model's words live until its last thread has ended.
        assert!(unsafe { self.lives[usize::from(seat)].join(Thread::current()) }.unwrap());
        Owner::of_seat(seat)
    }

    fn put(&self, me: Owner, message: u64, patience: Patience) -> Result<(), Refused> {
        self.put_long(me, message, 1, patience)
    }

    fn put_long(
        &self,
        me: Owner,
        message: u64,
        span: u32,
        patience: Patience,
    ) -> Result<(), Refused> {
        self.operation(|ring| {
            let claim = ring.put(me, span, patience)?;
            for further in 0..span {
                let at = claim.at.advance(further, self.n_slots());
                // SAFETY: loom checks what the claim is to guarantee.
                self.cells[at.index() as usize].with_mut(|cell| unsafe { *cell = message });
            }
            ring.commit(claim);
            Ok(())
        })
    }

    fn get(&self, me: Owner, patience: Patience) -> Result<u64, Refused> {
        self.operation(|ring| {
            let claim = ring.get(me, patience)?;
            let mut message = 0;
            for further in 0..claim.span() {
                let at = claim.at.advance(further, self.n_slots());
                // SAFETY: loom checks what the claim is to guarantee.
                let found = self.cells[at.index() as usize].with(|cell| unsafe { *cell });
                assert!(message == 0 || message == found, "a message in two pieces");
                message = found;
            }
            ring.release(claim);
            Ok(message)
        })
    }
}

impl Memory for Words {
    fn n_slots(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap()
    }
    fn tail(&self) -> &PositionWord {
        &self.tail
    }
    fn head(&self) -> &PositionWord {
        &self.head
    }
    fn bells(&self) -> &Bells {
        &self.bells
    }
    fn slot(&self, index: u32) -> &SlotWord {
        &self.slots[index as usize]
    }
    fn life(&self, seat: u16) -> Option<&Life> {
        self.lives.get(usize::from(seat))
    }
    fn retired(&self) -> &AtomicU64 {
        &self.retired
    }
    fn tuning(&self) -> Tuning {
        Tuning { n_spins: 0, n_yields: 0, first_sleep: Duration::MAX, longest_sleep: Duration::MAX }
    }
}

const FOREVER: Patience = Patience::Until(Deadline::NEVER);

fn bound() -> usize {
    std::env::var("LOOM_MAX_PREEMPTIONS").ok().and_then(|bound| bound.parse().ok()).unwrap_or(2)
}

fn explore(model: impl Fn() + Send + Sync + 'static) {
    explore_within(bound(), model);
}

fn explore_within(bound: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.max_branches = 100_000;
    builder.check(model);
}

/// Explores the model with the victim dying before its access 0, 1, 2, …, until it never does.
fn explore_deaths(model: impl Fn(u64) -> bool + Send + Sync + Clone + 'static) {
    explore_deaths_within(bound(), model);
}

#[expect(clippy::disallowed_types, reason = "what the explorations tell one another")]
fn explore_deaths_within(
    bound: usize,
    model: impl Fn(u64) -> bool + Send + Sync + Clone + 'static,
) {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    for dies_at in 0.. {
        let died = Arc::new(AtomicBool::new(false));
        let (seen, model) = (Arc::clone(&died), model.clone());
        explore_within(bound, move || {
            if model(dies_at) {
                seen.store(true, Relaxed);
            }
        });
        if !died.load(Relaxed) {
            println!("no death at access {dies_at}");
            return;
        }
    }
}

/// What is left in the ring.
fn drain(words: &Words) -> Vec<u64> {
    let me = words.sit_down(u16::try_from(words.lives.len() - 1).unwrap());
    let mut left = Vec::new();
    loop {
        match words.get(me, Patience::Try) {
            Ok(message) => left.push(message),
            Err(Refused::NotNow | Refused::Closed) => return left,
            Err(refused) => panic!("{refused:?}"),
        }
    }
}

#[test]
fn one_putter_and_one_getter_with_one_slot() {
    explore(|| {
        let words = Words::new(1, 2);
        let putter = Arc::clone(&words);
        let thread = loom::thread::spawn(move || {
            let me = putter.sit_down(0);
            putter.put(me, 1, FOREVER).unwrap();
            putter.put(me, 2, FOREVER).unwrap();
        });
        let me = words.sit_down(1);
        assert_eq!(words.get(me, FOREVER), Ok(1));
        assert_eq!(words.get(me, FOREVER), Ok(2));
        thread.join().unwrap();
    });
}

#[test]
fn two_putters_and_one_getter_with_one_slot() {
    explore(|| {
        let words = Words::new(1, 3);
        let threads = [0, 1].map(|seat| {
            let words = Arc::clone(&words);
            loom::thread::spawn(move || {
                let me = words.sit_down(seat);
                words.put(me, u64::from(seat) + 1, FOREVER).unwrap();
            })
        });
        let me = words.sit_down(2);
        let sum = words.get(me, FOREVER).unwrap() + words.get(me, FOREVER).unwrap();
        assert_eq!(sum, 3);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn one_putter_and_two_getters_with_two_slots() {
    explore(|| {
        let words = Words::new(2, 3);
        let threads = [0, 1].map(|seat| {
            let words = Arc::clone(&words);
            loom::thread::spawn(move || {
                let me = words.sit_down(seat);
                words.get(me, FOREVER).unwrap()
            })
        });
        let me = words.sit_down(2);
        words.put(me, 1, FOREVER).unwrap();
        words.put(me, 2, FOREVER).unwrap();
        let got = threads.map(|thread| thread.join().unwrap());
        assert_eq!(got[0] + got[1], 3);
    });
}

#[test]
fn closing_ends_a_getter_and_loses_nothing() {
    explore(|| {
        let words = Words::new(1, 3);
        let putter = Arc::clone(&words);
        let putting = loom::thread::spawn(move || {
            let me = putter.sit_down(0);
            putter.put(me, 7, FOREVER)
        });
        let getter = Arc::clone(&words);
        let getting = loom::thread::spawn(move || {
            let me = getter.sit_down(1);
            let mut got = Vec::new();
            loop {
                match getter.get(me, FOREVER) {
                    Ok(message) => got.push(message),
                    Err(refused) => {
                        assert_eq!(refused, Refused::Closed);
                        return got;
                    }
                }
            }
        });
        words.operation(|ring| ring.close());
        let put = putting.join().unwrap();
        let got = getting.join().unwrap();
        match put {
            Ok(()) => assert_eq!(got, [7]),
            Err(refused) => {
                assert_eq!(refused, Refused::Closed);
                assert!(got.is_empty());
            }
        }
    });
}

#[test]
fn a_putter_that_dies_holds_up_nobody() {
    explore_deaths(|dies_at| {
        let words = Words::new(1, 4);
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.put(me, 1, FOREVER).unwrap();
            })
        });
        let other = Arc::clone(&words);
        let other = loom::thread::spawn(move || {
            let me = other.sit_down(1);
            other.put(me, 2, FOREVER).unwrap();
        });
        let me = words.sit_down(2);
        let mut got = vec![words.get(me, FOREVER).unwrap()];
        let died = victim.join().unwrap() == Ended::Died;
        other.join().unwrap();
        got.extend(drain(&words));
        got.sort_unstable();
        assert!(got == [1, 2] || died && (got == [1] || got == [2]), "{got:?}");
        died
    });
}

#[test]
fn a_getter_that_dies_holds_up_nobody() {
    // The largest of the models: one preemption fewer keeps it in the time of the others. With two
    // it takes minutes; `LOOM_MAX_PREEMPTIONS=3` does that.
    explore_deaths_within(bound().saturating_sub(1), |dies_at| {
        let words = Words::new(1, 4);
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.get(me, FOREVER)
            })
        });
        let putter = Arc::clone(&words);
        let putter = loom::thread::spawn(move || {
            let me = putter.sit_down(1);
            putter.put(me, 1, FOREVER).unwrap();
            putter.put(me, 2, FOREVER).unwrap();
            putter.operation(|ring| ring.close());
        });
        let me = words.sit_down(2);
        let mut got = Vec::new();
        while let Ok(message) = words.get(me, FOREVER) {
            got.push(message);
        }
        putter.join().unwrap();
        let ended = victim.join().unwrap();
        let died = ended == Ended::Died;
        if let Ended::Finished(Ok(message)) = ended {
            got.push(message);
        }
        got.sort_unstable();
        assert!(got == [1, 2] || died && (got == [1] || got == [2]), "{got:?}");
        died
    });
}

#[test]
fn a_sleeping_getter_that_dies_hands_its_wake_up_on() {
    explore_deaths(|dies_at| {
        let words = Words::new(2, 4);
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.get(me, FOREVER).unwrap()
            })
        });
        let getter = Arc::clone(&words);
        let getter = loom::thread::spawn(move || {
            let me = getter.sit_down(1);
            getter.get(me, FOREVER).unwrap()
        });
        let me = words.sit_down(2);
        words.put(me, 1, FOREVER).unwrap();
        words.put(me, 2, FOREVER).unwrap();
        let mut got = vec![getter.join().unwrap()];
        let ended = victim.join().unwrap();
        let died = ended == Ended::Died;
        if let Ended::Finished(message) = ended {
            got.push(message);
        }
        got.extend(drain(&words));
        got.sort_unstable();
        assert!(got == [1, 2] || died && (got == [1] || got == [2]), "{got:?}");
        died
    });
}

#[test]
fn a_closer_that_dies_has_closed_or_has_not() {
    explore_deaths(|dies_at| {
        let words = Words::new(1, 3);
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || victim.operation(|ring| ring.close()))
        });
        let getter = Arc::clone(&words);
        let getter = loom::thread::spawn(move || {
            let me = getter.sit_down(0);
            getter.get(me, FOREVER)
        });
        let died = !victim.join().unwrap().is_finished();
        if died && !Ring(&*words).is_closed() {
            words.operation(|ring| ring.close());
        }
        assert_eq!(getter.join().unwrap(), Err(Refused::Closed));
        died
    });
}

#[test]
fn a_long_message_is_whole_and_its_dead_putter_holds_up_nobody() {
    explore_deaths(|dies_at| {
        let words = Words::new(4, 3);
        let me = words.sit_down(1);
        // So that one of the two messages goes over the end.
        words.put(me, 9, FOREVER).unwrap();
        assert_eq!(words.get(me, FOREVER), Ok(9));
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.put_long(me, 1, 2, FOREVER).unwrap();
            })
        });
        words.put_long(me, 2, 2, FOREVER).unwrap();
        let mut got = vec![words.get(me, FOREVER).unwrap()];
        if got == [2] && victim.join().unwrap().is_finished() {
            got.push(words.get(me, FOREVER).unwrap());
        }
        got.extend(drain(&words));
        got.sort_unstable();
        assert!(got == [1, 2] || got == [2], "{got:?}");
        got == [2]
    });
}

#[test]
fn a_long_message_is_whole_and_its_dead_getter_holds_up_nobody() {
    explore_deaths(|dies_at| {
        let words = Words::new(3, 3);
        let first = words.sit_down(1);
        words.put_long(first, 1, 3, FOREVER).unwrap();
        let victim = Arc::clone(&words);
        let victim = loom::thread::spawn(move || {
            run(Some(dies_at), || {
                let me = victim.sit_down(0);
                victim.get(me, Patience::Try)
            })
        });
        let putter = Arc::clone(&words);
        let putter = loom::thread::spawn(move || {
            let me = putter.sit_down(2);
            putter.put_long(me, 2, 2, FOREVER).unwrap();
            putter.operation(|ring| ring.close());
        });
        let mut got = Vec::new();
        while let Ok(message) = words.get(first, FOREVER) {
            got.push(message);
        }
        putter.join().unwrap();
        let ended = victim.join().unwrap();
        if let Ended::Finished(Ok(message)) = ended {
            got.push(message);
        }
        got.sort_unstable();
        let died = ended == Ended::Died;
        assert!(got == [1, 2] || died && (got == [1] || got == [2]), "{got:?}");
        died
    });
}

#[test]
fn a_long_put_that_finds_no_room_lets_a_short_one_go_first() {
    explore(|| {
        let words = Words::new(2, 3);
        let me = words.sit_down(2);
        words.put(me, 1, FOREVER).unwrap();
        words.put(me, 2, FOREVER).unwrap();
        let long = Arc::clone(&words);
        let long = loom::thread::spawn(move || {
            let me = long.sit_down(0);
            long.put_long(me, 9, 2, FOREVER).unwrap();
        });
        let short = Arc::clone(&words);
        let short = loom::thread::spawn(move || {
            let me = short.sit_down(1);
            short.put(me, 3, FOREVER).unwrap();
        });
        // Room for the short one alone: it must come by itself.
        assert_eq!(words.get(me, FOREVER), Ok(1));
        short.join().unwrap();
        let got = [(); 3].map(|()| words.get(me, FOREVER).unwrap());
        assert_eq!(got, [2, 3, 9]);
        long.join().unwrap();
    });
}
