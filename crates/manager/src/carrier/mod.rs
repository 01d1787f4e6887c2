//! What both sides of a connection have in common: what comes of sending and of receiving, and lanes.

pub(crate) mod courtesy;
pub(crate) mod lane;

use std::io;

use ipc_core::Deadline;
use ipc_pipe::{Connection, SendError};
use serde::Serialize;

/// What came of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is sent, or will be.
    Taken,
    NoRoom,
    /// The other side is gone.
    Gone,
}

/// What came of receiving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Message,
    /// There was none, or not in time.
    Nothing,
    /// The other side is gone, or is none of ours.
    End,
}

/// Sends a message through a socket of packets, if there is room for it.
pub(crate) fn send_now<S: Serialize, R>(
    socket: &Connection<S, R>,
    message: &[u8],
) -> io::Result<Sent> {
    match socket.send_bytes_deadline(message, Deadline::now()) {
        Ok(()) => Ok(Sent::Taken),
        Err(error) if error.is_timed_out() => Ok(Sent::NoRoom),
        Err(SendError::Io(error)) => Err(error),
        Err(_) => Ok(Sent::Gone),
    }
}
