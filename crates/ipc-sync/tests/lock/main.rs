//! What a lock promises to processes and threads that share it.

#![cfg_attr(
    not(ipc_loom),
    expect(clippy::unwrap_used, clippy::panic, reason = "a test binary"),
    expect(clippy::mem_forget, reason = "who forgets a guard and ends has died holding it")
)]

#[cfg(not(ipc_loom))]
mod holders;
#[cfg(not(ipc_loom))]
mod places;
#[cfg(not(ipc_loom))]
mod strangers;
#[cfg(not(ipc_loom))]
#[path = "../together/mod.rs"]
mod together;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("a held lock is not taken twice", holders::a_held_lock_is_not_taken_twice),
        ("a free lock is held until its guard is dropped", holders::a_guard_holds_the_lock),
        ("who waits gets the lock when it is given back", holders::who_waits_gets_the_lock),
        ("a timeout ends a wait, and leaves no trace", holders::a_timeout_ends_a_wait),
        ("a signal does not end a wait", holders::a_signal_does_not_end_a_wait),
        ("the death of a holder is told once", holders::a_death_is_told_once),
        ("the death of a holder wakes who waits", holders::a_death_wakes_who_waits),
        (
            "a death while taking over is told again",
            holders::a_death_while_taking_over_is_told_again,
        ),
        ("a thread may die alone", holders::a_thread_may_die_alone),
        ("a program that becomes another lets go", holders::exec_lets_go),
        ("a reused id is not the dead holder", strangers::a_reused_id_is_not_the_dead_holder),
        ("a forked child holds nothing", holders::a_forked_child_holds_nothing),
        ("locks are given back in any order", holders::locks_are_given_back_in_any_order),
        ("who does not hold it cannot give it back", holders::only_the_holder_gives_it_back),
        ("a thread can hold so many and no more", holders::a_thread_can_hold_so_many),
        ("locks in one segment are apart", places::locks_in_one_segment_are_apart),
        ("a lock must lie inside its segment", places::a_lock_must_lie_inside_its_segment),
        ("a lock that travels is the same lock", places::a_lock_that_travels_is_the_same),
        ("a lock does not arrive out of bounds", places::a_lock_does_not_arrive_out_of_bounds),
        ("a lock in a message reaches another process", places::a_lock_reaches_another_process),
        ("a forgotten guard keeps the memory", places::a_forgotten_guard_keeps_the_memory),
        ("nothing is left of locks", places::nothing_is_left_of_locks),
        ("scribbling over a lock harms nobody's memory", places::scribbling_is_survived),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
