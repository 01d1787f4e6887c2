//! A lock for one writer or many readers: one word for writers, and a slot for each reader.
//!
//! Every part is a lock of its own ([`RawLock`]), so a dead reader's share comes back as a dead
//! holder's lock does, and nobody counts readers.
//!
//! | file | job |
//! |------|-----|
//! | `mod` | coming in to read, and leaving |
//! | `slots` | taking any slot, and sleeping until one is given back |
//! | `write` | coming in to write, and what a dead writer has left |
//! | `stats` | who is inside, who waits, who has died |
//!
//! # States
//!
//! | writer's word | slots | meaning |
//! |---------------|-------|---------|
//! | free | free | nobody is inside |
//! | free | some held | those are reading, or about to see that they must not |
//! | held | some held | a writer waits for these readers; or a reader waits here for a slot |
//! | held | free, `active` | somebody is writing |
//! | held, or `OWNER_DIED` | `active` | a writer has died inside; the next to take the word tells |
//!
//! # Moves
//!
//! | move | steps |
//! |------|-------|
//! | read, uncontended | the writer's word is `0`; take a slot; look at the writer's word once more: still `0` |
//! | read, contended | give back the slot; take the writer's word; take a slot; give back the word |
//! | write | take the writer's word; wait until each slot was seen free; set `active` |
//! | end of reading | give back the slot |
//! | end of writing | clear `active`; give back the writer's word |
//!
//! A reader takes a slot and then looks at the writer's word; a writer takes the word and then looks
//! at the slots. A full fence stands in between on both sides, so one of the two sees the other; the
//! one that always gives way is the reader, which then queues on the writer's word. So new readers do
//! not pass a waiting writer. Whoever holds the writer's word and has not yet set `active` has
//! changed nothing: its death is no more than the death of one who waited.
//!
//! Where all slots are taken, a reader waits for one with the writer's word in its hands.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `read_uncontended`, between slot and word | `drain`, between word and slots | that a reader and a writer cannot miss one another |
//!
//! What is written and read under the lock goes over the edges of its parts: who sees a word of
//! theirs free sees what its last holder did.
//!
//! # Invariants
//!
//! - W1: while `active` is set, its setter holds the writer's word, or died holding it.
//! - W2: only the holder of the writer's word sleeps on slots, so one wake-up of one sleeper is
//!   enough, and none is passed on.
//! - W3: `active`, the poison and the count of deaths are written by the holder of the writer's word
//!   only.
//!
//! | field of the writer's line | use |
//! |----------------------------|-----|
//! | `notes[0]` | whether the value is whole, poisoned, or poisoned and nobody was told of the death |
//! | `notes[1]` | how often looking before sleeping was in vain ([`crate::raw`]) |
//! | `notes[2]` | how many writers were found to have died inside |
//! | `wide_notes[0]` | `active` |
//! | `wide_notes[1]` | the hash of the type of the value (`RwLock`) |
//!
//! A slot's `notes[2]` counts the readers that were found to have died in it; the first slot's
//! `wide_notes[0]` says how many slots there are (`RwLock`).
//!
//! # Safety
//!
//! Nothing here is done through a pointer. What is unsafe is to let the kernel know the address of a
//! word that may go away; that is left to the callers, who vouch for all words of the lock.

#![expect(unsafe_code, reason = "taking a word hands its address to the kernel")]

mod slots;
mod stats;
mod write;

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::{AtomicU64, fence_after_exchange};
use ipc_core::robust::{RobustWord, Thread};

use super::planted::{RWLOCK_FENCES, RWLOCK_LOOKS_AGAIN, RWLOCK_RELEASES_FIRST};
use super::{RawLock, Refused, Taken};

/// The most readers that can be inside at the same time, whatever the lock was made for.
pub const MOST_READERS: usize = 127;

/// The states of what the lock protects.
const WHOLE: u32 = 0;
const POISONED: u32 = 1;
const UNTOLD: u32 = 2;

