//! All that can be said of a queue before it is made.

use std::time::Duration;

use ipc_core::type_hash;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bytes::{ByteQueue, NO_TYPE};
use crate::error::QueueError;
use crate::mapped::{Mapped, SLOT_HEADER, SLOT_UNIT, Shape};
use crate::queue::Queue;
use crate::ring::Tuning;
use crate::ring::position::MAX_SLOTS;
use crate::ring::slot::MOST_CHUNKS;

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
    /// How many messages there is room for; if it is not said, the queue grows.
    capacity: Option<usize>,
    message_bytes: usize,
    n_seats: usize,
    /// If it is not said, [`MAX_BYTES`], or less where a file may not be so long.
    max_bytes: Option<u64>,
    retain_bytes: u64,
    tuning: Tuning,
}

/// What a message may have, in bytes, to count as short if nothing else is said.
const SHORT: usize = 112;

/// How many threads can use a queue if nothing else is said.
const SEATS: usize = 512;

/// So many slots make a chunk at the least, of a queue that grows, or as many as take 64 KiB.
const LEAST_CHUNK: u32 = 32;

/// How many bytes large messages may take together if nothing else is said, and how many slots may if
/// a queue grows.
const MAX_BYTES: u64 = 1 << 30;

/// With less than this nobody is served well who has said nothing: that is an error.
const LEAST_BYTES: u64 = 1 << 20;

/// How many bytes keep their memory when nobody uses them if nothing else is said.
const RETAIN: u64 = 256 << 20;

impl Builder {
    /// A queue with room for `capacity` messages.
    pub fn new(capacity: usize) -> Self {
        Self::of(Some(capacity))
    }

    /// A queue that grows by need, as long as its slots take no more than
    /// [`max_bytes`](Self::max_bytes).
    ///
    /// It has memory for few messages at first. What it has got it keeps until the queue is gone, and
    /// uses again: it does not shrink. A put waits only if the limit is reached, or if the machine has
    /// no memory, and then as in a queue with a bound. Growing takes no lock, and a process that dies in
    /// it leaves nothing behind that others would have to repair.
    ///
    /// A [`JoinableQueue`](crate::JoinableQueue) cannot be unbounded: it is refused as
    /// [`QueueError::BadCapacity`].
    ///
    /// Slots and large messages are counted apart, so an unbounded queue can take twice its limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use ipc_queue::Builder;
    ///
    /// let queue = Builder::unbounded().max_bytes(64 << 20).bytes()?;
    /// for number in 0..100_000_u32 {
    ///     queue.try_put(&number.to_le_bytes()).map_err(|error| error.without_value())?;
    /// }
    /// assert_eq!(queue.len(), 100_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unbounded() -> Self {
        Self::of(None)
    }

    fn of(capacity: Option<usize>) -> Self {
        Self {
            capacity,
            message_bytes: SHORT,
            n_seats: SEATS,
            max_bytes: None,
            retain_bytes: RETAIN,
            tuning: Tuning::DEFAULT,
        }
    }

    /// Counts messages of up to `bytes` bytes as short: slots are made that large. 112 if not said.
    ///
    /// A queue with a bound takes `capacity` times this much memory, which is there from the beginning.
    pub fn message_bytes(mut self, bytes: usize) -> Self {
        self.message_bytes = bytes;
        self
    }

    /// Lets large messages take so many bytes together, those in the queue and those in the hands of
    /// its users: 1 GiB if not said, at most 1 TiB. If it is not said, and the files of this process may
    /// not be so long (`RLIMIT_FSIZE`, `ulimit -f`), it is as much as they let it be: the addresses of a queue
    /// are some twenty times as many.
    ///
    /// It is also the length of the longest message. Zero means that there are short ones only. The
    /// slots of an [unbounded](Self::unbounded) queue may take as much again.
    /// Bytes are counted in pages of 4,096; a message may take a page more than it is long.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
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

    /// Does not even look whether anybody is left: who dies in no operation is never told of.
    ///
    /// For proofs: who leaves must tell. The choice is this handle's and its clones'.
    #[doc(hidden)]
    pub fn without_looks(mut self) -> Self {
        self.tuning = Tuning { first_look: Duration::MAX, ..Tuning::NONE };
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
        let mut max_bytes = self.max_bytes.unwrap_or(MAX_BYTES);
        let mut shape = self.shape_with(max_bytes)?;
        // What was said is kept to, or is an error.
        while self.max_bytes.is_none() && max_bytes > LEAST_BYTES && !shape.extent().is_allowed() {
            max_bytes /= 2;
            shape = self.shape_with(max_bytes)?;
        }
        Ok(shape)
    }

    fn shape_with(self, max_bytes: u64) -> Result<Shape, QueueError> {
        let slot_bytes =
            self.message_bytes.saturating_add(SLOT_HEADER).checked_next_multiple_of(SLOT_UNIT);
        let slot_bytes = slot_bytes.and_then(|bytes| u32::try_from(bytes).ok()).unwrap_or(0);
        let (n_slots, chunk) = match self.capacity {
            // What does not fit the field is refused by the check, as is what does but is too much.
            Some(capacity) => {
                let n_slots = u32::try_from(capacity).unwrap_or(u32::MAX);
                (n_slots, n_slots)
            }
            None => slots_within(max_bytes, slot_bytes),
        };
        Shape {
            n_slots,
            chunk,
            slot_bytes,
            n_seats: u16::try_from(self.n_seats).unwrap_or(u16::MAX),
            max_bytes,
            retain: self.retain_bytes,
            is_joinable: false,
        }
        .check()
    }
}

/// How many slots a queue that grows can have within so many bytes, and how many make a chunk: as few
/// as there can be chunks enough, for a queue with little in it uses two.
fn slots_within(max_bytes: u64, slot_bytes: u32) -> (u32, u32) {
    let slot_bytes = slot_bytes.max(1);
    let n_slots = max_bytes / u64::from(slot_bytes);
    let n_slots = u32::try_from(n_slots).unwrap_or(u32::MAX).min(MAX_SLOTS);
    let least = ((64 << 10) / slot_bytes).clamp(1, LEAST_CHUNK);
    let chunk = n_slots.div_ceil(MOST_CHUNKS + 1).next_power_of_two().max(least);
    ((n_slots / chunk).clamp(2, MOST_CHUNKS) * chunk, chunk)
}

#[cfg(test)]
mod tests {
    use super::{LEAST_CHUNK, MAX_SLOTS, MOST_CHUNKS, slots_within};

    #[test]
    fn a_queue_that_grows_has_as_many_slots_as_fit_into_the_limit() {
        assert_eq!(slots_within(0, 64), (2 * LEAST_CHUNK, LEAST_CHUNK));
        assert_eq!(slots_within(1 << 20, 128), (8192, LEAST_CHUNK));
        for max_bytes in [1_u64 << 24, 1 << 30, (1 << 30) + 1, 1 << 40] {
            for slot_bytes in [64, 128, 4096, 1 << 24] {
                let (n_slots, chunk) = slots_within(max_bytes, slot_bytes);
                assert!(n_slots.is_multiple_of(chunk) && n_slots <= MAX_SLOTS);
                assert!((2..=MOST_CHUNKS).contains(&(n_slots / chunk)));
                let unused = max_bytes.saturating_sub(u64::from(n_slots) * u64::from(slot_bytes));
                let is_most = n_slots >= MAX_SLOTS - chunk;
                assert!(is_most || unused < 2 * u64::from(chunk) * u64::from(slot_bytes));
            }
        }
    }
}
