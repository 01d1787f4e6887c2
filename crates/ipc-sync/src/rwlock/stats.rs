//! What a lock says about itself.

use core::fmt;

use super::RwLock;
use crate::who::Who;

/// What an [`RwLock`] says about itself, at the moment of asking.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RwLockStats {
    /// The thread that writes, or that waits for the readers to leave so that it can.
    pub writer: Option<Who>,
    /// Whether it writes by now.
    pub is_written: bool,
    /// The threads that read.
    pub readers: Vec<Who>,
    /// How many can read at the same time.
    pub max_readers: usize,
    /// Whether somebody may be asleep, waiting for it.
    pub has_waiters: bool,
    /// How many sleep now, waiting for it. Who has only just come and still looks is not among them,
    /// nor is the dead.
    pub waiters: u32,
    /// How many were found to have died writing.
    pub dead_writers: u32,
    /// How many have died reading.
    pub dead_readers: u32,
    /// Whether the value is half changed since a death or a panic.
    pub is_poisoned: bool,
}

impl<T> RwLock<T> {
    /// What there is to know about the lock, at the moment of asking.
    #[must_use]
    #[doc(alias = "debug")]
    pub fn stats(&self) -> RwLockStats {
        let raw = self.raw();
        RwLockStats {
            writer: raw.writer().map(Who::is),
            is_written: raw.is_written(),
            readers: raw.readers().map(Who::is).collect(),
            max_readers: self.max_readers(),
            has_waiters: raw.has_waiters(),
            waiters: raw.n_asleep(),
            dead_writers: raw.dead_writers(),
            dead_readers: raw.dead_readers(),
            is_poisoned: raw.is_poisoned(),
        }
    }
}

impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        formatter
            .debug_struct("RwLock")
            .field("writer", &stats.writer)
            .field("is_written", &stats.is_written)
            .field("readers", &stats.readers)
            .field("waiters", &stats.waiters)
            .field("dead_writers", &stats.dead_writers)
            .field("dead_readers", &stats.dead_readers)
            .field("is_poisoned", &stats.is_poisoned)
            .finish_non_exhaustive()
    }
}