/// A lock on nothing, for one writer or many readers.
///
/// It may be used by any number of processes that have its words mapped. Words of zeros are a free
/// lock. There are as many slots as readers can be inside at the same time, at least one and at most
/// [`MOST_READERS`].
///
/// # Process death
///
/// A dead reader's share is free at once. If a writer dies inside, the next to come in is told
/// ([`Taken::OwnerDied`]), and the lock [is poisoned](Self::is_poisoned) until somebody [says
/// otherwise](Self::mark_consistent). The commit point of coming in to write is the store that sets
/// `active`, that of leaving the store that clears it; for a reader they are the exchanges on its
/// slot.
#[derive(Clone, Copy, Debug)]
pub struct RawRwLock<'words> {
    writer: &'words RobustWord,
    slots: &'words [RobustWord],
}

/// A reader's share of a lock.
#[must_use]
#[derive(Clone, Copy, Debug)]
pub struct Share<'words> {
    slot: RawLock<'words>,
}

impl<'words> Share<'words> {
    /// Leaves after reading; nothing happens if the calling thread does not have the share.
    #[inline]
    pub fn unlock_read(self, me: Thread) {
        self.slot.unlock(me);
    }

    const fn of(slot: &'words RobustWord) -> Self {
        Self { slot: RawLock::new(slot) }
    }

    /// Notes that the reader who had the slot before died.
    #[cold]
    fn note_death(self) {
        note_death(self.slot.line());
    }
}

impl<'words> RawRwLock<'words> {
    /// Makes a lock of a word for writers and slots for readers.
    #[inline]
    #[must_use]
    pub const fn new(writer: &'words RobustWord, slots: &'words [RobustWord]) -> Self {
        Self { writer, slots }
    }

    /// Comes in to read, waiting until `deadline` while a writer is inside or waits, or all slots
    /// are taken.
    ///
    /// # Errors
    ///
    /// [`Refused`] says why not; [`Refused::WouldDeadlock`] if the calling thread is inside already,
    /// reading or writing.
    ///
    /// # Safety
    ///
    /// The words must stay where they are, mapped and not used for anything else, until the calling
    /// thread has left or has ended: the kernel keeps their addresses.
    #[expect(clippy::inline_always, reason = "a call costs a fifth of what coming in to read does")]
    #[inline(always)]
    pub unsafe fn read(
        self,
        me: Thread,
        deadline: Deadline,
    ) -> Result<(Share<'words>, Taken), Refused> {
        // SAFETY: the caller vouches for the words.
        match unsafe { self.read_uncontended(me) } {
            Some(share) => Ok((share, Taken::Clean)),
            // SAFETY: the caller vouches for the words.
            None => unsafe { self.afresh().read_contended(me, Some(deadline)) },
        }
    }

    /// Comes in to read if that is possible without waiting.
    ///
    /// # Errors
    ///
    /// [`Refused::Held`] if it is not, and as [`read`](Self::read).
    ///
    /// # Safety
    ///
    /// As for [`read`](Self::read).
    #[inline]
    pub unsafe fn try_read(self, me: Thread) -> Result<(Share<'words>, Taken), Refused> {
        // SAFETY: the caller vouches for the words.
        match unsafe { self.read_uncontended(me) } {
            Some(share) => Ok((share, Taken::Clean)),
            // SAFETY: the caller vouches for the words.
            None => unsafe { self.afresh().read_contended(me, None) },
        }
    }

    /// Comes in to write, waiting until `deadline` for all who are inside.
    ///
    /// # Errors
    ///
    /// [`Refused`] says why not; [`Refused::WouldDeadlock`] if the calling thread is inside already,
    /// reading or writing.
    ///
    /// # Safety
    ///
    /// As for [`read`](Self::read).
    #[inline]
    pub unsafe fn write(self, me: Thread, deadline: Deadline) -> Result<Taken, Refused> {
        // SAFETY: the caller vouches for the words.
        unsafe { self.enter(me, Some(deadline)) }
    }

    /// Comes in to write if that is possible without waiting.
    ///
    /// # Errors
    ///
    /// [`Refused::Held`] if it is not, and as [`write`](Self::write).
    ///
    /// # Safety
    ///
    /// As for [`read`](Self::read).
    #[inline]
    pub unsafe fn try_write(self, me: Thread) -> Result<Taken, Refused> {
        // SAFETY: the caller vouches for the words.
        unsafe { self.enter(me, None) }
    }

