//! Who holds something, or waits: a thread and its process, for people who look.

use core::fmt;
use std::fs;

/// A thread, and the process that it belongs to, by the numbers that the system gives them.
///
/// It is for people who look at what a program does. By the time one reads it, it may be out of date.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Who {
    /// The thread's id.
    pub tid: u32,
    /// The id of its process; `None` if the thread is gone, or cannot be seen in `/proc`.
    pub pid: Option<u32>,
}

impl Who {
    /// The thread with this id.
    pub(crate) fn is(tid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
        Self { tid, pid: line.and_then(|number| number.trim().parse().ok()) }
    }

    /// The thread with this id, which is known to be of that process.
    pub(crate) fn of((tid, pid): (u32, u32)) -> Self {
        Self { tid, pid: Some(pid) }
    }
}

impl fmt::Debug for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "thread {}", self.tid)?;
        match self.pid {
            Some(pid) => write!(formatter, " of process {pid}"),
            None => Ok(()),
        }
    }
}
