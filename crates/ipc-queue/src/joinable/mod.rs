//! `JoinableQueue<T>`: values that are kept until somebody has finished with them.

mod ends;
mod hand;
mod lease;
mod stats;

pub use lease::{Lease, LeaseError};
pub use stats::{InHand, JoinableStats};

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use ipc_core::robust::Thread;
use ipc_core::wire::{Scratch, encode_plain};
use ipc_core::{Deadline, Segment, type_hash};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::builder::Builder;
use crate::bytes::ByteQueue;
use crate::ends::Side;
use crate::error::{GetError, PutError, QueueError};
use crate::heap::Heap;
use crate::lease::{Leases, NotJoined};
use crate::participant::Participant;
use crate::ring::{Memory as _, Patience};
use crate::seat::{Seated, TableHandle};
use crate::side::{Both, MayGet, MayPut, OnSide};
use hand::Hand;

/// A bounded queue of values that are kept until they are finished, and that can be waited for.
///
/// A get gives a [`Lease`]: the value, and the duty to finish with it. It is finished when the lease is
/// dropped, or [`done`](Lease::done). If its holder dies before that, at whatever instruction, or gives
/// it back ([`fail`](Lease::fail)), or panics, the value is handed out again, to whoever gets next, with
/// the number of [`deliveries`](Lease::deliveries). [`join`](Self::join) waits until all that was put is
/// finished.
///
/// So each value is delivered at least once: one whose holder dies between its work and `done` comes
/// again, and the count says so. What to do with a value at which holder after holder dies is for you to
/// say: finish with it when the count is too high.
///
/// Values are handed out in the order in which they were put. One that is handed out again does not wait
/// in line: it goes to the next who would find the queue empty, or who comes after its holder's death was
/// noticed, so before those that were put after it, or among them.
///
/// The bound is on those that wait: a value in somebody's hands is not among them ([`len`](Self::len)),
/// but is [`unfinished`](Self::unfinished). A value takes memory until it is finished, at least a page of
/// 4,096 bytes.
///
/// `S` is the side that the handle is on; see [`Sender`](crate::Sender).
///
/// # Process death
///
/// A putter that dies before the commit point of a put has not put; one that dies after it has. A getter
/// that dies before the commit point of a delivery has not had the value, and it is not counted; after
/// it, the value is handed out again and counted, until the commit point of `done`. Who waits for
/// something to get is woken by the death. Nobody waits for the dead.
///
/// A forked child has no leases: dropping its parent's does nothing.
///
/// # Examples
///
/// ```
/// use ipc_queue::JoinableQueue;
///
/// let queue = JoinableQueue::<String>::bounded(100)?;
/// let worker = queue.clone(); // or in another process: a handle is a serde value
/// let thread = std::thread::spawn(move || {
///     while let Ok(job) = worker.get() {
///         assert_eq!(job.len(), 5); // the work
///         job.done()?;
///     }
///     Ok::<_, ipc_queue::LeaseError>(())
/// });
/// queue.put("hello".into())?;
/// queue.put("world".into())?;
/// queue.join()?;
/// queue.close();
/// thread.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "multiprocessing.JoinableQueue")]
pub struct JoinableQueue<T, S = Both> {
    pub(crate) bytes: ByteQueue<S>,
    values: PhantomData<fn(T) -> T>,
}

/// A handle to a joinable queue that may put and not get; see [`Sender`](crate::Sender).
pub type JoinableSender<T> = JoinableQueue<T, crate::PutOnly>;

/// A handle to a joinable queue that may get and not put; see [`Receiver`](crate::Receiver).
///
/// It is told [`Disconnected`](GetError::Disconnected) when there is nothing to get now and nobody left
/// to put. What is still in others' hands may come back afterwards: who wants it done whoever dies calls
/// [`join`](JoinableQueue::join) before the last sender is dropped.
pub type JoinableReceiver<T> = JoinableQueue<T, crate::GetOnly>;

/// Why it is not known that everything is finished.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfinishedError {
    /// Something is unfinished now.
    #[error("something is unfinished")]
    Unfinished,
    /// Something was unfinished until the deadline.
    #[error("something was unfinished until the deadline")]
    TimedOut,
    /// The caller has a lease in its own hands, and would wait for itself.
    #[error("the caller itself has something unfinished in its hands")]
    ByCaller,
    /// Something is unfinished, and nobody is left who could get it: all have dropped their handles, or
    /// died.
    #[error("something is unfinished and nobody is left to finish it")]
    Disconnected,
}

