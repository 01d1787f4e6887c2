//! The queue of those who wait: a lock's word that one takes in order to wait, unless it is called
//! before.
//!
//! The word is that of a [`RawLock`], with all its moves. What is added: who sleeps on it sleeps on
//! the state as well, with the value in which it was not called, so it cannot fall asleep after it
//! was. And who finds the word held and itself called does not take it any more, but leaves the
//! mark of the sleepers with the holder, as one that is timed out does.

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::{AtomicU64, Spin, Wait, Woken, futex_wait_any, futex_wake};
use ipc_core::robust::{OWNER, Thread, WAITERS};

use super::super::Refused;
use super::super::planted::{KEPT, pend};
use super::super::word::{RawLock, TRIES};

/// What came of queueing.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The word is held by the calling thread.
    Mine,
    /// The word is another's; the calling thread was called.
    Called,
    /// The word is another's; the deadline has come.
    TimedOut,
}

/// Takes the word, unless `is_called` says of what `state` holds that there is no need.
///
/// # Safety
///
/// As for [`RawLock::lock`].
pub(super) unsafe fn enter(
    word: RawLock<'_>,
    me: Thread,
    deadline: Deadline,
    state: &AtomicU64,
    is_called: impl Fn(u64) -> bool,
) -> Result<Turn, Refused> {
    me.reserve(word.line())?;
    // SAFETY: cleared before we return.
    unsafe { pend(me, word.word()) };
    let turn = wait(word, me, deadline, state, is_called);
    if turn == Ok(Turn::Mine) {
        // SAFETY: the caller vouches for the word.
        unsafe { me.link(word.line()) };
    }
    me.pend_clear();
    turn
}

fn wait(
    word: RawLock<'_>,
    me: Thread,
    deadline: Deadline,
    state: &AtomicU64,
    is_called: impl Fn(u64) -> bool,
) -> Result<Turn, Refused> {
    let mut spin = Spin::new(&word.line().notes[1]);
    let mut slept = 0;
    for round in 1_u64.. {
        // Where honest peers are, a round ends in a nap; nobody else shall hold us here.
        if round.is_multiple_of(TRIES) && deadline.is_past() {
            if slept != 0 {
                // We may have been woken in place of another, and have not looked since.
                futex_wake(word.word(), 1);
            }
            break;
        }
        let seen = word.word().load(Relaxed);
        if seen & OWNER == 0 {
            // Free: it is taken even by one who is called, who may have been woken to take it.
            match word.take(me, seen, slept) {
                Some(_) => {
                    spin.learn(&word.line().notes[1], slept != 0);
                    return Ok(Turn::Mine);
                }
                None => continue,
            }
        }
        if seen & OWNER == me.tid() {
            return Err(Refused::Corrupt);
        }
        let before = state.load(Relaxed);
        let called = is_called(before);
        if called || deadline.is_past() {
            // Who was woken leaves the mark with the holder it found.
            if slept == 0 || word.announce(seen) {
                return Ok(if called { Turn::Called } else { Turn::TimedOut });
            }
            continue;
        }
        if spin.again(&word.line().notes[1]) || !word.announce(seen) {
            continue;
        }
        let waits = [
            Wait::on(word.word(), seen | WAITERS),
            Wait::on_low_half(state, before),
            Wait::on_high_half(state, before),
        ];
        match futex_wait_any(&waits, deadline) {
            Woken::Changed => {} // Then we did not sleep.
            Woken::By(_) | Woken::TimedOut => slept = KEPT,
        }
    }
    Ok(Turn::TimedOut)
}
