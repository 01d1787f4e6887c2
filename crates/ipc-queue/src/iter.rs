//! Messages one after the other: `Iter`, `TryIter`, `IntoIter`.

use std::iter::FusedIterator;
use std::task::Waker;

use serde::de::DeserializeOwned;

use crate::bytes::ByteQueue;
use crate::error::GetError;
use crate::joinable::{JoinableQueue, Lease};
use crate::queue::Queue;
use crate::side::MayGet;
use crate::watch::News;
use source::{Owning, Source};

/// The messages of a queue as they come, until there will be none any more.
///
/// Made by [`Queue::iter`], [`ByteQueue::iter`] and [`JoinableQueue::iter`]. It waits for messages, and ends when the queue is
/// closed, or nobody is left to put into it, and it is empty. A message that is no value of the
/// queue's type is an error, and the next one follows; after any other error the iterator ends.
#[must_use = "nothing is got until it is asked for the next message"]
#[derive(Debug)]
pub struct Iter<'q, Q> {
    queue: &'q Q,
    is_over: bool,
}

/// The messages that are in a queue now; it waits for none.
///
/// Made by [`Queue::try_iter`], [`ByteQueue::try_iter`] and [`JoinableQueue::try_iter`].
#[must_use = "nothing is got until it is asked for the next message"]
#[derive(Debug)]
pub struct TryIter<'q, Q> {
    queue: &'q Q,
    is_over: bool,
}

/// The messages of a queue as they come, with the handle; it is dropped with the iterator.
#[must_use = "nothing is got until it is asked for the next message"]
#[derive(Debug)]
pub struct IntoIter<Q> {
    queue: Q,
    is_over: bool,
}

/// What one look for a message means for an iterator that goes on until `is_over`.
pub(crate) fn next<M>(got: Result<M, GetError>, is_over: &mut bool) -> Option<Result<M, GetError>> {
    match got {
        Ok(message) => Some(Ok(message)),
        Err(error @ GetError::Decode(_)) => Some(Err(error)),
        Err(error) => {
            *is_over = true;
            let is_end = error.is_empty() || error.is_closed() || error.is_disconnected();
            (!is_end).then_some(Err(error))
        }
    }
}

impl<'q, Q: Source<'q>> Iterator for Iter<'q, Q> {
    type Item = Result<Q::Message, GetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over { None } else { next(self.queue.get_one(), &mut self.is_over) }
    }
}

impl<'q, Q: Source<'q>> Iterator for TryIter<'q, Q> {
    type Item = Result<Q::Message, GetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over { None } else { next(self.queue.try_get_one(), &mut self.is_over) }
    }
}

impl<Q: Owning> Iterator for IntoIter<Q> {
    type Item = Result<Q::Owned, GetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over { None } else { next(self.queue.get_one(), &mut self.is_over) }
    }
}

impl<'q, Q: Source<'q>> FusedIterator for Iter<'q, Q> {}
impl<'q, Q: Source<'q>> FusedIterator for TryIter<'q, Q> {}
impl<Q: Owning> FusedIterator for IntoIter<Q> {}

impl<T: DeserializeOwned, S: MayGet> Queue<T, S> {
    /// The values as they come, until the queue is closed or nobody is left to put.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = ipc_queue::channel(10)?;
    /// sender.put_all(1..=4)?;
    /// drop(sender);
    /// let sum: u32 = receiver.iter().sum::<Result<u32, _>>()?;
    /// assert_eq!(sum, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> Iter<'_, Self> {
        Iter { queue: self, is_over: false }
    }

    /// The values that are there now.
    pub fn try_iter(&self) -> TryIter<'_, Self> {
        TryIter { queue: self, is_over: false }
    }
}

impl<S: MayGet> ByteQueue<S> {
    /// The messages as they come, until the queue is closed or nobody is left to put.
    pub fn iter(&self) -> Iter<'_, Self> {
        Iter { queue: self, is_over: false }
    }

    /// The messages that are there now.
    pub fn try_iter(&self) -> TryIter<'_, Self> {
        TryIter { queue: self, is_over: false }
    }
}

