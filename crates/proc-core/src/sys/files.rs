//! Descriptors: the standard ones, and what is known of a socket's other end.
//!
//! # Safety
//!
//! The unsafe operations take the descriptor that this process was started with, once, and make a
//! call that writes to a local.
#![expect(unsafe_code, reason = "takes over a descriptor of the parent's making")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create};
use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd, ioctl_fionbio, ioctl_fionread};
use rustix::process::getuid;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::sys::process;

/// Takes a descriptor that was put in place before this program began; closed at an exec.
///
/// # Safety
///
/// Nothing else in this process may own the descriptor.
pub(crate) unsafe fn take_inherited(number: RawFd) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: only asks; the number is not the one that stands for "none".
    let file = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_setfd(file, FdFlags::CLOEXEC)?;
    // SAFETY: the descriptor is open, as the call above showed, and nobody else's (duty of the
    // caller).
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Makes a file in memory without any bytes, which is there for its label.
///
/// # References
///
/// - Linux `memfd_create(2)`
pub(crate) fn label(text: &str) -> io::Result<OwnedFd> {
    match memfd_create(text, MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL) {
        // Kernels before 6.3 do not know the flag.
        Err(Errno::INVAL) => Ok(memfd_create(text, MemfdFlags::CLOEXEC)?),
        made => Ok(made?),
    }
}

/// Whether the other end of a socket pair was made by this process's parent, for the same user.
///
/// A parent in another pid namespace has the number zero, here as there.
///
/// # References
///
/// - Linux `unix(7)`, `SO_PEERCRED`
pub(crate) fn is_from_parent(socket: BorrowedFd<'_>) -> bool {
    let mut peer = libc::ucred { pid: -1, uid: 0, gid: 0 };
    // The size of three integers.
    #[expect(clippy::cast_possible_truncation, reason = "it is twelve")]
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: writes at most `len` bytes to the local, which consists of integers.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut len,
        )
    };
    result == 0
        && u32::try_from(peer.pid) == Ok(process::parent_pid())
        && peer.uid == getuid().as_raw()
}

/// Closes all descriptors from one number to another, both included.
///
/// # Safety
///
/// Nothing in this process may use them any more.
///
/// # References
///
/// - Linux `close_range(2)`
pub(crate) unsafe fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: takes three numbers; what it does to the descriptors is the caller's affair.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets go of what every descriptor leads to, but for the standard ones and those in the list.
///
/// The numbers stay taken, so whoever has one still has a descriptor: one that can be neither read nor
/// written, as if it were closed.
///
/// # References
///
/// - Linux `open(2)`, `O_PATH`; `dup3`
pub(crate) fn let_go_of_all_but(kept: &[RawFd]) -> io::Result<()> {
    let nothing = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    let stays =
        |number: RawFd| number <= 2 || number == nothing.as_raw_fd() || kept.contains(&number);
    for number in numbers.into_iter().filter(|number| !stays(*number)) {
        // SAFETY: only asks; a number that is open is not the one that stands for "none".
        let file = unsafe { BorrowedFd::borrow_raw(number) };
        // The list itself was read over one that is closed by now.
        if !is_open(file) {
            continue;
        }
        // SAFETY: takes three numbers. Whoever owns the descriptor with this one owns another one
        // from now on, which is as good to be closed.
        if unsafe { libc::dup3(nothing.as_raw_fd(), number, libc::O_CLOEXEC) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Has reads and writes of a pipe return when they would wait.
///
/// # References
///
/// - POSIX `fcntl` with `O_NONBLOCK`
pub(crate) fn do_not_wait(file: BorrowedFd<'_>) -> io::Result<()> {
    Ok(ioctl_fionbio(file, true)?)
}

/// Reads at most so many bytes and adds them to the others; `None` if there are none yet, and
/// `Some(0)` at the end.
///
/// # References
///
/// - POSIX `read`
pub(crate) fn read_some(
    file: BorrowedFd<'_>,
    most: usize,
    bytes: &mut Vec<u8>,
) -> io::Result<Option<usize>> {
    let before = bytes.len();
    bytes.resize(before + most, 0);
    let result = loop {
        match rustix::io::read(file, bytes.get_mut(before..).unwrap_or_default()) {
            Ok(n) => break Ok(Some(n)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break Ok(None),
            Err(error) => break Err(error.into()),
        }
    };
    bytes.truncate(before + result.as_ref().ok().copied().flatten().unwrap_or(0));
    result
}

/// Writes some of the bytes, as many as there is room for; `None` if nobody will read them.
///
/// # References
///
/// - POSIX `write`
pub(crate) fn write_some(file: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<Option<usize>> {
    loop {
        match rustix::io::write(file, bytes) {
            Ok(n) => return Ok(Some(n)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(Some(0)),
            Err(Errno::PIPE) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// How many bytes can be read now.
///
/// # References
///
/// - Linux `pipe(7)`, `FIONREAD`
pub(crate) fn n_readable(file: BorrowedFd<'_>) -> io::Result<usize> {
    usize::try_from(ioctl_fionread(file)?).map_err(io::Error::other)
}

/// Makes the standard input empty.
pub(crate) fn empty_stdin() -> io::Result<()> {
    let null = OpenOptions::new().read(true).open("/dev/null")?;
    Ok(dup2_stdin(null)?)
}

/// Opens `/dev/null` in place of a standard output that is closed, as Rust's runtime does.
///
/// The next file that is opened would get the number otherwise, and be printed to.
pub(crate) fn fill_closed_outputs() -> io::Result<()> {
    if !is_open(io::stdout().as_fd()) {
        dup2_stdout(OpenOptions::new().write(true).open("/dev/null")?)?;
    }
    if !is_open(io::stderr().as_fd()) {
        dup2_stderr(OpenOptions::new().write(true).open("/dev/null")?)?;
    }
    Ok(())
}

/// Whether there is such a descriptor.
pub(crate) fn is_open(file: BorrowedFd<'_>) -> bool {
    fcntl_getfd(file).is_ok()
}

/// A file without a name, in memory, closed at an exec.
///
/// # References
///
/// - Linux `memfd_create(2)`
pub(crate) fn file_in_memory() -> io::Result<File> {
    Ok(memfd_create(c"multiproc-value", MemfdFlags::CLOEXEC)?.into())
}
