//! A message on its way out.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ipc_core::{Deadline, wire};
use serde::Serialize;
use tokio::task::{JoinHandle, spawn_blocking};

use super::LazyWatch;
use crate::error::SendError;
use crate::line::Line;
use crate::sys::ready::Ready;

/// A message as it goes over a line: bytes and handles.
#[derive(Debug, Default)]
pub(super) struct Packed {
    pub(super) bytes: Vec<u8>,
    pub(super) handles: Vec<OwnedFd>,
}

impl Packed {
    pub(super) fn new(value: &impl Serialize) -> Result<Self, SendError> {
        let mut bytes = Vec::new();
        let handles = wire::encode_into(value, &mut bytes)?;
        Ok(Self { bytes, handles })
    }

    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), handles: Vec::new() }
    }

    /// Sends it, waiting for room until the deadline.
    fn send(&self, line: &Line, deadline: Deadline) -> Result<(), SendError> {
        let handles: Vec<BorrowedFd<'_>> = self.handles.iter().map(OwnedFd::as_fd).collect();
        line.send(&self.bytes, &handles, deadline)
    }
}

/// How far a message has come.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// It has not been sent.
    Packed(Packed),
    /// It is being sent over TCP, where a message that was begun has to be ended, by a thread that may
    /// wait.
    Underway(JoinHandle<Result<(), SendError>>),
    /// It was sent, or was not.
    Over,
}

impl Outgoing {
    /// Sends it, as far as there is room; if there is none, the task is woken when there is.
    pub(super) fn poll(
        &mut self,
        line: &Arc<Line>,
        watch: &mut LazyWatch,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        loop {
            match std::mem::replace(self, Self::Over) {
                Self::Over => return Poll::Ready(Ok(())),
                Self::Packed(packed) if !line.can_travel() => {
                    let line = Arc::clone(line);
                    let sending = spawn_blocking(move || packed.send(&line, Deadline::NEVER));
                    *self = Self::Underway(sending);
                }
                Self::Packed(packed) => match packed.send(line, Deadline::now()) {
                    Err(SendError::TimedOut) => {
                        *self = Self::Packed(packed);
                        ready!(watch.poll(line.as_fd(), Ready::Write, context))?;
                    }
                    sent => return Poll::Ready(sent),
                },
                Self::Underway(mut sending) => match Pin::new(&mut sending).poll(context) {
                    Poll::Ready(sent) => {
                        return Poll::Ready(
                            sent.unwrap_or_else(|gone| Err(io::Error::other(gone).into())),
                        );
                    }
                    Poll::Pending => {
                        *self = Self::Underway(sending);
                        return Poll::Pending;
                    }
                },
            }
        }
    }
}