impl<T: DeserializeOwned, S: MayGet> JoinableQueue<T, S> {
    /// The values as they come, until the queue is closed or nobody is left to put.
    ///
    /// Each is a [`Lease`], so the value is finished when it is dropped: in a loop, at the end of its
    /// round.
    ///
    /// # Examples
    ///
    /// ```
    /// use ipc_queue::JoinableQueue;
    ///
    /// let queue = JoinableQueue::<u32>::bounded(10)?;
    /// for number in 1..=4 {
    ///     queue.put(number)?;
    /// }
    /// queue.close();
    /// let mut sum = 0;
    /// for job in &queue {
    ///     sum += *job?;
    /// }
    /// assert_eq!((sum, queue.unfinished()), (10, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> Iter<'_, Self> {
        Iter { queue: self, is_over: false }
    }

    /// The values that are there now; what others have in their hands is not.
    pub fn try_iter(&self) -> TryIter<'_, Self> {
        TryIter { queue: self, is_over: false }
    }
}

impl<'q, T: DeserializeOwned, S: MayGet> IntoIterator for &'q JoinableQueue<T, S> {
    type Item = Result<Lease<'q, T>, GetError>;
    type IntoIter = Iter<'q, JoinableQueue<T, S>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: DeserializeOwned, S: MayGet> IntoIterator for Queue<T, S> {
    type Item = Result<T, GetError>;
    type IntoIter = IntoIter<Self>;

    fn into_iter(self) -> IntoIter<Self> {
        IntoIter { queue: self, is_over: false }
    }
}

impl<'q, T: DeserializeOwned, S: MayGet> IntoIterator for &'q Queue<T, S> {
    type Item = Result<T, GetError>;
    type IntoIter = Iter<'q, Queue<T, S>>;

    fn into_iter(self) -> Iter<'q, Queue<T, S>> {
        self.iter()
    }
}

impl<S: MayGet> IntoIterator for ByteQueue<S> {
    type Item = Result<Vec<u8>, GetError>;
    type IntoIter = IntoIter<Self>;

    fn into_iter(self) -> IntoIter<Self> {
        IntoIter { queue: self, is_over: false }
    }
}

impl<'q, S: MayGet> IntoIterator for &'q ByteQueue<S> {
    type Item = Result<Vec<u8>, GetError>;
    type IntoIter = Iter<'q, ByteQueue<S>>;

    fn into_iter(self) -> Iter<'q, ByteQueue<S>> {
        self.iter()
    }
}

impl<T: DeserializeOwned, S: MayGet> Source<'_> for Queue<T, S> {
    type Message = T;

    fn get_one(&self) -> Result<T, GetError> {
        self.get()
    }

    fn try_get_one(&self) -> Result<T, GetError> {
        self.try_get()
    }

    fn call(&self, waker: &Waker) {
        self.bytes.call(waker);
    }
}

impl<S: MayGet> Source<'_> for ByteQueue<S> {
    type Message = Vec<u8>;

    fn get_one(&self) -> Result<Vec<u8>, GetError> {
        self.get()
    }

    fn try_get_one(&self) -> Result<Vec<u8>, GetError> {
        self.try_get()
    }

    fn call(&self, waker: &Waker) {
        self.table.call(News::Message, waker);
    }
}

impl<'q, T: DeserializeOwned, S: MayGet> Source<'q> for JoinableQueue<T, S> {
    type Message = Lease<'q, T>;

    fn get_one(&'q self) -> Result<Lease<'q, T>, GetError> {
        self.get()
    }

    fn try_get_one(&'q self) -> Result<Lease<'q, T>, GetError> {
        self.try_get()
    }

    fn call(&self, waker: &Waker) {
        self.call_for_item(waker);
    }
}

impl<T: DeserializeOwned, S: MayGet> Owning for Queue<T, S> {
    type Owned = T;
}

impl<S: MayGet> Owning for ByteQueue<S> {
    type Owned = Vec<u8>;
}

/// What messages are got from.
pub(crate) mod source {
    use std::task::Waker;

    use crate::error::GetError;

    #[expect(unnameable_types, reason = "the iterators are for our queues only")]
    pub trait Source<'q> {
        /// What is got: it may belong to the queue.
        type Message;

        fn get_one(&'q self) -> Result<Self::Message, GetError>;

        fn try_get_one(&'q self) -> Result<Self::Message, GetError>;

        /// Calls the waker when it is worth another try.
        fn call(&self, waker: &Waker);
    }

    /// One whose messages belong to whoever gets them.
    #[expect(unnameable_types, reason = "as above")]
    pub trait Owning: for<'q> Source<'q, Message = Self::Owned> {
        type Owned;
    }
}
