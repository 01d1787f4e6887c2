//! Locks of open files, which the kernel takes away with the file's last descriptor anywhere.

#![expect(unsafe_code, reason = "calls fcntl for locks that have no safe wrapper")]

use std::ffi::CStr;
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::retry_on_intr;

/// Room for the path of a descriptor and a zero.
const PATH_ROOM: usize = 40;

/// Opens the file behind a descriptor once more: an open file of its own, with locks of its own.
///
/// # References
///
/// - Linux `proc_pid_fd(5)`
pub(crate) fn reopen(file: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut path = [0; PATH_ROOM];
    write!(path.as_mut_slice(), "/proc/thread-self/fd/{}", file.as_raw_fd())?;
    let path = CStr::from_bytes_until_nul(&path).map_err(io::Error::other)?;
    // Whatever it is, opening it must neither wait nor give us a terminal.
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(retry_on_intr(|| openat(CWD, path, flags, Mode::empty()))?)
}

/// Takes a shared lock on some bytes of an open file, whether they exist or not.
///
/// # References
///
/// - Linux `F_OFD_SETLK`, `fcntl_locking(2)`
pub(crate) fn lock_shared(file: BorrowedFd<'_>, bytes: &Range<u32>) -> io::Result<()> {
    lock_call(file, libc::F_OFD_SETLK, libc::F_RDLCK, bytes).map(|_| ())
}

/// Whether another open file of the same memory has any lock on any of these bytes.
///
/// # References
///
/// - Linux `F_OFD_GETLK`, `fcntl_locking(2)`
pub(crate) fn is_locked_by_others(file: BorrowedFd<'_>, bytes: &Range<u32>) -> io::Result<bool> {
    // What would be in the way of a lock that bears no other.
    let found = lock_call(file, libc::F_OFD_GETLK, libc::F_WRLCK, bytes)?;
    Ok(i32::from(found.l_type) != libc::F_UNLCK)
}

fn lock_call(
    file: BorrowedFd<'_>,
    command: libc::c_int,
    kind: libc::c_int,
    bytes: &Range<u32>,
) -> io::Result<libc::flock> {
    let number = |value: libc::c_int| {
        libc::c_short::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
    };
    let mut lock = libc::flock {
        l_type: number(kind)?,
        l_whence: number(libc::SEEK_SET)?,
        l_start: i64::from(bytes.start),
        l_len: i64::from(bytes.end.saturating_sub(bytes.start)),
        l_pid: 0,
    };
    // SAFETY: the descriptor is open as long as it is borrowed, and these commands read and write
    // the one structure that is passed.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(lock) }
}
