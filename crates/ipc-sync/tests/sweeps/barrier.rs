//! The scenarios on a barrier: whoever dies, the others come through, or are told whom they miss.

use ipc_sync::{Barrier, BarrierError};
use testkit::kill::{KillPoint, Partner, Sweep};
use testkit::{Counter, Outcome, SharedArena};

use super::{expect, run};

/// What a round shares.
struct Shared {
    barrier: Barrier,
    /// How many came through, how many were told of a death, of something else.
    notes: SharedArena<Counter>,
}

// Places in the notes.
const PASSED: usize = 0;
const DIED: usize = 1;
const ABORTED: usize = 2;
const OTHER: usize = 3;

fn sweep<'a>(name: &str, parties: u32) -> Sweep<'a, Shared> {
    Sweep::new(name, move || {
        ipc_sync::raw::set_spin(0);
        Shared { barrier: Barrier::new(parties).unwrap(), notes: SharedArena::new(4) }
    })
}

/// Goes through the code once, so that the sweep sees the operation alone.
fn warm_up() {
    let other = Barrier::new(1).unwrap();
    other.wait().unwrap();
    other.abort();
    other.wait().unwrap_err();
    other.reset();
}

/// One that comes to the barrier and notes how that ends.
fn party(shared: &Shared) -> i32 {
    let note = match shared.barrier.wait() {
        Ok(_) => PASSED,
        Err(BarrierError::PartyDied { .. }) => DIED,
        Err(BarrierError::Aborted) => ABORTED,
        Err(_) => OTHER,
    };
    shared.notes[note].add(1);
    0
}

fn sleeper<'a>(name: &str) -> Partner<'a, Shared> {
    Partner::sleeper(name, party)
}

fn noted(shared: &Shared) -> [u64; 4] {
    [PASSED, DIED, ABORTED, OTHER].map(|place| shared.notes[place].get())
}

/// That the barrier works once it is reset.
fn works(shared: &Shared) -> Result<(), String> {
    shared.barrier.reset();
    expect(shared.barrier.waiting() == 0 && !shared.barrier.is_broken(), || {
        format!("{:?}", shared.barrier)
    })?;
    shared.barrier.abort();
    let told = shared.barrier.wait();
    expect(told == Err(BarrierError::Aborted), || format!("{told:?}"))
}

/// Lets somebody else come in the victim's place, if its arrival does not count; what they come to
/// is not for them to say.
fn one_more(shared: &Shared) {
    // It would wait for ever if it were one too many.
    shared.barrier.abort();
}

pub(super) fn come_last_while_three_sleep() -> Outcome {
    run(sweep("come last", 4)
        .partner(sleeper("first"))
        .partner(sleeper("second"))
        .partner(sleeper("third"))
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| shared.barrier.wait()).unwrap();
        })
        .after_death(|shared| {
            // Whoever has arrived is seen dead, by those who sleep or by this one; whoever has not
            // is missed, and replaced.
            let end = shared.barrier.wait_timeout(std::time::Duration::from_millis(40));
            shared.notes[OTHER].add(u64::from(end.is_err_and(BarrierError::is_timeout)));
        })
        .check(|shared, point| {
            let noted = noted(shared);
            let is_one = matches!(noted, [3, 0, 0, _] | [0, 3, 0, 0]);
            let fine = if *point == KillPoint::Survived { noted[PASSED] == 3 } else { is_one };
            expect(fine, || format!("passed, died, aborted, other: {noted:?}"))?;
            works(shared)
        }))
}

pub(super) fn wait_while_two_sleep() -> Outcome {
    run(sweep("wait", 4)
        .partner(sleeper("first"))
        .partner(sleeper("second"))
        .victim(|shared, marks| {
            warm_up();
            assert!(marks.around(|| shared.barrier.wait()).is_err());
        })
        .while_asleep(|shared| {
            shared.barrier.abort();
        })
        .after_death(|shared| {
            // Those who sleep are told of the death, if the victim had arrived.
            if shared.barrier.waiting() == 2 {
                one_more(shared);
            }
        })
        .check(|shared, point| {
            let noted = noted(shared);
            let fine = matches!(noted, [0, 0, 2, 0])
                || *point != KillPoint::Survived && noted == [0, 2, 0, 0];
            expect(fine, || format!("passed, died, aborted, other: {noted:?}"))?;
            works(shared)
        }))
}

pub(super) fn be_let_through() -> Outcome {
    run(sweep("be let through", 3)
        .partner(sleeper("first"))
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| shared.barrier.wait()).unwrap();
        })
        .partner(Partner::latecomer("last", party))
        .while_asleep(|shared| {
            let number = shared.barrier.wait_timeout(std::time::Duration::from_millis(40));
            shared.notes[OTHER].add(u64::from(number.is_err()));
        })
        .after_death(|shared| {
            // For who sleeps for the victim's place, which nobody else will take.
            if !shared.barrier.is_broken() && shared.barrier.waiting() > 0 {
                one_more(shared);
            }
        })
        .check(|shared, _| works(shared)))
}

