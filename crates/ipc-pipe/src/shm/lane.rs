//! Lanes: two ways through shared memory, for two who have a socket between them already.
//!
//! A [`shm_pipe`](crate::shm_pipe) waits by itself. A lane does not: whoever has an event loop, with many
//! others in it, looks at its lanes for as long as it likes, says that it is about to sleep, and sleeps as
//! it always does. How the other side is called then, and seen to be gone, is told by a [`Partner`]: most
//! often by the socket over which the lane came.
//!
//! Messages come whole and in order. One that is longer than [`LONGEST`], or has handles, goes another
//! way, and a mark stands in its place.
//!
//! ```
//! use ipc_core::Deadline;
//! use ipc_pipe::lane::{self, Message, Partner};
//!
//! /// Nobody sleeps here.
//! struct Awake;
//!
//! impl Partner for Awake {
//!     fn call(&self) {}
//!     fn sleep(&mut self, _: Deadline) -> bool {
//!         true
//!     }
//!     fn is_gone(&mut self) -> bool {
//!         false
//!     }
//!     fn may_miss_sleepers(&mut self) {}
//! }
//!
//! let (mut here, segment) = lane::create()?;
//! // In another process:
//! let mut there = lane::open(segment)?;
//! assert!(here.writer.try_put(&Awake, b"hello")?);
//! let mut bytes = Vec::new();
//! assert_eq!(there.reader.take(&Awake, &mut bytes)?, Some(Message::Here));
//! assert_eq!(bytes, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Process death
//!
//! Who dies while it puts a message has put all of it, or nothing; the commit point is the store of the
//! message's header. That a side is gone says the partner.
//!
//! What the other side writes into the memory is input: it makes nobody panic, or wait for ever, and what
//! cannot be is [`Refused::Corrupt`].

use std::io;

use ipc_core::primitive::are_fences_granted;
use ipc_core::{Deadline, Segment};

use super::mapped::{Mapped, RING_LEN, Role};
use super::owner::claim;
use super::ring::{self, HEADER, Record};

pub use super::ring::{Partner, Refused};

/// The longest message that goes through a lane.
pub const LONGEST: usize = RING_LEN / 2 - HEADER;

/// One side of a lane.
#[derive(Debug)]
pub struct Lane {
    /// What it sends by.
    pub writer: Writer,
    /// What it receives by.
    pub reader: Reader,
}

/// What one side of a lane sends by.
#[derive(Debug)]
pub struct Writer {
    mapped: Mapped,
    side: usize,
    ring: ring::Writer,
}

/// What one side of a lane receives by.
#[derive(Debug)]
pub struct Reader {
    mapped: Mapped,
    side: usize,
    ring: ring::Reader,
}

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Its bytes are here.
    Here,
    /// It came another way, before its mark did.
    Elsewhere,
}

/// Makes a lane: one side of it, and the memory for whoever [opens](open()) the other.
///
/// # Errors
///
/// If the process has too many descriptors, the machine no memory, or the system refuses `membarrier`,
/// with which who goes to sleep saves the other side a fence.
pub fn create() -> io::Result<(Lane, Segment)> {
    let mapped = Mapped::create().map_err(io::Error::other)?;
    let segment = mapped.segment().clone();
    Ok((Lane::claim(mapped, 0)?, segment))
}

/// Opens the other side of a lane, which nobody has yet.
///
/// # Errors
///
/// If it is not the memory of a lane, somebody has that side, or the system refuses `membarrier`.
pub fn open(segment: Segment) -> io::Result<Lane> {
    let mapped = Mapped::open(segment).map_err(io::Error::other)?;
    Lane::claim(mapped, 1)
}

/// An owner word that says that somebody has the side.
const CLAIMED: u64 = 1;

impl Lane {
    fn claim(mapped: Mapped, side: usize) -> io::Result<Self> {
        // If it comes to that later only, whoever goes to sleep is told.
        if !are_fences_granted() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "membarrier is refused"));
        }
        if !claim(mapped.way_from(side).owner(Role::Writer), CLAIMED) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody has that side"));
        }
        let writer = Writer { mapped: mapped.clone(), side, ring: ring::Writer::default() };
        Ok(Self { writer, reader: Reader { mapped, side, ring: ring::Reader::default() } })
    }
}

