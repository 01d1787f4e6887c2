//! The scenarios on a lock that its holder may take again: the levels of the dead are gone with it.

use ipc_sync::{RLock, RLockGuard};
use testkit::kill::{KillPoint, Partner, Sweep};
use testkit::{Counter, Outcome, SharedArena, child};

use super::{expect, run};

/// What a round shares.
struct State {
    lock: RLock,
    notes: SharedArena<Counter>,
}

// Places in the notes.
const HELD: usize = 0;
const RELEASE: usize = 1;

fn state() -> State {
    ipc_sync::raw::set_spin(0);
    State { lock: RLock::new().unwrap(), notes: SharedArena::new(2) }
}

fn sweep<'a>(name: &str) -> Sweep<'a, State> {
    Sweep::new(name, state)
}

/// Goes through the code once, so that the sweep sees the operation alone.
fn warm_up() {
    let other = RLock::new().unwrap();
    let guards = [other.lock().unwrap(), other.lock().unwrap()];
    drop(guards);
}

fn take(lock: &RLock) -> Result<(RLockGuard<'_>, bool), String> {
    match lock.lock() {
        Ok(guard) => Ok((guard, false)),
        Err(error) => {
            let died = error.is_owner_died();
            let guard = error.into_inner().ok_or("the lock cannot be taken")?;
            Ok((guard, died))
        }
    }
}

/// That the lock is as good as new once the first to take it was told, or not, of a death.
fn works(state: &State) -> Result<bool, String> {
    let lock = &state.lock;
    expect(lock.depth() == 0, || format!("held before: {lock:?}"))?;
    let (outer, told) = take(lock)?;
    expect(lock.depth() == 1, || format!("the first level is not the first: {lock:?}"))?;
    let (inner, told_again) = take(lock)?;
    expect(!told_again, || "a death is told twice".to_owned())?;
    drop(outer);
    expect(lock.is_mine() && lock.depth() == 1, || format!("not held any more: {lock:?}"))?;
    drop(inner);
    expect(!lock.is_locked(), || format!("still held: {lock:?}"))?;
    Ok(told)
}

/// One that takes the lock twice and gives it back.
fn passer_by(state: &State) -> i32 {
    let taken = [take(&state.lock), take(&state.lock)];
    i32::from(taken.iter().any(Result::is_err))
}

/// One that holds the lock three times until it is told to release it.
fn holder<'a>() -> Partner<'a, State> {
    let body = |state: &State| {
        let _guards = [(); 3].map(|()| take(&state.lock).unwrap());
        state.notes[HELD].set(1);
        state.notes[RELEASE].wait_until(|release| release == 1);
        0
    };
    Partner::holder("holder", body, |state| state.notes[HELD].get() == 1)
}

fn release(state: &State) {
    state.notes[RELEASE].set(1);
}

pub(super) fn take_and_give_back() -> Outcome {
    run(sweep("take and give back")
        .victim(|state, marks| {
            warm_up();
            marks.around(|| {
                let outer = state.lock.lock();
                let inner = state.lock.lock();
                drop(outer);
                drop(inner);
            });
        })
        .check(|state, point| {
            let told = works(state)?;
            expect(!told || *point != KillPoint::Survived, || "nobody died".to_owned())
        }))
}

pub(super) fn give_back_while_one_sleeps() -> Outcome {
    run(sweep("give back to a sleeper")
        .partner(Partner::sleeper("sleeper", passer_by))
        .victim(|state, marks| {
            warm_up();
            let guards = [state.lock.lock(), state.lock.lock()];
            marks.around(|| drop(guards));
        })
        .check(|state, _| expect(!works(state)?, || "the sleeper was told already".to_owned())))
}

pub(super) fn wait_behind_a_holder() -> Outcome {
    run(sweep("wait")
        .partner(holder())
        .partner(Partner::sleeper("sleeper", passer_by))
        .victim(|state, marks| {
            warm_up();
            drop(marks.around(|| [state.lock.lock(), state.lock.lock()]));
        })
        .while_asleep(release)
        .after_death(release)
        .check(|state, point| {
            let told = works(state)?;
            expect(!told || *point != KillPoint::Survived, || "nobody died".to_owned())
        }))
}

pub(super) fn take_over_from_the_deep() -> Outcome {
    let setup = || {
        let state = state();
        let end = child::fork(|| {
            (0..5).for_each(|_| std::mem::forget(state.lock.lock()));
            0
        })
        .wait();
        assert!(end.is_success());
        state
    };
    run(Sweep::new("take over", setup)
        .victim(|state, marks| {
            warm_up();
            let taken = marks.around(|| state.lock.lock());
            assert!(taken.unwrap_err().is_owner_died());
        })
        .check(|state, point| {
            let told = works(state)?;
            expect(told == (*point != KillPoint::Survived), || format!("told: {told}"))
        }))
}
