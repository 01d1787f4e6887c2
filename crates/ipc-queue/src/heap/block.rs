//! One block's word: free, owned, in the queue, or leased.
//!
//! # States
//!
//! | word | meaning |
//! |------|---------|
//! | free | nobody's; what memory is behind it stays for the next |
//! | owned by p | p writes it, lends it, reads it or is about to give it back; if p is dead, it is given back by the next sweep |
//! | queued at a position | the message in that slot, as long as the slot is there and not in dead hands; else nobody's, and given back by the next sweep |
//! | leased by p, item n, for the k-th time | of a joinable queue: an item that p has taken and not finished; if p is dead, it is handed out again (`lease`) |
//!
//! In a joinable queue a block that is queued is an item, whatever becomes of its slot: if that is in
//! dead hands or gone past, the item is not given back but handed out.
//!
//! # Moves
//!
//! | move | from | to | by whom |
//! |------|------|----|---------|
//! | take | free | owned by me | anybody |
//! | queue | owned by me | queued | the owner, who has the slot claimed for writing |
//! | claim | queued | owned by me | who has the slot claimed for reading |
//! | free | owned by me | free | the owner |
//! | lease | queued | leased by me | who has the slot claimed for reading |
//! | take over | leased by a dead one, or queued at a slot that has no use for it | leased by me | anybody |
//! | give up | leased by me, or by one whose seat I have taken over | leased by the grave | me |
//! | finish | leased by me | free, or owned by me and free soon | me |
//! | seize | owned by a dead one, or queued at a slot that has no use for it | owned by the grave, and free soon | who holds the heap's lock |
//! | evict | free | owned by the grave, and free again | who holds the heap's lock |
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `free` | `take` | the end of all use of the bytes, and how many have memory |
//! | E2 | `take`, `queue`, `claim`, `take_over` | `look` | that the mover lives and has the slot, for who judges it; the length of an item and its bytes |
//! | E5 | `finish` | `look` | all that was put in the course of the work on the item |
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
use ipc_core::robust::Bell;

use super::lease::Lease;
use crate::ring::position::{POSITION_BITS, Position};
use crate::ring::slot::Owner;

/// How many bits there are beside those that say which state it is.
pub(super) const PAYLOAD_BITS: u32 = POSITION_BITS;

const KIND_SHIFT: u32 = PAYLOAD_BITS;
const PAYLOAD: u64 = (1 << KIND_SHIFT) - 1;
const FREE: u64 = 0;
const OWNED: u64 = 1;
const QUEUED: u64 = 2;
const LEASED: u64 = 3;

/// What a block's word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Free,
    Owned(Owner),
    Queued(Position),
    Leased(Lease),
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

    pub(crate) fn queued(at: Position) -> Self {
        Self(QUEUED << KIND_SHIFT | at.bits() & PAYLOAD)
    }

    pub(crate) fn leased(lease: Lease) -> Self {
        Self(LEASED << KIND_SHIFT | lease.bits())
    }

    /// The value as the word holds it.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    pub(crate) fn meaning(self) -> Use {
        let payload = self.0 & PAYLOAD;
        match self.0 >> KIND_SHIFT {
            FREE if payload == 0 => Use::Free,
            OWNED => Owner::from_bits(payload).map_or(Use::Nonsense, Use::Owned),
            QUEUED => Use::Queued(Position::from_bits(payload)),
            LEASED => Lease::from_bits(payload).map_or(Use::Nonsense, Use::Leased),
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
        // E2 acquire, E5 acquire.
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

    /// Makes an item of who lives no longer, or of a slot that has no use for it, the one of `lease`.
    #[inline]
    pub(crate) fn take_over(&self, seen: BlockState, lease: Lease) -> bool {
        // E2 acquire, E2 release.
        self.exchange(seen, BlockState::leased(lease))
    }

    /// Ends a lease of `me`: the block is free, or, to be freed later, owned by `me`. It is an
    /// exchange, for a fence that completes it.
    #[inline]
    pub(crate) fn finish(&self, lease: Lease, keeper: Option<Owner>) -> bool {
        // E1 release, E5 release.
        let to = keeper.map_or(BlockState::FREE, BlockState::owned);
        self.exchange(BlockState::leased(lease), to)
    }

    /// Takes a block that was seen so, and is nobody's, into the hands of who holds the heap's lock.
    pub(crate) fn seize(&self, seen: BlockState) -> bool {
        // E2 acquire.
        self.exchange(seen, BlockState::owned(Owner::GRAVE))
    }

    /// The word itself, to sleep on.
    pub(crate) fn word(&self) -> &AtomicU64 {
        &self.0
    }

    #[inline]
    fn exchange(&self, from: BlockState, to: BlockState) -> bool {
        // E1 acquire, E1 release, E2 release, E5 release: the moves say which they are.
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
    /// How long the item is: written before it is queued, read by who has a lease of it.
    len: AtomicU64,
    /// Who waits until the item is finished sleeps here.
    pub(crate) bell: Bell,
}

#[cfg(not(ipc_loom))]
const _: () = assert!(size_of::<Block>() == 64);

impl Block {
    /// How many of its bytes, from the first, have memory, or will have; at most `len`.
    #[inline]
    pub(crate) fn backed(&self, len: u64) -> u64 {
        self.backed.load(Relaxed).min(len)
    }

    /// How long the item in it is said to be; nothing of it is checked.
    #[inline]
    pub(crate) fn len(&self) -> u64 {
        self.len.load(Relaxed)
    }

    /// Notes how long the item is. The caller owns the block.
    #[inline]
    pub(crate) fn set_len(&self, len: u64) {
        self.len.store(len, Relaxed);
    }

    /// Notes how many have. The caller holds the heap's lock.
    pub(crate) fn set_backed(&self, bytes: u64) {
        self.backed.store(bytes, Relaxed);
    }
}
