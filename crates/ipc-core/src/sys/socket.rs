//! Unix stream sockets, which carry bytes and descriptors.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
    recvmsg, sendmsg, shutdown, socketpair, sockopt,
};

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
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// Whether the descriptor is a stream socket of this machine, which carries descriptors.
///
/// # References
///
/// - Linux `SO_DOMAIN`, `SO_TYPE`, `socket(7)`
pub(crate) fn is_unix_stream(fd: BorrowedFd<'_>) -> io::Result<bool> {
    match sockopt::socket_domain(fd) {
        Ok(AddressFamily::UNIX) => Ok(sockopt::socket_type(fd)? == SocketType::STREAM),
        Ok(_) | Err(Errno::NOTSOCK | Errno::BADF) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Sends some of the bytes; the descriptors, at most [`MAX_HANDLES`], go with the first of them.
///
/// # References
///
/// - Linux `sendmsg(2)`, `unix(7)`
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[IoSlice<'_>],
    handles: &[BorrowedFd<'_>],
    patience: Patience,
) -> io::Result<usize> {
    let mut flags = SendFlags::NOSIGNAL;
    flags.set(SendFlags::DONTWAIT, patience == Patience::Look);
    if handles.is_empty() {
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
    let mut flags = RecvFlags::CMSG_CLOEXEC;
    flags.set(RecvFlags::DONTWAIT, patience == Patience::Look);
    let mut space = [MaybeUninit::uninit(); CONTROL_SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut control, flags) {
            Err(Errno::INTR) => {}
            // The other end was closed before it had read all. What it sent was read before this
            // was reported, so it is the end of the stream and nothing else.
            Err(Errno::CONNRESET) => return Ok(Received { len: 0, cut_off: false }),
            result => break result?,
        }
    };
    let cut_off = message.flags.contains(ReturnFlags::CTRUNC);
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = part {
            handles.extend(received);
        }
    }
    Ok(Received { len: message.bytes, cut_off })
}

/// Ends what this socket sends; the other end sees the end of the stream.
///
/// # References
///
/// - Linux `shutdown(2)`
pub(crate) fn end_sending(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(shutdown(socket, Shutdown::Write)?)
}
