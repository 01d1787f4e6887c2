//! `Laned`: a carrier of a client whose messages go through memory.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipc_core::{Deadline, Segment};
use ipc_pipe::{Connection, lane};
use rustix::event::PollFlags;

use super::carrier::{Carrier, wait_for};
use crate::carrier::lane::{Ear, Mouth, Offer, split};
use crate::carrier::{Received, Sent};

/// A lane beside a socket.
#[derive(Debug)]
pub(super) struct Laned {
    socket: Connection<(), Offer>,
    mouth: Mutex<Mouth>,
    /// Nobody waits for it: one thread at a time receives.
    ear: Mutex<(Ear, Vec<u8>)>,
}

/// The server begins with the first calls while the others are still being sent.
const PIECE_BYTES: usize = 512;

impl Laned {
    pub(super) fn new(socket: Connection<(), Offer>, segment: Segment) -> io::Result<Self> {
        let (mouth, ear) = split(lane::open(segment)?);
        Ok(Self { socket, mouth: mouth.into(), ear: (ear, Vec::new()).into() })
    }

    fn mouth(&self) -> MutexGuard<'_, Mouth> {
        self.mouth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ear(&self) -> MutexGuard<'_, (Ear, Vec<u8>)> {
        self.ear.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Carrier for Laned {
    fn send(&self, message: &[u8]) -> io::Result<Sent> {
        self.mouth().send(&self.socket, message)
    }

    fn wait(&self) -> io::Result<()> {
        let mut mouth = self.mouth();
        if mouth.look_for_room(&self.socket) || self.ear().0.rest(&self.socket) {
            return Ok(());
        }
        let more = if mouth.is_socket_full { PollFlags::OUT } else { PollFlags::empty() };
        drop(mouth);
        wait_for(&self.socket, PollFlags::IN | more)
    }

    fn wait_for_room(&self) -> io::Result<bool> {
        let mut mouth = self.mouth();
        let is_socket_full = mouth.is_socket_full;
        let may_have_room = is_socket_full || mouth.look_for_room(&self.socket);
        drop(mouth);
        if is_socket_full {
            wait_for(&self.socket, PollFlags::OUT)?;
        }
        Ok(may_have_room)
    }

    fn receive(&self, deadline: Deadline, take: &mut dyn FnMut(&[u8])) -> Received {
        let (ear, room) = &mut *self.ear();
        let mut receive = |ear: &mut Ear| {
            room.clear();
            let received = ear.receive(&self.socket, room);
            if received == Received::Message {
                take(room);
            }
            received
        };
        match receive(ear) {
            Received::Nothing if deadline.is_past() => ear.listen(&self.socket),
            Received::Nothing => ear.wait(&self.socket, deadline),
            received => return received,
        }
        receive(ear)
    }

    fn piece_bytes(&self) -> usize {
        PIECE_BYTES
    }

    fn is_closed(&self) -> bool {
        self.socket.closed().unwrap_or(true)
    }
}
