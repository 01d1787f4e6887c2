//! `MemoryError`: why a block of bytes cannot be had or used.

use std::io;

use ipc_core::SegmentError;

use crate::error::AccessError;

/// Why a block of bytes could not be made, opened, read or changed.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// A block has at least one byte.
    #[error("a block of memory has at least one byte")]
    BadSize,
    /// There are not so many bytes.
    #[error("{len} bytes at offset {offset} are not inside a block of {size} bytes")]
    OutOfBounds {
        /// Where they should begin.
        offset: usize,
        /// How many there should be.
        len: usize,
        /// How many the block has.
        size: usize,
    },
    /// The bytes there are no value of the type.
    #[error("the bytes there are not a value of the type")]
    Corrupt,
    /// The handle does not own a name.
    #[error("only who made a name can take it away")]
    NotOwner,
    /// The memory is not sealed against changes.
    #[error("the memory can still be changed")]
    NotFrozen,
    /// It could not be changed now.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The memory cannot be had.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}

impl From<io::Error> for MemoryError {
    fn from(error: io::Error) -> Self {
        Self::Segment(error.into())
    }
}

impl MemoryError {
    /// Whether the name was taken.
    #[must_use]
    pub const fn is_already_exists(&self) -> bool {
        matches!(self, Self::Segment(SegmentError::AlreadyExists))
    }

    /// Whether the name was not there.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Segment(SegmentError::NotFound))
    }

    /// Whether the name cannot be one.
    #[must_use]
    pub const fn is_bad_name(&self) -> bool {
        matches!(self, Self::Segment(SegmentError::BadName))
    }
}
