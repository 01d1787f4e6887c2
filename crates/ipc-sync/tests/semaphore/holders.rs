//! Permits with a holder: they go back when it lets go, or dies.

use std::mem;
use std::thread;

use ipc_core::Deadline;
use ipc_core::robust::{MAX_HELD, Thread};
use ipc_core::{Kind, Layout, ProcessId, Segment};
use ipc_sync::{AcquireError, BoundedSemaphore, Lock, Permit, Semaphore, TryAcquireError};
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{LONG, SHORT, finish, in_child, passed, start};

/// A process takes a permit as a guard and dies with it.
fn die_holding(semaphore: &Semaphore) {
    in_child(|| {
        mem::forget(semaphore.acquire().unwrap());
        true
    });
}

pub(crate) fn a_guard_gives_its_permit_back() -> Outcome {
    let semaphore = Semaphore::new(2)?;
    let ways: [fn(&Semaphore) -> Permit<'_>; 4] = [
        |semaphore| semaphore.acquire().unwrap(),
        |semaphore| semaphore.try_acquire().unwrap(),
        |semaphore| semaphore.acquire_timeout(SHORT).unwrap(),
        |semaphore| semaphore.acquire_deadline(Deadline::now()).unwrap(),
    ];
    for acquire in ways {
        let (first, second) = (acquire(&semaphore), acquire(&semaphore));
        assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::WouldBlock);
        assert_eq!(semaphore.try_take(), Err(TryAcquireError::WouldBlock));
        let me = Thread::current().tid();
        let holders = semaphore.holders();
        assert_eq!(holders.iter().map(|who| who.tid).collect::<Vec<_>>(), [me, me]);
        assert!(
            holders.iter().all(|who| who.pid == Some(ProcessId::current().unwrap().pid())),
            "{holders:?}"
        );
        assert!(format!("{semaphore:?}").contains(&holders[0].to_string()), "{semaphore:?}");
        // In any order.
        drop(first);
        assert_eq!(semaphore.value(), 1);
        drop(second);
        assert_eq!(semaphore.value(), 2);
    }
    assert_eq!(semaphore.stats().deaths, 0);
    assert!(format!("{semaphore:?}").starts_with("Semaphore { value: 2, holders: []"));
    passed()
}

pub(crate) fn a_dead_holders_permit_comes_back() -> Outcome {
    let semaphore = Semaphore::new(2)?;
    let ways: [fn(&Semaphore) -> bool; 5] = [
        |semaphore| semaphore.try_take().is_ok() && semaphore.release().is_ok(),
        |semaphore| semaphore.take().is_ok() && semaphore.release().is_ok(),
        |semaphore| semaphore.try_acquire().is_ok(),
        |semaphore| semaphore.acquire().is_ok(),
        |semaphore| semaphore.value() == 1,
    ];
    let kept = semaphore.acquire()?;
    for (deaths, way) in (1..).zip(ways) {
        die_holding(&semaphore);
        assert!(way(&semaphore), "way {deaths}");
        assert_eq!(semaphore.value(), 1, "it comes back once");
        assert_eq!(semaphore.stats().deaths, deaths);
    }
    // Two at once.
    drop(kept);
    die_holding(&semaphore);
    die_holding(&semaphore);
    let _both = [semaphore.acquire()?, semaphore.acquire()?];
    assert_eq!(semaphore.value(), 0);
    passed()
}

pub(crate) fn a_dead_holders_permit_wakes_who_waits() -> Outcome {
    ipc_sync::raw::set_spin(0);
    let semaphore = Semaphore::new(1)?;
    let go = SharedArena::<Counter>::new(1);
    let ways: [fn(&Semaphore) -> bool; 2] =
        [|semaphore| semaphore.take().is_ok(), |semaphore| semaphore.acquire().is_ok()];
    for way in ways {
        go[0].set(0);
        let mut holder = start(|| {
            let permit = semaphore.acquire();
            go[0].set(1);
            go[0].wait_until(|go| go == 2);
            drop(permit);
            true
        });
        go[0].wait_until(|go| go == 1);
        let mut waiting = start(|| way(&semaphore));
        waiting.wait_asleep(LONG)?;
        holder.kill();
        finish(&mut waiting);
        holder.wait();
        // One that was taken without a guard is gone with the child.
        if semaphore.value() == 0 {
            semaphore.release()?;
        }
    }
    passed()
}

pub(crate) fn a_thread_may_die_alone() -> Outcome {
    let semaphore = Semaphore::new(1)?;
    thread::scope(|scope| {
        scope.spawn(|| mem::forget(semaphore.acquire().unwrap()));
    });
    drop(semaphore.acquire_timeout(LONG)?);
    assert_eq!(semaphore.stats().deaths, 1);
    passed()
}

