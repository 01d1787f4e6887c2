//! The slow side of the heap, under its lock: memory got and given back, and what the dead left.
//!
//! Nothing here waits for anything but the lock, and nobody keeps that for long: the kernel is asked
//! for memory outside of it.

use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{Alive, RobustWord, Thread};
use ipc_core::{Deadline, PAGE};
use ipc_sync::raw::{self, RawLock, Taken};

use super::block::Use;
use super::geometry::{BLOCKS_BEGUN, BlockId};
use super::{Heap, Memory, Refused, id};
use crate::ring;
use crate::ring::planted;
use crate::ring::position::Position;
use crate::ring::slot::Owner;

/// The lock of a heap, held.
struct Held<'m> {
    line: &'m RobustWord,
    me: Thread,
}

/// What a sweep found in the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Swept {
    /// Blocks that are not free.
    pub(crate) in_use: usize,
    /// Bytes that have memory.
    pub(crate) backed: u64,
    /// Blocks that were freed for the dead, since the queue was made.
    pub(crate) recovered: u64,
}

impl<'m, M: Memory> Heap<'m, M> {
    /// Takes a block for a message of `len` bytes, with memory behind so many.
    #[inline]
    pub(super) fn try_allocate(
        self,
        me: Owner,
        thread: Thread,
        len: u64,
        deadline: Deadline,
    ) -> Result<BlockId, Refused> {
        // Longer ones were refused before.
        let class = self.0.geometry().class_for(len).ok_or(Refused::NO_ROOM)?;
        let Some(found) = self.take(me, class) else {
            return self.allocate_slowly(me, thread, len, deadline);
        };
        let (has, need) = (self.backed(found), len.next_multiple_of(PAGE as u64));
        if has < need {
            self.extend(found, me, thread, need, deadline)?;
        }
        Ok(found)
    }

    /// The same, looking and giving up under the lock: one who waits for memory and finds none does
    /// nothing that others, or it itself, could take for news.
    #[cold]
    pub(super) fn allocate_slowly(
        self,
        me: Owner,
        thread: Thread,
        len: u64,
        deadline: Deadline,
    ) -> Result<BlockId, Refused> {
        let class = self.0.geometry().class_for(len).ok_or(Refused::NO_ROOM)?;
        let held = self.lock(thread, deadline)?;
        let found = self.take_or_begin(me, thread, class)?;
        let (has, need) = (self.backed(found), len.next_multiple_of(PAGE as u64));
        if has < need {
            if let Err(refused) = self.promise(found, thread, need) {
                self.0.block(found).word.free(me);
                return Err(refused);
            }
            drop(held);
            self.fulfil(found, me, thread, has, need)?;
        }
        Ok(found)
    }

    /// Takes a block of a class; if none is free, begins more, or sweeps. The caller holds the lock.
    fn take_or_begin(self, me: Owner, thread: Thread, class: usize) -> Result<BlockId, Refused> {
        if let Some(found) = self.take(me, class) {
            return Ok(found);
        }
        let begun = self.begun(class);
        if begun < self.0.geometry().n_blocks(class) {
            self.0.begin_blocks(class, begun).map_err(Refused::NoMemory)?;
            self.set_begun(class, begun.saturating_add(BLOCKS_BEGUN));
        } else {
            self.recover(thread);
        }
        self.take(me, class).ok_or(Refused::NO_ROOM)
    }

    /// Gets memory for a block of the caller's, so that the first `need` bytes have it, or frees it.
    #[cold]
    fn extend(
        self,
        id: BlockId,
        me: Owner,
        thread: Thread,
        need: u64,
        deadline: Deadline,
    ) -> Result<(), Refused> {
        let promised = self.lock(thread, deadline).and_then(|_held| {
            let has = self.backed(id);
            self.promise(id, thread, need).map(|()| has)
        });
        match promised {
            Ok(has) => self.fulfil(id, me, thread, has, need),
            Err(refused) => {
                self.give_up(id, me, thread);
                Err(refused)
            }
        }
    }

    /// Promises a block of the caller's memory for its first `need` bytes. The caller holds the lock.
    fn promise(self, id: BlockId, thread: Thread, need: u64) -> Result<(), Refused> {
        self.make_room(thread, need.saturating_sub(self.backed(id)))?;
        self.set_backed(id, need);
        Ok(())
    }

