//! Carriers: by what messages go to the server and come from it.
//!
//! Any thread sends, and does not wait for it; one at a time receives.

use std::cell::Cell;
use std::io;
use std::os::fd::AsFd as _;

use ipc_core::Deadline;
use ipc_pipe::{Connection, RecvError, SendError};
use rustix::event::{PollFd, PollFlags, poll};

/// By what messages go to the server and come from it.
pub(super) trait Carrier: Send + Sync {
    /// Sends a message, if there is room for it.
    fn send(&self, message: &[u8]) -> io::Result<Sent>;

    /// Waits until there may be room for a message, or something to receive; whether it is the latter.
    fn wait(&self) -> io::Result<bool>;

    /// Receives a message, waiting for it until the deadline, and passes it on.
    fn receive(&self, deadline: Deadline, take: &mut dyn FnMut(&[u8])) -> Received;

    /// Whether the server is gone.
    fn is_closed(&self) -> bool;

    /// Whether the connection is broken, and there may be another.
    fn is_cut_off(&self) -> bool {
        false
    }

    /// The messages of which the server has got nothing, when it is gone.
    fn never_sent(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

/// What came of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// All of it.
    Whole,
    NoRoom,
    /// The server is gone.
    Gone,
}

/// What came of receiving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    Message,
    TimedOut,
    /// The server is gone, or is none.
    End,
}

/// A socket of packets, each of which is a message.
#[derive(Debug)]
pub(super) struct Packets(pub(super) Connection<(), ()>);

/// Replies are seldom longer.
const ROOM_BYTES: usize = 64 << 10;

thread_local! {
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Carrier for Packets {
    fn send(&self, message: &[u8]) -> io::Result<Sent> {
        match self.0.send_bytes_deadline(message, Deadline::now()) {
            Ok(()) => Ok(Sent::Whole),
            Err(error) if error.is_timed_out() => Ok(Sent::NoRoom),
            Err(SendError::Io(error)) => Err(error),
            Err(_) => Ok(Sent::Gone),
        }
    }

    fn wait(&self) -> io::Result<bool> {
        let flags = PollFlags::IN | PollFlags::OUT;
        let mut entry = [PollFd::from_borrowed_fd(self.0.as_fd(), flags)];
        rustix::io::retry_on_intr(|| poll(&mut entry, None))?;
        let [entry] = entry;
        Ok(entry.revents().contains(PollFlags::IN))
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
            Err(error) if error.is_timed_out() => Received::TimedOut,
            Err(_) => Received::End,
        };
        ROOM.try_with(|cell| cell.set(room)).ok();
        received
    }

    fn is_closed(&self) -> bool {
        self.0.closed().unwrap_or(true)
    }
}
