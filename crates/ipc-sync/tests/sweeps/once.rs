//! The scenarios on what is to be done once: whoever dies at it, somebody does it, and nobody finds
//! it done who cannot see what was done.

use ipc_sync::Once;
use testkit::kill::{KillPoint, Partner, Sweep};
use testkit::{Counter, Outcome, SharedArena, child};

use super::{expect, run};

/// What a round shares.
struct State {
    once: Once,
    notes: SharedArena<Counter>,
}

/// Two numbers that are to be set to [`VALUE`] once, the first before the second.
const FIRST: usize = 0;
const SECOND: usize = 1;
/// Set by a partner that is at it.
const BEGUN: usize = 2;
/// Set to let that one go on.
const GO_ON: usize = 3;

const VALUE: u64 = 42;

fn state() -> State {
    ipc_sync::raw::set_spin(0);
    State { once: Once::new().unwrap(), notes: SharedArena::new(4) }
}

fn sweep<'a>(name: &str) -> Sweep<'a, State> {
    Sweep::new(name, state)
}

/// Goes through the code once, so that the sweep sees the operation alone.
fn warm_up() {
    let other = Once::new().unwrap();
    drop(other.begin().unwrap());
    other.call_once(|_| ()).unwrap();
    other.call_once(|_| ()).unwrap();
}

fn do_it(state: &State) {
    state.notes[FIRST].set(VALUE);
    state.notes[SECOND].set(VALUE);
}

fn is_done(state: &State) -> bool {
    state.notes[FIRST].get() == VALUE && state.notes[SECOND].get() == VALUE
}

/// One that does it unless it was done, and then relies on it.
fn comer(state: &State) -> i32 {
    let called = state.once.call_once(|_| do_it(state));
    i32::from(called.is_err() || !state.once.is_completed() || !is_done(state))
}

/// That it is done now, if need be by this one; says whether this one did it, and of how many
/// deaths it was told.
fn works(state: &State) -> Result<(bool, u32), String> {
    let was_completed = state.once.is_completed();
    expect(!was_completed || is_done(state), || "it is completed and was not done".to_owned())?;
    let mut told = (false, 0);
    let called = state.once.call_once(|state_before| {
        told = (true, state_before.deaths());
        do_it(state);
    });
    called.map_err(|error| error.to_string())?;
    expect(told.0 != was_completed, || "it was done twice or never".to_owned())?;
    expect(state.once.is_completed() && is_done(state), || "it is not done".to_owned())?;
    let stats = state.once.stats();
    expect(stats.deaths <= 1, || format!("{stats:?}"))?;
    Ok(told)
}

pub(super) fn do_it_while_one_waits() -> Outcome {
    run(sweep("do it")
        .victim(|state, marks| {
            warm_up();
            let turn = state.once.begin().unwrap().unwrap();
            marks
                .around(|| {
                    do_it(state);
                    turn.complete()
                })
                .unwrap();
        })
        .partner(Partner::sleeper("waiting", comer))
        .check(|state, _| {
            let (did_it, _) = works(state)?;
            expect(!did_it, || "the one who waited did not do it".to_owned())
        }))
}

pub(super) fn wait_for_one_who_does_it() -> Outcome {
    let at_it = |state: &State| {
        let called = state.once.call_once(|_| {
            state.notes[BEGUN].set(1);
            state.notes[GO_ON].wait_until(|go_on| go_on == 1);
            do_it(state);
        });
        i32::from(called.is_err())
    };
    let go_on = |state: &State| state.notes[GO_ON].set(1);
    run(sweep("wait")
        .partner(Partner::holder("at it", at_it, |state| state.notes[BEGUN].get() == 1))
        .partner(Partner::sleeper("waiting", comer))
        .victim(|state, marks| {
            warm_up();
            marks.around(|| state.once.call_once(|_| unreachable!("another does it"))).unwrap();
            assert!(is_done(state));
        })
        .while_asleep(go_on)
        .after_death(go_on)
        .check(|state, _| {
            let (did_it, _) = works(state)?;
            expect(!did_it, || "it was not done".to_owned())
        }))
}

pub(super) fn give_up_while_one_waits() -> Outcome {
    run(sweep("give up")
        .victim(|state, marks| {
            warm_up();
            let turn = state.once.begin().unwrap().unwrap();
            marks.around(|| drop(turn));
        })
        .partner(Partner::sleeper("waiting", comer))
        .check(|state, point| {
            let (did_it, _) = works(state)?;
            expect(!did_it, || "the one who waited did not do it".to_owned())?;
            let stats = state.once.stats();
            let told = stats.failures == 1 || stats.deaths == 1;
            expect(told, || format!("nobody was told: {stats:?}"))?;
            let survived = *point == KillPoint::Survived;
            expect(!survived || stats.deaths == 0, || format!("nobody died: {stats:?}"))
        }))
}

pub(super) fn take_over_from_the_dead() -> Outcome {
    let setup = || {
        let state = state();
        let end = child::fork(|| {
            std::mem::forget(state.once.begin());
            0
        })
        .wait();
        assert!(end.is_success());
        state
    };
    run(Sweep::new("take over", setup)
        .victim(|state, marks| {
            warm_up();
            let called = marks.around(|| {
                state.once.call_once(|before| {
                    assert_eq!(before.deaths(), 1);
                    do_it(state);
                })
            });
            called.unwrap();
        })
        .check(|state, point| {
            let was_completed = state.once.is_completed();
            expect(!was_completed || is_done(state), || "completed and not done".to_owned())?;
            let mut told = None;
            let called = state.once.call_once(|before| {
                told = Some(before.deaths());
                do_it(state);
            });
            called.map_err(|error| error.to_string())?;
            expect(told.is_some() != was_completed, || "twice or never".to_owned())?;
            // The first death, and the second if the victim had come to tell of the first.
            let deaths = told.unwrap_or(1);
            expect((1..=2).contains(&deaths), || format!("told of {deaths}"))?;
            let survived = *point == KillPoint::Survived;
            expect(!survived || was_completed, || "the victim did not do it".to_owned())
        }))
}
