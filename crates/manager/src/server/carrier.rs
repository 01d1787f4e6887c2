//! Carriers: by what messages come from a client and go to it.
//!
//! The server waits for all clients at once, at their descriptors; so nothing here waits.

use std::os::fd::{AsFd as _, BorrowedFd};

use ipc_core::Deadline;
use ipc_pipe::{Connection, Peer, RecvError};

use super::sys::Interest;

/// By what messages come from a client and go to it.
pub(super) trait Carrier: Send {
    /// What becomes readable when there is something to receive, or the client is gone.
    fn file(&self) -> BorrowedFd<'_>;

    /// What is to be waited for at the file; `has_backlog` if more is to be sent than found room.
    fn interest(&self, has_backlog: bool) -> Interest {
        if has_backlog { Interest::Write } else { Interest::Read }
    }

    /// Receives a message into the inbox, which is empty, if one is there; `room` is memory to do it with.
    fn receive(&mut self, inbox: &mut Vec<u8>, room: &mut [u8]) -> Received;

    /// Whether there is something to receive of which the file says nothing.
    fn has_more(&self) -> bool {
        false
    }

    /// Sends a message, or takes it over to be sent by [`flush`](Self::flush).
    fn send(&mut self, message: &[u8]) -> Sent;

    /// Goes on with what was taken over.
    fn flush(&mut self) -> Sent {
        Sent::Taken
    }

    /// How many bytes were taken over and are not sent yet.
    fn n_unsent(&self) -> usize {
        0
    }

    /// Who the client is, if it is a process of this user on this machine, as the kernel says.
    fn peer(&self) -> Option<Peer>;
}

/// What came of receiving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    Message,
    Nothing,
    /// The client is gone, or is none.
    End,
}

/// What came of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Taken,
    NoRoom,
    /// The client is gone.
    Gone,
}

/// A socket of packets, each of which is a message.
#[derive(Debug)]
pub(super) struct Packets(pub(super) Connection<(), ()>);

impl Carrier for Packets {
    fn file(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn receive(&mut self, inbox: &mut Vec<u8>, room: &mut [u8]) -> Received {
        match self.0.recv_bytes_into_deadline(room, Deadline::now()) {
            Ok(len) => inbox.extend_from_slice(room.get(..len).unwrap_or_default()),
            Err(RecvError::TooShort { message }) => *inbox = message,
            Err(error) if error.is_timed_out() => return Received::Nothing,
            Err(_) => return Received::End,
        }
        Received::Message
    }

    fn send(&mut self, message: &[u8]) -> Sent {
        match self.0.send_bytes_deadline(message, Deadline::now()) {
            Ok(()) => Sent::Taken,
            Err(error) if error.is_timed_out() => Sent::NoRoom,
            Err(_) => Sent::Gone,
        }
    }

    fn peer(&self) -> Option<Peer> {
        // The listener lets only processes of this user in.
        self.0.peer().ok().flatten()
    }
}
