//! Looking without waiting, for who waits in another way than a thread does.
//!
//! Who has looked in vain is called by the other side when it does something, and is at its
//! [door](super::door) until then.

use std::os::fd::OwnedFd;

use ipc_core::primitive::AtomicU64;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::door::Door;
use super::{Other, ShmConnection, has_left, len_here};
use crate::error::{RecvError, SendError};
use crate::line::Line;

impl<S: Serialize, R> ShmConnection<S, R> {
    /// Whether the ring has room for such a message.
    pub(crate) fn look_for_room(
        &mut self,
        bytes: &[u8],
        handles: &[OwnedFd],
    ) -> Result<bool, SendError> {
        if !self.claim()? {
            return Err(SendError::OtherProcess);
        }
        let (way, theirs) = (self.mapped.way_from(self.side), self.mapped.owner(1 - self.side));
        if has_left(theirs) {
            return Err(SendError::Disconnected);
        }
        let len = len_here(&way, bytes, handles).unwrap_or(0);
        let mut partner = Other { door: &mut self.door, theirs };
        Ok(self.writer.has_room_soon(&way, len)?
            || self.writer.look_for_room(&way, &mut partner, len)?)
    }
}

impl<S, R: DeserializeOwned> ShmConnection<S, R> {
    /// Whether there is something to receive.
    pub(crate) fn look_for_record(&mut self) -> Result<bool, RecvError> {
        if !self.claim()? {
            return Err(RecvError::OtherProcess);
        }
        let (way, theirs) = (self.mapped.way_from(1 - self.side), self.mapped.owner(1 - self.side));
        let mut partner = Other { door: &mut self.door, theirs };
        Ok(self.reader.is_there_soon(&way)? || self.reader.look_for_record(&way, &mut partner)?)
    }
}

impl<S, R> ShmConnection<S, R> {
    /// The line for messages that the ring does not take.
    pub(crate) const fn line(&self) -> &Line {
        &self.line
    }

    /// How often calls were heard here.
    pub(crate) const fn n_heard(&self) -> u64 {
        self.door.n_heard()
    }

    /// The door, and the owner word of the other end.
    pub(crate) fn door(&mut self) -> (&mut Door, &AtomicU64) {
        (&mut self.door, self.mapped.owner(1 - self.side))
    }
}
