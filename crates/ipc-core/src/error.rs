//! `SegmentError`: why a piece of shared memory cannot be had.

use std::io;

use crate::header::Kind;

/// Why a segment could not be made, opened or looked into.
///
/// Each way in which a descriptor or a name can turn out not to be what was asked for has a variant
/// of its own, so that a caller can tell a stale program from a broken one and from a hostile one.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The machine has no room for so many bytes.
    #[error("no space for {bytes} bytes of shared memory")]
    NoSpace {
        /// How much was asked for, header included.
        bytes: u64,
    },
    /// The descriptor is not a piece of memory at all: a pipe, a socket, a file on a disk.
    #[error("the descriptor is not shared memory")]
    NotASegment,
    /// The memory could still shrink under whoever maps it, and is not a private named segment.
    #[error("the memory is not sealed, so it could shrink while it is in use")]
    NotSealed,
    /// The memory is not one of our segments: it does not begin as they do.
    #[error("the memory does not begin with the mark of a segment")]
    WrongMagic,
    /// The header is laid out as by another version of this crate.
    #[error("the segment has header version {found}, not {expected}")]
    WrongLayoutVersion {
        /// The version that this crate writes and reads.
        expected: u32,
        /// The version in the header.
        found: u32,
    },
    /// Something else lies in the segment: a queue, say, where a lock was expected.
    #[error("the segment is a {found}, not a {expected}")]
    WrongKind {
        /// What was asked for.
        expected: Kind,
        /// What is there.
        found: Kind,
    },
    /// What lies in the segment lends its bytes as plain references, so nothing else may be placed
    /// there.
    #[error("the segment is a {found}, in which nothing else can be placed")]
    Exclusive {
        /// What lies there.
        found: Kind,
    },
    /// The right thing lies in it, but laid out by another version of the crate it belongs to.
    #[error("the segment is a {found}, of another version than {expected}")]
    WrongKindVersion {
        /// What was asked for.
        expected: Kind,
        /// What is there.
        found: Kind,
    },
    /// The right thing lies in it, but for values of another type.
    #[error("the segment is for a type with hash {found:#018x}, not {expected:#018x}")]
    WrongType {
        /// The hash of the type that was asked for.
        expected: u64,
        /// The hash in the header.
        found: u64,
    },
    /// The file is shorter than its header says, or too short to have one.
    #[error("the segment has {found} bytes where {expected} should be")]
    Truncated {
        /// How many bytes there should be.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// The file is longer than its header says.
    #[error("the segment has {found} bytes where only {expected} should be")]
    TooLong {
        /// How many bytes there should be.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// The segment was made in another pid namespace, where the same number is another process.
    #[error("the segment belongs to another pid namespace")]
    OtherPidNamespace,
    /// There is a segment of that name already.
    #[error("a segment of that name exists already")]
    AlreadyExists,
    /// There is no segment of that name.
    #[error("there is no segment of that name")]
    NotFound,
    /// The name cannot be the name of a segment.
    #[error(
        "a segment's name is 1 to 255 bytes long, without a slash or a zero byte, and no dots alone"
    )]
    BadName,
    /// This process may not read and write the segment.
    #[error("this process may not read and write the segment")]
    PermissionDenied,
    /// What was asked for does not lie inside the segment.
    #[error("{size} bytes at offset {offset} are not inside a segment of {len} bytes")]
    OutOfBounds {
        /// Where it should begin, in the body.
        offset: usize,
        /// How long it should be.
        size: usize,
        /// The length of the body.
        len: usize,
    },
    /// What was asked for cannot begin at such an offset.
    #[error("offset {offset} is not a multiple of {alignment}")]
    Misaligned {
        /// Where it should begin, in the body.
        offset: usize,
        /// What the offset must be a multiple of.
        alignment: usize,
    },
    /// The system refused for a reason of its own.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
}

impl SegmentError {
    /// Whether the name was taken.
    #[must_use]
    pub const fn is_already_exists(&self) -> bool {
        matches!(self, Self::AlreadyExists)
    }

    /// Whether the name was not there.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound)
    }

    /// Whether there was no room.
    #[must_use]
    pub const fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }
}
