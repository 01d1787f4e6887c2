//! What a mutex promises for its value, to processes and threads that share it.

#![cfg_attr(
    not(ipc_loom),
    expect(clippy::unwrap_used, clippy::panic, reason = "a test binary"),
    expect(clippy::mem_forget, reason = "who forgets a guard and ends has died holding it")
)]

#[cfg(not(ipc_loom))]
mod states;
#[cfg(not(ipc_loom))]
#[path = "../together/mod.rs"]
mod together;
#[cfg(not(ipc_loom))]
mod values;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("what one process adds another finds", states::what_one_adds_another_finds),
        ("processes that add at the same time add right", states::processes_add_right),
        ("after a death the value can be recovered", states::after_a_death_it_can_be_recovered),
        ("a value that is whole can be kept", states::a_whole_value_can_be_kept),
        ("what nobody recovers is poisoned for all", states::what_nobody_recovers_is_poisoned),
        ("a death after a death is told again", states::a_death_after_a_death_is_told_again),
        ("copies are refused while it is poisoned", states::copies_are_refused_while_poisoned),
        ("a panic poisons what it leaves half changed", states::a_panic_poisons),
        ("a panic in a repair leaves it poisoned", states::a_panic_in_a_repair_poisons),
        ("a panic in an update changes nothing", states::a_panic_in_an_update_changes_nothing),
        (
            "a panic poisons nothing in a forked child",
            states::a_forked_childs_panic_poisons_nothing,
        ),
        ("tries and timeouts tell of the value, too", states::tries_and_timeouts_tell),
        ("bytes that are no value are refused", values::bytes_that_are_no_value_are_refused),
        ("a dead holder may leave no value", values::a_dead_holder_may_leave_no_value),
        ("values lie at their alignment", values::values_lie_at_their_alignment),
        ("large values are whole", values::large_values_are_whole),
        ("a mutex that travels is the same mutex", values::a_mutex_that_travels_is_the_same),
        ("a mutex does not arrive as another type", values::a_mutex_keeps_its_type),
        ("nothing else is placed over a mutex", values::nothing_else_is_placed_over_a_mutex),
        ("nothing is left of mutexes", values::nothing_is_left_of_mutexes),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
