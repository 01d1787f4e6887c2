//! Connections in tasks of tokio: what waits, waits in a task instead of a thread.
//!
//! | file | job |
//! |------|-----|
//! | `mod` | waiting in a task until descriptors are ready |
//! | `outgoing` | a message on its way out |
//! | `connection` | sending and receiving |
//! | `shm` | the same through shared memory |
//! | `meeting` | accepting, connecting, and waiting for many |
//! | `messages` | a connection as a stream and a sink |
//!
//! # Safety
//!
//! What is registered owns its descriptor, which stays what it is as long as it is registered.
#![expect(unsafe_code, reason = "registers a descriptor with tokio")]

mod connection;
mod meeting;
mod messages;
mod outgoing;
mod shm;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use ipc_core::Deadline;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub use self::{
    meeting::{connect_async, wait_async},
    messages::Messages,
};
use crate::sys::ready::{self, Ready};

/// A descriptor that tokio looks at.
#[derive(Debug)]
struct Watch {
    file: AsyncFd<OwnedFd>,
    ready: Ready,
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.get_ref().as_fd()
    }
}

impl Watch {
    /// Has tokio look at a copy of it, since one descriptor cannot be registered twice.
    fn new(file: BorrowedFd<'_>, ready: Ready) -> io::Result<Self> {
        Self::owned(file.try_clone_to_owned()?, ready)
    }

    fn owned(file: OwnedFd, ready: Ready) -> io::Result<Self> {
        let interest = match ready {
            Ready::Write => Interest::WRITABLE,
            Ready::Read | Ready::HangUp => Interest::READABLE,
        };
        // SAFETY: the descriptor is owned by what is registered, and nobody changes what it stands for.
        let file = unsafe { AsyncFd::register_with_interest(file, interest) }?;
        Ok(Self { file, ready })
    }

    /// Whether it is ready; if not, the task is woken when it is.
    fn poll(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut seen = ready!(match self.ready {
                Ready::Write => self.file.poll_write_ready(context),
                Ready::Read | Ready::HangUp => self.file.poll_read_ready(context),
            })?;
            // What tokio has seen may be over.
            if ready::is(self.as_fd(), self.ready, Deadline::now())? {
                return Poll::Ready(Ok(()));
            }
            seen.clear_ready();
        }
    }
}

/// A watch that is made when there is something to wait for.
#[derive(Debug, Default)]
struct LazyWatch(Option<Watch>);

impl LazyWatch {
    /// Whether `file`, which is the same each time, is ready; if not, the task is woken when it is.
    fn poll(
        &mut self,
        file: BorrowedFd<'_>,
        ready: Ready,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let watch = match self.0.take() {
            Some(watch) => watch,
            None => Watch::new(file, ready)?,
        };
        self.0.insert(watch).poll(context)
    }
}

/// Whether one of them is ready; if not, the task is woken when one is.
fn any_ready(watches: &[Watch], context: &mut Context<'_>) -> Poll<io::Result<()>> {
    for watch in watches {
        if watch.poll(context)?.is_ready() {
            return Poll::Ready(Ok(()));
        }
    }
    Poll::Pending
}
