//! The folder in which memory with a name lies.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat, unlinkat};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::geteuid;

/// Where the system keeps shared memory that has a name.
const FOLDER: &str = "/dev/shm";

/// Opens the folder.
///
/// # References
///
/// - Linux `shm_overview(7)`
pub(crate) fn folder() -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| openat(CWD, FOLDER, flags, Mode::empty()))?)
}

/// Makes a file in the folder that has no name yet, for this user alone.
///
/// # References
///
/// - Linux `O_TMPFILE`, `open(2)`
pub(crate) fn create_nameless(folder: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| openat(folder, ".", flags, Mode::RUSR | Mode::WUSR))?)
}

/// Gives a nameless file its name; fails if the name is taken.
///
/// # References
///
/// - Linux `linkat(2)`
pub(crate) fn link(file: BorrowedFd<'_>, folder: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let path = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, path, folder, name, AtFlags::SYMLINK_FOLLOW)?)
}

/// Opens the file of that name, following no link and waiting for nobody.
///
/// # References
///
/// - Linux `openat(2)`
pub(crate) fn open(folder: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    // A FIFO of that name must not hold us up.
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    Ok(retry_on_intr(|| openat(folder, name, flags, Mode::empty()))?)
}

/// Whether opening failed because the name is that of a link, a folder, a socket or a device.
pub(crate) fn is_not_a_file(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    [Errno::LOOP, Errno::ISDIR, Errno::NXIO, Errno::NODEV]
        .iter()
        .any(|known| number == Some(known.raw_os_error()))
}

/// Takes the name away; the memory stays for whoever has it open.
///
/// # References
///
/// - Linux `unlinkat(2)`
pub(crate) fn unlink(folder: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    Ok(unlinkat(folder, name, AtFlags::empty())?)
}

/// The user this process acts for.
///
/// # References
///
/// - Linux `geteuid(2)`
pub(crate) fn effective_user() -> u32 {
    geteuid().as_raw()
}
