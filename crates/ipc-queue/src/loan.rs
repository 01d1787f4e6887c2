//! `Loan`: a message that is written where it lies.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use bytemuck::{AnyBitPattern, NoUninit};
use ipc_core::Deadline;

use crate::bytes::ByteQueue;
use crate::error::PutError;
use crate::heap::{Heap, Memory as _};
use crate::in_place::{InPlace, NotInPlace};
use crate::plain::Plain;
use crate::ring::Patience;
use crate::side::{Both, MayPut};

/// Memory of a queue that is lent to a putter, to write a message where the getter will read it.
///
/// Nothing is copied, however long the message is. [`commit`](Self::commit) puts it; dropping the loan
/// gives the memory back, and nobody ever hears of it. What is in it at first is whatever lay there
/// before. It begins at a page, so it is aligned for any `T`.
///
/// A loan belongs to the thread that took it. (Its death shows in the thread's seat, so it cannot go
/// to another.)
///
/// # Process death
///
/// If the thread or the process dies, the memory comes back: at the latest when somebody needs it, who
/// is woken if it waits. A thread that ends with a loan that it forgot takes its process with it (see
/// [`Lent`](ipc_core::robust::Lent)). A process whose thread has loans cannot be forked, but by force;
/// then the child's are not its own: dropping them does nothing, and committing them is
/// [`PutError::Inherited`].
///
/// # Panics
///
/// Looking into a loan in a forked child of the process that took it panics.
///
/// # Hostile peers
///
/// As with a [`MutexGuard`](ipc_sync::MutexGuard), the memory is used in place: processes that keep to
/// the protocol leave it alone. One that does not, and has the queue's memory mapped, can change the
/// bytes under the reference. Share queues whose messages you lend with processes that you trust so
/// far, and use [`put`](ByteQueue::put), which copies, with others.
///
/// # Examples
///
/// ```
/// use ipc_queue::{ByteQueue, PutError};
///
/// let queue = ByteQueue::bounded(4)?;
/// let mut loan = queue.loan(1 << 20)?;
/// loan.fill(7);
/// loan.commit().map_err(PutError::without_value)?;
/// assert_eq!(queue.get_in_place()?.len(), 1 << 20);
///
/// let mut pixels = queue.loan_slice::<u32>(640 * 480)?;
/// pixels[0] = 0xff00ff;
/// pixels.commit().map_err(PutError::without_value)?;
/// assert_eq!(queue.get_in_place()?.slice_of::<u32>().map(|them| them[0]), Some(0xff00ff));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a loan that is dropped is given back unseen"]
pub struct Loan<'q, T: Plain + ?Sized = [u8], S = Both> {
    queue: &'q ByteQueue<S>,
    place: InPlace<'q>,
    value: PhantomData<*mut T>,
}

impl<S: MayPut> ByteQueue<S> {
    /// Lends memory for a message of `len` bytes, waiting for it as long as it takes.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put). What is lent is memory for large messages, however short this one is; so a
    /// queue that has none ([`max_bytes(0)`](crate::Builder::max_bytes)) lends nothing, which is
    /// [`PutError::TooLarge`].
    pub fn loan(&self, len: usize) -> Result<Loan<'_, [u8], S>, PutError<()>> {
        self.lend(len, Patience::Until(Deadline::NEVER))
    }

    /// Lends memory for a message of `len` bytes if there is some now.
    ///
    /// # Errors
    ///
    /// As [`try_put`](Self::try_put).
    pub fn try_loan(&self, len: usize) -> Result<Loan<'_, [u8], S>, PutError<()>> {
        self.lend(len, Patience::Try)
    }

    /// Lends memory for a message of `len` bytes, waiting for it at most so long.
    ///
    /// # Errors
    ///
    /// As [`put_timeout`](Self::put_timeout).
    pub fn loan_timeout(
        &self,
        len: usize,
        timeout: Duration,
    ) -> Result<Loan<'_, [u8], S>, PutError<()>> {
        self.loan_deadline(len, Deadline::after(timeout))
    }

    /// Lends memory for a message of `len` bytes, waiting for it until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`put_deadline`](Self::put_deadline).
    pub fn loan_deadline(
        &self,
        len: usize,
        deadline: Deadline,
    ) -> Result<Loan<'_, [u8], S>, PutError<()>> {
        self.lend(len, Patience::Until(deadline))
    }

    /// Lends memory for a `T`, waiting for it as long as it takes.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub fn loan_of<T: AnyBitPattern + NoUninit>(&self) -> Result<Loan<'_, T, S>, PutError<()>> {
        self.lend(size_of::<T>(), Patience::Until(Deadline::NEVER))
    }

    /// Lends memory for `count` values of `T`, waiting for it as long as it takes.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    pub fn loan_slice<T: AnyBitPattern + NoUninit>(
        &self,
        count: usize,
    ) -> Result<Loan<'_, [T], S>, PutError<()>> {
        // A size that overflows is longer than any message.
        self.lend(size_of::<T>().saturating_mul(count), Patience::Until(Deadline::NEVER))
    }

    fn lend<T: Plain + ?Sized>(
        &self,
        len: usize,
        patience: Patience,
    ) -> Result<Loan<'_, T, S>, PutError<()>> {
        let geometry = self.ring().geometry();
        if geometry.class_for(len as u64).is_none() {
            // It may fit into a slot, but slots are not lent: no wait would end.
            let limit = usize::try_from(geometry.max_message()).unwrap_or(usize::MAX);
            return Err(PutError::TooLarge { value: (), len, limit });
        }
        let (seated, id) = self.allocate(len, patience)?;
        match InPlace::new(self.ring(), seated, id, len as u64) {
            Ok(place) => Ok(Loan { queue: self, place, value: PhantomData }),
            Err(why) => {
                Heap(self.ring()).free(id, seated.owner, seated.me);
                Err(match why {
                    NotInPlace::Corrupt => PutError::Corrupt(()),
                    NotInPlace::NoMemory(source) => PutError::NoMemory { value: (), source },
                })
            }
        }
    }
}

