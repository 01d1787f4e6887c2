//! The event in the model: nobody who waited before a set sleeps on, whoever dies.

#![expect(unsafe_code, reason = "the payload is written before the event is set")]

use std::sync::Arc;

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::model::{Ended, run};
use ipc_core::robust::{OWNER, RobustWord, Thread};
use ipc_sync::raw::{EventWords, RawEvent};
use loom::cell::UnsafeCell;
use loom::thread::{self, JoinHandle};

use super::{explore, with_every_death};

/// An event, and what is written before it is set.
struct Signal {
    words: EventWords,
    payload: UnsafeCell<u32>,
}

// SAFETY: the payload is read only by who has seen the event set, which is what the model checks.
unsafe impl Sync for Signal {}
// SAFETY: as for `Sync`.
unsafe impl Send for Signal {}

impl Signal {
    fn new() -> Arc<Self> {
        Arc::new(Self { words: EventWords::default(), payload: UnsafeCell::new(0) })
    }

    fn event(&self) -> RawEvent<'_> {
        RawEvent::new(&self.words)
    }

    fn write(&self) {
        self.payload.with_mut(|payload| {
            // SAFETY: nobody reads before the event is set.
            unsafe { *payload = 7 };
        });
    }

    fn write_and_set(&self) {
        self.write();
        self.event().set();
    }

    fn clear(&self) {
        self.event().clear();
    }

    fn wait(&self) {
        assert!(self.event().wait(Thread::current(), Deadline::NEVER));
    }

    fn wait_and_read(&self) {
        self.wait();
        self.read_if(true);
    }

    fn read_if(&self, was_set: bool) {
        if !was_set {
            return;
        }
        let payload = self.payload.with(|payload| {
            // SAFETY: it was written before the event was set.
            unsafe { *payload }
        });
        assert_eq!(payload, 7);
    }

    fn wait_until_asleep(&self, n_sleepers: u32) {
        while self.event().n_asleep() < n_sleepers {
            thread::yield_now();
        }
    }
}

fn spawn(signal: &Arc<Signal>, body: fn(&Signal)) -> JoinHandle<()> {
    let signal = Arc::clone(signal);
    thread::spawn(move || body(&signal))
}

fn spawn_victim(signal: &Arc<Signal>, dies_at: u64, body: fn(&Signal)) -> JoinHandle<Ended<()>> {
    let signal = Arc::clone(signal);
    thread::spawn(move || run(Some(dies_at), || body(&signal)))
}

#[test]
fn a_set_releases_all_who_wait() {
    explore(|| {
        let signal = Signal::new();
        let waiters = [(); 2].map(|()| spawn(&signal, Signal::wait_and_read));
        signal.write_and_set();
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert!(signal.event().is_set());
    });
}

