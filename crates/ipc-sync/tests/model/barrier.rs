//! The barrier in the model: all parties of a round come through, or all are told why not.

#![expect(unsafe_code, reason = "the words live as long as the model")]
#![expect(clippy::disallowed_types, reason = "what the test notes is no part of the model")]

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32};

use ipc_core::Deadline;
use ipc_core::primitive::model::{Ended, run};
use ipc_core::robust::{OWNER_DIED, RobustWord, Thread};
use ipc_sync::raw::{BarrierWords, Broken, Failed, MemberWords, RawBarrier, n_places, n_seats};
use loom::cell::UnsafeCell;
use loom::thread;

use super::{explore, explore_within, with_every_death, with_every_death_within};

/// What stands for the process of the victim.
const VICTIM: u32 = 77;

/// A barrier, and something for each party that it writes before, and that all read behind it.
struct Shared {
    words: BarrierWords,
    seats: Vec<RobustWord>,
    members: Vec<MemberWords>,
    payload: UnsafeCell<u32>,
    passed: AtomicU32,
    broken: AtomicU32,
}

// SAFETY: the payload is written before a round is complete and read after, which is what the model
// checks.
unsafe impl Sync for Shared {}
// SAFETY: as for `Sync`.
unsafe impl Send for Shared {}

impl Shared {
    fn new(parties: u32) -> Arc<Self> {
        Arc::new(Self {
            words: BarrierWords::default(),
            seats: (0..n_seats(parties)).map(|_| RobustWord::new()).collect(),
            members: (0..n_places(parties)).map(|_| MemberWords::default()).collect(),
            payload: UnsafeCell::new(0),
            passed: AtomicU32::new(0),
            broken: AtomicU32::new(0),
        })
    }

    fn barrier(&self) -> RawBarrier<'_> {
        // SAFETY: the words live until the last thread of the model has ended.
        unsafe { RawBarrier::new(&self.words, &self.seats, &self.members) }
    }

    fn join(&self, pid: u32) -> usize {
        // SAFETY: as above.
        let place = unsafe { self.barrier().join(Thread::current(), pid) };
        place.expect("there is a place")
    }

    fn pass(&self, pid: u32) -> Result<u32, Failed> {
        let end = self.come(pid);
        match end {
            Ok(_) => self.passed.fetch_add(1, Relaxed),
            Err(_) => self.broken.fetch_add(1, Relaxed),
        };
        end
    }

    fn come(&self, pid: u32) -> Result<u32, Failed> {
        let me = Thread::current();
        let place = self.barrier().arrive(me, pid, Deadline::NEVER)?;
        if place.is_last() {
            self.barrier().trip(me, place)
        } else {
            self.barrier().wait(me, place, Deadline::NEVER)
        }
    }
}

fn spawn(shared: &Arc<Shared>, part: impl FnOnce(&Shared) + 'static) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || part(&shared))
}

fn check_fresh(shared: &Shared) {
    assert_eq!(shared.barrier().arrived(), 0);
    assert_eq!(shared.barrier().broken(), None);
}

#[test]
fn barrier_two_parties_meet_twice_and_see_what_the_other_did() {
    explore(|| {
        let shared = Shared::new(2);
        let other = spawn(&shared, |shared| {
            shared.payload.with_mut(|payload| {
                // SAFETY: the other one reads behind the barrier; loom checks that.
                unsafe { *payload = 7 };
            });
            let first = shared.pass(1).unwrap();
            let second = shared.pass(1).unwrap();
            assert!(first < 2 && second < 2);
        });
        let number = shared.pass(2).unwrap();
        let seen = shared.payload.with(|payload| {
            // SAFETY: as above.
            unsafe { *payload }
        });
        assert_eq!(seen, 7);
        assert!(number < 2);
        shared.pass(2).unwrap();
        other.join().unwrap();
        check_fresh(&shared);
    });
}

#[test]
fn barrier_three_parties_have_different_numbers() {
    explore(|| {
        let shared = Shared::new(3);
        let numbers = Arc::new(AtomicU32::new(0));
        let others = [1, 2].map(|pid| {
            let numbers = Arc::clone(&numbers);
            spawn(&shared, move |shared| {
                numbers.fetch_add(1 << (4 * shared.pass(pid).unwrap()), Relaxed);
            })
        });
        numbers.fetch_add(1 << (4 * shared.pass(3).unwrap()), Relaxed);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(numbers.load(Relaxed), 0x111);
        check_fresh(&shared);
    });
}

#[test]
fn barrier_an_abort_is_told_to_all_who_come() {
    explore(|| {
        let shared = Shared::new(3);
        let others = [1, 2].map(|pid| {
            spawn(&shared, move |shared| {
                assert_eq!(shared.pass(pid), Err(Failed::Broken(Broken::Aborted)));
            })
        });
        shared.barrier().abort(Thread::current());
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(shared.barrier().broken(), Some(Broken::Aborted));
    });
}

