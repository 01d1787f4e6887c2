//! The scenarios on a mutex: whatever happens, nobody is handed half a change as if it were whole.

use ipc_sync::{LockError, Mutex};
use testkit::Outcome;
use testkit::kill::{KillPoint, Sweep};

use super::{State, die_in, expect, run, state, sweep, warm_up};

/// How the first to take the mutex after a death found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Consistent([u64; 2]),
    OwnerDied,
    Poisoned,
}

/// Takes the mutex, recovers it if need be, and sees that it works from then on.
fn recovered(pair: &Mutex<[u64; 2]>) -> Result<Found, String> {
    let found = match pair.lock() {
        Ok(pair) => Found::Consistent(*pair),
        Err(LockError::OwnerDied(recovery)) => {
            *recovery.recover(|pair| *pair = [0, 0]) = [5, 5];
            Found::OwnerDied
        }
        Err(LockError::Poisoned(recovery)) => {
            *recovery.recover(|pair| *pair = [0, 0]) = [5, 5];
            Found::Poisoned
        }
        Err(error) => return Err(error.to_string()),
    };
    for _ in 0..2 {
        pair.update(|[first, second]| [first + 1, second + 1])
            .map_err(|error| error.to_string())?;
    }
    let after = pair.get().map_err(|error| error.to_string())?;
    let before = if let Found::Consistent(pair) = found { pair } else { [5, 5] };
    expect(after == before.map(|number| number + 2), || format!("{before:?} became {after:?}"))?;
    Ok(found)
}

pub(super) fn update() -> Outcome {
    run(sweep("update")
        .victim(|state, marks| {
            warm_up();
            marks.around(|| state.pair.update(|[first, second]| [first + 1, second + 1])).unwrap();
        })
        .check(|state, point| match recovered(&state.pair)? {
            Found::Consistent([1, 1]) => Ok(()),
            Found::Consistent([0, 0]) | Found::OwnerDied if *point != KillPoint::Survived => Ok(()),
            found => Err(format!("{found:?}")),
        }))
}

/// Leaves half a change and a dead holder.
fn half_changed() -> State {
    let state = state();
    die_in(&state, |state| {
        let mut pair = state.pair.lock().unwrap();
        pair[0] = 7;
        std::mem::forget(pair);
    });
    state
}

/// Leaves half a change that somebody was told of and did not repair.
fn poisoned() -> State {
    let state = half_changed();
    assert!(state.pair.lock().unwrap_err().is_owner_died());
    state
}

/// Makes the pair whole in two steps.
fn repair(pair: &mut [u64; 2]) {
    pair[0] = 2;
    pair[1] = 2;
}

fn recover_from(name: &str, setup: fn() -> State) -> Outcome {
    run(Sweep::new(name, setup)
        .victim(|state, marks| {
            warm_up();
            marks.around(|| {
                let recovery = state.pair.lock().unwrap_err().into_inner();
                drop(recovery.map(|recovery| recovery.recover(repair)));
            });
        })
        .check(move |state, point| match recovered(&state.pair)? {
            Found::Consistent([2, 2]) => Ok(()),
            Found::OwnerDied | Found::Poisoned if *point != KillPoint::Survived => Ok(()),
            found => Err(format!("{found:?}")),
        }))
}

pub(super) fn recover() -> Outcome {
    recover_from("recover", half_changed)
}

pub(super) fn recover_a_poisoned_one() -> Outcome {
    recover_from("recover a poisoned one", poisoned)
}

pub(super) fn leave_unrecovered() -> Outcome {
    run(Sweep::new("leave unrecovered", half_changed)
        .victim(|state, marks| {
            warm_up();
            marks.around(|| drop(state.pair.lock()));
        })
        .check(|state, point| match recovered(&state.pair)? {
            Found::Poisoned => Ok(()),
            Found::OwnerDied if *point != KillPoint::Survived => Ok(()),
            found => Err(format!("{found:?}")),
        }))
}
