//! Getting and putting in tasks: futures, and with feature `futures` a stream and a sink.
//!
//! They need no runtime: a thread of this process sleeps on the queue for them (`watch`).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bytes::ByteQueue;
use crate::error::{GetError, PutError};
use crate::iter::source::Source;
use crate::joinable::JoinableQueue;
use crate::queue::Queue;
use crate::side::{MayGet, MayPut};
use crate::watch::News;
use target::Target;

/// A get, as a future; made by [`Queue::get_async`], [`ByteQueue::get_async`] and
/// [`JoinableQueue::get_async`].
///
/// A message is taken only as the future becomes ready: one that is dropped before loses nothing.
#[must_use = "nothing is got until it is awaited"]
#[derive(Debug)]
pub struct Getting<'q, Q> {
    queue: &'q Q,
}

/// A put, as a future; made by [`Queue::put_async`], [`ByteQueue::put_async`] and
/// [`JoinableQueue::put_async`].
///
/// The message is in the queue as soon as the future is ready, and not before. One that is dropped
/// before has put nothing, and drops the message.
#[must_use = "nothing is put until it is awaited"]
pub struct Putting<'q, Q, M> {
    queue: &'q Q,
    /// What is yet to be put.
    message: Option<M>,
}

impl<'q, Q: Source<'q>> Future for Getting<'q, Q> {
    type Output = Result<Q::Message, GetError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        poll_get(self.queue, context)
    }
}

impl<Q: Target<M>, M> Future for Putting<'_, Q, M> {
    type Output = Result<(), PutError<M>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let queue = self.queue;
        poll_put(queue, &mut self.message, context)
    }
}

// A message is never pinned: it is moved into the queue.
impl<Q, M> Unpin for Putting<'_, Q, M> {}

impl<Q, M> fmt::Debug for Putting<'_, Q, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_put = self.message.is_none();
        formatter.debug_struct("Putting").field("is_put", &is_put).finish_non_exhaustive()
    }
}

fn poll_get<'q, Q: Source<'q>>(
    queue: &'q Q,
    context: &Context<'_>,
) -> Poll<Result<Q::Message, GetError>> {
    match queue.try_get_one() {
        Err(GetError::Empty) => {
            queue.call(context.waker());
            Poll::Pending
        }
        got => Poll::Ready(got),
    }
}

/// Puts what is in `message`, if anything is; it is left there if it must wait.
fn poll_put<Q: Target<M>, M>(
    queue: &Q,
    message: &mut Option<M>,
    context: &Context<'_>,
) -> Poll<Result<(), PutError<M>>> {
    let Some(unput) = message.take() else { return Poll::Ready(Ok(())) };
    match queue.try_put_one(unput) {
        Err(PutError::Full(unput)) => {
            *message = Some(unput);
            queue.call(context.waker());
            Poll::Pending
        }
        put => Poll::Ready(put),
    }
}

impl<T: DeserializeOwned, S: MayGet> Queue<T, S> {
    /// Gets the next value, in a task: waits without holding a thread up.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_async(&self) -> Getting<'_, Self> {
        Getting { queue: self }
    }
}

impl<S: MayGet> ByteQueue<S> {
    /// Gets the next message, in a task: waits without holding a thread up.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_async(&self) -> Getting<'_, Self> {
        Getting { queue: self }
    }
}

impl<T: DeserializeOwned, S: MayGet> JoinableQueue<T, S> {
    /// Gets the next value, in a task: waits without holding a thread up.
    ///
    /// The [`Lease`] belongs to the thread that polls, so a task that keeps one over another wait stays on
    /// its thread: the compiler sees to that.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// [`Lease`]: crate::Lease
    pub fn get_async(&self) -> Getting<'_, Self> {
        Getting { queue: self }
    }

    /// Calls `waker` when a get that found nothing is worth another try.
    pub(crate) fn call_for_item(&self, waker: &Waker) {
        self.bytes.table.call(News::Item, waker);
    }
}

impl<T: Serialize, S: MayPut> JoinableQueue<T, S> {
    /// Puts a value, in a task: waits without holding a thread up.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub fn put_async(&self, value: T) -> Putting<'_, Self, T> {
        Putting { queue: self, message: Some(value) }
    }
}

impl<T: Serialize, S: MayPut> Queue<T, S> {
    /// Puts a value, in a task: waits without holding a thread up.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub fn put_async(&self, value: T) -> Putting<'_, Self, T> {
        Putting { queue: self, message: Some(value) }
    }
}

impl<S: MayPut> ByteQueue<S> {
    /// Puts a message, in a task: waits without holding a thread up.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub fn put_async<'b>(&self, bytes: &'b [u8]) -> Putting<'_, Self, &'b [u8]> {
        Putting { queue: self, message: Some(bytes) }
    }
}

impl<T: Serialize, S: MayPut> Target<T> for Queue<T, S> {
    fn try_put_one(&self, value: T) -> Result<(), PutError<T>> {
        self.try_put(value)
    }

    fn call(&self, waker: &Waker) {
        self.bytes.call_for_room(waker);
    }
}

