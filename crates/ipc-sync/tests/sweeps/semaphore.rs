//! The scenarios on a semaphore: no permit is lost or doubled, and nobody sleeps beside one.

use std::time::Duration;

use ipc_sync::Semaphore;
use testkit::kill::{KillPoint, Partner, Sweep};
use testkit::{Counter, Outcome, SharedArena, child};

use super::{expect, run};

/// What a round shares.
struct Shared {
    semaphore: Semaphore,
    notes: SharedArena<Counter>,
}

// Places in the notes.
const INSIDE: usize = 0;
const LEAVE: usize = 1;

fn shared(permits: u32) -> Shared {
    ipc_sync::raw::set_spin(0);
    let semaphore = Semaphore::with_seats(permits, 3).unwrap();
    Shared { semaphore, notes: SharedArena::new(2) }
}

fn sweep<'a>(name: &str, permits: u32) -> Sweep<'a, Shared> {
    Sweep::new(name, move || shared(permits))
}

/// One whose only permit is in the hands of a dead thread.
fn after_a_death() -> Shared {
    let shared = shared(1);
    let end = child::fork(|| {
        std::mem::forget(shared.semaphore.acquire().unwrap());
        0
    })
    .wait();
    assert!(end.is_success());
    shared
}

/// Goes through the code once, so that the sweep sees the operation alone.
fn warm_up() {
    let other = Semaphore::new(1).unwrap();
    other.take().unwrap();
    other.take_timeout(Duration::from_micros(1)).unwrap_err();
    other.acquire_timeout(Duration::from_micros(1)).unwrap_err();
    other.release_n(2).unwrap();
    drop(other.acquire().unwrap());
    other.try_acquire().unwrap().forget();
}

/// One that sleeps for a permit, and leaves with it.
fn taker<'a>(name: &str) -> Partner<'a, Shared> {
    Partner::sleeper(name, |shared: &Shared| i32::from(shared.semaphore.take().is_err()))
}

/// One that comes for a permit, and gives it back.
fn passer_by(shared: &Shared) -> i32 {
    i32::from(shared.semaphore.acquire().is_err())
}

/// One that does the same without a guard.
fn bare_passer_by(shared: &Shared) -> i32 {
    let taken = shared.semaphore.take();
    i32::from(taken.is_err() || shared.semaphore.release().is_err())
}

/// One that holds a permit until it is told to leave.
fn holder<'a>() -> Partner<'a, Shared> {
    let body = |shared: &Shared| {
        let _permit = shared.semaphore.acquire().unwrap();
        shared.notes[INSIDE].set(1);
        shared.notes[LEAVE].wait_until(|leave| leave == 1);
        0
    };
    Partner::holder("holder", body, |shared| shared.notes[INSIDE].get() == 1)
}

/// Lets the holder leave.
fn leave(shared: &Shared) {
    shared.notes[LEAVE].set(1);
}

/// Takes a permit between the victim's last instruction and its death, if there is one, and gives
/// it back after the death.
fn barge(shared: &Shared) -> Box<dyn FnOnce() + '_> {
    let permit = shared.semaphore.try_acquire().ok();
    Box::new(move || drop(permit))
}

/// That there are so many permits, and that they can be had.
fn has(shared: &Shared, permits: u32) -> Result<(), String> {
    let semaphore = &shared.semaphore;
    let found = semaphore.value();
    expect(found == permits, || format!("{found} permits, and not {permits}"))?;
    for _ in 0..2 {
        let held = (0..permits).map(|_| semaphore.try_acquire()).collect::<Result<Vec<_>, _>>();
        let held = held.map_err(|error| error.to_string())?;
        expect(semaphore.try_take().is_err(), || "there is one more".to_owned())?;
        drop(held);
        (0..permits).try_for_each(|_| semaphore.try_take()).map_err(|error| error.to_string())?;
        semaphore.release_n(permits).map_err(|error| error.to_string())?;
    }
    expect(semaphore.holders().is_empty(), || format!("still held: {semaphore:?}"))
}

/// That a victim which was to change the permits has done so or not, and both if it may.
fn has_or(shared: &Shared, point: &KillPoint, before: u32, after: u32) -> Result<(), String> {
    let found = shared.semaphore.value();
    if found == before && *point != KillPoint::Survived {
        has(shared, before)
    } else {
        has(shared, after)
    }
}

pub(super) fn take_a_free_one() -> Outcome {
    run(sweep("take", 1)
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| shared.semaphore.take()).unwrap();
        })
        .check(|shared, point| has_or(shared, point, 1, 0)))
}

