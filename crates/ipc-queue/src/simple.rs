//! `SimpleQueue<T>`: put, get, and no more.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{GetError, PutError, QueueError};
use crate::queue::Queue;

/// A queue of values with nothing to choose: Python's `SimpleQueue`.
///
/// It has room for 1,024 short values; a put waits for room, and a get for a value. Use [`Queue`] for
/// anything else: it can be had from this one, and is the same queue.
///
/// # Process death
///
/// As for [`Queue`].
///
/// # Examples
///
/// ```
/// use ipc_queue::SimpleQueue;
///
/// let queue = SimpleQueue::new()?;
/// queue.put("hello".to_owned())?;
/// assert!(!queue.is_empty());
/// assert_eq!(queue.get()?, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "multiprocessing.SimpleQueue")]
#[derive(Debug)]
pub struct SimpleQueue<T> {
    queue: Queue<T>,
}

/// How many short values there is room for.
const CAPACITY: usize = 1024;

impl<T: Serialize + DeserializeOwned> SimpleQueue<T> {
    /// Makes an empty queue.
    ///
    /// # Errors
    ///
    /// [`QueueError::Segment`] if there is no memory or descriptor to spare.
    pub fn new() -> Result<Self, QueueError> {
        Ok(Self { queue: Queue::bounded(CAPACITY)? })
    }

    /// Puts a value, waiting for room as long as it takes.
    ///
    /// # Errors
    ///
    /// As [`Queue::put`].
    pub fn put(&self, value: T) -> Result<(), PutError<T>> {
        self.queue.put(value)
    }

    /// Gets the next value, waiting for one as long as it takes.
    ///
    /// # Errors
    ///
    /// As [`Queue::get`].
    pub fn get(&self) -> Result<T, GetError> {
        self.queue.get()
    }
}

impl<T> SimpleQueue<T> {
    /// Whether there is nothing to get.
    #[must_use]
    #[doc(alias = "empty")]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Closes the queue, for everybody and for good; what was put can still be got.
    pub fn close(&self) {
        self.queue.close();
    }
}

impl<T> From<Queue<T>> for SimpleQueue<T> {
    fn from(queue: Queue<T>) -> Self {
        Self { queue }
    }
}

impl<T> From<SimpleQueue<T>> for Queue<T> {
    fn from(simple: SimpleQueue<T>) -> Self {
        simple.queue
    }
}

impl<T> Clone for SimpleQueue<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<T> Serialize for SimpleQueue<T> {
    fn serialize<R: Serializer>(&self, serializer: R) -> Result<R::Ok, R::Error> {
        self.queue.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for SimpleQueue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { queue: Queue::deserialize(deserializer)? })
    }
}
