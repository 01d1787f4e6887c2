//! `OnceError`: why a thing was not done.

use core::convert::Infallible;
use core::fmt;

use crate::raw::Refused;

/// Why a [`Once`](super::Once) is not done, or not known to be.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnceError<E = Infallible> {
    /// Another thread is at it now, and the caller did not want to wait.
    Busy,
    /// Another thread was at it all the time.
    Timeout,
    /// The calling thread itself is at it, and would have waited for itself.
    Recursive,
    /// The initialiser failed, and said so; the next call begins anew.
    Failed(E),
    /// The process that ran the initialiser to its end is a forked child of the one that began it,
    /// which is still at it.
    NotHeld,
    /// The calling thread holds as many locks as a thread can.
    TooManyHeld,
    /// Somebody scribbled over it.
    Corrupt,
}

impl<E> OnceError<E> {
    /// Whether another thread is at it, and the caller did not want to wait.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Busy)
    }

    /// Whether another thread was at it for all of the timeout.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout)
    }

    /// Whether the calling thread would have waited for itself.
    #[must_use]
    pub const fn is_recursive(&self) -> bool {
        matches!(self, Self::Recursive)
    }

    /// What the initialiser said, if it failed.
    #[must_use]
    pub fn into_failure(self) -> Option<E> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

impl OnceError {
    /// The same, for an initialiser that can fail.
    pub(super) fn widen<E>(self) -> OnceError<E> {
        match self {
            Self::Busy => OnceError::Busy,
            Self::Timeout => OnceError::Timeout,
            Self::Recursive => OnceError::Recursive,
            Self::Failed(never) => match never {},
            Self::NotHeld => OnceError::NotHeld,
            Self::TooManyHeld => OnceError::TooManyHeld,
            Self::Corrupt => OnceError::Corrupt,
        }
    }
}

impl From<Refused> for OnceError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Held => Self::Timeout,
            Refused::WouldDeadlock => Self::Recursive,
            Refused::TooManyHeld => Self::TooManyHeld,
            Refused::Corrupt | Refused::TooDeep => Self::Corrupt,
        }
    }
}

impl<E: fmt::Display> fmt::Display for OnceError<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Busy => "another thread is at it",
            Self::Timeout => "it was not done in time",
            Self::Recursive => "this thread is at it already",
            Self::Failed(failure) => return write!(formatter, "the initialiser failed: {failure}"),
            Self::NotHeld => "this process inherited it from one that is still at it",
            Self::TooManyHeld => "this thread holds as many locks as a thread can",
            Self::Corrupt => "somebody scribbled over it",
        })
    }
}

impl<E: core::error::Error + 'static> core::error::Error for OnceError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}
