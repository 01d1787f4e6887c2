//! Looking without waiting, for who waits in another way than a thread does.
//!
//! Who has looked in vain is called by the other side when it does something, and is at its
//! [door](super::door) until then.

use std::os::fd::OwnedFd;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ShmConnection;
use super::sending::len_here;
use crate::error::{RecvError, SendError};

impl<S: Serialize, R> ShmConnection<S, R> {
    /// Whether the ring has room for such a message.
    pub(crate) fn look_for_room(
        &mut self,
        bytes: &[u8],
        handles: &[OwnedFd],
    ) -> Result<bool, SendError> {
        let (way, writer, mut other) = self.sending()?.0.parts();
        if other.theirs.has_left() {
            return Err(SendError::Disconnected);
        }
        let len = len_here(&way, bytes, handles).unwrap_or(0);
        Ok(writer.has_room_soon(&way, len)? || writer.look_for_room(&way, &mut other, len)?)
    }
}

impl<S, R: DeserializeOwned> ShmConnection<S, R> {
    /// Whether there is something to receive.
    pub(crate) fn look_for_record(&mut self) -> Result<bool, RecvError> {
        let (way, reader, mut other) = self.receiving()?.0.parts();
        Ok(reader.is_there_soon(&way)? || reader.look_for_record(&way, &mut other)?)
    }
}
