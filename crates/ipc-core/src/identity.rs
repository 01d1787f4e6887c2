//! `ProcessId`: a pid and its birth time, so a recycled pid is never taken for the old one.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use crate::per_process::PerProcess;
use crate::sys::process;

/// Which process: equal to no other that ever runs on this machine until it restarts.
///
/// A pid alone is no identity: the system gives it out again. With the time of birth, in the
/// kernel's ticks since the machine started, it is one: a pid is not given out twice within a tick.
/// It means the same to all processes of one pid namespace, and may be sent and stored; it is of no
/// use in another namespace or after a restart.
///
/// # Process death
///
/// It stays what it is. Whether the process lives, and when it ends, says
/// [`DeathWatch`](crate::DeathWatch).
///
/// # Examples
///
/// ```
/// use ipc_core::{ProcessId, is_alive};
///
/// let me = ProcessId::current()?;
/// assert_eq!(me, ProcessId::of(me.pid())?.unwrap());
/// assert!(is_alive(me)?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    pid: u32,
    start_time: u64,
}

impl ProcessId {
    /// The calling process.
    ///
    /// The system is asked once; a forked child asks for itself.
    ///
    /// # Errors
    ///
    /// If `/proc` cannot be read.
    pub fn current() -> io::Result<Self> {
        static CURRENT: PerProcess<ProcessId> = PerProcess::new();
        let found = CURRENT.get_or_try_make(|_| {
            let me = Self::of(process::own_pid())?;
            me.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "not listed in /proc"))
        });
        found.copied()
    }

    /// The process that has this pid now; `None` if none has.
    ///
    /// A process that has ended still has its pid until its parent has waited for it.
    ///
    /// # Errors
    ///
    /// If `/proc` cannot be read, or not understood.
    pub fn of(pid: u32) -> io::Result<Option<Self>> {
        let Some(line) = process::stat_line(pid)? else { return Ok(None) };
        match start_time(&line) {
            Some(start_time) => Ok(Some(Self { pid, start_time })),
            None => Err(io::Error::new(io::ErrorKind::InvalidData, "/proc/PID/stat is malformed")),
        }
    }

    /// The number that the system calls it by.
    #[must_use]
    pub const fn pid(self) -> u32 {
        self.pid
    }

    /// When it was started, in the kernel's ticks since the machine was.
    #[must_use]
    pub const fn start_time(self) -> u64 {
        self.start_time
    }

    /// Puts together what [`pid`](Self::pid) and [`start_time`](Self::start_time) took apart.
    #[must_use]
    pub const fn from_parts(pid: u32, start_time: u64) -> Self {
        Self { pid, start_time }
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.pid, self.start_time)
    }
}

impl fmt::Debug for ProcessId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ProcessId({self})")
    }
}

/// Field 22 of the kernel's line about a process.
///
/// The second field is the program's name in parentheses, and a name may contain spaces,
/// parentheses and bytes that are no text, so counting begins after the last parenthesis.
fn start_time(line: &[u8]) -> Option<u64> {
    let name_end = line.iter().rposition(|byte| *byte == b')')?;
    let rest = str::from_utf8(line.get(name_end + 1..)?).ok()?;
    // The first of the rest is field 3.
    rest.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::start_time;

    const REST: &str = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21";

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        for name in ["sh", "a b", ") S 1 2", "((", "", "\u{fffd}"] {
            let line = format!("77 ({name}) {REST}");
            assert_eq!(start_time(line.as_bytes()), Some(987_654), "{name}");
        }
        let line = [b"77 (\xff\xfe) ", REST.as_bytes()].concat();
        assert_eq!(start_time(&line), Some(987_654));
    }

    #[test]
    fn a_line_that_is_cut_short_has_no_start_time() {
        for line in ["", "77", "77 (sh", "77 (sh)", "77 (sh) S 1 2 3"] {
            assert_eq!(start_time(line.as_bytes()), None, "{line}");
        }
    }
}
