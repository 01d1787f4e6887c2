//! `Local`: the carrier of a client on this machine.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use ipc_core::{Deadline, Segment};
use ipc_pipe::{Connection, Peer, RecvError, lane};

use super::carrier::Carrier;
use super::sys::Interest;
use crate::carrier::lane::{Ear, Mouth, Offer, split};
use crate::carrier::{Received, Sent, send_now};

/// A socket of packets, each of which is a message; perhaps with a lane beside it.
#[derive(Debug)]
pub(super) struct Local {
    socket: Connection<Offer, ()>,
    lane: Option<(Mouth, Ear)>,
}

impl Local {
    pub(super) fn new(socket: Connection<Offer, ()>) -> Self {
        Self { socket, lane: None }
    }
}

impl Carrier for Local {
    fn file(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn interest(&self, has_backlog: bool) -> Interest {
        // That there is room in a lane, the client says through the socket.
        let is_for_lane = self.lane.as_ref().is_some_and(|(mouth, _)| !mouth.is_socket_full);
        if has_backlog && !is_for_lane { Interest::Write } else { Interest::Read }
    }

    fn hear(&mut self) {
        if let Some((_, ear)) = &mut self.lane {
            ear.listen(&self.socket);
        }
    }

    fn receive(&mut self, inbox: &mut Vec<u8>, room: &mut [u8]) -> Received {
        if let Some((_, ear)) = &mut self.lane {
            return ear.receive(&self.socket, inbox);
        }
        match self.socket.recv_bytes_into_deadline(room, Deadline::now()) {
            Ok(len) => inbox.extend_from_slice(room.get(..len).unwrap_or_default()),
            Err(RecvError::TooShort { message }) => *inbox = message,
            Err(error) if error.is_timed_out() => return Received::Nothing,
            Err(_) => return Received::End,
        }
        Received::Message
    }

    fn has_more(&self) -> bool {
        self.lane.as_ref().is_some_and(|(_, ear)| ear.has_more())
    }

    fn wants_looks(&self) -> bool {
        self.lane.is_some()
    }

    fn rest(&mut self) -> bool {
        self.lane.as_ref().is_none_or(|(_, ear)| !ear.rest(&self.socket))
    }

    fn send(&mut self, message: &[u8]) -> Sent {
        let sent = match &mut self.lane {
            None => send_now(&self.socket, message),
            // Nobody will ever read it; what the client had sent before is still done.
            Some((_, ear)) if ear.is_over() => Ok(Sent::Taken),
            Some((mouth, _)) => match mouth.send(&self.socket, message) {
                // It may have come just now.
                Ok(Sent::NoRoom) if mouth.look_for_room(&self.socket) => {
                    mouth.send(&self.socket, message)
                }
                sent => sent,
            },
        };
        sent.unwrap_or(Sent::Gone)
    }

    fn peer(&self) -> Option<Peer> {
        // The listener lets only processes of this user in.
        self.socket.peer().ok().flatten()
    }

    fn takes_lanes(&self) -> bool {
        true
    }

    fn open_lane(&mut self) -> io::Result<()> {
        let (lane, offer) = lane::create().ok().unzip();
        self.socket.send_deadline(&offer, Deadline::now()).map_err(io::Error::other)?;
        self.lane = lane.map(split);
        Ok(())
    }

    fn hand_over(&mut self, memory: &Segment) {
        // Who has just come has room for it, or is none of ours.
        self.socket.send_deadline(&Some(memory.clone()), Deadline::now()).ok();
    }
}
