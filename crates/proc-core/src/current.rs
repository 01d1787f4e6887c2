//! Who this process is, and whose child.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipc_core::{Deadline, PerProcess};
use serde::{Deserialize, Serialize};

use crate::inspect::{self, Role};
use crate::start::Start;
use crate::sys::{poll, process};

/// This process, as it is known to whoever started it.
///
/// # Examples
///
/// ```
/// let me = proc_core::current();
/// assert_eq!(me.name(), "MainProcess");
/// assert!(!me.is_child());
/// ```
#[derive(Clone, Debug)]
pub struct Current {
    name: String,
    pid: u32,
    is_child: bool,
    is_daemon: bool,
}

impl Current {
    /// Its name: `MainProcess` if it was not started by this crate.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it was started by this crate from another process.
    #[must_use]
    pub const fn is_child(&self) -> bool {
        self.is_child
    }

    /// Whether it is a [daemon](crate::Builder::daemon), as its children are unless that is said
    /// otherwise.
    #[must_use]
    pub const fn is_daemon(&self) -> bool {
        self.is_daemon
    }
}

/// The process that started this one, also when it was started by the fork server.
///
/// The descriptor is ready to be read when that process has ended, so it can be waited for together
/// with others.
///
/// # Process death
///
/// It stands for the process itself, not for its number: when that is given out again, it still says
/// that the parent is dead. A process that shall not outlive its parent is best started with
/// [`Builder::dies_with_parent`](crate::Builder::dies_with_parent).
#[derive(Clone)]
pub struct Parent(Arc<Origin>);

struct Origin {
    pid: u32,
    name: String,
    pidfd: OwnedFd,
}

impl Parent {
    /// Its number while it lives.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.pid
    }

    /// Its name when it started this process.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it has not ended; once it has, this process is an orphan.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        // The question itself cannot fail for a descriptor that is open, as ours is.
        !poll::is_ready(self).unwrap_or(true)
    }

    /// Waits for its end; `false` when the deadline has passed.
    ///
    /// # Errors
    ///
    /// What the system says if it cannot wait, for want of memory.
    pub fn wait(&self, deadline: Deadline) -> io::Result<bool> {
        Ok(poll::poll_two(None, self.as_fd(), deadline)?.second)
    }
}

impl AsFd for Parent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.pidfd.as_fd()
    }
}

impl fmt::Debug for Parent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Parent").field("pid", &self.pid()).finish_non_exhaustive()
    }
}

/// This process: its name, its number, whether it is a child.
#[doc(alias = "current_process")]
#[must_use]
pub fn current() -> Current {
    let identity = lock();
    let name = identity.name.clone().unwrap_or_else(|| "MainProcess".to_owned());
    let (is_child, is_daemon) = (identity.parent.is_some(), identity.is_daemon);
    Current { name, pid: process::own_pid(), is_child, is_daemon }
}

/// The process that started this one; `None` if that was not done by this crate.
#[doc(alias = "parent_process")]
#[must_use]
pub fn parent() -> Option<Parent> {
    lock().parent.clone()
}

/// What a child is told of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Introduction {
    /// Its name.
    pub(crate) name: String,
    /// Its place among the children of its parent, and that one's among its parent's: `3:1`.
    pub(crate) lineage: String,
    /// The number of its parent.
    pub(crate) parent_pid: u32,
    /// The name of its parent.
    pub(crate) parent_name: String,
    /// Whether it is a daemon.
    pub(crate) is_daemon: bool,
    /// How its children are started.
    pub(crate) start: Start,
}

/// Who this process is. A forked child is nobody until it was told.
#[derive(Default)]
struct Identity {
    name: Option<String>,
    lineage: String,
    parent: Option<Parent>,
    /// How many children were named.
    n_children: u32,
    is_daemon: bool,
    /// How children are started.
    start: Start,
    /// By which it is known from outside; none if the system has no room for another descriptor.
    badge: Option<OwnedFd>,
}

static IDENTITY: PerProcess<Mutex<Identity>> = PerProcess::new();

/// What the next child of this process is to be told; without a name it gets one by number.
pub(crate) fn introduce(
    name: Option<String>,
    kind: Option<&str>,
    is_daemon: Option<bool>,
) -> Introduction {
    let mut identity = lock();
    identity.n_children = identity.n_children.saturating_add(1);
    let lineage = match identity.lineage.as_str() {
        "" => identity.n_children.to_string(),
        own => format!("{own}:{}", identity.n_children),
    };
    Introduction {
        name: name.unwrap_or_else(|| format!("{}-{lineage}", kind.unwrap_or("Process"))),
        lineage,
        parent_pid: process::own_pid(),
        parent_name: identity.name.clone().unwrap_or_else(|| "MainProcess".to_owned()),
        is_daemon: is_daemon.unwrap_or(identity.is_daemon),
        start: identity.start,
    }
}

/// Makes this process the child that it was told it is.
pub(crate) fn become_child(introduction: Introduction, pidfd: OwnedFd) -> Parent {
    let Introduction { name, lineage, parent_pid, parent_name, is_daemon, start } = introduction;
    process::set_thread_name(&name);
    let parent = Parent(Arc::new(Origin { pid: parent_pid, name: parent_name, pidfd }));
    let (name, of_parent) = (Some(name), Some(parent.clone()));
    *lock() =
        Identity { name, lineage, parent: of_parent, n_children: 0, is_daemon, start, badge: None };
    parent
}

/// Lets other programs know this process, which is a child.
///
/// It takes a while, so whoever waits for the child hears of it before.
pub(crate) fn put_on_badge() {
    let mut identity = lock();
    let parent = identity.parent.as_ref().map_or(0, Parent::pid);
    let name = identity.name.as_deref().unwrap_or_default();
    identity.badge = inspect::put_on(name, parent, Role::Child).ok();
}

/// How children are started if nothing else is said: [`Start::Spawn`] unless it was
/// [set](set_start_method).
#[doc(alias = "get_start_method")]
#[must_use]
pub fn start_method() -> Start {
    lock().start
}

/// Sets how children are started if nothing else is said; children do with theirs the same.
///
/// Unlike Python's it can be called any number of times, and holds for the starts that come after.
pub fn set_start_method(start: Start) {
    lock().start = start;
}

/// All ways of starting a process, the default one first.
#[doc(alias = "get_all_start_methods")]
#[must_use]
pub fn start_methods() -> [Start; 3] {
    [Start::Spawn, Start::ForkServer, Start::Fork]
}

fn lock() -> MutexGuard<'static, Identity> {
    // Each change is one assignment.
    let identity = IDENTITY.get_or_make(|_| Mutex::default());
    identity.lock().unwrap_or_else(PoisonError::into_inner)
}
