//! Head and tail: where the next message is read, where the next is written.
//!
//! A position is a lap and an index, packed so that no division is needed and any number of slots
//! will do. The words may lag behind the slots, which hold the truth; whoever notices helps them
//! on.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E3 | `help` | `look` | the states of all slots before the position |

use core::cmp::Ordering as Order;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};

const INDEX_BITS: u32 = 24;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
const LAP_BITS: u32 = 39;
const LAP_MASK: u64 = (1 << LAP_BITS) - 1;

/// The most slots that a ring can have.
pub(crate) const MAX_SLOTS: u32 = 1 << INDEX_BITS;

/// A place in the endless sequence of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) lap: u64,
    pub(crate) index: u32,
}

impl Position {
    /// The position `span` slots further on, in a ring of `n_slots`; `span` is at most `n_slots`.
    #[inline]
    pub(crate) fn advance(self, span: u32, n_slots: u32) -> Self {
        let index = self.index + span;
        if index < n_slots {
            Self { lap: self.lap, index }
        } else {
            Self { lap: (self.lap + 1) & LAP_MASK, index: index - n_slots }
        }
    }

    /// The same slot, one lap earlier.
    #[inline]
    pub(crate) fn lap_before(self) -> Self {
        Self { lap: self.lap.wrapping_sub(1) & LAP_MASK, index: self.index }
    }

    /// Whether this is a place in a ring of `n_slots`: what was read from a word may be anything.
    #[inline]
    pub(crate) fn is_in(self, n_slots: u32) -> bool {
        self.index < n_slots && self.lap <= LAP_MASK
    }

    /// Which of two positions comes first, if they are less than half of all laps apart.
    pub(crate) fn order(self, other: Self) -> Order {
        self.laps_after(other).cmp(&0).then(self.index.cmp(&other.index))
    }

    /// How many slots lie between `earlier` and this one.
    pub(crate) fn slots_since(self, earlier: Self, n_slots: u32) -> i64 {
        self.laps_after(earlier) * i64::from(n_slots) + i64::from(self.index)
            - i64::from(earlier.index)
    }

    fn laps_after(self, other: Self) -> i64 {
        let difference = self.lap.wrapping_sub(other.lap);
        (difference << (64 - LAP_BITS)).cast_signed() >> (64 - LAP_BITS)
    }

    fn bits(self) -> u64 {
        (self.lap & LAP_MASK) << INDEX_BITS | u64::from(self.index)
    }

    fn from_bits(bits: u64) -> Self {
        let index = (bits & INDEX_MASK) as u32;
        Self { lap: bits >> INDEX_BITS, index }
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
        Position::from_bits(self.0.load(Acquire))
    }

    /// Moves the position from `from` on to `to`, unless somebody did.
    #[inline]
    pub(crate) fn help(&self, from: Position, to: Position) {
        // E3 release. If it fails, the position has moved already.
        self.0.compare_exchange(from.bits(), to.bits(), Release, Relaxed).ok();
    }
}
