//! `QueueError`, `PutError`, `GetError`.

use std::fmt;

use ipc_core::SegmentError;
use ipc_core::robust::TooManyHeld;
use ipc_core::wire::{DecodeError, EncodeError};

use crate::ring::Refused;

/// Why a queue could not be made or opened.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The capacity is zero or too great.
    #[error("a queue has room for between 1 and {most} messages")]
    BadCapacity {
        /// The greatest capacity.
        most: usize,
    },
    /// The size of a slot is not what a slot can have.
    #[error("a slot has a multiple of 16 bytes, and at most 16 MiB")]
    BadSlotSize,
    /// The limit in bytes is too great.
    #[error("a queue has at most {most} bytes for large messages")]
    BadMaxBytes {
        /// The greatest limit.
        most: u64,
    },
    /// The number of seats is zero or too great.
    #[error("a queue has between 1 and {most} seats")]
    BadSeats {
        /// The greatest number of seats.
        most: usize,
    },
    /// The memory could not be had, or is not what it should be.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}

/// Why a thread found no seat at a queue's table.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeatError {
    /// As many threads as the queue has seats use it already.
    #[error("all {n_seats} seats of the queue are taken")]
    AllTaken {
        /// How many there are.
        n_seats: usize,
    },
    /// The thread holds as many shared locks and seats as a thread can.
    #[error(transparent)]
    TooManyHeld(#[from] TooManyHeld),
}

/// Why a message was not put; it comes back.
#[non_exhaustive]
pub enum PutError<T> {
    /// There is no room now, for another message or for so long a one, or other putters were faster again and again.
    Full(T),
    /// There was no room until the deadline, or other putters were faster.
    TimedOut(T),
    /// The queue is closed. No later put can succeed.
    Closed(T),
    /// Nobody is left who could get the message: all have dropped their handles, or died.
    Disconnected(T),
    /// The message is too long for this queue, even if it is empty.
    TooLarge {
        /// The message.
        value: T,
        /// Its length in bytes.
        len: usize,
        /// The greatest length that the queue takes.
        limit: usize,
    },
    /// The machine has no memory for the message, or the process no addresses.
    NoMemory {
        /// The message.
        value: T,
        /// Why.
        source: SegmentError,
    },
    /// The message is a loan of the process that this one was forked from.
    Inherited(T),
    /// The message could not be turned into bytes.
    Encode {
        /// The message.
        value: T,
        /// Why.
        source: EncodeError,
    },
    /// There is no seat for this thread.
    NoSeat {
        /// The message.
        value: T,
        /// Why.
        source: SeatError,
    },
    /// The queue's words contradict one another: somebody scribbled over them.
    Corrupt(T),
}

impl<T> PutError<T> {
    /// The message that was not put.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value)
            | Self::TimedOut(value)
            | Self::Closed(value)
            | Self::Disconnected(value)
            | Self::Corrupt(value)
            | Self::Inherited(value)
            | Self::TooLarge { value, .. }
            | Self::NoMemory { value, .. }
            | Self::Encode { value, .. }
            | Self::NoSeat { value, .. } => value,
        }
    }

    /// The same error without the message, which may be borrowed where the error must not be.
    pub fn without_value(self) -> PutError<()> {
        self.map(drop)
    }

    /// Whether a later put may succeed when somebody has got a message.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_) | Self::TimedOut(_))
    }

    /// Whether the queue is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// Whether nobody is left who could get.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        matches!(self, Self::Disconnected(_))
    }

    /// The same error about another form of the message.
    pub(crate) fn map<U>(self, convert: impl FnOnce(T) -> U) -> PutError<U> {
        match self {
            Self::Full(value) => PutError::Full(convert(value)),
            Self::TimedOut(value) => PutError::TimedOut(convert(value)),
            Self::Closed(value) => PutError::Closed(convert(value)),
            Self::Disconnected(value) => PutError::Disconnected(convert(value)),
            Self::Corrupt(value) => PutError::Corrupt(convert(value)),
            Self::Inherited(value) => PutError::Inherited(convert(value)),
            Self::TooLarge { value, len, limit } => {
                PutError::TooLarge { value: convert(value), len, limit }
            }
            Self::NoMemory { value, source } => {
                PutError::NoMemory { value: convert(value), source }
            }
            Self::Encode { value, source } => PutError::Encode { value: convert(value), source },
            Self::NoSeat { value, source } => PutError::NoSeat { value: convert(value), source },
        }
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => formatter.write_str("the queue is full"),
            Self::TimedOut(_) => formatter.write_str("the queue was full until the deadline"),
            Self::Closed(_) => formatter.write_str("the queue is closed"),
            Self::Disconnected(_) => formatter.write_str("nobody is left to get from the queue"),
            Self::TooLarge { len, limit, .. } => {
                write!(formatter, "the message has {len} bytes, and the queue takes {limit}")
            }
            Self::NoMemory { source, .. } => write!(formatter, "{source}"),
            Self::Encode { source, .. } => write!(formatter, "{source}"),
            Self::NoSeat { source, .. } => write!(formatter, "{source}"),
            Self::Inherited(_) => formatter.write_str("the loan is another process's"),
            Self::Corrupt(_) => formatter.write_str("the queue's memory was scribbled over"),
        }
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PutError({self})")
    }
}

impl<T> std::error::Error for PutError<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoMemory { source, .. } => Some(source),
            Self::Encode { source, .. } => Some(source),
            Self::NoSeat { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why no message was got.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// There is no message now, or other getters were faster again and again.
    #[error("the queue is empty")]
    Empty,
    /// There was no message until the deadline, or other getters were faster.
    #[error("the queue was empty until the deadline")]
    TimedOut,
    /// The queue is closed, and all that was put was got.
    #[error("the queue is closed and empty")]
    Closed,
    /// Nobody is left who could put: all have dropped their handles, or died; and all that was put
    /// was got.
    #[error("the queue is empty and nobody is left to put into it")]
    Disconnected,
    /// A message was taken, but its bytes are no value of the queue's type.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A message was taken, but the process has no memory to hold it: it is lost.
    #[error("there is no memory for a message of {len} bytes")]
    NoMemory {
        /// How long it is.
        len: usize,
    },
    /// There is no seat for this thread.
    #[error(transparent)]
    NoSeat(#[from] SeatError),
    /// The queue's words contradict one another: somebody scribbled over them.
    #[error("the queue's memory was scribbled over")]
    Corrupt,
}

impl GetError {
    /// Whether a later get may succeed when somebody has put a message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty | Self::TimedOut)
    }

    /// Whether the queue is closed and empty.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// Whether the queue is empty and nobody is left who could put.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        matches!(self, Self::Disconnected)
    }
}

impl Refused {
    /// What a putter is told, and gets back.
    pub(crate) fn of_put<T>(self, value: T) -> PutError<T> {
        match self {
            Self::NotNow => PutError::Full(value),
            Self::TimedOut => PutError::TimedOut(value),
            Self::Closed => PutError::Closed(value),
            Self::Disconnected => PutError::Disconnected(value),
            Self::Corrupt => PutError::Corrupt(value),
        }
    }

    /// What a getter is told.
    pub(crate) fn of_get(self) -> GetError {
        match self {
            Self::NotNow => GetError::Empty,
            Self::TimedOut => GetError::TimedOut,
            Self::Closed => GetError::Closed,
            Self::Disconnected => GetError::Disconnected,
            Self::Corrupt => GetError::Corrupt,
        }
    }
}