impl<T: Serialize, S: MayPut> Target<T> for JoinableQueue<T, S> {
    fn try_put_one(&self, value: T) -> Result<(), PutError<T>> {
        self.try_put(value)
    }

    fn call(&self, waker: &Waker) {
        self.bytes.call_for_room(waker);
    }
}

impl<'b, S: MayPut> Target<&'b [u8]> for ByteQueue<S> {
    fn try_put_one(&self, bytes: &'b [u8]) -> Result<(), PutError<&'b [u8]>> {
        self.try_put(bytes)
    }

    fn call(&self, waker: &Waker) {
        self.call_for_room(waker);
    }
}

impl<S: MayPut> ByteQueue<S> {
    /// Calls `waker` when a put that found the queue full is worth another try.
    fn call_for_room(&self, waker: &Waker) {
        // With a slot to spare, what is missing is memory.
        let news = if self.is_full() { News::Room } else { News::Memory };
        self.table.call(news, waker);
    }
}

/// Where messages are put.
mod target {
    use std::task::Waker;

    use crate::error::PutError;

    #[expect(unnameable_types, reason = "the futures are for our queues only")]
    pub trait Target<M> {
        fn try_put_one(&self, message: M) -> Result<(), PutError<M>>;

        /// Calls the waker when it is worth another try.
        fn call(&self, waker: &Waker);
    }
}

#[cfg(feature = "futures")]
pub use with_traits::{IntoSink, IntoStream};

/// What implements the traits that most of the async world knows.
#[cfg(feature = "futures")]
mod with_traits {
    use std::fmt;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use futures_core::{FusedStream, Stream};
    use futures_sink::Sink;
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::{Target, poll_get, poll_put};
    use crate::bytes::ByteQueue;
    use crate::error::{GetError, PutError};
    use crate::iter;
    use crate::iter::source::Owning;
    use crate::queue::Queue;
    use crate::side::{MayGet, MayPut};

    /// The messages of a queue as a stream: they come and end as with [`Iter`](crate::Iter).
    ///
    /// Made by [`Queue::into_stream`] and [`ByteQueue::into_stream`].
    #[must_use = "nothing is got until it is polled"]
    #[derive(Debug)]
    pub struct IntoStream<Q> {
        queue: Q,
        is_over: bool,
    }

    /// A queue as a sink; made by [`Queue::into_sink`].
    ///
    /// It keeps one value, which is put when the sink is flushed, or ready for the next.
    #[must_use = "nothing is put until it is polled"]
    pub struct IntoSink<T, S> {
        queue: Queue<T, S>,
        unput: Option<T>,
    }

    impl<T: DeserializeOwned, S: MayGet> Queue<T, S> {
        /// The values as they come, as a stream.
        pub fn into_stream(self) -> IntoStream<Self> {
            IntoStream { queue: self, is_over: false }
        }
    }

    impl<S: MayGet> ByteQueue<S> {
        /// The messages as they come, as a stream.
        pub fn into_stream(self) -> IntoStream<Self> {
            IntoStream { queue: self, is_over: false }
        }
    }

    impl<T: Serialize, S: MayPut> Queue<T, S> {
        /// The queue as a sink.
        pub fn into_sink(self) -> IntoSink<T, S> {
            IntoSink { queue: self, unput: None }
        }
    }

    impl<Q: Owning + Unpin> Stream for IntoStream<Q> {
        type Item = Result<Q::Owned, GetError>;

        fn poll_next(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Self::Item>> {
            if self.is_over {
                return Poll::Ready(None);
            }
            let got = ready!(poll_get(&self.queue, context));
            Poll::Ready(iter::next(got, &mut self.is_over))
        }
    }

    impl<Q: Owning + Unpin> FusedStream for IntoStream<Q> {
        fn is_terminated(&self) -> bool {
            self.is_over
        }
    }

    // A value is never pinned: it is moved into the queue.
    impl<T, S> Unpin for IntoSink<T, S> {}

    impl<T: Serialize, S: MayPut> Sink<T> for IntoSink<T, S>
    where
        Queue<T, S>: Target<T>,
    {
        type Error = PutError<T>;

        fn poll_ready(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Result<(), PutError<T>>> {
            self.poll_flush(context)
        }

        fn start_send(mut self: Pin<&mut Self>, value: T) -> Result<(), PutError<T>> {
            match &self.unput {
                // It was not asked whether it is ready.
                Some(_) => Err(PutError::Full(value)),
                None => {
                    self.unput = Some(value);
                    Ok(())
                }
            }
        }

        fn poll_flush(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Result<(), PutError<T>>> {
            let Self { queue, unput } = &mut *self;
            poll_put(queue, unput, context)
        }

        fn poll_close(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Result<(), PutError<T>>> {
            // The queue itself stays open for others.
            self.poll_flush(context)
        }
    }

    impl<T, S> fmt::Debug for IntoSink<T, S> {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter
                .debug_struct("IntoSink")
                .field("queue", &self.queue)
                .field("has_unput", &self.unput.is_some())
                .finish()
        }
    }
}
