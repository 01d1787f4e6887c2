//! The semaphore's one word: the count, the mark of the sleepers, and the last operation on a lease.
//!
//! ```text
//! bits  0..31   count     permits that can be taken
//! bit   31      WAITING   somebody may be asleep
//! bits 32..57   seq       of the last operation on a lease: its number at its seat
//! bits 57..64   seat      and which seat that is
//! ```
//!
//! A sleeper compares the low half.

/// The most permits there can be: what fits beside the mark.
pub(crate) const MOST_PERMITS: u32 = WAITING - 1;

/// Somebody may be asleep.
const WAITING: u32 = 1 << 31;

/// The bits of a number of an operation.
const SEQ: u32 = (1 << 25) - 1;

/// How far the seat stands from the number.
const SEAT_SHIFT: u32 = 25;

/// What the word says at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State(u64);

impl State {
    #[inline]
    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    #[inline]
    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    #[inline]
    pub(super) const fn count(self) -> u32 {
        self.low() & !WAITING
    }

    #[inline]
    pub(super) const fn is_waiting(self) -> bool {
        self.low() & WAITING != 0
    }

    pub(super) const fn op(self) -> Op {
        Op((self.0 >> 32) as u32)
    }

    /// The same with another count, of at most [`MOST_PERMITS`].
    #[inline]
    pub(super) const fn with_count(self, count: u32) -> Self {
        Self(self.0 & !(MOST_PERMITS as u64) | (count & MOST_PERMITS) as u64)
    }

    /// The same with a permit less; there is one.
    #[inline]
    pub(super) const fn with_one_less(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// The same with so many permits more, if there would not be more than `most` then.
    #[inline]
    pub(super) const fn with_more(self, permits: u32, most: u32) -> Option<Self> {
        match self.count().checked_add(permits) {
            Some(count) if count <= most => Some(Self(self.0.wrapping_add(permits as u64))),
            _ => None,
        }
    }

    #[inline]
    pub(super) const fn with_waiting(self, waiting: bool) -> Self {
        if waiting { Self(self.0 | WAITING as u64) } else { self }
    }

    pub(super) const fn without_waiting(self) -> Self {
        Self(self.0 & !(WAITING as u64))
    }

    pub(super) const fn with_op(self, op: Op) -> Self {
        Self(self.low() as u64 | (op.0 as u64) << 32)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
    const fn low(self) -> u32 {
        self.0 as u32
    }
}

/// One operation on a lease: the seat, and the number of the operation at that seat.
///
/// An odd number has taken a permit, an even one has given it back (or away).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Op(u32);

impl Op {
    /// The operation at `seat` that follows on the one that left `note` there.
    pub(super) const fn after(seat: usize, note: u32) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "there are at most 120 seats")]
        Self((seat as u32) << SEAT_SHIFT | note.wrapping_add(1) & SEQ)
    }

    pub(super) const fn seat(self) -> usize {
        (self.0 >> SEAT_SHIFT) as usize
    }

    /// What the seat's note says when the operation is complete.
    pub(super) const fn note(self) -> u32 {
        self.0 & SEQ
    }

    /// What the seat's note says before.
    pub(super) const fn note_before(self) -> u32 {
        self.0.wrapping_sub(1) & SEQ
    }
}

/// Whether a seat with this note has a permit.
pub(super) const fn has_permit(note: u32) -> bool {
    note & 1 != 0
}
