//! `StartError`, `JoinError` and `CloseError`: why a process did not start, why its result is not
//! there, and that it has not ended.

use std::fmt;
use std::io;

use ipc_core::wire::{DecodeError, EncodeError};

use crate::call::Refusal;
use crate::exit::{ExitStatus, SignalName};
use crate::memory::MemoryHint;
use crate::panics::PanicInfo;
use crate::process::Process;

/// Why a process could not be started.
///
/// Whatever the reason, the function was not called, and no process of the attempt is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Nothing would take over in the child before `main`, which would run a second time.
    ///
    /// Call [`init`](crate::init) first thing in `main`. In a program with the rights of another user,
    /// or with rights of its own, that does not help: it takes no orders, not even from itself.
    #[error("nothing takes over in a child before main runs again; call init() first in main")]
    NoEntrance,
    /// The function is not part of the program but of a library loaded into it.
    #[error("the function is not part of the program but of a library")]
    NotInProgram,
    /// The process has several threads, so a copy of it made by fork could not run safely.
    #[error("the process has {count} threads, so it cannot be forked safely")]
    Threads {
        /// How many.
        count: usize,
    },
    /// The calling thread has a guard or a loan that lends it a value in shared memory, so that a copy
    /// of the process would use the value as well.
    ///
    /// Drop the guard first. Locks that protect no value of theirs do not matter: the copy does not
    /// hold them.
    #[error(
        "the calling thread holds a guard or loan of a value in shared memory, which a forked child \
         would have too: drop it first"
    )]
    Lends,
    /// The argument could not be encoded.
    #[error("the argument cannot be sent: {0}")]
    Argument(#[source] EncodeError),
    /// The child started and did not take the call.
    #[error("the child refused the call: {0}")]
    Refused(#[source] Refusal),
    /// The child ended before it took the call.
    #[error("the child ended before it took the call: {status}")]
    Died {
        /// Its number while it lived.
        pid: u32,
        /// How it ended.
        status: ExitStatus,
    },
    /// The child has a [limit of its memory](crate::Builder::memory_limit), and did not get as far as to take
    /// the call; says how that looked.
    ///
    /// The limit is likely too small for what every process needs before it does anything.
    #[error("the child could not start under its limit of memory, which may be too small: {0}")]
    MemoryLimit(#[source] Box<Self>),
    /// What was asked of the builder can never be; says what.
    #[error("the process cannot be set up: {0}")]
    Setup(&'static str),
    /// The child did not take the call within [the time](crate::Builder::start_timeout) it had.
    #[error("the child did not take the call in time")]
    TimedOut,
    /// The fork server ended before it was ready, or twice while it was to start this process, or was
    /// ended as it did nothing.
    ///
    /// It is not a matter of what was to be called: the server knows nothing of that.
    #[error("the fork server ended before it started the child: {status}")]
    ServerDied {
        /// How it ended, the last time.
        status: ExitStatus,
    },
    /// The system refused.
    #[error("the system refused to {action}: {error}")]
    System {
        /// What was to be done.
        action: &'static str,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

impl StartError {
    /// For `map_err`: the system refused to do this.
    pub(crate) fn system<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::System { action, error: error.into() }
    }

    /// The same of a child with a limit of its memory, if this is how the want of memory looks: who gets none for
    /// a thread, for what it reads, or for an argument says that it cannot do that, or aborts.
    pub(crate) fn under_memory_limit(self) -> Self {
        let looks_so = match &self {
            Self::Refused(refusal) => {
                matches!(refusal, Refusal::Malformed(_) | Refusal::Argument(_))
            }
            Self::Died { status, .. } => {
                matches!(status.signal(), Some(libc::SIGABRT | libc::SIGSEGV | libc::SIGBUS))
            }
            _ => false,
        };
        if looks_so { Self::MemoryLimit(Box::new(self)) } else { self }
    }
}

/// Why there is no return value of a process.
///
/// In every case but [`Io`](Self::Io), [`NotOurs`](Self::NotOurs) and [`Taken`](Self::Taken) the
/// process has ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The function panicked.
    #[error("the process {0}")]
    Panicked(PanicInfo),
    /// The process ended by itself without a return value, as by `std::process::exit`.
    #[error("the process ended with exit code {0} before its function returned")]
    Exited(i32),
    /// A signal ended the process before it handed over a return value.
    #[error("the process was killed by {} before its function returned", SignalName(*.signal))]
    Signaled {
        /// The number of the signal.
        signal: i32,
        /// Whether the kernel wrote a memory image.
        core_dumped: bool,
    },
    /// A signal ended the process before it handed over a return value, and it looks as if it had run
    /// out of memory.
    #[error(
        "the process seems to have run out of memory: {hint}, and it was killed by {} before its \
         function returned",
        SignalName(*.signal)
    )]
    OutOfMemory {
        /// The number of the signal.
        signal: i32,
        /// What speaks for that.
        hint: MemoryHint,
    },
    /// The process ended without a return value, and somebody else took its status.
    ///
    /// See [`ExitStatus::Unknown`].
    #[error("the process ended, and somebody else took its status")]
    StatusUnknown,
    /// The function's return value could not be encoded; says why.
    #[error("the return value could not be sent: {0}")]
    Unsendable(String),
    /// The return value came and could not be decoded.
    #[error("the return value cannot be decoded: {0}")]
    Decode(#[source] DecodeError),
    /// The return value came and could not be received, as without a free descriptor for a file in
    /// it; says why.
    #[error("the return value was lost on its way: {0}")]
    Lost(String),
    /// The return value was taken by an earlier call.
    #[error("the return value was taken already")]
    Taken,
    /// The process is a child of another process: of the one that this one was forked from.
    #[error("the process is not a child of this one")]
    NotOurs,
    /// The system refused.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
}

/// A handle cannot be [closed](Process::close): its process has not ended. It is in here.
#[derive(thiserror::Error)]
#[error("the process has not ended")]
pub struct CloseError<R>(Box<Process<R>>);

impl<R> CloseError<R> {
    pub(crate) fn new(process: Process<R>) -> Self {
        Self(Box::new(process))
    }

    /// The handle.
    #[must_use]
    pub fn into_process(self) -> Process<R> {
        *self.0
    }
}

impl<R> fmt::Debug for CloseError<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("CloseError").field(&self.0).finish()
    }
}

impl From<ExitStatus> for JoinError {
    /// The error for a process that ended so and left no return value.
    fn from(status: ExitStatus) -> Self {
        match status {
            ExitStatus::Exited(code) => Self::Exited(code),
            ExitStatus::Signaled { signal, core_dumped } => Self::Signaled { signal, core_dumped },
            ExitStatus::Unknown => Self::StatusUnknown,
        }
    }
}