pub(super) fn abort_while_three_sleep() -> Outcome {
    run(sweep("abort", 4)
        .partner(sleeper("first"))
        .partner(sleeper("second"))
        .partner(sleeper("third"))
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| shared.barrier.abort());
        })
        .after_death(|shared| {
            // What was not done is done by another; what was done is not done again.
            if !shared.barrier.is_broken() {
                one_more(shared);
            }
        })
        .check(|shared, _| {
            let noted = noted(shared);
            expect(noted == [0, 0, 3, 0], || format!("passed, died, aborted, other: {noted:?}"))?;
            works(shared)
        }))
}

pub(super) fn reset_while_three_sleep() -> Outcome {
    run(sweep("reset", 4)
        .partner(sleeper("first"))
        .partner(sleeper("second"))
        .partner(sleeper("third"))
        .victim(|shared, marks| {
            warm_up();
            marks.around(|| shared.barrier.reset());
        })
        .after_death(|shared| {
            if shared.barrier.waiting() > 0 {
                shared.barrier.reset();
            }
        })
        .check(|shared, _| {
            let noted = noted(shared);
            expect(noted == [0, 0, 0, 3], || format!("passed, died, aborted, other: {noted:?}"))?;
            works(shared)
        }))
}

pub(super) fn time_out_while_two_sleep() -> Outcome {
    run(sweep("time out", 4)
        .partner(sleeper("first"))
        .partner(sleeper("second"))
        .victim(|shared, marks| {
            warm_up();
            let end = marks.around(|| shared.barrier.wait_timeout(std::time::Duration::ZERO));
            assert_eq!(end, Err(BarrierError::Timeout));
        })
        .after_death(|shared| {
            if !shared.barrier.is_broken() && shared.barrier.waiting() == 2 {
                one_more(shared);
            }
        })
        .check(|shared, point| {
            let noted = noted(shared);
            let fine = noted == [0, 0, 0, 2]
                || *point != KillPoint::Survived && matches!(noted, [0, 2, 0, 0] | [0, 0, 2, 0]);
            expect(fine, || format!("passed, died, aborted, other: {noted:?}"))?;
            works(shared)
        }))
}

/// A member's part: it joins, comes, and leaves.
fn come_as_a_member(shared: &Shared) -> Result<u32, BarrierError> {
    let member = shared.barrier.member().unwrap();
    member.wait()
}

pub(super) fn come_as_a_member_while_two_sleep() -> Outcome {
    run(sweep("come as a member", 3)
        .partner(sleeper("first"))
        .partner(sleeper("second"))
        .victim(|shared, marks| {
            warm_up();
            drop(Barrier::new(1).unwrap().member().unwrap());
            marks.around(|| come_as_a_member(shared)).unwrap();
        })
        .after_death(|shared| {
            // Whoever died as a member is told of already; whoever did not is replaced.
            let end = shared.barrier.wait_timeout(std::time::Duration::from_millis(40));
            shared.notes[OTHER].add(u64::from(end.is_err_and(BarrierError::is_timeout)));
        })
        .check(|shared, point| {
            let noted = noted(shared);
            let fine = match point {
                KillPoint::Survived => noted[PASSED] == 2,
                _ => matches!(noted, [2, 0, 0, _] | [0, 2, 0, 0]),
            };
            expect(fine, || format!("passed, died, aborted, other: {noted:?}"))?;
            works(shared)?;
            shared.barrier.reset();
            expect(shared.barrier.stats().members.is_empty(), || format!("{:?}", shared.barrier))
        }))
}

pub(super) fn join_and_leave_while_two_sleep() -> Outcome {
    run(sweep("join and leave", 3)
        .partner(sleeper("first"))
        .partner(sleeper("second"))
        .victim(|shared, marks| {
            warm_up();
            drop(Barrier::new(1).unwrap().member().unwrap());
            marks.around(|| drop(shared.barrier.member().unwrap()));
        })
        .after_death(|shared| {
            // Two wait, or were told: a member that dies is told without anybody coming.
            one_more(shared);
        })
        .check(|shared, point| {
            let noted = noted(shared);
            let fine =
                noted == [0, 0, 2, 0] || *point != KillPoint::Survived && noted == [0, 2, 0, 0];
            expect(fine, || format!("passed, died, aborted, other: {noted:?}"))?;
            works(shared)
        }))
}

pub(super) fn replace_a_dead_member() -> Outcome {
    let setup = || {
        ipc_sync::raw::set_spin(0);
        let shared = Shared { barrier: Barrier::new(1).unwrap(), notes: SharedArena::new(4) };
        die_as_a_member(&shared);
        shared
    };
    run(Sweep::new("replace a dead member", setup)
        .victim(|shared, marks| {
            warm_up();
            drop(Barrier::new(1).unwrap().member().unwrap());
            marks.around(|| {
                assert!(matches!(shared.barrier.wait(), Err(BarrierError::PartyDied { .. })));
                shared.barrier.reset();
                assert_eq!(come_as_a_member(shared), Ok(0));
            });
        })
        .check(|shared, _| {
            works(shared)?;
            shared.barrier.reset();
            let end = come_as_a_member(shared);
            expect(end == Ok(0), || format!("{end:?}"))
        }))
}

/// Lets a process die as a member, before this one goes on.
fn die_as_a_member(shared: &Shared) {
    let end = testkit::child::fork(|| {
        std::mem::forget(shared.barrier.member().unwrap());
        0
    })
    .wait();
    assert!(end.is_success());
}
