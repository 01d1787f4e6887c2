//! `Lease`: a value that was taken from a joinable queue and is to be finished.

use std::fmt;
use std::ops::{Deref, DerefMut};

use ipc_core::wire::{Scratch, decode_plain};
use serde::de::DeserializeOwned;

use super::hand::Hand;
use crate::error::GetError;

/// A value that was taken from a [`JoinableQueue`](crate::JoinableQueue), and is to be finished.
///
/// It is finished when this is dropped, or [`done`](Self::done), which says whether it went well. A
/// value is finished once: `done` consumes the lease, so that it cannot be called too many times.
///
/// What is changed in it is changed in this copy: should the value be handed out again, it is as it was
/// put.
///
/// A lease belongs to the thread that took it, and one that is forgotten (`mem::forget`) is handed out
/// again when that thread has ended.
///
/// # Process death
///
/// If the thread or the process dies before the lease is finished, the value is handed out again. A
/// forked child has no leases: its parent's are not its own. Dropping them does nothing, and settling
/// them is [`LeaseError::Inherited`].
///
/// # Panics
///
/// None. If the thread panics and drops the lease as it unwinds, the value is not finished: it is handed
/// out again, as with [`fail`](Self::fail).
///
/// # Examples
///
/// ```
/// use ipc_queue::JoinableQueue;
///
/// let queue = JoinableQueue::<u32>::bounded(10)?;
/// queue.put(7)?;
/// let job = queue.get()?;
/// assert_eq!((*job, job.deliveries()), (7, 1));
/// job.fail()?;
/// let job = queue.get()?;
/// assert_eq!((*job, job.deliveries()), (7, 2));
/// assert!(queue.try_join().is_err());
/// drop(job);
/// queue.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a lease that is dropped is finished"]
pub struct Lease<'q, T> {
    // Dropped before the hand, so that a panic in its drop counts.
    value: T,
    hand: Hand<'q>,
}

/// Why a value could not be finished or given back.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// The lease is one of the process that this one was forked from, and still is that one's.
    #[error("the lease is another process's")]
    Inherited,
    /// The value is not in the caller's hands: somebody scribbled over the queue's memory.
    #[error("the queue's memory was scribbled over")]
    Lost,
}

impl<'q, T: DeserializeOwned> Lease<'q, T> {
    /// Reads the value of an item that was taken.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a result in memory takes longer")]
    pub(super) fn read(hand: Hand<'q>) -> Result<Self, GetError> {
        let mut scratch = Scratch::new();
        let read = hand.read(&mut scratch);
        match read.and_then(|()| Ok(decode_plain(scratch.bytes())?)) {
            Ok(value) => Ok(Self { value, hand }),
            Err(error) => {
                // What nobody can read is finished: it would come again and again. What this process
                // has no memory for, another may have.
                let settled = match error {
                    GetError::NoMemory { .. } => hand.fail(),
                    _ => hand.done(),
                };
                settled.map_err(|_| GetError::Corrupt)?;
                Err(error)
            }
        }
    }
}

impl<T> Lease<'_, T> {
    /// How often the value was handed out, with this time; 1,023 means so often or more.
    ///
    /// It is greater than 1 if those who had it before died, panicked or gave it back.
    #[must_use]
    pub fn deliveries(&self) -> u32 {
        self.hand.deliveries()
    }

    /// Finishes with the value; returns it.
    ///
    /// # Errors
    ///
    /// [`LeaseError`]; nothing has changed then.
    #[doc(alias = "task_done")]
    pub fn done(self) -> Result<T, LeaseError> {
        self.hand.done().map(|()| self.value)
    }

    /// Gives the value back, to be handed out again at once.
    ///
    /// Whoever waits for one gets it, or whoever gets next; that may be the caller.
    ///
    /// # Errors
    ///
    /// [`LeaseError`]; nothing has changed then.
    #[doc(alias = "nack")]
    pub fn fail(self) -> Result<(), LeaseError> {
        self.hand.fail()
    }
}

impl<T> Deref for Lease<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Lease<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Lease<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lease")
            .field("value", &self.value)
            .field("deliveries", &self.deliveries())
            .finish_non_exhaustive()
    }
}
