//! `Queue<T>`: values.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use ipc_core::wire::{Scratch, decode_plain, encode_plain};
use ipc_core::{Deadline, Segment, type_hash};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::builder::Builder;
use crate::bytes::ByteQueue;
use crate::error::{GetError, PutError, QueueError};
use crate::participant::Participant;
use crate::ring::Patience;
use crate::seat::TableHandle;
use crate::side::{Both, MayGet, MayPut, OnSide};
use crate::stats::Stats;

/// A queue of values between any threads of any processes.
///
/// Many may put and many may get at the same time. Each value goes to one getter; the values of one
/// putter arrive in the order in which it put them. Clones and copies in other processes are
/// handles to the same queue.
///
/// A value travels as bytes, made by its `Serialize`, in memory that all processes have mapped. It
/// must not contain handles (segments, files, other queues) yet: such a put is an error. How long a
/// value may be is for the [`Builder`] to say.
///
/// `S` is the side that the handle is on: this one may put and get, a [`Sender`](crate::Sender) and a
/// [`Receiver`](crate::Receiver) only one of the two. Those are told when nobody is left on the other
/// side; a process with a full handle never is, for it is there itself.
///
/// # Process death
///
/// A putter that dies before the commit point of a put has not put; one that dies after it has. A
/// getter that dies after the commit point of a get has taken its value with it; before it, the
/// value is still there. Nobody else loses a value, gets one twice, or waits for the dead.
///
/// # Examples
///
/// ```
/// use ipc_queue::Queue;
///
/// let queue = Queue::<(u32, String)>::bounded(16)?;
/// queue.put((1, "one".into()))?;
/// assert_eq!(queue.len(), 1);
/// assert_eq!(queue.get()?, (1, "one".to_owned()));
/// assert!(queue.try_get().unwrap_err().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "multiprocessing.Queue")]
pub struct Queue<T, S = Both> {
    pub(crate) bytes: ByteQueue<S>,
    values: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned> Queue<T> {
    /// Makes a queue with room for `capacity` values.
    ///
    /// See [`Builder`] for what else can be chosen: how long values may be, and how much memory they
    /// may take.
    ///
    /// # Errors
    ///
    /// As [`ByteQueue::bounded`].
    pub fn bounded(capacity: usize) -> Result<Self, QueueError> {
        Builder::new(capacity).values()
    }

    /// Makes a queue that grows by need, up to eight million short values.
    ///
    /// See [`Builder::unbounded`], also for another limit.
    ///
    /// # Errors
    ///
    /// As [`ByteQueue::unbounded`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ipc_queue::Queue;
    ///
    /// let queue = Queue::<u32>::unbounded()?;
    /// for number in 0..10_000 {
    ///     queue.put(number)?;
    /// }
    /// assert_eq!((queue.len(), queue.get()?), (10_000, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unbounded() -> Result<Self, QueueError> {
        Builder::unbounded().values()
    }
}

impl<T: Serialize, S: MayPut> Queue<T, S> {
    /// Puts a value, waiting for room as long as it takes.
    ///
    /// When this returns, the value is there for any getter, whatever becomes of this process.
    ///
    /// # Errors
    ///
    /// [`PutError::Encode`] if the value cannot be turned into bytes, and as [`ByteQueue::put`].
    /// The value comes back.
    pub fn put(&self, value: T) -> Result<(), PutError<T>> {
        self.put_patiently(value, Patience::Until(Deadline::NEVER))
    }

    /// Puts a value if there is room now.
    ///
    /// # Errors
    ///
    /// [`PutError::Full`] if there is not, and as [`put`](Self::put).
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, value: T) -> Result<(), PutError<T>> {
        self.put_patiently(value, Patience::Try)
    }

    /// Puts a value, waiting for room at most so long.
    ///
    /// # Errors
    ///
    /// [`PutError::TimedOut`] if there was none, and as [`put`](Self::put).
    pub fn put_timeout(&self, value: T, timeout: Duration) -> Result<(), PutError<T>> {
        self.put_deadline(value, Deadline::after(timeout))
    }

    /// Puts a value, waiting for room until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`PutError::TimedOut`] if there was none, and as [`put`](Self::put).
    pub fn put_deadline(&self, value: T, deadline: Deadline) -> Result<(), PutError<T>> {
        self.put_patiently(value, Patience::Until(deadline))
    }

    fn put_patiently(&self, value: T, patience: Patience) -> Result<(), PutError<T>> {
        // No code of the value's own runs after anything is claimed, and none before it is given back.
        let mut scratch = Scratch::new();
        if let Err(source) = encode_plain(&value, &mut scratch) {
            return Err(PutError::Encode { value, source });
        }
        self.bytes.put_patiently(scratch.bytes(), patience).map_err(|error| error.map(|_| value))
    }
}

