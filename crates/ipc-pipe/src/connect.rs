//! `connect()`: to somebody who listens.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::wire::Limits;

use crate::address::Address;
use crate::connection::Connection;
use crate::error::ConnectError;
use crate::handshake::Answer;
use crate::key::Key;
use crate::line::Line;
use crate::listener::HANDSHAKE_PATIENCE;
use crate::sys::ready::{self, Ready};
use crate::sys::socket;

/// Connects to a [`Listener`](crate::Listener), and proves to it that this program knows the key.
///
/// The listener proves it too. It has 10 seconds to do so, from its accepting on; a listener whose
/// backlog is full is waited for. The messages that come have the [default limits](Limits::default).
///
/// # Errors
///
/// [`ConnectError`] says what is wrong. A listener that is not there is
/// [`io::ErrorKind::ConnectionRefused`] or [`io::ErrorKind::NotFound`].
#[doc(alias = "Client")]
pub fn connect<S, R>(
    address: &Address,
    key: Option<&Key>,
) -> Result<Connection<S, R>, ConnectError> {
    connect_deadline(address, key, Deadline::after(HANDSHAKE_PATIENCE))
}

/// Connects, within so long.
///
/// # Errors
///
/// As [`connect`]; [`ConnectError::TimedOut`] if the time is up.
pub fn connect_timeout<S, R>(
    address: &Address,
    key: Option<&Key>,
    timeout: Duration,
) -> Result<Connection<S, R>, ConnectError> {
    connect_deadline(address, key, Deadline::after(timeout))
}

/// Connects, before the deadline.
///
/// # Errors
///
/// As [`connect_timeout`].
pub fn connect_deadline<S, R>(
    address: &Address,
    key: Option<&Key>,
    deadline: Deadline,
) -> Result<Connection<S, R>, ConnectError> {
    let socket = open(address, deadline)?;
    let mut answer = Answer::new(key)?;
    let proof = answer.prove(&hear(socket.as_fd(), deadline)?)?;
    socket::send_now(socket.as_fd(), &proof).map_err(sort)?;
    answer.conclude(&hear(socket.as_fd(), deadline)?)?;
    Ok(Connection::new(Line::over(socket)?).with_limits(Limits::default()))
}

fn open(address: &Address, deadline: Deadline) -> Result<OwnedFd, ConnectError> {
    if let Address::Tcp(address) = address {
        let stream = match deadline.remaining() {
            None => TcpStream::connect(address),
            // Zero is not taken.
            Some(left) => TcpStream::connect_timeout(address, left.max(Duration::from_micros(1))),
        };
        return Ok(stream.map_err(sort)?.into());
    }
    let socket = socket::packets()?;
    let name = socket::unix_address(address)?;
    socket::connect_unix(socket.as_fd(), &name, deadline).map_err(sort)?;
    Ok(socket)
}

/// Hears so many bytes.
fn hear<const N: usize>(
    socket: BorrowedFd<'_>,
    deadline: Deadline,
) -> Result<[u8; N], ConnectError> {
    let mut said = [0; N];
    let mut n_said = 0;
    while let Some(rest) = said.get_mut(n_said..).filter(|rest| !rest.is_empty()) {
        match socket::recv_now(socket, rest) {
            Ok(0) => return Err(ConnectError::NotOurs),
            Ok(count) => n_said += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !ready::is(socket, Ready::Read, deadline)? {
                    return Err(ConnectError::TimedOut);
                }
            }
            Err(error) => return Err(sort(error)),
        }
    }
    Ok(said)
}

fn sort(error: io::Error) -> ConnectError {
    match error.kind() {
        // The backlog was full for all the time.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ConnectError::TimedOut,
        // Who listened went away in the middle.
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => ConnectError::NotOurs,
        _ => ConnectError::Io(error),
    }
}
