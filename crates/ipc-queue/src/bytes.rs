//! `ByteQueue`: messages as they are.

use std::fmt;
use std::time::Duration;

use ipc_core::robust::Thread;
use ipc_core::{Deadline, Segment};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::builder::Builder;
use crate::error::{GetError, PutError, QueueError};
use crate::heap::geometry::BlockId;
use crate::heap::record::Record;
use crate::heap::{self, Heap, Memory as _};
use crate::mapped::{Mapped, Shape};
use crate::ring::slot::Owner;
use crate::ring::{Patience, Refused, Ring, Tuning};
use crate::seat::{Seated, TableHandle};
use crate::stats::Stats;

/// A bounded queue of byte messages between any threads of any processes.
///
/// Many may put and many may get at the same time. Each message goes to one getter; the messages
/// of one putter arrive in the order in which it put them. Clones and copies in other processes
/// are handles to the same queue. Use [`Queue`](crate::Queue) for values.
///
/// # Process death
///
/// A putter that dies before the commit point of a put has not put; one that dies after it has. A
/// getter that dies after the commit point of a get has taken its message with it; before it, the
/// message is still there. Nobody else loses a message, gets one twice, or waits for the dead.
///
/// # Examples
///
/// ```
/// use ipc_queue::ByteQueue;
///
/// let queue = ByteQueue::bounded(16)?;
/// queue.put(b"ping")?;
/// assert_eq!(queue.get()?, b"ping");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ByteQueue {
    table: TableHandle,
}

/// Bytes are bytes: there is no type to agree on.
const NO_TYPE: u64 = 0;

impl ByteQueue {
    /// Makes a queue with room for `capacity` short messages.
    ///
    /// See [`Builder`] for what is short, and for what else can be chosen.
    ///
    /// # Errors
    ///
    /// [`QueueError::BadCapacity`] for zero or more than 8,388,608; [`QueueError::Segment`] if the
    /// machine has not so much memory.
    pub fn bounded(capacity: usize) -> Result<Self, QueueError> {
        Builder::new(capacity).bytes()
    }

    pub(crate) fn create(shape: Shape, type_hash: u64, tuning: Tuning) -> Result<Self, QueueError> {
        let mut ring = Mapped::create(shape, type_hash)?;
        ring.set_tuning(tuning);
        Ok(Self { table: TableHandle::new(ring) })
    }

    /// Opens a queue in a segment that came from elsewhere, after checking what lies there.
    ///
    /// # Errors
    ///
    /// [`QueueError::Segment`] if the segment is not a queue of bytes, and the others if its words
    /// make no sense.
    pub fn from_segment(segment: Segment) -> Result<Self, QueueError> {
        Self::open(segment, NO_TYPE)
    }

    pub(crate) fn open(segment: Segment, type_hash: u64) -> Result<Self, QueueError> {
        Ok(Self { table: TableHandle::new(Mapped::open(segment, type_hash)?) })
    }

