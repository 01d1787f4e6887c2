//! Whether a process has run out of memory: the kernel does not say so, but leaves traces.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ipc_core::PerProcess;

use crate::exit::ExitStatus;

/// Why it looks as if a process has run out of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemoryHint {
    /// It was killed, not by way of its handle, and in the control group of this process the kernel
    /// has killed for want of memory.
    KilledByKernel,
    /// It aborted under a [limit](crate::Builder::memory_limit), as a Rust program does that gets no
    /// memory. An abort for another reason looks the same.
    AbortedUnderLimit,
}

impl fmt::Display for MemoryHint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::KilledByKernel => "the kernel has killed for want of memory",
            Self::AbortedUnderLimit => "it aborted under a limit of its memory",
        })
    }
}

/// How many processes the kernel had killed for want of memory in this one's control group, but for
/// those that were found to be children of ours; `None` if it does not tell.
static KILLS: PerProcess<Mutex<Option<u64>>> = PerProcess::new();

/// Remembers how many there were before the first child.
pub(crate) fn remember() {
    KILLS.get_or_make(|_| Mutex::new(kills()));
}

/// What the end of a child hints at.
pub(crate) fn hint(
    status: ExitStatus,
    was_killed_here: bool,
    had_limit: bool,
) -> Option<MemoryHint> {
    match status.signal()? {
        libc::SIGKILL if !was_killed_here && was_one_of_the_killed() => {
            Some(MemoryHint::KilledByKernel)
        }
        libc::SIGABRT if had_limit => Some(MemoryHint::AbortedUnderLimit),
        _ => None,
    }
}

/// Whether the kernel has killed one more than was known; this is that one then.
fn was_one_of_the_killed() -> bool {
    let known = KILLS.get_or_make(|_| Mutex::default());
    // Each change is one step.
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    match (known.as_mut(), kills()) {
        (Some(known), Some(now)) if now > *known => {
            *known += 1;
            true
        }
        _ => false,
    }
}

/// How many processes of this one's control group the kernel has killed for want of memory.
///
/// # References
///
/// - Linux `cgroups(7)`: `memory.events` of the second version, `memory.oom_control` of the first
fn kills() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    folders(&groups).iter().find_map(|folder| kills_in(folder))
}

/// Where the control group may be told of, by the lines of `/proc/self/cgroup`; in a container the
/// path may be one of outside.
fn folders(groups: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in groups.lines() {
        // Number, controllers, path; the second version has none of the former.
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let root = match controllers {
            "" => PathBuf::from("/sys/fs/cgroup"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                PathBuf::from("/sys/fs/cgroup/memory")
            }
            _ => continue,
        };
        folders.extend([root.join(path.trim_start_matches('/')), root]);
    }
    folders
}

fn kills_in(folder: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let text = read("memory.events").or_else(|| read("memory.oom_control"))?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{MemoryHint, folders, hint, kills_in};
    use crate::exit::ExitStatus;

    #[test]
    fn kills_are_read_of_either_version() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        assert_eq!(kills_in(folder.path()), None);
        write("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n").unwrap();
        assert_eq!(kills_in(folder.path()), Some(3));
        write("memory.events", "low 0\noom 5\noom_kill 4\noom_group_kill 1\n").unwrap();
        assert_eq!(kills_in(folder.path()), Some(4));
    }

    #[test]
    fn control_group_is_found_by_its_path_or_as_the_root_of_a_container() {
        let found = folders("4:cpu,memory:/a/b\n1:pids:/c\n0::/d\n");
        let expected = ["memory/a/b", "memory", "d", ""];
        let expected = expected.map(|path| PathBuf::from("/sys/fs/cgroup").join(path));
        assert_eq!(found, expected);
        assert_eq!(folders("nonsense\n"), Vec::<PathBuf>::new());
    }

    #[test]
    fn end_by_another_cause_hints_at_nothing() {
        let by = |signal| ExitStatus::Signaled { signal, core_dumped: false };
        assert_eq!(hint(by(libc::SIGABRT), false, true), Some(MemoryHint::AbortedUnderLimit));
        assert_eq!(hint(by(libc::SIGABRT), false, false), None);
        assert_eq!(hint(by(libc::SIGSEGV), false, true), None);
        assert_eq!(hint(by(libc::SIGKILL), true, true), None);
        assert_eq!(hint(ExitStatus::Exited(134), false, true), None);
        assert_eq!(hint(ExitStatus::Unknown, false, true), None);
    }
}
