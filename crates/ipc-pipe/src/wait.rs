//! `wait()`: all of many that are ready.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use ipc_core::Deadline;

use crate::sys::ready::{self, Ready};

/// Something that can be waited for: whatever has a descriptor that becomes readable.
///
/// Connections, listeners, processes (when they have ended), the `readable()` and `writable()` of a
/// queue, sockets, pipes, timers.
///
/// An event, a semaphore or a lock has no descriptor: it is a word that threads sleep on, and that is
/// what makes it fast. To wait for one among others, let a thread wait for it and then write to a pipe,
/// or use a queue in its place.
pub trait Source {
    /// The descriptor that is readable when the source is ready.
    fn descriptor(&self) -> BorrowedFd<'_>;
}

impl<T: AsFd + ?Sized> Source for T {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

/// Waits until at least one of the sources is ready, and returns the places of all that are.
///
/// There are none if the time is up first; `None` is to wait as long as it takes. A connection is ready
/// when there is something to receive, and when nobody has the other end any more; it stays so until it
/// is received. There may be as many sources as the process may have descriptors, and the same one
/// several times.
///
/// # Errors
///
/// If there are more sources than the process may have descriptors, or the system has no memory.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use ipc_pipe::{channel, wait};
///
/// let (first, from_first) = channel::<u32>()?;
/// let (second, from_second) = channel::<u32>()?;
/// let (_socket, other) = std::os::unix::net::UnixStream::pair()?;
///
/// assert!(wait(&[&from_first, &from_second, &other], Some(Duration::ZERO))?.is_empty());
/// second.send(&7)?;
/// assert_eq!(wait(&[&from_first, &from_second, &other], None)?, [1]);
/// drop(first);
/// assert_eq!(wait(&[&from_first, &from_second, &other], None)?, [0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "poll")]
#[doc(alias = "select")]
pub fn wait(sources: &[&dyn Source], timeout: Option<Duration>) -> io::Result<Vec<usize>> {
    wait_deadline(sources, Deadline::from(timeout))
}

/// Waits until the deadline; see [`wait`].
///
/// # Errors
///
/// As [`wait`].
pub fn wait_deadline(sources: &[&dyn Source], deadline: Deadline) -> io::Result<Vec<usize>> {
    let files: Vec<_> = sources.iter().map(|source| (source.descriptor(), Ready::Read)).collect();
    let mut found = Vec::new();
    ready::wait(&files, deadline, |at| found.push(at))?;
    Ok(found)
}
