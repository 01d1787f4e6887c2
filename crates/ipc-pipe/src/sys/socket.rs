//! Sockets that programs meet by.
#![expect(
    unsafe_code,
    reason = "asks for credentials, which the safe wrapper does not take for what they may be"
)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use ipc_core::Deadline;
use rustix::fs::{Mode, fchmod};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with,
    bind, connect, listen, recv, send, socket_with, sockopt,
};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::address::Address;
use crate::peer::Peer;

/// Makes a socket of packets.
///
/// # References
///
/// - Linux `socket(2)`, `unix(7)`
pub(crate) fn packets() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// Where a socket is in the kernel's words.
pub(crate) fn unix_address(address: &Address) -> io::Result<SocketAddrUnix> {
    Ok(match address {
        Address::Unix(path) => SocketAddrUnix::new(path.as_path())?,
        Address::Abstract(name) => SocketAddrUnix::new_abstract_name(name)?,
        Address::Tcp(_) => return Err(Errno::AFNOSUPPORT.into()),
    })
}

/// Gives a socket its address; one with a path is for its user alone.
///
/// # References
///
/// - Linux `bind(2)`, `unix(7)`
pub(crate) fn bind_unix(socket: BorrowedFd<'_>, address: &SocketAddrUnix) -> io::Result<()> {
    // The file gets the permissions that the socket has.
    fchmod(socket, Mode::RUSR | Mode::WUSR)?;
    Ok(bind(socket, address)?)
}

/// Lets a socket listen, or changes its backlog.
///
/// # References
///
/// - Linux `listen(2)`
pub(crate) fn listen_with(socket: BorrowedFd<'_>, backlog: u16) -> io::Result<()> {
    Ok(listen(socket, i32::from(backlog))?)
}

/// Connects a socket, waiting until the deadline at most.
///
/// # References
///
/// - Linux `connect(2)`, `SO_SNDTIMEO`, `socket(7)`
pub(crate) fn connect_unix(
    socket: BorrowedFd<'_>,
    address: &SocketAddrUnix,
    deadline: Deadline,
) -> io::Result<()> {
    loop {
        // Zero would be no limit.
        let timeout =
            deadline.remaining().map(|left| left.clamp(Duration::from_micros(1), LONGEST));
        sockopt::set_socket_timeout(socket, sockopt::Timeout::Send, timeout)?;
        match connect(socket, address) {
            // A signal. Where they come faster than the kernel's clock ticks, no time limit is ever up.
            Err(Errno::INTR) if deadline.is_past() => return Err(Errno::TIMEDOUT.into()),
            Err(Errno::INTR) => {}
            result => break result?,
        }
    }
    Ok(sockopt::set_socket_timeout(socket, sockopt::Timeout::Send, None)?)
}

/// More than a year: what the kernel counts in does not overflow.
const LONGEST: Duration = Duration::from_secs(1 << 25);

/// Takes the next that wants to connect; `None` if there is none.
///
/// # References
///
/// - Linux `accept4(2)`
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    loop {
        match accept_with(listener, SocketFlags::CLOEXEC) {
            Ok(socket) => return Ok(Some(socket)),
            Err(Errno::AGAIN) => return Ok(None),
            // It is gone already, or the network has news of it. The next may be there.
            Err(
                Errno::INTR
                | Errno::CONNABORTED
                | Errno::PROTO
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NONET,
            ) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Lets no call on the socket wait.
///
/// # References
///
/// - Linux `FIONBIO`, `ioctl(2)`
pub(crate) fn set_nonblocking(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(socket, true)?)
}

/// Sends bytes that find room; without waiting.
///
/// # References
///
/// - Linux `send(2)`
pub(crate) fn send_now(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let sent = retry_on_intr(|| send(socket, bytes, flags))?;
    // A fresh socket has room for a handshake.
    if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Receives some bytes, without waiting; none at the end of the stream.
///
/// # References
///
/// - Linux `recv(2)`
pub(crate) fn recv_now(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<usize> {
    let (count, _) = retry_on_intr(|| recv(socket, &mut *bytes, RecvFlags::DONTWAIT))?;
    Ok(count)
}

/// Whether it is a socket of TCP.
pub(crate) fn is_tcp(socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(sockopt::socket_domain(socket)? != AddressFamily::UNIX)
}

/// Who made the other end of a Unix socket.
///
/// # References
///
/// - Linux `SO_PEERCRED`, `unix(7)`
pub(crate) fn peer(socket: BorrowedFd<'_>) -> io::Result<Peer> {
    let mut found = MaybeUninit::<libc::ucred>::zeroed();
    let mut len = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel writes at most `len`
    // bytes to a structure of that size.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            found.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is made of integers, and was zeros before.
    let found = unsafe { found.assume_init() };
    // The kernel says zero where the process has no pid in our namespace.
    let pid = u32::try_from(found.pid).ok().filter(|pid| *pid != 0);
    Ok(Peer { pid, uid: found.uid, gid: found.gid })
}

/// The user that this process acts as.
pub(crate) fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Random bytes, fit for secrets.
///
/// # References
///
/// - Linux `getrandom(2)`
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += retry_on_intr(|| getrandom(&mut *rest, GetRandomFlags::empty()))?;
    }
    Ok(bytes)
}
