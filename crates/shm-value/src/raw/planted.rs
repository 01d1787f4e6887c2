//! Bugs to order: a build with `--cfg ipc_planted="<name>"` has one, and the proofs must find it.
//!
//! | name | what goes wrong |
//! |------|-----------------|
//! | `cell_in_place` | a cell is written over the copy that readers read |
//! | `cell_early` | a new copy is counted before it is written |
//! | `cell_no_check` | a reader does not look whether its copy was written over meanwhile |
//! | `cell_no_fence` | a writer's words may be seen before the count that they come after |
//! | `cell_no_order` | a copy is counted and found without edge E1 |
//! | `turn_no_lock` | who changes a cell takes no turn |
//! | `table_empties_blindly` | a slot is emptied although something may be behind it |
//! | `table_clears_in_one` | a table is cleared by writing slots as empty while others are full |
//! | `map_no_recount` | a map's length is believed whoever died |
//! | `vec_len_first` | a vector is longer before the new item is there |
//! | `list_in_two` | an item's type and length change before its bytes |
//! | `array_no_lock` | an array lends its values without a lock |
//! | `array_believes` | an array's length is believed, whatever the segment's is |
//! | `memory_size_first` | a block is longer before the memory is there |
//! | `memory_name_stays` | the name of an owner that died is nobody's business |
//! | `bytes_whole_words` | bytes beside those that are written are written too |
//!
//! # Which proof was seen to find which
//!
//! | name | models | kill sweep | storm |
//! |------|--------|------------|-------|
//! | `cell_in_place` | yes | yes | yes |
//! | `cell_early` | yes | yes | yes |
//! | `cell_no_check` | yes | no | yes |
//! | `cell_no_fence`, `cell_no_order` | yes | no | not run |
//! | `turn_no_lock` | yes | yes | yes |
//! | `table_empties_blindly` | yes | yes | yes |
//! | `table_clears_in_one` | yes | yes | no: nothing is cleared there |
//!
//! Of the types that are made of these:
//!
//! | name | kill sweep | storm | reference | behaviour |
//! |------|------------|-------|-----------|-----------|
//! | `map_no_recount` | yes | yes | no: nobody dies | no |
//! | `vec_len_first`, `list_in_two` | yes | not run | no | no |
//! | `array_no_lock` | yes | not run | no | yes: `copies_are_of_one_moment` |
//! | `array_believes` | no | no | no | yes: `words_that_lie_are_not_believed` |
//! | `memory_size_first` | yes | no | no | no |
//! | `memory_name_stays` | yes | not run | no | yes: `a_killed_owners_name_is_nobodys` |
//! | `bytes_whole_words` | no | no | yes, for blocks and raw arrays | not run |
//! | `table_empties_blindly` | | | yes, for maps | |

/// Bugs of the types that are made of these.
#[cfg(not(ipc_loom))]
pub(crate) mod faces {
    /// Whether a map counts anew when somebody has died.
    pub(crate) const RECOUNTS: bool = !cfg!(ipc_planted = "map_no_recount");

    /// Whether a vector gets longer before the item is there.
    pub(crate) const LENGTHENS_FIRST: bool = cfg!(ipc_planted = "vec_len_first");

    /// Whether an item changes in two steps.
    pub(crate) const SETS_IN_TWO: bool = cfg!(ipc_planted = "list_in_two");

    /// Whether an array's values are lent under locks.
    pub(crate) const ARRAY_LOCKS: bool = !cfg!(ipc_planted = "array_no_lock");

    /// Whether an array's length is compared with the segment's.
    pub(crate) const ARRAY_CHECKS: bool = !cfg!(ipc_planted = "array_believes");

    /// Whether a block gets longer before the memory is there.
    pub(crate) const GROWS_FIRST: bool = cfg!(ipc_planted = "memory_size_first");

    /// Whether anybody looks for the death of a name's owner.
    pub(crate) const LOOKS_FOR_OWNERS: bool = !cfg!(ipc_planted = "memory_name_stays");

    /// Whether whole words are written where a part was meant.
    pub(crate) const WRITES_WHOLE_WORDS: bool = cfg!(ipc_planted = "bytes_whole_words");
}

/// Whether a turn is a turn.
pub(super) const TURN_LOCKS: bool = !cfg!(ipc_planted = "turn_no_lock");

/// Bugs of a cell.
pub(super) mod cell {
    use ipc_core::primitive::Ordering;

    /// The acquire end of edge E1.
    pub(in super::super) const ACQUIRE: Ordering =
        if cfg!(ipc_planted = "cell_no_order") { Ordering::Relaxed } else { Ordering::Acquire };

    /// The release end of edge E1.
    pub(in super::super) const RELEASE: Ordering =
        if cfg!(ipc_planted = "cell_no_order") { Ordering::Relaxed } else { Ordering::Release };

    /// Whether the copy that is written is another than the one that is read.
    pub(in super::super) const ALTERNATES: bool = !cfg!(ipc_planted = "cell_in_place");

    /// Whether a copy is counted before it is written.
    pub(in super::super) const COUNTS_EARLY: bool = cfg!(ipc_planted = "cell_early");

    /// Whether a reader looks at the count again.
    pub(in super::super) const LOOKS_AGAIN: bool = !cfg!(ipc_planted = "cell_no_check");

    /// Whether a fence stands between finding the count and writing the words.
    pub(in super::super) const FENCES: bool = !cfg!(ipc_planted = "cell_no_fence");
}

/// Bugs of a table.
pub(super) mod table {
    /// Whether a slot is emptied whatever is behind it.
    pub(in super::super) const EMPTIES_BLINDLY: bool = cfg!(ipc_planted = "table_empties_blindly");

    /// Whether all slots are removed before one is emptied.
    pub(in super::super) const CLEARS_IN_TWO: bool = !cfg!(ipc_planted = "table_clears_in_one");
}
