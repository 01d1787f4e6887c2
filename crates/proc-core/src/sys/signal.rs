//! Signals: sent, named, and what they do here.
//!
//! # Safety
//!
//! What is unsafe here is a call of libc that takes no pointer.
#![expect(unsafe_code, reason = "a disposition is set, to none that runs code")]

use std::io;
use std::os::fd::BorrowedFd;

use nix::sys::signal::{SigSet, SigmaskHow, Signal as NixSignal};
use rustix::io::Errno;
use rustix::process::{Pid, getpid, pidfd_send_signal};
use serde::{Deserialize, Serialize};

pub(crate) use rustix::process::Signal;

/// Kills the process group of a child, if it is the first in there, and its status is not taken.
///
/// # References
///
/// - POSIX `killpg`
pub(crate) fn kill_group_of(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
        && is_first_of_its_group(pid)
    {
        // It fails only if nobody is in there any more.
        let _sent = rustix::process::kill_process_group(pid, Signal::KILL);
    }
}

/// Whether a process gave its group its number.
///
/// The group of a process may be one that has no number here: who made it is outside of the pid
/// namespace, and the kernel says 0. `rustix` takes that for impossible, `nix` does not.
///
/// # References
///
/// - POSIX `getpgid`; Linux `pid_namespaces(7)`
fn is_first_of_its_group(pid: Pid) -> bool {
    let pid = nix::unistd::Pid::from_raw(pid.as_raw_pid());
    nix::unistd::getpgid(Some(pid)) == Ok(pid)
}

/// Sends a signal to a process; `false` if it has ended.
///
/// # References
///
/// - Linux `pidfd_send_signal(2)`
pub(crate) fn signal(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<bool> {
    match pidfd_send_signal(pidfd, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Kills a child by its number, which is its own as long as nobody has taken its status.
///
/// # References
///
/// - POSIX `kill`
pub(crate) fn kill_unreaped(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It fails only if the child is gone, which is what is wanted.
        let _sent = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// Ends this process at once, as nothing that it does can prevent.
pub(crate) fn kill_self() -> ! {
    loop {
        // It cannot fail for a process's own number, and does not return when it works.
        let _sent = rustix::process::kill_process(getpid(), Signal::KILL);
    }
}

/// The usual name of a signal.
pub(crate) fn signal_name(signal: i32) -> Option<&'static str> {
    NixSignal::try_from(signal).ok().map(NixSignal::as_str)
}

/// What a signal does when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Disposition {
    /// What the kernel does of itself.
    Default,
    /// Nothing.
    Ignore,
}

/// Sets what a signal does in this process, and returns what it did before.
///
/// # References
///
/// - POSIX `signal`
pub(crate) fn set_disposition(signal: Signal, disposition: Disposition) -> Disposition {
    let handler = match disposition {
        Disposition::Default => libc::SIG_DFL,
        Disposition::Ignore => libc::SIG_IGN,
    };
    // SAFETY: neither disposition runs code of ours.
    match unsafe { libc::signal(signal.as_raw(), handler) } {
        libc::SIG_IGN => Disposition::Ignore,
        _ => Disposition::Default,
    }
}

/// Runs `work` with every signal blocked in the calling thread; threads begin as their maker is.
///
/// # References
///
/// - POSIX `pthread_sigmask`
pub(crate) fn with_signals_blocked<R>(work: impl FnOnce() -> R) -> R {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let result = work();
    if let Ok(before) = before {
        // It fails only for arguments that are not these.
        let _restored = before.thread_set_mask();
    }
    result
}
