//! Carriers: by what messages go to the server and come from it.
//!
//! Any thread sends, and does not wait for it; one at a time receives.

use std::cell::Cell;
use std::io;
use std::os::fd::AsFd;

use ipc_core::Deadline;
use ipc_pipe::{Connection, RecvError};
use rustix::event::{PollFd, PollFlags, poll};

use crate::carrier::lane::Offer;
use crate::carrier::{Received, Sent, send_now};

/// By what messages go to the server and come from it.
pub(super) trait Carrier: Send + Sync {
    /// Sends a message, if there is room for it.
    fn send(&self, message: &[u8]) -> io::Result<Sent>;

    /// Waits until there may be room for what there was none for, or something to receive. Who calls is
    /// the one who receives.
    fn wait(&self) -> io::Result<()>;

    /// Waits until there may be room, while another receives; `false` if that is for the other to say, each
    /// time it has received, or not.
    fn wait_for_room(&self) -> io::Result<bool>;

    /// Receives a message, waiting for it until the deadline, and passes it on. It may come back with
    /// nothing before, if there may be room to send now.
    fn receive(&self, deadline: Deadline, take: &mut dyn FnMut(&[u8])) -> Received;

    /// Whether the server is gone.
    fn is_closed(&self) -> bool;

    /// What a message of many calls is best no longer than.
    fn piece_bytes(&self) -> usize {
        PIECE_BYTES
    }

    /// Whether the connection is broken, and there may be another.
    fn is_cut_off(&self) -> bool {
        false
    }

    /// The messages of which the server has got nothing, when it is gone.
    fn never_sent(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

/// So much goes through a socket, and not beside it.
const PIECE_BYTES: usize = 30 << 10;

/// A socket of packets, each of which is a message.
#[derive(Debug)]
pub(super) struct Packets(pub(super) Connection<(), Offer>);

/// Replies are seldom longer.
const ROOM_BYTES: usize = 64 << 10;

thread_local! {
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Carrier for Packets {
    fn send(&self, message: &[u8]) -> io::Result<Sent> {
        send_now(&self.0, message)
    }

    fn wait(&self) -> io::Result<()> {
        wait_for(&self.0, PollFlags::IN | PollFlags::OUT)
    }

    fn wait_for_room(&self) -> io::Result<bool> {
        wait_for(&self.0, PollFlags::OUT).map(|()| true)
    }

    fn receive(&self, deadline: Deadline, take: &mut dyn FnMut(&[u8])) -> Received {
        // Nobody else's code runs while this is lent.
        let mut room = ROOM.try_with(Cell::take).unwrap_or_default();
        room.resize(ROOM_BYTES, 0);
        let received = match self.0.recv_bytes_into_deadline(&mut room, deadline) {
            Ok(len) => {
                take(room.get(..len).unwrap_or_default());
                Received::Message
            }
            Err(RecvError::TooShort { message }) => {
                take(&message);
                Received::Message
            }
            Err(error) if error.is_timed_out() => Received::Nothing,
            Err(_) => Received::End,
        };
        ROOM.try_with(|cell| cell.set(room)).ok();
        received
    }

    fn is_closed(&self) -> bool {
        self.0.closed().unwrap_or(true)
    }
}

/// Waits until a socket is ready, or its other end is gone.
pub(super) fn wait_for(socket: impl AsFd, flags: PollFlags) -> io::Result<()> {
    let mut entry = [PollFd::from_borrowed_fd(socket.as_fd(), flags)];
    rustix::io::retry_on_intr(|| poll(&mut entry, None))?;
    Ok(())
}
