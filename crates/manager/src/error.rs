//! `Error`, `ConnectError`, `StartError` and `LockError`.

use std::fmt;
use std::io;
use std::time::Duration;

use ipc_core::wire::{DecodeError, EncodeError};
use proc_core::{ExitStatus, PanicInfo};

use crate::protocol::Fault;

/// Why a call of an object returned nothing.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manager is gone, by shutdown or death. The call was not sent.
    #[error("the manager is gone")]
    Disconnected,
    /// The manager went away when the call was sent already: it may have been done or not.
    #[error("the manager went away before it had replied")]
    Lost,
    /// There is no connection to the manager, and none can be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The object is gone: nobody had a proxy of it any more.
    #[error("the object is gone")]
    NoSuchObject,
    /// The object has no such method.
    #[error("the object has no method {0}")]
    NoSuchMethod(String),
    /// The manager was not told of that type.
    #[error("the manager has no type {0:?}")]
    NoSuchType(String),
    /// Nothing is published under that name.
    #[error("nothing is published under that name")]
    NoSuchName,
    /// Something is published under that name already.
    #[error("something is published under that name already")]
    NameTaken,
    /// What is published under that name is of another type.
    #[error("what is published under that name is a {found}")]
    OtherType {
        /// What it is.
        found: String,
    },
    /// The argument is not one that the method takes.
    #[error("the argument is refused: {0}")]
    BadArgument(String),
    /// The method, or the function, panicked. The manager goes on.
    #[error("it {0}")]
    Panicked(PanicInfo),
    /// The time is up.
    #[error("the time is up")]
    TimedOut,
    /// It would have to wait, and was asked not to.
    #[error("it would have to wait")]
    WouldBlock,
    /// The queue, or the pool, is closed.
    #[error("it is closed")]
    Closed,
    /// There is no such index.
    #[error("the index is out of range: there are {len}")]
    OutOfRange {
        /// How many items there are.
        len: u64,
    },
    /// The calling thread has the lock already, and would wait for itself.
    #[error("the calling thread has the lock already")]
    WouldDeadlock,
    /// What was to be given back is not in the caller's hands.
    #[error("it is not in the caller's hands")]
    NotHeld,
    /// More was given back than can be there.
    #[error("more was given back than can be there")]
    TooMany,
    /// The barrier is broken: somebody who waited died, gave up or aborted.
    #[doc(alias = "BrokenBarrierError")]
    #[error("the barrier is broken")]
    Broken,
    /// The manager does not do that; it says why.
    #[error("refused: {0}")]
    Refused(String),
    /// The manager keeps as much as it [may](crate::Builder::max_kept_bytes). Nothing was changed.
    #[error("the manager keeps {kept} bytes, and may keep {limit}")]
    Full {
        /// What it keeps.
        kept: u64,
        /// What it may keep.
        limit: u64,
    },
    /// The manager keeps as much of this client's as it [may](crate::Builder::max_kept_bytes_per_client). Nothing
    /// was changed.
    #[error("the manager keeps {kept} bytes of this client's, and may keep {limit}")]
    ShareFull {
        /// What it keeps.
        kept: u64,
        /// What it may keep.
        limit: u64,
    },
    /// There is no room for one more in the [`ShmDict`](crate::ShmDict) or [`ShmList`](crate::ShmList). Nothing was
    /// changed.
    #[error("there is no room for one more in its memory")]
    NoRoom,
    /// In the memory of a [`ShmDict`](crate::ShmDict) or [`ShmList`](crate::ShmList) is what cannot be there:
    /// somebody has written there who keeps to no rules.
    #[error("in its memory is what cannot be there")]
    Corrupt,
    /// The worker died that ran the task, and the task was not to run (once more) again.
    #[error("worker {pid} died while it ran the task: {status}")]
    WorkerDied {
        /// The number of the process, which may be another one's by now.
        pid: u32,
        /// How it ended.
        status: ExitStatus,
    },
    /// The task took longer than it was to, and its worker was ended.
    #[error("the task took longer than {limit:?}")]
    TookTooLong {
        /// How long it was to take at most.
        limit: Duration,
    },
    /// The task was cancelled before it was done.
    #[error("the task was cancelled")]
    Cancelled,
    /// The pool was terminated before the task was done.
    #[error("the pool was terminated before the task was done")]
    Terminated,
    /// What came of the task was taken already.
    #[error("what came of the task was taken already")]
    Taken,
    /// A value cannot be turned into bytes.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// What came is not the value that was expected.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The call is longer than the manager takes.
    #[error("a call of {len} bytes is longer than {limit}")]
    TooLong {
        /// Its length.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// What came from the manager is not what it should be.
    #[error("what came from the manager is not what it should be")]
    Malformed,
    /// The system refused.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
}

impl Error {
    /// Whether the manager is gone, or unreachable.
    #[must_use]
    pub const fn is_disconnected(&self) -> bool {
        matches!(self, Self::Disconnected | Self::Lost | Self::Connect(_))
    }

