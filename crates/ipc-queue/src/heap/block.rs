//! One block's word: free, owned, or in the queue.
//!
//! # States
//!
//! | word | meaning |
//! |------|---------|
//! | free | nobody's; what memory is behind it stays for the next |
//! | owned by p | p writes it, lends it, reads it or is about to give it back; if p is dead, it is given back by the next sweep |
//! | queued at a position | the message in that slot, as long as the slot is there and not in dead hands; else nobody's, and given back by the next sweep |
//!
//! # Moves
//!
//! | move | from | to | by whom |
//! |------|------|----|---------|
//! | take | free | owned by me | anybody |
//! | queue | owned by me | queued | the owner, who has the slot claimed for writing |
//! | claim | queued | owned by me | who has the slot claimed for reading |
//! | free | owned by me | free | the owner |
//! | recover | owned by a dead one, or queued at a slot that has no use for it | free | who holds the heap's lock |
//! | evict | free | owned by the grave, and free again | who holds the heap's lock |
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `free`, `recover` | `take` | the end of all use of the bytes, and how many have memory |
//! | E2 | `take`, `queue`, `claim` | `look` | that the mover lives and has the slot, for who judges it |
//!
//! # Invariants
//!
//! - B1: while a word names a living owner, only that owner changes it.
//! - B2: while it names a slot that is full, or in living hands, at that message, nobody changes it but
//!   the one who has the slot claimed for reading.
//! - B3: how many bytes have memory is changed under the heap's lock only; of a free block it is true,
//!   of an owned one it may be a promise.

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{AcqRel, Acquire, Relaxed};

use crate::ring::position::{POSITION_BITS, Position};
use crate::ring::slot::Owner;

const KIND_SHIFT: u32 = POSITION_BITS;
const PAYLOAD: u64 = (1 << KIND_SHIFT) - 1;
const FREE: u64 = 0;
const OWNED: u64 = 1;
const QUEUED: u64 = 2;

/// What a block's word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Free,
    Owned(Owner),
    Queued(Position),
    /// Nothing that is ever written: somebody scribbled over it.
    Nonsense,
}

/// A block's word's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockState(u64);

impl BlockState {
    const FREE: Self = Self(0);

    fn owned(owner: Owner) -> Self {
        Self(OWNED << KIND_SHIFT | owner.bits())
    }

    fn queued(at: Position) -> Self {
        Self(QUEUED << KIND_SHIFT | at.bits() & PAYLOAD)
    }

    pub(crate) fn meaning(self) -> Use {
        let payload = self.0 & PAYLOAD;
        match self.0 >> KIND_SHIFT {
            FREE if payload == 0 => Use::Free,
            OWNED => Owner::from_bits(payload).map_or(Use::Nonsense, Use::Owned),
            QUEUED => Use::Queued(Position::from_bits(payload)),
            _ => Use::Nonsense,
        }
    }
}

/// The word, as it lies in shared memory.
#[cfg_attr(not(ipc_loom), repr(transparent))]
#[derive(Debug, Default)]
pub(crate) struct BlockWord(AtomicU64);

impl BlockWord {
    /// Reads the word.
    #[inline]
    pub(crate) fn look(&self) -> BlockState {
        // E2 acquire.
        BlockState(self.0.load(Acquire))
    }

    /// Takes the block for `me` if it is free.
    #[inline]
    pub(crate) fn take(&self, me: Owner) -> bool {
        // E1 acquire, E2 release.
        self.0.load(Relaxed) == FREE && self.exchange(BlockState::FREE, BlockState::owned(me))
    }

    /// Hands a block of `me` to the queue.
    #[inline]
    pub(crate) fn queue(&self, me: Owner, at: Position) -> bool {
        // E2 release.
        self.exchange(BlockState::owned(me), BlockState::queued(at))
    }

    /// Takes a block from the queue for `me`, who has the slot at `at` claimed for reading.
    #[inline]
    pub(crate) fn claim(&self, at: Position, me: Owner) -> bool {
        // E2 release.
        self.exchange(BlockState::queued(at), BlockState::owned(me))
    }

    /// Gives back a block of `me`. It is an exchange, for a fence that completes it.
    #[inline]
    pub(crate) fn free(&self, me: Owner) -> bool {
        // E1 release.
        self.exchange(BlockState::owned(me), BlockState::FREE)
    }

    /// Gives back a block that was seen so and is nobody's.
    pub(crate) fn recover(&self, seen: BlockState) -> bool {
        // E1 release.
        self.exchange(seen, BlockState::FREE)
    }

    #[inline]
    fn exchange(&self, from: BlockState, to: BlockState) -> bool {
        // E1 acquire, E1 release, E2 release: the moves say which they are.
        self.0.compare_exchange(from.0, to.0, AcqRel, Acquire).is_ok()
    }
}

/// What is known of a block. It has a line of its own: blocks that lie together are used by
/// different threads at the same time.
#[cfg_attr(not(ipc_loom), repr(C, align(64)))]
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) word: BlockWord,
    backed: AtomicU64,
}

#[cfg(not(ipc_loom))]
const _: () = assert!(size_of::<Block>() == 64);

impl Block {
    /// How many of its bytes, from the first, have memory, or will have; at most `len`.
    #[inline]
    pub(crate) fn backed(&self, len: u64) -> u64 {
        self.backed.load(Relaxed).min(len)
    }

    /// Notes how many have. The caller holds the heap's lock.
    pub(crate) fn set_backed(&self, bytes: u64) {
        self.backed.store(bytes, Relaxed);
    }
}