impl<T: Serialize + DeserializeOwned> JoinableQueue<T> {
    /// Makes a queue with room for `capacity` values that wait.
    ///
    /// See [`Builder::joinable`] for other shapes.
    ///
    /// # Errors
    ///
    /// As [`Queue::bounded`](crate::Queue::bounded).
    pub fn bounded(capacity: usize) -> Result<Self, QueueError> {
        Builder::new(capacity).joinable()
    }
}

impl<T: Serialize, S: MayPut> JoinableQueue<T, S> {
    /// Puts a value, waiting for room as long as it takes.
    ///
    /// When this returns, the value is there until somebody has finished with it, whatever becomes of
    /// this process.
    ///
    /// # Errors
    ///
    /// As [`Queue::put`](crate::Queue::put). The value comes back.
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
        let mut scratch = Scratch::new();
        if let Err(source) = encode_plain(&value, &mut scratch) {
            return Err(PutError::Encode { value, source });
        }
        self.put_bytes(scratch.bytes(), patience).map_err(|error| error.map(|()| value))
    }

    #[inline]
    fn put_bytes(&self, bytes: &[u8], patience: Patience) -> Result<(), PutError<()>> {
        let ring = self.bytes.ring();
        let (Seated { me, owner }, id) = self.bytes.allocate(bytes.len(), patience)?;
        let put = match ring.write_block(id, bytes) {
            Ok(()) => {
                ring.pend(me);
                let put = Leases(ring).put(id, bytes.len() as u64, owner, patience);
                me.pend_clear();
                put.map_err(|refused| refused.of_put(()))
            }
            Err(source) => Err(PutError::NoMemory { value: (), source }),
        };
        match put {
            Ok(()) => ring.count_put(owner),
            Err(_) => Heap(ring).free(id, owner, me),
        }
        put
    }
}

impl<T: DeserializeOwned, S: MayGet> JoinableQueue<T, S> {
    /// Gets the next value, waiting for one as long as it takes.
    ///
    /// # Errors
    ///
    /// [`GetError::Decode`] if what was taken is no `T`; it counts as finished. [`GetError::NoMemory`]
    /// if this process cannot hold it; it is handed out again. And as
    /// [`Queue::get`](crate::Queue::get): that the queue is closed or nobody is left to put says that
    /// there is nothing to get now; what is in others' hands may still come back.
    pub fn get(&self) -> Result<Lease<'_, T>, GetError> {
        self.get_patiently(Patience::Until(Deadline::NEVER))
    }

    /// Gets the next value if there is one now.
    ///
    /// # Errors
    ///
    /// [`GetError::Empty`] if there is none, and as [`get`](Self::get).
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> Result<Lease<'_, T>, GetError> {
        self.get_patiently(Patience::Try)
    }

    /// Gets the next value, waiting for one at most so long.
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`] if there was none, and as [`get`](Self::get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<Lease<'_, T>, GetError> {
        self.get_deadline(Deadline::after(timeout))
    }

    /// Gets the next value, waiting for one until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`] if there was none, and as [`get`](Self::get).
    pub fn get_deadline(&self, deadline: Deadline) -> Result<Lease<'_, T>, GetError> {
        self.get_patiently(Patience::Until(deadline))
    }

    fn get_patiently(&self, patience: Patience) -> Result<Lease<'_, T>, GetError> {
        let hand = Hand::take(&self.bytes.table, patience)?;
        Lease::read(hand)
    }
}

impl<T, S: OnSide> JoinableQueue<T, S> {
    /// Waits until everything that was put is finished, as long as it takes.
    ///
    /// There was a moment during the call at which nothing was unfinished; what a worker puts before it
    /// is done with what it works on is waited for as well. It does not wait for the dead: what they had
    /// in their hands goes to those who get. It does wait for values that nobody gets.
    ///
    /// # Errors
    ///
    /// [`UnfinishedError::ByCaller`], and [`UnfinishedError::Disconnected`], which only a
    /// [`JoinableSender`] is told: another handle could get what is left itself.
    pub fn join(&self) -> Result<(), UnfinishedError> {
        self.join_patiently(Patience::Until(Deadline::NEVER))
    }

    /// Looks whether everything that was put is finished now.
    ///
    /// # Errors
    ///
    /// [`UnfinishedError::Unfinished`] if it is not, and as [`join`](Self::join).
    pub fn try_join(&self) -> Result<(), UnfinishedError> {
        self.join_patiently(Patience::Try)
    }

    /// Waits until everything that was put is finished, at most so long.
    ///
    /// # Errors
    ///
    /// [`UnfinishedError::TimedOut`] if it is not by then, and as [`join`](Self::join).
    pub fn join_timeout(&self, timeout: Duration) -> Result<(), UnfinishedError> {
        self.join_deadline(Deadline::after(timeout))
    }

