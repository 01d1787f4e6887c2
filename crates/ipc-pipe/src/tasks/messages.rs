//! `Messages`: a connection as a stream and a sink.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::LazyWatch;
use super::outgoing::{Outgoing, Packed};
use super::shm::DoorWatch;
use crate::connection::Connection;
use crate::error::{RecvError, SendError};
use crate::items::item;
use crate::shm::ShmConnection;

/// A [`Connection`] or a [`ShmConnection`] as a stream of what it receives and a sink for what it sends.
///
/// Made by [`Connection::into_messages`] and [`ShmConnection::into_messages`]. The stream ends when
/// nobody has the other end any more and all that was sent is received, and after an error behind which
/// there is nothing to be received. Closing the sink waits until all is sent; the end is closed when
/// this is dropped.
///
/// # Process death
///
/// As for the connection.
///
/// # Panics
///
/// Outside of a tokio runtime, and in one that does no input and output, if it has to wait.
///
/// # Examples
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
/// use ipc_pipe::pipe;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
/// # runtime.block_on(async {
/// let (here, there) = pipe::<u32, u32>()?;
/// let (mut sink, mut stream) = (here.into_messages(), there.into_messages());
/// sink.send(7).await?;
/// drop(sink);
/// assert_eq!(stream.next().await.transpose()?, Some(7));
/// assert!(stream.next().await.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Messages<C> {
    connection: C,
    outgoing: Outgoing,
    reading: LazyWatch,
    writing: LazyWatch,
    /// Of a connection through shared memory: for who reads, and for who writes.
    doors: [DoorWatch; 2],
    is_over: bool,
}

impl<C> Messages<C> {
    fn new(connection: C) -> Self {
        Self {
            connection,
            outgoing: Outgoing::Over,
            reading: LazyWatch::default(),
            writing: LazyWatch::default(),
            doors: Default::default(),
            is_over: false,
        }
    }

    /// The connection.
    pub const fn get_ref(&self) -> &C {
        &self.connection
    }

    /// The connection again. A message that was not flushed is not sent.
    #[must_use]
    pub fn into_inner(self) -> C {
        self.connection
    }
}

impl<S, R> Connection<S, R> {
    /// Makes a stream and a sink of it.
    #[must_use]
    pub fn into_messages(self) -> Messages<Self> {
        Messages::new(self)
    }
}

impl<S, R> ShmConnection<S, R> {
    /// Makes a stream and a sink of it.
    #[must_use]
    pub fn into_messages(self) -> Messages<Self> {
        Messages::new(self)
    }
}

impl<S, R: DeserializeOwned> Stream for Messages<Connection<S, R>> {
    type Item = Result<R, RecvError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        let (connection, watch) = (&this.connection, &mut this.reading);
        let received = ready!(connection.poll_recv(watch, context, |arrived| arrived.decode()));
        Poll::Ready(item(received, &mut this.is_over))
    }
}

impl<S, R: DeserializeOwned> Stream for Messages<ShmConnection<S, R>> {
    type Item = Result<R, RecvError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        let [door, _] = &mut this.doors;
        let received = this.connection.poll_recv(door, context, |arrived| arrived.decode());
        Poll::Ready(item(ready!(received), &mut this.is_over))
    }
}

impl<C> FusedStream for Messages<C>
where
    Self: Stream,
{
    fn is_terminated(&self) -> bool {
        self.is_over
    }
}

impl<S: Serialize, R> Messages<Connection<S, R>> {
    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.outgoing.poll(self.connection.line(), &mut self.writing, context)
    }
}

impl<S: Serialize, R> Messages<ShmConnection<S, R>> {
    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Outgoing::Packed(packed) = &self.outgoing else { return Poll::Ready(Ok(())) };
        let [_, door] = &mut self.doors;
        let sent = ready!(self.connection.poll_send(packed, &mut self.writing, door, context));
        self.outgoing = Outgoing::Over;
        Poll::Ready(sent)
    }
}

impl<S: Serialize, R> Sink<S> for Messages<Connection<S, R>> {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_out(context)
    }

    fn start_send(self: Pin<&mut Self>, value: S) -> Result<(), SendError> {
        self.get_mut().outgoing = Outgoing::Packed(Packed::new(&value)?);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_out(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_out(context)
    }
}

impl<S: Serialize, R> Sink<S> for Messages<ShmConnection<S, R>> {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_out(context)
    }

    fn start_send(self: Pin<&mut Self>, value: S) -> Result<(), SendError> {
        self.get_mut().outgoing = Outgoing::Packed(Packed::new(&value)?);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_out(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_out(context)
    }
}

impl<C: fmt::Debug> fmt::Debug for Messages<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Messages")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
