//! `Event`: something that has happened, or not yet.

use std::time::Duration;

use ipc_core::Deadline;

use super::proxy;
use crate::client::Argument;
use crate::error::Error;
use crate::protocol::methods::event as methods;

proxy! {
    /// An event in a manager.
    ///
    /// # Process death
    ///
    /// Who dies while it sets the event has set it, or not. Who dies while it waits is forgotten.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use manager::Manager;
    ///
    /// let manager = Manager::start()?;
    /// let ready = manager.event()?;
    /// assert!(!ready.wait_timeout(Duration::from_millis(1))?);
    /// ready.set()?;
    /// ready.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Event, "event"
}

impl Event {
    /// Sets the event: all who wait go on, and who waits later does not.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer; so it does for all methods.
    pub fn set(&self) -> Result<(), Error> {
        self.handle.call(methods::SET, Argument::new()).map(drop)
    }

    /// Takes it back: who waits later waits.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn clear(&self) -> Result<(), Error> {
        self.handle.call(methods::CLEAR, Argument::new()).map(drop)
    }

    /// Whether it is set.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn is_set(&self) -> Result<bool, Error> {
        self.handle.call(methods::IS_SET, Argument::new())?.decode()
    }

    /// Waits until it is set.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn wait(&self) -> Result<(), Error> {
        self.wait_deadline(Deadline::NEVER).map(drop)
    }

    /// Waits until it is set, for so long at most; whether it is.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool, Error> {
        self.wait_deadline(Deadline::after(timeout))
    }

    /// Waits until it is set, until the deadline; whether it is.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn wait_deadline(&self, deadline: Deadline) -> Result<bool, Error> {
        match self.handle.call(methods::WAIT, Argument::new().patience(deadline)) {
            Ok(_) => Ok(true),
            Err(error) if error.is_timed_out() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
