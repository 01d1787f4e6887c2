//! `Barrier`: where parties wait until all are there.

use std::time::Duration;

use ipc_core::Deadline;

use super::proxy;
use crate::client::Argument;
use crate::error::Error;
use crate::protocol::methods::barrier as methods;

proxy! {
    /// A barrier in a manager.
    ///
    /// # Process death
    ///
    /// A party that dies while it waits breaks the barrier: all who wait and all who come get
    /// [`Error::Broken`], until it is [reset](Self::reset).
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::Manager;
    ///
    /// let manager = Manager::start()?;
    /// let barrier = manager.barrier(2)?;
    /// let other = barrier.clone();
    /// let thread = std::thread::spawn(move || other.wait().unwrap());
    /// // One of them came first.
    /// assert_eq!(barrier.wait()? + thread.join().unwrap(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Barrier, "barrier"
}

impl Barrier {
    /// Waits until all parties are there; returns how many came before this one.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`]; [`Error`] says what else can be wrong.
    pub fn wait(&self) -> Result<u64, Error> {
        self.wait_deadline(Deadline::NEVER)
    }

    /// Waits until all parties are there, for so long at most.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait); [`Error::TimedOut`] if they were not in time, and then the barrier is broken.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<u64, Error> {
        self.wait_deadline(Deadline::after(timeout))
    }

    /// Waits until all parties are there, until the deadline.
    ///
    /// # Errors
    ///
    /// As [`wait_timeout`](Self::wait_timeout).
    pub fn wait_deadline(&self, deadline: Deadline) -> Result<u64, Error> {
        self.handle.call(methods::WAIT, Argument::new().patience(deadline))?.decode()
    }

    /// Breaks the barrier: all who wait and all who come get [`Error::Broken`].
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer.
    pub fn abort(&self) -> Result<(), Error> {
        self.handle.call(methods::ABORT, Argument::new()).map(drop)
    }

    /// Begins anew: all who wait get [`Error::Broken`], and who comes waits.
    ///
    /// # Errors
    ///
    /// As [`abort`](Self::abort).
    pub fn reset(&self) -> Result<(), Error> {
        self.handle.call(methods::RESET, Argument::new()).map(drop)
    }

    /// How many parties there are.
    ///
    /// # Errors
    ///
    /// As [`abort`](Self::abort).
    pub fn parties(&self) -> Result<u64, Error> {
        self.handle.call(methods::PARTIES, Argument::new())?.decode()
    }

    /// How many wait.
    ///
    /// # Errors
    ///
    /// As [`abort`](Self::abort).
    pub fn n_waiting(&self) -> Result<u64, Error> {
        self.handle.call(methods::N_WAITING, Argument::new())?.decode()
    }

    /// Whether it is broken.
    ///
    /// # Errors
    ///
    /// As [`abort`](Self::abort).
    pub fn is_broken(&self) -> Result<bool, Error> {
        self.handle.call(methods::IS_BROKEN, Argument::new())?.decode()
    }
}
