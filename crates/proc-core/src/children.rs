//! The children of this process: which there are, and that none is left a zombie.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ipc_core::{Deadline, PerProcess};

use crate::child::Child;
use crate::exit::ExitStatus;
use crate::start::server;
use crate::sys::process::{self, Block};

/// What this process knows of its children. A forked child has none.
#[derive(Debug, Default)]
struct Children {
    /// Those that somebody holds a handle to.
    held: Vec<Weak<Child>>,
    /// Those that were let go before they ended. They are looked at when the next one starts.
    abandoned: Vec<Arc<Child>>,
}

static CHILDREN: PerProcess<Mutex<Children>> = PerProcess::new();

/// Waits for the end of any child of this process, and returns its number and how it ended.
///
/// Children started in other ways count too, as `std::process::Command` does; whoever waits for such
/// a one by other means finds its status gone. The return value of a [`Process`](crate::Process)
/// that is waited for here is still to be had from its handle.
///
/// # Errors
///
/// `ECHILD` if this process has no children.
///
/// # References
///
/// - POSIX `wait`
pub fn wait() -> io::Result<(u32, ExitStatus)> {
    loop {
        let pid = match process::peek_any(Block::No)? {
            // The fork server is a child too, but not one to wait for.
            None if server::is_only_child() => return Err(process::no_child()),
            None => process::peek_any(Block::Yes)?,
            ended => ended,
        };
        // The kernel named one that has ended; another thread may take its status before us.
        if let Some(pid) = pid
            && !server::reap(pid)
            && let Some(status) = take_status(pid)?
        {
            return Ok((pid, status));
        }
    }
}

/// Waits for the end of one child of this process, by its number, and returns how it ended.
///
/// # Errors
///
/// `ECHILD` if this process has no such child, or somebody has taken its status.
///
/// # References
///
/// - POSIX `waitpid`
pub fn wait_for(pid: u32) -> io::Result<ExitStatus> {
    if let Some(child) = find(pid)
        && let Some(status) = child.wait(Deadline::NEVER)?
    {
        return Ok(status);
    }
    loop {
        if let Some(status) = process::wait_pid(pid, Block::Yes)? {
            return Ok(status);
        }
    }
}

/// Takes the status of a child that has ended, or `None` if somebody else was faster.
fn take_status(pid: u32) -> io::Result<Option<ExitStatus>> {
    if let Some(child) = find(pid) {
        return child.try_reap();
    }
    match process::wait_pid(pid, Block::No) {
        Err(error) if process::is_no_child(&error) => Ok(None),
        result => result,
    }
}

/// Notes a child that was started, and looks after those that nobody else does.
pub(crate) fn add(child: &Arc<Child>) {
    let mut children = lock();
    children.reap();
    children.held.push(Arc::downgrade(child));
}

/// Takes the status of every abandoned child that has ended.
pub(crate) fn reap_abandoned() {
    lock().reap();
}

/// Takes over a child whose handle is dropped, unless it has ended.
pub(crate) fn abandon(child: &Arc<Child>) {
    if child.is_ours() && matches!(child.try_reap(), Ok(None)) {
        lock().abandoned.push(Arc::clone(child));
    }
}

impl Children {
    fn reap(&mut self) {
        self.held.retain(|child| child.strong_count() > 0);
        self.abandoned.retain(|child| matches!(child.try_reap(), Ok(None)));
    }
}

/// Whether we look after a child with this number.
pub(crate) fn is_known(pid: u32) -> bool {
    find(pid).is_some()
}

/// The child with this number whose status nobody has taken, if we know it.
fn find(pid: u32) -> Option<Arc<Child>> {
    let children = lock();
    let held = children.held.iter().filter_map(Weak::upgrade);
    // The number of one whose status was taken may be another process's by now.
    let mut all = held.chain(children.abandoned.iter().cloned());
    all.find(|child| child.pid() == pid && child.known_status().is_none())
}

fn lock() -> MutexGuard<'static, Children> {
    // The lists are whole between any two steps.
    let children = CHILDREN.get_or_make(|_| Mutex::default());
    children.lock().unwrap_or_else(PoisonError::into_inner)
}
