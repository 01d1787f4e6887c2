//! Messages over a socket of packets: each is one packet, so the kernel keeps it whole.

use std::cell::Cell;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipc_core::Deadline;
use ipc_core::wire::{self, Limits, Packet, PacketSocket};

use crate::error::{RecvError, SendError};
use crate::frame::{BEGIN, Frame, HEADER_LEN, MAX_HERE};
use crate::line::{Arrived, Body};
use crate::looks::Looks;
use crate::sheets::Sheets;
use crate::spool::Spool;
use crate::sys::memory;

/// A socket of packets, and what makes it fast.
#[derive(Debug)]
pub(crate) struct Packets {
    socket: PacketSocket,
    /// For long messages that are sent.
    spool: Spool,
    /// Of long messages that were received.
    sheets: Sheets,
    looks: Looks,
}

impl Packets {
    pub(crate) fn new(socket: PacketSocket) -> Self {
        let (spool, sheets, looks) = (Spool::default(), Sheets::default(), Looks::default());
        Self { socket, spool, sheets, looks }
    }

    /// Sends one message.
    pub(crate) fn send(
        &self,
        bytes: &[u8],
        handles: &[BorrowedFd<'_>],
        deadline: Deadline,
    ) -> Result<(), SendError> {
        let sent = if bytes.len() <= MAX_HERE {
            self.send_here(bytes, handles, deadline)
        } else {
            let (begin, rest) = bytes.split_at(BEGIN);
            self.send_in_two(begin, rest, handles, deadline)
        };
        match sent {
            // The socket's buffer is smaller than usual.
            Err(SendError::Io(error)) if error.raw_os_error() == Some(MESSAGE_TOO_LONG) => {
                self.send_in_two(&[], bytes, handles, deadline)
            }
            sent => sent,
        }
    }

    fn send_here(
        &self,
        bytes: &[u8],
        handles: &[BorrowedFd<'_>],
        deadline: Deadline,
    ) -> Result<(), SendError> {
        let frame = frame_of(bytes.len(), handles, false)?;
        let mut packet = [0; HEADER_LEN + SHORT];
        match packet.split_at_mut(HEADER_LEN) {
            // One piece costs the system less than two.
            (header, room) if handles.is_empty() && bytes.len() <= room.len() => {
                header.copy_from_slice(&frame.to_bytes());
                room.split_at_mut(bytes.len()).0.copy_from_slice(bytes);
                let packet = packet.split_at(HEADER_LEN + bytes.len()).0;
                Ok(self.socket.send(&[IoSlice::new(packet)], &[], deadline)?)
            }
            _ => self.send_packet(frame, bytes, handles, deadline),
        }
    }

    /// Sends a message of which only the first bytes are in the packet.
    fn send_in_two(
        &self,
        begin: &[u8],
        rest: &[u8],
        handles: &[BorrowedFd<'_>],
        deadline: Deadline,
    ) -> Result<(), SendError> {
        let written = self.spool.write(rest)?;
        let frame = frame_of(begin.len() + rest.len(), handles, true)?;
        if handles.is_empty() {
            return self.send_packet(frame, begin, &[written.fd()], deadline);
        }
        let all: Vec<BorrowedFd<'_>> =
            std::iter::once(written.fd()).chain(handles.iter().copied()).collect();
        self.send_packet(frame, begin, &all, deadline)
    }

    fn send_packet(
        &self,
        frame: Frame,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
        deadline: Deadline,
    ) -> Result<(), SendError> {
        if descriptors.len() <= PacketSocket::MAX_HANDLES {
            let header = frame.to_bytes();
            let parts = [IoSlice::new(&header), IoSlice::new(bytes)];
            return Ok(self.socket.send(&parts, descriptors, deadline)?);
        }
        let carrier = load(descriptors)?;
        let header = Frame { is_carried: true, ..frame }.to_bytes();
        let parts = [IoSlice::new(&header), IoSlice::new(bytes)];
        Ok(self.socket.send(&parts, &[carrier.as_fd()], deadline)?)
    }

    /// Receives one message and passes it on.
    pub(crate) fn recv<T>(
        &self,
        limits: &Limits,
        deadline: Deadline,
        take: impl FnOnce(Arrived<'_>) -> Result<T, RecvError>,
    ) -> Result<T, RecvError> {
        // If a value's own code receives while it is decoded, it finds none and makes another. And a
        // thread that is ending has none.
        let mut room = ROOM.try_with(Cell::take).unwrap_or_default();
        room.bytes.resize(HEADER_LEN + MAX_HERE, 0);
        let result = self.recv_into(&mut room, limits, deadline).and_then(take);
        room.descriptors.clear();
        ROOM.try_with(|cell| cell.set(room)).ok();
        result
    }

    fn recv_into<'r>(
        &self,
        room: &'r mut Room,
        limits: &Limits,
        deadline: Deadline,
    ) -> Result<Arrived<'r>, RecvError> {
        let packet = self.recv_packet(room, deadline)?.ok_or(RecvError::Disconnected)?;
        let Room { bytes, descriptors } = room;
        let whole = bytes.get(..packet.len).filter(|_| !packet.is_longer);
        let (header, here) = whole
            .and_then(<[u8]>::split_first_chunk)
            .ok_or(RecvError::Malformed("it is not as long as a message is"))?;
        let frame = Frame::parse(*header, here.len()).map_err(RecvError::Malformed)?;
        let len = usize::try_from(frame.len).ok().filter(|len| *len <= limits.max_bytes);
        let len = len.ok_or(RecvError::TooLong { len: frame.len, limit: limits.max_bytes })?;
        if usize::try_from(frame.n_handles).is_ok_and(|count| count > limits.max_handles) {
            let (count, limit) = (frame.n_handles, limits.max_handles);
            return Err(RecvError::TooManyHandles { count, limit });
        }
        if frame.is_carried {
            unload(descriptors, frame.n_descriptors())?;
        }
        if descriptors.len() != frame.n_descriptors() {
            return Err(RecvError::Malformed("it has another number of handles than it says"));
        }
        let file = frame.is_in_memory.then(|| descriptors.remove(0));
        // What is not taken keeps its room.
        let handles = if descriptors.is_empty() { vec![] } else { mem::take(descriptors) };
        let Some(file) = file else {
            return Ok(Arrived { body: Body::Here(here), handles });
        };
        let n_behind = (len - here.len()) as u64;
        let facts = memory::facts(file.as_fd()).filter(|facts| facts.len >= n_behind);
        let facts = facts.ok_or(RecvError::Malformed("its memory is not what it should be"))?;
        let rest = self.sheets.open(file, &facts);
        Ok(Arrived { body: Body::InMemory { begin: here, rest, len }, handles })
    }

    /// Receives one packet: looks for it for a while, if that pays, and then waits for it.
    fn recv_packet(
        &self,
        room: &mut Room,
        deadline: Deadline,
    ) -> Result<Option<Packet>, wire::RecvError> {
        let Room { bytes, descriptors } = room;
        let mut recv =
            |deadline| self.socket.recv(&mut [IoSliceMut::new(bytes)], descriptors, deadline);
        let at_once = Deadline::now();
        let looked = self.looks.look(deadline, || match recv(at_once) {
            Err(wire::RecvError::TimedOut) => None,
            received => Some(received),
        });
        looked.unwrap_or_else(|| recv(deadline))
    }
}

impl AsFd for Packets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// So many bytes are copied beside their header, to be sent as one piece.
const SHORT: usize = 496;

/// What the system calls a packet that is too long for it (`EMSGSIZE`).
const MESSAGE_TOO_LONG: i32 = 90;

fn frame_of(len: usize, handles: &[BorrowedFd<'_>], is_in_memory: bool) -> io::Result<Frame> {
    let n_handles = u32::try_from(handles.len()).map_err(io::Error::other)?;
    Ok(Frame { len: len as u64, n_handles, is_in_memory, is_carried: false })
}

thread_local! {
    /// A thread's room for packets.
    static ROOM: Cell<Room> = const { Cell::new(Room::new()) };
}

/// Room for a packet.
#[derive(Debug, Default)]
struct Room {
    /// They stay initialized.
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl Room {
    const fn new() -> Self {
        Self { bytes: Vec::new(), descriptors: Vec::new() }
    }
}

/// Makes a socket in which descriptors wait.
fn load(descriptors: &[BorrowedFd<'_>]) -> Result<PacketSocket, SendError> {
    let (carrier, loader) = PacketSocket::pair()?;
    for lot in descriptors.chunks(PacketSocket::MAX_HANDLES) {
        // Nobody reads yet: what does not fit now never will.
        match loader.send(&[IoSlice::new(&[0])], lot, Deadline::now()) {
            Err(wire::SendError::TimedOut) => {
                let why = "a message has too many handles for a socket";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why).into());
            }
            result => result?,
        }
    }
    Ok(carrier)
}

/// Takes the descriptors out of a carrier, which is all that came.
fn unload(descriptors: &mut Vec<OwnedFd>, count: usize) -> Result<(), RecvError> {
    const NOT_SO_MANY: RecvError = RecvError::Malformed("a carrier has not the handles it should");
    let carrier = descriptors.pop().filter(|_| descriptors.is_empty()).ok_or(NOT_SO_MANY)?;
    let carrier = PacketSocket::from_fd(carrier).map_err(|_| NOT_SO_MANY)?;
    while descriptors.len() < count {
        let before = descriptors.len();
        let mut byte = [0];
        match carrier.recv(&mut [IoSliceMut::new(&mut byte)], descriptors, Deadline::now()) {
            Ok(Some(_)) if descriptors.len() > before => {}
            Err(wire::RecvError::HandlesCutOff) => return Err(RecvError::HandlesCutOff),
            Err(wire::RecvError::Io(error)) => return Err(error.into()),
            // All of it was there before the message came.
            _ => return Err(NOT_SO_MANY),
        }
    }
    Ok(())
}