    /// Gets the memory that was promised to a block of the caller's, from byte `has` to `need`, or
    /// frees it; without the lock, for the kernel takes its time.
    ///
    /// If somebody keeps the lock, a block that did not get its memory stays the caller's: what is
    /// known of a free one must be true.
    fn fulfil(
        self,
        id: BlockId,
        me: Owner,
        thread: Thread,
        has: u64,
        need: u64,
    ) -> Result<(), Refused> {
        if self.0.back(id, has, need).is_ok() {
            return Ok(());
        }
        // What free blocks have may be enough. What is promised stays so for the while.
        let held = self.lock(thread, Deadline::after(super::waiting::LONG))?;
        self.evict(u64::MAX);
        drop(held);
        let Err(error) = self.0.back(id, has, need) else { return Ok(()) };
        let held = self.lock(thread, Deadline::after(super::waiting::LONG))?;
        self.0.give_back(id, has).ok();
        self.set_backed(id, has);
        drop(held);
        self.give_up(id, me, thread);
        Err(Refused::NoMemory(error))
    }

    fn give_up(self, id: BlockId, me: Owner, thread: Thread) {
        self.0.pend_alarm(thread);
        self.put_back(id, me);
        thread.pend_clear();
    }

    /// Sees to it that `more` bytes are left below the limit. The caller holds the lock.
    fn make_room(self, thread: Thread, more: u64) -> Result<(), Refused> {
        let limit = self.0.geometry().max_bytes();
        let excess = |backed: u64| backed.saturating_add(more).saturating_sub(limit);
        let over = || excess(self.0.heap().backed.load(Relaxed));
        if over() > 0 {
            self.evict(over());
        }
        if over() > 0 {
            self.recover(thread);
            self.evict(over());
        }
        if over() > 0 { Err(Refused::NO_ROOM) } else { Ok(()) }
    }

    /// Takes the memory of a block of the caller's away, because there is more than is retained.
    #[cold]
    pub(super) fn strip(self, id: BlockId, thread: Thread) {
        // Without the lock it stays as it is, for somebody else to take.
        if let Ok(_held) = self.lock(thread, Deadline::after(super::waiting::SHORT)) {
            self.take_memory(id);
        }
    }

    /// Frees what the dead left, and what is more than is to be retained; then says what there is.
    ///
    /// If somebody keeps the lock, it only says what there is.
    pub(crate) fn sweep(self, thread: Thread) -> Swept {
        let held = self.lock(thread, Deadline::after(super::waiting::SHORT));
        let backed = || self.0.heap().backed.load(Relaxed);
        if held.is_ok() {
            self.recover(thread);
            self.evict(backed().saturating_sub(self.0.retain()));
        }
        let in_use = self.blocks().filter(|id| self.meaning(*id) != Use::Free).count();
        Swept { in_use, backed: backed(), recovered: self.0.heap().recovered.load(Relaxed) }
    }

    /// Frees what the dead holder of a seat owned, before its next holder, who calls, uses it.
    pub(crate) fn bury(self, dead: Owner, thread: Thread) -> Result<(), Refused> {
        if self.is_untouched() || !planted::BURIES_BLOCKS {
            return Ok(());
        }
        // What the dead one had claimed in the ring is the grave's now.
        self.0.heap().news.fetch_add(1, Relaxed);
        let _held = self.lock(thread, Deadline::after(super::waiting::LONG))?;
        self.recover_if(thread, |meaning| meaning == Use::Owned(dead));
        Ok(())
    }

    /// Whether `me` owns any block, or has an item in its hands.
    pub(crate) fn owns_any(self, me: Owner) -> bool {
        self.blocks().any(|id| match self.meaning(id) {
            Use::Owned(owner) => owner == me,
            Use::Leased(lease) => lease.owner() == me,
            _ => false,
        })
    }

    /// Frees all that is nobody's. The caller holds the lock.
    fn recover(self, thread: Thread) {
        if !planted::SWEEPS {
            return;
        }
        self.recover_if(thread, |meaning| match meaning {
            Use::Free => false,
            Use::Owned(owner) => planted::SEIZES_ANY || !self.lives(owner),
            Use::Queued(at) => !planted::QUEUED_STAYS && !self.keeps() && self.is_lost(at),
            Use::Leased(_) => !self.keeps(),
            Use::Nonsense => true,
        });
    }

    /// Frees the blocks of which `is_nobodys` holds. The caller holds the lock.
    fn recover_if(self, thread: Thread, is_nobodys: impl Fn(Use) -> bool) {
        // Should this thread die between freeing something and telling of it, who sleeps is woken;
        // who is not yet asleep sees the news.
        self.0.pend_alarm(thread);
        let mut has_freed = false;
        for id in self.blocks() {
            let seen = self.0.block(id).word.look();
            // Only the exchange shows that it is so still: who was seen to own it may have handed it
            // on before it died.
            if is_nobodys(seen.meaning()) && self.0.block(id).word.seize(seen) {
                if !planted::KEEPS_PROMISE && !matches!(seen.meaning(), Use::Queued(_)) {
                    // It may have been promised more than it has.
                    self.take_memory(id);
                }
                self.0.heap().news.fetch_add(1, Relaxed);
                self.0.block(id).word.free(Owner::GRAVE);
                self.0.heap().recovered.fetch_add(1, Relaxed);
                has_freed = true;
            }
        }
        if has_freed {
            self.call_waiting();
        }
        thread.pend_clear();
    }

