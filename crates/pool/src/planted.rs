//! Bugs to order: a build with `--cfg ipc_planted="<name>"` has one, and the proofs must find it.
//!
//! | name | what goes wrong |
//! |------|-----------------|
//! | `pool_begun_again` | what a dead worker had begun is queued again, whatever may have come of it |
//! | `pool_unbegun_dies` | the first task that a dead worker had is taken for the one that it had begun |
//! | `pool_taken_back_lost` | a task that is taken back from a worker is queued nowhere |
//! | `pool_same_ticket` | two handings-out have one ticket |
//! | `pool_said_first` | a worker says which task it has begun before it says when |
//! | `pool_no_order` | the board is written and read without edge E1 |
//! | `pool_ends_any` | a worker is ended for a task behind which it has others |
//! | `pool_retired_gets_more` | a worker that is to end is given tasks all the same |
//! | `pool_cancelled_comes_back` | a cancelled task that its worker had not begun is queued again |
//! | `pool_cancelled_runs_again` | a cancelled task that dies with its worker runs again |
//! | `pool_no_priority` | tasks are given in the order in which they were submitted, however urgent |
//! | `pool_runs_too_often` | a task runs again once more than was said |
//! | `pool_no_overtaking` | nothing is taken back for a task that is more urgent |
//! | `round_tail_lost` | of results that were taken together only those of one mailbox are delivered |
//! | `round_mixed` | results of one mailbox go to another with those before them |
//! | `round_late` | that no task is left is told before the last results |
//! | `round_idle` | a pool with no task left is taken for one whose results are all delivered |
//! | `round_panics` | a waker that panics takes the results behind it along |
//! | `lead_no_hand_over` | a collector that has what it wants makes nobody else the collector |
//! | `lead_keeps_promotion` | who was made the collector, and has its result, does not say so |
//! | `lead_two` | who waits collects, whoever else does |
//! | `lead_no_clerk` | the clerk is not called for work that nobody waits for |
//! | `lead_unable_alone` | the clerk does not go on for those who cannot collect |
//! | `mailbox_no_wake` | who waits at a mailbox is not woken by what arrives |
//! | `mailbox_no_wake_all` | who waits for what another has taken is not woken |
//! | `tray_no_fence` | worker and parent look at each other without a fence before it |
//! | `tray_no_limit` | a worker begins items that were taken back |
//! | `tray_counts_first` | a result that is a piece counts before its bytes are there |
//! | `tray_word_counts_first` | a result that is a word counts before it is there |
//! | `tray_word_short` | of results that are words, one fewer is said to be there than items are done |
//! | `tray_no_order` | progress is written and read without edge E2 |
//! | `tray_no_pause` | a worker begins a chunk without having left the one before |
//! | `chunk_not_saved` | what a dead worker had done of its chunk is done again |
//! | `chunk_dies_whole` | what a dead worker had not begun of its chunk dies with the item that it had |
//! | `chunk_told_twice` | results that were told early are told again with the others |
//! | `chunk_no_share` | a worker does all items of its chunk, more than its share or not |
//! | `chunk_cancelled_goes_on` | what is cancelled of a chunk, and was not done, is handed out again |
//! | `chunk_forgotten_done` | what nobody wants any more of a chunk is done all the same |
//!
//! # Which proof was seen to find which
//!
//! | name | models | schedules | other |
//! |------|--------|-----------|-------|
//! | `pool_begun_again` | yes | yes, by a plan without an end | |
//! | `pool_unbegun_dies`, `pool_taken_back_lost` | yes | yes | |
//! | `pool_same_ticket`, `pool_said_first`, `pool_no_order` | yes | not tried | |
//! | `pool_retired_gets_more` | yes | yes, by a plan without an end | `tests/cancel.rs`, by a task without an end |
//! | `pool_ends_any` | yes | not tried | not by `tests/cancel.rs` |
//! | `pool_cancelled_comes_back` | yes | no | |
//! | `pool_cancelled_runs_again` | – | yes, by a plan without an end | |
//! | `pool_no_priority`, `pool_runs_too_often` | – | yes | |
//! | `pool_no_overtaking` | yes | not tried | the tests of the table |
//! | `round_tail_lost`, `round_mixed`, `round_late`, `round_idle` | yes | not tried | |
//! | `round_panics` | – | not tried | `tests/callbacks.rs` |
//! | `lead_keeps_promotion`, `lead_two`, `lead_no_clerk`, `lead_unable_alone` | yes | not tried | |
//! | `lead_no_hand_over`, `mailbox_no_wake` | yes | not tried | |
//! | `mailbox_no_wake_all` | yes, with one who cannot collect: who can is made the collector, which wakes it too | not tried | |
//! | `tray_no_fence`, `tray_counts_first`, `tray_no_order`, `tray_no_pause` | yes | not tried | |
//! | `tray_word_counts_first` | yes | not tried | |
//! | `tray_word_short` | yes | not tried | the property test of the tray; `tests/chunks.rs` |
//! | `tray_no_limit` | yes | not tried | `tests/chunks.rs`: items that wait for one another |
//! | `chunk_not_saved` | – | no | `tests/chunks.rs`; the kill sweep in a chunk |
//! | `chunk_dies_whole`, `chunk_no_share` | – | no, not tried | `tests/chunks.rs` |
//! | `chunk_told_twice` | – | yes | `tests/chunks.rs` |
//! | `chunk_cancelled_goes_on` | – | no | `tests/chunks.rs` |
//! | `chunk_forgotten_done` | – | not tried | `tests/chunks.rs`, by a wait without an end |
//!
//! Schedules do not find what happens only if somebody comes in a few instructions, or in the fraction of a
//! millisecond that a chunk takes: that is for models, sweeps, and tests that hold a worker at a gate.

