//! What a process can change about itself: streams, environment, group, signals, limits.
//!
//! # Safety
//!
//! The environment is changed only where the caller knows that nobody else looks at it; a signal is
//! set to a disposition that runs no code.
#![expect(unsafe_code, reason = "changes the environment and what signals do")]

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::process::{
    Pid, child_subreaper, set_child_subreaper, setpgid, setpriority_process, setsid,
};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

use crate::stdio::Stream;
use crate::sys::signal::Disposition;

/// Something that a process can be given only so much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Limit {
    /// Bytes of address space.
    Memory,
    /// Seconds of processor time.
    CpuSeconds,
    /// Descriptors.
    OpenFiles,
    /// Bytes of a memory image.
    Core,
}

/// Puts descriptors in place of the standard streams.
///
/// # References
///
/// - POSIX `dup2`
pub(crate) fn replace_streams(streams: [Stream; 3], given: Vec<OwnedFd>) -> io::Result<()> {
    let mut given = given.into_iter();
    let put: [fn(OwnedFd) -> rustix::io::Result<()>; 3] = [dup2_stdin, dup2_stdout, dup2_stderr];
    for (put, (stream, number)) in put.iter().zip(streams.into_iter().zip(0..)) {
        let file = match stream {
            Stream::AsItIs => continue,
            Stream::Null => {
                OpenOptions::new().read(number == 0).write(number != 0).open("/dev/null")?.into()
            }
            Stream::Given => given.next().ok_or(io::ErrorKind::InvalidData)?,
        };
        put(file)?;
    }
    Ok(())
}

/// Changes this process's environment; all names and values must be such.
///
/// # Safety
///
/// No other thread of this process may be looking at the environment.
pub(crate) unsafe fn change_environment(clears: bool, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) {
    if clears {
        for (name, _) in std::env::vars_os() {
            // SAFETY: nobody else looks (duty of the caller).
            unsafe { std::env::remove_var(name) };
        }
    }
    for (name, value) in changes {
        let name = OsString::from_vec(name);
        match value.map(OsString::from_vec) {
            // SAFETY: nobody else looks (duty of the caller).
            Some(value) => unsafe { std::env::set_var(name, value) },
            // SAFETY: nobody else looks (duty of the caller).
            None => unsafe { std::env::remove_var(name) },
        }
    }
}

/// Makes this process the first of a process group.
///
/// # References
///
/// - POSIX `setpgid`
pub(crate) fn own_group() -> io::Result<()> {
    Ok(setpgid(None::<Pid>, None::<Pid>)?)
}

/// Makes this process the first of a session, and of a process group, without a terminal.
///
/// # References
///
/// - POSIX `setsid`
pub(crate) fn own_session() -> io::Result<()> {
    setsid()?;
    Ok(())
}

/// Makes this process the parent of every descendant of it whose parent dies.
///
/// # References
///
/// - Linux `prctl(2)`, `PR_SET_CHILD_SUBREAPER`
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Whether this process is one that orphans come to.
pub(crate) fn adopts_orphans() -> io::Result<bool> {
    Ok(child_subreaper()?.is_some())
}

/// Lets orphans go elsewhere from now on.
pub(crate) fn leave_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(None)?)
}

/// Lets others have the processor before or after this process.
///
/// # References
///
/// - POSIX `setpriority`
pub(crate) fn set_niceness(niceness: i32) -> io::Result<()> {
    Ok(setpriority_process(None, niceness)?)
}

/// Whether a list of processors can be told to the kernel.
pub(crate) fn can_name(processors: &[usize]) -> bool {
    !processors.is_empty() && processors.iter().all(|number| *number < CpuSet::MAX_CPU)
}

/// Lets this process run on these processors only.
///
/// # References
///
/// - Linux `sched_setaffinity(2)`, which passes over processors that are not there
pub(crate) fn bind_to(processors: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for number in processors.iter().filter(|number| **number < CpuSet::MAX_CPU) {
        set.set(*number);
    }
    let bound = sched_setaffinity(None, &set);
    // Those that are not there are passed over, as long as there is one that is.
    let usable = sched_getaffinity(None)?;
    match processors.iter().find(|number| !usable.is_set(**number)) {
        Some(number) => Err(io::Error::other(format!("there is no processor {number} for it"))),
        None => Ok(bound?),
    }
}

/// Sets what a signal does.
///
/// # References
///
/// - POSIX `signal`
pub(crate) fn set_signal(signal: i32, disposition: Disposition) -> io::Result<()> {
    let handler = match disposition {
        Disposition::Default => libc::SIG_DFL,
        Disposition::Ignore => libc::SIG_IGN,
    };
    // SAFETY: neither disposition runs code of ours.
    if unsafe { libc::signal(signal, handler) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Limits this process and those that it starts; never to more than it may have.
///
/// # References
///
/// - POSIX `setrlimit`
pub(crate) fn limit(limit: Limit, value: u64) -> io::Result<()> {
    let resource = match limit {
        Limit::Memory => Resource::RLIMIT_AS,
        Limit::CpuSeconds => Resource::RLIMIT_CPU,
        Limit::OpenFiles => Resource::RLIMIT_NOFILE,
        Limit::Core => Resource::RLIMIT_CORE,
    };
    let (_, most) = getrlimit(resource)?;
    let value = value.min(most);
    // What has used up its processor time gets a signal that it may catch, and a second later one
    // that it may not.
    let hard = if limit == Limit::CpuSeconds { value.saturating_add(1).min(most) } else { value };
    Ok(setrlimit(resource, value, hard)?)
}
