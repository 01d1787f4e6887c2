//! The condition's one word: who has been notified, its states and its moves.
//!
//! # Layout
//!
//! ```text
//! 63            32 31      30           16 15          0
//! |  generation   | members |   closed    |   permits   |
//! ```
//!
//! Whoever waits belongs to the *group* of the generation in which it came. One group is *open*: the
//! one whose number is the generation. `members` says that it is not empty. The `closed` groups
//! before it have been notified; `permits` of their members may leave, whichever come first. All
//! groups before those are *released*: everybody in them may leave.
//!
//! | age of a group (generation − its number) | its members |
//! |------------------------------------------|-------------|
//! | 0 | wait |
//! | 1 … `closed` | may leave for a permit each |
//! | more | may leave |
//!
//! # Moves
//!
//! | move | from | to |
//! |------|------|----|
//! | come | any | the same with `members` |
//! | notify *n* | nobody in the open group | *n* permits more |
//! | notify *n* | members, no permits | next generation, one more closed, *n* permits |
//! | notify *n* | members, permits | next generation, one closed, *n* permits: who had the old permits is released |
//! | notify all | any | next generation if there are members; none closed, no permits |
//! | leave | of a closed group, a permit | one permit less |
//! | leave | of a released group | the same |
//!
//! # Why groups
//!
//! Who comes after a notification must not take it from those who were there before. With a bare
//! count of notifications it could: two threads that take turns notify each other and wait, and
//! one that takes its own notification leaves the other asleep for ever.
//!
//! Nobody is counted who waits. So one who dies, or is timed out, leaves nothing to take back, and
//! no notification is kept for the dead. What it costs: if one thread notifies while the permits of
//! an earlier notification are still there, and others have come in between, it is not known how
//! many of the earlier group are left, if any. Then all of them are released, and wake up in vain
//! at worst.
//!
//! The generation wraps. A thread that is stopped while exactly 2^32 groups are closed finds itself
//! in the open group again, and waits for the next notification.

/// What a word of the condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State(u64);

/// Whether a waiter may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Not yet.
    No,
    /// If it takes a permit.
    Permit,
    /// It was released.
    Released,
}

const MEMBERS: u64 = 1 << 31;
const CLOSED_SHIFT: u32 = 16;
const MOST_CLOSED: u32 = 0x7fff;
const MOST_PERMITS: u32 = 0xffff;

impl State {
    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    const fn new(generation: u32, closed: u32, permits: u32) -> Self {
        Self(((generation as u64) << 32) | ((closed as u64) << CLOSED_SHIFT) | permits as u64)
    }

    /// The number of the open group.
    pub(super) const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Whether somebody came into the open group.
    pub(super) const fn has_members(self) -> bool {
        self.0 & MEMBERS != 0
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
    const fn low(self) -> u32 {
        self.0 as u32
    }

    const fn closed(self) -> u32 {
        (self.low() >> CLOSED_SHIFT) & MOST_CLOSED
    }

    pub(super) const fn permits(self) -> u32 {
        self.low() & MOST_PERMITS
    }

    /// The number of the oldest group that is not released.
    pub(super) const fn first_unreleased(self) -> u32 {
        self.generation().wrapping_sub(self.closed())
    }

    /// Whether anybody may wait who has not been released.
    pub(super) const fn may_concern_somebody(self) -> bool {
        self.has_members() || self.closed() != 0
    }

    /// Whether a member of group `ticket` may leave.
    pub(super) const fn call(self, ticket: u32) -> Call {
        let age = self.generation().wrapping_sub(ticket);
        if age == 0 {
            Call::No
        } else if age > self.closed() {
            Call::Released
        } else if self.permits() > 0 {
            Call::Permit
        } else {
            Call::No
        }
    }

    pub(super) const fn with_member(self) -> Self {
        Self(self.0 | MEMBERS)
    }

    /// One permit less; there is one.
    pub(super) const fn without_permit(self) -> Self {
        Self(self.0 - 1)
    }

    pub(super) fn notified(self, count: u32) -> Self {
        let (had, all) = (self.permits(), self.permits().saturating_add(count));
        if all > MOST_PERMITS {
            return self.all_notified();
        }
        let next = self.generation().wrapping_add(1);
        match (self.has_members(), had) {
            (false, _) => Self::new(self.generation(), self.closed(), all),
            (true, 0) if self.closed() < MOST_CLOSED => Self::new(next, self.closed() + 1, count),
            // Who holds on to a place in so many groups is released, too.
            (true, _) => Self::new(next, 1, count),
        }
    }

    pub(super) fn all_notified(self) -> Self {
        Self::new(self.generation().wrapping_add(u32::from(self.has_members())), 0, 0)
    }
}

#[cfg(all(test, not(ipc_loom)))]
mod tests;
