//! What a lock that its holder may take again promises to processes and threads that share it.

#![cfg_attr(
    not(ipc_loom),
    expect(clippy::unwrap_used, clippy::panic, reason = "a test binary"),
    expect(clippy::mem_forget, reason = "who forgets a guard and ends has died holding it")
)]

#[cfg(not(ipc_loom))]
mod holders;
#[cfg(not(ipc_loom))]
mod levels;
#[cfg(not(ipc_loom))]
#[path = "../together/mod.rs"]
mod together;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("it is free when given back as often as taken", levels::given_back_as_often_as_taken),
        ("guards may go in any order", levels::guards_may_go_in_any_order),
        ("every way to take it takes one level", levels::every_way_takes_one_level),
        ("owner and depth are seen by others", levels::owner_and_depth_are_seen_by_others),
        ("it counts no further than it can", levels::it_counts_no_further_than_it_can),
        ("the levels are as those of a plain count", levels::levels_are_as_a_plain_count),
        ("who does not hold it cannot give it back", holders::only_the_holder_gives_it_back),
        ("a guard too many does nothing", holders::a_guard_too_many_does_nothing),
        ("others wait until the last level is given back", holders::others_wait_for_the_last),
        ("the dead held it once, however deep", holders::the_dead_held_it_once),
        ("the death of a holder wakes who waits", holders::a_death_wakes_who_waits),
        ("a forked child does not own it", holders::a_forked_child_does_not_own_it),
        ("a timeout ends a wait", holders::a_timeout_ends_a_wait),
        ("a lock that travels is the same lock", holders::a_lock_that_travels_is_the_same),
        ("locks in one segment are apart", holders::locks_in_one_segment_are_apart),
        ("scribbling over it harms nobody's memory", holders::scribbling_is_survived),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
