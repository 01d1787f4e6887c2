//! Is it alive; wait until it is not.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::deadline::Deadline;
use crate::identity::ProcessId;
use crate::sys::process::{self, Ready};

/// Sees the end of one process: any, not only a child.
///
/// It holds a descriptor that stands for the process itself and not for its number, so it is never
/// taken in by a recycled pid. The descriptor is readable when the process has ended: it can be
/// waited for together with others.
///
/// # Process death
///
/// A process has ended when its last thread has, also if nobody has waited for it yet (a zombie).
/// The kernel says so at once; nothing is guessed from time.
///
/// # Examples
///
/// ```
/// use std::process::Command;
/// use ipc_core::{Deadline, DeathWatch, ProcessId};
///
/// let mut child = Command::new("sleep").arg("1000").spawn()?;
/// let id = ProcessId::of(child.id())?.unwrap();
/// let watch = DeathWatch::open(id)?.unwrap();
/// assert!(!watch.is_dead()?);
///
/// child.kill()?;
/// assert!(watch.wait(Deadline::NEVER)?);
/// # child.wait()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "pidfd")]
#[doc(alias = "sentinel")]
#[derive(Debug)]
pub struct DeathWatch {
    id: ProcessId,
    pidfd: OwnedFd,
}

impl DeathWatch {
    /// Watches a process; `None` if it is gone already, with its pid given up or given out again.
    ///
    /// # Errors
    ///
    /// If the process has too many descriptors, or `/proc` cannot be read or hides that process.
    pub fn open(id: ProcessId) -> io::Result<Option<Self>> {
        let Some(pidfd) = process::open_pidfd(id.pid())? else { return Ok(None) };
        let watch = Self { id, pidfd };
        // Descriptor first, birth time second: if the process with this pid now is the one meant,
        // it has had the pid all along, and so it is the one the descriptor stands for.
        match ProcessId::of(id.pid())? {
            Some(found) if found == id => Ok(Some(watch)),
            Some(_) => Ok(None),
            None if watch.is_dead()? => Ok(None),
            None => Err(io::Error::new(io::ErrorKind::PermissionDenied, "/proc hides the process")),
        }
    }

    /// Which process it watches.
    #[must_use]
    pub const fn id(&self) -> ProcessId {
        self.id
    }

    /// Whether the process has ended.
    ///
    /// # Errors
    ///
    /// If the system has no memory to answer.
    pub fn is_dead(&self) -> io::Result<bool> {
        self.wait(Deadline::now())
    }

    /// Waits until the process has ended; `false` if the deadline comes first.
    ///
    /// # Errors
    ///
    /// If the system has no memory to answer.
    pub fn wait(&self, deadline: Deadline) -> io::Result<bool> {
        process::wait_until_ready(self.pidfd.as_fd(), Ready::Read, deadline)
    }
}

impl AsFd for DeathWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl From<DeathWatch> for OwnedFd {
    fn from(watch: DeathWatch) -> Self {
        watch.pidfd
    }
}

/// Whether a process has not ended yet.
///
/// # Errors
///
/// As [`DeathWatch::open`].
pub fn is_alive(id: ProcessId) -> io::Result<bool> {
    match DeathWatch::open(id)? {
        Some(watch) => Ok(!watch.is_dead()?),
        None => Ok(false),
    }
}

/// Waits until a process has ended; `false` if the deadline comes first.
///
/// # Errors
///
/// As [`DeathWatch::open`].
pub fn wait_for_death(id: ProcessId, deadline: Deadline) -> io::Result<bool> {
    match DeathWatch::open(id)? {
        Some(watch) => watch.wait(deadline),
        None => Ok(true),
    }
}
