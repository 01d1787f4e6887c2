//! What it means to do something once, for processes and threads that share it.

#![cfg_attr(
    not(ipc_loom),
    expect(clippy::unwrap_used, clippy::panic, reason = "a test binary"),
    expect(clippy::mem_forget, reason = "who forgets a turn and ends has died at it")
)]

#[cfg(not(ipc_loom))]
mod places;
#[cfg(not(ipc_loom))]
#[path = "../together/mod.rs"]
mod together;
#[cfg(not(ipc_loom))]
mod turns;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("it is done once, whoever comes", turns::it_is_done_once),
        ("every way to do it does it", turns::every_way_does_it),
        ("who comes while it is being done waits", turns::who_comes_meanwhile_waits),
        ("what fails is done by the next", turns::what_fails_is_done_by_the_next),
        ("what panics is done by the next", turns::what_panics_is_done_by_the_next),
        ("who dies at it is replaced, and the next is told", turns::who_dies_is_replaced),
        ("a death wakes one who waits, and that one does it", turns::a_death_wakes_the_next),
        ("doing it while doing it is an error", turns::recursion_is_an_error),
        ("a forked child has not its parent's turn", turns::a_forked_child_has_no_turn),
        ("it travels, and is the same", places::it_travels),
        ("those in one segment are apart", places::those_in_one_segment_are_apart),
        ("scribbling over it harms nobody's memory", places::scribbling_is_survived),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
