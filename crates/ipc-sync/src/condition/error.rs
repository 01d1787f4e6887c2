//! `WaitError`: why a wait did not simply end with the lock in hand.

use core::fmt;

use crate::error::LockError;

/// Why a wait for a [`Condition`](super::Condition) did not simply end with the lock in hand.
///
/// Two of the variants mean that the lock **is** held, by you: they carry what is needed to go on,
/// and dropping that gives the lock back. After the others it is not.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WaitError<R> {
    /// Somebody died holding the lock meanwhile; you hold it now. A notification may have died with
    /// it: let the others look again ([`notify_all`](super::Condition::notify_all)).
    OwnerDied(R),
    /// The value was left half changed meanwhile, and nobody has repaired it; you hold the lock now.
    Poisoned(R),
    /// The calling thread did not hold the lock: the guard is that of a process that this one was
    /// forked from, or the lock was given back without it.
    NotHeld,
    /// The calling thread holds as many locks as a thread can. The lock was given back.
    TooManyHeld,
    /// Somebody scribbled over the lock, its value, or the condition. The lock was given back.
    Corrupt,
}

impl<R> WaitError<R> {
    /// Whether somebody died holding the lock meanwhile.
    #[must_use]
    pub const fn is_owner_died(&self) -> bool {
        matches!(self, Self::OwnerDied(_))
    }

    /// Whether the value was left half changed meanwhile and was not repaired.
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        matches!(self, Self::Poisoned(_))
    }

    /// What the error carries, if it means that the lock is held.
    #[must_use]
    pub fn into_inner(self) -> Option<R> {
        match self {
            Self::OwnerDied(inner) | Self::Poisoned(inner) => Some(inner),
            _ => None,
        }
    }

    /// Gives back the lock, if the error carries it, and keeps the reason.
    ///
    /// What is left borrows nothing and can be returned from `main`.
    #[must_use]
    pub fn without_lock(self) -> WaitError<()> {
        match self {
            Self::OwnerDied(_) => WaitError::OwnerDied(()),
            Self::Poisoned(_) => WaitError::Poisoned(()),
            Self::NotHeld => WaitError::NotHeld,
            Self::TooManyHeld => WaitError::TooManyHeld,
            Self::Corrupt => WaitError::Corrupt,
        }
    }
}

impl<R> From<LockError<R>> for WaitError<R> {
    /// What taking the lock again came to: it waits as long as it takes.
    fn from(error: LockError<R>) -> Self {
        match error {
            LockError::OwnerDied(inner) => Self::OwnerDied(inner),
            LockError::Poisoned(inner) => Self::Poisoned(inner),
            LockError::TooManyHeld => Self::TooManyHeld,
            LockError::Corrupt
            | LockError::Timeout
            | LockError::WouldDeadlock
            | LockError::TooDeep => Self::Corrupt,
        }
    }
}

impl<R> fmt::Display for WaitError<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::OwnerDied(_) => "somebody died holding the lock",
            Self::Poisoned(_) => "the value was left half changed and not repaired",
            Self::NotHeld => "this thread does not hold the lock",
            Self::TooManyHeld => "this thread holds as many locks as a thread can",
            Self::Corrupt => "somebody scribbled over the lock or the condition",
        })
    }
}

impl<R> fmt::Debug for WaitError<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::OwnerDied(_) => "OwnerDied(..)",
            Self::Poisoned(_) => "Poisoned(..)",
            Self::NotHeld => "NotHeld",
            Self::TooManyHeld => "TooManyHeld",
            Self::Corrupt => "Corrupt",
        })
    }
}

impl<R> core::error::Error for WaitError<R> {}
