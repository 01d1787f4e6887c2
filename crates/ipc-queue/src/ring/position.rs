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
const ALL_BITS: u64 = LAP_MASK << INDEX_BITS | INDEX_MASK;

/// An index in a packed position: there are not more slots.
const PACKED_BITS: u32 = INDEX_BITS - 1;

/// The most slots that a ring can have: an index and the span of a message fit the index's bits.
pub(crate) const MAX_SLOTS: u32 = 1 << (INDEX_BITS - 1);

/// A place in the endless sequence of slots: a lap and an index, as the words have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position(u64);

impl Position {
    /// How often the ring was gone round before.
    #[inline]
    pub(crate) fn lap(self) -> u64 {
        self.0 >> INDEX_BITS
    }

    /// Which slot it is.
    #[inline]
    pub(crate) fn index(self) -> u32 {
        (self.0 & INDEX_MASK) as u32
    }

    /// The position `span` slots further on, in a ring of `n_slots`; `span` is at most `n_slots`.
    #[inline]
    pub(crate) fn advance(self, span: u32, n_slots: u32) -> Self {
        let ahead = self.0 + u64::from(span);
        if ahead & INDEX_MASK < u64::from(n_slots) {
            Self(ahead)
        } else {
            Self((ahead + (1 << INDEX_BITS) - u64::from(n_slots)) & ALL_BITS)
        }
    }

    /// The same slot, one lap earlier.
    pub(crate) fn lap_before(self) -> Self {
        Self(self.0.wrapping_sub(1 << INDEX_BITS) & ALL_BITS)
    }

    /// Whether this is a place in a ring of `n_slots`: what was read from a word may be anything.
    #[inline]
    pub(crate) fn is_in(self, n_slots: u32) -> bool {
        self.index() < n_slots && self.0 <= ALL_BITS
    }

    /// All of the position in 62 bits, if it is in a ring.
    pub(crate) fn packed(self) -> u64 {
        self.lap() << PACKED_BITS | u64::from(self.index())
    }

    /// The position that was packed; what was not may be in no ring.
    pub(crate) fn unpacked(bits: u64) -> Self {
        Self(bits >> PACKED_BITS << INDEX_BITS | bits & ((1 << PACKED_BITS) - 1))
    }

    /// Which of two positions comes first, if they are less than half of all laps apart.
    pub(crate) fn order(self, other: Self) -> Order {
        self.laps_after(other).cmp(&0).then(self.index().cmp(&other.index()))
    }

    /// How many slots lie between `earlier` and this one.
    pub(crate) fn slots_since(self, earlier: Self, n_slots: u32) -> i64 {
        self.laps_after(earlier) * i64::from(n_slots) + i64::from(self.index())
            - i64::from(earlier.index())
    }

    fn laps_after(self, other: Self) -> i64 {
        let difference = self.lap().wrapping_sub(other.lap());
        (difference << (64 - LAP_BITS)).cast_signed() >> (64 - LAP_BITS)
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
