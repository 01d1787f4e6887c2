//! Why a semaphore was not made, a permit not taken, or not released.

use ipc_core::SegmentError;

use crate::raw::{MOST_PERMITS, MOST_SEATS, NoPermit, TooManyPermits};

/// Why there is no such semaphore.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SemaphoreError {
    /// Its memory could not be had, or is something else.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A semaphore cannot have so many permits.
    #[error("{asked} permits are more than the {MOST_PERMITS} that a semaphore can have")]
    TooManyPermits {
        /// How many were asked for.
        asked: u32,
    },
    /// A semaphore cannot have so many seats.
    #[error("{asked} seats are more than the {MOST_SEATS} that a semaphore can have")]
    TooManySeats {
        /// How many were asked for.
        asked: u32,
    },
    /// A bounded semaphore was asked for, and this one has no bound.
    #[error("the semaphore has no bound")]
    Unbounded,
    /// The bytes are not those of a semaphore.
    #[error("the bytes are not those of a semaphore")]
    Corrupt,
}

/// Why no permit was taken.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcquireError {
    /// The timeout passed.
    #[error("there was no permit in time")]
    Timeout,
    /// There is a permit, but no seat to hold it at: as many guards are out as there can be.
    #[error("all seats of the semaphore are taken")]
    NoSeat,
    /// The calling thread holds as many shared locks as a thread can.
    #[error("this thread holds as many locks as a thread can")]
    TooManyHeld,
}

/// Why no permit was taken without waiting.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TryAcquireError {
    /// There is no permit.
    #[error("there is no permit")]
    WouldBlock,
    /// There is a permit, but no seat to hold it at: as many guards are out as there can be.
    #[error("all seats of the semaphore are taken")]
    NoSeat,
    /// The calling thread holds as many shared locks as a thread can.
    #[error("this thread holds as many locks as a thread can")]
    TooManyHeld,
}

/// Why nothing was released.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// There would be more permits than the semaphore may have.
    #[error("there would be more permits than the semaphore may have")]
    TooManyPermits,
}

impl AcquireError {
    /// Whether the timeout passed.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout)
    }
}

impl TryAcquireError {
    /// Whether there is no permit.
    #[must_use]
    pub const fn is_would_block(&self) -> bool {
        matches!(self, Self::WouldBlock)
    }
}

impl From<NoPermit> for AcquireError {
    fn from(reason: NoPermit) -> Self {
        match reason {
            NoPermit::None => Self::Timeout,
            NoPermit::NoSeat => Self::NoSeat,
            NoPermit::TooManyHeld => Self::TooManyHeld,
        }
    }
}

impl From<NoPermit> for TryAcquireError {
    fn from(reason: NoPermit) -> Self {
        match reason {
            NoPermit::None => Self::WouldBlock,
            NoPermit::NoSeat => Self::NoSeat,
            NoPermit::TooManyHeld => Self::TooManyHeld,
        }
    }
}

impl From<TooManyPermits> for ReleaseError {
    fn from(_: TooManyPermits) -> Self {
        Self::TooManyPermits
    }
}
