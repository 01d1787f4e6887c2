//! What the kernel tells of processes in `/proc`.
//!
//! Processes come and go while they are looked at: one that is gone is as if it had never been there.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ipc_core::SegmentError;
use ipc_core::inspect::View;
use rustix::fs::OFlags;
use rustix::process::geteuid;

use crate::failure::{Failure, Result};

/// The user that this program acts for.
pub(crate) fn user() -> u32 {
    geteuid().as_raw()
}

/// The processes of this user, by their numbers.
pub(crate) fn processes() -> Result<Vec<u32>> {
    let failed = |error| Failure::Proc { path: "/proc".to_owned(), error };
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc").map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(pid) = pid
            && is_ours(pid)
        {
            pids.push(pid);
        }
    }
    pids.sort_unstable();
    Ok(pids)
}

/// Whether there is such a process of this user.
pub(crate) fn is_ours(pid: u32) -> bool {
    fs::metadata(format!("/proc/{pid}")).is_ok_and(|metadata| metadata.uid() == user())
}

/// What the kernel tells of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// The name of its first thread.
    pub(crate) name: String,
    /// What it does, in a word.
    pub(crate) state: String,
    pub(crate) threads: u64,
    /// How many bytes of memory it has.
    pub(crate) memory: u64,
}

/// What the kernel tells of a process, if it is there.
pub(crate) fn facts(pid: u32) -> Option<Facts> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    parse(pid, &String::from_utf8_lossy(&status))
}

fn parse(pid: u32, status: &str) -> Option<Facts> {
    let field = |name: &str| {
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim())
    };
    let number = |name| field(name)?.split(' ').next()?.parse::<u64>().ok();
    let state = match field("State")?.chars().next()? {
        'R' => "running",
        'S' => "sleeping",
        'D' => "in the kernel",
        'T' | 't' => "stopped",
        'Z' => "dead",
        'I' => "idle",
        _ => "unknown",
    };
    Some(Facts {
        pid,
        parent: u32::try_from(number("PPid")?).ok()?,
        name: field("Name")?.to_owned(),
        state: state.to_owned(),
        threads: number("Threads").unwrap_or(0),
        // The dead have none.
        memory: number("VmRSS").unwrap_or(0).saturating_mul(1024),
    })
}

/// The threads of a process, by their numbers.
pub(crate) fn threads(pid: u32) -> io::Result<Vec<u32>> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"))?.filter_map(io::Result::ok);
    Ok(entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// What the kernel calls a process, or a thread: the name of its program, mostly.
pub(crate) fn name(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end().to_owned())
}

/// Which process a thread belongs to.
pub(crate) fn process_of(tid: u32) -> Option<u32> {
    let status = fs::read(format!("/proc/{tid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status).into_owned();
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

/// A descriptor of a process, by where it leads.
#[derive(Debug)]
pub(crate) struct Descriptor {
    /// What stands for it in `/proc`.
    path: PathBuf,
    /// Where it leads, as the kernel writes it.
    pub(crate) target: PathBuf,
}

impl Descriptor {
    /// The device and the inode behind it, without opening it.
    pub(crate) fn identity(&self) -> io::Result<(u64, u64)> {
        let metadata = fs::metadata(&self.path)?;
        if metadata.is_file() {
            Ok((metadata.dev(), metadata.ino()))
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    /// Opens what is behind it, for reading.
    pub(crate) fn open(&self) -> io::Result<File> {
        open_for_reading(&self.path, OFlags::empty())
    }
}

/// The descriptors of a process.
pub(crate) fn descriptors(pid: u32) -> io::Result<Vec<Descriptor>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))?.filter_map(io::Result::ok);
    Ok(entries
        .filter_map(|entry| {
            let path = entry.path();
            let target = fs::read_link(&path).ok()?;
            Some(Descriptor { path, target })
        })
        .collect())
}

/// Where memory with a name lies.
pub(crate) const FOLDER: &str = "/dev/shm";

/// A file with a name that may be a segment.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: OsString,
    /// The device and the inode.
    pub(crate) identity: (u64, u64),
    pub(crate) metadata: fs::Metadata,
}

/// The files of this user in the folder of names.
pub(crate) fn named() -> Vec<Named> {
    let Ok(entries) = fs::read_dir(FOLDER) else { return Vec::new() };
    let user = user();
    let named = |entry: fs::DirEntry| {
        // Of the entry itself, not of what a link leads to.
        let metadata = entry.metadata().ok()?;
        let identity = (metadata.dev(), metadata.ino());
        let is_ours = metadata.is_file() && metadata.uid() == user;
        is_ours.then(|| Named { name: entry.file_name(), identity, metadata })
    };
    entries.filter_map(io::Result::ok).filter_map(named).collect()
}

impl Named {
    /// Opens it for reading, if it is a segment.
    pub(crate) fn view(&self) -> io::Result<std::result::Result<View, SegmentError>> {
        let path = Path::new(FOLDER).join(&self.name);
        Ok(View::open(open_for_reading(&path, OFlags::NOFOLLOW)?))
    }
}

/// Opens a file for reading that may have become something else: it waits for nobody.
fn open_for_reading(path: &Path, more: OFlags) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | more;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Whether an error says that the process is gone.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    error.kind() == io::ErrorKind::NotFound
        || number == Some(rustix::io::Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::{Facts, parse};

    #[test]
    fn a_status_is_read_whatever_the_name_is() {
        let status = "Name:\tState: R\nUmask:\t0022\nState:\tZ (zombie)\nPPid:\t7\nThreads:\t1\n";
        let facts = Facts {
            pid: 8,
            parent: 7,
            name: "State: R".to_owned(),
            state: "dead".to_owned(),
            threads: 1,
            memory: 0,
        };
        assert_eq!(parse(8, status), Some(facts));
        assert_eq!(parse(8, "Name:\tx\n"), None);
        let living = status.replace("Threads", "VmRSS:\t    12 kB\nThreads");
        assert_eq!(parse(8, &living).unwrap().memory, 12 << 10);
    }
}
