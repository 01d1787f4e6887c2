//! `ByteQueue`: messages as they are.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use ipc_core::robust::Thread;
use ipc_core::wire::Scratch;
use ipc_core::{Deadline, Segment};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::builder::Builder;
use crate::ends::Side;
use crate::error::{GetError, PutError, QueueError};
use crate::heap::geometry::BlockId;
use crate::heap::record::Record;
use crate::heap::{Heap, Memory as _};
use crate::mapped::Mapped;
use crate::participant::Participant;
use crate::ring::{Claim, Patience, Ring, Tuning};
use crate::seat::{Seated, TableHandle};
use crate::side::{Both, MayGet, MayPut, OnSide};
use crate::stats::Stats;

/// A queue of byte messages between any threads of any processes.
///
/// Many may put and many may get at the same time. Each message goes to one getter; the messages
/// of one putter arrive in the order in which it put them. Clones and copies in other processes
/// are handles to the same queue. Use [`Queue`](crate::Queue) for values.
///
/// `S` is the side that the handle is on: this one may put and get, a
/// [`ByteSender`](crate::ByteSender) and a [`ByteReceiver`](crate::ByteReceiver) only one of the two.
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
pub struct ByteQueue<S = Both> {
    pub(crate) table: TableHandle,
    pub(crate) side: PhantomData<fn() -> S>,
}

/// Bytes are bytes: there is no type to agree on.
pub(crate) const NO_TYPE: u64 = 0;

impl ByteQueue {
    /// Makes a queue with room for `capacity` messages.
    ///
    /// See [`Builder`] for what else can be chosen: how long messages may be, and how much memory
    /// they may take.
    ///
    /// # Errors
    ///
    /// [`QueueError::BadCapacity`] for zero or more than 8,388,608; [`QueueError::Segment`] if the
    /// machine has not so much memory.
    pub fn bounded(capacity: usize) -> Result<Self, QueueError> {
        Builder::new(capacity).bytes()
    }

    /// Makes a queue that grows by need, up to eight million messages.
    ///
    /// See [`Builder::unbounded`], also for another limit.
    ///
    /// # Errors
    ///
    /// [`QueueError::Segment`] if there is no memory or descriptor to spare.
    pub fn unbounded() -> Result<Self, QueueError> {
        Builder::unbounded().bytes()
    }

    pub(crate) fn made(mut ring: Mapped, tuning: Tuning) -> Result<Self, QueueError> {
        ring.set_tuning(tuning);
        Ok(Self::of(TableHandle::enter(ring, Side::Both)?))
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
        let ring = Mapped::open(segment, type_hash)?;
        Ok(Self::of(TableHandle::enter(ring, Side::Both)?))
    }
}

impl<S: MayPut> ByteQueue<S> {
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
        if let Some(refused) = Ring(ring).turns_away() {
            return Err(refused.of_put(bytes));
        }
        let Seated { me, owner } =
            self.table.sit_down().map_err(|source| PutError::NoSeat { value: bytes, source })?;
        ring.pend(me);
        let claimed = Ring(ring).put(owner, patience);
        if let Ok(claim) = &claimed {
            ring.write(claim, bytes);
            Ring(ring).commit(*claim);
            ring.count_put(owner);
        }
        me.pend_clear();
        claimed.map(|_| ()).map_err(|refused| refused.of_put(bytes))
    }
}

