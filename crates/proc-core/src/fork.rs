//! `fork`, the plain one.

#![expect(unsafe_code, reason = "offers fork")]

use std::io::{self, Write as _};

use crate::current;
use crate::sys::process;

/// Which of the two processes this is after a [`fork`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The one that called it; the number of its new child.
    Parent(u32),
    /// The new one.
    Child,
}

/// Copies this process: the call returns twice, in the parent and in the child.
///
/// Prefer [`Process`](crate::Process), which reports panics and exits, and can start a child of a
/// program with threads. What Rust has buffered for the standard output is written first, so that it
/// is not written twice. In the child [`current`](crate::current) and [`parent`](crate::parent) tell
/// whose child it is, and handles to processes are those of a stranger. End the child with
/// `libc::_exit` or [`std::process::abort`] unless it shall do at its end what the parent has
/// registered for its own.
///
/// # Errors
///
/// `EAGAIN` or `ENOMEM` if the system has no room for another process.
///
/// # Safety
///
/// If this process has several threads, the child has only the calling one, and the others may have
/// held any lock: until it ends or runs another program the child may only do what a signal handler
/// may. The call itself takes memory in the child, which libc allows there in spite of that; with
/// another allocator it may not.
///
/// # References
///
/// - POSIX `fork`
pub unsafe fn fork() -> io::Result<Fork> {
    let introduction = current::introduce(None, None);
    let own_pidfd = process::open_own_pidfd()?;
    flush_stdout();
    // SAFETY: the duty is the caller's.
    match unsafe { process::fork() }? {
        Some(pid) => Ok(Fork::Parent(pid)),
        None => {
            current::become_child(introduction, own_pidfd);
            Ok(Fork::Child)
        }
    }
}

/// Writes what Rust has buffered for the standard output.
pub(crate) fn flush_stdout() {
    // If it cannot be written now, nothing that we could do would write it later.
    let _flushed = io::stdout().flush();
}
