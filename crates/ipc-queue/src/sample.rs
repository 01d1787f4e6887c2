//! `Sample`: a message that is read where it lies.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use bytemuck::CheckedBitPattern;
use bytemuck::checked;
use ipc_core::Deadline;

use crate::bytes::ByteQueue;
use crate::error::GetError;
use crate::heap::Heap;
use crate::in_place::{InPlace, NotInPlace};
use crate::ring::Patience;
use crate::side::MayGet;

/// A message that was got and is read in place; its memory is given back when it is dropped.
///
/// A large message is not copied. A short one, which lay in its slot, is: nothing of the queue is held
/// up while a sample is read. It begins at a multiple of sixteen bytes, a large one at a page.
///
/// A sample belongs to the thread that got it. (Its death shows in the thread's seat, so it cannot go
/// to another.)
///
/// # Process death
///
/// If the thread or the process dies, the message is gone with it, and its memory comes back: at the
/// latest when somebody needs it, who is woken if it waits. A thread that ends with a sample that it
/// forgot takes its process with it (see [`Lent`](ipc_core::robust::Lent)). A process whose thread has
/// samples cannot be forked, but by force; then dropping them in the child does nothing.
///
/// # Panics
///
/// Looking into a sample in a forked child of the process that got it panics.
///
/// # Hostile peers
///
/// As for [`Loan`](crate::Loan): what is read in place can be changed under the reference by a process
/// that has the queue's memory mapped and does not keep to the protocol.
/// [`get`](ByteQueue::get) copies first.
///
/// # Examples
///
/// ```
/// use ipc_queue::ByteQueue;
///
/// let queue = ByteQueue::bounded(4)?;
/// queue.put(&[7, 0, 0, 0, 0, 0, 0, 0])?;
/// let sample = queue.get_in_place()?;
/// assert_eq!(sample.value_of::<u64>(), Some(&7_u64.to_le()));
/// assert_eq!(sample.value_of::<u32>(), None, "it is longer");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sample<'q>(Bytes<'q>);

enum Bytes<'q> {
    InPlace(InPlace<'q>),
    Copied(Copied),
}

/// A copy, aligned for whatever may be in it.
struct Copied {
    words: Vec<u128>,
    len: usize,
}

impl<S: MayGet> ByteQueue<S> {
    /// Gets the next message without copying it if it is large, waiting for one as long as it takes.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_in_place(&self) -> Result<Sample<'_>, GetError> {
        self.get_sample(Patience::Until(Deadline::NEVER))
    }

    /// Gets the next message without copying it if it is large, if there is one now.
    ///
    /// # Errors
    ///
    /// As [`try_get`](Self::try_get).
    pub fn try_get_in_place(&self) -> Result<Sample<'_>, GetError> {
        self.get_sample(Patience::Try)
    }

    /// Gets the next message without copying it if it is large, waiting for one at most so long.
    ///
    /// # Errors
    ///
    /// As [`get_timeout`](Self::get_timeout).
    pub fn get_in_place_timeout(&self, timeout: Duration) -> Result<Sample<'_>, GetError> {
        self.get_in_place_deadline(Deadline::after(timeout))
    }

    /// Gets the next message without copying it if it is large, waiting for one until `deadline` at
    /// the latest.
    ///
    /// # Errors
    ///
    /// As [`get_deadline`](Self::get_deadline).
    pub fn get_in_place_deadline(&self, deadline: Deadline) -> Result<Sample<'_>, GetError> {
        self.get_sample(Patience::Until(deadline))
    }

    fn get_sample(&self, patience: Patience) -> Result<Sample<'_>, GetError> {
        let mut bytes = Vec::new();
        let Some((seated, id, len)) = self.take(&mut bytes, patience)? else {
            return Ok(Sample(Bytes::Copied(Copied::new(&bytes))));
        };
        match InPlace::new(self.ring(), seated, id, len) {
            Ok(place) => Ok(Sample(Bytes::InPlace(place))),
            // Without addresses for it, it is copied through the descriptor.
            Err(NotInPlace::NoMemory(_)) => {
                self.read_large(seated, id, len, &mut bytes)?;
                Ok(Sample(Bytes::Copied(Copied::new(&bytes))))
            }
            Err(NotInPlace::Corrupt) => {
                Heap(self.ring()).free(id, seated.owner, seated.me);
                Err(GetError::Corrupt)
            }
        }
    }
}

impl Sample<'_> {
    /// The message as a `T`, if its bytes are one: as many as it has, and a valid pattern of them.
    #[must_use]
    pub fn value_of<T: CheckedBitPattern>(&self) -> Option<&T> {
        checked::try_from_bytes(self).ok()
    }

    /// The message as values of `T`, if its bytes are that: a whole number of them, each valid.
    #[must_use]
    pub fn slice_of<T: CheckedBitPattern>(&self) -> Option<&[T]> {
        checked::try_cast_slice(self).ok()
    }
}

impl Deref for Sample<'_> {
    type Target = [u8];

    #[track_caller]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::InPlace(place) => place.bytes(),
            Bytes::Copied(copied) => copied.bytes(),
        }
    }
}

impl AsRef<[u8]> for Sample<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Sample<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = match &self.0 {
            Bytes::InPlace(place) => place.len(),
            Bytes::Copied(copied) => copied.len,
        };
        formatter.debug_struct("Sample").field("len", &len).finish_non_exhaustive()
    }
}

impl Copied {
    fn new(bytes: &[u8]) -> Self {
        let mut words = vec![0; bytes.len().div_ceil(size_of::<u128>())];
        let room: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self { words, len: bytes.len() }
    }

    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words).get(..self.len).unwrap_or_default()
    }
}