    /// The memory that the queue lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.table.ring().segment()
    }

    /// Puts a message, waiting for room as long as it takes.
    ///
    /// When this returns, the message is there for any getter, whatever becomes of this process.
    ///
    /// # Errors
    ///
    /// [`PutError::Closed`], [`PutError::TooLarge`], [`PutError::NoSeat`], [`PutError::Corrupt`].
    pub fn put<'b>(&self, bytes: &'b [u8]) -> Result<(), PutError<&'b [u8]>> {
        self.put_patiently(bytes, Patience::Until(Deadline::NEVER))
    }

    /// Puts a message if there is room now.
    ///
    /// # Errors
    ///
    /// [`PutError::Full`] if there is not, and as [`put`](Self::put).
    pub fn try_put<'b>(&self, bytes: &'b [u8]) -> Result<(), PutError<&'b [u8]>> {
        self.put_patiently(bytes, Patience::Try)
    }

    /// Puts a message, waiting for room at most so long.
    ///
    /// # Errors
    ///
    /// [`PutError::TimedOut`] if there was none, and as [`put`](Self::put).
    pub fn put_timeout<'b>(
        &self,
        bytes: &'b [u8],
        timeout: Duration,
    ) -> Result<(), PutError<&'b [u8]>> {
        self.put_deadline(bytes, Deadline::after(timeout))
    }

    /// Puts a message, waiting for room until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`PutError::TimedOut`] if there was none, and as [`put`](Self::put).
    pub fn put_deadline<'b>(
        &self,
        bytes: &'b [u8],
        deadline: Deadline,
    ) -> Result<(), PutError<&'b [u8]>> {
        self.put_patiently(bytes, Patience::Until(deadline))
    }

    /// Gets the next message, waiting for one as long as it takes.
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`], [`GetError::NoSeat`], [`GetError::Corrupt`].
    pub fn get(&self) -> Result<Vec<u8>, GetError> {
        self.get_owned(Patience::Until(Deadline::NEVER))
    }

    /// Gets the next message if there is one now.
    ///
    /// # Errors
    ///
    /// [`GetError::Empty`] if there is none, and as [`get`](Self::get).
    pub fn try_get(&self) -> Result<Vec<u8>, GetError> {
        self.get_owned(Patience::Try)
    }

    /// Gets the next message, waiting for one at most so long.
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`] if there was none, and as [`get`](Self::get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<Vec<u8>, GetError> {
        self.get_deadline(Deadline::after(timeout))
    }

    /// Gets the next message, waiting for one until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`] if there was none, and as [`get`](Self::get).
    pub fn get_deadline(&self, deadline: Deadline) -> Result<Vec<u8>, GetError> {
        self.get_owned(Patience::Until(deadline))
    }

    /// Gets the next message into `bytes`, whose former contents and not its memory are given up.
    ///
    /// # Errors
    ///
    /// As [`get_deadline`](Self::get_deadline); then `bytes` is empty.
    pub fn get_into(&self, bytes: &mut Vec<u8>, deadline: Deadline) -> Result<(), GetError> {
        self.get_patiently(bytes, Patience::Until(deadline))
    }

    /// Gets the next message into `bytes` if there is one now.
    ///
    /// # Errors
    ///
    /// As [`try_get`](Self::try_get); then `bytes` is empty.
    pub fn try_get_into(&self, bytes: &mut Vec<u8>) -> Result<(), GetError> {
        self.get_patiently(bytes, Patience::Try)
    }

    /// Closes the queue, for everybody and for good.
    ///
    /// What was put can still be got; whoever waits to put, or to get from the empty queue, is
    /// told. It happens at one exchange: a process that dies in here has closed the queue or not.
    pub fn close(&self) {
        let me = Thread::current();
        self.ring().pend(me);
        Ring(self.ring()).close();
        me.pend_clear();
    }

    /// Whether the queue is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        Ring(self.ring()).is_closed()
    }

    /// How many slots are taken: as many as there are short messages.
    ///
    /// It is exact as soon as a put or get has returned, whichever process called it. What is in
    /// the middle of a put counts as put, what is in the middle of a get as got.
    #[must_use]
    pub fn len(&self) -> usize {
        Ring(self.ring()).n_taken() as usize
    }

    /// Whether no slot is taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all slots are taken.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// How many slots there are: room for as many short messages.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring().shape().n_slots as usize
    }

    /// The length of the longest message that the queue takes, in bytes.
    #[must_use]
    pub fn max_message(&self) -> usize {
        let heap = self.ring().geometry().max_message();
        usize::try_from(heap).unwrap_or(usize::MAX).max(self.ring().shape().payload())
    }

    /// What can be said of the queue at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(self.ring())
    }

    #[inline]
    fn ring(&self) -> &Mapped {
        self.table.ring()
    }

    /// How much room is made for a message before it is known how long it is.
    #[inline]
    fn room_ahead(&self) -> usize {
        self.ring().shape().payload().min(MOST_ROOM_AHEAD)
    }

    #[inline]
    pub(crate) fn put_patiently<'b>(
        &self,
        bytes: &'b [u8],
        patience: Patience,
    ) -> Result<(), PutError<&'b [u8]>> {
        let ring = self.ring();
        if bytes.len() > ring.shape().payload() {
            return self.put_large(bytes, patience);
        }
        // A put that finds out after its claim leaves a hole behind; so only one that is overtaken
        // by the close does.
        if self.is_closed() {
            return Err(PutError::Closed(bytes));
        }
        let Seated { me, owner } =
            self.table.sit_down().map_err(|source| PutError::NoSeat { value: bytes, source })?;
        ring.pend(me);
        let claimed = Ring(ring).put(owner, patience);
        if let Ok(claim) = &claimed {
            ring.write(claim, bytes);
            Ring(ring).commit(*claim);
        }
        me.pend_clear();
        claimed.map(|_| ()).map_err(|refused| put_error(refused, bytes))
    }

    /// Puts a message that does not fit into a slot: writes it before it claims one, so that a long
    /// copy holds up nobody.
    #[cold]
    fn put_large<'b>(&self, bytes: &'b [u8], patience: Patience) -> Result<(), PutError<&'b [u8]>> {
        let ring = self.ring();
        let limit = self.max_message();
        if bytes.len() > limit {
            return Err(PutError::TooLarge { value: bytes, len: bytes.len(), limit });
        }
        if self.is_closed() {
            return Err(PutError::Closed(bytes));
        }
        let Seated { me, owner } =
            self.table.sit_down().map_err(|source| PutError::NoSeat { value: bytes, source })?;
        let len = bytes.len() as u64;
        let id = Heap(ring)
            .allocate(owner, me, len, patience)
            .map_err(|refused| memory_error(refused, bytes))?;
        let put = ring
            .write_block(id, bytes)
            .map_err(|source| PutError::NoMemory { value: bytes, source })
            .and_then(|()| {
                self.publish(id, len, owner, me, patience).map_err(|why| put_error(why, bytes))
            });
        if put.is_err() {
            Heap(ring).free(id, owner, me);
        }
        put
    }

    /// Hands a block of the caller's, with a message in it, to the queue.
    fn publish(
        &self,
        id: BlockId,
        len: u64,
        owner: Owner,
        me: Thread,
        patience: Patience,
    ) -> Result<(), Refused> {
        let ring = self.ring();
        ring.pend(me);
        let mut put = Ring(ring).put(owner, patience);
        if let Ok(claim) = put {
            ring.write_record(&claim, Record::Large(id, len));
            if Heap(ring).queue(id, owner, claim.at) {
                Ring(ring).commit(claim);
            } else {
                Ring(ring).abandon(claim);
                put = Err(Refused::Corrupt);
            }
        }
        me.pend_clear();
        put.map(|_| ())
    }

    fn get_owned(&self, patience: Patience) -> Result<Vec<u8>, GetError> {
        let mut bytes = Vec::with_capacity(self.room_ahead());
        self.get_patiently(&mut bytes, patience)?;
        Ok(bytes)
    }

    #[inline]
    pub(crate) fn get_patiently(
        &self,
        bytes: &mut Vec<u8>,
        patience: Patience,
    ) -> Result<(), GetError> {
        let ring = self.ring();
        bytes.clear();
        let Seated { me, owner } = self.table.sit_down()?;
        // Most messages fit into a slot: make room for those before anything is claimed.
        bytes.reserve(self.room_ahead());
        ring.pend(me);
        let claim = match Ring(ring).get(owner, patience) {
            Ok(claim) => claim,
            Err(refused) => {
                me.pend_clear();
                return Err(get_error(refused));
            }
        };
        let taken = match ring.record(&claim) {
            Record::Inline(len) if len <= ring.shape().payload() as u64 => {
                #[expect(clippy::cast_possible_truncation, reason = "at most the payload")]
                ring.read(&claim, len as usize, bytes);
                Ok(None)
            }
            Record::Large(id, len) if Heap(ring).claim(id, claim.at, owner) => Ok(Some((id, len))),
            _ => Err(GetError::Corrupt),
        };
        Ring(ring).release(claim);
        me.pend_clear();
        match taken? {
            None => Ok(()),
            Some((id, len)) => {
                let read = self.read_large(id, len, bytes);
                Heap(ring).free(id, owner, me);
                read
            }
        }
    }

    /// Copies a message out of a block of the caller's.
    fn read_large(&self, id: BlockId, len: u64, bytes: &mut Vec<u8>) -> Result<(), GetError> {
        let ring = self.ring();
        let Some(len) = usize::try_from(len).ok().filter(|_| len <= Heap(ring).backed(id)) else {
            return Err(GetError::Corrupt);
        };
        let has_room = bytes.try_reserve_exact(len).is_ok();
        if has_room && ring.read_block(id, len, bytes).is_ok() {
            Ok(())
        } else {
            bytes.clear();
            Err(GetError::NoMemory { len })
        }
    }
}

