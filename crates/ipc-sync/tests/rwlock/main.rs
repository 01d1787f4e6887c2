//! What a lock for readers and writers promises to processes and threads that share it.

#![cfg_attr(
    not(ipc_loom),
    expect(clippy::unwrap_used, clippy::panic, reason = "a test binary"),
    expect(clippy::mem_forget, reason = "who forgets a guard and ends has died holding it")
)]

#[cfg(not(ipc_loom))]
mod inside;
#[cfg(not(ipc_loom))]
mod places;
#[cfg(not(ipc_loom))]
mod states;
#[cfg(not(ipc_loom))]
#[path = "../together/mod.rs"]
mod together;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("readers are inside together, a writer alone", inside::readers_together_a_writer_alone),
        ("who waits comes in when the others leave", inside::who_waits_comes_in),
        ("new readers do not pass a waiting writer", inside::new_readers_do_not_pass_a_writer),
        ("one reader too many waits for any slot", inside::one_too_many_waits_for_any_slot),
        ("who is inside does not come in again", inside::who_is_inside_does_not_come_in_again),
        ("timeouts end a wait, and leave no trace", inside::timeouts_end_a_wait),
        ("a writer becomes a reader before others write", inside::a_writer_becomes_a_reader),
        ("readers never see half a change", inside::readers_never_see_half_a_change),
        ("a dead reader's share comes back", inside::a_dead_readers_share_comes_back),
        ("the death of a reader wakes who waits", inside::a_readers_death_wakes_who_waits),
        ("a forked child is not inside", inside::a_forked_child_is_not_inside),
        ("a thread can hold so many and no more", inside::a_thread_can_hold_so_many),
        ("after a writer's death the value can be recovered", states::it_can_be_recovered),
        ("a reader may look at what the dead has left", states::a_reader_may_look),
        ("what nobody recovers is poisoned for all", states::what_nobody_recovers_is_poisoned),
        ("the death of a writer wakes all who wait", states::a_death_wakes_all_who_wait),
        ("who dies waiting to write has changed nothing", states::who_dies_waiting_changes_nothing),
        ("who is told may go, others are not missed", states::who_times_out_leaves_it_untold),
        ("a thread may die alone", states::a_thread_may_die_alone),
        ("a panic poisons what it leaves half changed", states::a_panic_poisons),
        ("a panic in an update changes nothing", states::a_panic_in_an_update_changes_nothing),
        ("bytes that are no value are refused", states::bytes_that_are_no_value_are_refused),
        ("locks lie at their alignment, inside the segment", places::locks_lie_where_they_may),
        ("a number of readers that cannot be is refused", places::bad_numbers_are_refused),
        ("a lock that travels is the same, of the same type", places::a_lock_travels),
        ("a lock is found by its name", places::a_lock_is_found_by_its_name),
        ("nothing is left of locks", places::nothing_is_left),
        ("scribbling over a lock harms nobody's memory", places::scribbling_is_survived),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
