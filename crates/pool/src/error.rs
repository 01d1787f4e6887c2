//! `PoolError`, `SubmitError`, `TaskError`, `MapError`.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::SegmentError;
use ipc_core::wire::{DecodeError, EncodeError};
use ipc_queue::QueueError;
use proc_core::{ExitStatus, MemoryHint, PanicInfo, Refusal, StartError};

/// Why a pool could not be made, or did not take a task.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// A pool has at least one worker, and at most [`Builder::MOST_WORKERS`](crate::Builder::MOST_WORKERS).
    #[error("a pool has between 1 and {most} workers")]
    BadWorkers {
        /// The greatest number.
        most: usize,
    },
    /// What was asked of the builder can never be; says what is wrong.
    #[error("the pool cannot be set up: {0}")]
    Setup(&'static str),
    /// A worker could not be started.
    #[error("a worker could not be started: {0}")]
    Start(#[from] StartError),
    /// The memory that the pool shares with its workers could not be had.
    #[error("no shared memory for the pool: {0}")]
    Memory(#[from] SegmentError),
    /// A queue between the pool and its workers could not be made.
    #[error("no queue for the pool: {0}")]
    Queue(#[from] QueueError),
    /// The system refused.
    #[error("the system refused to {action}: {error}")]
    System {
        /// What was to be done.
        action: &'static str,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The pool was closed, or terminated, and takes no more tasks.
    #[error("the pool is closed")]
    Closed,
    /// All workers have died, and no new one could be started time and again; says why.
    #[error("the pool has no workers any more: {0}")]
    NoWorkers(String),
    /// The pool belongs to the process that this one was forked from.
    #[error("the pool belongs to another process")]
    NotOurs,
    /// The function is not part of the program but of a library loaded into it.
    #[error("the function is not part of the program but of a library")]
    NotInProgram,
    /// A chunk has at least one item.
    #[error("a chunk has at least one item")]
    BadChunk,
    /// The argument could not be encoded.
    #[error("the argument cannot be sent: {0}")]
    Argument(#[source] EncodeError),
}

impl PoolError {
    /// Whether the pool takes no more tasks because it was closed or terminated.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// For `map_err`: the system refused to do this.
    pub(crate) fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System { action, error }
    }
}

/// Why a task was not taken; the argument comes back.
pub struct SubmitError<A> {
    argument: A,
    reason: PoolError,
}

impl<A> SubmitError<A> {
    pub(crate) const fn new(argument: A, reason: PoolError) -> Self {
        Self { argument, reason }
    }

    /// The argument of the task.
    pub fn into_inner(self) -> A {
        self.argument
    }

    /// The same about another argument, made of this one.
    pub(crate) fn map<B>(self, make: impl FnOnce(A) -> B) -> SubmitError<B> {
        SubmitError { argument: make(self.argument), reason: self.reason }
    }

    /// Why the task was not taken.
    #[must_use]
    pub const fn reason(&self) -> &PoolError {
        &self.reason
    }

    /// Whether the pool takes no more tasks because it was closed or terminated.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.reason.is_closed()
    }
}

impl<A> fmt::Debug for SubmitError<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SubmitError").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<A> fmt::Display for SubmitError<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(formatter)
    }
}

impl<A> std::error::Error for SubmitError<A> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.reason.source()
    }
}

impl<A> From<SubmitError<A>> for PoolError {
    /// Lets the argument go.
    fn from(error: SubmitError<A>) -> Self {
        error.reason
    }
}

