//! The heap: memory for messages that are longer than a slot, which comes back when its owner dies.
//!
//! Blocks of fixed sizes, one class for each power of two, each class in a range of addresses of its
//! own, so that nothing is ever split or joined. What is short is not addresses but memory: only
//! blocks in use have it, and how many bytes have it is limited (`room`). A block is one word
//! ([`block`]), and taking one is an exchange: no lock, no system call, as long as there is a free
//! block whose memory is there already. Everything else (to begin more blocks, to get memory, to give
//! it back, to sweep up after the dead) is done under a lock that survives its holder.
//!
//! # The life of a large message
//!
//! | step | the block | the slot | if its owner dies here |
//! |------|-----------|----------|------------------------|
//! | the putter takes a block and writes | owned by it | – | a sweep finds a dead owner |
//! | claims a slot, writes the record | owned by it | being written | the same; the slot is a hole |
//! | hands the block to the slot | queued | being written | a sweep finds a slot in dead hands, or gone past |
//! | commits | queued | full | it has put |
//! | a getter claims the slot | queued | being read | a sweep finds a slot in dead hands, or gone past |
//! | takes the block | owned by it | being read | a sweep finds a dead owner |
//! | releases the slot, reads | owned by it | free | the same |
//! | frees the block | free | – | nothing is left |
//!
//! A block is always in exactly one state, and each state names who answers for it: a seat, whose
//! life word shows a death, or a slot and a message's number, and a slot's word goes only forward. So whether a block is
//! nobody's can be told from the words at any time, and once it is, nobody but a sweep changes that:
//! the dead do not come back, and a slot that has gone past a message does not return to it. A seat is
//! given on only after what its dead holder owned was freed, under the same lock that sweeps are made
//! under (`bury`), so that a sweep that has seen a death never frees what the seat's next holder took.
//!
//! # Memory
//!
//! Of each block the first so many bytes have memory. The sum over all blocks is kept in one word and
//! never exceeds the limit; both are changed under the lock. An owned block may be promised memory
//! that its owner is still asking the kernel for; so what was owned by a dead one loses all of it.
//! If the lock's holder dies, the sum is counted anew, and what it had in its hands (owned by the
//! grave) is freed. A block that is freed keeps its memory for the next, as long as the sum is below
//! what is to be retained; and who needs memory and finds the limit reached takes it from free
//! blocks.
//!
//! # Sleeping
//!
//! A putter that finds no memory sleeps on a bell of its own (`waiting`).
//!
//! # Edges
//!
//! E1 and E2 are the blocks'.
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E3 | `set_begun` | `begun` | that the words of so many blocks have memory |
//! | E4 | `after_free` and `arrive`, by the fence before the bell is looked at | `wait`, behind the announcement | what was freed, or who sits, or else the mark goes the other way |

pub(crate) mod block;
pub(crate) mod geometry;
pub(crate) mod lease;
pub(crate) mod record;

mod room;
mod waiting;

use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::primitive::{AtomicU32, AtomicU64, fence_after_exchange};
use ipc_core::robust::{RobustWord, Thread};
use ipc_core::{Deadline, SegmentError};
use ipc_sync::raw::{self, Taken};

use crate::ring;
use crate::ring::planted;
use crate::ring::position::Position;
use crate::ring::slot::Owner;

use block::{Block, BlockState};
use geometry::{BlockId, Geometry, block_len};
use lease::Lease;

/// Where the words of a heap are, beside those of the ring that its messages go through.
pub(crate) trait Memory: ring::Memory {
    /// What lies where: private numbers.
    fn geometry(&self) -> &Geometry;
    /// How many bytes may keep their memory though nobody uses them.
    fn retain(&self) -> u64;
    /// The words of the heap.
    fn heap(&self) -> &HeapWords;
    /// The words of a class that there is.
    fn class(&self, class: usize) -> &ClassWords;
    /// The words of a block that there is and that was begun.
    fn block(&self, id: BlockId) -> &Block;
    /// Puts memory behind the words of the blocks of a class that are begun next, from `first` on.
    fn begin_blocks(&self, class: usize, first: u32) -> Result<(), SegmentError>;
    /// Puts memory behind the bytes of a block, from one to another.
    fn back(&self, id: BlockId, from: u64, to: u64) -> Result<(), SegmentError>;
    /// Takes the memory behind the bytes of a block away, from the byte `from` on.
    fn give_back(&self, id: BlockId, from: u64) -> Result<(), SegmentError>;
    /// Takes the heap's lock, which the caller gives back.
    fn lock(&self, me: Thread, deadline: Deadline) -> Result<Taken, raw::Refused>;
    /// Makes the alarm the pending word of the calling thread, which clears it.
    fn pend_alarm(&self, me: Thread);
    /// How many seats there are.
    fn n_seats(&self) -> u16;
    /// Whether what was queued is kept until it is finished, whoever dies.
    fn is_joinable(&self) -> bool;
}

/// The words of a heap, apart from those of its classes and blocks.
#[cfg_attr(not(ipc_loom), repr(C))]
#[derive(Debug, Default)]
pub(crate) struct HeapWords {
    /// Held by who changes what has memory, and by who sweeps.
    pub(crate) lock: RobustWord,
    /// How many bytes have memory, or are promised it.
    pub(crate) backed: AtomicU64,
    /// How many blocks were recovered from the dead.
    pub(crate) recovered: AtomicU64,
    /// Changes before sleepers are called.
    pub(crate) news: AtomicU32,
    pub(crate) spare: AtomicU32,
}

