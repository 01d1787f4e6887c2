//! `Queue<T>`: values that one puts and another gets.

use std::time::Duration;

use ipc_core::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::proxy;
use crate::batch::{Batch, Later};
use crate::client::Argument;
use crate::error::Error;
use crate::protocol::methods::queue as methods;

proxy! {
    /// A queue in a manager, with or without a limit to what is in it.
    ///
    /// For processes of one machine the queue of `ipc-queue` does the same without a server, and faster.
    ///
    /// # Process death
    ///
    /// Who dies while it puts has put the value, or not. Who dies while it gets has taken one, or left it.
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::{Error, Manager, Queue};
    ///
    /// let manager = Manager::start()?;
    /// let queue: Queue<String> = manager.queue(1)?;
    /// queue.put(&"first".into())?;
    /// assert!(matches!(queue.try_put(&"second".into()), Err(Error::WouldBlock)));
    /// assert_eq!(queue.get()?, "first");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Queue<T>, "queue"
}

impl<T: Serialize + DeserializeOwned> Queue<T> {
    /// Puts a value, waiting for room.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`]; [`Error`] says what else can be wrong.
    pub fn put(&self, value: &T) -> Result<(), Error> {
        self.put_deadline(value, Deadline::NEVER)
    }

    /// Puts a value if there is room now.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put); [`Error::WouldBlock`] if there is none.
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, value: &T) -> Result<(), Error> {
        self.put_deadline(value, Deadline::now())
    }

    /// Puts a value, waiting for room for so long at most.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put); [`Error::TimedOut`] if there was none in time.
    pub fn put_timeout(&self, value: &T, timeout: Duration) -> Result<(), Error> {
        self.put_deadline(value, Deadline::after(timeout))
    }

    /// Puts a value, waiting for room until the deadline.
    ///
    /// # Errors
    ///
    /// As [`put_timeout`](Self::put_timeout).
    pub fn put_deadline(&self, value: &T, deadline: Deadline) -> Result<(), Error> {
        let argument = Argument::new().patience(deadline).value(self.handle.server(), value)?;
        self.handle.call(methods::PUT, argument).map(drop)
    }

    /// Gets a value, waiting for one.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if the queue is closed and empty; [`Error`] says what else can be wrong.
    pub fn get(&self) -> Result<T, Error> {
        self.get_deadline(Deadline::NEVER)
    }

    /// Gets a value if there is one now.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`Error::WouldBlock`] if there is none.
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> Result<T, Error> {
        self.get_deadline(Deadline::now())
    }

    /// Gets a value, waiting for one for so long at most.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`Error::TimedOut`] if there was none in time.
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, Error> {
        self.get_deadline(Deadline::after(timeout))
    }

    /// Gets a value, waiting for one until the deadline.
    ///
    /// # Errors
    ///
    /// As [`get_timeout`](Self::get_timeout).
    pub fn get_deadline(&self, deadline: Deadline) -> Result<T, Error> {
        self.handle.call(methods::GET, Argument::new().patience(deadline))?.decode()
    }

    /// How many values are in it.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer.
    #[doc(alias = "qsize")]
    pub fn len(&self) -> Result<usize, Error> {
        self.handle.call(methods::LEN, Argument::new())?.decode()
    }

    /// Whether there are no values in it.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.len()? == 0)
    }

    /// Closes the queue for all: nothing more can be put, and what is in it can be got.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub fn close(&self) -> Result<(), Error> {
        self.handle.call(methods::CLOSE, Argument::new()).map(drop)
    }

    /// [`put`](Self::put), as a part of a batch.
    ///
    /// # Errors
    ///
    /// If the value cannot be encoded.
    pub fn put_in(&self, batch: &mut Batch, value: &T) -> Result<Later<()>, Error> {
        let argument = Argument::new().patience(Deadline::NEVER);
        batch.add(&self.handle, methods::PUT, argument.value(self.handle.server(), value)?)
    }
}
