//! Permits without a holder: taken here, released there.

use std::thread;

use ipc_core::Deadline;
use ipc_sync::{AcquireError, BoundedSemaphore, ReleaseError, Semaphore, TryAcquireError};
use testkit::child::Child;
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

/// Children that wait for a permit, asleep.
fn sleepers<const N: usize>(semaphore: &Semaphore) -> Result<[Child; N], String> {
    ipc_sync::raw::set_spin(0);
    let mut children = [(); N].map(|()| start(|| semaphore.take().is_ok()));
    for child in &mut children {
        child.wait_asleep(LONG)?;
    }
    Ok(children)
}

pub(crate) fn there_are_as_many_as_there_are() -> Outcome {
    let semaphore = Semaphore::new(3)?;
    in_child(|| semaphore.take().is_ok());
    semaphore.try_take()?;
    assert_eq!(semaphore.value(), 1);
    semaphore.take_timeout(SHORT)?;
    assert_eq!(semaphore.try_take(), Err(TryAcquireError::WouldBlock));
    assert_eq!(semaphore.take_timeout(SHORT), Err(AcquireError::Timeout));
    assert_eq!(semaphore.take_deadline(Deadline::now()), Err(AcquireError::Timeout));
    in_child(|| semaphore.clone().try_take().is_err());
    semaphore.release_n(2)?;
    semaphore.take_deadline(Deadline::now())?;
    assert_eq!(semaphore.value(), 1);
    semaphore.release_n(0)?;
    assert_eq!(semaphore.value(), 1);
    passed()
}

pub(crate) fn anybody_may_release() -> Outcome {
    let semaphore = Semaphore::new(0)?;
    in_child(|| semaphore.release().is_ok());
    semaphore.take()?;
    // Above what it was made with, as in Python.
    semaphore.release_n(5)?;
    assert_eq!(semaphore.value(), 5);
    passed()
}

pub(crate) fn one_release_too_many_is_an_error() -> Outcome {
    let bounded = BoundedSemaphore::new(2)?;
    assert_eq!(bounded.most(), 2);
    assert_eq!(bounded.release(), Err(ReleaseError::TooManyPermits));
    bounded.take()?;
    assert_eq!(bounded.release_n(2), Err(ReleaseError::TooManyPermits));
    assert_eq!(bounded.value(), 1, "nothing has changed");
    in_child(|| bounded.release().is_ok() && bounded.release().is_err());
    assert_eq!(bounded.value(), 2);
    // Also while somebody waits for more than there can be.
    let nothing = BoundedSemaphore::new(0)?;
    let mut children = sleepers::<1>(&nothing)?;
    assert_eq!(nothing.release(), Err(ReleaseError::TooManyPermits));
    children[0].kill();
    children[0].wait();
    // One without a bound has that of the machine.
    let unbounded = Semaphore::new(Semaphore::MOST_PERMITS)?;
    assert_eq!(unbounded.most(), Semaphore::MOST_PERMITS);
    assert_eq!(unbounded.release(), Err(ReleaseError::TooManyPermits));
    assert_eq!(unbounded.release_n(u32::MAX), Err(ReleaseError::TooManyPermits));
    assert_eq!(unbounded.value(), Semaphore::MOST_PERMITS);
    unbounded.take()?;
    unbounded.release()?;
    passed()
}

pub(crate) fn who_waits_gets_what_is_released() -> Outcome {
    let semaphore = Semaphore::new(0)?;
    let mut children = sleepers::<3>(&semaphore)?;
    assert!(semaphore.stats().has_waiters);
    for _ in 0..3 {
        semaphore.release()?;
    }
    children.iter_mut().for_each(finish);
    assert_eq!(semaphore.value(), 0);
    // The mark of the sleepers goes with the next release, which takes system calls; those after
    // it do not.
    semaphore.release()?;
    assert!(!semaphore.stats().has_waiters);
    passed()
}

pub(crate) fn several_at_once_wake_several() -> Outcome {
    let semaphore = Semaphore::new(0)?;
    let mut children = sleepers::<3>(&semaphore)?;
    in_child(|| semaphore.release_n(4).is_ok());
    children.iter_mut().for_each(finish);
    assert_eq!(semaphore.value(), 1);
    passed()
}

pub(crate) fn a_timeout_ends_a_wait() -> Outcome {
    let semaphore = Semaphore::new(0)?;
    let before = Deadline::now();
    assert!(semaphore.take_timeout(SHORT).unwrap_err().is_timeout());
    assert!(semaphore.acquire_timeout(SHORT).unwrap_err().is_timeout());
    assert!(before < Deadline::now());
    let mut children = sleepers::<2>(&semaphore)?;
    let mut timed = start(|| semaphore.take_timeout(LONG).is_ok());
    timed.wait_asleep(LONG)?;
    // One whose time has passed holds up nobody.
    assert!(semaphore.take_timeout(SHORT).unwrap_err().is_timeout());
    semaphore.release_n(3)?;
    finish(&mut timed);
    children.iter_mut().for_each(finish);
    passed()
}

pub(crate) fn a_signal_does_not_end_a_wait() -> Outcome {
    let semaphore = Semaphore::new(0)?;
    let mut children = sleepers::<2>(&semaphore)?;
    for child in &mut children {
        // What stops and continues a process interrupts its sleep.
        for _ in 0..3 {
            child.signal(libc::SIGSTOP);
            child.signal(libc::SIGCONT);
        }
        child.wait_asleep(LONG)?;
    }
    semaphore.release_n(2)?;
    children.iter_mut().for_each(finish);
    passed()
}

pub(crate) fn a_dead_waiter_is_not_missed() -> Outcome {
    let semaphore = Semaphore::new(0)?;
    let mut children = sleepers::<3>(&semaphore)?;
    children[0].kill();
    children[0].wait();
    semaphore.release_n(2)?;
    let [_, others @ ..] = &mut children;
    others.iter_mut().for_each(finish);
    assert_eq!(semaphore.value(), 0, "the dead took nothing along");
    passed()
}

pub(crate) fn a_bare_permit_dies_with_its_holder() -> Outcome {
    let semaphore = Semaphore::new(1)?;
    in_child(|| semaphore.take().is_ok());
    assert!(semaphore.take_timeout(SHORT).unwrap_err().is_timeout());
    assert_eq!(semaphore.stats().deaths, 0);
    passed()
}

pub(crate) fn permits_are_handed_to_and_fro() -> Outcome {
    let (there, back) = (Semaphore::new(0)?, Semaphore::new(0)?);
    let rounds = SharedArena::<Counter>::new(1);
    let mut child = start(|| {
        (0..2000).all(|_| {
            let taken = there.take().is_ok();
            rounds[0].add(1);
            taken && back.release().is_ok()
        })
    });
    for round in 1..=2000 {
        there.release()?;
        back.take()?;
        assert_eq!(rounds[0].get(), round);
    }
    finish(&mut child);
    thread::scope(|scope| {
        scope.spawn(|| (0..1000).for_each(|_| there.release().unwrap()));
        (0..1000).for_each(|_| there.take().unwrap());
    });
    assert_eq!((there.value(), back.value()), (0, 0));
    passed()
}
