//! What a process of ours can be known by, from outside.
//!
//! Each fork server, and each process that this crate has started, from before its function is called,
//! holds a *badge*: a file in memory, without any bytes, whose label says which process it is and what it
//! is called. Whoever may look at the descriptors of the process (the same user, under the rules of
//! `ptrace`) can read it, and need not open anything.
//!
//! ```text
//! /memfd:multiproc-process VERSION PID TICKS PARENT ROLE NAME (deleted)
//! ```
//!
//! A copy that a process makes of itself, by a `fork` that is not ours, inherits its descriptors, and so
//! its badge. It is not taken for the process: a badge names the number of its own, and the time when it
//! was made, before which the process was there already. No other process with that number can have been,
//! since a number is not given out twice within a tick. A program that is run by `exec` has no badge.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ipc_core::ProcessId;

use crate::sys::{files, process};

/// What the kernel puts before a label, and we before what is in it.
const BEFORE: &str = "/memfd:";
const LABEL: &str = "multiproc-process 1 ";
/// What the kernel puts behind it.
const BEHIND: &str = " (deleted)";

/// So many bytes of a name are told: a label has 249 at most.
const MOST_NAME: usize = 160;

/// What a process of ours is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It was started to call a function.
    Child,
    /// It makes copies of itself.
    ForkServer,
}

/// What a badge says; see the module's docs.
///
/// # Examples
///
/// ```
/// use std::fs;
/// use ipc_core::ProcessId;
/// use proc_core::{Process, inspect::Badge};
///
/// /// What whoever looks at a process finds.
/// fn name_of(pid: u32) -> Option<String> {
///     let id = ProcessId::of(pid).ok()??;
///     fs::read_dir(format!("/proc/{pid}/fd"))
///         .ok()?
///         .filter_map(|entry| Badge::read(&fs::read_link(entry.ok()?.path()).ok()?))
///         .find(|badge| badge.is_of(id))
///         .map(|badge| badge.name)
/// }
///
/// let child = Process::builder().name("clerk").spawn(|()| name_of(std::process::id()), ())?;
/// assert_eq!(child.join()?.as_deref(), Some("clerk"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Badge {
    /// The number of the process that it was made for.
    pub pid: u32,
    /// When it was made, in the kernel's ticks since the machine started.
    made: u64,
    /// The number of the process that had this one started.
    pub parent: u32,
    /// What the process is there for.
    pub role: Role,
    /// What the process is called; the beginning of it, if that is long.
    pub name: String,
}

impl Badge {
    /// Reads a badge from where a descriptor leads, as `/proc` says; `None` if that is none.
    #[must_use]
    pub fn read(target: &Path) -> Option<Self> {
        let text = str::from_utf8(target.as_os_str().as_bytes()).ok()?;
        let label = text.strip_prefix(BEFORE)?.strip_suffix(BEHIND)?.strip_prefix(LABEL)?;
        let mut words = label.splitn(5, ' ');
        let pid = words.next()?.parse().ok()?;
        let made = words.next()?.parse().ok()?;
        let parent = words.next()?.parse().ok()?;
        let role = match words.next()? {
            "child" => Role::Child,
            "server" => Role::ForkServer,
            _ => return None,
        };
        Some(Self { pid, made, parent, role, name: words.next()?.to_owned() })
    }

    /// Whether it was made for this very process, and not inherited from another.
    #[must_use]
    pub const fn is_of(&self, process: ProcessId) -> bool {
        process.pid() == self.pid && process.start_time() <= self.made
    }

    fn label(&self) -> String {
        let role = match self.role {
            Role::Child => "child",
            Role::ForkServer => "server",
        };
        // What would end the label, or be cut by it.
        let name: String = self.name.chars().filter(|letter| *letter != '\0').collect();
        let name = name.get(..name.floor_char_boundary(MOST_NAME)).unwrap_or_default();
        format!("{LABEL}{} {} {} {role} {name}", self.pid, self.made, self.parent)
    }
}

/// Puts a badge on this process, for as long as the descriptor is open.
pub(crate) fn put_on(name: &str, parent: u32, role: Role) -> io::Result<OwnedFd> {
    let (pid, made) = (process::own_pid(), process::ticks());
    let badge = Badge { pid, made, parent, role, name: name.to_owned() };
    files::label(&badge.label())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use ipc_core::ProcessId;
    use proptest::prelude::*;

    use super::{BEFORE, BEHIND, Badge, Role};

    fn target(badge: &Badge) -> PathBuf {
        format!("{BEFORE}{}{BEHIND}", badge.label()).into()
    }

    fn badge(name: &str) -> Badge {
        Badge { pid: 7, made: 100, parent: 3, role: Role::Child, name: name.to_owned() }
    }

    #[test]
    fn a_badge_is_of_one_process_only() {
        let badge = badge("x");
        assert!(badge.is_of(ProcessId::from_parts(7, 100)));
        assert!(badge.is_of(ProcessId::from_parts(7, 9)));
        // A copy, and one that has the number now.
        assert!(!badge.is_of(ProcessId::from_parts(8, 100)));
        assert!(!badge.is_of(ProcessId::from_parts(7, 101)));
    }

    #[test]
    fn any_name_fits_a_label() {
        for name in ["", " ", "a b (deleted)", "\n\u{1b}", &"ä".repeat(1000)] {
            let badge = badge(name);
            assert!(badge.label().len() <= 249);
            let read = Badge::read(&target(&badge)).unwrap();
            assert!(name.starts_with(&read.name) && (read.name == name || name.len() > 160));
        }
        assert_eq!(Badge::read(&target(&badge("a\0b"))).unwrap().name, "ab");
    }

    #[test]
    fn what_is_no_badge_is_not_read_as_one() {
        let good = target(&badge("x")).display().to_string();
        assert!(Badge::read(good.as_ref()).is_some());
        for (from, to) in
            [("/memfd:", "/tmp/"), (" 1 ", " 2 "), ("child", "chief"), ("7", "-7"), (BEHIND, "")]
        {
            assert_eq!(Badge::read(good.replacen(from, to, 1).as_ref()), None, "{from}");
        }
    }

    proptest! {
        #[test]
        fn any_target_is_a_badge_or_none(text in "(/memfd:multiproc-process 1 )?[^\\x00]{0,40}( \\(deleted\\))?") {
            if let Some(badge) = Badge::read(text.as_ref()) {
                prop_assert_eq!(Badge::read(&target(&badge)), Some(badge));
            }
        }
    }
}
