//! What blocks of bytes promise to processes that share them.

#![cfg_attr(not(ipc_loom), expect(clippy::unwrap_used, clippy::panic, reason = "a test binary"))]

#[cfg(not(ipc_loom))]
mod blocks;
#[cfg(not(ipc_loom))]
mod frozen;
#[cfg(not(ipc_loom))]
mod names;
#[cfg(not(ipc_loom))]
#[path = "../together/mod.rs"]
mod together;

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("what one process writes another reads", blocks::what_one_writes_another_reads),
        ("bytes beside each other belong to their writers", blocks::neighbors_keep_their_bytes),
        ("what is outside is refused", blocks::what_is_outside_is_refused),
        ("a block grows for all and keeps its bytes", blocks::a_block_grows_for_all),
        ("a block cannot grow beyond what there is", blocks::a_block_cannot_grow_for_ever),
        ("values are checked", blocks::values_are_checked),
        ("a block that travels is the same block", blocks::a_block_that_travels_is_the_same),
        ("a size that lies is not believed", blocks::a_size_that_lies_is_not_believed),
        ("names are as in Python", names::names_are_as_in_python),
        ("only the owner takes a name away", names::only_the_owner_takes_a_name_away),
        ("who opens and ends leaves the name", names::who_opens_leaves_the_name),
        ("a name ends with its owner", names::a_name_ends_with_its_owner),
        ("the name of a killed owner is nobody's", names::a_killed_owners_name_is_nobodys),
        ("a name that is kept stays", names::a_kept_name_stays),
        ("frozen bytes are borrowed by all", frozen::frozen_bytes_are_borrowed_by_all),
        ("nobody writes frozen memory", frozen::nobody_writes_frozen_memory),
        ("what is not frozen is refused", frozen::what_is_not_frozen_is_refused),
        ("a block can be frozen", frozen::a_block_can_be_frozen),
        ("nothing is left of blocks", names::nothing_is_left_of_blocks),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // Nothing can be placed in shared memory in the model.
    ExitCode::SUCCESS
}