pub(crate) fn a_forgotten_permit_has_no_holder() -> Outcome {
    let semaphore = Semaphore::new(2)?;
    in_child(|| {
        let permit = semaphore.acquire().unwrap();
        semaphore.acquire().unwrap().forget();
        let both = semaphore.value() == 0 && semaphore.holders().len() == 1;
        mem::forget(permit);
        both
    });
    // The one comes back, the other does not, until somebody releases it.
    semaphore.take_timeout(LONG)?;
    assert!(semaphore.take_timeout(SHORT).unwrap_err().is_timeout());
    semaphore.release_n(2)?;
    assert_eq!(semaphore.value(), 2);
    passed()
}

pub(crate) fn a_forked_child_holds_nothing() -> Outcome {
    let semaphore = Semaphore::new(2)?;
    let mut permits = Some([semaphore.acquire()?, semaphore.acquire()?]);
    in_child(|| {
        let [permit, other] = permits.take().unwrap();
        drop(permit);
        other.forget();
        semaphore.value() == 0 && semaphore.try_acquire().is_err()
    });
    assert_eq!(semaphore.value(), 0);
    assert_eq!(semaphore.holders().len(), 2);
    drop(permits);
    assert_eq!(semaphore.value(), 2);
    passed()
}

pub(crate) fn there_are_no_more_guards_than_seats() -> Outcome {
    let semaphore = Semaphore::with_seats(10, 2)?;
    let permits = [semaphore.acquire()?, semaphore.acquire()?];
    assert_eq!(semaphore.acquire().unwrap_err(), AcquireError::NoSeat);
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoSeat);
    // Without a guard there is no need for one.
    semaphore.take()?;
    assert_eq!(semaphore.value(), 7);
    drop(permits);
    let permits = [semaphore.acquire()?, semaphore.acquire()?];
    drop(permits);
    // A dead holder's seat is free again.
    die_holding(&semaphore);
    die_holding(&semaphore);
    let permits = [semaphore.acquire()?, semaphore.acquire()?];
    assert_eq!(semaphore.value(), 7);
    drop(permits);
    let without = Semaphore::with_seats(1, 0)?;
    assert_eq!(without.acquire().unwrap_err(), AcquireError::NoSeat);
    without.take()?;
    passed()
}

pub(crate) fn guards_come_and_go_among_many() -> Outcome {
    // As many seats as permits: each of them is needed, and nobody is told that there is none.
    let semaphore = Semaphore::with_seats(2, 2)?;
    let inside = SharedArena::<Counter>::new(1);
    let mut children: Vec<_> = (0..6)
        .map(|child| {
            let (semaphore, inside) = (&semaphore, &inside);
            start(move || {
                (0..500).all(|round| {
                    let permit = semaphore.acquire_timeout(LONG).unwrap();
                    let entered = inside[0].add(1);
                    inside[0].add(u64::MAX);
                    if (child + round) % 100 == 0 {
                        permit.forget();
                        semaphore.release().unwrap();
                    }
                    entered < 2
                })
            })
        })
        .collect();
    children.iter_mut().for_each(finish);
    assert_eq!(semaphore.value(), 2);
    assert!(semaphore.holders().is_empty());
    passed()
}

pub(crate) fn a_bound_holds_for_permits_that_come_back() -> Outcome {
    let bounded = BoundedSemaphore::new(1)?;
    let permit = bounded.acquire()?;
    bounded.release()?;
    drop(permit);
    assert_eq!(bounded.value(), 1, "somebody had released in its place");
    die_holding(&bounded);
    bounded.release()?;
    assert_eq!(bounded.value(), 1);
    bounded.acquire()?.forget();
    assert_eq!(bounded.value(), 0);
    passed()
}

pub(crate) fn a_thread_can_hold_so_many() -> Outcome {
    let semaphore = Semaphore::new(2)?;
    let mut layout = Layout::new();
    let offsets: Vec<_> = (0..MAX_HELD).map(|_| Lock::reserve(&mut layout)).collect();
    let segment = Segment::create(Kind::new(*b"locks\0\0\0", 1), 0, layout.size())?;
    let locks: Vec<_> = offsets.iter().map(|&at| Lock::in_segment(&segment, at)).collect();
    let locks: Vec<_> = locks.into_iter().collect::<Result<_, _>>()?;
    let mut guards: Vec<_> = locks.iter().map(|lock| lock.lock().unwrap()).collect();
    assert_eq!(semaphore.acquire().unwrap_err(), AcquireError::TooManyHeld);
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::TooManyHeld);
    // Nothing is to be held for a permit that nobody holds, if nobody has died.
    semaphore.take()?;
    semaphore.take()?;
    semaphore.release()?;
    die_holding(&semaphore);
    assert_eq!(semaphore.take_timeout(SHORT), Err(AcquireError::TooManyHeld));
    guards.pop();
    semaphore.take()?;
    passed()
}
