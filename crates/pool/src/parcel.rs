//! Parcels: what a ring cannot carry.
//!
//! A value has bytes and handles. Few bytes go through the ring; many are put into a file in memory,
//! whose descriptor is one more handle. Handles go through the worker's socket, *before* the record
//! that speaks of them is put into the ring: so whoever gets the record finds the parcel there. A
//! parcel has the ticket of its task on it. One whose record was never put, since its sender died or
//! gave up in between, is recognized by its ticket and dropped, or goes with the socket.
//!
//! The message that a socket carries is a few bytes and some descriptors, whatever the value, so its
//! buffer does not fill up.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use ipc_core::Deadline;
use ipc_core::wire::{Limits, Message, MessageSocket, RecvError, SendError};

use crate::sys;

/// So many bytes of a value go through a ring.
///
/// Above, making a file, passing it and reading it costs less than slot after slot.
pub(crate) const MOST_INLINE: usize = 16 << 10;

/// How much of a value goes through the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freight {
    /// Nothing.
    None,
    /// Its handles.
    Handles,
    /// Its handles, and as the last one a file with its bytes.
    File,
}

/// A value that is ready to be sent any number of times.
#[derive(Debug, Default)]
pub(crate) struct Parcel {
    bytes: Vec<u8>,
    handles: Vec<OwnedFd>,
    is_in_file: bool,
}

impl Parcel {
    /// Packs a value; many bytes are moved to a file.
    pub(crate) fn pack(message: Message) -> io::Result<Self> {
        let Message { bytes, mut handles } = message;
        if bytes.len() <= MOST_INLINE {
            return Ok(Self { bytes, handles, is_in_file: false });
        }
        handles.push(sys::file_in_memory(&bytes)?);
        Ok(Self { bytes: Vec::new(), handles, is_in_file: true })
    }

    /// Puts together what came through a ring and what came through a socket.
    pub(crate) fn of_parts(freight: Freight, bytes: Vec<u8>, handles: Vec<OwnedFd>) -> Self {
        Self { bytes, handles, is_in_file: freight == Freight::File }
    }

    /// Makes the value's message again.
    pub(crate) fn unpack(self) -> io::Result<Message> {
        let Self { mut bytes, mut handles, is_in_file } = self;
        if is_in_file {
            let file = handles.pop().ok_or(io::ErrorKind::InvalidData)?;
            bytes = sys::read_whole(file)?;
        }
        Ok(Message { bytes, handles })
    }

    /// What goes through the ring.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, for good.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn freight(&self) -> Freight {
        match (self.is_in_file, self.handles.is_empty()) {
            (true, _) => Freight::File,
            (false, false) => Freight::Handles,
            (false, true) => Freight::None,
        }
    }

    /// Sends what goes through the socket, if anything does.
    pub(crate) fn send(
        &self,
        socket: &MessageSocket,
        ticket: u64,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        if self.handles.is_empty() {
            return Ok(());
        }
        let handles: Vec<BorrowedFd<'_>> = self.handles.iter().map(OwnedFd::as_fd).collect();
        socket.send_parts(&ticket.to_le_bytes(), &handles, deadline)
    }
}

/// Receives the handles that belong to a ticket; those of other tickets before it are dropped.
pub(crate) fn receive(socket: &MessageSocket, ticket: u64) -> Result<Vec<OwnedFd>, RecvError> {
    loop {
        // It was sent before its record was put, so there is nothing to wait for.
        match socket.recv(&Limits::NONE, Deadline::now())? {
            Some(message) if message.bytes == ticket.to_le_bytes() => return Ok(message.handles),
            Some(_) => {}
            None => return Err(RecvError::Truncated),
        }
    }
}

impl Freight {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Handles => 1,
            Self::File => 2,
        }
    }

    pub(crate) const fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Handles),
            2 => Some(Self::File),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use ipc_core::Deadline;
    use ipc_core::wire::{Message, MessageSocket};

    use super::{Freight, MOST_INLINE, Parcel, receive};

    fn value(len: usize, n_handles: usize) -> Message {
        let handles = (0..n_handles).map(|_| File::open("/dev/null").unwrap().into()).collect();
        Message { bytes: vec![7; len], handles }
    }

    #[test]
    fn parcel_of_any_size_arrives_whole_and_can_be_sent_again() {
        for (len, n_handles, freight) in [
            (MOST_INLINE, 0, Freight::None),
            (5, 3, Freight::Handles),
            (MOST_INLINE + 1, 0, Freight::File),
            (1 << 20, 2, Freight::File),
        ] {
            let parcel = Parcel::pack(value(len, n_handles)).unwrap();
            assert_eq!(parcel.freight(), freight);
            for ticket in [1, 2] {
                let (left, right) = MessageSocket::pair().unwrap();
                parcel.send(&left, ticket, Deadline::now()).unwrap();
                let handles = match freight {
                    Freight::None => Vec::new(),
                    _ => receive(&right, ticket).unwrap(),
                };
                let arrived = Parcel::of_parts(freight, parcel.bytes().to_vec(), handles);
                let message = arrived.unpack().unwrap();
                assert_eq!(message.bytes, vec![7; len]);
                assert_eq!(message.handles.len(), n_handles);
            }
        }
    }

    #[test]
    fn parcel_whose_record_never_came_is_dropped() {
        let (left, right) = MessageSocket::pair().unwrap();
        let parcel = Parcel::pack(value(1, 1)).unwrap();
        for ticket in [3, 4, 5] {
            parcel.send(&left, ticket, Deadline::now()).unwrap();
        }
        assert_eq!(receive(&right, 5).unwrap().len(), 1);
        drop(left);
        assert!(receive(&right, 6).is_err());
    }
}