impl<T: DeserializeOwned, S: MayGet> Queue<T, S> {
    /// Gets the next value, waiting for one as long as it takes.
    ///
    /// # Errors
    ///
    /// [`GetError::Decode`] if what was taken is no `T`, and as [`ByteQueue::get`].
    pub fn get(&self) -> Result<T, GetError> {
        self.get_patiently(Patience::Until(Deadline::NEVER))
    }

    /// Gets the next value if there is one now.
    ///
    /// # Errors
    ///
    /// [`GetError::Empty`] if there is none, and as [`get`](Self::get).
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> Result<T, GetError> {
        self.get_patiently(Patience::Try)
    }

    /// Gets the next value, waiting for one at most so long.
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`] if there was none, and as [`get`](Self::get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, GetError> {
        self.get_deadline(Deadline::after(timeout))
    }

    /// Gets the next value, waiting for one until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`] if there was none, and as [`get`](Self::get).
    pub fn get_deadline(&self, deadline: Deadline) -> Result<T, GetError> {
        self.get_patiently(Patience::Until(deadline))
    }

    fn get_patiently(&self, patience: Patience) -> Result<T, GetError> {
        let mut scratch = Scratch::new();
        self.bytes.get_short(&mut scratch, patience)?;
        Ok(decode_plain(scratch.bytes())?)
    }
}

impl<T> Queue<T> {
    /// Opens a queue in a segment that came from elsewhere, after checking what lies there.
    ///
    /// # Errors
    ///
    /// [`QueueError::Segment`] if the segment is not a queue of `T`, and the others if its words
    /// make no sense.
    pub fn from_segment(segment: Segment) -> Result<Self, QueueError> {
        Ok(Self::of(ByteQueue::open(segment, type_hash::<T>())?))
    }
}

impl<T, S> Queue<T, S> {
    pub(crate) fn of(bytes: ByteQueue<S>) -> Self {
        Self { bytes, values: PhantomData }
    }

    /// The memory that the queue lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.bytes.segment()
    }

    /// Whether both handles lead to the same queue, whatever side they are on.
    #[must_use]
    pub fn same_queue<R>(&self, other: &Queue<T, R>) -> bool {
        self.bytes.same_queue(&other.bytes)
    }

    /// Closes the queue, for everybody and for good.
    ///
    /// What was put can still be got; whoever waits to put, or to get from the empty queue, is
    /// told. It happens at one exchange: a process that dies in here has closed the queue or not.
    pub fn close(&self) {
        self.bytes.close();
    }

    /// Whether the queue is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.bytes.is_closed()
    }

    /// How many values are in the queue.
    ///
    /// It is exact as soon as a put or get has returned, whichever process called it. What is in
    /// the middle of a put counts as put, what is in the middle of a get as got.
    #[must_use]
    #[doc(alias = "qsize")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether there are as many values as there is room for: a put may have to wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes.is_full()
    }

    /// How many values there is room for, if there is memory.
    ///
    /// An [unbounded](Self::unbounded) queue has room for some more than that, but not always.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The length of the longest value that the queue takes, in bytes.
    #[must_use]
    pub fn max_message(&self) -> usize {
        self.bytes.max_message()
    }

    /// Who uses the queue: the threads that sit at its table, and the dead not yet replaced.
    #[must_use]
    pub fn participants(&self) -> Vec<Participant> {
        self.bytes.participants()
    }

    /// What can be said of the queue at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.bytes.stats()
    }
}

impl<T, S> Clone for Queue<T, S> {
    fn clone(&self) -> Self {
        Self::of(self.bytes.clone())
    }
}

impl<T, S> fmt::Debug for Queue<T, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Queue")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl<T, S: OnSide> Serialize for Queue<T, S> {
    fn serialize<R: Serializer>(&self, serializer: R) -> Result<R::Ok, R::Error> {
        self.bytes.table.serialize(serializer)
    }
}

impl<'de, T, S: OnSide> Deserialize<'de> for Queue<T, S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = TableHandle::deserialize(deserializer, type_hash::<T>(), S::SIDE)?;
        Ok(Self::of(ByteQueue::of(table)))
    }
}
