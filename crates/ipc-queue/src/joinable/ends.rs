//! How joinable queues are made, named, and split into their ends.

use ipc_core::{PAGE, Segment};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{JoinableQueue, JoinableReceiver, JoinableSender};
use crate::builder::Builder;
use crate::bytes::ByteQueue;
use crate::ends::Side;
use crate::error::QueueError;
use crate::mapped::{KIND, Mapped, Shape};
use crate::named::open_or_create;

impl Builder {
    /// Makes a joinable queue.
    ///
    /// All its values lie in memory of their own, so [`message_bytes`](Self::message_bytes) says nothing
    /// here. [`max_bytes`](Self::max_bytes) is at least a page for each value that there is room for.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes).
    pub fn joinable<T: Serialize + DeserializeOwned>(self) -> Result<JoinableQueue<T>, QueueError> {
        let ring = Mapped::create(self.joinable_shape()?, JoinableQueue::<T>::hash())?;
        Ok(JoinableQueue::of(ByteQueue::made(ring, self.tuning())?))
    }

    /// Makes a joinable queue that other programs can open by its name.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes) and [`Queue::create_named`](crate::Queue::create_named).
    pub fn named_joinable<T: Serialize + DeserializeOwned>(
        self,
        name: &str,
    ) -> Result<JoinableQueue<T>, QueueError> {
        let hash = JoinableQueue::<T>::hash();
        let ring = Mapped::create_named(name, self.joinable_shape()?, hash)?;
        Ok(JoinableQueue::of(ByteQueue::made(ring, self.tuning())?))
    }

    fn joinable_shape(self) -> Result<Shape, QueueError> {
        let shape = self.message_bytes(0).shape()?;
        let least = u64::from(shape.n_slots) * PAGE as u64;
        Ok(Shape { max_bytes: shape.max_bytes.max(least), is_joinable: true, ..shape })
    }
}

impl<T: Serialize + DeserializeOwned> JoinableQueue<T> {
    /// Makes a joinable queue that other programs of this user can open by its name.
    ///
    /// See [`Queue::create_named`](crate::Queue::create_named); what is unfinished stays with it.
    ///
    /// # Errors
    ///
    /// As [`Queue::create_named`](crate::Queue::create_named).
    pub fn create_named(name: &str, capacity: usize) -> Result<Self, QueueError> {
        Builder::new(capacity).named_joinable(name)
    }

    /// Opens the joinable queue of that name, or makes it if there is none.
    ///
    /// # Errors
    ///
    /// As [`Queue::open_or_create`](crate::Queue::open_or_create).
    pub fn open_or_create(name: &str, capacity: usize) -> Result<Self, QueueError> {
        open_or_create(|| Self::open_named(name), || Self::create_named(name, capacity))
    }
}

impl<T> JoinableQueue<T> {
    /// Opens the joinable queue of that name.
    ///
    /// # Errors
    ///
    /// As [`Queue::open_named`](crate::Queue::open_named).
    pub fn open_named(name: &str) -> Result<Self, QueueError> {
        Self::from_segment(Segment::open_named(name, KIND, Self::hash())?)
    }

    /// Takes the name away: nobody can open the queue by it any more; those who have it keep it.
    ///
    /// # Errors
    ///
    /// As [`Queue::unlink`](crate::Queue::unlink).
    pub fn unlink(name: &str) -> Result<(), QueueError> {
        Ok(Segment::unlink(name)?)
    }

    /// Makes a handle to the same queue that may only put.
    ///
    /// As long as this one lives, there is somebody on both sides.
    ///
    /// # Errors
    ///
    /// [`QueueError::Segment`] if the process has too many descriptors.
    pub fn sender(&self) -> Result<JoinableSender<T>, QueueError> {
        let table = self.bytes.table.on_side(Self::hash(), Side::Put)?;
        Ok(JoinableQueue::of(ByteQueue::of(table)))
    }

    /// Makes a handle to the same queue that may only get.
    ///
    /// # Errors
    ///
    /// As [`sender`](Self::sender).
    pub fn receiver(&self) -> Result<JoinableReceiver<T>, QueueError> {
        let table = self.bytes.table.on_side(Self::hash(), Side::Get)?;
        Ok(JoinableQueue::of(ByteQueue::of(table)))
    }

    /// Gives this handle up for one of each side.
    ///
    /// # Errors
    ///
    /// As [`sender`](Self::sender); then the handle is gone.
    pub fn split(self) -> Result<(JoinableSender<T>, JoinableReceiver<T>), QueueError> {
        Ok((self.sender()?, self.receiver()?))
    }
}
