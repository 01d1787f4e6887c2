//! Carriers: by what messages come from a client and go to it.
//!
//! The server waits for all clients at once, at their descriptors; so nothing here waits.

use std::io;
use std::os::fd::BorrowedFd;

use ipc_core::Segment;
use ipc_pipe::Peer;

use super::sys::Interest;
use crate::carrier::{Received, Sent};
use crate::remote::Wire;

/// By what messages come from a client and go to it.
pub(super) trait Carrier: Send {
    /// What becomes readable when there is something to receive, or the client is gone.
    fn file(&self) -> BorrowedFd<'_>;

    /// What is to be waited for at the file; `has_backlog` if more is to be sent than found room.
    fn interest(&self, has_backlog: bool) -> Interest {
        if has_backlog { Interest::Write } else { Interest::Read }
    }

    /// Takes note of what the file has to say.
    fn hear(&mut self) {}

    /// Receives a message into the inbox, which is empty, if one is there; `room` is memory to do it with.
    fn receive(&mut self, inbox: &mut Vec<u8>, room: &mut [u8]) -> Received;

    /// Whether there is something to receive of which the file says nothing.
    fn has_more(&self) -> bool {
        false
    }

    /// Whether something may come of which the file says nothing, until it is [at rest](Self::rest).
    fn wants_looks(&self) -> bool {
        false
    }

    /// Has the file say what comes from now on; `false` if there is something already.
    fn rest(&mut self) -> bool {
        true
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

    /// Whether its messages could go through memory.
    fn takes_lanes(&self) -> bool {
        false
    }

    /// Has its messages go through memory from now on, if there is some, and tells the client.
    ///
    /// # Errors
    ///
    /// If the client could not be told.
    fn open_lane(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Sends the memory of an object, if it can, to who gets nothing else.
    fn hand_over(&mut self, _memory: &Segment) {}

    /// Its session, if it has one that another connection can go on with.
    fn session(&mut self) -> Option<&mut dyn Resumable> {
        None
    }

    /// The connection alone.
    fn into_wire(self: Box<Self>) -> Option<Wire> {
        None
    }

    /// Tells the client that the server ends.
    fn say_goodbye(&mut self) {}
}

/// A carrier whose session goes on when its connection breaks.
pub(super) trait Resumable {
    /// Whether the connection is broken, and the session is not over.
    fn may_return(&self) -> bool;

    /// Notes that the client is away: what is sent is kept.
    fn leave(&mut self);

    /// How many messages were received.
    fn n_received(&self) -> u64;

    /// Whether the client can have received so many messages.
    fn can_have_received(&self, n_received: u64) -> bool;

    /// Goes on through another connection, on which a hello is said first; `false` if the client cannot have
    /// received so many messages.
    fn come_back(&mut self, wire: Wire, hello: &[u8], n_received: u64) -> bool;
}
