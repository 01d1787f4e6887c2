//! What a process holds: before and after.
//!
//! A [`Snapshot`] counts what can leak over a process's end or over time: open descriptors,
//! mappings of shared memory, children (also those that were never waited for), and names in
//! `/dev/shm`. It sees the whole process, so a test that counts should be alone in it: a scenario
//! of [`crate::main`] is.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use crate::{clock, proc};

/// What is going away may take so long for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// What this process held at one moment.
///
/// # Examples
///
/// ```standalone_crate
/// use testkit::leaks::Snapshot;
///
/// let before = Snapshot::take();
/// let file = std::fs::File::open("/proc/self/stat")?;
/// assert!(before.leaks()[0].contains("descriptor"));
/// drop(file);
/// before.assert_none();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// How many of each thing there are, by a description of it.
    held: BTreeMap<String, usize>,
    names: Names,
}

/// Which names in `/dev/shm` are counted.
#[derive(Clone, Debug)]
enum Names {
    All,
    Containing(String),
}

impl Snapshot {
    /// Counts everything; in `/dev/shm`, which is the machine's, all names.
    #[must_use]
    pub fn take() -> Self {
        Self::of(Names::All)
    }

    /// Counts everything; in `/dev/shm` only names that contain `part`, so that other programs
    /// are not in the way.
    #[must_use]
    pub fn with_names(part: &str) -> Self {
        Self::of(Names::Containing(part.to_owned()))
    }

    /// What there is now that was not there then, one line each.
    #[must_use]
    pub fn leaks(&self) -> Vec<String> {
        let now = Self::of(self.names.clone()).held;
        let more = |(what, n): (String, usize)| {
            let before = self.held.get(&what).copied().unwrap_or(0);
            (n > before).then(|| format!("{} more: {what}", n - before))
        };
        now.into_iter().filter_map(more).collect()
    }

    /// Panics if something is there now that was not there then.
    ///
    /// What is just going away (a process that was killed, a name of another program) has twenty
    /// seconds to do so.
    ///
    /// # Panics
    ///
    /// With a list of what has leaked.
    #[track_caller]
    pub fn assert_none(&self) {
        let start = Instant::now();
        loop {
            let leaks = self.leaks();
            if leaks.is_empty() {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "leaked:\n  {}", leaks.join("\n  "));
            clock::pause(Duration::from_millis(5));
        }
    }

    fn of(names: Names) -> Self {
        let mut held = BTreeMap::new();
        let mut count = |what: String| *held.entry(what).or_insert(0) += 1;
        descriptors().into_iter().for_each(&mut count);
        mappings().into_iter().for_each(&mut count);
        children().into_iter().for_each(&mut count);
        for name in shm_names() {
            let counts = match &names {
                Names::All => true,
                Names::Containing(part) => name.contains(part),
            };
            if counts {
                count(format!("/dev/shm/{name}"));
            }
        }
        Self { held, names }
    }
}

fn descriptors() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return Vec::new() };
    let targets = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    let me = rustix::process::getpid().as_raw_nonzero();
    let own_look = format!("/proc/{me}/fd");
    targets
        .map(|target| target.to_string_lossy().into_owned())
        // The descriptor that this function looks through.
        .filter(|target| *target != own_look)
        .map(|target| format!("descriptor of {}", without_number(&target)))
        .collect()
}

/// `pipe:[123]` and `socket:[456]` are of a kind; which one it is tells nothing.
fn without_number(target: &str) -> &str {
    match target.split_once(":[") {
        Some((kind, _)) if matches!(kind, "pipe" | "socket") => kind,
        _ => target,
    }
}

/// The mappings of memory that can be shared: memfds, names in `/dev/shm`, anonymous shared.
fn mappings() -> Vec<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter_map(shared_mapping).collect()
}

fn shared_mapping(line: &str) -> Option<String> {
    let name = line.splitn(6, ' ').nth(5)?.trim_start();
    ["/memfd:", "/dev/shm/", "/dev/zero", "/SYSV"]
        .iter()
        .any(|start| name.starts_with(start))
        .then(|| format!("mapping of {name}"))
}

fn children() -> Vec<String> {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    let describe = |pid: i32| {
        let stat = proc::Stat::of(pid)?;
        let state = if stat.state == 'Z' { "zombie" } else { "child" };
        Some(format!("{state} {pid} ({})", stat.name))
    };
    proc::children(me).into_iter().filter_map(describe).collect()
}

fn shm_names() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/dev/shm") else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::{shared_mapping, without_number};

    #[test]
    fn only_memory_that_can_be_shared_is_counted() {
        let line =
            "7f00-7f01 rw-s 00000000 00:01 1034                       /memfd:queue (deleted)";
        assert_eq!(shared_mapping(line).as_deref(), Some("mapping of /memfd:queue (deleted)"));
        let line = "7f00-7f01 rw-p 00000000 00:00 0                          [heap]";
        assert_eq!(shared_mapping(line), None);
        assert_eq!(shared_mapping("7f00-7f01 rw-p 00000000 00:00 0 "), None);
    }

    #[test]
    fn pipes_are_told_by_kind_only() {
        assert_eq!(without_number("pipe:[17]"), "pipe");
        assert_eq!(without_number("anon_inode:[pidfd]"), "anon_inode:[pidfd]");
    }
}
