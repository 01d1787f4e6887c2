//! A child that ends when its parent does.
//!
//! The kernel's own means, `PR_SET_PDEATHSIG`, goes by the *thread* that started the child, so a
//! child would die with a thread of a parent that lives. Here a thread of the child waits on the
//! parent's descriptor. It came from the parent itself, so there is no moment at which the parent's
//! death could be missed.
//!
//! A parent may itself die with its own, and so on. On a busy machine each of them would have to be
//! given a processor twice, one after the other, before the last one ends: to see the death before it,
//! and to end. So the thread waits on all of them at once: `docs/design/042`.
//!
//! The thread blocks all signals and does nothing else. Yet a process with two threads it is, so it
//! cannot be forked with [`Start::Fork`](crate::Start::Fork).
//!
//! What is cheap only for a process with one thread is done before that thread is there: to join those
//! that take part in each other's fences, as all who open a queue do. A process with several threads
//! would have to wait then until every processor has been elsewhere, 10 to 20 ms.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::thread;
use std::time::Duration;

use ipc_core::primitive::join_heavy_fences;
use ipc_core::{Deadline, PerProcess};

use crate::current::Parent;
use crate::sys::{poll, process, signal, slice};

/// Those with whom this process ends. A forked copy ends with nobody.
static BOND: PerProcess<Bond> = PerProcess::new();

#[derive(Default)]
struct Bond {
    parent: Option<Parent>,
    /// Those with whom the parent ends, the nearest first.
    ancestors: Vec<OwnedFd>,
}

impl Bond {
    /// Their descriptors, the nearest first.
    fn files(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.parent.iter().map(Parent::as_fd).chain(self.ancestors.iter().map(OwnedFd::as_fd))
    }
}

/// The descriptors of those with whom this process ends, for a child of it; none unless that ends with it.
///
/// The furthest are left out if there are many, and so are those for which there is no room: whoever is
/// in between ends with them.
pub(super) fn ancestors(ends_with_us: bool) -> Vec<OwnedFd> {
    const MOST: usize = 16;

    if !ends_with_us {
        return Vec::new();
    }
    let bond = BOND.get_or_make(|_| Bond::default());
    bond.files().take(MOST).flat_map(|file| file.try_clone_to_owned()).collect()
}

/// Sees to it that this process is killed as soon as its parent has ended, or one with whom that ends.
pub(super) fn end_with(parent: Parent, ancestors: Vec<OwnedFd>) -> io::Result<()> {
    /// Enough for a call of `poll`.
    const STACK_LEN: usize = 64 << 10;

    join_heavy_fences();
    let bond = BOND.get_or_make(|_| Bond { parent: Some(parent), ancestors });
    let files: Vec<_> = bond.files().collect();
    let watch = move || {
        slice::shorten();
        loop {
            match poll::poll_many(&files, Deadline::NEVER) {
                Ok(Some(_)) => signal::kill_self(),
                // No memory for the call now.
                Ok(None) | Err(_) => process::pause(Duration::from_millis(10)),
            }
        }
    };
    let thread = thread::Builder::new().name("parent-watch".to_owned()).stack_size(STACK_LEN);
    signal::with_signals_blocked(|| thread.spawn(watch)).map(drop)
}
