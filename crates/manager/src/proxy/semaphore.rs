//! `Semaphore` and `BoundedSemaphore`, and their permits.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::Deadline;

use super::proxy;
use crate::client::{Argument, Handle};
use crate::error::Error;
use crate::protocol::bytes::Reader;
use crate::protocol::methods::semaphore as methods;

proxy! {
    /// So many permits, in a manager.
    ///
    /// A [`Permit`] comes back when it is dropped. Permits can also be [taken](Self::take) for good, and
    /// [released](Self::release) by anybody, also more than there were at first.
    ///
    /// # Process death
    ///
    /// The permits of a process that dies come back. What it has taken is gone with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::Manager;
    ///
    /// let manager = Manager::start()?;
    /// let seats = manager.semaphore(2)?;
    /// let seat = seats.acquire()?;
    /// assert_eq!(seats.value()?, 1);
    /// drop(seat);
    /// seats.release()?;
    /// assert_eq!(seats.value()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Semaphore, "semaphore"
}

proxy! {
    /// So many permits, in a manager, and never more.
    ///
    /// # Process death
    ///
    /// As with a [`Semaphore`].
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::{Error, Manager};
    ///
    /// let manager = Manager::start()?;
    /// let seats = manager.bounded_semaphore(2)?;
    /// assert!(matches!(seats.release(), Err(Error::TooMany)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    BoundedSemaphore, "bounded semaphore"
}

/// A permit of a semaphore, which comes back when it is dropped.
#[derive(Debug)]
#[must_use = "a permit that is dropped comes back"]
pub struct Permit {
    handle: Arc<Handle>,
    number: u64,
    /// As with locks, it is the thread's.
    not_send: PhantomData<*const ()>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.handle.tell(methods::GIVE_BACK, &Argument::new().number(self.number));
    }
}

fn acquire(handle: &Arc<Handle>, deadline: Deadline) -> Result<Permit, Error> {
    let handle = handle.here()?;
    let got = handle.call(methods::HOLD, Argument::new().patience(deadline))?;
    let number = Reader::new(got.bytes()).number()?;
    Ok(Permit { handle, number, not_send: PhantomData })
}

macro_rules! permits {
    ($semaphore:ident) => {
        impl $semaphore {
            /// Takes a permit, waiting for one.
            ///
            /// # Errors
            ///
            /// [`Error`] says why there is no answer.
            pub fn acquire(&self) -> Result<Permit, Error> {
                acquire(&self.handle, Deadline::NEVER)
            }

            /// Takes a permit if there is one now.
            ///
            /// # Errors
            ///
            /// As [`acquire`](Self::acquire); [`Error::WouldBlock`] if there is none.
            pub fn try_acquire(&self) -> Result<Permit, Error> {
                acquire(&self.handle, Deadline::now())
            }

            /// Takes a permit, waiting for one for so long at most.
            ///
            /// # Errors
            ///
            /// As [`acquire`](Self::acquire); [`Error::TimedOut`] if there was none in time.
            pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit, Error> {
                acquire(&self.handle, Deadline::after(timeout))
            }

            /// Takes a permit, waiting for one until the deadline.
            ///
            /// # Errors
            ///
            /// As [`acquire_timeout`](Self::acquire_timeout).
            pub fn acquire_deadline(&self, deadline: Deadline) -> Result<Permit, Error> {
                acquire(&self.handle, deadline)
            }

            /// Takes a permit that does not come back by itself, waiting for one.
            ///
            /// # Errors
            ///
            /// As [`acquire`](Self::acquire).
            pub fn take(&self) -> Result<(), Error> {
                self.take_deadline(Deadline::NEVER)
            }

            /// Takes a permit that does not come back by itself, waiting for one until the deadline.
            ///
            /// # Errors
            ///
            /// As [`acquire_timeout`](Self::acquire_timeout).
            pub fn take_deadline(&self, deadline: Deadline) -> Result<(), Error> {
                self.handle.call(methods::TAKE, Argument::new().patience(deadline)).map(drop)
            }

            /// Adds a permit, or gives one back that was taken.
            ///
            /// # Errors
            ///
            /// [`Error::TooMany`] if there can be no more.
            pub fn release(&self) -> Result<(), Error> {
                self.release_n(1)
            }

            /// Adds so many permits, all or none.
            ///
            /// # Errors
            ///
            /// As [`release`](Self::release).
            pub fn release_n(&self, permits: u64) -> Result<(), Error> {
                self.handle.call(methods::ADD, Argument::new().number(permits)).map(drop)
            }

            /// How many permits there are now.
            ///
            /// # Errors
            ///
            /// [`Error`] says why there is no answer.
            #[doc(alias = "get_value")]
            pub fn value(&self) -> Result<u64, Error> {
                self.handle.call(methods::VALUE, Argument::new())?.decode()
            }
        }
    };
}
permits!(Semaphore);
permits!(BoundedSemaphore);
