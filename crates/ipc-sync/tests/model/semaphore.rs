//! The semaphore in the model: no permit is lost or doubled, and nobody sleeps while there is one.

#![expect(unsafe_code, reason = "the payload is written under a lease")]
#![expect(clippy::disallowed_types, reason = "what the test notes is no part of the model")]

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use ipc_core::Deadline;
use ipc_core::primitive::model::{Ended, run};
use ipc_core::robust::{RobustWord, Thread};
use ipc_sync::raw::{Lease, NoPermit, RawSemaphore, SemaphoreWords};
use loom::cell::UnsafeCell;
use loom::thread::{self, JoinHandle};

use super::{explore, with_every_death, with_every_death_within};

/// A semaphore, and what its only permit protects.
struct Permits {
    words: SemaphoreWords,
    seats: Vec<RobustWord>,
    payload: UnsafeCell<u32>,
    /// How many threads have got what they wanted, and are at their end.
    n_done: AtomicU32,
}

// SAFETY: the payload is touched only with the only permit, which is what the model checks.
unsafe impl Sync for Permits {}
// SAFETY: as for `Sync`.
unsafe impl Send for Permits {}

impl Permits {
    fn new(n_seats: usize, permits: u32) -> Arc<Self> {
        let permits_there = Self {
            words: SemaphoreWords::default(),
            seats: (0..n_seats).map(|_| RobustWord::new()).collect(),
            payload: UnsafeCell::new(0),
            n_done: AtomicU32::new(0),
        };
        permits_there.semaphore().initialize(permits);
        Arc::new(permits_there)
    }

    /// One whose first seat is open, which saves the model some thousand executions.
    fn opened(n_seats: usize, permits: u32) -> Arc<Self> {
        let there = Self::new(n_seats, 1);
        let lease = there.acquire();
        there.semaphore().give_back(Thread::current(), lease);
        there.semaphore().initialize(permits);
        there
    }

    fn semaphore(&self) -> RawSemaphore<'_> {
        RawSemaphore::new(&self.words, &self.seats, 5)
    }

    fn acquire(&self) -> Lease {
        // SAFETY: the seats live until the last thread of the model has ended.
        let lease = unsafe { self.semaphore().acquire(Thread::current(), Deadline::NEVER) };
        lease.expect("a seat, and in the end a permit")
    }

    fn take(&self) {
        self.semaphore().take(Deadline::NEVER).expect("in the end a permit");
        self.n_done.fetch_add(1, Relaxed);
    }

    fn release(&self, count: u32) {
        self.semaphore().release(count).expect("fewer than there may be");
    }

    /// Leases the only permit, changes the payload, and gives the permit back.
    fn add(&self) {
        let lease = self.acquire();
        self.change();
        self.semaphore().give_back(Thread::current(), lease);
        self.n_done.fetch_add(1, Relaxed);
    }

    /// The same with a permit that has no holder.
    fn take_and_add(&self) {
        self.take();
        self.change();
        self.release(1);
    }

    fn change(&self) {
        self.payload.with_mut(|payload| {
            // SAFETY: there is one permit; loom fails the test if another access is possible.
            unsafe { *payload += 1 };
        });
    }

    /// Waits until so many sleep.
    fn wait_until_asleep(&self, n_sleepers: u32) {
        while self.semaphore().n_asleep() < n_sleepers {
            thread::yield_now();
        }
    }

    /// Waits until each of so many threads sleeps or is done; if there is no permit then, releases
    /// one for each that sleeps. If there is, those who sleep must come to it by themselves.
    fn settle(&self, n_threads: u32) {
        while self.n_done.load(Relaxed) + self.semaphore().n_asleep() < n_threads {
            thread::yield_now();
        }
        let missing = n_threads - self.n_done.load(Relaxed);
        if self.semaphore().count_now() == 0 && missing > 0 {
            self.release(missing);
        }
    }

    /// That there are so many permits when all have ended, with those of the dead.
    fn audit(&self, permits: u32) {
        let mut found = 0;
        while self.semaphore().try_take() == Ok(()) {
            found += 1;
        }
        assert_eq!(self.semaphore().try_take(), Err(NoPermit::None));
        assert_eq!(found, permits);
    }
}

fn spawn(permits: &Arc<Permits>, body: fn(&Permits)) -> JoinHandle<()> {
    let permits = Arc::clone(permits);
    thread::spawn(move || body(&permits))
}

