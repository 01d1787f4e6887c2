//! Finding processes of ours.
//!
//! A process that was started by us holds a badge ([`proc_core::inspect`]). A worker of a pool also has
//! the pool's board open, and says there what it is at.

use std::io;
use std::os::unix::ffi::OsStrExt as _;

use ipc_core::ProcessId;
use ipc_core::inspect::View;
use proc_core::inspect::Badge;

use super::tree::Task;
use crate::failure::Result;
use crate::system::{self, Descriptor, Facts};

/// What the kernel calls a pool's board.
const BOARD: &[u8] = b"/memfd:multiproc pl-board/";

/// A process, with or without a badge.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) facts: Facts,
    pub(super) badge: Option<Badge>,
    pub(super) task: Option<Task>,
}

/// All processes of this user, and how many of them could not be looked at.
pub(super) fn find() -> Result<(Vec<Found>, usize)> {
    let mut unreadable = 0;
    let mut found = Vec::new();
    for pid in system::processes()? {
        let Some((id, facts)) = ProcessId::of(pid).ok().flatten().zip(system::facts(pid)) else {
            continue;
        };
        let descriptors = match system::descriptors(pid) {
            Ok(descriptors) => descriptors,
            Err(error) if system::is_gone(&error) => continue,
            Err(_) => {
                unreadable += 1;
                Vec::new()
            }
        };
        let mut badges = descriptors.iter().filter_map(|it| Badge::read(&it.target));
        let badge = badges.find(|badge| badge.is_of(id));
        let task = descriptors.iter().find_map(|descriptor| task_of(pid, descriptor));
        found.push(Found { facts, badge, task });
    }
    Ok((found, unreadable))
}

/// What the process is at, if the descriptor is that of the board of its pool.
fn task_of(pid: u32, descriptor: &Descriptor) -> Option<Task> {
    if !descriptor.target.as_os_str().as_bytes().starts_with(BOARD) {
        return None;
    }
    let look = || -> io::Result<Vec<pool::inspect::Seen>> {
        descriptor.identity()?;
        let workers = View::open(descriptor.open()?).and_then(|view| pool::inspect::workers(&view));
        workers.map_err(io::Error::other)
    };
    let workers = look().unwrap_or_default();
    let (ticket, time) = workers.iter().find(|worker| worker.pid == pid)?.task?;
    Some(Task { ticket, seconds: time.as_secs_f64() })
}
