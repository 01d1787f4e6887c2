//! This process and others: numbered, named, copied, ended, held by descriptors.
//!
//! # Safety
//!
//! What is unsafe here is `fork`, whose duty is passed on to the caller, and the end of the process,
//! after which nothing runs.
#![expect(unsafe_code, reason = "fork, and an end that no safe wrapper offers")]

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, getpid, getppid, pidfd_open};
use rustix::time::{ClockId, clock_gettime};

/// The number of this process.
pub(crate) fn own_pid() -> u32 {
    number(getpid())
}

/// The number of this process's parent; zero if it lies outside of our pid namespace.
pub(crate) fn parent_pid() -> u32 {
    getppid().map_or(0, number)
}

/// A process number as users see it.
pub(crate) fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

/// The time since the machine started, in the ticks in which the kernel tells when a process did.
///
/// # References
///
/// - Linux `CLOCK_BOOTTIME`, `clock_gettime(2)`; `USER_HZ`, `time(7)`
pub(crate) fn ticks() -> u64 {
    /// A promise of the kernel, on all machines that this crate is for.
    const PER_SECOND: u64 = 100;
    const NANOS_PER_TICK: u64 = 1_000_000_000 / PER_SECOND;

    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    seconds * PER_SECOND + nanos / NANOS_PER_TICK
}

/// Copies this process: `None` in the child, its number in the parent.
///
/// # Safety
///
/// The child of a process with several threads has only the calling one, and the others may have
/// held any lock: until it ends or runs another program it may only do what a signal handler may.
///
/// # References
///
/// - POSIX `fork`, Linux `fork(2)`
pub(crate) unsafe fn fork() -> io::Result<Option<u32>> {
    // SAFETY: the duty is the caller's.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid.unsigned_abs())),
    }
}

/// How many processors this thread may run on.
///
/// # References
///
/// - Linux `sched_getaffinity(2)`
pub(crate) fn affinity_count() -> Option<usize> {
    let set = rustix::thread::sched_getaffinity(None).ok()?;
    usize::try_from(set.count()).ok().filter(|count| *count > 0)
}

/// A descriptor that stands for the process; an error of kind `ESRCH` if there is no such process.
///
/// # References
///
/// - Linux `pidfd_open(2)`
pub(crate) fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// A descriptor that stands for this process.
pub(crate) fn open_own_pidfd() -> io::Result<OwnedFd> {
    Ok(pidfd_open(getpid(), PidfdFlags::empty())?)
}

/// Whether the error says that the process is gone.
pub(crate) fn is_no_such_process(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// The error for a process that is gone.
pub(crate) fn no_such_process() -> io::Error {
    Errno::SRCH.into()
}

/// Lets others run for a while.
///
/// # References
///
/// - POSIX `nanosleep`
pub(crate) fn pause(time: Duration) {
    if let Ok(time) = time.try_into() {
        // A signal may end it early, which is as good.
        let _slept = rustix::thread::nanosleep(&time);
    }
}

/// Names the calling thread, which for a first thread names the process in `ps` and `top`.
///
/// # References
///
/// - Linux `prctl(2)`, `PR_SET_NAME`
pub(crate) fn set_thread_name(name: &str) {
    let bytes: Vec<u8> = name.bytes().filter(|byte| *byte != 0).collect();
    if let Ok(name) = std::ffi::CString::new(bytes) {
        // A name is for people: that it could not be set is nobody's loss.
        let _set = rustix::thread::set_name(&name);
    }
}

/// Ends this process without running anything that was registered for its end.
///
/// # References
///
/// - POSIX `_exit`
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; nothing runs after it.
    unsafe { libc::_exit(code) }
}

/// Sets how many descriptors this process may have.
#[cfg(test)]
pub(crate) fn limit_descriptors(count: u64) {
    use nix::sys::resource::{Resource, setrlimit};

    setrlimit(Resource::RLIMIT_NOFILE, count, count).unwrap();
}
