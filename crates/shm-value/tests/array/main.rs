//! What arrays promise to processes and threads that share them.

#![cfg_attr(
    not(ipc_loom),
    expect(clippy::unwrap_used, clippy::panic, reason = "a test binary"),
    expect(clippy::mem_forget, reason = "who forgets a guard and ends has died holding it")
)]

#[cfg(not(ipc_loom))]
mod arrays;
#[cfg(not(ipc_loom))]
mod raw;
#[cfg(not(ipc_loom))]
#[path = "../together/mod.rs"]
mod together;
#[cfg(not(ipc_loom))]
mod views;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("what one process writes another reads", arrays::what_one_writes_another_reads),
        ("values are got, set and copied", arrays::values_are_got_set_and_copied),
        ("what is outside is refused", arrays::what_is_outside_is_refused),
        ("parts cover all and do not overlap", arrays::parts_cover_all),
        ("workers write their parts at the same time", arrays::workers_write_their_parts),
        ("processes sum parts without a copy", arrays::processes_sum_parts),
        ("a copy over parts is of one moment", arrays::copies_are_of_one_moment),
        ("after a death the values can be recovered", arrays::after_a_death_it_can_be_recovered),
        ("a panic poisons what it leaves half changed", arrays::a_panic_poisons),
        ("nobody waits for itself", arrays::nobody_waits_for_itself),
        ("values have dimensions", arrays::values_have_dimensions),
        ("an array that travels is the same array", arrays::an_array_that_travels_is_the_same),
        ("words that lie are not believed", arrays::words_that_lie_are_not_believed),
        ("arrays have names", arrays::arrays_have_names),
        ("nothing is left of arrays", arrays::nothing_is_left_of_arrays),
        ("views show the values where they lie", views::views_show_the_values_where_they_lie),
        (
            "what is written through a view others read",
            views::what_is_written_through_a_view_others_read,
        ),
        (
            "a view that does not go with the values is refused",
            views::a_view_that_does_not_go_with_the_values_is_refused,
        ),
        ("an array is made of a view", views::an_array_is_made_of_a_view),
        ("raw values are copied in and out", raw::values_are_copied_in_and_out),
        ("raw values keep to their bytes", raw::values_keep_to_their_bytes),
        ("bytes that are no value are refused", raw::bytes_that_are_no_value_are_refused),
        ("a raw array that travels is the same", raw::an_array_that_travels_is_the_same),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