fn put_error<T>(refused: Refused, value: T) -> PutError<T> {
    match refused {
        Refused::NotNow => PutError::Full(value),
        Refused::TimedOut => PutError::TimedOut(value),
        Refused::Closed => PutError::Closed(value),
        Refused::Corrupt => PutError::Corrupt(value),
    }
}

fn memory_error<T>(refused: heap::Refused, value: T) -> PutError<T> {
    match refused {
        heap::Refused::NoRoom => PutError::Full(value),
        heap::Refused::TimedOut => PutError::TimedOut(value),
        heap::Refused::Closed => PutError::Closed(value),
        heap::Refused::NoMemory(source) => PutError::NoMemory { value, source },
        heap::Refused::Corrupt => PutError::Corrupt(value),
    }
}

fn get_error(refused: Refused) -> GetError {
    match refused {
        Refused::NotNow => GetError::Empty,
        Refused::TimedOut => GetError::TimedOut,
        Refused::Closed => GetError::Closed,
        Refused::Corrupt => GetError::Corrupt,
    }
}

/// More than this is not taken for a message that may be short.
const MOST_ROOM_AHEAD: usize = 4096;

impl fmt::Debug for ByteQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ByteQueue")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl Serialize for ByteQueue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.segment().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ByteQueue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let segment = Segment::deserialize(deserializer)?;
        Self::from_segment(segment).map_err(serde::de::Error::custom)
    }
}
