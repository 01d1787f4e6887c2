//! What a value promises to processes and threads that share it.

#![cfg_attr(
    not(ipc_loom),
    expect(clippy::unwrap_used, clippy::panic, reason = "a test binary"),
    expect(clippy::mem_forget, reason = "who forgets a guard and ends has died holding it")
)]

#[cfg(not(ipc_loom))]
mod numbers;
#[cfg(not(ipc_loom))]
mod places;
#[cfg(not(ipc_loom))]
mod shared;
#[cfg(not(ipc_loom))]
#[path = "../together/mod.rs"]
mod together;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("what one process sets another gets", shared::what_one_sets_another_gets),
        ("updates from many processes lose nothing", shared::updates_lose_nothing),
        ("readers see whole values and wait for nobody", shared::readers_wait_for_nobody),
        ("a guard's copy becomes the value when it is dropped", shared::a_guard_changes_at_its_end),
        ("a guard that is discarded changes nothing", shared::a_discarded_guard_changes_nothing),
        ("a guard that dies changes nothing", shared::a_guard_that_dies_changes_nothing),
        ("a panic changes nothing", shared::a_panic_changes_nothing),
        ("a forked child has no turn of its parent's", shared::a_child_has_no_turn_of_its_parent),
        ("who has a guard does not wait for itself", shared::nobody_waits_for_itself),
        ("tries and timeouts end", shared::tries_and_timeouts_end),
        ("bytes that are no value are refused", shared::bytes_that_are_no_value_are_refused),
        ("values of every size come back", numbers::values_of_every_size_come_back),
        ("overflow wraps around as in Python", numbers::overflow_wraps_as_in_python),
        ("additions from many processes lose nothing", numbers::additions_lose_nothing),
        ("set and update go with atomic additions", numbers::updates_go_with_additions),
        ("a value that travels is the same value", places::a_value_that_travels_is_the_same),
        ("a value does not arrive as another type", places::a_value_keeps_its_type),
        ("values share a segment", places::values_share_a_segment),
        ("values have names", places::values_have_names),
        ("nothing is left of values", places::nothing_is_left_of_values),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
