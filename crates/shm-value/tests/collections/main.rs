//! What lists, vectors and maps promise to processes that share them.

#![cfg_attr(not(ipc_loom), expect(clippy::unwrap_used, reason = "a test binary"))]
#![cfg_attr(not(ipc_loom), expect(clippy::panic, reason = "a test binary"))]

#[cfg(not(ipc_loom))]
mod lists;
#[cfg(not(ipc_loom))]
mod maps;
#[cfg(not(ipc_loom))]
#[path = "../together/mod.rs"]
mod together;
#[cfg(not(ipc_loom))]
mod vectors;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("list: Python's answers", lists::pythons_answers),
        ("list: zeros at the end stay", lists::zeros_at_the_end_stay),
        ("list: what one process sets another gets", lists::what_one_sets_another_gets),
        ("list: items are whole while others set them", lists::items_are_whole),
        ("list: lengths that lie are not believed", lists::lengths_that_lie_are_not_believed),
        ("list: travels and has names", lists::it_travels_and_has_names),
        ("vec: is filled and emptied", vectors::it_is_filled_and_emptied),
        ("vec: many push and pop", vectors::many_push_and_pop),
        ("vec: who changes it in a change is refused", vectors::a_change_in_a_change_is_refused),
        ("vec: words that lie are not believed", vectors::words_that_lie_are_not_believed),
        ("vec: travels and has names", vectors::it_travels_and_has_names),
        ("map: what one process inserts another gets", maps::what_one_inserts_another_gets),
        ("map: many count at the same keys", maps::many_count_at_the_same_keys),
        ("map: it is full at some time, and can be emptied", maps::it_is_full_at_some_time),
        ("map: what is there all the time is found", maps::what_is_there_is_found),
        ("map: a change that panics changes nothing", maps::a_panic_changes_nothing),
        ("map: bytes that are no value are refused", maps::bytes_that_are_no_value_are_refused),
        ("map: words that lie are not believed", maps::words_that_lie_are_not_believed),
        ("map: travels and has names", maps::it_travels_and_has_names),
        ("nothing is left of any", maps::nothing_is_left),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
