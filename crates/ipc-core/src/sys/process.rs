//! Processes as the kernel shows them.

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};
use rustix::time::Timespec;

use crate::deadline::Deadline;

/// This process's number.
///
/// # References
///
/// - Linux `getpid(2)`
pub(crate) fn own_pid() -> u32 {
    getpid().as_raw_nonzero().get().unsigned_abs()
}

/// The kernel's line about a process; `None` if there is no such process, or none we may see.
///
/// # References
///
/// - Linux `proc_pid_stat(5)`
pub(crate) fn stat_line(pid: u32) -> io::Result<Option<Vec<u8>>> {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(line) => Ok(Some(line)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // The process was reaped between the open and the read.
        Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A descriptor that stands for the process; `None` if there is no such process.
///
/// # References
///
/// - Linux `pidfd_open(2)`
pub(crate) fn open_pidfd(pid: u32) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Ok(None);
    };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Some(pidfd)),
        Err(Errno::SRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Which way a descriptor must be ready.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ready {
    /// Something can be read, or the other end is gone.
    Read,
    /// Something can be written, or the other end is gone.
    Write,
}

/// Waits until the descriptor is ready, at most `timeout`; a signal ends the wait early.
///
/// # References
///
/// - Linux `poll(2)`
pub(crate) fn wait_ready(
    file: BorrowedFd<'_>,
    ready: Ready,
    timeout: Option<Duration>,
) -> io::Result<Woken> {
    let events = match ready {
        Ready::Read => PollFlags::IN,
        Ready::Write => PollFlags::OUT,
    };
    // A time that the clock cannot hold is as good as none.
    let timeout = timeout.and_then(|left| Timespec::try_from(left).ok());
    match poll(&mut [PollFd::from_borrowed_fd(file, events)], timeout.as_ref()) {
        Ok(0) => Ok(Woken::TimedOut),
        Ok(_) => Ok(Woken::Ready),
        Err(Errno::INTR) => Ok(Woken::Interrupted),
        Err(error) => Err(error.into()),
    }
}

/// Waits until the descriptor is ready; `false` if the deadline comes first.
pub(crate) fn wait_until_ready(
    file: BorrowedFd<'_>,
    ready: Ready,
    deadline: Deadline,
) -> io::Result<bool> {
    loop {
        match wait_ready(file, ready, deadline.remaining())? {
            Woken::Ready => return Ok(true),
            Woken::TimedOut => return Ok(false),
            Woken::Interrupted => {}
        }
    }
}

/// How a wait for readiness ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// The descriptor is ready.
    Ready,
    /// The time is over.
    TimedOut,
    /// A signal came.
    Interrupted,
}