    /// Waits until everything that was put is finished, until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`UnfinishedError::TimedOut`] if it is not by then, and as [`join`](Self::join).
    pub fn join_deadline(&self, deadline: Deadline) -> Result<(), UnfinishedError> {
        self.join_patiently(Patience::Until(deadline))
    }

    fn join_patiently(&self, patience: Patience) -> Result<(), UnfinishedError> {
        let ring = self.bytes.ring();
        // Getters are watched by who can only put; another could get itself.
        let is_deserted = || S::SIDE == Side::Put && ring.is_deserted();
        Leases(ring).join(Thread::current(), patience, is_deserted).map_err(|why| match why {
            NotJoined::NotNow => UnfinishedError::Unfinished,
            NotJoined::TimedOut => UnfinishedError::TimedOut,
            NotJoined::ByMe => UnfinishedError::ByCaller,
            NotJoined::Disconnected => UnfinishedError::Disconnected,
        })
    }
}

impl<T> JoinableQueue<T> {
    /// Opens a queue in a segment that came from elsewhere, after checking what lies there.
    ///
    /// # Errors
    ///
    /// [`QueueError::Segment`] if the segment is not a joinable queue of `T`, and the others if its
    /// words make no sense.
    pub fn from_segment(segment: Segment) -> Result<Self, QueueError> {
        Ok(Self::of(ByteQueue::open(segment, Self::hash())?))
    }
}

impl<T, S> JoinableQueue<T, S> {
    pub(crate) fn of(bytes: ByteQueue<S>) -> Self {
        Self { bytes, values: PhantomData }
    }

    /// What tells such a queue from others: it is not the hash of the values of a [`Queue`](crate::Queue).
    pub(crate) fn hash() -> u64 {
        type_hash::<JoinableQueue<T>>()
    }

    /// The memory that the queue lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.bytes.segment()
    }

    /// Whether both handles lead to the same queue, whatever side they are on.
    #[must_use]
    pub fn same_queue<R>(&self, other: &JoinableQueue<T, R>) -> bool {
        self.bytes.same_queue(&other.bytes)
    }

    /// Closes the queue, for everybody and for good.
    ///
    /// What was put can still be got and finished, and what comes back from the dead is handed out. A
    /// worker that finds nothing to get is told that the queue is closed, and may go home while others
    /// still have something in their hands; so [`join`](Self::join) first.
    pub fn close(&self) {
        self.bytes.close();
    }

    /// Whether the queue is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.bytes.is_closed()
    }

    /// How many values wait in line.
    ///
    /// Those in somebody's hands do not, nor those that are about to be handed out again.
    #[must_use]
    #[doc(alias = "qsize")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no value waits in line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether as many values wait in line as there is room for.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes.is_full()
    }

    /// How many values can wait in line.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The length of the longest value that the queue takes, in bytes.
    #[must_use]
    pub fn max_message(&self) -> usize {
        self.bytes.max_message()
    }

    /// How many values were put and are not finished.
    ///
    /// It is exact when nobody is in the middle of an operation. To find that it is zero while others
    /// work, ask [`try_join`](Self::try_join).
    #[must_use]
    pub fn unfinished(&self) -> usize {
        Leases(self.bytes.ring()).unfinished().count()
    }

    /// Who uses the queue: the threads that sit at its table, and the dead not yet replaced.
    #[must_use]
    pub fn participants(&self) -> Vec<Participant> {
        self.bytes.participants()
    }

    /// What can be said of the queue at this moment.
    #[must_use]
    pub fn stats(&self) -> JoinableStats {
        JoinableStats::of(self.bytes.ring())
    }
}

impl<T, S> Clone for JoinableQueue<T, S> {
    fn clone(&self) -> Self {
        Self::of(self.bytes.clone())
    }
}

impl<T, S> fmt::Debug for JoinableQueue<T, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JoinableQueue")
            .field("len", &self.len())
            .field("unfinished", &self.unfinished())
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl<T, S: OnSide> Serialize for JoinableQueue<T, S> {
    fn serialize<R: Serializer>(&self, serializer: R) -> Result<R::Ok, R::Error> {
        self.bytes.table.serialize(serializer)
    }
}

impl<'de, T, S: OnSide> Deserialize<'de> for JoinableQueue<T, S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = TableHandle::deserialize(deserializer, Self::hash(), S::SIDE)?;
        Ok(Self::of(ByteQueue::of(table)))
    }
}