pub(super) fn acquire_a_free_one() -> Outcome {
    run(sweep("acquire", 1)
        .victim(|shared, marks| {
            warm_up();
            let permit = marks.around(|| shared.semaphore.acquire());
            drop(permit);
        })
        .check(|shared, _| has(shared, 1)))
}

pub(super) fn acquire_and_give_back_while_one_barges_in() -> Outcome {
    run(sweep("acquire and give back, barge", 1)
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| drop(shared.semaphore.acquire()));
        })
        .partner(Partner::latecomer("late", bare_passer_by))
        .barge(barge)
        .check(|shared, _| has(shared, 1)))
}

pub(super) fn forget_a_permit() -> Outcome {
    run(sweep("forget", 2)
        .victim(|shared, marks| {
            warm_up();
            let permit = shared.semaphore.acquire().unwrap();
            marks.around(|| permit.forget());
        })
        .check(|shared, point| has_or(shared, point, 2, 1)))
}

/// Three are released for two who sleep: as soon as it is done, there is one left at least.
pub(super) fn release_while_two_sleep() -> Outcome {
    run(sweep("release, two sleep", 0)
        .partner(taker("first"))
        .partner(taker("second"))
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| shared.semaphore.release_n(3)).unwrap();
        })
        .after_death(|shared| {
            if shared.semaphore.stats().value == 0 {
                shared.semaphore.release_n(3).unwrap();
            }
        })
        .check(|shared, _| has(shared, 1)))
}

pub(super) fn give_back_while_two_sleep() -> Outcome {
    run(sweep("give back, two sleep, barge", 1)
        .partner(Partner::sleeper("first", passer_by))
        .partner(Partner::sleeper("second", bare_passer_by))
        .victim(|shared, marks| {
            warm_up();
            let permit = shared.semaphore.acquire();
            marks.around(|| drop(permit));
        })
        .barge(barge)
        .check(|shared, _| has(shared, 1)))
}

pub(super) fn wait_for_a_release() -> Outcome {
    run(sweep("wait, barge", 0)
        .partner(taker("other"))
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| shared.semaphore.take()).unwrap();
        })
        .while_asleep(|shared| shared.semaphore.release_n(2).unwrap())
        .barge(barge)
        // One for the other, whatever became of that of the victim.
        .after_death(|shared| shared.semaphore.release().unwrap())
        .check(|shared, _| {
            let left = shared.semaphore.value();
            expect(left <= 2, || format!("{left} left"))?;
            has(shared, left)
        }))
}

pub(super) fn wait_to_acquire_behind_a_holder() -> Outcome {
    run(sweep("wait to acquire, barge", 1)
        .partner(holder())
        .partner(Partner::sleeper("other", bare_passer_by))
        .victim(|shared, marks| {
            warm_up();
            drop(marks.around(|| shared.semaphore.acquire()));
        })
        .while_asleep(leave)
        .barge(barge)
        .after_death(leave)
        .check(|shared, _| has(shared, 1)))
}

pub(super) fn wait_in_vain() -> Outcome {
    run(sweep("wait in vain", 1)
        .partner(holder())
        .partner(Partner::sleeper("other", passer_by))
        .victim(|shared, marks| {
            warm_up();
            let short = Duration::from_millis(30);
            assert!(marks.around(|| shared.semaphore.take_timeout(short)).is_err());
        })
        // It wakes up by itself.
        .while_asleep(|_| ())
        .after_death(leave)
        .check(|shared, _| has(shared, 1)))
}

pub(super) fn take_over_from_the_dead() -> Outcome {
    run(Sweep::new("take over, barge", after_a_death)
        .victim(|shared, marks| {
            warm_up();
            drop(marks.around(|| shared.semaphore.acquire()));
        })
        .partner(Partner::latecomer("first", passer_by))
        .partner(Partner::latecomer("second", bare_passer_by))
        .barge(barge)
        .check(|shared, _| has(shared, 1)))
}

/// The victim sees to the dead holder without wanting anything itself.
pub(super) fn bring_a_permit_back() -> Outcome {
    run(Sweep::new("bring back", after_a_death)
        .victim(|shared, marks| {
            warm_up();
            assert_eq!(marks.around(|| shared.semaphore.value()), 1);
        })
        .partner(Partner::latecomer("late", passer_by))
        .check(|shared, _| has(shared, 1)))
}
