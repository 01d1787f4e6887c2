//! Sending and receiving in a task.

use std::future::poll_fn;
use std::os::fd::AsFd as _;
use std::task::{Context, Poll, ready};

use ipc_core::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::LazyWatch;
use super::outgoing::{Outgoing, Packed};
use crate::connection::Connection;
use crate::error::{RecvError, RequestError, SendError};
use crate::line::Arrived;
use crate::sys::ready::Ready;

impl<S: Serialize, R> Connection<S, R> {
    /// Sends a value, waiting in a task for room, as [`send`](Self::send) does in a thread.
    ///
    /// A future that is dropped before it is ready has sent nothing. Over TCP the message may be on its
    /// way by then, in one of tokio's threads for what blocks, and goes all the way.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::Io`] if the process has no room for a descriptor to wait
    /// with.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, and in one that does no input and output, if it has to wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use ipc_pipe::pipe;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    /// # runtime.block_on(async {
    /// let (mut here, there) = pipe::<u32, String>()?;
    /// let answering = tokio::spawn(async move {
    ///     let number = there.recv_async().await?;
    ///     there.send_async(&format!("{number} it is")).await?;
    ///     Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// });
    /// assert_eq!(here.request_async(&7).await?, "7 it is");
    /// answering.await?.unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn send_async(&self, value: &S) -> Result<(), SendError> {
        // The borrow of the value ends here, so that the future is as free as its type.
        let packed = Packed::new(value);
        self.send_packed(packed?).await
    }

    /// Sends bytes as they are, waiting in a task for room.
    ///
    /// # Errors
    ///
    /// As [`send_async`](Self::send_async).
    ///
    /// # Panics
    ///
    /// As [`send_async`](Self::send_async).
    pub async fn send_bytes_async(&self, bytes: &[u8]) -> Result<(), SendError> {
        self.send_packed(Packed::of_bytes(bytes)).await
    }

    async fn send_packed(&self, packed: Packed) -> Result<(), SendError> {
        let (mut outgoing, mut watch) = (Outgoing::Packed(packed), LazyWatch::default());
        poll_fn(|context| outgoing.poll(self.line(), &mut watch, context)).await
    }
}

impl<S, R: DeserializeOwned> Connection<S, R> {
    /// Receives a value, waiting for it in a task, as [`recv`](Self::recv) does in a thread.
    ///
    /// A message is taken only as the future becomes ready: one that is dropped before loses nothing.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::Io`] if the process has no room for a descriptor to wait
    /// with.
    ///
    /// # Panics
    ///
    /// As [`send_async`](Self::send_async).
    pub async fn recv_async(&self) -> Result<R, RecvError> {
        let mut watch = LazyWatch::default();
        poll_fn(|context| self.poll_recv(&mut watch, context, |arrived| arrived.decode())).await
    }

    /// Receives bytes as they were sent, of which there may be so many at most, waiting for them in a
    /// task.
    ///
    /// # Errors
    ///
    /// As [`recv_bytes`](Self::recv_bytes) and [`recv_async`](Self::recv_async).
    ///
    /// # Panics
    ///
    /// As [`send_async`](Self::send_async).
    pub async fn recv_bytes_async(&self, max: usize) -> Result<Vec<u8>, RecvError> {
        let mut watch = LazyWatch::default();
        poll_fn(|context| self.poll_recv(&mut watch, context, |arrived| arrived.into_bytes(max)))
            .await
    }

    /// Receives a message if there is one; if not, the task is woken when there is.
    pub(super) fn poll_recv<T>(
        &self,
        watch: &mut LazyWatch,
        context: &mut Context<'_>,
        mut take: impl FnMut(Arrived<'_>) -> Result<T, RecvError>,
    ) -> Poll<Result<T, RecvError>> {
        loop {
            match self.line().recv(self.limits(), Deadline::now(), &mut take) {
                Err(RecvError::TimedOut) => {}
                received => return Poll::Ready(received),
            }
            ready!(watch.poll(self.line().as_fd(), Ready::Read, context))?;
        }
    }
}

impl<S: Serialize, R: DeserializeOwned> Connection<S, R> {
    /// Sends a value and waits in a task for the reply: the next value that comes.
    ///
    /// A reply to a request whose future was dropped is the next value that is received.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    ///
    /// # Panics
    ///
    /// As [`send_async`](Self::send_async).
    pub async fn request_async(&mut self, value: &S) -> Result<R, RequestError> {
        self.send_async(value).await?;
        Ok(self.recv_async().await?)
    }
}
