//! Where a lock lies, and what every kind of lock does with the line it lies on.
//!
//! | field of the line | use |
//! |-------------------|-----|
//! | `word` | the lock ([`crate::raw`]) |
//! | `notes[0]` | whether the value is consistent (`Mutex`); how often it is held (`RLock`); whether it was done (`Once`) |
//! | `notes[1]` | how often looking before sleeping was in vain, and how often it was taken ([`crate::raw`]) |
//! | `notes[2]` | how many deaths were found |
//! | `wide_notes[0]` | how many gave up (`Once`) |
//! | `wide_notes[1]` | the hash of the type of the value (`Mutex`) |
//!
//! # Invariants
//!
//! - P1: The line lies in a segment, which stays mapped as long as a thread of this process holds the
//!   lock, whatever becomes of guards and handles: the robust list sees to that.
//! - P2: Notes are only written by who holds the lock.
//!
//! # Safety
//!
//! What the engine asks for, that the line stays mapped while it is held, is P1.

#![expect(unsafe_code, reason = "promises the engine that the line stays mapped")]

use std::io;

use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{RobustWord, Thread, support};
use ipc_core::{Deadline, Placed, Segment, SegmentError};

use crate::raw::{Holder, NotHeld, RawLock, Refused, Taken};
use crate::who::Who;

/// What a lock says about itself, at the moment of asking.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockStats {
    /// The thread that holds it.
    pub holder: Option<Who>,
    /// Whether somebody may be asleep, waiting for it.
    pub has_waiters: bool,
    /// How many sleep now, waiting for it. Who has only just come and still looks is not among them,
    /// nor is the dead.
    pub waiters: u32,
    /// How many holders have died holding it, as far as those who took it after them have told.
    pub deaths: u32,
    /// Whether the value is half changed since a death or a panic; never for a lock without value.
    pub is_poisoned: bool,
    /// How often its holder holds it: zero if nobody does, and more than one for an `RLock` only.
    pub depth: u32,
}

/// One handle to a lock.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    line: Placed<RobustWord>,
}

impl Place {
    pub(crate) fn new(segment: &Segment, offset: usize) -> Result<Self, SegmentError> {
        is_supported()?;
        Ok(Self { line: segment.place(offset)? })
    }

    /// The same in a segment of any kind.
    ///
    /// # Safety
    ///
    /// As for [`Segment::place_exclusive`].
    pub(crate) unsafe fn new_exclusive(
        segment: &Segment,
        offset: usize,
    ) -> Result<Self, SegmentError> {
        is_supported()?;
        // SAFETY: the caller vouches for it.
        Ok(Self { line: unsafe { segment.place_exclusive(offset) }? })
    }

    pub(crate) fn segment(&self) -> &Segment {
        Placed::segment(&self.line)
    }

    pub(crate) fn offset(&self) -> usize {
        Placed::offset(&self.line)
    }

    #[expect(clippy::inline_always, reason = "a call costs a fifth of what a free lock does")]
    #[inline(always)]
    pub(crate) fn lock(&self, deadline: Deadline) -> Result<Taken, Refused> {
        // SAFETY: the line stays mapped until the word is given back: P1.
        let taken = unsafe { self.raw().lock(Thread::current(), deadline) }?;
        self.note(taken);
        Ok(taken)
    }

    #[inline]
    pub(crate) fn try_lock(&self) -> Result<Taken, Refused> {
        // SAFETY: the line stays mapped until the word is given back: P1.
        let taken = unsafe { self.raw().try_lock(Thread::current()) }?;
        self.note(taken);
        Ok(taken)
    }

    /// Gives the lock back; nothing happens in a forked child, which does not hold it.
    #[expect(clippy::inline_always, reason = "a call costs a fifth of what a free lock does")]
    #[inline(always)]
    pub(crate) fn unlock(&self) {
        self.raw().unlock(Thread::current());
    }

    /// Whether the calling thread holds the lock.
    pub(crate) fn is_mine(&self) -> bool {
        Thread::current().holds(&self.line)
    }

    /// Whether the value was marked as half changed.
    #[inline]
    pub(crate) fn is_poisoned(&self) -> bool {
        self.line.notes[0].load(Relaxed) != 0
    }

    /// Marks the value as half changed.
    pub(crate) fn poison(&self) {
        self.line.notes[0].store(1, Relaxed);
    }

    /// Marks the value as whole.
    pub(crate) fn mark_consistent(&self) {
        self.line.notes[0].store(0, Relaxed);
    }

    /// Gives the lock back, if the calling thread holds it.
    pub(crate) fn release(&self) -> Result<(), NotHeld> {
        if self.is_mine() {
            self.unlock();
            Ok(())
        } else {
            Err(NotHeld)
        }
    }

    pub(crate) fn is_locked(&self) -> bool {
        matches!(self.raw().holder(), Holder::Thread(_))
    }

    pub(crate) fn stats(&self) -> LockStats {
        let raw = self.raw();
        LockStats {
            holder: if let Holder::Thread(tid) = raw.holder() { Some(Who::is(tid)) } else { None },
            has_waiters: raw.has_waiters(),
            waiters: raw.n_asleep(),
            deaths: self.line.notes[2].load(Relaxed),
            is_poisoned: self.is_poisoned(),
            depth: u32::from(self.is_locked()),
        }
    }

    #[inline]
    pub(crate) fn line(&self) -> &RobustWord {
        &self.line
    }

    /// Notes what only the holder may note, after it has taken the lock.
    #[inline]
    pub(crate) fn note(&self, taken: Taken) {
        if taken == Taken::OwnerDied {
            self.note_death();
        }
    }

    #[cold]
    fn note_death(&self) {
        let deaths = &self.line.notes[2];
        deaths.store(deaths.load(Relaxed).saturating_add(1), Relaxed);
    }

    #[inline]
    fn raw(&self) -> RawLock<'_> {
        RawLock::new(&self.line)
    }
}

/// That the kernel tells of deaths in this process: nothing here works where it does not.
pub(crate) fn is_supported() -> io::Result<()> {
    support().map_err(|why| io::Error::new(io::ErrorKind::Unsupported, why))
}
