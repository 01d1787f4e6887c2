//! Coming in to write: the writer's word, then all slots; and what a dead writer has left.

#![expect(unsafe_code, reason = "taking a word hands its address to the kernel")]

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::fence_after_exchange;
use ipc_core::robust::{RobustWord, Thread};

use super::super::planted::{RWLOCK_ACTIVE, RWLOCK_FENCES};
use super::super::{RawLock, Refused, Taken};
use super::{POISONED, RawRwLock, UNTOLD, note_death};

impl RawRwLock<'_> {
    /// Comes in to write.
    ///
    /// # Safety
    ///
    /// As for [`read`](Self::read).
    #[inline]
    pub(super) unsafe fn enter(
        self,
        me: Thread,
        patience: Option<Deadline>,
    ) -> Result<Taken, Refused> {
        if me.holds_any(self.slots) {
            return Err(Refused::WouldDeadlock);
        }
        // SAFETY: the caller vouches for the words.
        unsafe { self.take_word(me, patience) }?;
        // SAFETY: the caller vouches for the words.
        match unsafe { self.drain(me, patience) } {
            Ok(()) => {
                self.active().store(RWLOCK_ACTIVE, Relaxed);
                Ok(self.tell())
            }
            Err(why) => {
                self.word().unlock(me);
                Err(why)
            }
        }
    }

    /// Sees to it that nobody reads, with the writer's word in hand.
    ///
    /// # Safety
    ///
    /// As for [`read`](Self::read).
    #[inline]
    unsafe fn drain(self, me: Thread, patience: Option<Deadline>) -> Result<(), Refused> {
        if RWLOCK_FENCES {
            // E1 acquire. It completes the exchange that took the word.
            fence_after_exchange();
        }
        for slot in self.slots {
            if !RawLock::new(slot).is_free() {
                // Those who come to this slot later find the writer's word taken.
                // SAFETY: the caller vouches for the words.
                if unsafe { take(slot, me, patience) }? == Taken::OwnerDied {
                    note_death(slot);
                }
                RawLock::new(slot).unlock(me);
            }
        }
        Ok(())
    }

    /// Takes the writer's word, and notes if a writer has died inside.
    ///
    /// # Safety
    ///
    /// As for [`read`](Self::read).
    #[inline]
    pub(super) unsafe fn take_word(
        self,
        me: Thread,
        patience: Option<Deadline>,
    ) -> Result<(), Refused> {
        // SAFETY: the caller vouches for the words.
        if unsafe { take(self.writer, me, patience) }? == Taken::OwnerDied {
            self.look_after();
        }
        Ok(())
    }

    /// Looks what the dead holder of the writer's word has left.
    #[cold]
    fn look_after(self) {
        if self.active().load(Relaxed) != 0 {
            // First of all: should we die too, the state is found all the same.
            self.writer.notes[0].store(UNTOLD, Relaxed);
            self.active().store(0, Relaxed);
            note_death(self.writer);
        }
    }

    /// Tells of a death that nobody was told of, with the writer's word in hand.
    #[inline]
    pub(super) fn tell(self) -> Taken {
        let state = &self.writer.notes[0];
        if state.load(Relaxed) == UNTOLD {
            state.store(POISONED, Relaxed);
            return Taken::OwnerDied;
        }
        Taken::Clean
    }
}

/// Takes a word.
///
/// # Safety
///
/// As for [`RawLock::lock`].
#[inline]
unsafe fn take(
    line: &RobustWord,
    me: Thread,
    patience: Option<Deadline>,
) -> Result<Taken, Refused> {
    match patience {
        // SAFETY: the caller vouches for the word.
        Some(deadline) => unsafe { RawLock::new(line).lock(me, deadline) },
        // SAFETY: the caller vouches for the word.
        None => unsafe { RawLock::new(line).try_lock(me) },
    }
}
