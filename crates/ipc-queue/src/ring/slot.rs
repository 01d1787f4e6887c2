//! One slot's word: free, being written, full, being read.
//!
//! # States
//!
//! A word is made of a *cycle* (40 bits), an *owner* (12 bits: a seat, or nobody) and a *span* (12
//! bits: how many slots the message takes, of which this is the first). In lap `n` of the ring:
//!
//! | cycle, owner | meaning |
//! |--------------|---------|
//! | `2n`, nobody | free for lap `n`, or a further slot of a longer message of that lap |
//! | `2n`, p | being written by p; if p is dead, a hole: whoever meets it retires it |
//! | `2n+1`, nobody | full: one committed message |
//! | `2n+1`, p | being read by p; if p is dead, the message was taken with it: retired as above |
//!
//! The low half holds the owner and the lower part of the cycle, so that one futex comparison sees
//! a claim, a commit and a release alike.
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
//! - I3: when it is full, the tail has passed it; when it is free for the next lap, the head has.

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{AcqRel, Acquire, Release};

const OWNER_BITS: u32 = 12;
const CYCLE_BITS: u32 = 40;
const SPAN_SHIFT: u32 = OWNER_BITS + CYCLE_BITS;
const OWNER_MASK: u64 = (1 << OWNER_BITS) - 1;
const CYCLE_MASK: u64 = (1 << CYCLE_BITS) - 1;

/// The most slots that a message can take.
pub(crate) const MAX_SPAN: u32 = (1 << (64 - SPAN_SHIFT)) - 1;

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
    fn new(cycle: u64, owner: Owner, span: u32) -> Self {
        let span = u64::from(span) << SPAN_SHIFT;
        Self(span | (cycle & CYCLE_MASK) << OWNER_BITS | u64::from(owner.0))
    }

    /// Free for lap `lap`: there is no message, and no span.
    #[inline]
    pub(crate) fn free(lap: u64) -> Self {
        Self::new(lap * 2, Owner::NOBODY, 0)
    }

    /// Claimed by `writer` in lap `lap`, for a message of `span` slots, at most [`MAX_SPAN`].
    #[inline]
    pub(crate) fn claimed_for_writing(lap: u64, writer: Owner, span: u32) -> Self {
        debug_assert!(span <= MAX_SPAN, "spans are checked before");
        Self::new(lap * 2, writer, span)
    }

    /// Full in lap `lap`, with a message of one slot.
    #[inline]
    pub(crate) fn full_of_one(lap: u64) -> Self {
        Self::new(lap * 2 + 1, Owner::NOBODY, 1)
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

    #[inline]
    pub(crate) fn span(self) -> u32 {
        (self.0 >> SPAN_SHIFT) as u32
    }

    #[inline]
    fn cycle(self) -> u64 {
        self.0 >> OWNER_BITS & CYCLE_MASK
    }

    /// Whether a message is or was in the slot, in the lap that the word is in.
    pub(crate) fn is_written(self) -> bool {
        self.cycle() % 2 == 1
    }

    /// How far the word is past the beginning of `lap`, in cycles; negative before it.
    #[inline]
    pub(crate) fn since(self, lap: u64) -> i64 {
        let difference = self.cycle().wrapping_sub(lap * 2);
        // The sign of a 40-bit number, brought to the front and back again.
        (difference << (64 - CYCLE_BITS)).cast_signed() >> (64 - CYCLE_BITS)
    }

    /// The same state of the same message with another owner.
    #[inline]
    pub(crate) fn owned_by(self, owner: Owner) -> Self {
        Self(self.0 & !OWNER_MASK | u64::from(owner.0))
    }

    #[inline]
    fn full(self) -> Self {
        Self::new(self.cycle() + 1, Owner::NOBODY, self.span())
    }

    #[inline]
    fn free_again(self) -> Self {
        Self::free(self.cycle() / 2 + 1)
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

    /// Publishes a written message: the commit point of a put. A full fence stands behind it.
    #[inline]
    pub(crate) fn commit(&self, claimed: State) {
        // E1 release.
        self.0.swap_and_fence(claimed.full().0);
    }

    /// Gives a slot that was read back to the writers. A full fence stands behind it.
    #[inline]
    pub(crate) fn release(&self, claimed: State) {
        // E2 release.
        self.0.swap_and_fence(claimed.free_again().0);
    }

    /// Gives a further slot of a message back, before its first one.
    #[inline]
    pub(crate) fn release_further(&self, lap: u64) {
        // E2 release.
        self.0.store(State::free(lap + 1).0, Release);
    }

    /// Gives a further slot of a dead message back, unless somebody else did.
    pub(crate) fn retire_further(&self, lap: u64) {
        let free = self.look();
        if free.since(lap) == 0 && free.owner() == Owner::NOBODY {
            // E2 release. If it fails, another repairer was faster.
            self.0.compare_exchange(free.0, State::free(lap + 1).0, AcqRel, Acquire).ok();
        }
    }

    /// Gives the first slot of a dead message back; tells whether it was us.
    pub(crate) fn retire(&self, dead: State) -> bool {
        // E2 release.
        self.0.compare_exchange(dead.0, dead.free_again().0, AcqRel, Acquire).is_ok()
    }

    /// The word itself, to sleep on.
    pub(crate) fn word(&self) -> &AtomicU64 {
        &self.0
    }
}
