//! Queues with a name, for programs that know each other by nothing else.

use ipc_core::{Segment, SegmentError, type_hash};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::Builder;
use crate::bytes::{ByteQueue, NO_TYPE};
use crate::error::QueueError;
use crate::mapped::KIND;
use crate::queue::Queue;

impl<T: Serialize + DeserializeOwned> Queue<T> {
    /// Makes a queue that other programs of this user can open by its name.
    ///
    /// It stays until somebody [takes the name away](Self::unlink), with what is in it, even if nobody
    /// uses it. [`Builder::named_values`] makes one of another shape.
    ///
    /// Ends work as for any queue: who has it open is there, however it came to it. But somebody who
    /// opens it later is there from then on, so that here nobody is gone for good, and a [`Sender`]
    /// that is the first to come is told that nobody is there.
    ///
    /// [`Sender`]: crate::Sender
    ///
    /// # Errors
    ///
    /// [`SegmentError::AlreadyExists`], [`SegmentError::BadName`], and as
    /// [`bounded`](Self::bounded).
    ///
    /// # Examples
    ///
    /// ```
    /// use ipc_queue::Queue;
    ///
    /// # let name = format!("multiproc-doc-queue-{}", ipc_core::ProcessId::current()?);
    /// let here = Queue::<String>::create_named(&name, 10)?;
    /// let there = Queue::<String>::open_named(&name)?; // in another program
    /// here.put("hello".into())?;
    /// assert_eq!(there.get()?, "hello");
    /// Queue::<String>::unlink(&name)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_named(name: &str, capacity: usize) -> Result<Self, QueueError> {
        Builder::new(capacity).named_values(name)
    }

    /// Opens the queue of that name, or makes it if there is none.
    ///
    /// # Errors
    ///
    /// As [`open_named`](Self::open_named) and [`create_named`](Self::create_named). That the queue
    /// has the capacity that is asked for is not checked.
    pub fn open_or_create(name: &str, capacity: usize) -> Result<Self, QueueError> {
        open_or_create(|| Self::open_named(name), || Self::create_named(name, capacity))
    }
}

impl<T> Queue<T> {
    /// Opens the queue of that name.
    ///
    /// # Errors
    ///
    /// [`QueueError::Segment`] with [`SegmentError::NotFound`], with
    /// [`SegmentError::PermissionDenied`] if it is another user's, with [`SegmentError::WrongType`] if
    /// its values are of another type, with [`SegmentError::WrongKindVersion`] if another version of
    /// this crate made it, and as [`from_segment`](Self::from_segment).
    pub fn open_named(name: &str) -> Result<Self, QueueError> {
        Self::from_segment(Segment::open_named(name, KIND, type_hash::<T>())?)
    }

    /// Takes the name away: nobody can open the queue by it any more; those who have it keep it.
    ///
    /// # Errors
    ///
    /// [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`], [`SegmentError::BadName`].
    pub fn unlink(name: &str) -> Result<(), QueueError> {
        Ok(Segment::unlink(name)?)
    }
}

impl ByteQueue {
    /// Makes a queue that other programs of this user can open by its name.
    ///
    /// See [`Queue::create_named`].
    ///
    /// # Errors
    ///
    /// As [`Queue::create_named`].
    pub fn create_named(name: &str, capacity: usize) -> Result<Self, QueueError> {
        Builder::new(capacity).named_bytes(name)
    }

    /// Opens the queue of that name.
    ///
    /// # Errors
    ///
    /// As [`Queue::open_named`].
    pub fn open_named(name: &str) -> Result<Self, QueueError> {
        Self::from_segment(Segment::open_named(name, KIND, NO_TYPE)?)
    }

    /// Opens the queue of that name, or makes it if there is none.
    ///
    /// # Errors
    ///
    /// As [`Queue::open_or_create`].
    pub fn open_or_create(name: &str, capacity: usize) -> Result<Self, QueueError> {
        open_or_create(|| Self::open_named(name), || Self::create_named(name, capacity))
    }

    /// Takes the name away: nobody can open the queue by it any more; those who have it keep it.
    ///
    /// # Errors
    ///
    /// As [`Queue::unlink`].
    pub fn unlink(name: &str) -> Result<(), QueueError> {
        Ok(Segment::unlink(name)?)
    }
}

/// One of the two works, unless somebody takes the name away and another makes it each time between.
pub(crate) fn open_or_create<Q>(
    open: impl Fn() -> Result<Q, QueueError>,
    create: impl Fn() -> Result<Q, QueueError>,
) -> Result<Q, QueueError> {
    loop {
        match open() {
            Err(QueueError::Segment(SegmentError::NotFound)) => {}
            opened => return opened,
        }
        match create() {
            Err(QueueError::Segment(SegmentError::AlreadyExists)) => {}
            created => return created,
        }
    }
}