/// Why there is no result of a task.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The function panicked.
    #[error("the task {0}")]
    Panicked(PanicInfo),
    /// The worker died while it ran the task, and the task was not to run (once more) again.
    #[error(
        "worker {pid} died while it ran the task{}{}: {status}{}",
        Name(.tag, .function), Attempt(*.n_deaths), Memory { hint: *.memory_hint, max: *.max_memory }
    )]
    WorkerDied {
        /// The number of the process, which may be another one's by now.
        pid: u32,
        /// How it ended.
        status: ExitStatus,
        /// How many workers have died of this task, this one included.
        n_deaths: u32,
        /// The most memory that it had at a time in its life, in bytes, if the system told.
        max_memory: Option<u64>,
        /// Why it looks as if it had run out of memory, if it does.
        memory_hint: Option<MemoryHint>,
        /// What the caller called the task.
        tag: Option<Arc<str>>,
        /// What the program's symbols call its function; closures have no such name, nor has a program
        /// that was stripped.
        function: Option<Arc<str>>,
    },
    /// The task took longer than it [was to](crate::TaskBuilder::timeout), and was not to run (once
    /// more) again; its worker was ended.
    #[error(
        "the task{}{} took longer than {limit:?}, and worker {pid} was ended",
        Name(.tag, .function), Attempt(*.n_deaths)
    )]
    TimedOut {
        /// How long it was to take at most.
        limit: Duration,
        /// The number of the process, which may be another one's by now.
        pid: u32,
        /// How many workers have died of the task, this one included.
        n_deaths: u32,
        /// What the caller called the task.
        tag: Option<Arc<str>>,
        /// What the program's symbols call its function; closures have no such name, nor has a program
        /// that was stripped.
        function: Option<Arc<str>>,
    },
    /// The task was [cancelled](crate::Task::cancel) before it was done.
    #[error("the task was cancelled")]
    Cancelled,
    /// The result could not be encoded; says why.
    #[error("the result could not be sent: {0}")]
    Unsendable(String),
    /// The result came and could not be decoded.
    #[error("the result cannot be decoded: {0}")]
    Decode(#[source] DecodeError),
    /// The worker could not decode the argument, or found no such function.
    #[error("the worker refused the task: {0}")]
    Refused(#[source] Refusal),
    /// The argument or the result got lost on its way, for want of descriptors or memory, or since its own
    /// `Serialize` panicked; says how.
    #[error("the task was lost on its way: {0}")]
    Lost(String),
    /// The pool was terminated before the task was done.
    #[error("the pool was terminated before the task was done")]
    Terminated,
    /// All workers have died, and no new one could be started time and again; says why.
    #[error("the pool has no workers any more: {0}")]
    NoWorkers(String),
    /// The pool did not take the task.
    #[error("the task was not taken: {0}")]
    NotTaken(#[from] PoolError),
    /// The result was taken by an earlier call.
    #[error("the result was taken already")]
    Taken,
    /// The task belongs to the process that this one was forked from.
    #[error("the task belongs to another process")]
    NotOurs,
}

impl TaskError {
    /// Whether the worker died.
    #[must_use]
    pub const fn is_worker_died(&self) -> bool {
        matches!(self, Self::WorkerDied { .. })
    }

    /// Whether the task's time was up.
    #[must_use]
    pub const fn is_timed_out(&self) -> bool {
        matches!(self, Self::TimedOut { .. })
    }

    /// Whether the task was cancelled.
    #[must_use]
    pub const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }

    /// The panic, if the function panicked.
    #[must_use]
    pub const fn panic(&self) -> Option<&PanicInfo> {
        match self {
            Self::Panicked(panic) => Some(panic),
            _ => None,
        }
    }
}

/// Why [`Pool::map`](crate::Pool::map) has no results: the first item, by place, that failed.
#[derive(Debug, thiserror::Error)]
#[error("item {index}: {error}")]
#[non_exhaustive]
pub struct MapError {
    /// The place of the item, from 0.
    pub index: usize,
    /// Why there is no result of it.
    #[source]
    pub error: TaskError,
}

/// What a task is called, in the middle of a sentence: its tag, or its function.
struct Name<'t>(&'t Option<Arc<str>>, &'t Option<Arc<str>>);

impl fmt::Display for Name<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Some(tag), _) => write!(formatter, " {tag:?}"),
            Self(None, Some(function)) => write!(formatter, " {function}"),
            Self(None, None) => Ok(()),
        }
    }
}

/// Which attempt it was, in the middle of a sentence, if there was more than one: each but the last has ended with
/// a death.
struct Attempt(u32);

impl fmt::Display for Attempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 1 { write!(formatter, " (attempt {})", self.0) } else { Ok(()) }
    }
}

/// What speaks for a lack of memory, at the end of a sentence.
struct Memory {
    hint: Option<MemoryHint>,
    max: Option<u64>,
}

impl fmt::Display for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(hint) = self.hint else { return Ok(()) };
        write!(formatter, ", perhaps for want of memory ({hint}")?;
        if let Some(max) = self.max {
            write!(formatter, "; it had up to {} KiB", max >> 10)?;
        }
        formatter.write_str(")")
    }
}
