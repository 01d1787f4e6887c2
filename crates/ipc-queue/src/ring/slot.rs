//! One slot's word: free, being written, full, being read.
//!
//! # States
//!
//! A word is made of a *cycle* (40 bits), an *owner* (12 bits: a seat, or nobody) and a *link* (12
//! bits). For message number `n`:
//!
//! | cycle, owner | meaning |
//! |--------------|---------|
//! | even and at most `2n`, nobody | free for message `n`, and for those after it |
//! | `2n`, p | being written by p; if p is dead, a hole: whoever meets it retires it |
//! | `2n+1`, nobody | full: one committed message |
//! | `2n+1`, p | being read by p; if p is dead, the message was taken with it: retired as above |
//!
//! From the claim on, the link says where the next message goes: to the slot behind this one, or to
//! the first of a chunk. The claimer decides. Who gives a slot back writes a number that its next
//! message has at the least, a whole chunk later: in a bounded ring that is the very number, and can
//! be guessed.
//!
//! The low half holds the owner and the lower part of the cycle.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `commit` | `look`, `claim` of a reader | the message's bytes |
//! | E2 | `release`, `retire` | `look`, `claim` of a writer | the end of the reading of the bytes |
//!
//! # Invariants
//!
//! - I1: a word's cycle only grows (modulo 2⁴⁰).
//! - I2: while it names a living owner, only that owner changes it.
//! - I3: when it is full, the tail has passed it; when it is free again, the head has.

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{AcqRel, Acquire, Release};

/// How many bits an owner takes.
pub(crate) const OWNER_BITS: u32 = 12;
const CYCLE_BITS: u32 = 40;
const OWNER_MASK: u64 = (1 << OWNER_BITS) - 1;
const CYCLE_MASK: u64 = (1 << CYCLE_BITS) - 1;
const LINK_SHIFT: u32 = OWNER_BITS + CYCLE_BITS;

/// The most chunks that a ring can have.
pub(crate) const MOST_CHUNKS: u32 = (1 << (64 - LINK_SHIFT)) - 1;

/// Where the next message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link(u16);

impl Link {
    /// To the slot behind this one.
    pub(crate) const BEHIND: Self = Self(0);

    /// To the first slot of a chunk, which is below [`MOST_CHUNKS`].
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "there are at most `MOST_CHUNKS`")]
    pub(crate) fn to(chunk: u32) -> Self {
        debug_assert!(chunk < MOST_CHUNKS, "there are at most {MOST_CHUNKS} chunks");
        Self(chunk as u16 + 1)
    }

    /// The chunk, if it is to the first slot of one.
    #[inline]
    pub(crate) fn chunk(self) -> Option<u32> {
        u32::from(self.0).checked_sub(1)
    }
}

/// Who has claimed a slot: a seat's number plus one, or nobody, or one of two who never lived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u16);

impl Owner {
    pub(crate) const NOBODY: Self = Self(0);
    /// The heir of dead seats that were given out again: dead itself, and for ever.
    pub(crate) const GRAVE: Self = Self((1 << OWNER_BITS) - 1);

    /// Whose the holes are that living putters left: for everybody else, one that is dead.
    pub(crate) const WAIVED: Self = Self(Self::GRAVE.0 - 1);

    /// How many seats can have an owner's number.
    pub(crate) const MOST: u16 = Self::WAIVED.0 - 1;

    /// The owner that sits in `seat`, which is below [`MOST`](Self::MOST).
    pub(crate) fn of_seat(seat: u16) -> Self {
        debug_assert!(seat < Self::MOST, "seats are numbered below {}", Self::MOST);
        Self(seat + 1)
    }

    /// The number, for a word that names an owner.
    #[inline]
    pub(crate) fn bits(self) -> u64 {
        self.0.into()
    }

    /// The owner with this number, if there can be one.
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        u16::try_from(bits).ok().filter(|bits| *bits <= Self::GRAVE.0).map(Self)
    }

    /// The seat, if it is one's.
    pub(crate) fn seat(self) -> Option<u16> {
        if self.0 <= Self::MOST { self.0.checked_sub(1) } else { None }
    }
}

/// A slot word's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State(u64);

impl State {
    #[inline]
    fn new(cycle: u64, owner: Owner, link: Link) -> Self {
        let link = u64::from(link.0) << LINK_SHIFT;
        Self(link | (cycle & CYCLE_MASK) << OWNER_BITS | u64::from(owner.0))
    }

