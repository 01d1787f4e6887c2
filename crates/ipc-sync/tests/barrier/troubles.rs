//! Rounds that are broken, and who is told why.
#![expect(unsafe_code, reason = "threads and processes that end in the middle")]

use std::panic::{self, AssertUnwindSafe};
use std::thread;

use ipc_core::Deadline;
use ipc_sync::{Barrier, BarrierError};
use testkit::child::Child;
use testkit::{Counter, Outcome, SharedArena, child};

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

/// A child that waits and is content if it is told this; it is asleep at the barrier by now.
fn told(barrier: &Barrier, expected: BarrierError) -> Child {
    let mut child = start(|| barrier.wait() == Err(expected));
    child.wait_asleep(LONG).unwrap();
    child
}

/// A child that waits until it is killed.
fn doomed(barrier: &Barrier) -> Child {
    let mut child = start(|| barrier.wait().is_err());
    child.wait_asleep(LONG).unwrap();
    child
}

fn died(child: &Child) -> BarrierError {
    BarrierError::PartyDied { pid: u32::try_from(child.pid()).unwrap() }
}

/// That the barrier works, for two of its parties and whoever else there must be.
fn works(barrier: &Barrier) {
    let mut others: Vec<_> =
        (1..barrier.parties()).map(|_| start(|| barrier.wait().is_ok())).collect();
    barrier.wait().unwrap();
    others.iter_mut().for_each(finish);
}

pub(crate) fn a_timeout_breaks_it() -> Outcome {
    let barrier = Barrier::new(3)?;
    let mut other = told(&barrier, BarrierError::PartyTimedOut);
    let start = Deadline::now();
    assert_eq!(barrier.wait_timeout(SHORT), Err(BarrierError::Timeout));
    assert!(start < Deadline::now(), "it is not said to have passed before it has");
    finish(&mut other);
    assert!(barrier.is_broken());
    assert_eq!(barrier.stats().broken, Some(BarrierError::PartyTimedOut));
    in_child(|| barrier.wait() == Err(BarrierError::PartyTimedOut));
    assert_eq!(barrier.wait_deadline(Deadline::NEVER), Err(BarrierError::PartyTimedOut));
    barrier.reset();
    assert!(!barrier.is_broken());
    works(&barrier);
    // It looks once if there is no time, and breaks it all the same: it had come.
    assert_eq!(barrier.wait_deadline(Deadline::now()), Err(BarrierError::Timeout));
    assert!(barrier.is_broken());
    passed()
}

pub(crate) fn an_abort_breaks_it() -> Outcome {
    let barrier = Barrier::new(3)?;
    let mut others = [(); 2].map(|()| told(&barrier, BarrierError::Aborted));
    barrier.abort();
    others.iter_mut().for_each(finish);
    barrier.abort();
    in_child(|| barrier.wait() == Err(BarrierError::Aborted));
    assert!(BarrierError::Aborted.is_broken());
    barrier.reset();
    works(&barrier);
    barrier.abort();
    assert_eq!(barrier.wait(), Err(BarrierError::Aborted), "also if nobody waits");
    passed()
}

pub(crate) fn a_reset_sends_those_away() -> Outcome {
    let barrier = Barrier::new(3)?;
    for _ in 0..10 {
        let mut others = [(); 2].map(|()| told(&barrier, BarrierError::Reset));
        barrier.reset();
        others.iter_mut().for_each(finish);
        assert_eq!(barrier.waiting(), 0);
        works(&barrier);
        barrier.reset();
        barrier.reset();
    }
    works(&barrier);
    passed()
}

/// Runs `body`, which panics, without printing what it says.
fn panics(body: impl FnOnce()) {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let panicked = panic::catch_unwind(AssertUnwindSafe(body)).is_err();
    panic::set_hook(hook);
    assert!(panicked);
}

pub(crate) fn a_panic_in_the_action_breaks_it() -> Outcome {
    let barrier = Barrier::new(2)?;
    let mut other = told(&barrier, BarrierError::ActionPanicked);
    panics(|| {
        barrier.wait_with(|| panic!("in the action")).unwrap();
    });
    finish(&mut other);
    assert_eq!(barrier.wait(), Err(BarrierError::ActionPanicked));
    barrier.reset();
    works(&barrier);
    passed()
}

pub(crate) fn a_death_is_told_to_all() -> Outcome {
    for victim in 0..4 {
        let barrier = Barrier::new(5)?;
        let notes = SharedArena::<Counter>::new(1);
        let mut parties: Vec<_> = (0..4)
            .map(|_| {
                let mut child = start(|| match barrier.wait() {
                    Err(BarrierError::PartyDied { pid }) => u64::from(pid) == notes[0].get(),
                    _ => false,
                });
                child.wait_asleep(LONG).unwrap();
                child
            })
            .collect();
        let victim = parties.remove(victim);
        notes[0].set(u64::try_from(victim.pid())?);
        victim.kill();
        parties.iter_mut().for_each(finish);
        assert_eq!(barrier.stats().broken, Some(died(&victim)));
        assert_eq!(barrier.wait(), Err(died(&victim)));
        barrier.reset();
        works(&barrier);
    }
    passed()
}

