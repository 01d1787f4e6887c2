//! `Joining`: waiting in a task until all is finished.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{JoinableQueue, UnfinishedError};
use crate::side::OnSide;
use crate::watch::News;

/// A join, as a future; made by [`JoinableQueue::join_async`].
///
/// One that is dropped before it is ready has changed nothing.
#[must_use = "nothing is waited for until it is awaited"]
pub struct Joining<'q, T, S> {
    queue: &'q JoinableQueue<T, S>,
}

impl<T, S: OnSide> JoinableQueue<T, S> {
    /// Waits until everything that was put is finished, in a task: without holding a thread up.
    ///
    /// As with [`join`](Self::join), there was a moment at which nothing was unfinished. A lease in the
    /// hands of the thread that polls is waited for like any other: it may be another task's. So a task
    /// that joins with a lease of its own waits for itself, for ever.
    ///
    /// # Process death
    ///
    /// As with `join`, nobody waits for the dead: what they had in their hands goes to those who get.
    ///
    /// # Errors
    ///
    /// [`UnfinishedError::Disconnected`], which only a [`JoinableSender`](super::JoinableSender) is told.
    pub fn join_async(&self) -> Joining<'_, T, S> {
        Joining { queue: self }
    }
}

impl<T, S: OnSide> Future for Joining<'_, T, S> {
    type Output = Result<(), UnfinishedError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let bytes = &self.queue.bytes;
        match self.queue.try_join() {
            Err(UnfinishedError::Unfinished | UnfinishedError::ByCaller) => {
                if bytes.ring().misses_getters() {
                    return Poll::Ready(Err(UnfinishedError::Disconnected));
                }
                bytes.table.call(News::Finished, context.waker());
                Poll::Pending
            }
            joined => Poll::Ready(joined),
        }
    }
}

impl<T, S> fmt::Debug for Joining<'_, T, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Joining").field("queue", &self.queue).finish()
    }
}
