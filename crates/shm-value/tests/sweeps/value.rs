//! The scenarios on a value: whoever dies, it is the old one or the new one, and can be changed.

use shm_value::Value;
use testkit::kill::{KillPoint, Partner, Sweep};
use testkit::{Counter, Outcome, SharedArena};

use super::{expect, run};

/// Numbers that are always equal.
type Equal = [u64; 5];

struct State {
    equal: Value<Equal>,
    number: Value<u32>,
    notes: SharedArena<Counter>,
}

// Places in the notes.
const HELD: usize = 0;
const RELEASE: usize = 1;

fn state() -> State {
    ipc_sync::raw::set_spin(0);
    State {
        equal: Value::new([7; 5]).unwrap(),
        number: Value::new(7).unwrap(),
        notes: SharedArena::new(2),
    }
}

/// Goes through the code once, so that the sweep sees the change alone.
fn warm_up() {
    let other = Value::new([0_u64; 5]).unwrap();
    other.set([1; 5]).unwrap();
    other.update(|equal| equal).unwrap();
    *other.lock().unwrap() = [2; 5];
    let other = Value::new(0_u32).unwrap();
    other.update(|number| number + 1).unwrap();
}

/// That the value is one of those it may be, stays so, and can still be changed.
fn check(state: &State, allowed: &[u64]) -> Result<(), String> {
    let found = state.equal.get().map_err(|error| error.to_string())?;
    let is_whole = found == [found[0]; 5];
    expect(is_whole && allowed.contains(&found[0]), || format!("{found:?} is not {allowed:?}"))?;
    let guard = state.equal.try_lock().map_err(|error| error.to_string())?;
    expect(*guard == found, || format!("{found:?} became {guard:?}"))?;
    drop(guard);
    for round in 0..3 {
        let number = found[0] + round;
        state.equal.set([number; 5]).map_err(|error| error.to_string())?;
        expect(state.equal.get() == Ok([number; 5]), || format!("it is not {number}"))?;
    }
    Ok(())
}

/// The same after one was added, unless who did it died, and ten by somebody who came when the
/// victim stood still.
fn check_added(state: &State, point: &KillPoint) -> Result<(), String> {
    // Nobody comes to a victim that survives, but in the crash world.
    let allowed = if *point == KillPoint::Survived { [8, 18] } else { [17, 18] };
    check(state, &allowed)
}

/// One that changes the value, and waits for its turn to do so.
fn adder<'a>() -> Partner<'a, State> {
    Partner::latecomer("adder", |state: &State| {
        let added = state.equal.update(|equal| equal.map(|number| number + 10));
        i32::from(added.is_err())
    })
}

pub(super) fn set() -> Outcome {
    run(Sweep::new("set", state)
        .victim(|state, marks| {
            warm_up();
            marks.around(|| state.equal.set([8; 5])).unwrap();
        })
        .check(|state, point| {
            let allowed: &[u64] = if *point == KillPoint::Survived { &[8] } else { &[7, 8] };
            check(state, allowed)
        }))
}

pub(super) fn update_a_number() -> Outcome {
    run(Sweep::new("update a number", state)
        .victim(|state, marks| {
            warm_up();
            marks.around(|| state.number.update(|number| number + 1)).unwrap();
        })
        .check(|state, point| {
            let found = state.number.get();
            let is_new = found == Ok(8);
            expect(is_new || found == Ok(7) && *point != KillPoint::Survived, || {
                format!("{found:?}")
            })?;
            let next = state.number.update(|number| number + 1);
            expect(next == found.map(|found| found + 1), || format!("{found:?}, then {next:?}"))
        }))
}

pub(super) fn update_a_struct() -> Outcome {
    run(Sweep::new("update a struct", state)
        .victim(|state, marks| {
            warm_up();
            marks.around(|| state.equal.update(|equal| equal.map(|number| number + 1))).unwrap();
        })
        .partner(adder())
        .check(check_added))
}

pub(super) fn change_through_a_guard() -> Outcome {
    run(Sweep::new("change through a guard", state)
        .victim(|state, marks| {
            warm_up();
            marks.around(|| {
                let mut guard = state.equal.lock().unwrap();
                for number in &mut *guard {
                    *number += 1;
                }
            });
        })
        .partner(adder())
        .check(check_added))
}

pub(super) fn wait_behind_a_holder() -> Outcome {
    let holder = Partner::holder(
        "holder",
        |state: &State| {
            let guard = state.equal.lock().unwrap();
            state.notes[HELD].set(1);
            state.notes[RELEASE].wait_until(|release| release == 1);
            drop(guard);
            0
        },
        |state| state.notes[HELD].get() == 1,
    );
    run(Sweep::new("wait behind a holder", state)
        .partner(holder)
        .partner(adder())
        .victim(|state, marks| {
            warm_up();
            marks.around(|| state.equal.set([8; 5])).unwrap();
        })
        .while_asleep(|state| state.notes[RELEASE].set(1))
        .after_death(|state| state.notes[RELEASE].set(1))
        .check(|state, _| {
            let found = state.equal.get().map_err(|error| error.to_string())?;
            // Set before or after ten were added, or not at all.
            expect([8, 17, 18].map(|number| [number; 5]).contains(&found), || format!("{found:?}"))
        }))
}
