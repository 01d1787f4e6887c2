//! The children of this process: which there are, and that none is left a zombie.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ipc_core::{Deadline, PerProcess};

use crate::child::Child;
use crate::exit::ExitStatus;
use crate::start::server;
use crate::sys::wait::{self, Block};
use crate::sys::{poll, process};

/// What this process knows of its children. A forked child has none.
#[derive(Debug, Default)]
struct Children {
    /// Those that somebody holds a handle to.
    held: Vec<Weak<Child>>,
    /// Those that were let go before they ended. They are looked at when the next one starts.
    abandoned: Vec<Arc<Child>>,
    /// Copies of this process that are children without a handle.
    copies: BTreeSet<u32>,
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
        if let Some(ended) = wait_deadline(Deadline::NEVER)? {
            return Ok(ended);
        }
    }
}

/// Waits for the end of any child of this process, at most so long; `None` if there was none.
///
/// As [`wait`].
///
/// # Errors
///
/// `ECHILD` if this process has no children.
pub fn wait_timeout(timeout: Duration) -> io::Result<Option<(u32, ExitStatus)>> {
    wait_deadline(Deadline::after(timeout))
}

fn wait_deadline(deadline: Deadline) -> io::Result<Option<(u32, ExitStatus)>> {
    loop {
        let pid = match wait::peek_any(Block::No)? {
            // The fork server and its spare are children too, but none to wait for.
            None if server::is_only_child() => return Err(wait::no_child()),
            None if deadline.is_never() && !server::is_running() => wait::peek_any(Block::Yes)?,
            None if deadline.is_past() => return Ok(None),
            None => {
                await_any(deadline)?;
                continue;
            }
            ended => ended,
        };
        // The kernel named one that has ended; another thread may take its status before us.
        if let Some(pid) = pid
            && !server::reap(pid)
            && let Some(status) = take_status(pid)?
        {
            return Ok(Some((pid, status)));
        }
    }
}

/// Waits until a child that we know has ended, or for a moment: others can only be looked at.
fn await_any(deadline: Deadline) -> io::Result<()> {
    /// How soon is looked again.
    const LOOK: Duration = Duration::from_millis(10);

    let known: Vec<_> = all().into_iter().filter(|child| child.known_status().is_none()).collect();
    let files: Vec<BorrowedFd<'_>> = known.iter().map(|child| child.as_fd()).collect();
    if poll::poll_many(&files, deadline.min(Deadline::after(LOOK)))?.is_some() {
        // It is told at once, unless its status is not to be had.
        process::pause(Duration::from_micros(100));
    }
    Ok(())
}

/// Waits until one of many has ended, at most until the deadline, and says which by its place in the
/// list; `None` if none has.
///
/// The list is of [sentinels](crate::Process::sentinel) of children, of [programs](crate::Running) by their
/// `as_fd`, and of others: whatever has a descriptor that is ready to be read when it is over. No status is
/// taken.
///
/// # Errors
///
/// What the system says if it cannot wait, for want of memory or because there are more than this
/// process may have descriptors.
///
/// # Examples
///
/// ```
/// use ipc_core::Deadline;
/// use proc_core::{Process, wait_any};
///
/// let slow = Process::spawn(|()| std::thread::park(), ())?;
/// let fast = Process::spawn(|()| 5, ())?;
/// let first = wait_any([slow.sentinel(), fast.sentinel()], Deadline::NEVER)?;
/// assert_eq!(first, Some(1));
/// # slow.kill()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "connection.wait")]
pub fn wait_any(
    sentinels: impl IntoIterator<Item = impl AsFd>,
    deadline: Deadline,
) -> io::Result<Option<usize>> {
    let sentinels: Vec<_> = sentinels.into_iter().collect();
    let files: Vec<BorrowedFd<'_>> = sentinels.iter().map(AsFd::as_fd).collect();
    poll::poll_many(&files, deadline)
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
        if let Some(status) = wait::wait_pid(pid, Block::Yes)? {
            lock().copies.remove(&pid);
            return Ok(status);
        }
    }
}

/// Takes the status of a child that has ended, or `None` if somebody else was faster.
fn take_status(pid: u32) -> io::Result<Option<ExitStatus>> {
    if let Some(child) = find(pid) {
        return child.try_reap();
    }
    match wait::wait_pid(pid, Block::No) {
        Err(error) if wait::is_no_child(&error) => Ok(None),
        result => {
            lock().copies.remove(&pid);
            result
        }
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
        let mut children = lock();
        children.held.retain(|held| !std::ptr::eq(held.as_ptr(), Arc::as_ptr(child)));
        children.abandoned.push(Arc::clone(child));
    }
}

impl Children {
    fn reap(&mut self) {
        self.held.retain(|child| child.strong_count() > 0);
        self.abandoned.retain(|child| matches!(child.try_reap(), Ok(None)));
    }
}

/// Notes a copy of this process, which somebody will wait for by its number.
pub(crate) fn add_copy(pid: u32) {
    lock().copies.insert(pid);
}

/// Whether we look after a child with this number, or made it, or had it made.
pub(crate) fn is_known(pid: u32) -> bool {
    let is_copy = lock().copies.contains(&pid);
    is_copy || find(pid).is_some() || server::is_spare(pid)
}

/// Every child that we look after; those that nobody else does are reaped if they have ended.
pub(crate) fn all() -> Vec<Arc<Child>> {
    let mut children = lock();
    children.reap();
    let held = children.held.iter().filter_map(Weak::upgrade);
    held.chain(children.abandoned.iter().cloned()).collect()
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
