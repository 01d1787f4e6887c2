//! Who does it, who waits, and who takes over.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use ipc_core::robust::Thread;
use ipc_core::{Deadline, ProcessId};
use ipc_sync::{Once, OnceError};
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

pub(crate) fn it_is_done_once() -> Outcome {
    let once = Once::new()?;
    let times = SharedArena::<Counter>::new(1);
    let mut children = [(); 6].map(|()| {
        start(|| {
            let called = once.call_once(|_| {
                thread::yield_now();
                times[0].add(1);
            });
            called.is_ok() && once.is_completed() && times[0].get() == 1
        })
    });
    children.iter_mut().for_each(finish);
    once.call_once(|_| panic!("it was done"))?;
    assert_eq!(times[0].get(), 1);
    let stats = once.stats();
    assert!(stats.is_completed && stats.holder.is_none());
    assert_eq!((stats.deaths, stats.failures), (0, 0));
    passed()
}

type Way = fn(&Once) -> Result<(), OnceError>;

pub(crate) fn every_way_does_it() -> Outcome {
    let ways: [Way; 6] = [
        |once| once.call_once(|_| ()),
        |once| once.call_once_timeout(SHORT, |_| ()),
        |once| once.call_once_deadline(Deadline::now(), |_| ()),
        |once| once.try_call_once(|_| ()),
        |once| once.call_once_fallible(|_| Ok(())),
        |once| once.begin()?.map_or(Ok(()), |turn| turn.complete()),
    ];
    for way in ways {
        let once = Once::new()?;
        assert!(!once.is_completed());
        way(&once)?;
        assert!(once.is_completed());
        for again in ways {
            again(&once)?;
        }
        assert!(once.try_begin()?.is_none() && once.begin_timeout(SHORT)?.is_none());
        once.call_once(|_| panic!("it was done"))?;
    }
    passed()
}

pub(crate) fn who_comes_meanwhile_waits() -> Outcome {
    let once = Once::new()?;
    let done = SharedArena::<Counter>::new(1);
    let turn = once.begin()?.unwrap();
    let holder = once.stats().holder.unwrap();
    assert_eq!(holder.tid, Thread::current().tid());
    assert_eq!(holder.pid, Some(ProcessId::current().unwrap().pid()));
    assert!(format!("{once:?}").contains(&holder.to_string()), "{once:?}");
    in_child(|| {
        once.try_call_once(|_| ()) == Err(OnceError::Busy)
            && once.call_once_timeout(SHORT, |_| ()) == Err(OnceError::Timeout)
            && once.call_once_deadline(Deadline::now(), |_| ()) == Err(OnceError::Timeout)
            && !once.is_completed()
    });
    let mut waiting = [(); 3].map(|()| {
        start(|| once.call_once(|_| panic!("it was done")).is_ok() && done[0].get() == 1)
    });
    for child in &mut waiting {
        child.wait_asleep(LONG)?;
    }
    assert!(once.stats().has_waiters);
    done[0].set(1);
    turn.complete()?;
    waiting.iter_mut().for_each(finish);
    passed()
}

pub(crate) fn what_fails_is_done_by_the_next() -> Outcome {
    let once = Once::new()?;
    let failed =
        once.call_once_fallible(|state| if state.is_first_try() { Err(7) } else { Ok(()) });
    assert_eq!(failed, Err(OnceError::Failed(7)));
    assert_eq!(failed.unwrap_err().into_failure(), Some(7));
    drop(once.begin()?);
    assert!(!once.is_completed());
    in_child(|| {
        let mut told = 0;
        once.call_once(|state| told = state.failures()).is_ok() && told == 2
    });
    assert_eq!(once.stats().failures, 2);
    passed()
}

pub(crate) fn what_panics_is_done_by_the_next() -> Outcome {
    let once = Once::new()?;
    in_child(|| {
        std::panic::set_hook(Box::new(|_| ()));
        let call = AssertUnwindSafe(|| once.call_once(|_| panic!("half-way")));
        catch_unwind(call).is_err()
    });
    let mut told = None;
    once.call_once(|state| told = Some(state))?;
    assert_eq!(told.map(|state| (state.failures(), state.deaths())), Some((1, 0)));
    passed()
}

/// A process begins and dies.
fn die_at(once: &Once) {
    in_child(|| {
        mem::forget(once.begin().unwrap());
        true
    });
}

pub(crate) fn who_dies_is_replaced() -> Outcome {
    let once = Once::new()?;
    for deaths in 1..=3 {
        die_at(&once);
        assert!(!once.is_completed());
        let turn = once.begin()?.unwrap();
        assert_eq!(turn.state().deaths(), deaths);
        assert!(!turn.state().is_first_try());
        drop(turn);
    }
    die_at(&once);
    let mut told = 0;
    once.call_once(|state| told = state.deaths())?;
    assert_eq!(told, 4);
    assert_eq!(once.stats().failures, 3);
    passed()
}

pub(crate) fn a_death_wakes_the_next() -> Outcome {
    let once = Once::new()?;
    let notes = SharedArena::<Counter>::new(2);
    let mut victim = start(|| {
        once.call_once(|_| {
            notes[0].set(1);
            loop {
                thread::park();
            }
        })
        .is_ok()
    });
    notes[0].wait_until(|note| note == 1);
    let mut waiting = [(); 3].map(|()| {
        start(|| {
            let called = once.call_once(|state| {
                notes[1].add(u64::from(state.deaths()));
            });
            called.is_ok() && notes[1].get() == 1
        })
    });
    for child in &mut waiting {
        child.wait_asleep(LONG)?;
    }
    victim.kill();
    waiting.iter_mut().for_each(finish);
    assert_eq!(notes[1].get(), 1, "one of them did it");
    victim.wait();
    passed()
}

pub(crate) fn recursion_is_an_error() -> Outcome {
    let once = Once::new()?;
    once.call_once(|_| {
        assert_eq!(once.call_once(|_| ()), Err(OnceError::Recursive));
        assert_eq!(once.try_call_once(|_| ()), Err(OnceError::Recursive));
        assert_eq!(once.call_once_timeout(LONG, |_| ()), Err(OnceError::Recursive));
        assert!(once.begin().unwrap_err().is_recursive());
        assert!(!once.is_completed());
    })?;
    assert!(once.is_completed());
    passed()
}

pub(crate) fn a_forked_child_has_no_turn() -> Outcome {
    let once = Once::new()?;
    let turn = &mut once.begin()?;
    in_child(|| {
        let refused = turn.take().map(|turn| turn.complete()) == Some(Err(OnceError::NotHeld));
        refused && once.try_call_once(|_| ()) == Err(OnceError::Busy)
    });
    in_child(|| {
        drop(turn.take());
        !once.is_completed() && once.try_call_once(|_| ()) == Err(OnceError::Busy)
    });
    turn.take().unwrap().complete()?;
    in_child(|| once.call_once(|_| panic!("it was done")).is_ok());
    assert_eq!(once.stats().failures, 0, "the children gave nothing up");
    passed()
}
