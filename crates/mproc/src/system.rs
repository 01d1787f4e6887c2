//! What the kernel tells of processes in `/proc`.
//!
//! Processes come and go while they are looked at: one that is gone is as if it had never been there.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

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

/// Opens a file for reading that may have become something else: it waits for nobody.
pub(crate) fn open_for_reading(path: &Path, more: OFlags) -> io::Result<File> {
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
