//! The scenarios on a bare lock.

use std::time::Duration;

use ipc_core::Deadline;
use testkit::kill::{KillPoint, Partner};
use testkit::{Counter, Outcome, SharedArena};

use super::{
    barge, die_in, expect, follow_and_release, follower, holder, passer_by, release, run, state,
    sweep, take, warm_up, works,
};

pub(super) fn take_a_free_one() -> Outcome {
    let committed = SharedArena::<Counter>::new(1);
    run(sweep("take")
        .victim(|state, marks| {
            warm_up();
            drop(marks.around(|| state.lock.lock()));
        })
        .check(|state, point| {
            // There is one commit point: who dies behind it leaves a lock that tells of it.
            let told = works(state)?;
            expect(told || committed[0].get() == 0 || *point == KillPoint::Survived, || {
                "a death behind the commit point was not told".to_owned()
            })?;
            committed[0].set(u64::from(told));
            expect(!told || *point != KillPoint::Survived, || "nobody died".to_owned())
        }))
}

pub(super) fn try_a_free_one() -> Outcome {
    run(sweep("try")
        .victim(|state, marks| {
            warm_up();
            drop(marks.around(|| state.lock.try_lock()));
        })
        .check(|state, point| {
            let told = works(state)?;
            expect(!told || *point != KillPoint::Survived, || "nobody died".to_owned())
        }))
}

pub(super) fn try_a_held_one() -> Outcome {
    run(sweep("try in vain")
        .partner(holder())
        .partner(Partner::sleeper("sleeper", passer_by))
        .victim(|state, marks| {
            warm_up();
            assert!(marks.around(|| state.lock.try_lock()).is_err());
        })
        .after_death(release)
        .check(|state, _| expect(!works(state)?, || "nobody died holding it".to_owned())))
}

pub(super) fn give_back_while_nobody_waits() -> Outcome {
    let committed = SharedArena::<Counter>::new(1);
    run(sweep("give back")
        .victim(|state, marks| {
            warm_up();
            let guard = state.lock.lock();
            marks.around(|| drop(guard));
        })
        .check(|state, point| {
            let told = works(state)?;
            if *point == KillPoint::Survived {
                return expect(!told, || "nobody died".to_owned());
            }
            expect(!told || committed[0].get() == 0, || {
                "a death behind the commit point was told".to_owned()
            })?;
            committed[0].set(u64::from(!told));
            Ok(())
        }))
}

pub(super) fn give_back_while_one_sleeps() -> Outcome {
    run(sweep("give back to a sleeper")
        .partner(Partner::sleeper("sleeper", passer_by))
        .victim(|state, marks| {
            warm_up();
            let guard = state.lock.lock();
            marks.around(|| drop(guard));
        })
        .check(|state, _| expect(!works(state)?, || "the sleeper was told already".to_owned())))
}

/// The hole of the textbook's release: somebody takes the lock before the sleepers are woken.
pub(super) fn give_back_while_one_barges_in() -> Outcome {
    run(sweep("give back, barge")
        .partner(Partner::sleeper("first", passer_by))
        .partner(Partner::sleeper("second", passer_by))
        .victim(|state, marks| {
            warm_up();
            let guard = state.lock.lock();
            marks.around(|| drop(guard));
        })
        .barge(barge)
        .check(|state, _| expect(!works(state)?, || "it was told already".to_owned())))
}

pub(super) fn wait_behind_a_holder() -> Outcome {
    run(sweep("wait")
        .partner(holder())
        .partner(Partner::sleeper("sleeper", passer_by))
        .victim(|state, marks| {
            warm_up();
            drop(marks.around(|| state.lock.lock()));
        })
        .while_asleep(release)
        .after_death(release)
        .check(|state, point| {
            let told = works(state)?;
            expect(!told || *point != KillPoint::Survived, || "nobody died".to_owned())
        }))
}

/// The other hole of the textbook's release: the one who was woken dies, and somebody else has
/// taken the lock meanwhile.
pub(super) fn wait_while_one_barges_in() -> Outcome {
    run(sweep("wait, barge")
        .partner(holder())
        .partner(follower())
        .victim(|state, marks| {
            warm_up();
            drop(marks.around(|| state.lock.lock()));
        })
        .while_asleep(follow_and_release)
        .barge(barge)
        .after_death(follow_and_release)
        .check(|state, point| {
            let told = works(state)?;
            expect(!told || *point != KillPoint::Survived, || "nobody died".to_owned())
        }))
}

pub(super) fn wait_in_vain() -> Outcome {
    run(sweep("wait in vain")
        .partner(holder())
        .partner(Partner::sleeper("sleeper", passer_by))
        .victim(|state, marks| {
            warm_up();
            let deadline = Deadline::after(Duration::from_millis(30));
            assert!(marks.around(|| state.lock.lock_deadline(deadline)).is_err());
        })
        // It wakes up by itself.
        .while_asleep(|_| ())
        .after_death(release)
        .check(|state, _| expect(!works(state)?, || "nobody died holding it".to_owned())))
}

pub(super) fn take_over_from_the_dead() -> Outcome {
    let setup = || {
        let state = state();
        die_in(&state, |state| std::mem::forget(take(&state.lock)));
        state
    };
    run(testkit::kill::Sweep::new("take over", setup)
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

pub(super) fn take_over_while_one_barges_in() -> Outcome {
    let setup = || {
        let state = state();
        die_in(&state, |state| std::mem::forget(take(&state.lock)));
        state
    };
    run(testkit::kill::Sweep::new("take over, barge", setup)
        .victim(|state, marks| {
            warm_up();
            drop(marks.around(|| state.lock.lock()));
        })
        .partner(Partner::latecomer("first", passer_by))
        .partner(Partner::latecomer("second", passer_by))
        .barge(barge)
        .check(|state, point| {
            let told = works(state)?;
            expect(!told || *point != KillPoint::Survived, || "nobody died".to_owned())
        }))
}
