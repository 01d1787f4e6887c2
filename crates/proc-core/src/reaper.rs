//! Orphans and zombies: processes whose parent is dead, and processes that are dead themselves.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::children;
use crate::events;
use crate::exit::ExitStatus;
use crate::sys::setup;
use crate::sys::wait::{self, Block};
use crate::sys::{poll, proc, process};

/// Makes this process the parent of all its descendants whose own parent dies.
///
/// Without one they go to the first process of the machine or container, which may not know what to
/// do with them. As long as the reaper lives they come here; when it is dropped, those that came stay
/// and no more come.
///
/// A reaper takes the statuses of orphans, and of nobody else: not of a [`Process`](crate::Process)
/// or a [`Program`](crate::Program), not of children by [`fork`](crate::fork), and not of children
/// that were there before it. The kernel does not say which child is an orphan: a child that was
/// started later in another way, as by `std::process::Command`, has to be [spared](Self::spare).
///
/// # Process death
///
/// The adoption is by the kernel, so no orphan is missed. If this process dies, its orphans go to the
/// next such process above it, or to the first process of all.
///
/// # Examples
///
/// ```
/// use ipc_core::Deadline;
/// use proc_core::{Process, Reaper, parent};
///
/// fn outlive_the_parent(_: ()) {
///     parent().map(|parent| parent.wait(Deadline::NEVER));
/// }
///
/// let reaper = Reaper::adopt_orphans()?;
/// // A child leaves one of its own behind.
/// let child = Process::spawn(
///     |()| Process::spawn(outlive_the_parent, ()).map(|orphan| orphan.detach()).ok(),
///     (),
/// )?;
/// let orphan = child.join()?.expect("it started one");
/// assert_eq!(reaper.wait()?.map(|(pid, _)| pid), Some(orphan));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reaper {
    /// Children that are no orphans, although nobody here started them.
    spared: Mutex<BTreeSet<u32>>,
    was_one: bool,
}

/// A process that came to this one when its parent died.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Orphan {
    /// Its number.
    pub pid: u32,
    /// What the kernel calls it: the name of its program, mostly.
    pub name: String,
    /// Whether it has ended, and its status is to be taken.
    pub is_zombie: bool,
}

impl Reaper {
    /// Begins to adopt.
    ///
    /// # Errors
    ///
    /// What the system says if it will not tell of the children that there are.
    ///
    /// # References
    ///
    /// - Linux `prctl(2)`, `PR_SET_CHILD_SUBREAPER`
    pub fn adopt_orphans() -> io::Result<Self> {
        let was_one = setup::adopts_orphans()?;
        // Before the first one can come.
        let spared = Mutex::new(proc::children()?.into_iter().collect());
        setup::adopt_orphans()?;
        Ok(Self { spared, was_one })
    }

    /// Leaves a child alone that was started neither by this crate nor before the reaper.
    pub fn spare(&self, pid: u32) {
        self.spared().insert(pid);
    }

    /// The orphans that there are.
    ///
    /// # Errors
    ///
    /// What the system says if it will not tell.
    pub fn orphans(&self) -> io::Result<Vec<Orphan>> {
        let pids = self.find()?.into_iter();
        Ok(pids
            .map(|pid| {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                let name = name.trim_end().to_owned();
                Orphan { pid, name, is_zombie: proc::is_zombie(pid) }
            })
            .collect())
    }

    /// Takes the statuses of orphans that have ended.
    ///
    /// # Errors
    ///
    /// As [`orphans`](Self::orphans).
    pub fn reap(&self) -> io::Result<Vec<(u32, ExitStatus)>> {
        let mut reaped = Vec::new();
        for pid in self.find()? {
            match wait::wait_pid(pid, Block::No) {
                Ok(Some(status)) => {
                    events::orphan_reaped(pid, status);
                    reaped.push((pid, status));
                }
                Ok(None) => {}
                // Somebody else was faster.
                Err(error) if wait::is_no_child(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(reaped)
    }

    /// Waits until one of the orphans that there are has ended, and takes its status; `None` if there
    /// is none.
    ///
    /// # Errors
    ///
    /// As [`orphans`](Self::orphans), and `EMFILE` if this process has no room for descriptors.
    pub fn wait(&self) -> io::Result<Option<(u32, ExitStatus)>> {
        loop {
            let pids = self.find()?;
            if pids.is_empty() {
                return Ok(None);
            }
            let pidfds: Result<Vec<_>, _> =
                pids.iter().map(|pid| process::open_pidfd(*pid)).collect();
            match pidfds {
                Ok(pidfds) => {
                    let files: Vec<_> = pidfds.iter().map(std::os::fd::AsFd::as_fd).collect();
                    let ended = poll::poll_many(&files, ipc_core::Deadline::NEVER)?;
                    let Some(pid) = ended.and_then(|at| pids.get(at)) else { continue };
                    match wait::wait_pid(*pid, Block::No) {
                        Ok(Some(status)) => {
                            events::orphan_reaped(*pid, status);
                            return Ok(Some((*pid, status)));
                        }
                        Ok(None) => process::pause(std::time::Duration::from_millis(1)),
                        Err(error) if wait::is_no_child(&error) => {}
                        Err(error) => return Err(error),
                    }
                }
                // Somebody else has reaped one.
                Err(error) if process::is_no_such_process(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn find(&self) -> io::Result<Vec<u32>> {
        let children = proc::children()?;
        let mut spared = self.spared();
        // A number that is free again may be an orphan's next.
        spared.retain(|pid| children.contains(pid));
        let is_orphan = |pid: &u32| !spared.contains(pid) && !children::is_known(*pid);
        Ok(children.iter().copied().filter(is_orphan).collect())
    }

    fn spared(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        // Each change is one step.
        self.spared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if !self.was_one {
            // It does not fail where it worked before.
            let _stopped = setup::leave_orphans();
        }
    }
}

/// The children of this process that have ended and whose statuses nobody has taken.
///
/// They are nothing but places in the table of processes, of which there are not many. A dropped
/// [`Process`](crate::Process) is one from its end to the next start, or to
/// [`active_children`](crate::active_children).
///
/// # Errors
///
/// What the system says if it will not tell of children.
pub fn zombies() -> io::Result<Vec<u32>> {
    Ok(proc::children()?.into_iter().filter(|pid| proc::is_zombie(*pid)).collect())
}
