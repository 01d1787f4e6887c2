//! What a condition promises to processes and threads that share it.

#![cfg_attr(
    not(ipc_loom),
    expect(clippy::unwrap_used, clippy::panic, reason = "a test binary"),
    expect(clippy::mem_forget, reason = "who forgets a guard and ends has died holding it")
)]

#[cfg(not(ipc_loom))]
mod deaths;
#[cfg(not(ipc_loom))]
mod guards;
#[cfg(not(ipc_loom))]
mod notifying;
#[cfg(not(ipc_loom))]
mod places;
#[cfg(not(ipc_loom))]
#[path = "../together/mod.rs"]
mod together;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("as many wake up as are notified", notifying::as_many_wake_up_as_are_notified),
        ("a notification is for those who wait then", notifying::it_is_for_those_who_wait_then),
        ("two take turns on one condition", notifying::two_take_turns),
        ("what is made is taken, each once", notifying::what_is_made_is_taken),
        ("a notifier waits for nobody", notifying::a_notifier_waits_for_nobody),
        ("a signal handler may notify", notifying::a_signal_handler_may_notify),
        ("a timeout ends a wait, with the lock in hand", notifying::a_timeout_ends_a_wait),
        ("it waits while there is reason to", notifying::it_waits_while_there_is_reason),
        ("the lock is free while its holder waits", guards::the_lock_is_free_meanwhile),
        ("all levels are given back and restored", guards::all_levels_are_restored),
        ("who does not hold the lock cannot wait", guards::who_does_not_hold_it_cannot_wait),
        ("who holds too many locks cannot wait", guards::who_holds_too_many_cannot_wait),
        ("what became of the value meanwhile is told", guards::what_became_of_the_value_is_told),
        ("who dies waiting takes nothing with it", deaths::who_dies_takes_nothing),
        ("who dies first in line is in nobody's way", deaths::who_dies_first_is_in_nobodys_way),
        ("the death of a holder reaches who waits", deaths::the_death_of_a_holder_is_told),
        ("notifying the dead leaves nothing to the living", deaths::nothing_is_left_of_the_dead),
        ("it travels, and is the same", places::it_travels),
        ("those in one segment are apart", places::those_in_one_segment_are_apart),
        ("one with a name is found", places::one_with_a_name_is_found),
        ("what it says about itself", places::what_it_says_about_itself),
        ("scribbling over it harms nobody's memory", places::scribbling_is_survived),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
