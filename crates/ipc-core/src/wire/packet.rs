//! `PacketSocket`: packets over a Unix socket that keeps them whole.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::error::{RecvError, SendError};
use crate::deadline::Deadline;
use crate::sys::process::{self, Ready};
use crate::sys::socket::{self, MAX_HANDLES, Patience, SocketType};

/// One end of a connection that carries packets of bytes and handles, both ways.
///
/// A packet is sent by one call of the system and received by one: the kernel keeps it whole. So any
/// number of threads and processes may send and receive at the same end, at the same time. A packet
/// has at least a byte; how long it may be depends on the socket's buffer, and is some 200 KiB if
/// nobody has changed it.
///
/// [`MessageSocket`](super::MessageSocket) takes messages of any length, but one process at a time.
///
/// # Process death
///
/// A sender that dies has sent its packet or has not: nobody sees a part of one. When the last process
/// that has the other end dies, what it had sent is still received, and then the end of the stream.
/// Sending is [`SendError::Disconnected`]; no signal is raised.
///
/// # Examples
///
/// ```
/// use std::io::{IoSlice, IoSliceMut};
/// use ipc_core::Deadline;
/// use ipc_core::wire::PacketSocket;
///
/// let (left, right) = PacketSocket::pair()?;
/// left.send(&[IoSlice::new(b"hello "), IoSlice::new(b"you")], &[], Deadline::NEVER)?;
///
/// let (mut buffer, mut handles) = ([0; 20], Vec::new());
/// let mut parts = [IoSliceMut::new(&mut buffer)];
/// let packet = right.recv(&mut parts, &mut handles, Deadline::NEVER)?.ok_or("no end yet")?;
/// assert_eq!(&buffer[..packet.len], b"hello you");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "SOCK_SEQPACKET")]
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
}

/// What is known of a packet that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// How many of its bytes were received.
    pub len: usize,
    /// Whether it had more bytes than there was room for, which are lost.
    pub is_longer: bool,
}

impl PacketSocket {
    /// The most handles that a packet carries.
    pub const MAX_HANDLES: usize = MAX_HANDLES;

    /// Makes two ends that are connected to each other.
    ///
    /// # Errors
    ///
    /// If the process has too many descriptors.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (left, right) = socket::pair(SocketType::SEQPACKET)?;
        Ok((Self { fd: left }, Self { fd: right }))
    }

    /// Takes over a descriptor, after checking that it is a Unix socket of packets.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if it is something else.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        if socket::is_unix(fd.as_fd(), SocketType::SEQPACKET)? {
            Ok(Self { fd })
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a Unix socket of packets"))
        }
    }

    /// Sends one packet of all the parts' bytes, waiting for room until the deadline.
    ///
    /// # Errors
    ///
    /// [`SendError::TimedOut`], [`SendError::Disconnected`], and [`SendError::Io`], also if it is too
    /// long (`EMSGSIZE`), has no byte or too many handles. Nothing was sent then.
    pub fn send(
        &self,
        parts: &[IoSlice<'_>],
        handles: &[BorrowedFd<'_>],
        deadline: Deadline,
    ) -> Result<(), SendError> {
        if parts.iter().all(|part| part.is_empty()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a packet has a byte").into());
        }
        let patience = if deadline.is_never() { Patience::Wait } else { Patience::Look };
        loop {
            let Err(error) = socket::send(self.fd.as_fd(), parts, handles, patience) else {
                return Ok(());
            };
            match error.kind() {
                io::ErrorKind::WouldBlock => {
                    if deadline.is_past()
                        || !process::wait_until_ready(self.fd.as_fd(), Ready::Write, deadline)?
                    {
                        return Err(SendError::TimedOut);
                    }
                }
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                    return Err(SendError::Disconnected);
                }
                _ => return Err(error.into()),
            }
        }
    }

    /// Receives one packet into the parts, one after the other, waiting for it until the deadline;
    /// `None` at the end of the stream.
    ///
    /// Its handles are added to `handles`.
    ///
    /// # Errors
    ///
    /// [`RecvError::TimedOut`], [`RecvError::HandlesCutOff`], after which the packet is lost and the next
    /// can be received, and [`RecvError::Io`].
    pub fn recv(
        &self,
        parts: &mut [IoSliceMut<'_>],
        handles: &mut Vec<OwnedFd>,
        deadline: Deadline,
    ) -> Result<Option<Packet>, RecvError> {
        let patience = if deadline.is_never() { Patience::Wait } else { Patience::Look };
        loop {
            match socket::receive_packet(self.fd.as_fd(), parts, handles, patience) {
                Ok(received) if received.cut_off => return Err(RecvError::HandlesCutOff),
                Ok(received) if received.len == 0 => return Ok(None),
                Ok(received) => {
                    let (len, is_longer) = (received.len, received.is_longer);
                    return Ok(Some(Packet { len, is_longer }));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if deadline.is_past()
                        || !process::wait_until_ready(self.fd.as_fd(), Ready::Read, deadline)?
                    {
                        return Err(RecvError::TimedOut);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<PacketSocket> for OwnedFd {
    fn from(socket: PacketSocket) -> Self {
        socket.fd
    }
}
