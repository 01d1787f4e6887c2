//! Sending and receiving through shared memory in a task.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd as _;
use std::task::{Context, Poll, ready};

use ipc_core::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::outgoing::Packed;
use super::{LazyWatch, Watch, any_ready};
use crate::error::{RecvError, RequestError, SendError};
use crate::line::Arrived;
use crate::shm::ring::Partner as _;
use crate::shm::{Other, ShmConnection};
use crate::sys::ready::{self, Ready};

/// What a task watches that waits for the other side to do something.
#[derive(Debug, Default)]
pub(super) struct DoorWatch {
    /// The call, then those whose death is watched.
    watches: Vec<Watch>,
    /// Whose deaths these are.
    words: Vec<u64>,
}

impl DoorWatch {
    /// Whether the other side has called or is gone, or should be looked for; if not, the task is woken
    /// when it is so.
    fn poll(
        &mut self,
        Other { door, theirs }: &mut Other<'_>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let words: Vec<u64> = door.watched().collect();
        let next_look = door.next_look();
        if self.watches.is_empty() || self.words != words || next_look.is_some() {
            let watches = door.files().map(|file| Watch::new(file, Ready::Read));
            self.watches = watches.collect::<io::Result<_>>()?;
            self.words = words;
        }
        if let Some(next) = next_look {
            self.watches.push(Watch::owned(ready::alarm(next)?, Ready::Read)?);
        }
        ready!(any_ready(&self.watches, context))?;
        door.listen(*theirs);
        Poll::Ready(Ok(()))
    }
}

impl<S: Serialize, R> ShmConnection<S, R> {
    /// Sends a value, waiting in a task for room, as [`send`](Self::send) does in a thread.
    ///
    /// A future that is dropped before it is ready has sent nothing. It looks for some microseconds
    /// before the task waits, and not for longer as a thread does: others have work to do.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::Io`] if the process has no room for descriptors to wait
    /// with.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, and in one that does no input and output, if it has to wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use ipc_pipe::shm_pipe;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    /// # runtime.block_on(async {
    /// let (mut here, mut there) = shm_pipe::<u32, String>()?;
    /// let answering = tokio::spawn(async move {
    ///     let number = there.recv_async().await?;
    ///     there.send_async(&number.to_string()).await?;
    ///     Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// });
    /// assert_eq!(here.request_async(&7).await?, "7");
    /// answering.await?.unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn send_async(&mut self, value: &S) -> Result<(), SendError> {
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
    pub async fn send_bytes_async(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.send_packed(Packed::of_bytes(bytes)).await
    }

    async fn send_packed(&mut self, packed: Packed) -> Result<(), SendError> {
        let (mut line, mut door) = (LazyWatch::default(), DoorWatch::default());
        poll_fn(|context| self.poll_send(&packed, &mut line, &mut door, context)).await
    }

    /// Sends a message if there is room; if not, the task is woken when there is.
    pub(super) fn poll_send(
        &mut self,
        packed: &Packed,
        line: &mut LazyWatch,
        door: &mut DoorWatch,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        let Packed { bytes, handles } = packed;
        loop {
            match self.send_parts(bytes, handles, Deadline::now()) {
                Err(SendError::TimedOut) => {}
                sent => return Poll::Ready(sent),
            }
            // Either there is no room in the ring, or none in the socket beside it.
            let is_socket_full = self.look_for_room(bytes, handles)?;
            let (half, socket) = self.sending()?;
            let mut other = half.other();
            if is_socket_full {
                if other.is_gone() {
                    return Poll::Ready(Err(SendError::Disconnected));
                }
                if line.poll(socket.as_fd(), Ready::Write, context)?.is_ready() {
                    continue;
                }
            }
            ready!(door.poll(&mut other, context))?;
        }
    }
}

impl<S, R: DeserializeOwned> ShmConnection<S, R> {
    /// Receives a value, waiting for it in a task, as [`recv`](Self::recv) does in a thread.
    ///
    /// A message is taken only as the future becomes ready: one that is dropped before loses nothing.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::Io`] if the process has no room for descriptors to wait
    /// with.
    ///
    /// # Panics
    ///
    /// As [`send_async`](Self::send_async).
    pub async fn recv_async(&mut self) -> Result<R, RecvError> {
        let mut door = DoorWatch::default();
        poll_fn(|context| self.poll_recv(&mut door, context, |arrived| arrived.decode())).await
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
    pub async fn recv_bytes_async(&mut self, max: usize) -> Result<Vec<u8>, RecvError> {
        let mut door = DoorWatch::default();
        poll_fn(|context| self.poll_recv(&mut door, context, |arrived| arrived.into_bytes(max)))
            .await
    }

    /// Receives a message if there is one; if not, the task is woken when there is.
    pub(super) fn poll_recv<T>(
        &mut self,
        door: &mut DoorWatch,
        context: &mut Context<'_>,
        take: impl FnOnce(Arrived<'_>) -> Result<T, RecvError>,
    ) -> Poll<Result<T, RecvError>> {
        while !self.look_for_record()? {
            ready!(door.poll(&mut self.receiving()?.0.other(), context))?;
        }
        Poll::Ready(self.recv_with(Deadline::now(), take))
    }
}

impl<S: Serialize, R: DeserializeOwned> ShmConnection<S, R> {
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
