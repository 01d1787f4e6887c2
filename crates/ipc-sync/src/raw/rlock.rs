//! A lock that its holder may take again: the lock's word, and how many times it was taken.
//!
//! # States
//!
//! | word ([`super::RawLock`]) | depth | meaning |
//! |---------------------------|-------|---------|
//! | free | anything | nobody holds it |
//! | a thread id | `n` > 0 | that thread has taken it `n` times more than it has given it back |
//! | a thread id | anything | for a moment: the thread has the word and has not written the depth yet |
//! | `OWNER_DIED` | anything | the last holder died, at whatever depth |
//!
//! # Moves
//!
//! | move | by | word | depth |
//! |------|----|------|-------|
//! | take | anybody | as [`super::RawLock`] has it | then `1`, whatever it was |
//! | take again | the holder | – | one more |
//! | give back a level | the holder | – | one less |
//! | give back the last | the holder | as [`super::RawLock`] has it | – |
//!
//! # Invariants
//!
//! - R1: the depth is written by the holder of the word only, and means something only while the
//!   word is held. So no death leaves anything to repair: whoever takes the word next writes the
//!   depth anew.
//! - R2: whether a thread holds the word is known from its private list, not from the word: a
//!   forked child does not hold what its parent holds, and who scribbles over the word or the
//!   depth can let nobody hold it who has not taken it.
//!
//! Every access here is `Relaxed`: what the lock carries is carried by the edges of its word.
//!
//! # Safety
//!
//! Nothing here is done through a pointer: that the word stays where it is while it is held is
//! left to the callers, as [`super::RawLock`] leaves it.

#![expect(unsafe_code, reason = "taking the word hands its address to the kernel")]

use ipc_core::Deadline;
use ipc_core::primitive::AtomicU32;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{RobustWord, Thread};

use super::planted::rlock::{COUNTS, STARTS_ANEW};
use super::{Holder, RawLock, Refused, Taken};

/// The calling thread does not hold what it wanted to give back; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotHeld;

/// A lock on nothing that its holder may take again: one word and a count.
///
/// It may be used by any number of processes that have the line mapped. A line of zeros is free.
///
/// # Process death
///
/// As [`RawLock`]; the levels of the dead are gone with it, and whoever takes the word after it
/// holds it once.
#[derive(Clone, Copy, Debug)]
pub struct RawRLock<'word> {
    line: &'word RobustWord,
}

impl<'word> RawRLock<'word> {
    /// Makes a lock of a line.
    #[inline]
    #[must_use]
    pub const fn new(line: &'word RobustWord) -> Self {
        Self { line }
    }

    /// Takes the lock, or one more level of it, waiting for it until `deadline`.
    ///
    /// # Errors
    ///
    /// [`Refused::TooDeep`] if it cannot be counted any more; else as [`RawLock::lock`], except
    /// that nobody waits for itself.
    ///
    /// # Safety
    ///
    /// As for [`RawLock::lock`].
    #[inline]
    pub unsafe fn lock(self, me: Thread, deadline: Deadline) -> Result<Taken, Refused> {
        if me.holds(self.line) {
            return self.enter();
        }
        // SAFETY: the caller vouches for the word.
        let taken = unsafe { self.word().lock(me, deadline) }?;
        self.begin(1);
        Ok(taken)
    }

    /// Takes the lock if it is free, or one more level of it.
    ///
    /// # Errors
    ///
    /// [`Refused::Held`] if somebody else holds it, and as [`lock`](Self::lock).
    ///
    /// # Safety
    ///
    /// As for [`RawLock::lock`].
    #[inline]
    pub unsafe fn try_lock(self, me: Thread) -> Result<Taken, Refused> {
        if me.holds(self.line) {
            return self.enter();
        }
        // SAFETY: the caller vouches for the word.
        let taken = unsafe { self.word().try_lock(me) }?;
        self.begin(1);
        Ok(taken)
    }

    /// Gives back one level, and with the last one the lock.
    ///
    /// # Errors
    ///
    /// [`NotHeld`] if the calling thread does not hold it.
    #[inline]
    pub fn unlock(self, me: Thread) -> Result<(), NotHeld> {
        if !me.holds(self.line) {
            return Err(NotHeld);
        }
        match self.depth_word().load(Relaxed) {
            // Zero is nothing that the holder has written.
            0 | 1 => self.word().unlock(me),
            _ if !COUNTS => self.word().unlock(me),
            levels => self.depth_word().store(levels - 1, Relaxed),
        }
        Ok(())
    }

    /// Gives back all levels and says how many there were, for [`restore`](Self::restore).
    ///
    /// # Errors
    ///
    /// [`NotHeld`] if the calling thread does not hold it.
    pub fn unlock_all(self, me: Thread) -> Result<u32, NotHeld> {
        if !me.holds(self.line) {
            return Err(NotHeld);
        }
        let levels = self.depth_word().load(Relaxed);
        self.word().unlock(me);
        Ok(levels)
    }

    /// Takes the lock as often as it was held before [`unlock_all`](Self::unlock_all).
    ///
    /// # Errors
    ///
    /// As [`RawLock::lock`].
    ///
    /// # Safety
    ///
    /// As for [`RawLock::lock`].
    pub unsafe fn restore(self, me: Thread, levels: u32) -> Result<Taken, Refused> {
        // SAFETY: the caller vouches for the word.
        let taken = unsafe { self.word().lock(me, Deadline::NEVER) }?;
        self.begin(levels);
        Ok(taken)
    }

    /// How many levels its holder holds, at the moment of asking: zero if there is none.
    #[must_use]
    pub fn depth(self) -> u32 {
        match self.word().holder() {
            Holder::Thread(_) => self.depth_word().load(Relaxed).max(1),
            Holder::Nobody | Holder::Died => 0,
        }
    }

    /// Takes one more level. The calling thread holds the word.
    fn enter(self) -> Result<Taken, Refused> {
        let levels = self.depth_word().load(Relaxed);
        let more = levels.checked_add(1).ok_or(Refused::TooDeep)?;
        self.depth_word().store(more, Relaxed);
        Ok(Taken::Clean)
    }

    /// Notes the depth. The calling thread has just taken the word.
    #[inline]
    fn begin(self, levels: u32) {
        if STARTS_ANEW || self.depth_word().load(Relaxed) == 0 {
            self.depth_word().store(levels, Relaxed);
        }
    }

    /// The line that the word lies on.
    #[inline]
    pub(super) const fn line(self) -> &'word RobustWord {
        self.line
    }

    #[inline]
    const fn word(self) -> RawLock<'word> {
        RawLock::new(self.line)
    }

    /// How many levels are held: a note of the line.
    #[inline]
    const fn depth_word(self) -> &'word AtomicU32 {
        let [depth, ..] = &self.line.notes;
        depth
    }
}
