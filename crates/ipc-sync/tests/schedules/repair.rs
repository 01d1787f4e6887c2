//! Ways to take a lock, and what to do with a value that may be half changed: the same for all that
//! have such.

use ipc_sync::{LockError, Recovery, ValueGuard};
use proptest::prelude::*;

use crate::answer::{Answer, Said};

/// How something is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// As long as it takes.
    Wait,
    /// If it is there.
    Try,
    /// For no time at all.
    Timeout,
    /// Until now.
    Past,
}

impl Way {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            5 => Just(Self::Wait),
            2 => Just(Self::Try),
            1 => Just(Self::Timeout),
            1 => Just(Self::Past),
        ]
    }

    /// What is said if it is not there.
    pub(crate) const fn in_vain(self) -> Said {
        if matches!(self, Self::Try) { Said::WouldBlock } else { Said::Timeout }
    }

    /// What is said to who has it already.
    pub(crate) const fn of_own(self) -> Said {
        if matches!(self, Self::Try) { Said::WouldBlock } else { Said::WouldDeadlock }
    }
}

/// What to do with a value that may be half changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Repair {
    /// Make it zero, and say that it is whole.
    Recover,
    /// Say that it is whole.
    Keep,
    /// Hold it as it is.
    Ignore,
    /// Give it back.
    GiveUp,
}

impl Repair {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        prop_oneof![Just(Self::Recover), Just(Self::Keep), Just(Self::Ignore), Just(Self::GiveUp),]
    }

    /// Does it.
    pub(crate) fn of<G: ValueGuard<Target = u64>>(self, found: Recovery<'_, u64, G>) -> Option<G> {
        match self {
            Self::Recover => Some(found.recover(|value| *value = 0)),
            Self::Keep => Some(found.mark_consistent()),
            Self::Ignore => Some(found.into_guard()),
            Self::GiveUp => None,
        }
    }
}

/// What is said to who does not get a lock.
pub(crate) fn refused<R>(error: &LockError<R>) -> Answer {
    match error {
        LockError::Timeout => Said::Timeout,
        LockError::WouldDeadlock => Said::WouldDeadlock,
        _ => Said::Strange,
    }
    .into()
}
