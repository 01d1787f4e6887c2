//! What a semaphore promises to processes and threads that share it.

#![cfg_attr(
    not(ipc_loom),
    expect(clippy::unwrap_used, clippy::panic, reason = "a test binary"),
    expect(clippy::mem_forget, reason = "who forgets a guard and ends has died holding it")
)]

#[cfg(not(ipc_loom))]
mod holders;
#[cfg(not(ipc_loom))]
mod permits;
#[cfg(not(ipc_loom))]
mod places;
#[cfg(not(ipc_loom))]
#[path = "../together/mod.rs"]
mod together;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("there are as many permits as there are", permits::there_are_as_many_as_there_are),
        ("anybody may release", permits::anybody_may_release),
        ("one release too many is an error", permits::one_release_too_many_is_an_error),
        ("who waits gets what is released", permits::who_waits_gets_what_is_released),
        ("what is released together wakes several", permits::several_at_once_wake_several),
        ("a timeout ends a wait, and leaves no trace", permits::a_timeout_ends_a_wait),
        ("a signal does not end a wait", permits::a_signal_does_not_end_a_wait),
        ("a waiter that died is not missed", permits::a_dead_waiter_is_not_missed),
        (
            "a permit without a guard dies with its holder",
            permits::a_bare_permit_dies_with_its_holder,
        ),
        ("permits are handed to and fro", permits::permits_are_handed_to_and_fro),
        ("a guard gives its permit back", holders::a_guard_gives_its_permit_back),
        ("a dead holder's permit comes back", holders::a_dead_holders_permit_comes_back),
        ("a dead holder's permit wakes who waits", holders::a_dead_holders_permit_wakes_who_waits),
        ("a thread may die alone", holders::a_thread_may_die_alone),
        ("a permit that is forgotten has no holder", holders::a_forgotten_permit_has_no_holder),
        ("a forked child holds no permits", holders::a_forked_child_holds_nothing),
        ("there are no more guards than seats", holders::there_are_no_more_guards_than_seats),
        ("guards come and go among many", holders::guards_come_and_go_among_many),
        (
            "a bound holds for permits that come back",
            holders::a_bound_holds_for_permits_that_come_back,
        ),
        ("a thread that holds too much gets no permit", holders::a_thread_can_hold_so_many),
        ("semaphores in one segment are apart", places::semaphores_in_one_segment_are_apart),
        ("a semaphore must lie inside its segment", places::a_semaphore_must_lie_inside),
        ("numbers that cannot be are refused", places::numbers_that_cannot_be_are_refused),
        ("a semaphore that travels is the same", places::a_semaphore_that_travels_is_the_same),
        ("a semaphore with a name is found by it", places::a_semaphore_with_a_name_is_found),
        ("nothing is left of semaphores", places::nothing_is_left_of_semaphores),
        ("scribbling over a semaphore harms nobody", places::scribbling_is_survived),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
