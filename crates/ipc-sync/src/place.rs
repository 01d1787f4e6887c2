//! Where a lock lies, and what every kind of lock does with the line it lies on.
//!
//! | field of the line | use |
//! |-------------------|-----|
//! | `word` | the lock ([`crate::raw`]) |
//! | `notes[0]` | whether the value is consistent (`Mutex`) |
//! | `notes[1]` | how often looking before sleeping was in vain ([`crate::raw`]) |
//! | `notes[2]` | how many deaths were found |
//! | `wide_notes[0]` | through which handle the lock was taken last |
//!
//! # Invariants
//!
//! - P1: The segment stays mapped while a thread of this process holds the lock through this place.
//!   A guard borrows the place; if it was forgotten, the place keeps the segment for ever.
//! - P2: Notes are only written by who holds the lock.
//!
//! # Safety
//!
//! What the engine asks for, that the line stays mapped while it is held, is P1.

#![expect(unsafe_code, reason = "promises the engine that the line stays mapped")]
#![expect(clippy::disallowed_types, reason = "the counter of handles never leaves the process")]

use core::mem;
use core::sync::atomic::AtomicU64;
use std::fs;
use std::io;
use std::path::Path;

use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::yield_now;
use ipc_core::robust::{RobustWord, Thread, support};
use ipc_core::{Deadline, Placed, Segment, SegmentError};

use crate::raw::{Holder, RawLock, Refused, Taken};

/// What a lock says about itself, at the moment of asking.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockStats {
    /// The id of the thread that holds it.
    pub holder: Option<u32>,
    /// Whether somebody may be asleep, waiting for it.
    pub has_waiters: bool,
    /// How many holders have died holding it, as far as those who took it after them have told.
    pub deaths: u32,
    /// Whether the value is half changed since a death or a panic; never for a lock without value.
    pub is_poisoned: bool,
}

/// One handle to a lock.
#[derive(Debug)]
pub(crate) struct Place {
    line: Placed<RobustWord>,
    /// Tells this handle from others in this process.
    id: u64,
}

impl Place {
    pub(crate) fn new(segment: &Segment, offset: usize) -> Result<Self, SegmentError> {
        support().map_err(|why| io::Error::new(io::ErrorKind::Unsupported, why))?;
        Ok(Self { line: segment.place(offset)?, id: new_id() })
    }

    pub(crate) fn segment(&self) -> &Segment {
        Placed::segment(&self.line)
    }

    pub(crate) fn offset(&self) -> usize {
        Placed::offset(&self.line)
    }

    #[inline]
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
    #[inline]
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

    pub(crate) fn is_locked(&self) -> bool {
        matches!(self.raw().holder(), Holder::Thread(_))
    }

    pub(crate) fn stats(&self) -> LockStats {
        let raw = self.raw();
        LockStats {
            holder: if let Holder::Thread(tid) = raw.holder() { Some(tid) } else { None },
            has_waiters: raw.has_waiters(),
            deaths: self.line.notes[2].load(Relaxed),
            is_poisoned: self.is_poisoned(),
        }
    }

    #[inline]
    pub(crate) fn line(&self) -> &RobustWord {
        &self.line
    }

    /// Notes what only the holder may note, after it has taken the lock.
    #[inline]
    fn note(&self, taken: Taken) {
        self.line.wide_notes[0].store(self.id, Relaxed);
        if taken == Taken::OwnerDied {
            self.note_death();
        }
    }

    #[cold]
    fn note_death(&self) {
        let deaths = &self.line.notes[2];
        deaths.store(deaths.load(Relaxed).saturating_add(1), Relaxed);
    }

    /// Whether a thread of this process holds the lock through this handle.
    ///
    /// When it is asked, all guards are gone or were forgotten. There is one way to be wrong: another
    /// handle's holder has taken the word and has yet to write its note, which it does at once.
    fn has_forgotten_guard(&self) -> bool {
        for _ in 0..100 {
            let Holder::Thread(tid) = self.raw().holder() else { return false };
            if self.line.wide_notes[0].load(Relaxed) != self.id || !is_thread_of_ours(tid) {
                return false;
            }
            yield_now();
        }
        true
    }

    #[inline]
    fn raw(&self) -> RawLock<'_> {
        RawLock::new(&self.line)
    }
}

impl Clone for Place {
    fn clone(&self) -> Self {
        Self { line: self.line.clone(), id: new_id() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.has_forgotten_guard() {
            #[expect(clippy::mem_forget, reason = "P1: the kernel has the address of the line")]
            mem::forget(self.segment().clone());
        }
    }
}

/// A number that no other handle of this process has.
fn new_id() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Relaxed) + 1
}

/// Whether this process has a thread with this id; where the system does not tell, it has.
fn is_thread_of_ours(tid: u32) -> bool {
    let threads = Path::new("/proc/self/task");
    threads.join(tid.to_string()).exists() || fs::metadata(threads).is_err()
}
