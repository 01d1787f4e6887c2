//! The end of a child with all that it has started, and all that those have.
//!
//! Whoever kills a process and then looks for its children comes too late: they have another parent
//! by then. Whoever looks first misses those that are made meanwhile. So all are stopped first:
//!
//! 1. The child is stopped, and nothing goes on until the kernel says that it stands still.
//! 2. Its children are looked up and stopped, and so on, until a whole round finds nobody new. What
//!    stands still makes no child.
//! 3. All are killed, and their ends are waited for.
//!
//! A process that was an orphan before is not found, unless the child
//! [keeps them](crate::Builder::keeps_orphans), or is the first of its process group and the orphan
//! is still in there.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use ipc_core::Deadline;

use crate::child::Child;
use crate::sys::proc::{self, Standing};
use crate::sys::signal::{self, Signal};
use crate::sys::{poll, process};

/// A process of the tree.
#[derive(Debug)]
struct Member {
    pid: u32,
    pidfd: OwnedFd,
}

/// How long is waited for a process that the kernel holds, before it is taken to stand still.
const HELD: Duration = Duration::from_millis(200);

/// How long the end of a process that was killed may take.
const GRACE: Duration = Duration::from_secs(5);

/// Kills a child and all its descendants; says how many processes that were.
pub(crate) fn kill(root: &Child) -> io::Result<usize> {
    root.while_unreaped(|pid| {
        let pidfd = root.as_fd().try_clone_to_owned()?;
        signal::signal(pidfd.as_fd(), Signal::STOP)?;
        let mut members = vec![Member { pid, pidfd }];
        let found = find_all(&mut members);
        // The root at the end: orphans go to nobody else before.
        for member in members.iter().rev() {
            signal::signal(member.pidfd.as_fd(), Signal::KILL)?;
        }
        signal::kill_group_of(pid);
        let deadline = Deadline::after(GRACE);
        for member in &members {
            poll::poll_two(None, member.pidfd.as_fd(), deadline)?;
        }
        found.map(|()| members.len())
    })
    .unwrap_or(Ok(0))
}

/// Stops all descendants of those in the list, which are stopped, and adds them.
fn find_all(members: &mut Vec<Member>) -> io::Result<()> {
    loop {
        for member in &*members {
            await_standstill(member.pid);
        }
        let mut new = Vec::new();
        for member in &*members {
            for pid in proc::children_of(member.pid) {
                let is_known = |members: &[Member]| members.iter().any(|known| known.pid == pid);
                if is_known(members) || is_known(&new) {
                    continue;
                }
                match process::open_pidfd(pid) {
                    // The number may be another process's by now.
                    Ok(pidfd) if proc::parent_of(pid) == Some(member.pid) => {
                        signal::signal(pidfd.as_fd(), Signal::STOP)?;
                        new.push(Member { pid, pidfd });
                    }
                    Err(error) if !process::is_no_such_process(&error) => return Err(error),
                    _ => {}
                }
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        members.append(&mut new);
    }
}

/// Waits until a process that was told to stop does nothing more.
fn await_standstill(pid: u32) {
    let held = Deadline::after(HELD);
    loop {
        match proc::standing(pid) {
            Standing::Still => return,
            // In the middle of something for the kernel, as one whose child has not run its program
            // yet, which it will not while that stands still.
            Standing::Held if held.is_past() || !proc::children_of(pid).is_empty() => return,
            Standing::Held | Standing::Running => process::pause(Duration::from_micros(100)),
        }
    }
}
