//! One clock for every timeout.

use std::fmt;
use std::time::{Duration, Instant};

use rustix::time::Timespec;

use crate::sys::clock;

/// A moment on the monotonic clock after which a wait gives up, or never.
///
/// Every blocking call of this workspace takes one, or makes one from a timeout when it is entered,
/// so that a call which waits in several steps is covered as a whole. A deadline is not moved by
/// changes to the wall clock. Later deadlines compare greater; [`NEVER`](Self::NEVER) is the
/// greatest.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use ipc_core::Deadline;
///
/// let deadline = Deadline::after(Duration::from_secs(5));
/// assert!(!deadline.is_past());
/// assert!(deadline < Deadline::NEVER);
/// assert!(Deadline::after(Duration::ZERO).is_past());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline {
    /// Time from the kernel's zero; the greatest value stands for never.
    moment: Duration,
}

impl Deadline {
    /// No deadline: wait as long as it takes.
    pub const NEVER: Self = Self { moment: Duration::MAX };

    /// No deadline: wait as long as it takes.
    #[must_use]
    pub const fn never() -> Self {
        Self::NEVER
    }

    /// The moment that lies `timeout` from now.
    ///
    /// A timeout too long for the clock means never.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        if timeout == Duration::MAX {
            return Self::NEVER;
        }
        clock::monotonic_now().checked_add(timeout).map_or(Self::NEVER, |moment| Self { moment })
    }

    /// The present moment: a deadline that is past as soon as it is made.
    ///
    /// A wait with it looks once and does not block.
    #[must_use]
    pub fn now() -> Self {
        Self::after(Duration::ZERO)
    }

    /// The moment that `instant` names.
    #[must_use]
    pub fn at(instant: Instant) -> Self {
        Self::after(instant.saturating_duration_since(Instant::now()))
    }

    /// How long it is to the deadline: zero when it is past, `None` when it never comes.
    #[must_use]
    pub fn remaining(self) -> Option<Duration> {
        if self.is_never() {
            return None;
        }
        Some(self.moment.saturating_sub(clock::monotonic_now()))
    }

    /// Whether the moment has come.
    #[must_use]
    pub fn is_past(self) -> bool {
        !self.is_never() && self.moment <= clock::monotonic_now()
    }

    /// Whether this is [`NEVER`](Self::NEVER).
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.moment.as_secs() == Duration::MAX.as_secs()
    }

    /// The absolute time for calls that count on `CLOCK_MONOTONIC`; `None` means never.
    #[must_use]
    pub fn timespec(self) -> Option<Timespec> {
        let tv_sec = i64::try_from(self.moment.as_secs()).ok()?;
        Some(Timespec { tv_sec, tv_nsec: i64::from(self.moment.subsec_nanos()) })
    }
}

impl From<Duration> for Deadline {
    fn from(timeout: Duration) -> Self {
        Self::after(timeout)
    }
}

impl From<Option<Duration>> for Deadline {
    fn from(timeout: Option<Duration>) -> Self {
        timeout.map_or(Self::NEVER, Self::after)
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.remaining() {
            None => formatter.write_str("Deadline(never)"),
            Some(left) => write!(formatter, "Deadline(in {left:?})"),
        }
    }
}
