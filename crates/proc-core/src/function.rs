//! `Function`: a function by name, for processes that were started already.

#![expect(unsafe_code, reason = "passes on the duty that a name be what it says")]

use std::fmt;
use std::os::fd::OwnedFd;

use ipc_core::wire::{DecodeError, Message, Sink};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::{self, Input, Outcome, Refusal, Room};
use crate::entry::{Entry, Resolved};

/// A function of this program, as it is named to another process that runs the same program.
///
/// A [`Process`](crate::Process) calls one function and ends. This is for those that call many: the
/// name is a value that can be sent, and the other process makes a [`Callable`] of it.
///
/// # Examples
///
/// ```
/// use proc_core::{Function, Outcome};
/// use ipc_core::wire;
///
/// fn double(x: u64) -> u64 {
///     x * 2
/// }
///
/// let name = Function::of(double).expect("a function of this program");
/// // SAFETY: the name was made by `of`, in this very process.
/// let callable = unsafe { name.find() }?;
/// let answer = callable.call(wire::encode(&21_u64)?)?;
/// assert!(matches!(Function::outcome(answer)?, Outcome::Returned(42_u64)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Function(Entry);

/// A [`Function`] that was found in this process, and is ready to be called any number of times.
#[derive(Clone, Copy)]
pub struct Callable(Resolved);

impl Function {
    /// Names a function; `None` if it is not one of the program but of a library.
    #[must_use]
    pub fn of<A, R>(function: fn(A) -> R) -> Option<Self>
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        Entry::of(function).map(Self)
    }

    /// Finds the function in this process.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says what is wrong if this process runs another program than the one that the
    /// name is from.
    ///
    /// # Safety
    ///
    /// The name must have been made by [`of`](Self::of), here or in another process, and must have
    /// come here as it was. Only a part of what can be wrong with a forged one is noticed.
    pub unsafe fn find(&self) -> Result<Callable, Refusal> {
        self.0.resolve().map(Callable)
    }

    /// Decodes what [`Callable::call`] returned in the other process.
    ///
    /// # Errors
    ///
    /// If the answer is not that of a function that returns an `R`.
    pub fn outcome<R: DeserializeOwned>(answer: Message) -> Result<Outcome<R>, DecodeError> {
        call::outcome(answer)
    }
}

impl Callable {
    /// Decodes the argument, calls the function with it, and encodes what came of it.
    ///
    /// A panic of the function is a part of what came of it.
    ///
    /// # Errors
    ///
    /// [`Refusal::Argument`] if the argument could not be decoded; then the function was not called.
    pub fn call(&self, argument: Message) -> Result<Message, Refusal> {
        self.call_into(&argument.bytes, argument.handles, Vec::new())
    }

    /// The same for an argument that is not in a [`Message`], and with memory that the caller uses
    /// again and again: the answer's bytes are put into `room`, an empty vector.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_into(
        &self,
        bytes: &[u8],
        handles: Vec<OwnedFd>,
        room: Vec<u8>,
    ) -> Result<Message, Refusal> {
        self.call_onto(bytes, handles, room, None)
    }

    /// The same with a place for an answer that has long runs of bytes, and no handles: it may be put there as it
    /// is encoded, and then the message has no bytes.
    ///
    /// An answer always has bytes. What the place has when the message has some is to be thrown away.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_onto(
        &self,
        bytes: &[u8],
        handles: Vec<OwnedFd>,
        room: Vec<u8>,
        sink: Option<&mut dyn Sink>,
    ) -> Result<Message, Refusal> {
        let room = Room { bytes: room, sink: sink.map(|sink| -> &mut dyn Sink { sink }) };
        self.0.call(Input { bytes, handles, room }, &mut || ()).map(|answer| answer.message)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Function").finish_non_exhaustive()
    }
}

impl fmt::Debug for Callable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Callable").finish_non_exhaustive()
    }
}