    /// Leaves after writing; nothing happens if the calling thread is not inside to write.
    #[inline]
    pub fn unlock_write(self, me: Thread) {
        if self.is_written_by(me) {
            if RWLOCK_RELEASES_FIRST {
                self.word().unlock(me);
            }
            self.active().store(0, Relaxed);
            self.word().unlock(me);
        }
    }

    /// Becomes a reader, and lets no other writer in between; the caller is inside to write.
    ///
    /// # Errors
    ///
    /// [`Refused::TooManyHeld`], or what somebody who scribbled over the slots has earned us; then
    /// the calling thread is still inside to write.
    ///
    /// # Safety
    ///
    /// As for [`read`](Self::read).
    pub unsafe fn downgrade(self, me: Thread) -> Result<Share<'words>, Refused> {
        // Readers that are about to give way have the slots for a moment at most.
        // SAFETY: the caller vouches for the words.
        let share = unsafe { self.find_slot(me, Some(Deadline::NEVER)) }?;
        self.unlock_write(me);
        Ok(share)
    }

    /// Whether the calling thread is inside to write.
    #[inline]
    #[must_use]
    pub fn is_written_by(self, me: Thread) -> bool {
        me.holds(self.writer)
    }

    /// Whether a writer died inside, or said so, and nobody has made up for it.
    #[inline]
    #[must_use]
    pub fn is_poisoned(self) -> bool {
        self.writer.notes[0].load(Relaxed) != WHOLE
    }

    /// Says that what the lock protects is half changed; the caller is inside to write.
    pub fn poison(self) {
        self.writer.notes[0].store(POISONED, Relaxed);
    }

    /// Says that what the lock protects is whole; the caller is inside to write.
    pub fn mark_consistent(self) {
        self.writer.notes[0].store(WHOLE, Relaxed);
    }

    /// Comes in to read if nobody writes or wants to, and the thread's own slot is free.
    ///
    /// # Safety
    ///
    /// As for [`read`](Self::read).
    #[expect(clippy::inline_always, reason = "a call costs a fifth of what coming in to read does")]
    #[inline(always)]
    unsafe fn read_uncontended(self, me: Thread) -> Option<Share<'words>> {
        if !self.word().is_untouched() || me.holds_any(self.slots) {
            return None;
        }
        let share = Share::of(self.slots.get(self.own_slot(me))?);
        // SAFETY: the caller vouches for the words.
        match unsafe { share.slot.try_lock(me) } {
            Ok(Taken::Clean) => {}
            Ok(Taken::OwnerDied) => share.note_death(),
            Err(_) => return None,
        }
        if RWLOCK_FENCES {
            // E1 release. It completes the exchange that took the slot.
            fence_after_exchange();
        }
        if self.word().is_untouched() || !RWLOCK_LOOKS_AGAIN {
            return Some(share);
        }
        share.unlock_read(me);
        None
    }

    /// Comes in to read by way of the writer's word, which keeps writers out meanwhile.
    ///
    /// # Safety
    ///
    /// As for [`read`](Self::read).
    #[cold]
    unsafe fn read_contended(
        self,
        me: Thread,
        patience: Option<Deadline>,
    ) -> Result<(Share<'words>, Taken), Refused> {
        if me.holds_any(self.slots) {
            return Err(Refused::WouldDeadlock);
        }
        // SAFETY: the caller vouches for the words.
        unsafe { self.take_word(me, patience) }?;
        // SAFETY: the caller vouches for the words.
        let found = unsafe { self.find_slot(me, patience) }.map(|share| (share, self.tell()));
        self.word().unlock(me);
        found
    }

    /// The same, in other registers: a call that is seldom made takes the address of this one, and
    /// nothing of what the common way uses need lie in memory.
    #[inline]
    const fn afresh(self) -> Self {
        Self::new(self.writer, self.slots)
    }

    #[inline]
    fn active(self) -> &'words AtomicU64 {
        &self.writer.wide_notes[0]
    }

    #[inline]
    fn word(self) -> RawLock<'words> {
        RawLock::new(self.writer)
    }
}

/// Counts a death; the caller holds the word.
#[cold]
fn note_death(line: &RobustWord) {
    let deaths = &line.notes[2];
    deaths.store(deaths.load(Relaxed).saturating_add(1), Relaxed);
}
