//! `LockError`, `TryLockError` and `NotHeld`: why a lock was not taken, or not without a word, and
//! why it was not given back.

use core::fmt;

use crate::raw::{NotHeld, Refused};

/// Why a lock was not simply taken.
///
/// Two of the variants mean that the lock **is** held, by you: they carry what is needed to go on,
/// and dropping that gives the lock back.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LockError<R> {
    /// The last holder died holding the lock, which you hold now.
    OwnerDied(R),
    /// A death, or a panic, left the value half changed, and nobody has repaired it since; you hold
    /// the lock now.
    Poisoned(R),
    /// The bytes in the lock are no value of its type. The lock was given back.
    Corrupt,
    /// The timeout passed.
    Timeout,
    /// The calling thread holds the lock already, and would have waited for itself.
    WouldDeadlock,
    /// The calling thread holds as many locks as a thread can.
    TooManyHeld,
    /// The calling thread has taken the lock so often that it cannot be counted any more.
    TooDeep,
}

/// Why a lock was not simply taken without waiting.
///
/// As with [`LockError`], two of the variants mean that you hold the lock.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TryLockError<R> {
    /// Somebody holds the lock, perhaps the calling thread.
    WouldBlock,
    /// The last holder died holding the lock, which you hold now.
    OwnerDied(R),
    /// A death, or a panic, left the value half changed, and nobody has repaired it since; you hold
    /// the lock now.
    Poisoned(R),
    /// The bytes in the lock are no value of its type. The lock was given back.
    Corrupt,
    /// The calling thread holds as many locks as a thread can.
    TooManyHeld,
    /// The calling thread has taken the lock so often that it cannot be counted any more.
    TooDeep,
}

impl<R> LockError<R> {
    /// Whether the last holder died holding the lock.
    #[must_use]
    pub const fn is_owner_died(&self) -> bool {
        matches!(self, Self::OwnerDied(_))
    }

    /// Whether a value was left half changed and was not repaired.
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        matches!(self, Self::Poisoned(_))
    }

    /// Whether the timeout passed.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout)
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
    pub fn without_lock(self) -> LockError<()> {
        self.map(drop)
    }

    pub(crate) fn map<S>(self, change: impl FnOnce(R) -> S) -> LockError<S> {
        match self {
            Self::OwnerDied(inner) => LockError::OwnerDied(change(inner)),
            Self::Poisoned(inner) => LockError::Poisoned(change(inner)),
            Self::Corrupt => LockError::Corrupt,
            Self::Timeout => LockError::Timeout,
            Self::WouldDeadlock => LockError::WouldDeadlock,
            Self::TooManyHeld => LockError::TooManyHeld,
            Self::TooDeep => LockError::TooDeep,
        }
    }
}

impl<R> TryLockError<R> {
    /// Whether somebody holds the lock.
    #[must_use]
    pub const fn is_would_block(&self) -> bool {
        matches!(self, Self::WouldBlock)
    }

    /// Whether the last holder died holding the lock.
    #[must_use]
    pub const fn is_owner_died(&self) -> bool {
        matches!(self, Self::OwnerDied(_))
    }

    /// Whether a value was left half changed and was not repaired.
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
    pub fn without_lock(self) -> TryLockError<()> {
        match self {
            Self::WouldBlock => TryLockError::WouldBlock,
            Self::OwnerDied(_) => TryLockError::OwnerDied(()),
            Self::Poisoned(_) => TryLockError::Poisoned(()),
            Self::Corrupt => TryLockError::Corrupt,
            Self::TooManyHeld => TryLockError::TooManyHeld,
            Self::TooDeep => TryLockError::TooDeep,
        }
    }
}

impl<R> From<LockError<R>> for TryLockError<R> {
    /// What an attempt that had no time to wait came to.
    fn from(error: LockError<R>) -> Self {
        match error {
            LockError::OwnerDied(inner) => Self::OwnerDied(inner),
            LockError::Poisoned(inner) => Self::Poisoned(inner),
            LockError::Corrupt => Self::Corrupt,
            LockError::Timeout | LockError::WouldDeadlock => Self::WouldBlock,
            LockError::TooManyHeld => Self::TooManyHeld,
            LockError::TooDeep => Self::TooDeep,
        }
    }
}

impl<R> From<Refused> for LockError<R> {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Held => Self::Timeout,
            Refused::WouldDeadlock => Self::WouldDeadlock,
            Refused::TooManyHeld => Self::TooManyHeld,
            Refused::Corrupt => Self::Corrupt,
            Refused::TooDeep => Self::TooDeep,
        }
    }
}

const OWNER_DIED: &str = "the last holder died holding the lock";
const POISONED: &str = "the value was left half changed and not repaired";
const CORRUPT: &str = "the bytes in the lock are not a value of its type";
const TOO_MANY_HELD: &str = "this thread holds as many locks as a thread can";
const TOO_DEEP: &str = "this thread has taken the lock too often to count";

impl<R> fmt::Display for LockError<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::OwnerDied(_) => OWNER_DIED,
            Self::Poisoned(_) => POISONED,
            Self::Corrupt => CORRUPT,
            Self::Timeout => "the lock did not become free in time",
            Self::WouldDeadlock => "this thread holds the lock already",
            Self::TooManyHeld => TOO_MANY_HELD,
            Self::TooDeep => TOO_DEEP,
        })
    }
}

impl<R> fmt::Display for TryLockError<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::WouldBlock => "the lock is held",
            Self::OwnerDied(_) => OWNER_DIED,
            Self::Poisoned(_) => POISONED,
            Self::Corrupt => CORRUPT,
            Self::TooManyHeld => TOO_MANY_HELD,
            Self::TooDeep => TOO_DEEP,
        })
    }
}

impl<R> fmt::Debug for LockError<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::OwnerDied(_) => "OwnerDied(..)",
            Self::Poisoned(_) => "Poisoned(..)",
            Self::Corrupt => "Corrupt",
            Self::Timeout => "Timeout",
            Self::WouldDeadlock => "WouldDeadlock",
            Self::TooManyHeld => "TooManyHeld",
            Self::TooDeep => "TooDeep",
        })
    }
}

impl<R> fmt::Debug for TryLockError<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::WouldBlock => "WouldBlock",
            Self::OwnerDied(_) => "OwnerDied(..)",
            Self::Poisoned(_) => "Poisoned(..)",
            Self::Corrupt => "Corrupt",
            Self::TooManyHeld => "TooManyHeld",
            Self::TooDeep => "TooDeep",
        })
    }
}

impl<R> core::error::Error for LockError<R> {}
impl<R> core::error::Error for TryLockError<R> {}

impl fmt::Display for NotHeld {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("this thread does not hold the lock")
    }
}

impl core::error::Error for NotHeld {}
