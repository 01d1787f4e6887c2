//! What a process hands over when it has ended, and how it is waited for.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::wire::Message;
use serde::de::DeserializeOwned;

use super::Process;
use crate::call::{self, Outcome};
use crate::error::JoinError;
use crate::start::{self, NoAnswer};

/// How far the result has come.
#[derive(Debug)]
pub(super) enum Progress {
    /// It is to be heard.
    Open,
    /// It is here.
    Come(Message),
    /// The channel was closed without one.
    None,
    /// It came, and could not be received; says why.
    Lost(String),
    /// Somebody has it.
    Taken,
}

impl<R: DeserializeOwned> Process<R> {
    /// Waits until the process has ended, and returns what its function did.
    ///
    /// The value is there for whoever asks first; after that it is [`JoinError::Taken`].
    ///
    /// # Errors
    ///
    /// [`JoinError`] says what became of a process whose function did not return.
    pub fn join(&self) -> Result<R, JoinError> {
        match self.join_deadline(Deadline::NEVER) {
            Ok(Some(value)) => Ok(value),
            // The deadline that never comes has passed.
            Ok(None) => Err(JoinError::StatusUnknown),
            Err(error) => Err(error),
        }
    }

    /// Waits until the process has ended, at most this long; `None` if it has not.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn join_timeout(&self, timeout: Duration) -> Result<Option<R>, JoinError> {
        self.join_deadline(Deadline::after(timeout))
    }

    /// What the function of the process returned if the process has ended; `None` if it has not.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn try_join(&self) -> Result<Option<R>, JoinError> {
        self.join_deadline(Deadline::now())
    }

    /// Waits until the process has ended, at most until the deadline; `None` if it has not.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn join_deadline(&self, deadline: Deadline) -> Result<Option<R>, JoinError> {
        if !self.child.is_ours() {
            return Err(JoinError::NotOurs);
        }
        // An answer fits the socket, so the child never waits for us to take it.
        let Some(status) = self.child.wait(deadline)? else {
            return Ok(None);
        };
        self.listen();
        let mut answer = self.lock();
        match std::mem::replace(&mut *answer, Progress::Taken) {
            Progress::Come(message) => match call::outcome(message) {
                Ok(Outcome::Returned(value)) => Ok(Some(value)),
                Ok(Outcome::Panicked(panic)) => Err(JoinError::Panicked(panic)),
                Ok(Outcome::Unsendable(reason)) => Err(JoinError::Unsendable(reason)),
                Err(error) => Err(JoinError::Decode(error)),
            },
            Progress::Taken => Err(JoinError::Taken),
            // Whoever asks again shall hear the same.
            Progress::Lost(reason) => {
                *answer = Progress::Lost(reason.clone());
                Err(JoinError::Lost(reason))
            }
            without @ (Progress::Open | Progress::None) => {
                *answer = without;
                Err(match (status.signal(), self.child.memory_hint(status)) {
                    (Some(signal), Some(hint)) => JoinError::OutOfMemory { signal, hint },
                    _ => status.into(),
                })
            }
        }
    }
}

impl<R> Process<R> {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        // Each change is one assignment.
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the answer from the channel, if it is there.
    fn listen(&self) {
        let mut answer = self.lock();
        if let Progress::Open = *answer {
            match start::hear_answer(&self.channel) {
                Ok(Some(message)) => *answer = Progress::Come(message),
                Ok(None) => {}
                Err(NoAnswer::None) => *answer = Progress::None,
                Err(NoAnswer::Lost(reason)) => *answer = Progress::Lost(reason),
            }
        }
    }
}
