//! What an event promises to processes and threads that share it.

#![cfg_attr(not(ipc_loom), expect(clippy::unwrap_used, clippy::panic, reason = "a test binary"))]

#[cfg(not(ipc_loom))]
mod places;
#[cfg(not(ipc_loom))]
mod signals;
#[cfg(not(ipc_loom))]
mod states;
#[cfg(not(ipc_loom))]
#[path = "../together/mod.rs"]
mod together;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("an event stays as it was left", states::an_event_stays_as_it_was_left),
        ("a set releases all who wait", states::a_set_releases_all_who_wait),
        ("a set that is cleared at once releases all", states::a_clear_at_once_keeps_nobody),
        ("a timeout ends a wait, and says so", states::a_timeout_ends_a_wait),
        ("a signal does not end a wait", states::a_signal_does_not_end_a_wait),
        ("nobody waits for a waiter that died", states::nobody_waits_for_the_dead),
        ("nobody waits for a waiter that is stopped", states::nobody_waits_for_the_stopped),
        ("threads of one process wait, too", states::threads_wait_too),
        ("a handler may set what it has interrupted", signals::a_handler_sets_what_is_waited_for),
        ("a handler may interrupt a lock", signals::a_handler_interrupts_a_lock),
        ("a handler may interrupt anything", signals::a_handler_interrupts_anything),
        ("a handler may be the first of its thread", signals::a_handler_may_be_the_first),
        ("events in one segment are apart", places::events_in_one_segment_are_apart),
        ("an event must lie inside its segment", places::an_event_must_lie_inside_its_segment),
        ("an event that travels is the same event", places::an_event_that_travels_is_the_same),
        ("an event with a name is found by it", places::an_event_with_a_name_is_found),
        ("nothing is left of events", places::nothing_is_left_of_events),
        ("scribbling over an event harms nobody", places::scribbling_is_survived),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
