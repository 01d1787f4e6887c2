//! Sending through shared memory.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use ipc_core::{Deadline, wire};
use serde::Serialize;

use super::half::{Half, Other};
use super::ring::{self, Partner as _, Refused, Way, Writer};
use super::{ShmConnection, Thread};
use crate::error::SendError;
use crate::line::Line;
use crate::scratch::with_scratch;

impl<S: Serialize, R> ShmConnection<S, R> {
    /// Sends a value, waiting for room.
    ///
    /// # Errors
    ///
    /// [`SendError`] says why the value was not sent.
    pub fn send(&mut self, value: &S) -> Result<(), SendError> {
        self.send_deadline(value, Deadline::NEVER)
    }

    /// Sends a value if there is room now.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::Full`] if there is none.
    pub fn try_send(&mut self, value: &S) -> Result<(), SendError> {
        self.send_deadline(value, Deadline::now()).map_err(SendError::at_once)
    }

    /// Sends a value, waiting for room for so long at most.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::TimedOut`] if there was none in time.
    pub fn send_timeout(&mut self, value: &S, timeout: Duration) -> Result<(), SendError> {
        self.send_deadline(value, Deadline::after(timeout))
    }

    /// Sends a value, waiting for room until the deadline.
    ///
    /// # Errors
    ///
    /// As [`send_timeout`](Self::send_timeout).
    pub fn send_deadline(&mut self, value: &S, deadline: Deadline) -> Result<(), SendError> {
        with_scratch(|scratch| {
            scratch.clear();
            let handles = wire::encode_into(value, scratch)?;
            self.send_parts(scratch, &handles, deadline)
        })
    }

    /// Sends bytes as they are, waiting for room.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.send_bytes_deadline(bytes, Deadline::NEVER)
    }

    /// Sends bytes as they are, waiting for room until the deadline.
    ///
    /// # Errors
    ///
    /// As [`send_timeout`](Self::send_timeout).
    pub fn send_bytes_deadline(
        &mut self,
        bytes: &[u8],
        deadline: Deadline,
    ) -> Result<(), SendError> {
        self.send_parts(bytes, &[], deadline)
    }

    /// Whether there is room for a short message now, or nobody is at the other end any more.
    ///
    /// # Errors
    ///
    /// [`SendError::OtherProcess`], [`SendError::Corrupt`] and [`SendError::Io`].
    pub fn writable(&mut self) -> Result<bool, SendError> {
        let (way, writer, mut other) = self.sending()?.0.parts();
        match writer.await_room(&way, &mut other, 0, Deadline::now()) {
            Ok(()) | Err(Refused::Gone) => Ok(true),
            Err(Refused::TimedOut) => Ok(false),
            Err(Refused::Corrupt) => Err(SendError::Corrupt),
        }
    }

    pub(crate) fn send_parts(
        &mut self,
        bytes: &[u8],
        handles: &[OwnedFd],
        deadline: Deadline,
    ) -> Result<(), SendError> {
        let (half, line) = self.sending()?;
        let (way, writer, mut other) = half.parts();
        if other.theirs.has_left() {
            return Err(SendError::Disconnected);
        }
        let len = len_here(&way, bytes, handles);
        writer.await_room(&way, &mut other, len.unwrap_or(0), deadline)?;
        if len.is_some() {
            writer.put(&way, &other, bytes);
        } else {
            let handles: Vec<_> = handles.iter().map(|handle| handle.as_fd()).collect();
            send_by(line, bytes, &handles, &mut other, deadline)?;
            writer.put_elsewhere(&way, &other);
        }
        Ok(())
    }

    /// The half that sends, which this process has, and the line for what the ring does not take.
    #[inline]
    pub(crate) fn sending(&mut self) -> Result<(&mut Half<Writer>, &Line), SendError> {
        let generation = Thread::current().generation();
        if !self.sends.as_ref().is_some_and(|half| half.is_of(generation)) {
            self.claim(generation)?;
        }
        let half = self.sends.as_mut().filter(|half| half.is_of(generation));
        Ok((half.ok_or(SendError::OtherProcess)?, &self.line))
    }
}

/// Sends a message over the line, waiting for room in it until the deadline, or until the other side, which
/// makes room, is gone: others may have its socket.
fn send_by(
    line: &Line,
    bytes: &[u8],
    handles: &[BorrowedFd<'_>],
    other: &mut Other<'_>,
    deadline: Deadline,
) -> Result<(), SendError> {
    loop {
        match line.send(bytes, handles, Deadline::now()) {
            Err(SendError::TimedOut) => {}
            sent => return sent,
        }
        if other.is_gone() {
            return Err(SendError::Disconnected);
        }
        if !other.door.sleep(other.theirs, Some(line.as_fd()), deadline) {
            return Err(SendError::TimedOut);
        }
    }
}

/// How many bytes a message has in the ring; nothing if it does not go there.
pub(super) fn len_here(way: &impl Way, bytes: &[u8], handles: &[OwnedFd]) -> Option<usize> {
    let goes_here = handles.is_empty() && bytes.len() <= ring::longest(way.n_units());
    goes_here.then_some(bytes.len())
}

impl From<Refused> for SendError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TimedOut => Self::TimedOut,
            Refused::Gone => Self::Disconnected,
            Refused::Corrupt => Self::Corrupt,
        }
    }
}
