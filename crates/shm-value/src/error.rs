//! Why something in shared memory could not be read or changed.

use core::fmt;

use ipc_sync::raw::Refused;

/// Why a value in shared memory could not be read or changed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessError {
    /// The bytes there are no value of the type: somebody has written there who keeps to no rules.
    Corrupt,
    /// Somebody else had its turn, for as long as the caller wanted to wait.
    Busy,
    /// The calling thread itself has a guard, and would have waited for itself.
    WouldDeadlock,
    /// The calling thread holds as many locks as a thread can.
    TooManyHeld,
}

impl AccessError {
    /// Whether the bytes were no value.
    #[must_use]
    pub const fn is_corrupt(self) -> bool {
        matches!(self, Self::Corrupt)
    }

    /// Whether it was somebody else's turn.
    #[must_use]
    pub const fn is_busy(self) -> bool {
        matches!(self, Self::Busy)
    }
}

impl From<Refused> for AccessError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Held => Self::Busy,
            Refused::WouldDeadlock => Self::WouldDeadlock,
            Refused::Corrupt => Self::Corrupt,
            Refused::TooManyHeld | Refused::TooDeep => Self::TooManyHeld,
        }
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Corrupt => "the bytes there are not a value of the type",
            Self::Busy => "somebody else had its turn",
            Self::WouldDeadlock => "this thread has a guard already",
            Self::TooManyHeld => "this thread holds as many locks as a thread can",
        })
    }
}

impl core::error::Error for AccessError {}
