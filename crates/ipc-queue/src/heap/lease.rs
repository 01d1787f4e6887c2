//! What a block's word says of an item in somebody's hands: whose, which item, and for the how-manieth
//! time.

use crate::ring::position::{NUMBER_BITS, Position};
use crate::ring::slot::{OWNER_BITS, Owner};

const DELIVERIES_BITS: u32 = 10;
const DELIVERIES_SHIFT: u32 = OWNER_BITS;
const NUMBER_SHIFT: u32 = DELIVERIES_SHIFT + DELIVERIES_BITS;
const OWNER_MASK: u64 = (1 << OWNER_BITS) - 1;

/// More deliveries than this are not told apart.
pub(crate) const MOST_DELIVERIES: u16 = (1 << DELIVERIES_BITS) - 1;

const _: () = assert!(NUMBER_SHIFT + NUMBER_BITS <= crate::heap::block::PAYLOAD_BITS);

/// An item in the hands of a seat, or, if that is dead, about to be handed out again.
///
/// The item's number and the count make each lease of a block different from those before it: an
/// exchange by one who was stopped for long does not take a later lease for the one it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    number: u64,
    deliveries: u16,
    owner: Owner,
}

impl Lease {
    /// The first of the item that was put at `at`.
    #[inline]
    pub(crate) fn first(at: Position, owner: Owner) -> Self {
        Self { number: at.number() & NUMBER_MASK, deliveries: 1, owner }
    }

    /// The next of the same item.
    pub(crate) fn again(self, owner: Owner) -> Self {
        let deliveries = (self.deliveries + 1).min(MOST_DELIVERIES);
        Self { deliveries, owner, ..self }
    }

    /// The same without anybody who lives.
    pub(crate) fn given_up(self) -> Self {
        Self { owner: Owner::GRAVE, ..self }
    }

    /// Whose it is.
    #[inline]
    pub(crate) fn owner(self) -> Owner {
        self.owner
    }

    /// How often the item was handed out, with this time.
    pub(crate) fn deliveries(self) -> u16 {
        self.deliveries
    }

    /// The number under which the item was put.
    pub(crate) fn number(self) -> u64 {
        self.number
    }

    #[inline]
    pub(super) fn bits(self) -> u64 {
        let deliveries = u64::from(self.deliveries) << DELIVERIES_SHIFT;
        self.number << NUMBER_SHIFT | deliveries | self.owner.bits()
    }

    /// The lease with these bits, if there can be one.
    #[inline]
    pub(super) fn from_bits(bits: u64) -> Option<Self> {
        let number = bits >> NUMBER_SHIFT;
        let deliveries = bits >> DELIVERIES_SHIFT & u64::from(MOST_DELIVERIES);
        let owner = Owner::from_bits(bits & OWNER_MASK).filter(|owner| *owner != Owner::NOBODY)?;
        let deliveries = u16::try_from(deliveries).ok().filter(|deliveries| *deliveries > 0)?;
        (number <= NUMBER_MASK).then_some(Self { number, deliveries, owner })
    }
}

const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;

#[cfg(all(test, not(ipc_loom)))]
mod tests {
    use super::{Lease, MOST_DELIVERIES, NUMBER_MASK};
    use crate::ring::position::Position;
    use crate::ring::slot::Owner;

    #[test]
    fn what_was_written_is_read() {
        for number in [0, 1, NUMBER_MASK] {
            for owner in [Owner::of_seat(0), Owner::of_seat(Owner::MOST - 1), Owner::GRAVE] {
                let lease = Lease::first(Position::new(number, 3), owner);
                assert_eq!(Lease::from_bits(lease.bits()), Some(lease));
                assert_eq!((lease.number(), lease.deliveries(), lease.owner()), (number, 1, owner));
                let again = lease.again(Owner::of_seat(7)).given_up();
                assert_eq!(Lease::from_bits(again.bits()), Some(again));
                assert_eq!(again.deliveries(), 2);
            }
        }
    }

    #[test]
    fn the_count_stays_at_its_end() {
        let mut lease = Lease::first(Position::new(5, 0), Owner::of_seat(0));
        for _ in 0..3000 {
            lease = lease.again(Owner::of_seat(0));
        }
        assert_eq!((lease.number(), lease.deliveries()), (5, MOST_DELIVERIES));
    }

    #[test]
    fn nobody_has_no_lease() {
        assert_eq!(Lease::from_bits(0), None);
        assert_eq!(Lease::from_bits(1 << 12), None);
        assert_eq!(Lease::from_bits(7), None, "never delivered");
        assert_eq!(Lease::from_bits(u64::MAX), None);
    }
}
