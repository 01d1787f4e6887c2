//! What a barrier promises to processes and threads that share it.

#![cfg_attr(
    not(ipc_loom),
    expect(clippy::unwrap_used, clippy::panic, clippy::mem_forget, reason = "a test binary")
)]

#[cfg(not(ipc_loom))]
mod members;
#[cfg(not(ipc_loom))]
mod places;
#[cfg(not(ipc_loom))]
mod rounds;
#[cfg(not(ipc_loom))]
#[path = "../together/mod.rs"]
mod together;
#[cfg(not(ipc_loom))]
mod troubles;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("nobody goes on until all have come", rounds::nobody_goes_on_until_all_have_come),
        ("one party is let through at once", rounds::one_party_is_let_through),
        ("rounds follow each other", rounds::rounds_follow_each_other),
        ("more threads than parties come through in turn", rounds::more_threads_than_parties),
        ("the last to come runs the action before all", rounds::the_last_runs_the_action),
        ("who comes while the action runs is in the next round", rounds::who_comes_in_the_action),
        ("a signal does not end a wait", rounds::a_signal_does_not_end_a_wait),
        ("a timeout breaks it for all until it is reset", troubles::a_timeout_breaks_it),
        ("an abort breaks it for all until it is reset", troubles::an_abort_breaks_it),
        ("a reset sends those away who wait", troubles::a_reset_sends_those_away),
        ("a panic in the action breaks it", troubles::a_panic_in_the_action_breaks_it),
        ("the death of one who waits is told to all", troubles::a_death_is_told_to_all),
        ("a death before the others come is told", troubles::a_death_before_the_others_is_told),
        ("all but one may die at once", troubles::all_but_one_may_die),
        ("a death in the action is told", troubles::a_death_in_the_action_is_told),
        ("a death of who was let through is nobody's business", troubles::a_late_death_is_none),
        ("a thread may die alone", troubles::a_thread_may_die_alone),
        ("who is in the action does not come again", troubles::who_is_there_does_not_come_again),
        ("a forked child is no party", troubles::a_forked_child_is_no_party),
        (
            "the death of a member on its way is told to all who wait",
            members::a_death_on_the_way_is_told_to_all_who_wait,
        ),
        ("who joins while others sleep is missed", members::who_joins_while_others_sleep_is_missed),
        (
            "the death of a member is told to who comes later",
            members::a_death_before_anybody_came_is_told,
        ),
        (
            "the death of a member between two rounds is told",
            members::a_death_between_two_rounds_is_told,
        ),
        (
            "the death of a member at the barrier is told once",
            members::a_death_at_the_barrier_is_told_once,
        ),
        ("many members may die at once", members::many_members_may_die_at_once),
        ("a member that leaves is not missed", members::who_leaves_is_not_missed),
        ("a member that leaves in a panic is missed", members::who_leaves_in_a_panic_is_missed),
        ("a member may die without its process", members::a_thread_may_die_alone),
        (
            "a member that executes another program is missed",
            members::who_executes_another_program_is_missed,
        ),
        ("a forked child is no member", members::a_forked_child_is_no_member),
        ("who waits is named", members::who_waits_is_named),
        ("numbers of parties that cannot be are refused", places::bad_numbers_are_refused),
        ("a barrier that travels is the same", places::a_barrier_travels),
        ("a barrier is found by its name", places::a_barrier_is_found_by_its_name),
        ("nothing is left of barriers", places::nothing_is_left),
        ("scribbling over a barrier harms nobody", places::scribbling_is_survived),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
