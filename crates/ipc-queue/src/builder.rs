//! All that can be said of a queue before it is made.

use ipc_core::type_hash;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bytes::{ByteQueue, NO_TYPE};
use crate::error::QueueError;
use crate::mapped::{Mapped, SLOT_HEADER, SLOT_UNIT, Shape};
use crate::queue::Queue;
use crate::ring::Tuning;

/// Makes queues of another shape than the usual.
///
/// A queue is a ring of slots of equal size, one for each message. What is short enough lies in the
/// slot; a larger message lies in memory of its own, which the queue gets from the system when it
/// needs it, keeps for the next, and gives back. So the capacity is exact, however long messages are,
/// and there is a second limit, on the bytes that large messages take together.
///
/// # Examples
///
/// ```
/// use ipc_queue::Builder;
///
/// let queue = Builder::new(64).message_bytes(1000).max_bytes(16 << 20).bytes()?;
/// assert_eq!(queue.capacity(), 64);
/// assert_eq!(queue.max_message(), 16 << 20);
/// queue.put(&[1; 64_000])?;
/// # assert_eq!(queue.get()?.len(), 64_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
#[derive(Clone, Copy, Debug)]
pub struct Builder {
    capacity: usize,
    message_bytes: usize,
    n_seats: usize,
    max_bytes: u64,
    retain_bytes: u64,
    tuning: Tuning,
}

/// What a message may have, in bytes, to count as short if nothing else is said.
const SHORT: usize = 112;

/// How many threads can use a queue if nothing else is said.
const SEATS: usize = 512;

/// How many bytes large messages may take together if nothing else is said.
const MAX_BYTES: u64 = 1 << 30;

/// How many bytes keep their memory when nobody uses them if nothing else is said.
const RETAIN: u64 = 256 << 20;

impl Builder {
    /// A queue with room for `capacity` messages.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            message_bytes: SHORT,
            n_seats: SEATS,
            max_bytes: MAX_BYTES,
            retain_bytes: RETAIN,
            tuning: Tuning::DEFAULT,
        }
    }

    /// Counts messages of up to `bytes` bytes as short: slots are made that large. 112 if not said.
    ///
    /// The queue takes `capacity` times this much memory, which is there from the beginning.
    pub fn message_bytes(mut self, bytes: usize) -> Self {
        self.message_bytes = bytes;
        self
    }

    /// Lets large messages take so many bytes together, those in the queue and those in the hands of
    /// its users: 1 GiB if not said, at most 1 TiB.
    ///
    /// It is also the length of the longest message. Zero means that there are short ones only.
    /// Bytes are counted in pages of 4,096; a message may take a page more than it is long.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Keeps so many bytes of memory for the next large messages when nobody uses them; what is more
    /// is given back to the system, and got anew when need be, at some cost. 256 MiB if not said.
    pub fn retain_bytes(mut self, bytes: u64) -> Self {
        self.retain_bytes = bytes;
        self
    }

    /// Lets so many threads, of all processes together, use the queue at a time. 512 if not said.
    pub fn seats(mut self, n_seats: usize) -> Self {
        self.n_seats = n_seats;
        self
    }

    /// Never looks twice before going to sleep, and never wakes up without being woken.
    ///
    /// For proofs: the protocol must not need either. The choice is this handle's and its clones'.
    #[doc(hidden)]
    pub fn without_backstop(mut self) -> Self {
        self.tuning = Tuning::NONE;
        self
    }

    /// Makes a queue of byte messages.
    ///
    /// # Errors
    ///
    /// [`QueueError`] says which of the numbers cannot be, or that there is no memory.
    pub fn bytes(self) -> Result<ByteQueue, QueueError> {
        ByteQueue::made(Mapped::create(self.shape()?, NO_TYPE)?, self.tuning)
    }

    /// Makes a queue of byte messages that other programs can open by its name.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes) and [`Queue::create_named`].
    pub fn named_bytes(self, name: &str) -> Result<ByteQueue, QueueError> {
        ByteQueue::made(Mapped::create_named(name, self.shape()?, NO_TYPE)?, self.tuning)
    }

    /// Makes a queue of values.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes).
    pub fn values<T: Serialize + DeserializeOwned>(self) -> Result<Queue<T>, QueueError> {
        let ring = Mapped::create(self.shape()?, type_hash::<T>())?;
        Ok(Queue::of(ByteQueue::made(ring, self.tuning)?))
    }

    /// Makes a queue of values that other programs can open by its name.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes) and [`Queue::create_named`].
    pub fn named_values<T: Serialize + DeserializeOwned>(
        self,
        name: &str,
    ) -> Result<Queue<T>, QueueError> {
        let ring = Mapped::create_named(name, self.shape()?, type_hash::<T>())?;
        Ok(Queue::of(ByteQueue::made(ring, self.tuning)?))
    }

    pub(crate) fn tuning(self) -> Tuning {
        self.tuning
    }

    pub(crate) fn shape(self) -> Result<Shape, QueueError> {
        let slot_bytes =
            self.message_bytes.saturating_add(SLOT_HEADER).checked_next_multiple_of(SLOT_UNIT);
        // What does not fit the field is refused by the check, as is what does but is too much.
        Shape {
            n_slots: u32::try_from(self.capacity).unwrap_or(u32::MAX),
            slot_bytes: slot_bytes.and_then(|bytes| u32::try_from(bytes).ok()).unwrap_or(0),
            n_seats: u16::try_from(self.n_seats).unwrap_or(u16::MAX),
            max_bytes: self.max_bytes,
            retain: self.retain_bytes,
            is_joinable: false,
        }
        .check()
    }
}
