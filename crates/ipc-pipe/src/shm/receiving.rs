//! Receiving through shared memory.

use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::wire::Limits;
use serde::de::DeserializeOwned;

use super::half::Half;
use super::ring::{Reader, Record, Refused};
use super::{ShmConnection, Thread};
use crate::error::RecvError;
use crate::items::items;
use crate::line::{Arrived, Body, Line};
use crate::scratch::with_scratch;

impl<S, R: DeserializeOwned> ShmConnection<S, R> {
    /// Receives a value, waiting for it.
    ///
    /// # Errors
    ///
    /// [`RecvError::Disconnected`] at the end; the other variants say what is wrong.
    pub fn recv(&mut self) -> Result<R, RecvError> {
        self.recv_deadline(Deadline::NEVER)
    }

    /// Receives a value if there is one now.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::Empty`] if there is none.
    pub fn try_recv(&mut self) -> Result<R, RecvError> {
        self.recv_deadline(Deadline::now()).map_err(RecvError::at_once)
    }

    /// Receives a value, waiting for it for so long at most.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::TimedOut`] if none came in time.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<R, RecvError> {
        self.recv_deadline(Deadline::after(timeout))
    }

    /// Receives a value, waiting for it until the deadline.
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn recv_deadline(&mut self, deadline: Deadline) -> Result<R, RecvError> {
        self.recv_with(deadline, |arrived| arrived.decode())
    }

    /// Receives bytes as they were sent, of which there may be so many at most, waiting for them.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::TooLong`] if there are more, which are lost.
    pub fn recv_bytes(&mut self, max: usize) -> Result<Vec<u8>, RecvError> {
        self.recv_bytes_deadline(max, Deadline::NEVER)
    }

    /// Receives bytes as they were sent, waiting for them until the deadline.
    ///
    /// # Errors
    ///
    /// As [`recv_bytes`](Self::recv_bytes); [`RecvError::TimedOut`] if none came in time.
    pub fn recv_bytes_deadline(
        &mut self,
        max: usize,
        deadline: Deadline,
    ) -> Result<Vec<u8>, RecvError> {
        self.recv_with(deadline, |arrived| arrived.into_bytes(max))
    }

    /// Receives bytes as they were sent into a buffer, waiting for them; returns how many they are.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv); [`RecvError::TooShort`] with the message if it does not fit.
    pub fn recv_bytes_into(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        self.recv_bytes_into_deadline(buffer, Deadline::NEVER)
    }

    /// Receives bytes as they were sent into a buffer, waiting for them until the deadline.
    ///
    /// # Errors
    ///
    /// As [`recv_bytes_into`](Self::recv_bytes_into); [`RecvError::TimedOut`] if none came in time.
    pub fn recv_bytes_into_deadline(
        &mut self,
        buffer: &mut [u8],
        deadline: Deadline,
    ) -> Result<usize, RecvError> {
        let limits = self.limits;
        let (half, line) = self.receiving()?;
        let record = await_record(half, deadline)?;
        if let Record::Here(len) = record
            && let Some(room) = buffer.get_mut(..len).filter(|_| len <= limits.max_bytes)
        {
            let (way, reader, other) = half.parts();
            reader.read_into(&way, room);
            reader.advance(&way, &other, record);
            return Ok(len);
        }
        let copy = |arrived: Arrived<'_>| arrived.without_handles()?.copy_into(buffer);
        take(half, line, &limits, record, copy)
    }

    /// The values as they come; it ends when nobody is at the other end any more.
    pub fn iter(&mut self) -> impl Iterator<Item = Result<R, RecvError>> {
        items(|| self.recv())
    }

    /// Waits until there is something to receive, or nobody is at the other end any more; `false` if
    /// the time is up first.
    ///
    /// # Errors
    ///
    /// [`RecvError::OtherProcess`], [`RecvError::Corrupt`] and [`RecvError::Io`].
    pub fn poll(&mut self, timeout: Duration) -> Result<bool, RecvError> {
        match await_record(self.receiving()?.0, Deadline::after(timeout)) {
            Ok(_) | Err(RecvError::Disconnected) => Ok(true),
            Err(RecvError::TimedOut) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether there is something to receive now, or nobody is at the other end any more.
    ///
    /// # Errors
    ///
    /// As [`poll`](Self::poll).
    pub fn readable(&mut self) -> Result<bool, RecvError> {
        self.poll(Duration::ZERO)
    }

    pub(crate) fn recv_with<T>(
        &mut self,
        deadline: Deadline,
        taken: impl FnOnce(Arrived<'_>) -> Result<T, RecvError>,
    ) -> Result<T, RecvError> {
        let limits = self.limits;
        let (half, line) = self.receiving()?;
        let record = await_record(half, deadline)?;
        take(half, line, &limits, record, taken)
    }

    /// The half that receives, which this process has, and the line for what the ring does not take.
    #[inline]
    pub(crate) fn receiving(&mut self) -> Result<(&mut Half<Reader>, &Line), RecvError> {
        let generation = Thread::current().generation();
        if !self.receives.as_ref().is_some_and(|half| half.is_of(generation)) {
            self.claim(generation)?;
        }
        let half = self.receives.as_mut().filter(|half| half.is_of(generation));
        Ok((half.ok_or(RecvError::OtherProcess)?, &self.line))
    }
}

fn await_record(half: &mut Half<Reader>, deadline: Deadline) -> Result<Record, RecvError> {
    let (way, reader, mut other) = half.parts();
    Ok(reader.await_record(&way, &mut other, deadline)?)
}

/// Takes the next record, which is that, and passes on what it is.
fn take<T>(
    half: &mut Half<Reader>,
    line: &Line,
    limits: &Limits,
    record: Record,
    taken: impl FnOnce(Arrived<'_>) -> Result<T, RecvError>,
) -> Result<T, RecvError> {
    let (way, reader, other) = half.parts();
    let Record::Here(len) = record else {
        let received = line.recv(limits, Deadline::now(), taken);
        reader.advance(&way, &other, record);
        return match received {
            // It was sent before the record was.
            Err(RecvError::TimedOut | RecvError::Disconnected) => Err(RecvError::Corrupt),
            received => received,
        };
    };
    with_scratch(|scratch| {
        scratch.clear();
        reader.read(&way, record, scratch);
        reader.advance(&way, &other, record);
        if len > limits.max_bytes {
            return Err(RecvError::TooLong { len: len as u64, limit: limits.max_bytes });
        }
        taken(Arrived { body: Body::Here(scratch), handles: Vec::new() })
    })
}

impl From<Refused> for RecvError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TimedOut => Self::TimedOut,
            Refused::Gone => Self::Disconnected,
            Refused::Corrupt => Self::Corrupt,
        }
    }
}
