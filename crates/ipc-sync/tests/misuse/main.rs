//! Every misuse has an error of its own, and changes nothing: a row for each.
//!
//! | file | rows |
//! |------|------|
//! | `giving_back` | what one does not hold, and one time too many |
//! | `numbers` | numbers and places that cannot be |
//! | `timeouts` | none at all, and longer than any clock |
//! | `names` | taken, missing, forbidden, of something else |
//! | `lives` | after the segment's handles are gone, after a kill, in every kind of process |

#![cfg_attr(
    not(ipc_loom),
    expect(clippy::unwrap_used, clippy::panic, reason = "a test binary"),
    expect(clippy::mem_forget, reason = "who forgets a guard and ends has died holding it")
)]

#[cfg(not(ipc_loom))]
mod giving_back;
#[cfg(not(ipc_loom))]
mod lives;
#[cfg(not(ipc_loom))]
mod names;
#[cfg(not(ipc_loom))]
mod numbers;
#[cfg(not(ipc_loom))]
mod timeouts;
#[cfg(not(ipc_loom))]
#[path = "../together/mod.rs"]
mod together;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    let rows: &[testkit::Scenario] = &[
        ("lock: release when free, or by another", giving_back::of_a_lock),
        ("rlock: release when free, by another, or too often", giving_back::of_an_rlock),
        ("semaphore: release above the most there may be", giving_back::of_a_semaphore),
        ("bounded semaphore: release above its first value", giving_back::of_a_bounded_semaphore),
        ("condition: wait without the lock", giving_back::of_a_condition),
        ("once: complete what a parent has begun", giving_back::of_a_once),
        ("mutex, rwlock: a guard that a parent holds", giving_back::of_values),
        ("lock, mutex, rwlock, once: twice in one thread", giving_back::taken_twice),
        ("barrier: no party, or too many", numbers::of_parties),
        ("barrier: what broke it is told until it is reset", numbers::of_a_broken_barrier),
        ("barrier: twice in one thread, or a member twice", numbers::of_who_is_there),
        ("semaphore: more permits or seats than there can be", numbers::of_permits),
        ("rwlock: no reader, or too many", numbers::of_readers),
        ("all: outside the segment, or between two places", numbers::of_places),
        ("mutex, rwlock: of another type", numbers::of_types),
        ("all: no time at all", timeouts::none_at_all),
        ("all: a time longer than any clock", timeouts::longer_than_any_clock),
        ("all: negative, infinite and no numbers", timeouts::what_is_no_time),
        ("all: a name that is none", names::that_are_none),
        ("all: a name that exists", names::that_exist),
        ("all: a name that does not exist", names::that_do_not_exist),
        ("all: a name of something else", names::of_something_else),
        ("all: a name without permission", names::without_permission),
        ("all: a name that was taken away", names::that_were_taken_away),
        ("all: when the segment was closed", lives::when_the_segment_was_closed),
        ("all: when their users were killed", lives::when_their_users_were_killed),
        ("all: when a thread dies that holds them", lives::when_a_thread_dies_alone),
        ("all: when a program becomes another", lives::when_a_program_becomes_another),
        ("all: forked, fresh, and in threads at once", lives::in_every_kind_of_process),
    ];
    testkit::Runner::new(rows).entries(&[("user", lives::fresh_user)]).main()
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}

/// Does something that is a mistake, and sees that nothing has changed.
#[cfg(not(ipc_loom))]
#[track_caller]
fn unchanged<P: std::fmt::Debug, R>(primitive: &P, mistake: impl FnOnce() -> R) -> R {
    let before = format!("{primitive:?}");
    let came_to = mistake();
    assert_eq!(before, format!("{primitive:?}"));
    came_to
}
