//! `JoinableQueue<T>`: values that are not only taken but finished.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Inner as _, Queue, proxy};
use crate::client::{Argument, Handle};
use crate::error::Error;
use crate::protocol::bytes::Reader;
use crate::protocol::methods::queue as methods;

proxy! {
    /// A queue in a manager whose values are to be finished, and which can be waited for.
    ///
    /// # Process death
    ///
    /// What is in the hands of a process that dies comes back, to the front, for another to get;
    /// [`Lease::n_returned`] says how often that was.
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::{JoinableQueue, Manager};
    ///
    /// let manager = Manager::start()?;
    /// let jobs: JoinableQueue<u32> = manager.joinable_queue(0)?;
    /// jobs.put(&7)?;
    /// let job = jobs.get()?;
    /// assert_eq!((*job, jobs.n_unfinished()?), (7, 1));
    /// job.done()?;
    /// jobs.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    JoinableQueue<T>, "joinable queue"
}

/// A value in this process's hands: finished when this is dropped, unless that is by a panic.
#[must_use = "what is dropped is finished"]
pub struct Lease<T> {
    value: T,
    handle: Arc<Handle>,
    number: u64,
    n_returned: u64,
    is_settled: bool,
}

impl<T: Serialize + DeserializeOwned> JoinableQueue<T> {
    fn queue(&self) -> Queue<T> {
        Queue::over(Arc::clone(&self.handle))
    }

    /// Puts a value, waiting for room.
    ///
    /// # Errors
    ///
    /// As [`Queue::put`].
    pub fn put(&self, value: &T) -> Result<(), Error> {
        self.queue().put(value)
    }

    /// Puts a value if there is room now.
    ///
    /// # Errors
    ///
    /// As [`Queue::try_put`].
    pub fn try_put(&self, value: &T) -> Result<(), Error> {
        self.queue().try_put(value)
    }

    /// Puts a value, waiting for room for so long at most.
    ///
    /// # Errors
    ///
    /// As [`Queue::put_timeout`].
    pub fn put_timeout(&self, value: &T, timeout: Duration) -> Result<(), Error> {
        self.queue().put_timeout(value, timeout)
    }

    /// Gets a value, waiting for one.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the queue is closed, nothing is in it, and nothing can come back to it.
    pub fn get(&self) -> Result<Lease<T>, Error> {
        self.get_deadline(Deadline::NEVER)
    }

    /// Gets a value if there is one now.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`Error::WouldBlock`] if there is none.
    pub fn try_get(&self) -> Result<Lease<T>, Error> {
        self.get_deadline(Deadline::now())
    }

    /// Gets a value, waiting for one for so long at most.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`Error::TimedOut`] if there was none in time.
    pub fn get_timeout(&self, timeout: Duration) -> Result<Lease<T>, Error> {
        self.get_deadline(Deadline::after(timeout))
    }

    /// Gets a value, waiting for one until the deadline.
    ///
    /// # Errors
    ///
    /// As [`get_timeout`](Self::get_timeout).
    pub fn get_deadline(&self, deadline: Deadline) -> Result<Lease<T>, Error> {
        let handle = self.handle.here()?;
        let got = handle.call(methods::GET, Argument::new().patience(deadline))?;
        let mut reader = Reader::new(got.bytes());
        let (number, n_returned) = (reader.number()?, reader.number()?);
        let at = got.bytes().len() - reader.rest().len();
        let value = got.decode_from(at).inspect_err(|_| {
            // Somebody else may understand it.
            handle.tell(methods::GIVE_BACK, &Argument::new().number(number));
        })?;
        Ok(Lease { value, handle, number, n_returned, is_settled: false })
    }

    /// Waits until all that was put is finished.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer.
    pub fn join(&self) -> Result<(), Error> {
        self.join_deadline(Deadline::NEVER)
    }

    /// Waits until all that was put is finished, for so long at most.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join); [`Error::TimedOut`] if it was not in time.
    pub fn join_timeout(&self, timeout: Duration) -> Result<(), Error> {
        self.join_deadline(Deadline::after(timeout))
    }

    /// Waits until all that was put is finished, until the deadline.
    ///
    /// # Errors
    ///
    /// As [`join_timeout`](Self::join_timeout).
    pub fn join_deadline(&self, deadline: Deadline) -> Result<(), Error> {
        self.handle.call(methods::JOIN, Argument::new().patience(deadline)).map(drop)
    }

    /// How many values are not finished: in the queue, or in somebody's hands.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn n_unfinished(&self) -> Result<usize, Error> {
        self.handle.call(methods::UNFINISHED, Argument::new())?.decode()
    }

    /// How many values are in the queue.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn len(&self) -> Result<usize, Error> {
        self.queue().len()
    }

    /// Whether there are no values in the queue.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn is_empty(&self) -> Result<bool, Error> {
        self.queue().is_empty()
    }

    /// Closes the queue for all: nothing more can be put, and what is in it can be got.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn close(&self) -> Result<(), Error> {
        self.queue().close()
    }
}

impl<T> Lease<T> {
    /// How many had it in their hands and did not finish it.
    #[must_use]
    pub fn n_returned(&self) -> u64 {
        self.n_returned
    }

    /// Says that it is finished, and hears whether the manager knows.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer; in a forked child, that it is its parent's.
    #[doc(alias = "task_done")]
    pub fn done(self) -> Result<(), Error> {
        self.settle(methods::DONE)
    }

    /// Gives it back, for another to get.
    ///
    /// # Errors
    ///
    /// As [`done`](Self::done).
    pub fn give_back(self) -> Result<(), Error> {
        self.settle(methods::GIVE_BACK)
    }

    fn settle(mut self, method: u64) -> Result<(), Error> {
        self.is_settled = true;
        self.handle.call(method, Argument::new().number(self.number)).map(drop)
    }
}

impl<T> Deref for Lease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        let by_panic = std::thread::panicking();
        let method = if by_panic { methods::GIVE_BACK } else { methods::DONE };
        if !self.is_settled {
            self.handle.tell(method, &Argument::new().number(self.number));
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Lease<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lease").field("value", &self.value).finish_non_exhaustive()
    }
}
