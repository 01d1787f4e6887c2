//! How children end, and whether they have.
//!
//! # Safety
//!
//! What is unsafe here are calls of libc that take no pointer but to a local of ours.
#![expect(unsafe_code, reason = "calls that no safe wrapper offers")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};

use crate::exit::ExitStatus;
use crate::usage::Usage;

/// Whether a wait for a child should block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Return only when it has ended.
    Yes,
    /// Look once.
    No,
}

/// What a wait for one child came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It has ended, and this call took its status.
    Ended(ExitStatus, Usage),
    /// It is not over yet.
    Running,
    /// There is no such child: somebody else took its status, or it is not a child of ours.
    NoChild,
}

/// Takes the status of a child, if it has ended.
///
/// # References
///
/// - POSIX `waitid`, Linux `waitid(2)` with `P_PIDFD`
pub(crate) fn wait_child(pidfd: BorrowedFd<'_>) -> io::Result<Waited> {
    loop {
        // SAFETY: the struct is plain data, for which zero is a value.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: the struct is plain data, for which zero is a value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // libc's function of this name does not tell what was used up.
        // SAFETY: writes to the locals above.
        let result = unsafe {
            libc::syscall(
                libc::SYS_waitid,
                libc::P_PIDFD,
                pidfd.as_raw_fd(),
                &raw mut info,
                libc::WEXITED | libc::WNOHANG,
                &raw mut usage,
            )
        };
        if result == 0 {
            return Ok(match ended(&info) {
                Some(status) => Waited::Ended(status, used(&usage)),
                None => Waited::Running,
            });
        }
        match io::Error::last_os_error() {
            error if is_no_child(&error) => return Ok(Waited::NoChild),
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error => return Err(error),
        }
    }
}

/// How a child has ended, if the kernel says so.
fn ended(info: &libc::siginfo_t) -> Option<ExitStatus> {
    // SAFETY: the call filled in the fields of a child's end, or left them zero.
    if unsafe { info.si_pid() } == 0 {
        return None;
    }
    // SAFETY: as above.
    let value = unsafe { info.si_status() };
    match info.si_code {
        libc::CLD_EXITED => Some(ExitStatus::Exited(value)),
        libc::CLD_KILLED => Some(ExitStatus::Signaled { signal: value, core_dumped: false }),
        libc::CLD_DUMPED => Some(ExitStatus::Signaled { signal: value, core_dumped: true }),
        // This very process traces it, and is told of a stop without having asked.
        _ => None,
    }
}

fn used(usage: &libc::rusage) -> Usage {
    let number = |number: libc::c_long| u64::try_from(number).unwrap_or(0);
    let time = |time: libc::timeval| {
        let micros = u64::try_from(time.tv_usec).unwrap_or(0);
        Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0)) + Duration::from_micros(micros)
    };
    Usage {
        user_time: time(usage.ru_utime),
        system_time: time(usage.ru_stime),
        // The kernel counts in KiB.
        max_memory: number(usage.ru_maxrss).saturating_mul(1024),
        waits: number(usage.ru_nvcsw),
        preemptions: number(usage.ru_nivcsw),
    }
}

/// Whether the process is a child of ours whose status nobody has taken.
///
/// # References
///
/// - Linux `waitid(2)` with `P_PIDFD` and `WNOWAIT`
pub(crate) fn is_own_child(pidfd: BorrowedFd<'_>) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    loop {
        match waitid(WaitId::PidFd(pidfd), options) {
            Ok(_) => return true,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Whether this is the number of a child of ours whose status nobody has taken.
///
/// # References
///
/// - Linux `waitid(2)` with `WNOWAIT`
pub(crate) fn is_own_child_number(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(pid), options).is_ok()
}

/// Whether a child of ours was stopped by a signal, and does nothing until it is told to go on.
///
/// # References
///
/// - Linux `waitid(2)` with `WSTOPPED` and `WNOWAIT`
pub(crate) fn is_stopped(pidfd: BorrowedFd<'_>) -> bool {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::PidFd(pidfd), options), Ok(Some(status)) if status.stopped())
}

/// Whether the process is a child of ours that has neither ended nor been stopped; a debugger may
/// hold it for a moment.
///
/// # References
///
/// - Linux `waitid(2)` with `P_PIDFD` and `WNOWAIT`
pub(crate) fn is_well(pidfd: BorrowedFd<'_>) -> bool {
    let changes = WaitIdOptions::EXITED | WaitIdOptions::STOPPED;
    let options = changes | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::PidFd(pidfd), options) {
        Ok(changed) => changed.is_none_or(|status| status.trapped()),
        Err(_) => false,
    }
}

/// Waits until any child has ended, or looks once, and says which; its status is left in place.
///
/// # References
///
/// - Linux `waitid(2)` with `P_ALL` and `WNOWAIT`
pub(crate) fn peek_any(block: Block) -> io::Result<Option<u32>> {
    let mut options = libc::WEXITED | libc::WNOWAIT;
    if block == Block::No {
        options |= libc::WNOHANG;
    }
    loop {
        // SAFETY: the struct is plain data, for which zero is a value.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: writes into the local above.
        let result = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, options) };
        if result == 0 {
            // SAFETY: the call filled in the fields of a child's end, or left them zero.
            let pid = unsafe { info.si_pid() };
            return Ok((pid != 0).then(|| pid.unsigned_abs()));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Waits for the end of the child with this number and takes its status.
///
/// # References
///
/// - POSIX `waitid`
pub(crate) fn wait_pid(pid: u32, block: Block) -> io::Result<Option<ExitStatus>> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::CHILD)?;
    let options = match block {
        Block::Yes => WaitIdOptions::EXITED,
        Block::No => WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
    };
    loop {
        match waitid(WaitId::Pid(pid), options) {
            Ok(status) => return Ok(status.map(|status| exit_status(&status))),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the error says that there is no such child.
pub(crate) fn is_no_child(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::CHILD.raw_os_error())
}

/// The error that says so.
pub(crate) fn no_child() -> io::Error {
    Errno::CHILD.into()
}

fn exit_status(status: &WaitIdStatus) -> ExitStatus {
    if let Some(code) = status.exit_status() {
        return ExitStatus::Exited(code);
    }
    match status.terminating_signal() {
        Some(signal) => ExitStatus::Signaled { signal, core_dumped: status.dumped() },
        None => ExitStatus::Unknown,
    }
}
