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

/// Why a list, a vector or a map in shared memory could not be changed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is no room for one more.
    #[error("there is no room for one more")]
    Full,
    /// There is no item of that number.
    #[error("there is no item {idx} among {len}")]
    OutOfBounds {
        /// The number.
        idx: usize,
        /// How many items there are.
        len: usize,
    },
    /// The place of the item has fewer bytes than the new one.
    #[error("{len} bytes exceed the {capacity} that the item has")]
    TooLarge {
        /// How many bytes the new one has.
        len: usize,
        /// How many there are for it.
        capacity: usize,
    },
    /// What was given has another length than what is kept there.
    #[error("{len} bytes are given where all have {expected}")]
    WrongLength {
        /// How many bytes were given.
        len: usize,
        /// How many all have.
        expected: usize,
    },
    /// It could not be read or changed now.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Refuses bytes of another length than all have.
pub(crate) fn check_length(bytes: &[u8], expected: usize) -> Result<(), ChangeError> {
    let len = bytes.len();
    if len == expected { Ok(()) } else { Err(ChangeError::WrongLength { len, expected }) }
}