impl<S: MayGet> ByteQueue<S> {
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
        match self.take(bytes, patience)? {
            None => Ok(()),
            Some((seated, id, len)) => self.read_large(seated, id, len, bytes),
        }
    }

    /// Gets the next message for a moment: if it fits into a slot that is no longer than scratch, no
    /// memory is allocated for it.
    #[inline]
    pub(crate) fn get_short(
        &self,
        bytes: &mut Scratch,
        patience: Patience,
    ) -> Result<(), GetError> {
        if self.ring().shape().payload() > Scratch::SHORT {
            return self.get_patiently(bytes.long(), patience);
        }
        let taken = self.take_with(patience, |ring, _, claim, len| {
            ring.read_to(claim, bytes.short(len));
        })?;
        match taken {
            None => Ok(()),
            Some((seated, id, len)) => self.read_large(seated, id, len, bytes.long()),
        }
    }

    /// Takes the next message: into `bytes`, or, if it is large, its block and its length, which is
    /// yet to be checked.
    #[inline]
    pub(crate) fn take(
        &self,
        bytes: &mut Vec<u8>,
        patience: Patience,
    ) -> Result<Option<(Seated, BlockId, u64)>, GetError> {
        bytes.clear();
        // Most messages fit into a slot: make room for those before anything is claimed.
        bytes.reserve(self.room_ahead());
        self.take_with(patience, |ring, me, claim, len| {
            if len > bytes.capacity() {
                bytes.reserve_exact(len);
                // An allocator may use libc's robust mutexes, which clear what is pending.
                ring.pend(me);
            }
            ring.read(claim, len, bytes);
        })
    }

    /// The same, where `read` copies a message of a length out of its slot.
    #[inline]
    fn take_with(
        &self,
        patience: Patience,
        read: impl FnOnce(&Mapped, Thread, &Claim, usize),
    ) -> Result<Option<(Seated, BlockId, u64)>, GetError> {
        let ring = self.ring();
        let Seated { me, owner } = self.table.sit_down()?;
        ring.pend(me);
        let claim = match Ring(ring).get(owner, patience) {
            Ok(claim) => claim,
            Err(refused) => {
                me.pend_clear();
                return Err(refused.of_get());
            }
        };
        let taken = match ring.record(&claim) {
            Record::Inline(len) if len <= ring.shape().payload() as u64 => {
                #[expect(clippy::cast_possible_truncation, reason = "at most the payload")]
                let len = len as usize;
                read(ring, me, &claim, len);
                Ok(None)
            }
            Record::Large(id, len) if Heap(ring).claim(id, claim.at, owner) => {
                Ok(Some((Seated { me, owner }, id, len)))
            }
            _ => Err(GetError::Corrupt),
        };
        Ring(ring).release(claim);
        ring.count_get(owner);
        me.pend_clear();
        taken
    }
}

impl<S> ByteQueue<S> {
    pub(crate) fn of(table: TableHandle) -> Self {
        Self { table, side: PhantomData }
    }

    /// The memory that the queue lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.table.ring().segment()
    }

    /// Whether both handles lead to the same queue, whatever side they are on.
    #[must_use]
    pub fn same_queue<R>(&self, other: &ByteQueue<R>) -> bool {
        self.segment().id() == other.segment().id()
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

    /// How many messages are in the queue.
    ///
    /// It is exact as soon as a put or get has returned, whichever process called it. What is in
    /// the middle of a put counts as put, what is in the middle of a get as got.
    #[must_use]
    pub fn len(&self) -> usize {
        Ring(self.ring()).n_taken() as usize
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there are as many messages as there is room for: a put may have to wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity()
    }

    /// How many messages there is room for, if there is memory.
    ///
    /// An [unbounded](Self::unbounded) queue has room for some more than that, but not always.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring().shape().capacity() as usize
    }

    /// The length of the longest message that the queue takes, in bytes.
    #[must_use]
    pub fn max_message(&self) -> usize {
        let heap = self.ring().geometry().max_message();
        usize::try_from(heap).unwrap_or(usize::MAX).max(self.ring().shape().payload())
    }

    /// Who uses the queue: the threads that sit at its table, and the dead not yet replaced.
    #[must_use]
    pub fn participants(&self) -> Vec<Participant> {
        self.ring().participants()
    }

    /// What can be said of the queue at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(self.ring())
    }

    #[inline]
    pub(crate) fn ring(&self) -> &Mapped {
        self.table.ring()
    }

    /// How much room is made for a message before it is known how long it is.
    #[inline]
    fn room_ahead(&self) -> usize {
        self.ring().shape().payload().min(MOST_ROOM_AHEAD)
    }
}

impl<S> Clone for ByteQueue<S> {
    fn clone(&self) -> Self {
        Self::of(self.table.clone())
    }
}

/// More than this is not taken for a message that may be short.
const MOST_ROOM_AHEAD: usize = 4096;

impl<S> fmt::Debug for ByteQueue<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ByteQueue")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl<S: OnSide> Serialize for ByteQueue<S> {
    fn serialize<R: Serializer>(&self, serializer: R) -> Result<R::Ok, R::Error> {
        self.table.serialize(serializer)
    }
}

impl<'de, S: OnSide> Deserialize<'de> for ByteQueue<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(TableHandle::deserialize(deserializer, NO_TYPE, S::SIDE)?))
    }
}
