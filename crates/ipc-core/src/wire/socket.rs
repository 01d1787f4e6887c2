//! `MessageSocket`: messages over a stream socket.

use std::io::{self, IoSlice};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::encode::Message;
use super::error::{DecodeError, RecvError, SendError};
use super::frame::{self, Incoming, Limits};
use super::handle::{deserialize_fd, reject, serialize_fd};
use super::turn::Turn;
use crate::deadline::Deadline;
use crate::sys::process::{self, Ready};
use crate::sys::socket::{self, MAX_HANDLES, Patience, SocketType};

/// One end of a connection that carries whole messages, both ways.
///
/// Threads may share it: one at a time sends and one at a time receives, the others wait for their
/// turn. Several processes may have the same end only if they do not use it at the same time, since
/// a message is more than one packet. An end that has received a part of a message keeps it for the
/// next call.
///
/// A socket can itself be a part of a value that travels.
///
/// # Process death
///
/// When the last process that has the other end dies, what it had sent whole is still received, and
/// then the end of the stream: `None` between messages, [`RecvError::Truncated`] inside one.
/// Sending is [`SendError::Disconnected`]; no signal is raised.
///
/// # Examples
///
/// ```
/// use ipc_core::Deadline;
/// use ipc_core::wire::{self, Limits, MessageSocket};
///
/// let (left, right) = MessageSocket::pair()?;
/// left.send(&wire::encode("hello")?, Deadline::NEVER)?;
/// drop(left);
///
/// let message = right.recv(&Limits::default(), Deadline::NEVER)?;
/// assert_eq!(message.map(wire::decode).transpose()?, Some("hello".to_owned()));
/// assert!(right.recv(&Limits::default(), Deadline::NEVER)?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MessageSocket {
    fd: OwnedFd,
    /// Whether the other end is on this machine, and can be sent handles.
    carries_handles: bool,
    outgoing: Turn<Outgoing>,
    incoming: Turn<Incoming>,
}

/// What there is to know about a sender.
#[derive(Debug, Default)]
struct Outgoing {
    /// A message was cut short, so nothing that follows would be understood.
    is_torn: bool,
}

impl MessageSocket {
    /// Makes two ends that are connected to each other.
    ///
    /// # Errors
    ///
    /// If the process has too many descriptors.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (left, right) = socket::pair(SocketType::STREAM)?;
        Ok((Self::new(left), Self::new(right)))
    }

    /// Takes over a descriptor, after checking that it is a Unix stream socket.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if it is something else.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        if socket::is_unix(fd.as_fd(), SocketType::STREAM)? {
            Ok(Self::new(fd))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a Unix stream socket"))
        }
    }

    fn new(fd: OwnedFd) -> Self {
        Self { fd, carries_handles: true, outgoing: Turn::default(), incoming: Turn::default() }
    }

    /// Sends a message, waiting for room until the deadline.
    ///
    /// The message keeps its handles; the receiver gets duplicates.
    ///
    /// # Errors
    ///
    /// [`SendError::TimedOut`] if nothing could be sent in time, [`SendError::Torn`] if only a part
    /// could, and [`SendError::Disconnected`] if nobody has the other end any more. Handles in a
    /// message that goes over TCP are [`io::ErrorKind::Unsupported`].
    pub fn send(&self, message: &Message, deadline: Deadline) -> Result<(), SendError> {
        let handles: Vec<BorrowedFd<'_>> = message.handles.iter().map(AsFd::as_fd).collect();
        self.send_parts(&message.bytes, &handles, deadline)
    }

    /// Sends bytes and handles that are not in a [`Message`].
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_parts(
        &self,
        bytes: &[u8],
        handles: &[BorrowedFd<'_>],
        deadline: Deadline,
    ) -> Result<(), SendError> {
        if !self.carries_handles && !handles.is_empty() {
            let why = "TCP carries no handles";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why).into());
        }
        let count = u32::try_from(handles.len()).map_err(io::Error::other)?;
        let prefix = frame::prefix(bytes.len(), count);
        let mut outgoing = self.outgoing.take(deadline).ok_or(SendError::TimedOut)?;
        if outgoing.is_torn {
            return Err(SendError::Torn);
        }
        let mut sending = Sending { socket: self.fd.as_fd(), deadline, has_begun: false };
        let result = sending.message(&prefix, bytes, handles);
        match result {
            Err(SendError::TimedOut | SendError::Io(_)) if sending.has_begun => {
                outgoing.is_torn = true;
                // The peer must not wait for the rest. If this fails, it is gone anyway.
                drop(socket::end_sending(self.fd.as_fd()));
                Err(SendError::Torn)
            }
            result => result,
        }
    }

    /// Receives a message, waiting for it until the deadline; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// [`RecvError::TimedOut`] if no whole message came in time, [`RecvError::Truncated`] if the
    /// stream ends inside a message, and a variant of its own for everything that can be wrong with
    /// a message. No error leaves a descriptor open.
    pub fn recv(&self, limits: &Limits, deadline: Deadline) -> Result<Option<Message>, RecvError> {
        let mut incoming = self.incoming.take(deadline).ok_or(RecvError::TimedOut)?;
        if incoming.is_broken() {
            return Err(RecvError::Broken);
        }
        let patience = if deadline.is_never() { Patience::Wait } else { Patience::Look };
        loop {
            let (room, handles) = incoming.room();
            let received = match socket::receive(self.fd.as_fd(), room, handles, patience) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !process::wait_until_ready(self.fd.as_fd(), Ready::Read, deadline)? {
                        return Err(RecvError::TimedOut);
                    }
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if received.cut_off {
                incoming.fail();
                return Err(RecvError::HandlesCutOff);
            }
            if received.len == 0 {
                return incoming.ended().map(|()| None);
            }
            if let Some(message) = incoming.arrived(received.len, limits)? {
                return Ok(Some(message));
            }
        }
    }

    /// Receives a message if a whole one has come; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::TimedOut`] if there is no whole message yet, or another
    /// thread is receiving.
    pub fn try_recv(&self, limits: &Limits) -> Result<Option<Message>, RecvError> {
        self.recv(limits, Deadline::now())
    }
}

