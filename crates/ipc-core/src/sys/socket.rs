//! Unix sockets, which carry bytes and descriptors, as a stream or in packets.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, recvmsg, sendmsg,
    shutdown, socketpair, sockopt,
};

pub(crate) use rustix::net::SocketType;

/// The most descriptors that the kernel takes with one packet (`SCM_MAX_FD`).
pub(crate) const MAX_HANDLES: usize = 253;

/// Room for that many descriptors, and for the credentials that come first where somebody has asked
/// for them on the socket.
const CONTROL_SPACE: usize = rustix::cmsg_space!(ScmRights(MAX_HANDLES), ScmCredentials(1));

/// Whether a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Until something can be done; still not if somebody made the socket non-blocking.
    Wait,
    /// Not at all.
    Look,
}

/// Makes two connected sockets.
///
/// # References
///
/// - Linux `socketpair(2)`
pub(crate) fn pair(kind: SocketType) -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?)
}

/// Whether the descriptor is a socket of this machine, which carries descriptors, of that kind.
///
/// # References
///
/// - Linux `SO_DOMAIN`, `SO_TYPE`, `socket(7)`
pub(crate) fn is_unix(fd: BorrowedFd<'_>, kind: SocketType) -> io::Result<bool> {
    match sockopt::socket_domain(fd) {
        Ok(AddressFamily::UNIX) => Ok(sockopt::socket_type(fd)? == kind),
        Ok(_) | Err(Errno::NOTSOCK | Errno::BADF) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Sends some of the bytes; the descriptors, at most [`MAX_HANDLES`], go with the first of them.
///
/// # References
///
/// - Linux `send(2)`, `sendmsg(2)`, `unix(7)`
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[IoSlice<'_>],
    handles: &[BorrowedFd<'_>],
    patience: Patience,
) -> io::Result<usize> {
    let mut flags = SendFlags::NOSIGNAL;
    flags.set(SendFlags::DONTWAIT, patience == Patience::Look);
    if handles.is_empty() {
        // What is in one piece goes by a call that is a third faster.
        if let [bytes] = bytes {
            return Ok(retry_on_intr(|| rustix::net::send(socket, bytes, flags))?);
        }
        let mut nothing = SendAncillaryBuffer::default();
        return Ok(retry_on_intr(|| sendmsg(socket, bytes, &mut nothing, flags))?);
    }
    let mut space = [MaybeUninit::uninit(); CONTROL_SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(handles)) {
        return Err(Errno::INVAL.into());
    }
    Ok(retry_on_intr(|| sendmsg(socket, bytes, &mut control, flags))?)
}

/// What one call received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// How many bytes; none at the end of the stream.
    pub(crate) len: usize,
    /// Whether descriptors came that could not be handed over.
    pub(crate) cut_off: bool,
    /// Whether a packet was longer than the room for it.
    pub(crate) is_longer: bool,
}

/// Receives some bytes, and adds the descriptors that came with them to `handles`.
///
/// # References
///
/// - Linux `recvmsg(2)`, `unix(7)`
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    handles: &mut Vec<OwnedFd>,
    patience: Patience,
) -> io::Result<Received> {
    match receive_once(socket, &mut [IoSliceMut::new(bytes)], handles, patience) {
        // The other end was closed before it had read all. What it sent was read before this was
        // reported, so it is the end of the stream and nothing else.
        Err(Errno::CONNRESET) => Ok(Received { len: 0, cut_off: false, is_longer: false }),
        result => Ok(result?),
    }
}

/// Receives one packet, and adds the descriptors that came with it to `handles`.
///
/// # References
///
/// - Linux `recvmsg(2)`, `unix(7)`
pub(crate) fn receive_packet(
    socket: BorrowedFd<'_>,
    parts: &mut [IoSliceMut<'_>],
    handles: &mut Vec<OwnedFd>,
    patience: Patience,
) -> io::Result<Received> {
    loop {
        match receive_once(socket, parts, handles, patience) {
            // The other end was closed before it had read all. Of packets, this is said once, and
            // before what it had sent: that comes at the next call.
            Err(Errno::CONNRESET) => {}
            result => return Ok(result?),
        }
    }
}

fn receive_once(
    socket: BorrowedFd<'_>,
    parts: &mut [IoSliceMut<'_>],
    handles: &mut Vec<OwnedFd>,
    patience: Patience,
) -> Result<Received, Errno> {
    let mut flags = RecvFlags::CMSG_CLOEXEC;
    flags.set(RecvFlags::DONTWAIT, patience == Patience::Look);
    let mut space = [MaybeUninit::uninit(); CONTROL_SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = retry_on_intr(|| recvmsg(socket, parts, &mut control, flags))?;
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = part {
            handles.extend(received);
        }
    }
    Ok(Received {
        len: message.bytes,
        cut_off: message.flags.contains(ReturnFlags::CTRUNC),
        is_longer: message.flags.contains(ReturnFlags::TRUNC),
    })
}

/// Ends what this socket sends; the other end sees the end of the stream.
///
/// # References
///
/// - Linux `shutdown(2)`
pub(crate) fn end_sending(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(shutdown(socket, Shutdown::Write)?)
}
