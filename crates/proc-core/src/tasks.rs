//! Waiting for processes in a task of tokio instead of a thread.
//!
//! A descriptor that stands for a process is ready to be read when that has ended, so tokio can wait
//! for it as for a socket. Each wait registers a copy of it, since one descriptor cannot be registered
//! twice.
//!
//! # Safety
//!
//! What is registered owns its descriptor, which stays what it is as long as it is registered.
#![expect(unsafe_code, reason = "registers a descriptor with tokio")]

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::child::Child;
use crate::current::Parent;
use crate::error::JoinError;
use crate::exit::ExitStatus;
use crate::process::Process;
use crate::program::Running;
use crate::sys::poll;

impl<R: DeserializeOwned> Process<R> {
    /// Waits in a task until the process has ended, and returns what its function did, as
    /// [`join`](Self::join) does.
    ///
    /// A future that is dropped loses nothing: the value is still there for whoever asks next.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join), and if this process has no room for a descriptor.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, and in one that does no input and output.
    ///
    /// # Examples
    ///
    /// ```
    /// use proc_core::Process;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    /// # runtime.block_on(async {
    /// let child = Process::spawn(|x: u64| x * x, 12)?;
    /// assert_eq!(child.join_async().await?, 144);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn join_async(&self) -> Result<R, JoinError> {
        if self.child().is_ours() {
            ended(self.child()).await?;
        }
        self.join()
    }
}

impl<R> Process<R> {
    /// Waits in a task until the process has ended, whatever became of its result.
    ///
    /// # Errors
    ///
    /// What the system says if it cannot wait, for want of memory or of room for a descriptor.
    ///
    /// # Panics
    ///
    /// As [`join_async`](Self::join_async).
    pub async fn wait_async(&self) -> io::Result<ExitStatus> {
        ended(self.child()).await
    }
}

impl Running {
    /// Waits in a task until the program has ended.
    ///
    /// It may be waiting for somebody to read what it writes.
    ///
    /// # Errors
    ///
    /// What the system says if it cannot wait, for want of memory or of room for a descriptor.
    ///
    /// # Panics
    ///
    /// As [`Process::join_async`].
    pub async fn wait_async(&self) -> io::Result<ExitStatus> {
        ended(self.child()).await
    }
}

impl Parent {
    /// Waits in a task for the end of the parent.
    ///
    /// # Errors
    ///
    /// What the system says if it cannot wait, for want of memory or of room for a descriptor.
    ///
    /// # Panics
    ///
    /// As [`Process::join_async`].
    pub async fn wait_async(&self) -> io::Result<()> {
        wait_any_async([self]).await.map(drop)
    }
}

/// Waits in a task until one of many has ended, and says which by its place in the list; with an empty
/// list, for ever.
///
/// The list is as that of [`wait_any`](crate::wait_any). No status is taken.
///
/// # Errors
///
/// What the system says if it cannot wait, for want of memory or of room for descriptors.
///
/// # Panics
///
/// As [`Process::join_async`].
pub async fn wait_any_async(sentinels: impl IntoIterator<Item = impl AsFd>) -> io::Result<usize> {
    let watches: io::Result<Vec<Watch>> =
        sentinels.into_iter().map(|file| Watch::new(file.as_fd())).collect();
    let watches = watches?;
    poll_fn(|context| {
        for (watch, place) in watches.iter().zip(0..) {
            if watch.poll(context)?.is_ready() {
                return Poll::Ready(Ok(place));
            }
        }
        Poll::Pending
    })
    .await
}

/// Waits until a child has ended, and takes its status.
async fn ended(child: &Child) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_reap()? {
            return Ok(status);
        }
        wait_any_async([child]).await?;
        if let Some(status) = child.try_reap()? {
            return Ok(status);
        }
        // A debugger holds the status of one that has ended; there is nothing to wait on for that.
        tokio::task::yield_now().await;
    }
}

/// A descriptor that tokio looks at.
struct Watch(AsyncFd<OwnedFd>);

impl Watch {
    fn new(file: BorrowedFd<'_>) -> io::Result<Self> {
        let file = file.try_clone_to_owned()?;
        // SAFETY: the descriptor is owned by what is registered, and nobody changes what it stands for.
        let registered = unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) };
        Ok(Self(registered?))
    }

    /// Whether it is ready to be read; if not, the task is woken when it is.
    fn poll(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut seen = ready!(self.0.poll_read_ready(context))?;
            if poll::is_ready(self.0.get_ref())? {
                return Poll::Ready(Ok(()));
            }
            seen.clear_ready();
        }
    }
}
