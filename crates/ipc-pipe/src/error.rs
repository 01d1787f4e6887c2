//! `SendError`, `RecvError`, `RequestError`, `ConnectError`, `AcceptError`.

use std::io;

use ipc_core::wire::{self, DecodeError, EncodeError};

/// Why a message was not sent.
///
/// But for [`Torn`](Self::Torn), nothing of it was.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// There is no room now.
    #[error("there is no room for a message now")]
    Full,
    /// There was no room until the deadline.
    #[error("there was no room for the message in time")]
    TimedOut,
    /// Nobody has the other end any more: all who had it have closed it, or died.
    #[error("the other end is closed")]
    Disconnected,
    /// The value could not be turned into bytes and handles.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Only a part of the message was sent in time, over TCP. Nothing more can be sent.
    #[error("the message was cut short, and nothing more can be sent")]
    Torn,
    /// The connection belongs to another process: over TCP to the one that made it, through shared
    /// memory to the one that used it first.
    #[error("the connection belongs to another process")]
    OtherProcess,
    /// What is in shared memory contradicts itself: somebody scribbled over it.
    #[error("what is in shared memory contradicts itself")]
    Corrupt,
    /// The system refused: no memory, no descriptors, or too many of them on their way already.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
}

impl SendError {
    /// Whether nobody has the other end any more.
    #[must_use]
    pub const fn is_disconnected(&self) -> bool {
        matches!(self, Self::Disconnected)
    }

    /// Whether there was no room in time, so that the message can be sent again.
    #[must_use]
    pub const fn is_timed_out(&self) -> bool {
        matches!(self, Self::Full | Self::TimedOut)
    }

    /// What a call that does not wait says when the time is up.
    pub(crate) fn at_once(self) -> Self {
        match self {
            Self::TimedOut => Self::Full,
            error => error,
        }
    }
}

impl From<wire::SendError> for SendError {
    fn from(error: wire::SendError) -> Self {
        match error {
            wire::SendError::TimedOut => Self::TimedOut,
            wire::SendError::Torn => Self::Torn,
            wire::SendError::Disconnected => Self::Disconnected,
            wire::SendError::Io(error) => Self::Io(error),
            error => Self::Io(io::Error::other(error)),
        }
    }
}

/// Why no message was received.
///
/// A message that is refused is lost, and the next can be received; over TCP, whatever is wrong with
/// the stream ends it.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum RecvError {
    /// There is no message now.
    #[error("there is no message now")]
    Empty,
    /// No message came until the deadline.
    #[error("no message came in time")]
    TimedOut,
    /// Nobody has the other end any more, and all that was sent is received.
    #[doc(alias = "EOFError")]
    #[error("the other end is closed")]
    Disconnected,
    /// The other end was closed in the middle of a message that came over TCP.
    #[error("the other end was closed in the middle of a message")]
    Truncated,
    /// The message is longer than was asked for, or than the limit.
    #[error("a message of {len} bytes is longer than {limit}")]
    TooLong {
        /// Its length.
        len: u64,
        /// The limit.
        limit: usize,
    },
    /// The message is longer than the buffer: here it is.
    #[doc(alias = "BufferTooShort")]
    #[error("a message of {} bytes does not fit into the buffer", .message.len())]
    TooShort {
        /// The whole message.
        message: Vec<u8>,
    },
    /// The message has more handles than the limit.
    #[error("a message with {count} handles has more than {limit}")]
    TooManyHandles {
        /// How many.
        count: u32,
        /// The limit.
        limit: usize,
    },
    /// Some handles of the message are lost: this process had no room for more descriptors.
    #[error("the system cut off handles, for want of free descriptors")]
    HandlesCutOff,
    /// What came is no message of ours.
    #[error("what came is no message: {0}")]
    Malformed(&'static str),
    /// The bytes and handles are not the value that was expected.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// An earlier error has ended the stream, over TCP.
    #[error("the stream was broken by an earlier error")]
    Broken,
    /// The connection belongs to another process: over TCP to the one that made it, through shared
    /// memory to the one that used it first.
    #[error("the connection belongs to another process")]
    OtherProcess,
    /// What is in shared memory contradicts itself: somebody scribbled over it.
    #[error("what is in shared memory contradicts itself")]
    Corrupt,
    /// The system refused.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
}

impl RecvError {
    /// Whether nobody has the other end any more, and all that was sent is received.
    #[must_use]
    pub const fn is_disconnected(&self) -> bool {
        matches!(self, Self::Disconnected)
    }

    /// Whether no message came in time.
    #[must_use]
    pub const fn is_timed_out(&self) -> bool {
        matches!(self, Self::Empty | Self::TimedOut)
    }

    /// Whether no message can come any more, so that it is of no use to try again.
    pub(crate) const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Disconnected
                | Self::Truncated
                | Self::Broken
                | Self::OtherProcess
                | Self::Corrupt
                | Self::Io(_)
        )
    }

    /// What a call that does not wait says when the time is up.
    pub(crate) fn at_once(self) -> Self {
        match self {
            Self::TimedOut => Self::Empty,
            error => error,
        }
    }
}

impl From<wire::RecvError> for RecvError {
    fn from(error: wire::RecvError) -> Self {
        match error {
            wire::RecvError::TimedOut => Self::TimedOut,
            wire::RecvError::Truncated => Self::Truncated,
            wire::RecvError::TooLong { len, limit } => Self::TooLong { len, limit },
            wire::RecvError::TooManyHandles { count, limit } => {
                Self::TooManyHandles { count, limit }
            }
            wire::RecvError::HandlesCutOff => Self::HandlesCutOff,
            wire::RecvError::MissingHandles { .. } => Self::Malformed("handles are missing"),
            wire::RecvError::SurplusHandles { .. } => Self::Malformed("it has too many handles"),
            wire::RecvError::Broken => Self::Broken,
            wire::RecvError::Io(error) => Self::Io(error),
            error => Self::Io(io::Error::other(error)),
        }
    }
}

/// Why a request got no reply.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The request was not sent.
    #[error("the request was not sent: {0}")]
    Send(#[from] SendError),
    /// The request was sent, and no reply was received.
    #[error("no reply was received: {0}")]
    Recv(#[from] RecvError),
}

/// Why there is no connection to an address.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The time was over before the other side had answered.
    #[error("the other side did not answer in time")]
    TimedOut,
    /// Whoever listens there is none of ours, or gave up.
    #[error("whoever listens there does not speak as we do")]
    NotOurs,
    /// The other side wants a proof of a key, and none was given.
    #[error("the other side wants a key")]
    KeyWanted,
    /// A key was given, and the other side has none and could not prove it.
    #[error("the other side has no key")]
    KeyNotWanted,
    /// The other side does not accept the proof: it has another key.
    #[doc(alias = "AuthenticationError")]
    #[error("the other side has another key")]
    Refused,
    /// The other side has accepted our proof and has none of its own: it does not know the key.
    #[error("the other side does not know the key")]
    Impostor,
    /// The system refused: nobody listens there, or nobody may connect.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why no connection was accepted.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Nobody was let in until the deadline.
    #[error("nobody connected in time")]
    TimedOut,
    /// The listener belongs to the process that this one was forked from.
    #[error("the listener belongs to the process that this one was forked from")]
    Inherited,
    /// The system refused: no memory, or no descriptors.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
}
