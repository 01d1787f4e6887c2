//! Bugs to order: a build with `--cfg ipc_planted="<name>"` has one, and the proofs must find it.
//!
//! | name | what goes wrong |
//! |------|-----------------|
//! | `store_zero` | a contended unlock stores zero, as the textbook has it |
//! | `no_inherit` | whoever takes a free word drops the mark of the sleepers |
//! | `no_keep` | whoever has slept takes the word without the mark |
//! | `no_clear_wake` | the mark is cleared without waking those who slipped in |
//! | `no_pend` | no word is ever pending |
//! | `no_order` | the word is taken and given back without edge E1 |
//! | `rwlock_no_fence` | readers and writers look at each other without a fence before it |
//! | `rwlock_no_look` | a reader does not look for a writer once it has its slot |
//! | `rwlock_no_active` | a writer does not note that it is inside |
//! | `rwlock_no_mark` | who sleeps until a slot is free does not say so |
//! | `rwlock_releases_first` | a writer gives back the word and then says that it has left |
//! | `event_no_pend` | an event's call word is never pending |
//! | `event_no_chain` | who finds an event set whose sleepers were not called does not call them |
//! | `event_clear_untold` | an event is cleared before all sleepers were called |
//! | `event_takes_pending` | a handler that sets an event takes away what was pending |
//! | `event_forgets` | who waits is not released by a set that is followed by a clear at once |
//! | `event_no_order` | an event is set without edge E1 |
//! | `semaphore_no_pend` | a semaphore's call word is never pending |
//! | `semaphore_no_keep` | whoever has slept for a permit takes it without the mark |
//! | `semaphore_no_pass_on` | whoever has slept for a permit does not call the next |
//! | `semaphore_no_hand_on` | whoever was called lets another word be pending all the same |
//! | `semaphore_no_clear_call` | the mark is cleared without calling those who slipped in |
//! | `semaphore_no_help` | an operation on a lease is replaced before it is complete |
//! | `semaphore_no_second_look` | a dead holder's last operation is not completed |
//! | `semaphore_no_order` | a permit is released and taken without edge E1 |
//! | `rlock_no_count` | whoever gives back one level of an `RLock` gives back all |
//! | `rlock_old_depth` | whoever takes an `RLock` finds itself as deep as the last holder was |
//! | `once_no_order` | a `Once` is marked and seen done without edge E1 |
//! | `condition_no_sweep` | who is about to wait first in line leaves those asleep behind it who were called |
//! | `condition_no_pend` | a notifier that dies after its exchange wakes nobody |
//! | `condition_steals` | who comes after a notification may take it |
//! | `condition_withdraws_late` | the mark of who sleeps first in line is taken away by one who slept there before |
//! | `condition_early` | a notification is taken before the lock is |
//! | `once_no_second_look` | whoever waited for a `Once` does not see that it was done meanwhile |
//! | `barrier_no_look` | the last to arrive does not look whether the others live |
//! | `barrier_no_pend` | no bell of a barrier is ever pending |
//! | `barrier_no_ring` | who was woken does not ring for the others |
//! | `barrier_no_watch` | who waits does not sleep on seats |
//! | `barrier_no_member_watch` | who waits does not sleep on the words of members |
//! | `barrier_no_roster_call` | who becomes a member does not wake those who sleep |
//! | `barrier_no_tell` | a reset leaves dead members to be told again |
//! | `bell_no_answer` | who was woken through a bell without its mark calls nobody (`ipc_core::robust::Bell`) |
//!
//! # Which proof was seen to find which
//!
//! | name | models | crash sweep | kill sweep |
//! |------|--------|-------------|------------|
//! | `barrier_no_look` | yes | yes | yes |
//! | `barrier_no_pend` | yes | yes | yes |
//! | `barrier_no_watch` | yes | yes | yes |
//! | `barrier_no_tell` | yes | yes | yes |
//! | `barrier_no_ring` | yes | yes | yes |
//! | `barrier_no_member_watch`, `barrier_no_roster_call` | yes | no | no |
//! | `bell_no_answer` | yes, on a bare bell | no | no, at a barrier |
//! | `rlock_no_count`, `rlock_old_depth` | yes | yes | yes |
//! | `once_no_order` | yes | no | no |
//! | `once_no_second_look` | yes | yes | yes |
//! | `condition_no_pend`, `condition_steals`, `condition_early` | yes | yes | yes |
//! | `condition_no_sweep` | yes | no | no |
//! | `condition_withdraws_late` | yes | yes | yes |
//! | `event_no_pend`, `event_no_chain`, `event_takes_pending` | yes | yes | yes |
//! | `event_clear_untold` | yes | no | yes |
//! | `event_forgets` | who waits is not released by a set that is followed by a clear at once |
//! | `event_forgets` | yes | yes | no |
//! | `event_no_order` | yes | no | no |
//! | `rwlock_no_active`, `rwlock_no_mark` | yes | yes | yes |
//! | `rwlock_no_fence`, `rwlock_no_look`, `rwlock_releases_first` | yes | no | no |
//! | `semaphore_no_pend`, `semaphore_no_pass_on`, `semaphore_no_second_look` | yes | yes | yes |
//! | `semaphore_no_help` | yes | no | yes |
//! | `semaphore_no_order` | yes | no | no |
//! | `semaphore_no_keep`, `semaphore_no_hand_on`, `semaphore_no_clear_call` | yes | no | no |
//! | `store_zero`, `no_inherit` | yes | no | yes |
//! | `no_keep`, `no_clear_wake` | yes | no | not in the quick form |
//! | `no_pend` | yes | yes | yes |
//! | `no_order` | yes | no | no |
//!
//! The random schedules (`tests/schedules`, 1,000 and more of each primitive) found, as the machine is:
//! `no_pend`, `rlock_no_count`, `rlock_old_depth`, `once_no_second_look`, `condition_no_pend`,
//! `condition_steals`, `condition_early`, `rwlock_no_active`, `rwlock_no_mark`, `rwlock_no_look`,
//! `barrier_no_look`, `barrier_no_tell`, `barrier_no_watch` and `barrier_no_pend`. In the crash world they
//! found `event_no_pend`, `event_forgets`, `semaphore_no_second_look`, `semaphore_no_pend`,
//! `condition_withdraws_late`, `rwlock_releases_first`, `barrier_no_ring`, `barrier_no_member_watch` and
//! `barrier_no_roster_call` as well. They did not find `store_zero`, `no_inherit`, `no_keep`,
//! `no_clear_wake`, `event_no_chain`, `event_clear_untold`, `semaphore_no_help`, `semaphore_no_pass_on`,
//! `condition_no_sweep` and `bell_no_answer`; the others were not tried.
//!
//! Why a sweep does not find what it does not find:
//!
//! - It kills one process, and looks whether the others go on. What harms the living only, without a
//!   death (a reader and a writer inside together, say), is for the models.
//! - It runs on the machine as it is, on which a missing order seldom shows, and never on x86 where an
//!   exchange is a full fence.
//! - In the crash sweep nobody comes in between the last access of the dead and its death, as one does
//!   in the kill sweep. Its points lie before accesses, so it is the quicker one all the same.
//! - Who sleeps and is woken runs freely. Where the bug takes a third who comes just then, it is
//!   chance.

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

