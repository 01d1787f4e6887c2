//! Lines: what an end of a connection is made of. They carry bytes and handles, and know no types.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipc_core::Deadline;
use ipc_core::robust::Thread;
use ipc_core::wire::{self, DecodeError, Limits, MessageSocket, PacketSocket};
use serde::de::DeserializeOwned;

use crate::error::{RecvError, SendError};
use crate::packets::Packets;
use crate::peer::Peer;
use crate::scratch::with_scratch;
use crate::sheets::Sheet;
use crate::sys::ready::{self, Ready};
use crate::sys::socket;

/// One end's line to the other.
#[derive(Debug)]
pub(crate) struct Line {
    carrier: Carrier,
}

#[derive(Debug)]
enum Carrier {
    /// On this machine.
    Packets(Box<Packets>),
    /// To another machine. It belongs to the process of this generation: frames of two would mix.
    Stream { socket: MessageSocket, generation: u64 },
}

/// A message as it came.
#[derive(Debug)]
pub(crate) struct Arrived<'b> {
    pub(crate) body: Body<'b>,
    pub(crate) handles: Vec<OwnedFd>,
}

/// The bytes of a message.
#[derive(Debug)]
pub(crate) enum Body<'b> {
    /// They are here.
    Here(&'b [u8]),
    /// So many in all; the first are here, and the others in a file.
    InMemory { begin: &'b [u8], rest: Sheet, len: usize },
    /// They are in memory of their own.
    Owned(Vec<u8>),
}

impl Line {
    pub(crate) fn packets(socket: PacketSocket) -> Self {
        Self { carrier: Carrier::Packets(Box::new(Packets::new(socket))) }
    }

    /// A line over a connected socket: of packets, or of TCP.
    pub(crate) fn over(socket: OwnedFd) -> io::Result<Self> {
        if !socket::is_tcp(socket.as_fd())? {
            return Ok(Self::packets(PacketSocket::from_fd(socket)?));
        }
        let stream = TcpStream::from(socket);
        // A message is sent as a whole, so there is nothing to gain by waiting for more.
        stream.set_nodelay(true)?;
        let (socket, generation) = (stream.into(), Thread::current().generation());
        Ok(Self { carrier: Carrier::Stream { socket, generation } })
    }

    /// Whether its descriptor can go to another process and be the same line there.
    pub(crate) fn can_travel(&self) -> bool {
        matches!(self.carrier, Carrier::Packets(_))
    }

    pub(crate) fn send(
        &self,
        bytes: &[u8],
        handles: &[BorrowedFd<'_>],
        deadline: Deadline,
    ) -> Result<(), SendError> {
        match &self.carrier {
            Carrier::Packets(packets) => packets.send(bytes, handles, deadline),
            Carrier::Stream { generation, .. } if is_other_process(*generation) => {
                Err(SendError::OtherProcess)
            }
            Carrier::Stream { socket, .. } => Ok(socket.send_parts(bytes, handles, deadline)?),
        }
    }

    /// Receives one message and passes it on.
    pub(crate) fn recv<T>(
        &self,
        limits: &Limits,
        deadline: Deadline,
        take: impl FnOnce(Arrived<'_>) -> Result<T, RecvError>,
    ) -> Result<T, RecvError> {
        match &self.carrier {
            Carrier::Packets(packets) => packets.recv(limits, deadline, take),
            Carrier::Stream { generation, .. } if is_other_process(*generation) => {
                Err(RecvError::OtherProcess)
            }
            Carrier::Stream { socket, .. } => {
                let message = socket.recv(limits, deadline)?.ok_or(RecvError::Disconnected)?;
                take(Arrived { body: Body::Owned(message.bytes), handles: message.handles })
            }
        }
    }

    /// Who made the other end, if that is on this machine.
    pub(crate) fn peer(&self) -> io::Result<Option<Peer>> {
        match &self.carrier {
            Carrier::Packets(packets) => socket::peer(packets.as_fd()).map(Some),
            Carrier::Stream { .. } => Ok(None),
        }
    }

    /// Waits until it is ready; `false` if the deadline comes first.
    pub(crate) fn is(&self, ready: Ready, deadline: Deadline) -> io::Result<bool> {
        ready::is(self.as_fd(), ready, deadline)
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.carrier {
            Carrier::Packets(packets) => packets.as_fd(),
            Carrier::Stream { socket, .. } => socket.as_fd(),
        }
    }
}

fn is_other_process(generation: u64) -> bool {
    Thread::current().generation() != generation
}

impl<'b> Arrived<'b> {
    /// The value that it is.
    pub(crate) fn decode<T: DeserializeOwned>(self) -> Result<T, RecvError> {
        let Self { body, handles } = self;
        Ok(body.with_bytes(|bytes| wire::decode_parts(bytes, handles))??)
    }

    /// Its bytes, of which there may be so many at most, where there are no handles.
    pub(crate) fn into_bytes(self, max: usize) -> Result<Vec<u8>, RecvError> {
        let body = self.without_handles()?;
        if body.len() > max {
            return Err(RecvError::TooLong { len: body.len() as u64, limit: max });
        }
        Ok(body.into_vec()?)
    }

    /// Its bytes, where there are no handles.
    pub(crate) fn without_handles(self) -> Result<Body<'b>, RecvError> {
        match self.handles.len() {
            0 => Ok(self.body),
            count => Err(DecodeError::LeftOverHandles { count }.into()),
        }
    }
}

impl Body<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Here(bytes) => bytes.len(),
            Self::InMemory { len, .. } => *len,
            Self::Owned(bytes) => bytes.len(),
        }
    }

    /// Lends the bytes.
    pub(crate) fn with_bytes<T>(self, work: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        match self {
            Self::Here(bytes) => Ok(work(bytes)),
            Self::Owned(bytes) => Ok(work(&bytes)),
            Self::InMemory { begin, rest, len } => with_scratch(|scratch| {
                scratch.clear();
                gather(scratch, begin, &rest, len)?;
                // The sender may use it again.
                drop(rest);
                Ok(work(scratch))
            }),
        }
    }

    /// The bytes, in memory of the caller's.
    pub(crate) fn into_vec(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Here(bytes) => Ok(bytes.to_vec()),
            Self::Owned(bytes) => Ok(bytes),
            Self::InMemory { begin, rest, len } => {
                let mut bytes = Vec::new();
                gather(&mut bytes, begin, &rest, len)?;
                Ok(bytes)
            }
        }
    }

    /// Puts the bytes into a buffer, if that has room for them.
    pub(crate) fn copy_into(self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        let Some(room) = buffer.get_mut(..self.len()) else {
            return Err(RecvError::TooShort { message: self.into_vec()? });
        };
        match self {
            Self::Here(bytes) => room.copy_from_slice(bytes),
            Self::Owned(bytes) => room.copy_from_slice(&bytes),
            Self::InMemory { begin, rest, .. } => {
                let (first, others) = room.split_at_mut(begin.len().min(room.len()));
                first.copy_from_slice(begin.get(..first.len()).unwrap_or_default());
                rest.read(others)?;
            }
        }
        Ok(room.len())
    }
}

/// Appends the bytes of a message that lies in two places.
fn gather(bytes: &mut Vec<u8>, begin: &[u8], rest: &Sheet, len: usize) -> io::Result<()> {
    bytes.try_reserve_exact(len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    bytes.extend_from_slice(begin);
    rest.append(bytes, len.saturating_sub(begin.len()))
}
