//! Ends: what a handle may do, and who else is there.
//!
//! A queue has two sides, those who may put and those who may get. The kernel counts who is on each
//! ([`Presence`]): a handle of one side is an *end*, and a full handle is on both. Who is on one side
//! alone *watches* the other, and is told when nobody is left there. `ring/README.md`, under "Ends",
//! argues why it is told in time, and never too early.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipc_core::wire::DecodeError;
use ipc_core::wire::{deserialize_fd, reject};
use ipc_core::{Presence, Segment, SegmentError};
use serde::Deserializer;

/// What a handle may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(unnameable_types, reason = "named by a sealed trait")]
pub enum Side {
    /// Put and get.
    Both,
    /// Put only: it watches the getters.
    Put,
    /// Get only: it watches the putters.
    Get,
}

/// The roles in the segment of a queue.
const PUTTERS: Range<u32> = 0..1;
const GETTERS: Range<u32> = 1..2;

impl Side {
    fn roles(self) -> Range<u32> {
        match self {
            Self::Both => PUTTERS.start..GETTERS.end,
            Self::Put => PUTTERS,
            Self::Get => GETTERS,
        }
    }

    fn watched(self) -> Option<Range<u32>> {
        match self {
            Self::Both => None,
            Self::Put => Some(GETTERS),
            Self::Get => Some(PUTTERS),
        }
    }

    /// Whether putters may miss one that leaves.
    pub(crate) fn can_get(self) -> bool {
        self != Self::Put
    }
}

/// A handle's place on one side or on both, shared by its clones; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct End {
    presence: Presence,
    side: Side,
}

impl End {
    /// Begins a place in a queue's memory.
    pub(crate) fn enter(segment: &Segment, side: Side) -> Result<Self, SegmentError> {
        Ok(Self { presence: Presence::enter(segment, side.roles())?, side })
    }

    fn receive(fd: OwnedFd, side: Side) -> Result<(Segment, Self), SegmentError> {
        let (segment, presence) = Presence::receive(fd, side.roles())?;
        Ok((segment, Self { presence, side }))
    }

    /// Takes a place that came in a message, and the memory that it is in.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
        side: Side,
    ) -> Result<(Segment, Self), D::Error> {
        let fd = deserialize_fd(deserializer)?;
        Self::receive(fd, side).map_err(|error| {
            reject(match error {
                SegmentError::NotASegment => DecodeError::WrongHandle { expected: "queue" },
                error => DecodeError::Segment(error),
            })
        })
    }

    pub(crate) fn side(&self) -> Side {
        self.side
    }

    /// Whether it is to be told when nobody is left on the other side.
    pub(crate) fn is_watcher(&self) -> bool {
        self.side.watched().is_some()
    }

    /// Whether nobody is left on the side that it watches. In doubt somebody is.
    pub(crate) fn is_deserted(&self) -> bool {
        let is_anybody = |roles| -> io::Result<bool> { self.presence.is_anybody_else(roles) };
        self.side.watched().is_some_and(|roles| matches!(is_anybody(roles), Ok(false)))
    }
}

impl AsFd for End {
    /// What stands for the handle in a message.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.presence.as_fd()
    }
}