#[test]
fn barrier_a_reset_sends_those_away_who_wait() {
    explore(|| {
        let shared = Shared::new(2);
        let other = spawn(&shared, |shared| {
            // Whoever is sent away comes again.
            while shared.pass(1) == Err(Failed::Broken(Broken::Reset)) {}
        });
        shared.barrier().reset(Thread::current());
        shared.pass(2).unwrap();
        other.join().unwrap();
        check_fresh(&shared);
        assert_eq!(shared.passed.load(Relaxed), 2);
        assert!(shared.broken.load(Relaxed) <= 1);
    });
}

/// Either all come through, the victim (dead or not) among them, or those who live are told of it.
fn audit(shared: &Shared, victim: &Ended<()>, survivors: u32) {
    let (passed, broken) = (shared.passed.load(Relaxed), shared.broken.load(Relaxed));
    if victim.is_finished() {
        assert_eq!((passed, broken), (survivors + 1, 0));
        check_fresh(shared);
        return;
    }
    assert!(passed >= survivors && broken == 0 || passed == 0 && broken == survivors);
}

/// Comes to the barrier; if nobody can complete the round, because the victim died before it came,
/// the last survivor is the one who knows.
fn survive(shared: &Shared) {
    match shared.pass(1) {
        Ok(_) | Err(Failed::Broken(Broken::Died(VICTIM) | Broken::Aborted)) => {}
        other => panic!("{other:?}"),
    }
}

/// Every death of one of the parties, and another that comes in its place if it never arrived.
fn after_every_death(most_preemptions: usize, survivors: u32) {
    with_every_death_within(most_preemptions, move |dies_at| {
        let shared = Shared::new(survivors + 1);
        let victim = Arc::clone(&shared);
        let victim = thread::spawn(move || {
            let ended = run(Some(dies_at), || {
                assert!(victim.pass(VICTIM).is_ok());
            });
            if !ended.is_finished() && !has_arrived(&victim) {
                // A party that never came is nobody's business; whoever started it sees its end.
                victim.barrier().abort(Thread::current());
            }
            ended
        });
        let others: Vec<_> = (1..survivors).map(|_| spawn(&shared, survive)).collect();
        survive(&shared);
        for other in others {
            other.join().unwrap();
        }
        let victim = victim.join().unwrap();
        audit(&shared, &victim, survivors);
        victim
    });
}

/// Whether the victim's arrival counted: then the others must learn of its death by themselves.
fn has_arrived(shared: &Shared) -> bool {
    let seat = || {
        shared.seats.iter().position(|seat| {
            seat.word.load(SeqCst) & OWNER_DIED != 0 && seat.notes[0].load(Relaxed) == VICTIM
        })
    };
    if let Some(number) = seat() {
        let counted = shared.barrier().arrived() as usize > number;
        // Unless it is somebody else's arrival, who has taken the seat of the dead meanwhile.
        if counted && seat().is_some() {
            return true;
        }
    }
    shared.barrier().broken().is_some() || shared.passed.load(Relaxed) > 0
}

#[test]
fn barrier_one_survivor_learns_of_every_death() {
    after_every_death(usize::MAX, 1);
}

#[test]
fn barrier_two_survivors_learn_of_every_death() {
    after_every_death(1, 2);
}

#[test]
fn barrier_survivors_learn_of_an_abort_whoever_makes_it_dies() {
    with_every_death(|dies_at| {
        let shared = Shared::new(3);
        let victim = Arc::clone(&shared);
        let victim = thread::spawn(move || {
            let ended = run(Some(dies_at), || victim.barrier().abort(Thread::current()));
            if !ended.is_finished() && victim.barrier().broken().is_none() {
                victim.barrier().abort(Thread::current());
            }
            ended
        });
        let other = spawn(&shared, |shared| {
            assert_eq!(shared.pass(1), Err(Failed::Broken(Broken::Aborted)));
        });
        assert_eq!(shared.pass(2), Err(Failed::Broken(Broken::Aborted)));
        other.join().unwrap();
        victim.join().unwrap()
    });
}

/// Lets the calling thread die, as the kernel sees it.
fn die() {
    let ended = run(Some(0), || Thread::current().pend_clear());
    assert!(!ended.is_finished());
}

/// Every death of a member that comes, before and after it joined; whoever has joined is missed.
fn after_every_death_of_a_member(most_preemptions: usize, survivors: u32) {
    with_every_death_within(most_preemptions, move |dies_at| {
        let shared = Shared::new(survivors + 1);
        let victim = Arc::clone(&shared);
        let victim = thread::spawn(move || {
            let has_joined = AtomicBool::new(false);
            let ended = run(Some(dies_at), || {
                victim.join(VICTIM);
                // Its last access was the commit point.
                has_joined.store(true, Relaxed);
                assert!(victim.pass(VICTIM).is_ok());
            });
            if !ended.is_finished() && !has_joined.load(Relaxed) {
                victim.barrier().abort(Thread::current());
            }
            ended
        });
        let others: Vec<_> = (1..survivors).map(|_| spawn(&shared, survive)).collect();
        survive(&shared);
        for other in others {
            other.join().unwrap();
        }
        let victim = victim.join().unwrap();
        audit(&shared, &victim, survivors);
        victim
    });
}

