//! Many messages in one call.

use std::fmt;
use std::time::Duration;

use ipc_core::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bytes::ByteQueue;
use crate::error::{GetError, PutError};
use crate::queue::Queue;
use crate::side::{MayGet, MayPut};

/// Why not all of several messages were put; the one that was refused comes back.
#[non_exhaustive]
pub struct PutAllError<T> {
    /// How many were put before it.
    pub n_put: usize,
    /// Why this one was not, with the message.
    pub error: PutError<T>,
}

/// Why the getting of several messages ended, with those that were got before.
#[non_exhaustive]
pub struct GetManyError<T> {
    /// What was got, and is the caller's.
    pub got: Vec<T>,
    /// Why there was no more.
    pub error: GetError,
}

impl<T: Serialize, S: MayPut> Queue<T, S> {
    /// Puts one value after the other, waiting for room as long as it takes; returns how many.
    ///
    /// Each is there for any getter as soon as it is put; others may put in between.
    ///
    /// # Errors
    ///
    /// The first error of a [`put`](Self::put), with its value. What the iterator had left is still
    /// in it: pass `iterator.by_ref()` to go on from there.
    pub fn put_all(&self, values: impl IntoIterator<Item = T>) -> Result<usize, PutAllError<T>> {
        put_all(values, |value| self.put(value))
    }
}

impl<S: MayPut> ByteQueue<S> {
    /// Puts one message after the other, waiting for room as long as it takes; returns how many.
    ///
    /// # Errors
    ///
    /// As [`Queue::put_all`].
    pub fn put_all<B: AsRef<[u8]>>(
        &self,
        messages: impl IntoIterator<Item = B>,
    ) -> Result<usize, PutAllError<B>> {
        put_all(messages, |message| match self.put(message.as_ref()) {
            Ok(()) => Ok(()),
            Err(error) => {
                let error = error.map(|_| ());
                Err(error.map(|()| message))
            }
        })
    }
}

impl<T: DeserializeOwned, S: MayGet> Queue<T, S> {
    /// Gets what is there, `most` values at most, waiting for the first as long as it takes.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get). An error other than that the queue is empty, closed or disconnected
    /// can also come after the first value; all those that were got come with it.
    pub fn get_many(&self, most: usize) -> Result<Vec<T>, GetManyError<T>> {
        get_many(most, || self.get(), || self.try_get())
    }

    /// The same, waiting for the first value at most so long.
    ///
    /// # Errors
    ///
    /// [`GetError::TimedOut`] if there was none, and as [`get_many`](Self::get_many).
    pub fn get_many_timeout(
        &self,
        most: usize,
        timeout: Duration,
    ) -> Result<Vec<T>, GetManyError<T>> {
        let deadline = Deadline::after(timeout);
        get_many(most, || self.get_deadline(deadline), || self.try_get())
    }

    /// The same, without waiting.
    ///
    /// # Errors
    ///
    /// [`GetError::Empty`] if there is none, and as [`get_many`](Self::get_many).
    pub fn try_get_many(&self, most: usize) -> Result<Vec<T>, GetManyError<T>> {
        get_many(most, || self.try_get(), || self.try_get())
    }
}

impl<S: MayGet> ByteQueue<S> {
    /// Gets what is there, `most` messages at most, waiting for the first as long as it takes.
    ///
    /// # Errors
    ///
    /// As [`Queue::get_many`].
    pub fn get_many(&self, most: usize) -> Result<Vec<Vec<u8>>, GetManyError<Vec<u8>>> {
        get_many(most, || self.get(), || self.try_get())
    }

    /// The same, waiting for the first message at most so long.
    ///
    /// # Errors
    ///
    /// As [`Queue::get_many_timeout`].
    pub fn get_many_timeout(
        &self,
        most: usize,
        timeout: Duration,
    ) -> Result<Vec<Vec<u8>>, GetManyError<Vec<u8>>> {
        let deadline = Deadline::after(timeout);
        get_many(most, || self.get_deadline(deadline), || self.try_get())
    }

    /// The same, without waiting.
    ///
    /// # Errors
    ///
    /// As [`Queue::try_get_many`].
    pub fn try_get_many(&self, most: usize) -> Result<Vec<Vec<u8>>, GetManyError<Vec<u8>>> {
        get_many(most, || self.try_get(), || self.try_get())
    }
}

fn put_all<T>(
    values: impl IntoIterator<Item = T>,
    put: impl Fn(T) -> Result<(), PutError<T>>,
) -> Result<usize, PutAllError<T>> {
    let mut n_put = 0;
    for value in values {
        put(value).map_err(|error| PutAllError { n_put, error })?;
        n_put += 1;
    }
    Ok(n_put)
}

fn get_many<T>(
    most: usize,
    first: impl Fn() -> Result<T, GetError>,
    next: impl Fn() -> Result<T, GetError>,
) -> Result<Vec<T>, GetManyError<T>> {
    let mut got = Vec::new();
    while got.len() < most {
        match if got.is_empty() { first() } else { next() } {
            Ok(value) => got.push(value),
            Err(GetError::Empty | GetError::Closed | GetError::Disconnected) if !got.is_empty() => {
                break;
            }
            Err(error) => return Err(GetManyError { got, error }),
        }
    }
    Ok(got)
}

impl<T> fmt::Display for PutAllError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} messages were put, and then: {}", self.n_put, self.error)
    }
}

impl<T> fmt::Debug for PutAllError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PutAllError({self})")
    }
}

impl<T> std::error::Error for PutAllError<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl<T> fmt::Display for GetManyError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.got.len() {
            0 => write!(formatter, "{}", self.error),
            n_got => write!(formatter, "{n_got} messages were got, and then: {}", self.error),
        }
    }
}

impl<T> fmt::Debug for GetManyError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "GetManyError({self})")
    }
}

impl<T> std::error::Error for GetManyError<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