/// The words of one class.
#[cfg_attr(not(ipc_loom), repr(C, align(64)))]
#[derive(Debug, Default)]
pub(crate) struct ClassWords {
    /// Where a search begins: a hint.
    hint: AtomicU32,
    /// How many blocks were begun: the words of so many have memory.
    begun: AtomicU32,
}

/// The moves of a heap.
#[derive(Debug)]
pub(crate) struct Heap<'m, M>(pub(crate) &'m M);

impl<M> Clone for Heap<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Heap<'_, M> {}

/// Why there is no block.
#[derive(Debug)]
pub(crate) enum Refused {
    /// As many bytes, or blocks, are in use as may be; or what else the ring refuses for.
    Ring(ring::Refused),
    /// The machine has no memory.
    NoMemory(SegmentError),
}

/// What became of the block of an item.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    /// It was freed.
    Freed,
    /// The item is finished; the block is the caller's, to be freed with its memory.
    Kept,
    /// It was not the caller's.
    NotMine,
}

impl Refused {
    /// There is no room now.
    const NO_ROOM: Self = Self::Ring(ring::Refused::NotNow);

    fn is_no_room(&self) -> bool {
        matches!(self, Self::Ring(ring::Refused::NotNow))
    }
}

impl<M: Memory> Heap<'_, M> {
    /// Takes a free block of a class, preferring low ones: few are in use, and those are warm.
    #[inline]
    fn take(self, me: Owner, class: usize) -> Option<BlockId> {
        let words = self.0.class(class);
        let begun = self.begun(class);
        let hint = words.hint.load(Relaxed);
        let hint = if hint < begun { hint } else { 0 };
        (hint..begun).chain(0..hint).map(|index| id(class, index)).find(|id| {
            let is_mine = self.0.block(*id).word.take(me);
            if is_mine {
                words.hint.store(id.index + 1, Relaxed);
            }
            is_mine
        })
    }

    /// Hands a block of `me` to the slot at `at`, which `me` has claimed for writing.
    #[inline]
    #[must_use]
    pub(crate) fn queue(self, id: BlockId, me: Owner, at: Position) -> bool {
        self.0.block(id).word.queue(me, at)
    }

    /// Takes a block from the slot at `at`, which `me` has claimed for reading, if that is what the
    /// slot's record says.
    #[inline]
    #[must_use]
    pub(crate) fn claim(self, id: BlockId, at: Position, me: Owner) -> bool {
        self.0.geometry().has(id)
            && id.index < self.begun(id.class.into())
            && self.0.block(id).word.claim(at, me)
    }

    /// Makes the item in a block, which is in the slot that `me` has claimed for reading, one of `me`.
    #[inline]
    pub(crate) fn lease(self, id: BlockId, at: Position, me: Owner) -> Option<Lease> {
        let lease = Lease::first(at, me);
        let is_there = self.0.geometry().has(id) && id.index < self.begun(id.class.into());
        let taken = is_there && self.0.block(id).word.take_over(BlockState::queued(at), lease);
        taken.then_some(lease)
    }

    /// Frees the block of an item, which is finished by that; whether it was the caller's.
    ///
    /// The caller has the alarm pending, and then calls those who wait for the item.
    #[inline]
    pub(crate) fn finish(self, id: BlockId, lease: Lease) -> Finished {
        let is_kept = self.0.heap().backed.load(Relaxed) > self.0.retain();
        let keeper = is_kept.then(|| lease.owner());
        if !self.0.block(id).word.finish(lease, keeper) {
            return Finished::NotMine;
        }
        if is_kept {
            return Finished::Kept;
        }
        self.after_free(id);
        Finished::Freed
    }

    /// Frees a block of `me`. If more has memory than is to be retained, that of the block goes.
    #[inline]
    pub(crate) fn free(self, id: BlockId, me: Owner, thread: Thread) {
        if self.0.heap().backed.load(Relaxed) > self.0.retain() {
            self.strip(id, thread);
        }
        self.0.pend_alarm(thread);
        self.put_back(id, me);
        thread.pend_clear();
    }

    /// Frees a block of `me` as it is, and tells who waits. The caller has the alarm pending.
    #[inline]
    fn put_back(self, id: BlockId, me: Owner) {
        if self.0.block(id).word.free(me) {
            self.after_free(id);
        }
    }

    /// The duties of one who has freed a block: the next is to be found, and who waits is to be told.
    #[inline]
    fn after_free(self, id: BlockId) {
        // E4 release: the fence that the bell asks for.
        fence_after_exchange();
        let words = self.0.class(id.class.into());
        if id.index < words.hint.load(Relaxed) {
            words.hint.store(id.index, Relaxed);
        }
        if planted::FREE_TELLS && self.0.bells().memory.is_waiting() {
            self.call_waiting();
        }
    }

    /// How many bytes of a block of the caller's have memory.
    #[inline]
    pub(crate) fn backed(self, id: BlockId) -> u64 {
        self.0.block(id).backed(block_len(id.class.into()))
    }

    /// Whether any block was begun, in any class: else there is nothing to sweep.
    pub(crate) fn is_untouched(self) -> bool {
        (0..self.0.geometry().n_classes()).all(|class| self.begun(class) == 0)
    }

    /// How many blocks of a class were begun.
    #[inline]
    fn begun(self, class: usize) -> u32 {
        // E3 acquire.
        self.0.class(class).begun.load(Acquire).min(self.0.geometry().n_blocks(class))
    }

    fn set_begun(self, class: usize, n_blocks: u32) {
        // E3 release.
        self.0.class(class).begun.store(n_blocks, Release);
    }
}

/// The block with this index; there are not more classes than an id has room for.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "there are not that many classes")]
fn id(class: usize, index: u32) -> BlockId {
    BlockId { class: class as u8, index }
}
