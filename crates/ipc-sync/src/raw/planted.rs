//! Bugs to order: a build with `--cfg ipc_planted="<name>"` has one, and the proofs must find it.
//!
//! | name | what goes wrong | seen to be found by |
//! |------|-----------------|---------------------|
//! | `store_zero` | a contended unlock stores zero, as the textbook has it | models, kill sweep (6 of 35,680 instructions) |
//! | `no_inherit` | whoever takes a free word drops the mark of the sleepers | models |
//! | `no_keep` | whoever has slept takes the word without the mark | models, kill sweep |
//! | `no_clear_wake` | the mark is cleared without waking those who slipped in | models |
//! | `no_pend` | no word is ever pending | models, crash sweep (8 of 126 accesses) |
//! | `no_order` | the word is taken and given back without edge E1 | models |
//! | `event_no_pend` | an event's call word is never pending |
//! | `event_no_chain` | who finds an event set whose sleepers were not called does not call them |
//! | `event_clear_untold` | an event is cleared before all sleepers were called |
//! | `event_no_order` | an event is set without edge E1 |
//! | `rlock_no_count` | whoever gives back one level of an `RLock` gives back all |
//! | `rlock_old_depth` | whoever takes an `RLock` finds itself as deep as the last holder was |
//! | `once_no_order` | a `Once` is marked and seen done without edge E1 |
//! | `once_no_second_look` | whoever waited for a `Once` does not see that it was done meanwhile |

#![expect(unsafe_code, reason = "hands the address of a word to the kernel")]

use ipc_core::primitive::{AtomicU32, Ordering};
use ipc_core::robust::{Thread, WAITERS};

/// What a contended unlock stores.
pub(super) const RELEASED: u32 = if cfg!(ipc_planted = "store_zero") { 0 } else { WAITERS };

/// What of a free word lives on in the word of whoever takes it.
pub(super) const INHERITED: u32 = if cfg!(ipc_planted = "no_inherit") { 0 } else { WAITERS };

/// What whoever has slept adds to the word.
pub(super) const KEPT: u32 = if cfg!(ipc_planted = "no_keep") { 0 } else { WAITERS };

/// How many are woken after the mark was cleared.
pub(super) const WOKEN_AFTER_CLEAR: u32 =
    if cfg!(ipc_planted = "no_clear_wake") { 0 } else { u32::MAX };

/// The acquire end of edge E1.
pub(super) const ACQUIRE: Ordering =
    if cfg!(ipc_planted = "no_order") { Ordering::Relaxed } else { Ordering::Acquire };

/// The release end of edge E1.
pub(super) const RELEASE: Ordering =
    if cfg!(ipc_planted = "no_order") { Ordering::Relaxed } else { Ordering::Release };

/// Makes `word` the pending one.
///
/// # Safety
///
/// As for [`Thread::pend`].
#[inline]
pub(super) unsafe fn pend(me: Thread, word: &AtomicU32) {
    if !cfg!(ipc_planted = "no_pend") {
        // SAFETY: the caller vouches for the word.
        unsafe { me.pend(word) };
    }
}

/// Bugs of a `Once`.
pub(super) mod once {
    use ipc_core::primitive::Ordering;

    /// The acquire end of edge E1.
    pub(in super::super) const ACQUIRE: Ordering =
        if cfg!(ipc_planted = "once_no_order") { Ordering::Relaxed } else { Ordering::Acquire };

    /// The release end of edge E1.
    pub(in super::super) const RELEASE: Ordering =
        if cfg!(ipc_planted = "once_no_order") { Ordering::Relaxed } else { Ordering::Release };

    /// Whether who has waited looks whether it was done meanwhile.
    pub(in super::super) const LOOKS_AGAIN: bool = !cfg!(ipc_planted = "once_no_second_look");
}

/// Bugs of an `RLock`.
pub(super) mod rlock {
    /// Whether the levels count.
    pub(in super::super) const COUNTS: bool = !cfg!(ipc_planted = "rlock_no_count");

    /// Whether whoever takes it begins with a depth of its own.
    pub(in super::super) const STARTS_ANEW: bool = !cfg!(ipc_planted = "rlock_old_depth");
}
