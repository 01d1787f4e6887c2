//! `PoolTask`: a result to come from a pool; and jobs, which are what clients know of their items.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use ipc_core::{Deadline, wire};
use serde::de::DeserializeOwned;

use super::{Pool, methods};
use crate::client::Argument;
use crate::error::Error;
use crate::protocol::Fault;
use crate::protocol::bytes::Reader;

/// In which order results come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    OfItems,
    AsDone,
}

/// Items that a pool has got from this process, let go of when it is dropped.
pub(super) struct Job {
    pool: Pool,
    number: u64,
}

impl Job {
    pub(super) fn new(pool: &Pool, number: u64) -> Self {
        Self { pool: pool.clone(), number }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    fn argument(&self) -> Argument {
        Argument::new().number(self.number)
    }

    fn ask(&self, method: u64) -> Result<bool, Error> {
        self.pool.handle.call(method, self.argument())?.decode()
    }

    /// Takes what came of items, waiting until the deadline for something; nothing if nothing is to come.
    pub(super) fn take<R: DeserializeOwned>(
        &self,
        order: Order,
        deadline: Deadline,
    ) -> Result<Vec<Result<R, Error>>, Error> {
        let argument = self.argument().flag(order == Order::AsDone).patience(deadline);
        results(self.pool.handle.call(methods::TAKE, argument)?.bytes())
    }
}

/// What came of items, as a reply has it.
fn results<R: DeserializeOwned>(page: &[u8]) -> Result<Vec<Result<R, Error>>, Error> {
    let mut reader = Reader::new(page);
    let count = reader.count()?;
    let result = |_| -> Result<Result<R, Error>, Error> {
        let (_place, is_returned) = (reader.number()?, reader.byte()? != 0);
        let bytes = reader.block()?;
        if is_returned {
            return Ok(wire::decode_plain(bytes).map_err(Error::from));
        }
        Ok(Err(wire::decode_plain::<Fault>(bytes)?.into()))
    };
    (0..count).map(result).collect()
}

impl Drop for Job {
    fn drop(&mut self) {
        self.pool.handle.tell(methods::LET_GO, &self.argument());
    }
}

/// A result to come from a [`Pool`] of a manager.
///
/// It belongs to the process that submitted it. The result goes to whoever asks first. A task that is dropped is
/// done all the same, as long as there is the pool, and nobody hears of it.
///
/// # Process death
///
/// If the worker dies, the result is [`Error::WorkerDied`], unless the task is to run
/// [again](crate::PoolBuilder::retries). If this process dies, the task is cancelled.
///
/// # Examples
///
/// ```
/// use manager::Manager;
///
/// let manager = Manager::start()?;
/// let pool = manager.pool(1)?;
/// let task = pool.submit(|(a, b): (u32, u32)| a + b, &(1, 2))?;
/// assert_eq!(task.join()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "AsyncResult")]
#[must_use = "the result is lost with the task"]
pub struct PoolTask<R> {
    job: Job,
    result: PhantomData<fn() -> R>,
}

impl<R> PoolTask<R> {
    pub(super) fn of(job: Job) -> Self {
        Self { job, result: PhantomData }
    }

    /// Whether [`join`](Self::join) would return at once.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer.
    #[doc(alias = "ready")]
    pub fn is_ready(&self) -> Result<bool, Error> {
        self.job.ask(methods::IS_DONE)
    }

    /// Ends the task before it is done; `false` if it is done, and nothing happens.
    ///
    /// A task that waits is never begun. One that runs ends with its worker, for which another comes. The result
    /// is [`Error::Cancelled`] then.
    ///
    /// # Errors
    ///
    /// As [`is_ready`](Self::is_ready).
    pub fn cancel(&self) -> Result<bool, Error> {
        self.job.ask(methods::CANCEL)
    }
}

impl<R: DeserializeOwned> PoolTask<R> {
    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is none: [`Error::Panicked`], [`Error::WorkerDied`], [`Error::Cancelled`],
    /// [`Error::Terminated`], [`Error::TookTooLong`], [`Error::Taken`] among others.
    #[doc(alias = "get")]
    pub fn join(&self) -> Result<R, Error> {
        self.join_deadline(Deadline::NEVER)
    }

    /// The result, if it has come.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join); [`Error::WouldBlock`] if it has not.
    pub fn try_join(&self) -> Result<R, Error> {
        self.join_deadline(Deadline::now())
    }

    /// Waits for the result for so long at most.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join); [`Error::TimedOut`] if it has not come in time, and the task goes on.
    pub fn join_timeout(&self, timeout: Duration) -> Result<R, Error> {
        self.join_deadline(Deadline::after(timeout))
    }

    /// Waits for the result until the deadline.
    ///
    /// # Errors
    ///
    /// As [`join_timeout`](Self::join_timeout).
    pub fn join_deadline(&self, deadline: Deadline) -> Result<R, Error> {
        let mut taken = self.job.take(Order::AsDone, deadline)?;
        taken.pop().ok_or(Error::Taken)?
    }
}

impl<R> fmt::Debug for PoolTask<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PoolTask").finish_non_exhaustive()
    }
}