    /// Whether what was queued is kept though nobody who lives answers for it.
    fn keeps(self) -> bool {
        self.0.is_joinable() && !cfg!(ipc_planted = "lease_lost_slot")
    }

    /// Whether an owner is somebody who lives.
    ///
    /// The grave is not; what it owns was in the hands of a holder of the lock, who died.
    pub(crate) fn lives(self, owner: Owner) -> bool {
        self.holder(owner).is_some()
    }

    /// The thread that an owner is, if it lives.
    pub(crate) fn holder(self, owner: Owner) -> Option<u32> {
        match self.0.life(owner.seat()?)?.alive() {
            Alive::Yes(tid) => Some(tid),
            Alive::Nobody | Alive::Died => None,
        }
    }

    /// Whether the message at `at` will never be got: its slot has gone past, or was claimed for
    /// it by one who is dead.
    pub(crate) fn is_lost(self, at: Position) -> bool {
        if !at.is_in(self.0.n_slots()) {
            return true;
        }
        let slot = self.0.slot(at.index());
        let seen = slot.look();
        match seen.since(at.number()) {
            2.. => true,
            // Only a look at the slot that comes after the look at the life word counts.
            0 | 1 if seen.owner() != Owner::NOBODY => {
                !self.lives(seen.owner()) && slot.look() == seen
            }
            _ => false,
        }
    }

    /// Takes memory from free blocks until `excess` bytes are gone, or all: high ones first. The
    /// caller holds the lock.
    fn evict(self, excess: u64) {
        let mut left = excess;
        for class in (0..self.0.geometry().n_classes()).rev() {
            for index in (0..self.begun(class)).rev() {
                if left == 0 {
                    return;
                }
                let id = id(class, index);
                // In the hands of the grave, it is anybody's who holds the lock next.
                if self.backed(id) > 0 && self.0.block(id).word.take(Owner::GRAVE) {
                    left = left.saturating_sub(self.take_memory(id));
                    self.0.block(id).word.free(Owner::GRAVE);
                }
            }
        }
    }

    /// Takes the memory of a block away, and says how much it was. The caller holds the lock, and the
    /// block is nobody's else.
    fn take_memory(self, id: BlockId) -> u64 {
        let has = self.backed(id);
        // If the kernel refuses, there is nothing better to do than to count it as given back.
        self.0.give_back(id, 0).ok();
        self.set_backed(id, 0);
        has
    }

    /// Notes how much of a block has memory. The caller holds the lock.
    fn set_backed(self, id: BlockId, bytes: u64) {
        let before = self.backed(id);
        self.0.block(id).set_backed(bytes);
        let total = &self.0.heap().backed;
        let sum = total.load(Relaxed).saturating_sub(before).saturating_add(bytes);
        total.store(sum, Relaxed);
    }

    fn meaning(self, id: BlockId) -> Use {
        self.0.block(id).word.look().meaning()
    }

    /// All blocks that were begun.
    pub(crate) fn blocks(self) -> impl Iterator<Item = BlockId> + use<'m, M> {
        let classes = 0..self.0.geometry().n_classes();
        classes.flat_map(move |class| (0..self.begun(class)).map(move |index| id(class, index)))
    }

    fn lock(self, me: Thread, deadline: Deadline) -> Result<Held<'m>, Refused> {
        let line = &self.0.heap().lock;
        match self.0.lock(me, deadline) {
            Ok(Taken::Clean) => Ok(Held { line, me }),
            Ok(Taken::OwnerDied) => {
                let held = Held { line, me };
                // It may have died between two stores.
                let sum = self.blocks().map(|id| self.backed(id)).fold(0, u64::saturating_add);
                if planted::RECOUNTS {
                    self.0.heap().backed.store(sum, Relaxed);
                }
                Ok(held)
            }
            Err(raw::Refused::Held) => Err(Refused::NO_ROOM),
            Err(_) => Err(Refused::Ring(ring::Refused::Corrupt)),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        #[cfg(ipc_loom)]
        if std::thread::panicking() {
            return; // A modelled death unwinds, and gives nothing back.
        }
        RawLock::new(self.line).unlock(self.me);
    }
}