    /// Free for message `number`, and none before it.
    #[inline]
    pub(crate) fn free(number: u64) -> Self {
        Self::new(number * 2, Owner::NOBODY, Link::BEHIND)
    }

    /// Claimed by `writer` for message `number`.
    #[inline]
    pub(crate) fn claimed_for_writing(number: u64, writer: Owner, link: Link) -> Self {
        Self::new(number * 2, writer, link)
    }

    /// Full, with message `number`.
    #[inline]
    pub(crate) fn full(number: u64, link: Link) -> Self {
        Self::new(number * 2 + 1, Owner::NOBODY, link)
    }

    /// The value as the word holds it.
    #[inline]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn owner(self) -> Owner {
        Owner((self.0 & OWNER_MASK) as u16)
    }

    /// Where the next message goes, if the slot is claimed or full.
    #[inline]
    pub(crate) fn link(self) -> Link {
        Link((self.0 >> LINK_SHIFT) as u16)
    }

    #[inline]
    fn cycle(self) -> u64 {
        self.0 >> OWNER_BITS & CYCLE_MASK
    }

    /// The number of the message that is or will be in the slot.
    pub(crate) fn number(self) -> u64 {
        self.cycle() / 2
    }

    /// Whether a message is or was in the slot.
    pub(crate) fn is_written(self) -> bool {
        self.cycle() % 2 == 1
    }

    /// How far the word is past the beginning of message `number`, in cycles; negative before it.
    #[inline]
    pub(crate) fn since(self, number: u64) -> i64 {
        let difference = self.cycle().wrapping_sub(number * 2);
        // The sign of a 40-bit number, brought to the front and back again.
        (difference << (64 - CYCLE_BITS)).cast_signed() >> (64 - CYCLE_BITS)
    }

    /// Whether nothing is in the slot, and nobody is at it.
    #[inline]
    pub(crate) fn is_free(self) -> bool {
        self.owner() == Owner::NOBODY && !self.is_written()
    }

    /// Whether somebody has the message that is in the slot in its hands, or had and died.
    #[inline]
    pub(crate) fn is_taken(self) -> bool {
        self.owner() != Owner::NOBODY && self.is_written()
    }

    /// Whether message `number` may be written here.
    #[inline]
    pub(crate) fn is_free_for(self, number: u64) -> bool {
        self.is_free() && self.since(number) <= 0
    }

    /// The same state of the same message with another owner.
    #[inline]
    pub(crate) fn owned_by(self, owner: Owner) -> Self {
        Self(self.0 & !OWNER_MASK | u64::from(owner.0))
    }

    #[inline]
    fn committed(self) -> Self {
        Self::full(self.number(), self.link())
    }

    /// Free for what comes `chunk` messages later: no earlier message can come to the slot again.
    #[inline]
    fn free_again(self, chunk: u32) -> Self {
        Self::free(self.number() + u64::from(chunk))
    }
}

/// The word, as it lies in shared memory.
#[cfg_attr(not(ipc_loom), repr(transparent))]
#[derive(Debug, Default)]
pub(crate) struct SlotWord(AtomicU64);

impl SlotWord {
    /// Reads the word.
    #[inline]
    pub(crate) fn look(&self) -> State {
        // E1 acquire, E2 acquire.
        State(self.0.load(Acquire))
    }

    /// Claims a slot that was seen in state `seen`, for reading or writing.
    #[inline]
    pub(crate) fn claim(&self, seen: State, claimed: State) -> bool {
        // E1 acquire, E2 acquire; the release keeps both edges whole for whoever looks next.
        self.0.compare_exchange(seen.0, claimed.0, AcqRel, Acquire).is_ok()
    }

    /// Publishes a written message: the commit point of a put.
    #[inline]
    pub(crate) fn commit(&self, claimed: State) {
        // E1 release.
        self.0.store(claimed.committed().0, Release);
    }

    /// Gives a slot that was read back to the writers, for `chunk` messages later at the earliest.
    #[inline]
    pub(crate) fn release(&self, claimed: State, chunk: u32) {
        // E2 release.
        self.0.store(claimed.free_again(chunk).0, Release);
    }

    /// Gives the slot of a dead message back; tells whether it was us.
    pub(crate) fn retire(&self, dead: State, chunk: u32) -> bool {
        // E2 release.
        self.0.compare_exchange(dead.0, dead.free_again(chunk).0, AcqRel, Acquire).is_ok()
    }

    /// The word itself, to sleep on.
    pub(crate) fn word(&self) -> &AtomicU64 {
        &self.0
    }
}