    /// Whether the time was up, or there was no time.
    #[must_use]
    pub const fn is_timed_out(&self) -> bool {
        matches!(self, Self::TimedOut | Self::WouldBlock)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoSuchObject => Self::NoSuchObject,
            Fault::NoSuchMethod(name) => Self::NoSuchMethod(name),
            Fault::NoSuchType(name) => Self::NoSuchType(name),
            Fault::NoSuchName => Self::NoSuchName,
            Fault::NameTaken => Self::NameTaken,
            Fault::OtherType(found) => Self::OtherType { found },
            Fault::BadArgument(why) => Self::BadArgument(why),
            Fault::Panicked(panic) => Self::Panicked(panic),
            Fault::TimedOut => Self::TimedOut,
            Fault::NotNow => Self::WouldBlock,
            Fault::Closed => Self::Closed,
            Fault::OutOfRange(len) => Self::OutOfRange { len },
            Fault::WouldDeadlock => Self::WouldDeadlock,
            Fault::NotHeld => Self::NotHeld,
            Fault::TooMany => Self::TooMany,
            Fault::Broken => Self::Broken,
            Fault::Refused(why) => Self::Refused(why),
            Fault::Full { kept, limit } => Self::Full { kept, limit },
            Fault::ShareFull { kept, limit } => Self::ShareFull { kept, limit },
            Fault::WorkerDied { pid, status } => Self::WorkerDied { pid, status },
            Fault::TookTooLong(limit) => Self::TookTooLong { limit },
            Fault::Cancelled => Self::Cancelled,
            Fault::Terminated => Self::Terminated,
            Fault::NoRoom => Self::NoRoom,
            Fault::Corrupt => Self::Corrupt,
        }
    }
}

impl From<crate::protocol::bytes::Malformed> for Error {
    fn from(_: crate::protocol::bytes::Malformed) -> Self {
        Self::Malformed
    }
}

/// Why there is no connection to a manager.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is nobody, or they do not let this process in; the key may be wrong.
    #[error("no connection to the manager: {0}")]
    Pipe(#[from] ipc_pipe::ConnectError),
    /// Who listens there is no manager, or gave up.
    #[error("whoever listens there is no manager")]
    NotAManager,
    /// The manager speaks another version of the protocol.
    #[error("the manager speaks version {theirs}, and this program version {ours}")]
    OtherVersion {
        /// This program's.
        ours: u32,
        /// The manager's.
        theirs: u32,
    },
    /// The manager that the proxy is from is gone, and another has its address.
    #[error("the manager is gone, and another has its address")]
    OtherManager,
    /// There is no TLS with the manager, or it is not one that is believed; says why.
    #[error("no TLS with the manager: {0}")]
    Tls(String),
    /// The system refused.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
}

impl ConnectError {
    /// Whether there may be a connection later, if nothing is changed but who listens.
    pub(crate) fn is_for_now(&self) -> bool {
        use ipc_pipe::ConnectError as Pipe;
        // Who is cut off in the middle does not know why.
        matches!(self, Self::Pipe(Pipe::TimedOut | Pipe::NotOurs | Pipe::Io(_)) | Self::Io(_))
    }

    /// Whether nobody listens there, or the way there is closed.
    pub(crate) fn is_nobody_there(&self) -> bool {
        use io::ErrorKind as Kind;
        matches!(self, Self::Pipe(ipc_pipe::ConnectError::Io(error)) if matches!(
            error.kind(),
            Kind::NotFound | Kind::ConnectionRefused | Kind::HostUnreachable | Kind::NetworkUnreachable
        ))
    }
}

/// Why no manager was started.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its process was not started.
    #[error(transparent)]
    Process(#[from] proc_core::StartError),
    /// It could not listen; says why.
    #[error("the manager cannot listen: {0}")]
    Listen(String),
    /// It died before it listened.
    #[error("the manager died before it listened")]
    Died,
    /// A type, or a task's function, cannot be named to another process: it is not of this program, but of a
    /// library.
    #[error("{0:?} cannot be named to another process")]
    Unnameable(&'static str),
    /// It runs, but there is no connection to it.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The system refused.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
}

/// Why a lock was not simply taken.
#[non_exhaustive]
pub enum LockError<G> {
    /// The last holder was lost, holding the lock, with its process or its connection. You hold the lock
    /// now: what it protects may be half-changed.
    OwnerDied(G),
    /// You do not hold the lock.
    Call(Error),
}

impl<G> LockError<G> {
    /// Whether the last holder died holding the lock.
    #[must_use]
    pub const fn is_owner_died(&self) -> bool {
        matches!(self, Self::OwnerDied(_))
    }

    /// Whether the time was up, or there was no time.
    #[must_use]
    pub const fn is_timed_out(&self) -> bool {
        matches!(self, Self::Call(error) if error.is_timed_out())
    }

    /// The guard, if the lock is held.
    #[must_use]
    pub fn into_inner(self) -> Option<G> {
        match self {
            Self::OwnerDied(guard) => Some(guard),
            Self::Call(_) => None,
        }
    }
}

impl<G> From<Error> for LockError<G> {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

impl<G> fmt::Debug for LockError<G> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(_) => formatter.write_str("OwnerDied(..)"),
            Self::Call(error) => formatter.debug_tuple("Call").field(error).finish(),
        }
    }
}

impl<G> fmt::Display for LockError<G> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnerDied(_) => formatter.write_str("the last holder died holding the lock"),
            Self::Call(error) => error.fmt(formatter),
        }
    }
}

impl<G> std::error::Error for LockError<G> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::OwnerDied(_) => None,
            Self::Call(error) => Some(error),
        }
    }
}