/// Whether a reader looks for a writer once it has its slot.
pub(super) const RWLOCK_LOOKS_AGAIN: bool = !cfg!(ipc_planted = "rwlock_no_look");

/// What a writer notes that is inside.
pub(super) const RWLOCK_ACTIVE: u64 = if cfg!(ipc_planted = "rwlock_no_active") { 0 } else { 1 };

/// What a sleeper adds to a slot.
pub(super) const RWLOCK_MARK: u32 = if cfg!(ipc_planted = "rwlock_no_mark") { 0 } else { WAITERS };

/// Whether a writer gives back the word before it says that it has left.
pub(super) const RWLOCK_RELEASES_FIRST: bool = cfg!(ipc_planted = "rwlock_releases_first");

/// Whether a fence stands between taking one's own word and looking at the others'.
pub(super) const RWLOCK_FENCES: bool = !cfg!(ipc_planted = "rwlock_no_fence");

/// Whether the last to arrive at a barrier looks whether the others live.
pub(super) const BARRIER_LOOKS_BEFORE_TRIP: bool = !cfg!(ipc_planted = "barrier_no_look");

/// Whether the bell of a barrier is pending while somebody waits or rings.
pub(super) const BARRIER_PENDS: bool = !cfg!(ipc_planted = "barrier_no_pend");

/// Whether who was woken rings for the others.
pub(super) const BARRIER_RINGS_AGAIN: bool = !cfg!(ipc_planted = "barrier_no_ring");

/// Whether who waits sleeps on the seats of others, too.
pub(super) const BARRIER_WATCHES: bool = !cfg!(ipc_planted = "barrier_no_watch");

/// Whether who waits sleeps on the words of members, too.
pub(super) const BARRIER_WATCHES_MEMBERS: bool = !cfg!(ipc_planted = "barrier_no_member_watch");

/// Whether who becomes a member wakes those who sleep, so that they sleep on its words, too.
pub(super) const BARRIER_CALLS_ROSTER: bool = !cfg!(ipc_planted = "barrier_no_roster_call");

/// Whether a reset takes the dead off who were told.
pub(super) const BARRIER_TELLS: bool = !cfg!(ipc_planted = "barrier_no_tell");

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

/// Bugs of a condition.
pub(super) mod condition {
    use ipc_core::primitive::AtomicU32;

    /// Whether who sleeps first in line wakes those behind it who may have been called.
    pub(in super::super) const SWEEPS: bool = !cfg!(ipc_planted = "condition_no_sweep");

    /// Whether permits are taken before the outer lock is.
    pub(in super::super) const TAKES_EARLY: bool = cfg!(ipc_planted = "condition_early");

    /// Whether who was woken takes the mark off the bell when it does not have the turn any more.
    pub(in super::super) const WITHDRAWS_LATE: bool =
        cfg!(ipc_planted = "condition_withdraws_late");

    /// Whether anybody may take one of so many permits.
    pub(in super::super) const fn steals(permits: u32) -> bool {
        cfg!(ipc_planted = "condition_steals") && permits > 0
    }

    /// Runs `body` with `word` as the pending one.
    pub(in super::super) fn with_pending(word: &AtomicU32, body: impl FnOnce()) {
        if cfg!(ipc_planted = "condition_no_pend") {
            body();
        } else {
            ipc_core::robust::with_pending(word, body);
        }
    }
}
