//! Messages over a socket of packets: each is one packet, so the kernel keeps it whole.

use std::cell::Cell;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipc_core::Deadline;
use ipc_core::wire::{self, Limits, PacketSocket};

use crate::error::{RecvError, SendError};
use crate::frame::{Frame, HEADER_LEN, MAX_HERE};
use crate::line::{Arrived, Body};
use crate::spool::Spool;
use crate::sys::memory;

/// Sends one message.
pub(crate) fn send(
    socket: &PacketSocket,
    spool: &Spool,
    bytes: &[u8],
    handles: &[BorrowedFd<'_>],
    deadline: Deadline,
) -> Result<(), SendError> {
    if bytes.len() <= MAX_HERE {
        match send_here(socket, bytes, handles, deadline) {
            // The socket's buffer is smaller than usual.
            Err(SendError::Io(error)) if error.raw_os_error() == Some(MESSAGE_TOO_LONG) => {}
            result => return result,
        }
    }
    let written = spool.write(bytes)?;
    let all: Vec<BorrowedFd<'_>> =
        std::iter::once(written.fd()).chain(handles.iter().copied()).collect();
    let frame = frame_of(bytes, handles, true)?;
    send_packet(socket, frame, &[], &all, deadline)
}

/// What the system calls a packet that is too long for it (`EMSGSIZE`).
const MESSAGE_TOO_LONG: i32 = 90;

fn send_here(
    socket: &PacketSocket,
    bytes: &[u8],
    handles: &[BorrowedFd<'_>],
    deadline: Deadline,
) -> Result<(), SendError> {
    send_packet(socket, frame_of(bytes, handles, false)?, bytes, handles, deadline)
}

fn frame_of(bytes: &[u8], handles: &[BorrowedFd<'_>], is_in_memory: bool) -> io::Result<Frame> {
    let n_handles = u32::try_from(handles.len()).map_err(io::Error::other)?;
    Ok(Frame { len: bytes.len() as u64, n_handles, is_in_memory, is_carried: false })
}

fn send_packet(
    socket: &PacketSocket,
    frame: Frame,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    deadline: Deadline,
) -> Result<(), SendError> {
    if descriptors.len() <= PacketSocket::MAX_HANDLES {
        let header = frame.to_bytes();
        let parts = [IoSlice::new(&header), IoSlice::new(bytes)];
        return Ok(socket.send(&parts, descriptors, deadline)?);
    }
    let carrier = load(descriptors)?;
    let header = Frame { is_carried: true, ..frame }.to_bytes();
    let parts = [IoSlice::new(&header), IoSlice::new(bytes)];
    Ok(socket.send(&parts, &[carrier.as_fd()], deadline)?)
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

thread_local! {
    /// Room for a packet's bytes, which stays initialized.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Receives one message and passes it on.
pub(crate) fn recv<T>(
    socket: &PacketSocket,
    limits: &Limits,
    deadline: Deadline,
    take: impl FnOnce(Arrived<'_>) -> Result<T, RecvError>,
) -> Result<T, RecvError> {
    // If a value's own code receives while it is decoded, it finds none and makes another. And a
    // thread that is ending has none.
    let mut room = ROOM.try_with(Cell::take).unwrap_or_default();
    room.resize(MAX_HERE, 0);
    let result = recv_into(socket, &mut room, limits, deadline).and_then(take);
    ROOM.try_with(|cell| cell.set(room)).ok();
    result
}

fn recv_into<'r>(
    socket: &PacketSocket,
    room: &'r mut [u8],
    limits: &Limits,
    deadline: Deadline,
) -> Result<Arrived<'r>, RecvError> {
    let mut header = [0; HEADER_LEN];
    let mut parts = [IoSliceMut::new(&mut header), IoSliceMut::new(room)];
    let mut descriptors = Vec::new();
    let Some(packet) = socket.recv(&mut parts, &mut descriptors, deadline)? else {
        return Err(RecvError::Disconnected);
    };
    let Some(n_behind) = packet.len.checked_sub(HEADER_LEN).filter(|_| !packet.is_longer) else {
        return Err(RecvError::Malformed("it is not as long as a message is"));
    };
    let frame = Frame::parse(header, n_behind).map_err(RecvError::Malformed)?;
    let len = usize::try_from(frame.len).ok().filter(|len| *len <= limits.max_bytes);
    let len = len.ok_or(RecvError::TooLong { len: frame.len, limit: limits.max_bytes })?;
    if usize::try_from(frame.n_handles).is_ok_and(|count| count > limits.max_handles) {
        let (count, limit) = (frame.n_handles, limits.max_handles);
        return Err(RecvError::TooManyHandles { count, limit });
    }
    if frame.is_carried {
        descriptors = unload(descriptors, frame.n_descriptors())?;
    }
    if descriptors.len() != frame.n_descriptors() {
        return Err(RecvError::Malformed("it has another number of handles than it says"));
    }
    if !frame.is_in_memory {
        let bytes = room.get(..n_behind).unwrap_or_default();
        return Ok(Arrived { body: Body::Here(bytes), handles: descriptors });
    }
    let file = descriptors.remove(0);
    if memory::size(file.as_fd()).is_none_or(|size| size < frame.len) {
        return Err(RecvError::Malformed("its memory is not what it should be"));
    }
    Ok(Arrived { body: Body::InMemory { file, len }, handles: descriptors })
}

/// Takes the descriptors out of a carrier, which is all that came.
fn unload(mut came: Vec<OwnedFd>, count: usize) -> Result<Vec<OwnedFd>, RecvError> {
    const NOT_SO_MANY: RecvError = RecvError::Malformed("a carrier has not the handles it should");
    let carrier = came.pop().filter(|_| came.is_empty()).ok_or(NOT_SO_MANY)?;
    let carrier = PacketSocket::from_fd(carrier).map_err(|_| NOT_SO_MANY)?;
    let mut descriptors = Vec::new();
    while descriptors.len() < count {
        let before = descriptors.len();
        let mut byte = [0];
        match carrier.recv(&mut [IoSliceMut::new(&mut byte)], &mut descriptors, Deadline::now()) {
            Ok(Some(_)) if descriptors.len() > before => {}
            Err(wire::RecvError::HandlesCutOff) => return Err(RecvError::HandlesCutOff),
            Err(wire::RecvError::Io(error)) => return Err(error.into()),
            // All of it was there before the message came.
            _ => return Err(NOT_SO_MANY),
        }
    }
    Ok(descriptors)
}
