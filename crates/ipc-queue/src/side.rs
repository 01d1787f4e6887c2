//! The sides of a queue: `Sender`, `Receiver` and how a queue is split into them.

use ipc_core::type_hash;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::Builder;
use crate::bytes::{ByteQueue, NO_TYPE};
use crate::ends::Side;
use crate::error::QueueError;
use crate::queue::Queue;

/// The handle is on both sides: it may put and get.
#[derive(Clone, Copy, Debug)]
pub enum Both {}

/// The handle is on the putters' side only.
#[derive(Clone, Copy, Debug)]
pub enum PutOnly {}

/// The handle is on the getters' side only.
#[derive(Clone, Copy, Debug)]
pub enum GetOnly {}

/// What a handle may do: one of [`Both`], [`PutOnly`] and [`GetOnly`].
pub trait OnSide: sealed::OnSide {}

/// A handle that may put.
pub trait MayPut: OnSide {}

/// A handle that may get.
pub trait MayGet: OnSide {}

impl OnSide for Both {}
impl OnSide for PutOnly {}
impl OnSide for GetOnly {}
impl MayPut for Both {}
impl MayPut for PutOnly {}
impl MayGet for Both {}
impl MayGet for GetOnly {}

impl sealed::OnSide for Both {
    const SIDE: Side = Side::Both;
}

impl sealed::OnSide for PutOnly {
    const SIDE: Side = Side::Put;
}

impl sealed::OnSide for GetOnly {
    const SIDE: Side = Side::Get;
}

/// Nobody else can have a side.
mod sealed {
    use crate::ends::Side;

    #[expect(unnameable_types, reason = "that is what keeps others from having one")]
    pub trait OnSide: 'static {
        const SIDE: Side;
    }
}

/// A handle to a queue of values that may put and not get.
///
/// A clone, or a copy in another process, is one more handle of the same side. When no handle that
/// may put is left anywhere, a [`Receiver`] gets what is still there and is then told
/// [`Disconnected`](crate::GetError::Disconnected).
///
/// # Process death
///
/// As for [`Queue`]. A process that dies is on no side any more: the kernel counts, by descriptors. Who
/// waits finds it at the next look: the first comes after 1 ms, each later one after twice as long, and
/// none after more than a second. A death in the middle of a put or get makes all look at once, and then
/// at short times again.
///
/// Putters look for getters before they wait for room, and after a getter has dropped its handle. If
/// the last getter dies, puts succeed until the queue is full. A handle in a message that nobody ever
/// receives ends like that of a process that never used the queue.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = ipc_queue::channel::<String>(10)?;
/// sender.put("last words".into())?;
/// drop(sender);
/// assert_eq!(receiver.get()?, "last words");
/// assert!(receiver.get().unwrap_err().is_disconnected());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Sender<T> = Queue<T, PutOnly>;

/// A handle to a queue of values that may get and not put.
///
/// It is to a [`Sender`] what that is to it: when no handle that may get is left anywhere, a sender
/// is told [`Disconnected`](crate::PutError::Disconnected), and has its value back.
pub type Receiver<T> = Queue<T, GetOnly>;

/// A handle to a queue of byte messages that may put and not get; see [`Sender`].
pub type ByteSender = ByteQueue<PutOnly>;

/// A handle to a queue of byte messages that may get and not put; see [`Receiver`].
pub type ByteReceiver = ByteQueue<GetOnly>;

/// Makes a queue of values with room for `capacity` short ones, as its two ends.
///
/// # Errors
///
/// As [`Queue::bounded`].
#[doc(alias = "bounded")]
pub fn channel<T: Serialize + DeserializeOwned>(
    capacity: usize,
) -> Result<(Sender<T>, Receiver<T>), QueueError> {
    Builder::new(capacity).values()?.split()
}

/// Makes a queue of byte messages with room for `capacity` short ones, as its two ends.
///
/// # Errors
///
/// As [`ByteQueue::bounded`].
pub fn byte_channel(capacity: usize) -> Result<(ByteSender, ByteReceiver), QueueError> {
    Builder::new(capacity).bytes()?.split()
}

impl ByteQueue {
    /// Makes a handle to the same queue that may only put.
    ///
    /// As long as this one lives, there is somebody on both sides.
    ///
    /// # Errors
    ///
    /// [`QueueError::Segment`] if the process has too many descriptors.
    pub fn sender(&self) -> Result<ByteSender, QueueError> {
        Ok(ByteQueue::of(self.table.on_side(NO_TYPE, Side::Put)?))
    }

    /// Makes a handle to the same queue that may only get.
    ///
    /// # Errors
    ///
    /// As [`sender`](Self::sender).
    pub fn receiver(&self) -> Result<ByteReceiver, QueueError> {
        Ok(ByteQueue::of(self.table.on_side(NO_TYPE, Side::Get)?))
    }

    /// Gives this handle up for one of each side.
    ///
    /// # Errors
    ///
    /// As [`sender`](Self::sender); then the handle is gone. Who wants to keep it in that case asks
    /// for a sender and a receiver, and drops it afterwards.
    pub fn split(self) -> Result<(ByteSender, ByteReceiver), QueueError> {
        Ok((self.sender()?, self.receiver()?))
    }
}

impl<T> Queue<T> {
    /// Makes a handle to the same queue that may only put.
    ///
    /// As long as this one lives, there is somebody on both sides.
    ///
    /// # Errors
    ///
    /// [`QueueError::Segment`] if the process has too many descriptors.
    pub fn sender(&self) -> Result<Sender<T>, QueueError> {
        Ok(Queue::of(ByteQueue::of(self.bytes.table.on_side(type_hash::<T>(), Side::Put)?)))
    }

    /// Makes a handle to the same queue that may only get.
    ///
    /// # Errors
    ///
    /// As [`sender`](Self::sender).
    pub fn receiver(&self) -> Result<Receiver<T>, QueueError> {
        Ok(Queue::of(ByteQueue::of(self.bytes.table.on_side(type_hash::<T>(), Side::Get)?)))
    }

    /// Gives this handle up for one of each side.
    ///
    /// # Errors
    ///
    /// As [`sender`](Self::sender); then the handle is gone. Who wants to keep it in that case asks
    /// for a sender and a receiver, and drops it afterwards.
    pub fn split(self) -> Result<(Sender<T>, Receiver<T>), QueueError> {
        Ok((self.sender()?, self.receiver()?))
    }
}