use ipc_core::primitive::Ordering::{self, Acquire, Relaxed, Release};

/// Bugs of the table.
pub(crate) mod table {
    pub(crate) const BEGUN_RUNS_AGAIN: bool = cfg!(ipc_planted = "pool_begun_again");
    pub(crate) const UNBEGUN_DIES: bool = cfg!(ipc_planted = "pool_unbegun_dies");
    pub(crate) const LOSES_TAKEN_BACK: bool = cfg!(ipc_planted = "pool_taken_back_lost");
    pub(crate) const ENDS_ANY: bool = cfg!(ipc_planted = "pool_ends_any");
    pub(crate) const GIVES_TO_RETIRED: bool = cfg!(ipc_planted = "pool_retired_gets_more");
    pub(crate) const OVERTAKES: bool = !cfg!(ipc_planted = "pool_no_overtaking");
    pub(crate) const IGNORES_PRIORITY: bool = cfg!(ipc_planted = "pool_no_priority");

    /// How much the next ticket is greater.
    pub(crate) const TICKET_STEP: u64 = if cfg!(ipc_planted = "pool_same_ticket") { 0 } else { 1 };
}

/// Bugs of answers that are taken together.
pub(crate) mod round {
    pub(crate) const LOSES_TAIL: bool = cfg!(ipc_planted = "round_tail_lost");
    pub(crate) const MIXES: bool = cfg!(ipc_planted = "round_mixed");
    pub(crate) const DELIVERS_LATE: bool = cfg!(ipc_planted = "round_late");
    pub(crate) const TRUSTS_IDLE: bool = cfg!(ipc_planted = "round_idle");
    pub(crate) const PANICS: bool = cfg!(ipc_planted = "round_panics");
}

/// Bugs of what becomes of tasks whose workers have ended.
pub(crate) mod ends {
    pub(crate) const CANCELLED_COMES_BACK: bool = cfg!(ipc_planted = "pool_cancelled_comes_back");
    pub(crate) const CANCELLED_RUNS_AGAIN: bool = cfg!(ipc_planted = "pool_cancelled_runs_again");

    /// How much more often a task runs than was said.
    pub(crate) const RUNS_TOO_MANY: u32 =
        if cfg!(ipc_planted = "pool_runs_too_often") { 1 } else { 0 };
}

/// Bugs of the board.
pub(crate) mod board {
    use super::{Acquire, Ordering, Relaxed, Release};

    pub(crate) const SAYS_WHAT_FIRST: bool = cfg!(ipc_planted = "pool_said_first");

    /// The acquire ends of the edges E1 and E2.
    pub(crate) const ACQUIRE: Ordering =
        if cfg!(ipc_planted = "pool_no_order") { Relaxed } else { Acquire };

    /// The release ends of the edges E1 and E2.
    pub(crate) const RELEASE: Ordering =
        if cfg!(ipc_planted = "pool_no_order") { Relaxed } else { Release };
}

/// Bugs of who collects.
pub(crate) mod lead {
    pub(crate) const HANDS_OVER: bool = !cfg!(ipc_planted = "lead_no_hand_over");
    pub(crate) const KEEPS_PROMOTION: bool = cfg!(ipc_planted = "lead_keeps_promotion");
    pub(crate) const TWO_COLLECT: bool = cfg!(ipc_planted = "lead_two");
    pub(crate) const CALLS_CLERK: bool = !cfg!(ipc_planted = "lead_no_clerk");
    pub(crate) const CLERK_SERVES_UNABLE: bool = !cfg!(ipc_planted = "lead_unable_alone");
    pub(crate) const WAKES: bool = !cfg!(ipc_planted = "mailbox_no_wake");
    pub(crate) const WAKES_ALL: bool = !cfg!(ipc_planted = "mailbox_no_wake_all");
}

/// Bugs of a tray.
pub(crate) mod tray {
    use super::{Acquire, Ordering, Relaxed, Release};

    pub(crate) const FENCES: bool = !cfg!(ipc_planted = "tray_no_fence");
    pub(crate) const HAS_LIMIT: bool = !cfg!(ipc_planted = "tray_no_limit");
    pub(crate) const COUNTS_FIRST: bool = cfg!(ipc_planted = "tray_counts_first");
    pub(crate) const WORD_COUNTS_FIRST: bool = cfg!(ipc_planted = "tray_word_counts_first");

    /// How many words fewer there are said to be.
    pub(crate) const WORDS_SHORT: u16 = if cfg!(ipc_planted = "tray_word_short") { 1 } else { 0 };
    pub(crate) const PAUSES: bool = !cfg!(ipc_planted = "tray_no_pause");

    /// The acquire end of edge E2.
    pub(crate) const ACQUIRE: Ordering =
        if cfg!(ipc_planted = "tray_no_order") { Relaxed } else { Acquire };

    /// The release end of edge E2.
    pub(crate) const RELEASE: Ordering =
        if cfg!(ipc_planted = "tray_no_order") { Relaxed } else { Release };
}

/// Bugs of chunks.
pub(crate) mod chunk {
    pub(crate) const IS_SAVED: bool = !cfg!(ipc_planted = "chunk_not_saved");
    pub(crate) const DIES_WHOLE: bool = cfg!(ipc_planted = "chunk_dies_whole");
    pub(crate) const TOLD_TWICE: bool = cfg!(ipc_planted = "chunk_told_twice");
    pub(crate) const HAS_SHARE: bool = !cfg!(ipc_planted = "chunk_no_share");
    pub(crate) const CANCELLED_GOES_ON: bool = cfg!(ipc_planted = "chunk_cancelled_goes_on");
    pub(crate) const FORGOTTEN_IS_DONE: bool = cfg!(ipc_planted = "chunk_forgotten_done");
}
