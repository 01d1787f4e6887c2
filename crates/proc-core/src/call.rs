//! One call in the child: from the encoded argument to the encoded result.

use std::os::fd::OwnedFd;

use ipc_core::wire::{self, DecodeError, Draft, EncodeError, Message, Sink};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::panics::PanicInfo;

/// Why a child did not take the call that it was started for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It runs another build of the program.
    #[error("the child runs another program")]
    OtherProgram,
    /// Where the function should be there is none.
    #[error("there is no such function in the child")]
    NoSuchFunction,
    /// The function that is there has another type.
    #[error("the function has another type in the child")]
    OtherType,
    /// The argument could not be decoded; says why.
    #[error("the child cannot decode the argument: {0}")]
    Argument(String),
    /// It could not become what the [`Builder`](crate::Builder) asked for; says what it could not do,
    /// and what the system said.
    #[error("the child cannot {0}: {1}")]
    Setup(String, String),
    /// The function that [prepares the fork server](crate::preload_fork_server) panicked, or left
    /// threads behind; says which.
    #[error("the fork server cannot be prepared: {0}")]
    Preload(String),
    /// The order itself could not be read; says why.
    #[error("the child cannot read what it was started for: {0}")]
    Malformed(String),
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome<R> {
    /// The function returned this.
    Returned(R),
    /// It panicked.
    Panicked(PanicInfo),
    /// It returned something that could not be encoded; says why.
    Unsendable(String),
}

/// An encoded outcome, and the code that the process ends with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) message: Message,
    pub(crate) exit_code: i32,
}

/// As a Rust program ends that panicked.
const EXIT_PANICKED: i32 = 101;

/// An encoded argument, and room for the answer.
pub(crate) struct Input<'b> {
    pub(crate) bytes: &'b [u8],
    pub(crate) handles: Vec<OwnedFd>,
    pub(crate) room: Room<'b>,
}

/// Room for an answer.
#[derive(Default)]
pub(crate) struct Room<'b> {
    /// An empty vector, whose memory the answer is to have.
    pub(crate) bytes: Vec<u8>,
    /// Where a large one goes instead, if it has no handles.
    pub(crate) sink: Option<&'b mut dyn Sink>,
}

/// Decodes the argument, says that it is accepted, calls the function, and encodes the result.
pub(crate) fn run<A, R>(
    function: impl FnOnce(A) -> R,
    input: Input<'_>,
    accept: &mut dyn FnMut(),
) -> Result<Answer, Refusal>
where
    A: DeserializeOwned,
    R: Serialize,
{
    let Input { bytes, handles, room } = input;
    let decoded = PanicInfo::catch(|| wire::decode_parts::<A>(bytes, handles));
    let argument = decoded
        .map_err(|panic| Refusal::Argument(panic.to_string()))?
        .map_err(|error| Refusal::Argument(error.to_string()))?;
    accept();
    Ok(run_into(room, || function(argument)))
}

/// Calls a function that needs no argument, and encodes the result.
pub(crate) fn run_inherited<R: Serialize>(function: impl FnOnce() -> R) -> Answer {
    run_into(Room::default(), function)
}

fn run_into<R: Serialize>(room: Room<'_>, function: impl FnOnce() -> R) -> Answer {
    let encoded = PanicInfo::catch(|| {
        let returned = Outcome::Returned(function());
        let Room { mut bytes, sink } = room;
        let sink = sink.map(|sink| -> &mut dyn Sink { sink });
        let mut draft = Draft::new(&mut bytes, sink);
        let handles = wire::encode_into(&returned, &mut draft)?;
        if !handles.is_empty() {
            draft.take_back();
        }
        // If the sink has it, no bytes are left here.
        let _is_sunk = draft.finish();
        Ok::<_, EncodeError>(Message { bytes, handles })
    });
    match encoded {
        Ok(Ok(message)) => Answer { message, exit_code: 0 },
        Ok(Err(error)) => Answer::failed(&Outcome::Unsendable(error.to_string())),
        Err(panic) => Answer::panicked(panic),
    }
}

impl Answer {
    /// The answer of a call that panicked.
    pub(crate) fn panicked(panic: PanicInfo) -> Self {
        Self::failed(&Outcome::Panicked(panic))
    }

    fn failed(outcome: &Outcome<()>) -> Self {
        // Text always encodes. If it did not, an empty answer would be an error that is told too.
        let message = wire::encode(outcome).unwrap_or_default();
        Self { message, exit_code: EXIT_PANICKED }
    }
}

/// Decodes the answer of a call.
pub(crate) fn outcome<R: DeserializeOwned>(message: Message) -> Result<Outcome<R>, DecodeError> {
    wire::decode(message)
}

/// Encodes an argument.
pub(crate) fn argument<A: Serialize>(argument: &A) -> Result<Message, EncodeError> {
    wire::encode(argument)
}
