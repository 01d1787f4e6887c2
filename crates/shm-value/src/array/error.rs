//! `ArrayError`: why values of an array could not be had.

use ipc_core::SegmentError;
use ipc_sync::LockError;

/// Why an array could not be made or opened, or its values not be read or changed.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ArrayError {
    /// There are not so many values.
    #[error("{len} values from {start} on are not inside an array of {there}")]
    OutOfBounds {
        /// The first that was asked for.
        start: usize,
        /// How many were asked for.
        len: usize,
        /// How many there are.
        there: usize,
    },
    /// An array cannot be in so many parts.
    #[error("an array has from 1 to {most} parts, not {parts}")]
    BadParts {
        /// How many were asked for.
        parts: usize,
        /// The most there can be.
        most: usize,
    },
    /// The dimensions do not go with the number of values.
    #[error("{len} values have no such dimensions")]
    BadShape {
        /// How many values there are.
        len: usize,
    },
    /// The bytes there are no value of the type.
    #[error("the bytes there are not a value of the type")]
    Corrupt,
    /// A lock was not taken, or its values may be half changed.
    #[error(transparent)]
    Lock(#[from] LockError<()>),
    /// The memory cannot be had.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}