impl Writer {
    /// Whether there is room for a message of so many bytes; for a mark, zero.
    ///
    /// # Errors
    ///
    /// [`Refused::Corrupt`].
    pub fn has_room(&mut self, len: usize) -> Result<bool, Refused> {
        self.ring.has_room(&self.mapped.way_from(self.side), len)
    }

    /// Looks as [`has_room`](Self::has_room) does; if there is none, the other side calls when there is.
    ///
    /// # Errors
    ///
    /// [`Refused::Corrupt`]; [`Refused::Gone`] if the partner says so.
    pub fn announce(&mut self, partner: &mut impl Partner, len: usize) -> Result<bool, Refused> {
        self.ring.look_for_room(&self.mapped.way_from(self.side), partner, len)
    }

    /// Puts a message, if there is room for it, and calls the other side, if that sleeps.
    ///
    /// # Errors
    ///
    /// [`Refused::Corrupt`].
    ///
    /// # Panics
    ///
    /// If the message is longer than [`LONGEST`].
    pub fn try_put(&mut self, partner: &impl Partner, bytes: &[u8]) -> Result<bool, Refused> {
        assert!(bytes.len() <= LONGEST, "it is too long for a lane");
        let way = self.mapped.way_from(self.side);
        let has_room = self.ring.has_room(&way, bytes.len())?;
        if has_room {
            self.ring.put(&way, partner, bytes);
        }
        Ok(has_room)
    }

    /// Puts the mark of a message that went another way, if there is room for it.
    ///
    /// # Errors
    ///
    /// [`Refused::Corrupt`].
    pub fn try_mark(&mut self, partner: &impl Partner) -> Result<bool, Refused> {
        let way = self.mapped.way_from(self.side);
        let has_room = self.ring.has_room(&way, 0)?;
        if has_room {
            self.ring.put_elsewhere(&way, partner);
        }
        Ok(has_room)
    }
}

impl Reader {
    /// Whether there is a message.
    ///
    /// # Errors
    ///
    /// [`Refused::Corrupt`].
    #[inline]
    pub fn has_message(&self) -> Result<bool, Refused> {
        Ok(self.ring.next(&self.mapped.way_from(1 - self.side))?.is_some())
    }

    /// Looks as [`has_message`](Self::has_message) does; if there is none, the other side calls when there
    /// is.
    ///
    /// # Errors
    ///
    /// [`Refused::Corrupt`]; [`Refused::Gone`] if the partner says so.
    pub fn announce(&self, partner: &mut impl Partner) -> Result<bool, Refused> {
        self.ring.look_for_record(&self.mapped.way_from(1 - self.side), partner)
    }

    /// Waits until there is a message: looks for a while, then announces itself and sleeps.
    ///
    /// # Errors
    ///
    /// [`Refused`] says why there is none.
    pub fn wait(&self, partner: &mut impl Partner, deadline: Deadline) -> Result<(), Refused> {
        let way = self.mapped.way_from(1 - self.side);
        self.ring.await_record(&way, partner, deadline).map(drop)
    }

    /// Takes the next message, if there is one, and appends its bytes, if they are here.
    ///
    /// # Errors
    ///
    /// [`Refused::Corrupt`].
    pub fn take(
        &mut self,
        partner: &impl Partner,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<Message>, Refused> {
        let way = self.mapped.way_from(1 - self.side);
        let Some(record) = self.ring.next(&way)? else { return Ok(None) };
        self.ring.read(&way, record, bytes);
        self.ring.advance(&way, partner, record);
        Ok(Some(match record {
            Record::Here(_) => Message::Here,
            Record::Elsewhere => Message::Elsewhere,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::mapped::N_UNITS;

    #[test]
    fn the_longest_message_is_the_rings() {
        assert_eq!(LONGEST, ring::longest(N_UNITS));
    }
}
