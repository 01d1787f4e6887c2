//! `EncodeError`, `DecodeError`, `SendError`, `RecvError`.

use std::io;

use super::codec::CodecError;
use crate::error::SegmentError;

/// Why a value could not be turned into bytes and handles.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The value's own `Serialize` failed, or asked for what the codec cannot do.
    #[error("the value cannot be encoded: {0}")]
    Value(#[source] CodecError),
    /// There is a handle in the value, and it is meant for a place that carries bytes only.
    #[error("the value contains a handle, which cannot go where it is meant to go")]
    HandleNotAllowed,
    /// A descriptor could not be duplicated.
    #[error("a handle could not be duplicated: {0}")]
    Duplicate(#[source] io::Error),
}

/// Why bytes and handles are not the value that was expected.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are no such value.
    #[error("the bytes are not the value expected: {0}")]
    Value(#[source] CodecError),
    /// Values lie in values to a depth that could use up the stack.
    #[error("values are nested more than {limit} deep")]
    TooDeep {
        /// How deep they may be.
        limit: u32,
    },
    /// A list says that it has far more items than there are bytes.
    #[error("a list has more than {limit} items, and far fewer bytes")]
    TooManyItems {
        /// How many it may have.
        limit: usize,
    },
    /// The value ends before the bytes do.
    #[error("{count} bytes are left after the value")]
    LeftOverBytes {
        /// How many.
        count: usize,
    },
    /// The bytes name a handle that did not come with them: a forged index or a lost descriptor.
    #[error("handle {index} is named, but only {count} came")]
    NoSuchHandle {
        /// The index in the bytes.
        index: u32,
        /// How many handles came.
        count: usize,
    },
    /// The bytes name the same handle twice.
    #[error("handle {index} is named twice")]
    HandleUsedTwice {
        /// The index in the bytes.
        index: u32,
    },
    /// More handles came than the bytes name.
    #[error("{count} handles are left after the value")]
    LeftOverHandles {
        /// How many.
        count: usize,
    },
    /// A handle is not what stands in its place in the value.
    #[error("a handle is not a {expected}")]
    WrongHandle {
        /// What it should be.
        expected: &'static str,
    },
    /// A handle is memory, but not the segment that stands in its place in the value.
    #[error("a segment is refused: {0}")]
    Segment(#[source] SegmentError),
}

/// Why a message could not be sent.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The deadline came before any of the message was sent; it can be sent again.
    #[error("the time is over, and nothing was sent")]
    TimedOut,
    /// The deadline came, or the system refused, when a part of the message was sent already.
    ///
    /// The peer will see the end of the stream inside a message. Nothing more can be sent.
    #[error("the message was cut short, and nothing more can be sent")]
    Torn,
    /// The other end is closed: by its owner, or by the end of the last process that had it.
    #[error("the other end is closed")]
    Disconnected,
    /// The system refused for a reason of its own, before any of the message was sent.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
}

impl SendError {
    /// Whether the deadline came and the message can be sent again.
    #[must_use]
    pub const fn is_timed_out(&self) -> bool {
        matches!(self, Self::TimedOut)
    }

    /// Whether the other end is closed.
    #[must_use]
    pub const fn is_disconnected(&self) -> bool {
        matches!(self, Self::Disconnected)
    }
}

/// Why no message could be received.
///
/// After [`TimedOut`](Self::TimedOut) and [`Io`](Self::Io) one can try again and loses nothing.
/// After any other error the stream cannot be trusted any more: every later call returns
/// [`Broken`](Self::Broken).
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum RecvError {
    /// The deadline came before a whole message did. What came of it is kept for the next call.
    #[error("the time is over, and no whole message came")]
    TimedOut,
    /// The other end was closed in the middle of a message, as by a process that was killed.
    #[error("the other end was closed in the middle of a message")]
    Truncated,
    /// The message says that it is longer than is allowed here.
    #[error("a message of {len} bytes is longer than the limit of {limit}")]
    TooLong {
        /// What the message says.
        len: u64,
        /// The limit.
        limit: usize,
    },
    /// The message says that it has more handles than are allowed here.
    #[error("a message with {count} handles has more than the limit of {limit}")]
    TooManyHandles {
        /// What the message says.
        count: u32,
        /// The limit.
        limit: usize,
    },
    /// Some of the handles got lost: this process had no room for more descriptors.
    #[error("the system cut off handles, for want of free descriptors")]
    HandlesCutOff,
    /// Fewer handles came than the message says.
    #[error("{found} handles came instead of {expected}")]
    MissingHandles {
        /// What the message says.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// More handles came than the message says.
    #[error("{found} handles came instead of {expected}")]
    SurplusHandles {
        /// What the message says.
        expected: usize,
        /// How many came, at least.
        found: usize,
    },
    /// An earlier error broke the stream.
    #[error("the stream was broken by an earlier error")]
    Broken,
    /// The system refused for a reason of its own.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
}

impl RecvError {
    /// Whether the deadline came and one can try again.
    #[must_use]
    pub const fn is_timed_out(&self) -> bool {
        matches!(self, Self::TimedOut)
    }
}
