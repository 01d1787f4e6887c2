//! How a process ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a process ended, as its parent learned it.
///
/// # Examples
///
/// ```
/// use proc_core::ExitStatus;
///
/// assert!(ExitStatus::Exited(0).success());
/// assert_eq!(ExitStatus::Exited(7).to_string(), "exit code 7");
///
/// let killed = ExitStatus::Signaled { signal: 9, core_dumped: false };
/// assert_eq!(killed.to_string(), "killed by SIGKILL");
/// assert_eq!(killed.code(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ExitStatus {
    /// It ended by itself, with this code.
    Exited(i32),
    /// A signal ended it.
    Signaled {
        /// The number of the signal.
        signal: i32,
        /// Whether the kernel wrote a memory image.
        core_dumped: bool,
    },
    /// It ended, and somebody else took its status from the kernel.
    ///
    /// That is so if the program ignores `SIGCHLD`, or waits for any child with a call that is not
    /// this crate's.
    Unknown,
}

impl ExitStatus {
    /// Whether the process ended by itself with code zero.
    #[must_use]
    pub const fn success(self) -> bool {
        matches!(self, Self::Exited(0))
    }

    /// The exit code, if the process ended by itself.
    #[must_use]
    pub const fn code(self) -> Option<i32> {
        match self {
            Self::Exited(code) => Some(code),
            _ => None,
        }
    }

    /// The number of the signal that ended the process, if one did.
    #[must_use]
    pub const fn signal(self) -> Option<i32> {
        match self {
            Self::Signaled { signal, .. } => Some(signal),
            _ => None,
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exited(code) => write!(formatter, "exit code {code}"),
            Self::Signaled { signal, core_dumped } => {
                write!(formatter, "killed by {}", SignalName(signal))?;
                if core_dumped { formatter.write_str(" (core dumped)") } else { Ok(()) }
            }
            Self::Unknown => formatter.write_str("status unknown"),
        }
    }
}

/// A signal as people call it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignalName(pub(crate) i32);

impl fmt::Display for SignalName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match crate::sys::signal::signal_name(self.0) {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "signal {}", self.0),
        }
    }
}
