//! Bugs to order: a build with `--cfg ipc_planted="<name>"` has one, and the proofs must find it.
//!
//! | name | what goes wrong |
//! |------|-----------------|
//! | `lease_no_count` | a put is not counted |
//! | `lease_no_late_count` | who takes the stray of a dead putter does not count it in its place |
//! | `lease_no_watch` | who waits for an item does not sleep on life words |
//! | `lease_no_arrival` | who sits down calls nobody |
//! | `lease_mark_stays` | who sits down wakes who sleeps, but not who is about to |
//! | `lease_no_burial` | a seat is given on with what its dead holder had in its hands |
//! | `lease_no_ring` | who finishes an item does not call those who wait for it |
//! | `lease_no_pend` | the alarm is not pending while an item is finished or given back |
//! | `lease_no_join_call` | a death is not told to those who join (`ring::bells`) |
//! | `lease_no_call` | who gives an item back calls nobody |
//! | `lease_no_stray` | what was in dead hands is not looked for |
//! | `lease_lost_slot` | an item whose slot is lost is freed, as in other queues (`heap::room`) |
//!
//! The models were seen to find `lease_no_count`, `lease_no_late_count`, `lease_no_watch`,
//! `lease_no_arrival`, `lease_no_burial`, `lease_no_ring`, `lease_no_join_call`, `lease_no_call` and
//! `lease_no_stray`.
//!
//! Of the crash sweeps of joinable queues each was seen to find one at the least:
//!
//! | name | found by the crash sweeps |
//! |------|---------------------------|
//! | `lease_no_stray` | all but "a joiner dies asleep" |
//! | `lease_no_ring` | "a joiner dies asleep" |
//! | `lease_no_watch` | "fail wakes a worker" |
//! | `lease_no_burial`, `lease_lost_slot` | "take a dead worker's seat" |
//!
//! The kill sweep was seen to find `lease_no_ring` and `lease_no_stray`; the storm and the test against a
//! reference `lease_no_stray`; and `tests/workers.rs` `lease_lost_slot` and `lease_no_call`. The latter no
//! sweep can find: there the process that gives back ends afterwards, and its death is told.
//!
//! Two are found by one kind of model each (`model/told`). `lease_mark_stays`: who is about to sleep, and has
//! looked who sits at the table, is not told of one who sits down then, takes an item and dies.
//! `lease_no_pend`: who dies as it finishes an item or gives it back is told of by its life word as well, unless
//! more sit at the table than the kernel compares words.

/// Whether a put is counted.
pub(super) const COUNTS: bool = !cfg!(ipc_planted = "lease_no_count");

/// Whether the put of a dead putter is counted.
pub(super) const COUNTS_LATE: bool = !cfg!(ipc_planted = "lease_no_late_count");

/// Whether who waits for an item sleeps on life words.
pub(super) const WATCHES: bool = !cfg!(ipc_planted = "lease_no_watch");

/// Whether who sits down calls those who sleep.
pub(super) const ARRIVES: bool = !cfg!(ipc_planted = "lease_no_arrival");

/// Whether who sits down takes the mark of the sleepers away.
pub(super) const TAKES_MARK: bool = !cfg!(ipc_planted = "lease_mark_stays");

/// Whether what a dead holder had is given to the grave.
pub(super) const BURIES: bool = !cfg!(ipc_planted = "lease_no_burial");

/// Whether who finishes an item calls those who wait for it.
pub(super) const RINGS: bool = !cfg!(ipc_planted = "lease_no_ring");

/// Whether the alarm is pending.
pub(super) const PENDS: bool = !cfg!(ipc_planted = "lease_no_pend");

/// Whether who gives an item back calls one who waits.
pub(super) const CALLS: bool = !cfg!(ipc_planted = "lease_no_call");

/// Whether what is in dead hands is looked for.
pub(super) const LOOKS: bool = !cfg!(ipc_planted = "lease_no_stray");
