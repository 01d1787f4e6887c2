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
