//! A child of this process: its descriptor, its end, its status.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ipc_core::{Deadline, PerProcess, ProcessId};

use crate::events;
use crate::exit::{ExitStatus, SignalName};
use crate::memory::{self, MemoryHint};
use crate::sys::signal::{self, Signal};
use crate::sys::wait::{self, Waited};
use crate::sys::{poll, process};
use crate::usage::Usage;

/// A child of this process, from its start until its status was taken, and that status after.
#[derive(Debug)]
pub(crate) struct Child {
    /// Its number, which is its own until its status is taken.
    pid: u32,
    /// Stands for it, whatever becomes of the number.
    pidfd: OwnedFd,
    /// Which process it is a child of.
    parent: &'static Mark,
    /// Its number together with its time of birth, once somebody has asked.
    id: OnceLock<ProcessId>,
    /// How it ended, once that is known. Taking the status happens under the lock, so that nobody
    /// is told that there is none while another thread is taking it.
    status: Mutex<Option<ExitStatus>>,
    /// What it used up, if the status came from the kernel.
    usage: OnceLock<Usage>,
    /// Its name, if it is one of the user's.
    name: OnceLock<String>,
    /// Whether it has a limit of its memory, of ours.
    memory_limit: OnceLock<()>,
    /// Whether it was killed by way of its handle.
    was_killed: OnceLock<()>,
    /// Whether its end hints at a want of memory, once somebody has asked.
    memory_hint: OnceLock<Option<MemoryHint>>,
}

/// Stands for a process in its own memory: a copy of the process has another one.
///
/// It has a size, so that no two are in the same place.
#[derive(Debug)]
pub(crate) struct Mark(#[expect(dead_code, reason = "only its place counts")] u8);

impl Mark {
    /// That of this process.
    pub(crate) fn own() -> &'static Self {
        static OWN: PerProcess<Mark> = PerProcess::new();
        OWN.get_or_make(|_| Self(0))
    }

    /// Whether it stands for this process.
    pub(crate) fn is_own(&self) -> bool {
        std::ptr::eq(self, Self::own())
    }
}

impl Child {
    pub(crate) fn new(pid: u32, pidfd: OwnedFd) -> Self {
        let (id, status, usage, name) = Default::default();
        let (memory_limit, was_killed, memory_hint) = Default::default();
        let parent = Mark::own();
        Self { pid, pidfd, parent, id, status, usage, name, memory_limit, was_killed, memory_hint }
    }

    /// Says that it is one of the user's, by this name.
    pub(crate) fn set_name(&self, name: &str) {
        // Once, when its handle is made.
        let _set = self.name.set(name.to_owned());
    }

    /// Its name, if it is one of the user's.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.get().map(String::as_str)
    }

    /// Says that it has a limit of its memory.
    pub(crate) fn note_memory_limit(&self) {
        // Once, when its handle is made.
        let _set = self.memory_limit.set(());
    }

    /// Whether it looks as if it had run out of memory, by how it ended.
    pub(crate) fn memory_hint(&self, status: ExitStatus) -> Option<MemoryHint> {
        let (was_killed, had_limit) = (self.was_killed.get(), self.memory_limit.get());
        *self
            .memory_hint
            .get_or_init(|| memory::hint(status, was_killed.is_some(), had_limit.is_some()))
    }

    /// What it used up, if its status was taken here.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.usage.get().copied()
    }

    /// Does something while the number is sure to be the child's; `None` if its status was taken.
    pub(crate) fn while_unreaped<R>(&self, work: impl FnOnce(u32) -> R) -> Option<R> {
        let status = self.lock();
        (self.is_ours() && status.is_none()).then(|| work(self.pid))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether this is the process whose child it is, and not a copy of that one.
    pub(crate) fn is_ours(&self) -> bool {
        self.parent.is_own()
    }

    /// Its number together with its time of birth.
    pub(crate) fn id(&self) -> io::Result<ProcessId> {
        if let Some(id) = self.id.get() {
            return Ok(*id);
        }
        // As long as the status is not taken the number is the child's own.
        let status = self.lock();
        match ProcessId::of(self.pid)? {
            Some(id) if status.is_none() => Ok(*self.id.get_or_init(|| id)),
            _ => Err(process::no_such_process()),
        }
    }

    /// How it ended, if that was asked before. Then its number is free for others.
    pub(crate) fn known_status(&self) -> Option<ExitStatus> {
        *self.lock()
    }

    /// How it ended, if it has; takes the status from the kernel if nobody has yet.
    pub(crate) fn try_reap(&self) -> io::Result<Option<ExitStatus>> {
        let mut status = self.lock();
        if status.is_some() {
            return Ok(*status);
        }
        let ended = match wait::wait_child(self.as_fd())? {
            Waited::Ended(status, usage) => {
                let _first = self.usage.set(usage);
                Some(status)
            }
            Waited::Running => None,
            // With SIGCHLD ignored the kernel says so when it is gone. A copy of this process,
            // which has no such child, is told so at once.
            Waited::NoChild if poll::is_ready(self)? => Some(ExitStatus::Unknown),
            Waited::NoChild => None,
        };
        *status = ended;
        // Who listens may want to look at the child.
        drop(status);
        if let Some(status) = ended {
            events::ended(self.pid, status);
        }
        Ok(ended)
    }

    /// Waits for its end; `None` when the deadline has passed.
    pub(crate) fn wait(&self, deadline: Deadline) -> io::Result<Option<ExitStatus>> {
        loop {
            if let Some(status) = self.try_reap()? {
                return Ok(Some(status));
            }
            if !poll::poll_two(None, self.as_fd(), deadline)?.second {
                return Ok(None);
            }
            // It has ended. One case is left in which its status is not to be had at once: a
            // debugger of another process holds it. There is nothing to wait on for that.
            if let Some(status) = self.try_reap()? {
                return Ok(Some(status));
            }
            if deadline.is_past() {
                return Ok(None);
            }
            process::pause(Duration::from_millis(1));
        }
    }

    /// Sends a signal; nothing happens if it has ended.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        if signal == Signal::KILL {
            // Once is enough.
            let _first = self.was_killed.set(());
        }
        let was_sent = signal::signal(self.as_fd(), signal)?;
        if was_sent {
            events::signalled(self.pid, SignalName(signal.as_raw()));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<ExitStatus>> {
        // Nothing that runs under the lock can leave the status half-written.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}
