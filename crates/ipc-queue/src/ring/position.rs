//! Head and tail: which message is read next and where it lies, which is written next and where.
//!
//! A position is a message's number and the index of its slot. The number alone says what comes
//! before what and how many lie between; the index follows the numbers from slot to slot, and goes to
//! the first slot of a chunk where the slot before says so (`slot.rs`). The words may lag behind the slots,
//! which hold the truth; whoever notices helps them on.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E3 | `help` | `look` | the states of all slots before the position |

use core::cmp::Ordering as Order;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};

use super::slot::Link;

const INDEX_BITS: u32 = 23;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
/// How many bits a message's number takes.
pub(crate) const NUMBER_BITS: u32 = 39;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;
const ALL_BITS: u64 = NUMBER_MASK << INDEX_BITS | INDEX_MASK;

/// How many bits a position takes.
pub(crate) const POSITION_BITS: u32 = INDEX_BITS + NUMBER_BITS;

/// The most slots that a ring can have.
pub(crate) const MAX_SLOTS: u32 = 1 << INDEX_BITS;

/// A message's place: its number and its slot, as the words have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position(u64);

impl Position {
    /// The position of message `number` in slot `index`, which is below [`MAX_SLOTS`].
    pub(crate) fn new(number: u64, index: u32) -> Self {
        debug_assert!(index < MAX_SLOTS, "slots are checked when the ring is opened");
        Self((number & NUMBER_MASK) << INDEX_BITS | u64::from(index))
    }

    /// The position with these bits, which may be in no ring.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// How many messages came before it, modulo 2³⁹.
    #[inline]
    pub(crate) fn number(self) -> u64 {
        self.0 >> INDEX_BITS
    }

    /// Which slot it is.
    #[inline]
    pub(crate) fn index(self) -> u32 {
        (self.0 & INDEX_MASK) as u32
    }

    /// The position after this one, in a ring of chunks of so many slots.
    ///
    /// It may be in no ring if the link is one that was read from a word.
    #[inline]
    pub(crate) fn next(self, link: Link, chunk: u32) -> Self {
        let index = match link.chunk() {
            None => u64::from(self.index()) + 1,
            Some(first) => u64::from(first) * u64::from(chunk),
        };
        Self(((self.number() + 1) & NUMBER_MASK) << INDEX_BITS | index.min(INDEX_MASK))
    }

    /// Whether this is a place in a ring of `n_slots`: what was read from a word may be anything.
    #[inline]
    pub(crate) fn is_in(self, n_slots: u32) -> bool {
        self.index() < n_slots && self.0 <= ALL_BITS
    }

    /// Which of two positions comes first, if they are less than half of all numbers apart.
    pub(crate) fn order(self, other: Self) -> Order {
        self.messages_since(other).cmp(&0)
    }

    /// How many messages lie between `earlier` and this one.
    pub(crate) fn messages_since(self, earlier: Self) -> i64 {
        let difference = self.number().wrapping_sub(earlier.number());
        (difference << (64 - NUMBER_BITS)).cast_signed() >> (64 - NUMBER_BITS)
    }
}

/// A position, as it lies in shared memory.
#[cfg_attr(not(ipc_loom), repr(transparent))]
#[derive(Debug, Default)]
pub(crate) struct PositionWord(AtomicU64);

impl PositionWord {
    /// Reads the position, which is whatever the memory says, and is yet to be checked.
    #[inline]
    pub(crate) fn look(&self) -> Position {
        // E3 acquire.
        Position(self.0.load(Acquire))
    }

    /// Moves the position from `from` on to `to`, unless somebody did.
    #[inline]
    pub(crate) fn help(&self, from: Position, to: Position) {
        // E3 release. If it fails, the position has moved already.
        self.0.compare_exchange(from.0, to.0, Release, Relaxed).ok();
    }
}