#[test]
fn barrier_one_survivor_learns_of_the_death_of_a_member_on_its_way() {
    after_every_death_of_a_member(2, 1);
}

#[test]
fn barrier_two_survivors_learn_of_the_death_of_a_member_on_its_way() {
    after_every_death_of_a_member(1, 2);
}

/// Two sleep, somebody joins and dies: those who slept before there was a member are told.
#[test]
fn barrier_who_joins_while_others_sleep_is_missed() {
    explore_within(1, || {
        let shared = Shared::new(3);
        let others = [1, 2].map(|pid| {
            spawn(&shared, move |shared| {
                assert_eq!(shared.pass(pid), Err(Failed::Broken(Broken::Died(VICTIM))));
            })
        });
        while shared.barrier().n_asleep() < 2 {
            thread::yield_now();
        }
        shared.join(VICTIM);
        die();
        for other in others {
            other.join().unwrap();
        }
    });
}

/// Two sleep. The round is over, and so is the next; one comes again and sleeps, the other has not
/// got up yet when a member dies. It must look for the one who came again, though it leaves.
#[test]
fn barrier_who_gets_up_late_takes_no_death_along() {
    explore_within(1, || {
        let shared = Shared::new(3);
        shared.join(VICTIM);
        let died = Err(Failed::Broken(Broken::Died(VICTIM)));
        let reset = Err(Failed::Broken(Broken::Reset));
        let late = spawn(&shared, move |shared| {
            let end = shared.pass(1);
            assert!(end == reset || end == died);
        });
        let again = spawn(&shared, move |shared| {
            while shared.pass(2) == reset {}
            assert_eq!(shared.barrier().broken(), Some(Broken::Died(VICTIM)));
        });
        while shared.barrier().n_asleep() < 2 {
            thread::yield_now();
        }
        shared.barrier().reset(Thread::current());
        shared.barrier().reset(Thread::current());
        die();
        late.join().unwrap();
        again.join().unwrap();
    });
}

/// A dead member is told of until somebody resets the barrier, whoever dies doing that, and no more.
#[test]
fn barrier_a_dead_member_is_told_of_until_a_reset() {
    with_every_death(|dies_at| {
        let shared = Shared::new(1);
        shared.join(VICTIM);
        die();
        assert_eq!(shared.pass(1), Err(Failed::Broken(Broken::Died(VICTIM))));
        let victim = Arc::clone(&shared);
        let victim =
            thread::spawn(move || run(Some(dies_at), || victim.barrier().reset(Thread::current())));
        let victim = victim.join().unwrap();
        if !victim.is_finished() {
            shared.barrier().reset(Thread::current());
        }
        assert_eq!(shared.pass(1), Ok(0));
        victim
    });
}

/// Whoever dies joining or leaving, its place is free again after a reset.
#[test]
fn barrier_a_place_comes_back_from_the_dead() {
    with_every_death(|dies_at| {
        let shared = Shared::new(1);
        let victim = Arc::clone(&shared);
        let victim = thread::spawn(move || {
            run(Some(dies_at), || {
                let place = victim.join(VICTIM);
                victim.barrier().resign(Thread::current(), place);
            })
        });
        let victim = victim.join().unwrap();
        let place = shared.join(1);
        if let Some(broken) = shared.barrier().broken() {
            assert_eq!(broken, Broken::Died(VICTIM));
            shared.barrier().reset(Thread::current());
        }
        assert_eq!(shared.pass(1), Ok(0));
        shared.barrier().resign(Thread::current(), place);
        assert_eq!(shared.barrier().members().count(), 0);
        victim
    });
}

/// A round may end just when it is to be broken: then the next one is.
#[test]
fn barrier_an_abort_is_not_lost_to_a_round_that_ends() {
    explore(|| {
        let shared = Shared::new(1);
        let other = spawn(&shared, |shared| {
            let ends = [shared.pass(1), shared.pass(1)];
            let aborted = Err(Failed::Broken(Broken::Aborted));
            assert!(ends.iter().all(|end| *end == Ok(0) || *end == aborted));
        });
        shared.barrier().abort(Thread::current());
        other.join().unwrap();
        assert_eq!(shared.barrier().broken(), Some(Broken::Aborted));
    });
}

/// Three sleep. Whoever breaks the round dies before it has rung for them; the kernel wakes one, who
/// rings for the others.
#[test]
fn barrier_who_is_woken_rings_for_the_others() {
    for dies_at in 0..12 {
        explore_within(0, move || {
            let shared = Shared::new(4);
            let others = [1, 2, 3].map(|pid| {
                spawn(&shared, move |shared| {
                    assert_eq!(shared.pass(pid), Err(Failed::Broken(Broken::Aborted)));
                })
            });
            while shared.barrier().n_asleep() < 3 {
                thread::yield_now();
            }
            run(Some(dies_at), || shared.barrier().abort(Thread::current()));
            if shared.barrier().broken().is_none() {
                shared.barrier().abort(Thread::current());
            }
            for other in others {
                other.join().unwrap();
            }
        });
    }
}
