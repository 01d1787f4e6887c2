//! The children of this process that are alive.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use ipc_core::Deadline;

use crate::child::Child;
use crate::children;
use crate::exit::ExitStatus;
use crate::sys::signal::Signal;

/// A child of this process, without what its function returns.
#[derive(Clone)]
pub struct ActiveChild(Arc<Child>);

impl ActiveChild {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name().unwrap_or_default()
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Whether it has not ended since it was listed.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !matches!(self.0.try_reap(), Ok(Some(_)))
    }

    /// Asks it to end, with `SIGTERM`; nothing happens if it has ended.
    ///
    /// # Errors
    ///
    /// `EPERM` if the process has changed its user and we may not.
    pub fn terminate(&self) -> io::Result<()> {
        self.0.signal(Signal::TERM)
    }

    /// Ends it with `SIGKILL`; nothing happens if it has ended.
    ///
    /// # Errors
    ///
    /// As [`terminate`](Self::terminate).
    pub fn kill(&self) -> io::Result<()> {
        self.0.signal(Signal::KILL)
    }

    /// Waits until it has ended, at most until the deadline; `None` if it has not.
    ///
    /// Its return value stays with its [`Process`](crate::Process).
    ///
    /// # Errors
    ///
    /// What the system says if it cannot wait, for want of memory.
    pub fn wait_deadline(&self, deadline: Deadline) -> io::Result<Option<ExitStatus>> {
        self.0.wait(deadline)
    }
}

impl AsFd for ActiveChild {
    /// Ready to be read when it has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl fmt::Debug for ActiveChild {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("ActiveChild");
        fields.field("name", &self.name()).field("pid", &self.pid()).finish()
    }
}

/// The children of this process that were started as a [`Process`](crate::Process) and have not
/// ended, also those whose handles were dropped.
///
/// The statuses of those that have ended are taken, so that they are no zombies.
///
/// # Examples
///
/// ```
/// use proc_core::{Process, active_children};
///
/// let child = Process::builder().name("idle").spawn(|()| std::thread::park(), ())?;
/// let names: Vec<String> = active_children().iter().map(|c| c.name().to_owned()).collect();
/// assert_eq!(names, ["idle"]);
/// child.kill()?;
/// child.wait()?;
/// assert!(active_children().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn active_children() -> Vec<ActiveChild> {
    let all = children::all().into_iter().filter(|child| child.name().is_some());
    all.map(ActiveChild).filter(ActiveChild::is_alive).collect()
}
