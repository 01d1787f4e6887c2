//! Life words: a thread that holds one lives.
//!
//! # States
//!
//! | word | meaning |
//! |------|---------|
//! | `0` | nobody's |
//! | thread id | held by that thread, which lives |
//! | thread id \| `WAITERS` | the same; somebody may sleep on the word until it dies |
//! | `OWNER_DIED` (\| `WAITERS`) | its holder died and was not replaced |
//!
//! A thread takes a life word when it joins something that must know of its death, and holds it
//! until it leaves or dies. Nobody waits for a life word to become free, so there is no baton to
//! hand on: leaving stores zero.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `leave`, and the kernel at a death | `join`, `replace`, `value`, `watch` | all that the holder did before it left or died |

#![expect(unsafe_code, reason = "the kernel keeps the addresses of words that are held")]

use super::{OWNER, OWNER_DIED, RobustWord, Thread, TooManyHeld, WAITERS};
use crate::primitive::Ordering::{Acquire, Relaxed, Release};
use crate::primitive::{AtomicU32, AtomicU64};

/// A word that shows whether the thread that holds it lives.
#[cfg_attr(not(ipc_loom), repr(transparent))]
#[derive(Debug, Default)]
pub struct Life(RobustWord);

/// What a life word says.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alive {
    /// Nobody holds the word.
    Nobody,
    /// The thread with this id holds it, and lives.
    Yes(u32),
    /// Its holder died.
    Died,
}

impl Life {
    /// Makes a word that is nobody's.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the word for the calling thread if it is nobody's.
    ///
    /// # Errors
    ///
    /// [`TooManyHeld`] if the thread's list is full.
    ///
    /// # Safety
    ///
    /// The word lies in a [`Segment`](crate::Segment), which then stays mapped as long as need be,
    /// whatever becomes of its handles; or whoever calls sees to it that the word stays where it is
    /// until the thread [leaves](Self::leave) or has ended.
    pub unsafe fn join(&self, me: Thread) -> Result<bool, TooManyHeld> {
        // SAFETY: the caller vouches for the word.
        unsafe { self.take(me, 0, me.tid()) }
    }

    /// The same where somebody may sleep on the word already, or will, without a mark of its own:
    /// the kernel wakes one of them when the thread dies.
    ///
    /// # Errors
    ///
    /// [`TooManyHeld`] if the thread's list is full.
    ///
    /// # Safety
    ///
    /// As for [`join`](Self::join).
    pub unsafe fn join_watched(&self, me: Thread) -> Result<bool, TooManyHeld> {
        // SAFETY: the caller vouches for the word.
        unsafe { self.take(me, 0, me.tid() | WAITERS) }
    }

    /// Takes the word for the calling thread if its holder died.
    ///
    /// The caller then cleans up after the dead, before it does anything else under this word.
    /// Until it has, others may take what the dead left for the caller's own and go to sleep on
    /// the word: should the caller die, the kernel wakes one of them.
    ///
    /// # Errors
    ///
    /// [`TooManyHeld`] if the thread's list is full.
    ///
    /// # Safety
    ///
    /// As for [`join`](Self::join).
    pub unsafe fn replace(&self, me: Thread) -> Result<bool, TooManyHeld> {
        let found = self.value();
        if found & (OWNER_DIED | OWNER) == OWNER_DIED {
            // SAFETY: the caller vouches for the word.
            unsafe { self.take(me, found, me.tid() | WAITERS) }
        } else {
            Ok(false)
        }
    }

    /// # Safety
    ///
    /// As for [`join`](Self::join).
    unsafe fn take(&self, me: Thread, from: u32, to: u32) -> Result<bool, TooManyHeld> {
        me.reserve(&self.0)?;
        // The pending word covers the time between the exchange and the link. The other way round
        // would do harm: linking writes into the word's line, through which the list of another
        // holder may pass.
        // SAFETY: cleared below.
        unsafe { me.pend(&self.0.word) };
        // E1 acquire.
        let taken = self.0.word.compare_exchange(from, to, Acquire, Relaxed).is_ok();
        if taken {
            // SAFETY: the caller vouches for the word.
            unsafe { me.link(&self.0) };
        }
        me.pend_clear();
        Ok(taken)
    }

    /// Gives the word back; nothing happens if the calling thread does not hold it.
    pub fn leave(&self, me: Thread) {
        // What the list holds is known from private memory: it must not keep a word that somebody
        // has scribbled over, for the word's memory may soon be gone.
        if me.holds(&self.0) {
            // Off the list first: from the store on, the next holder's list passes through the
            // line. The pending word covers the time between.
            // SAFETY: cleared below.
            unsafe { me.pend(&self.0.word) };
            me.unlink(&self.0);
            if self.0.word.load(Relaxed) & OWNER == me.tid() {
                // E1 release.
                self.0.word.swap(0, Release);
            }
            me.pend_clear();
        }
    }

    /// Whether the calling thread holds the word.
    ///
    /// In a forked child it does not, whatever its parent held.
    #[must_use]
    pub fn is_held_by(&self, me: Thread) -> bool {
        self.0.word.load(Relaxed) & OWNER == me.tid() && me.holds(&self.0)
    }

    /// Whether the holder lives.
    #[inline]
    pub fn alive(&self) -> Alive {
        Self::meaning(self.value())
    }

    /// The word's value, for [`meaning`](Self::meaning) and to sleep on.
    #[inline]
    #[must_use]
    pub fn value(&self) -> u32 {
        // E1 acquire.
        self.0.word.load(Acquire)
    }

    /// Sees to it that the kernel wakes one of those who sleep on the word if its holder dies, and
    /// returns what the word holds then.
    ///
    /// Nothing happens if nobody who lives holds it.
    #[must_use]
    pub fn watch(&self) -> u32 {
        let found = self.value();
        let is_alive = matches!(Self::meaning(found), Alive::Yes(_));
        if !is_alive || found & WAITERS != 0 {
            return found;
        }
        // E1 acquire.
        match self.0.word.compare_exchange(found, found | WAITERS, Acquire, Acquire) {
            Ok(_) => found | WAITERS,
            Err(now) => now,
        }
    }

    /// What the word says when it holds `value`.
    pub fn meaning(value: u32) -> Alive {
        match value & OWNER {
            0 if value & OWNER_DIED != 0 => Alive::Died,
            0 => Alive::Nobody,
            tid => Alive::Yes(tid),
        }
    }

    /// Two words beside it, for the user of the life word; only ever touched by it.
    #[must_use]
    pub fn notes(&self) -> &[AtomicU64; 2] {
        &self.0.wide_notes
    }

    /// The word itself, to sleep on together with others.
    #[must_use]
    pub fn word(&self) -> &AtomicU32 {
        &self.0.word
    }
}