impl<T: Plain + ?Sized, S: MayPut> Loan<'_, T, S> {
    /// Puts the message, waiting for room as long as it takes.
    ///
    /// # Errors
    ///
    /// As [`ByteQueue::put`], with the loan; and [`PutError::Inherited`].
    pub fn commit(self) -> Result<(), PutError<Self>> {
        self.commit_patiently(Patience::Until(Deadline::NEVER))
    }

    /// Puts the message if there is room now.
    ///
    /// # Errors
    ///
    /// As [`ByteQueue::try_put`], with the loan; and [`PutError::Inherited`].
    pub fn try_commit(self) -> Result<(), PutError<Self>> {
        self.commit_patiently(Patience::Try)
    }

    /// Puts the message, waiting for room at most so long.
    ///
    /// # Errors
    ///
    /// As [`ByteQueue::put_timeout`], with the loan; and [`PutError::Inherited`].
    pub fn commit_timeout(self, timeout: Duration) -> Result<(), PutError<Self>> {
        self.commit_deadline(Deadline::after(timeout))
    }

    /// Puts the message, waiting for room until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`ByteQueue::put_deadline`], with the loan; and [`PutError::Inherited`].
    pub fn commit_deadline(self, deadline: Deadline) -> Result<(), PutError<Self>> {
        self.commit_patiently(Patience::Until(deadline))
    }

    fn commit_patiently(self, patience: Patience) -> Result<(), PutError<Self>> {
        if !self.place.is_mine() {
            return Err(PutError::Inherited(self));
        }
        let (seated, len) = (self.place.seated(), self.place.len() as u64);
        match self.queue.publish(seated, self.place.id(), len, patience) {
            Ok(()) => {
                self.place.give_on();
                Ok(())
            }
            Err(refused) => Err(refused.of_put(self)),
        }
    }
}

impl<S> Loan<'_, [u8], S> {
    /// Lets the message have the first `len` bytes only, if it has more.
    pub fn truncate(&mut self, len: usize) {
        self.place.truncate(len);
    }
}

impl<T: Plain + ?Sized, S> Deref for Loan<'_, T, S> {
    type Target = T;

    #[track_caller]
    fn deref(&self) -> &T {
        match T::of(self.place.bytes()) {
            Some(value) => value,
            None => unreachable!("lent as long as a value is, and at a page"),
        }
    }
}

impl<T: Plain + ?Sized, S> DerefMut for Loan<'_, T, S> {
    #[track_caller]
    fn deref_mut(&mut self) -> &mut T {
        match T::of_mut(self.place.bytes_mut()) {
            Some(value) => value,
            None => unreachable!("lent as long as a value is, and at a page"),
        }
    }
}

impl<T: Plain + ?Sized, S> fmt::Debug for Loan<'_, T, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Loan").field("bytes", &self.place.len()).finish_non_exhaustive()
    }
}