fn spawn_victim(permits: &Arc<Permits>, dies_at: u64, body: fn(&Permits)) -> JoinHandle<Ended<()>> {
    let permits = Arc::clone(permits);
    thread::spawn(move || run(Some(dies_at), || body(&permits)))
}

#[test]
fn who_waits_gets_what_is_released() {
    explore(|| {
        let permits = Permits::new(0, 0);
        let takers = [(); 2].map(|()| spawn(&permits, Permits::take));
        permits.release(1);
        permits.release(1);
        for taker in takers {
            taker.join().unwrap();
        }
        permits.audit(0);
    });
}

#[test]
fn what_is_released_together_is_for_several() {
    explore(|| {
        let permits = Permits::new(0, 0);
        let takers = [(); 2].map(|()| spawn(&permits, Permits::take));
        permits.release(3);
        for taker in takers {
            taker.join().unwrap();
        }
        permits.audit(1);
    });
}

#[test]
fn one_permit_excludes_all_others() {
    explore(|| {
        let permits = Permits::new(0, 1);
        let others = [(); 2].map(|()| spawn(&permits, Permits::take_and_add));
        permits.take_and_add();
        for other in others {
            other.join().unwrap();
        }
        permits.audit(1);
    });
}

#[test]
fn one_lease_excludes_all_others() {
    explore(|| {
        let permits = Permits::opened(2, 1);
        let other = spawn(&permits, Permits::add);
        let third = spawn(&permits, Permits::take_and_add);
        permits.add();
        other.join().unwrap();
        third.join().unwrap();
        permits.audit(1);
    });
}

#[test]
fn a_releaser_that_dies_leaves_nobody_asleep_beside_a_permit() {
    with_every_death_within(1, |dies_at| {
        let permits = Permits::new(0, 0);
        let takers = [(); 2].map(|()| spawn(&permits, Permits::take));
        let victim = spawn_victim(&permits, dies_at, |permits| permits.release(2));
        let victim = victim.join().unwrap();
        permits.settle(2);
        for taker in takers {
            taker.join().unwrap();
        }
        victim
    });
}

/// A releaser finds nobody asleep and is about to take the mark away. Meanwhile its permit is taken,
/// and two fall asleep. They are called, or the mark is there again, before the next release.
#[test]
fn who_falls_asleep_while_the_mark_is_taken_away_is_called_for_the_next_permit() {
    with_every_death(|dies_at| {
        let permits = Permits::new(0, 0);
        permits.semaphore().initialize_as_if_slept_on(0);
        let releaser = Arc::clone(&permits);
        let has_ended = Arc::new(AtomicU32::new(0));
        let noted = Arc::clone(&has_ended);
        let victim = thread::spawn(move || {
            let ended = run(Some(dies_at), || releaser.release(1));
            noted.store(1, Relaxed);
            ended
        });
        while permits.semaphore().count_now() == 0 && has_ended.load(Relaxed) == 0 {
            thread::yield_now();
        }
        // There is none if the releaser died too early.
        permits.semaphore().try_take().ok();
        let takers = [(); 2].map(|()| spawn(&permits, Permits::take));
        permits.wait_until_asleep(2);
        permits.release(1);
        let victim = victim.join().unwrap();
        permits.settle(2);
        for taker in takers {
            taker.join().unwrap();
        }
        victim
    });
}

/// One permit is released for one who wants a lease and one who does not. Whoever was called and dies
/// on its way to a seat has swallowed no call.
#[test]
fn a_waiter_that_dies_on_its_way_to_a_lease_swallows_no_call() {
    with_every_death_within(1, |dies_at| {
        let permits = Permits::opened(1, 0);
        let victim = {
            let permits = Arc::clone(&permits);
            thread::spawn(move || {
                let ended = run(Some(dies_at), || permits.add());
                if !ended.is_finished() {
                    permits.n_done.fetch_add(1, Relaxed);
                }
                ended
            })
        };
        let taker = spawn(&permits, Permits::take);
        while permits.n_done.load(Relaxed) + permits.semaphore().n_asleep() < 2 {
            thread::yield_now();
        }
        permits.release(1);
        permits.settle(2);
        taker.join().unwrap();
        victim.join().unwrap()
    });
}