#[test]
fn two_sets_at_once_release_all_who_wait() {
    explore(|| {
        let signal = Signal::new();
        let waiter = spawn(&signal, Signal::wait);
        let other = spawn(&signal, |signal| signal.event().set());
        signal.event().set();
        waiter.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn a_clear_right_behind_a_set_leaves_nobody_asleep() {
    explore(|| {
        let signal = Signal::new();
        let sleeper = spawn(&signal, Signal::wait_and_read);
        let clearer = spawn(&signal, Signal::clear);
        signal.wait_until_asleep(1);
        signal.write_and_set();
        signal.event().clear();
        sleeper.join().unwrap();
        clearer.join().unwrap();
        assert!(!signal.event().is_set());
    });
}

#[test]
fn who_clears_sees_what_the_event_was_set_for() {
    explore(|| {
        let signal = Signal::new();
        let setter = spawn(&signal, Signal::write_and_set);
        let other = spawn(&signal, |signal| signal.read_if(signal.event().clear()));
        signal.read_if(signal.event().clear());
        setter.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn a_setter_that_dies_leaves_nobody_asleep() {
    with_every_death(|dies_at| {
        let signal = Signal::new();
        let waiters = [(); 2].map(|()| spawn(&signal, Signal::wait_and_read));
        let setter = spawn_victim(&signal, dies_at, Signal::write_and_set).join().unwrap();
        // Whoever finds it set by the dead does not do the dead's work.
        if !signal.event().is_set() {
            signal.write_and_set();
        }
        for waiter in waiters {
            waiter.join().unwrap();
        }
        setter
    });
}

#[test]
fn a_waiter_that_dies_swallows_no_call() {
    with_every_death(|dies_at| {
        let signal = Signal::new();
        let victim = spawn_victim(&signal, dies_at, Signal::wait_and_read);
        let other = spawn(&signal, Signal::wait_and_read);
        signal.write_and_set();
        other.join().unwrap();
        victim.join().unwrap()
    });
}

/// The setter dies before it has called anybody; the kernel wakes one of two, who dies in turn.
#[test]
fn two_deaths_in_a_row_leave_nobody_asleep() {
    let setter_dies = if testkit::full() { 0..8 } else { 2..4 };
    for setter_dies_at in setter_dies {
        with_every_death(move |dies_at| {
            let signal = Signal::new();
            let victim = spawn_victim(&signal, dies_at, Signal::wait);
            let other = spawn(&signal, Signal::wait);
            let set = |signal: &Signal| signal.event().set();
            spawn_victim(&signal, setter_dies_at, set).join().unwrap();
            if !signal.event().is_set() {
                signal.event().set();
            }
            other.join().unwrap();
            victim.join().unwrap()
        });
    }
}

/// The kernel has woken one of two in the dead setter's place; then the event is cleared, so that
/// nobody sees any more that it was set.
#[test]
fn a_clear_behind_a_dead_setter_leaves_nobody_asleep() {
    for dies_at in 0..8 {
        explore(move || {
            let signal = Signal::new();
            let sleepers = [(); 2].map(|()| spawn(&signal, Signal::wait));
            signal.wait_until_asleep(2);
            let set = |signal: &Signal| signal.event().set();
            run(Some(dies_at), || set(&signal));
            if !signal.event().is_set() {
                signal.event().set();
            }
            assert!(signal.event().clear());
            for sleeper in sleepers {
                sleeper.join().unwrap();
            }
        });
    }
}

#[test]
fn a_clearer_that_dies_leaves_nobody_asleep() {
    with_every_death(|dies_at| {
        let signal = Signal::new();
        let sleepers = [(); 2].map(|()| spawn(&signal, Signal::wait));
        signal.wait_until_asleep(2);
        let set_and_clear = |signal: &Signal| {
            signal.event().set();
            signal.event().clear();
        };
        let clearer = spawn_victim(&signal, dies_at, set_and_clear).join().unwrap();
        // Nobody is asleep who was released; if it never was set, it is now.
        if signal.event().has_waiters() && !signal.event().is_set() {
            signal.event().set();
        }
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        clearer
    });
}

/// A handler has interrupted one who was taking a lock, and dies while it sets an event: the lock's
/// word is still marked, and those who wait for the event are called.
#[test]
fn a_handler_that_dies_leaves_neither_a_lock_nor_sleepers_behind() {
    with_every_death(|dies_at| {
        let signal = Signal::new();
        let line = Arc::new(RobustWord::new());
        let waiters = [(); 2].map(|()| spawn(&signal, Signal::wait));
        let victim = {
            let (signal, line) = (Arc::clone(&signal), Arc::clone(&line));
            thread::spawn(move || {
                run(Some(dies_at), || {
                    let me = Thread::current();
                    // SAFETY: the word lives until the last thread of the model has ended.
                    unsafe { me.pend(&line.word) };
                    line.word.store(me.tid(), Relaxed);
                    // Here it is interrupted.
                    signal.event().set();
                    line.word.store(0, Relaxed);
                    me.pend_clear();
                })
            })
        };
        let victim = victim.join().unwrap();
        assert_eq!(line.word.load(Relaxed) & OWNER, 0, "nobody dead holds it");
        if !signal.event().is_set() {
            signal.event().set();
        }
        for waiter in waiters {
            waiter.join().unwrap();
        }
        victim
    });
}
