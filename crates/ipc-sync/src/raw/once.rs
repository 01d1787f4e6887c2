//! Something that is to be done once: a lock for whoever does it, and a mark that it was done.
//!
//! # States
//!
//! | word ([`super::RawLock`]) | mark | meaning |
//! |---------------------------|------|---------|
//! | free | `0` | nobody has begun, or whoever began has given up |
//! | a thread id | `0` | that thread is at it |
//! | `OWNER_DIED` | `0` | whoever was at it died |
//! | anything | `DONE` | done, for ever; the word is on its way to being free |
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `complete` | `is_completed` | all that was done, to whoever relies on its being done |
//!
//! What one who gave up or died has done is carried to the next by the edge of the lock's word.
//!
//! # Invariants
//!
//! - O2: the mark goes from zero to `DONE` once, by one store of whoever holds the word: the
//!   commit point. Nobody of ours takes it away.
//! - O3: the counts are written by who holds the word only.
//!
//! # Safety
//!
//! Nothing here is done through a pointer: that the word stays where it is while it is held is
//! left to the callers, as [`super::RawLock`] leaves it.

#![expect(unsafe_code, reason = "taking the word hands its address to the kernel")]

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::{AtomicU32, AtomicU64};
use ipc_core::robust::{RobustWord, Thread};

use super::planted::once::{ACQUIRE, LOOKS_AGAIN, RELEASE};
use super::{Holder, NotHeld, RawLock, Refused, Taken};

/// It was done. Any other number is nothing that we wrote, and counts as not done.
const DONE: u32 = 1;

/// A mark that something was done, and a lock for whoever does it.
///
/// It may be used by any number of processes that have the line mapped. A line of zeros is one that
/// nobody has begun.
///
/// # Process death
///
/// If whoever is at it dies, the next takes over, and is told how many died before. The commit
/// point of having done it is the store of the mark.
#[derive(Clone, Copy, Debug)]
pub struct RawOnce<'word> {
    line: &'word RobustWord,
}

/// What an attempt to begin came to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It was done before.
    Before,
    /// The calling thread is to do it now.
    ByMe,
}

impl<'word> RawOnce<'word> {
    /// Makes one of a line.
    #[inline]
    #[must_use]
    pub const fn new(line: &'word RobustWord) -> Self {
        Self { line }
    }

    /// Whether it was done.
    #[inline]
    #[must_use]
    pub fn is_completed(self) -> bool {
        // E1 acquire.
        self.mark().load(ACQUIRE) == DONE
    }

    /// Begins it if it was not done, waiting until `deadline` for whoever is at it.
    ///
    /// # Errors
    ///
    /// [`Refused::WouldDeadlock`] if the calling thread is at it; else as [`RawLock::lock`].
    ///
    /// # Safety
    ///
    /// As for [`RawLock::lock`].
    #[inline]
    pub unsafe fn begin(self, me: Thread, deadline: Deadline) -> Result<Begun, Refused> {
        if self.is_completed() {
            return Ok(Begun::Before);
        }
        // SAFETY: the caller vouches for the word.
        let taken = unsafe { self.word().lock(me, deadline) };
        self.begun(me, taken)
    }

    /// Begins it if it was not done and nobody is at it.
    ///
    /// # Errors
    ///
    /// [`Refused::Held`] if somebody is at it, perhaps the calling thread; else as
    /// [`RawLock::lock`].
    ///
    /// # Safety
    ///
    /// As for [`RawLock::lock`].
    #[inline]
    pub unsafe fn try_begin(self, me: Thread) -> Result<Begun, Refused> {
        if self.is_completed() {
            return Ok(Begun::Before);
        }
        // SAFETY: the caller vouches for the word.
        let taken = unsafe { self.word().try_lock(me) };
        self.begun(me, taken)
    }

    /// Says that it was done.
    ///
    /// # Errors
    ///
    /// [`NotHeld`] if the calling thread is not at it, as a forked child is not at what its parent
    /// has begun.
    pub fn complete(self, me: Thread) -> Result<(), NotHeld> {
        if !me.holds(self.line) {
            return Err(NotHeld);
        }
        // E1 release.
        self.mark().store(DONE, RELEASE);
        self.word().unlock(me);
        Ok(())
    }

    /// Gives up: the next may begin, and is told. Nothing happens if the calling thread is not at
    /// it.
    pub fn give_up(self, me: Thread) {
        if me.holds(self.line) {
            let failures = self.failures_word();
            failures.store(failures.load(Relaxed).saturating_add(1), Relaxed);
            self.word().unlock(me);
        }
    }

    /// How many died at it, as far as those who came after them have told.
    #[must_use]
    pub fn deaths(self) -> u32 {
        self.deaths_word().load(Relaxed)
    }

    /// How many gave up.
    #[must_use]
    pub fn failures(self) -> u64 {
        self.failures_word().load(Relaxed)
    }

    /// Who is at it, at the moment of asking.
    #[must_use]
    pub fn holder(self) -> Holder {
        self.word().holder()
    }

    /// Whether somebody may be asleep until it is done.
    #[must_use]
    pub fn has_waiters(self) -> bool {
        self.word().has_waiters()
    }

    /// How many sleep now until it is done.
    #[must_use]
    pub fn n_asleep(self) -> u32 {
        self.word().n_asleep()
    }

    fn begun(self, me: Thread, taken: Result<Taken, Refused>) -> Result<Begun, Refused> {
        let taken = match taken {
            Ok(taken) => taken,
            // Whoever is at it may have done it since.
            Err(_) if self.is_completed() => return Ok(Begun::Before),
            Err(refused) => return Err(refused),
        };
        if LOOKS_AGAIN && self.is_completed() {
            self.word().unlock(me);
            return Ok(Begun::Before);
        }
        if taken == Taken::OwnerDied {
            let deaths = self.deaths_word();
            deaths.store(deaths.load(Relaxed).saturating_add(1), Relaxed);
        }
        Ok(Begun::ByMe)
    }

    #[inline]
    const fn word(self) -> RawLock<'word> {
        RawLock::new(self.line)
    }

    #[inline]
    const fn mark(self) -> &'word AtomicU32 {
        &self.line.notes[0]
    }

    const fn deaths_word(self) -> &'word AtomicU32 {
        &self.line.notes[2]
    }

    const fn failures_word(self) -> &'word AtomicU64 {
        &self.line.wide_notes[0]
    }
}
