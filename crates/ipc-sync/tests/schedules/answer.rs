//! What a process answers: what its call came to, as a number that fits into a note.

use core::fmt;

/// What a call came to: what is said, and a number that belongs to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Answer(Said, u32);

/// What is said of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Said {
    /// The call has no more to say than that it has returned.
    Done,
    /// What was asked is so.
    Yes,
    /// What was asked is not so.
    No,
    /// There was nothing in hand to do it with.
    NothingInHand,
    /// The lock was taken and the value, which is the number, is whole.
    Whole,
    /// The lock was taken after a death; the number is the value.
    OwnerDied,
    /// The lock was taken and the value, which is the number, may be half changed.
    Poisoned,
    Timeout,
    WouldBlock,
    WouldDeadlock,
    NotHeld,
    NoSeat,
    TooManyPermits,
    /// It is the caller's turn; the number says how many died and failed before.
    MyTurn,
    /// Let through a barrier, as this one.
    Through,
    PartyTimedOut,
    ActionPanicked,
    Aborted,
    Reset,
    /// A party died: a process of this id.
    PartyDied,
    TooManyMembers,
    /// Nothing that is expected at all.
    Strange,
}

const ALL: [Said; 22] = [
    Said::Done,
    Said::Yes,
    Said::No,
    Said::NothingInHand,
    Said::Whole,
    Said::OwnerDied,
    Said::Poisoned,
    Said::Timeout,
    Said::WouldBlock,
    Said::WouldDeadlock,
    Said::NotHeld,
    Said::NoSeat,
    Said::TooManyPermits,
    Said::MyTurn,
    Said::Through,
    Said::PartyTimedOut,
    Said::ActionPanicked,
    Said::Aborted,
    Said::Reset,
    Said::PartyDied,
    Said::TooManyMembers,
    Said::Strange,
];

impl Said {
    /// The same with a number.
    pub(crate) const fn of(self, number: u32) -> Answer {
        Answer(self, number)
    }
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        Self(said, 0)
    }
}

impl Answer {
    /// What is said, without the number.
    pub(crate) const fn said(self) -> Said {
        self.0
    }

    /// As a note, which is not zero.
    pub(crate) fn to_note(self) -> u64 {
        (self.0 as u64 + 1) << 32 | u64::from(self.1)
    }

    /// What a note says; nothing if it is zero.
    pub(crate) fn of_note(note: u64) -> Option<Self> {
        let (said, [_, _, _, _, number @ ..]) = (note >> 32, note.to_be_bytes());
        let known = |known: &Said| *known as u64 + 1 == said;
        let said = ALL.into_iter().find(known).unwrap_or(Said::Strange);
        (note != 0).then_some(Self(said, u32::from_be_bytes(number)))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} {}", self.0, self.1)
    }
}