/// A message on its way out.
struct Sending<'s> {
    socket: BorrowedFd<'s>,
    deadline: Deadline,
    /// Whether any byte is out.
    has_begun: bool,
}

impl Sending<'_> {
    /// Sends the prefix with the handles, a packet for each lot of them, and then the bytes.
    fn message(
        &mut self,
        prefix: &[u8],
        bytes: &[u8],
        handles: &[BorrowedFd<'_>],
    ) -> Result<(), SendError> {
        if handles.len() <= MAX_HANDLES {
            return self.packet(prefix, bytes, handles);
        }
        // `prefix` made one carrier for each lot but the first.
        let (header, carriers) = prefix.split_at(frame::FIRST_PACKET.min(prefix.len()));
        let mut lots = handles.chunks(MAX_HANDLES);
        self.packet(header, &[], lots.next().unwrap_or_default())?;
        for (carrier, lot) in carriers.chunks(1).zip(lots) {
            self.packet(carrier, &[], lot)?;
        }
        self.packet(bytes, &[], &[])
    }

    /// Sends all of `first` and then of `second`; the handles go with the first byte.
    fn packet(
        &mut self,
        mut first: &[u8],
        mut second: &[u8],
        mut handles: &[BorrowedFd<'_>],
    ) -> Result<(), SendError> {
        let patience = if self.deadline.is_never() { Patience::Wait } else { Patience::Look };
        while !first.is_empty() || !second.is_empty() {
            let parts = [IoSlice::new(first), IoSlice::new(second)];
            match socket::send(self.socket, &parts, handles, patience) {
                Ok(sent) => {
                    self.has_begun = true;
                    // The kernel has taken the handles with the first byte it took.
                    handles = &[];
                    let of_first = sent.min(first.len());
                    first = first.get(of_first..).unwrap_or_default();
                    second = second.get(sent - of_first..).unwrap_or_default();
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        if !process::wait_until_ready(self.socket, Ready::Write, self.deadline)? {
                            return Err(SendError::TimedOut);
                        }
                    }
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                        return Err(SendError::Disconnected);
                    }
                    _ => return Err(error.into()),
                },
            }
        }
        Ok(())
    }
}

impl AsFd for MessageSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<MessageSocket> for OwnedFd {
    fn from(socket: MessageSocket) -> Self {
        socket.fd
    }
}

impl From<UnixStream> for MessageSocket {
    fn from(stream: UnixStream) -> Self {
        Self::new(stream.into())
    }
}

impl From<TcpStream> for MessageSocket {
    /// Messages of bytes: what has handles cannot be sent.
    fn from(stream: TcpStream) -> Self {
        Self { carries_handles: false, ..Self::new(stream.into()) }
    }
}

impl Serialize for MessageSocket {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.carries_handles {
            return Err(ser::Error::custom("a socket of TCP does not travel"));
        }
        // If another thread is receiving, the socket is shared, which is the caller's affair.
        if self.incoming.take(Deadline::now()).is_some_and(|incoming| !incoming.is_at_boundary()) {
            return Err(ser::Error::custom("the socket has received a part of a message"));
        }
        serialize_fd(self.fd.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for MessageSocket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fd = deserialize_fd(deserializer)?;
        match socket::is_unix(fd.as_fd(), SocketType::STREAM) {
            Ok(true) => Ok(Self::new(fd)),
            Ok(false) => Err(reject(DecodeError::WrongHandle { expected: "Unix stream socket" })),
            Err(error) => Err(de::Error::custom(error)),
        }
    }
}
