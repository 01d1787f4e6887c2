//! A word that the fork server and its user share: the number of the child made last.
//!
//! The kernel writes it while it makes the child, so there is no moment at which there is a child
//! whose number is not on the board, even if the server is killed during the call. If the server dies
//! before it has told of that child, the user finds it here.
//!
//! # Safety
//!
//! The word lies in a segment, which stays mapped as long as the board lives. It is written by the
//! kernel for the server, and only read by the user, who copies it out.
#![expect(unsafe_code, reason = "reads a word of shared memory")]

use ipc_core::{Kind, Segment, SegmentError};
use serde::{Deserialize, Deserializer, Serialize};

const KIND: Kind = Kind::new(*b"forksrv\0", 1);

/// The shared word.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Board(Segment);

impl Board {
    /// A board with nothing on it.
    pub(super) fn new() -> Result<Self, SegmentError> {
        Segment::create(KIND, 0, size_of::<u32>()).map(Self)
    }

    /// Where the number is to be written; good as long as the board is.
    pub(super) fn place(&self) -> *mut i32 {
        self.0.as_ptr().as_ptr().cast()
    }

    /// The number of the child that was made last; zero if none was.
    pub(super) fn last(&self) -> u32 {
        // SAFETY: the place lies in the segment, which is mapped, has room for it, and begins at a
        // multiple of its alignment; any bits are a number.
        unsafe { self.place().read_volatile() }.unsigned_abs()
    }
}

impl<'de> Deserialize<'de> for Board {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Segment::deserialize_as(deserializer, KIND, 0).map(Self)
    }
}