pub(crate) fn a_death_before_the_others_is_told() -> Outcome {
    // The last to come must see it, and one who would wait as well.
    for parties in [2, 3] {
        let barrier = Barrier::new(parties)?;
        let mut victim = doomed(&barrier);
        victim.kill();
        victim.wait();
        assert_eq!(barrier.wait(), Err(died(&victim)));
        assert!(barrier.is_broken());
    }
    // Whoever comes between the two has a living neighbor before it, which sleeps no more.
    let barrier = Barrier::new(4)?;
    let mut parties = [doomed(&barrier), doomed(&barrier)];
    for party in &mut parties {
        party.kill();
    }
    for party in &mut parties {
        party.wait();
    }
    let error = barrier.wait().unwrap_err();
    assert!(parties.iter().any(|party| error == died(party)), "{error}");
    passed()
}

pub(crate) fn all_but_one_may_die() -> Outcome {
    const PARTIES: usize = 40;
    for survivor in [0, 1, 20, PARTIES - 2] {
        let barrier = Barrier::new(u32::try_from(PARTIES)?)?;
        let mut parties: Vec<_> = (0..PARTIES - 1).map(|_| doomed(&barrier)).collect();
        let mut last = parties.remove(survivor);
        parties.iter().for_each(Child::kill);
        finish(&mut last);
        assert!(matches!(barrier.stats().broken, Some(BarrierError::PartyDied { .. })));
    }
    passed()
}

pub(crate) fn a_death_in_the_action_is_told() -> Outcome {
    for parties in [2, 3] {
        let barrier = Barrier::new(parties)?;
        let notes = SharedArena::<Counter>::new(1);
        let mut others: Vec<_> = (1..parties).map(|_| doomed(&barrier)).collect();
        let victim = start(|| {
            barrier
                .wait_with(|| {
                    notes[0].set(1);
                    notes[0].wait_until(|note| note == 2);
                })
                .is_ok()
        });
        notes[0].wait_until(|note| note == 1);
        // One who comes now waits for the end of the action.
        let mut late = doomed(&barrier);
        victim.kill();
        others.iter_mut().for_each(finish);
        finish(&mut late);
        assert_eq!(barrier.stats().broken, Some(died(&victim)));
    }
    // With nobody on a seat, it is told to those who would come.
    let barrier = Barrier::new(1)?;
    let notes = SharedArena::<Counter>::new(1);
    let victim = start(|| {
        let action = || {
            notes[0].set(1);
            notes[0].wait_until(|note| note == 2);
        };
        barrier.wait_with(action).is_ok()
    });
    notes[0].wait_until(|note| note == 1);
    let mut late = [doomed(&barrier), doomed(&barrier)];
    victim.kill();
    late.iter_mut().for_each(finish);
    passed()
}

pub(crate) fn a_late_death_is_none() -> Outcome {
    let barrier = Barrier::new(2)?;
    for _ in 0..20 {
        let mut other = child::fork(|| {
            barrier.wait().unwrap();
            kill_oneself();
            0
        });
        barrier.wait().unwrap();
        other.wait();
    }
    assert!(!barrier.is_broken());
    works(&barrier);
    passed()
}

/// This process kills itself.
fn kill_oneself() {
    // SAFETY: a call without pointers.
    unsafe { libc::raise(libc::SIGKILL) };
}

pub(crate) fn a_thread_may_die_alone() -> Outcome {
    let barrier = Barrier::new(3)?;
    let mut others =
        [(); 2].map(|()| start(|| matches!(barrier.wait(), Err(BarrierError::PartyDied { .. }))));
    for other in &mut others {
        other.wait_asleep(LONG)?;
    }
    let mut victim = start(|| {
        let handle = barrier.clone();
        let (tell, told) = std::sync::mpsc::channel();
        // It ends in the action, without coming back; std does not know of its end.
        let ended = thread::spawn(move || {
            handle.wait_with(|| {
                tell.send(()).unwrap();
                // SAFETY: ends this thread alone; what it borrows is its own and leaked.
                unsafe { libc::syscall(libc::SYS_exit, 0) };
            })
        });
        told.recv().unwrap();
        drop(ended);
        // The process lives on.
        matches!(barrier.wait(), Err(BarrierError::PartyDied { .. }))
    });
    others.iter_mut().for_each(finish);
    finish(&mut victim);
    assert_eq!(barrier.stats().broken, Some(died(&victim)));
    passed()
}

pub(crate) fn who_is_there_does_not_come_again() -> Outcome {
    let barrier = Barrier::new(1)?;
    let number = barrier.wait_with(|| {
        assert_eq!(barrier.wait(), Err(BarrierError::WouldDeadlock));
        assert_eq!(barrier.wait_timeout(LONG), Err(BarrierError::WouldDeadlock));
    });
    assert_eq!(number, Ok(0));
    passed()
}

pub(crate) fn a_forked_child_is_no_party() -> Outcome {
    let barrier = Barrier::new(1)?;
    let number = barrier.wait_with(|| {
        // A child that comes back from the action, and one that panics in it.
        in_child(|| barrier.clone().wait_timeout(SHORT) == Err(BarrierError::Timeout));
    });
    assert_eq!(number, Ok(0));
    assert!(!barrier.is_broken());
    passed()
}