/// One permit is released for two. Whoever was called and dies without it has swallowed no call.
#[test]
fn a_waiter_that_dies_swallows_no_call() {
    with_every_death_within(1, |dies_at| {
        let permits = Permits::new(0, 0);
        let victim = {
            let permits = Arc::clone(&permits);
            thread::spawn(move || {
                let ended = run(Some(dies_at), || permits.take());
                if !ended.is_finished() {
                    permits.n_done.fetch_add(1, Relaxed);
                }
                ended
            })
        };
        let taker = spawn(&permits, Permits::take);
        // Both sleep, or the victim is dead: so it is the call that must not be lost.
        while permits.n_done.load(Relaxed) + permits.semaphore().n_asleep() < 2 {
            thread::yield_now();
        }
        permits.release(1);
        permits.settle(2);
        taker.join().unwrap();
        victim.join().unwrap()
    });
}

#[test]
fn a_permit_comes_back_from_a_dead_holder() {
    with_every_death(|dies_at| {
        let permits = Permits::opened(1, 1);
        let victim = spawn_victim(&permits, dies_at, Permits::add);
        permits.add();
        let victim = victim.join().unwrap();
        permits.audit(1);
        victim
    });
}

#[test]
fn a_permit_comes_back_to_who_wants_no_lease() {
    with_every_death(|dies_at| {
        let permits = Permits::opened(1, 1);
        let victim = spawn_victim(&permits, dies_at, Permits::add);
        permits.take_and_add();
        let victim = victim.join().unwrap();
        permits.audit(1);
        victim
    });
}

#[test]
fn a_permit_comes_back_while_two_wait() {
    with_every_death_within(1, |dies_at| {
        let permits = Permits::opened(1, 1);
        let victim = spawn_victim(&permits, dies_at, Permits::add);
        let other = spawn(&permits, Permits::take_and_add);
        permits.take_and_add();
        other.join().unwrap();
        let victim = victim.join().unwrap();
        permits.audit(1);
        victim
    });
}

/// A holder has died; who sees to it dies at any moment of that.
#[test]
fn a_permit_comes_back_though_its_finder_dies() {
    let first_dies = if testkit::full() { 0..30 } else { 4..12 };
    for first_dies_at in first_dies {
        with_every_death_within(1, move |dies_at| {
            let permits = Permits::opened(1, 1);
            let first = spawn_victim(&permits, first_dies_at, Permits::add);
            first.join().unwrap();
            let victim = spawn_victim(&permits, dies_at, Permits::add);
            permits.add();
            let victim = victim.join().unwrap();
            permits.audit(1);
            victim
        });
    }
}

/// Two leases are changed at once, each through the one word: every operation is completed.
#[test]
fn leases_that_change_at_once_are_all_noted() {
    with_every_death(|dies_at| {
        let permits = Permits::opened(3, 2);
        let come_and_go = |permits: &Permits| {
            let lease = permits.acquire();
            permits.semaphore().give_back(Thread::current(), lease);
        };
        let victim = spawn_victim(&permits, dies_at, come_and_go);
        // A third takes minutes.
        let other = testkit::full().then(|| spawn(&permits, come_and_go));
        come_and_go(&permits);
        if let Some(other) = other {
            other.join().unwrap();
        }
        let victim = victim.join().unwrap();
        permits.audit(2);
        victim
    });
}

#[test]
fn a_permit_that_is_forgotten_is_gone_once() {
    with_every_death(|dies_at| {
        let permits = Permits::opened(2, 2);
        let forget = |permits: &Permits| {
            let lease = permits.acquire();
            permits.semaphore().forget(Thread::current(), lease);
        };
        let victim = spawn_victim(&permits, dies_at, forget);
        let lease = permits.acquire();
        permits.semaphore().give_back(Thread::current(), lease);
        let victim = victim.join().unwrap();
        // Who died before it had taken the permit, or before it had forgotten it, took none along.
        let mut left = 0;
        while permits.semaphore().try_take() == Ok(()) {
            left += 1;
        }
        assert!(left == 1 || left == 2 && !victim.is_finished(), "{left} left");
        victim
    });
}

/// Two sleep, and know of no seat. Somebody opens one, leases a permit and dies; the other permit
/// goes to one of the two, who leaves. The one who sleeps on must learn of the death.
#[test]
fn a_new_seat_is_made_known_to_those_who_sleep() {
    with_every_death_within(1, |dies_at| {
        let permits = Permits::new(1, 0);
        let sleepers = [(); 2].map(|()| spawn(&permits, Permits::take));
        permits.wait_until_asleep(2);
        permits.release(1);
        let victim = run(Some(dies_at), || {
            let me = Thread::current();
            // SAFETY: the seats live until the last thread of the model has ended.
            if let Ok(lease) = unsafe { permits.semaphore().try_acquire(me) } {
                permits.semaphore().give_back(me, lease);
            }
        });
        permits.release(1);
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        victim
    });
}
