//! Who is inside, who waits, and who has died, at the moment of asking.

use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::RobustWord;

use super::super::{Holder, RawLock};
use super::RawRwLock;

impl RawRwLock<'_> {
    /// Who is inside to write, or has asked for it and waits for readers.
    #[must_use]
    pub fn writer(self) -> Option<u32> {
        if let Holder::Thread(tid) = self.word().holder() { Some(tid) } else { None }
    }

    /// Who has the slots.
    pub fn readers(self) -> impl Iterator<Item = u32> {
        self.slots.iter().filter_map(|slot| match RawLock::new(slot).holder() {
            Holder::Thread(tid) => Some(tid),
            Holder::Nobody | Holder::Died => None,
        })
    }

    /// Whether somebody may be asleep, waiting to come in.
    #[must_use]
    pub fn has_waiters(self) -> bool {
        self.word().has_waiters() || self.slots.iter().any(|slot| RawLock::new(slot).has_waiters())
    }

    /// Whether a writer is inside.
    #[must_use]
    pub fn is_written(self) -> bool {
        self.writer().is_some() && self.active().load(Relaxed) != 0
    }

    /// How many sleep now until they can come in, to read or to write.
    ///
    /// All but one of them sleep on the writer's word, and that one, which holds the word, on a slot
    /// or on several.
    #[must_use]
    pub fn n_asleep(self) -> u32 {
        let is_slept_on = |slot| {
            let slot = RawLock::new(slot);
            slot.has_waiters() && slot.n_asleep() > 0
        };
        let behind = self.word().n_asleep();
        behind.saturating_add(u32::from(self.slots.iter().any(is_slept_on)))
    }

    /// How many were found to have died inside to write.
    #[must_use]
    pub fn dead_writers(self) -> u32 {
        self.writer.notes[2].load(Relaxed)
    }

    /// How many have died inside to read.
    #[must_use]
    pub fn dead_readers(self) -> u32 {
        let in_slot = |slot: &RobustWord| {
            let is_fresh = RawLock::new(slot).holder() == Holder::Died;
            slot.notes[2].load(Relaxed).saturating_add(u32::from(is_fresh))
        };
        self.slots.iter().map(in_slot).fold(0, u32::saturating_add)
    }
}
