//! Waiting until descriptors are ready.

use std::array;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use ipc_core::Deadline;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// What a descriptor is looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// Something can be read, or the other end is gone.
    Read,
    /// Something can be written, or the other end is gone.
    Write,
    /// The other end is gone.
    HangUp,
}

impl Ready {
    fn flags(self) -> PollFlags {
        match self {
            Self::Read => PollFlags::IN,
            Self::Write => PollFlags::OUT,
            Self::HangUp => PollFlags::empty(),
        }
    }
}

/// Waits until at least one of the descriptors is ready, and notes of each whether it is; none is if
/// the deadline comes first.
///
/// # References
///
/// - Linux `poll(2)`
pub(crate) fn wait(
    files: &[(BorrowedFd<'_>, Ready)],
    deadline: Deadline,
    note: impl FnMut(usize),
) -> io::Result<()> {
    let entry = |(file, ready): &(_, Ready)| PollFd::from_borrowed_fd(*file, ready.flags());
    let (Some(first), true) = (files.first(), files.len() <= FEW) else {
        return wait_for(&mut files.iter().map(entry).collect::<Vec<_>>(), deadline, note);
    };
    let mut entries: [_; FEW] = array::from_fn(|at| entry(files.get(at).unwrap_or(first)));
    wait_for(entries.get_mut(..files.len()).unwrap_or_default(), deadline, note)
}

/// So many descriptors are waited for without memory of the heap.
const FEW: usize = 12;

/// Whether the descriptor is ready before the deadline.
pub(crate) fn is(file: BorrowedFd<'_>, ready: Ready, deadline: Deadline) -> io::Result<bool> {
    let mut is_ready = false;
    let mut entry = [PollFd::from_borrowed_fd(file, ready.flags())];
    wait_for(&mut entry, deadline, |_| is_ready = true)?;
    Ok(is_ready)
}

/// A descriptor that becomes readable at the deadline.
///
/// # References
///
/// - Linux `timerfd_create(2)`
pub(crate) fn alarm(deadline: Deadline) -> io::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    if let Some(left) = deadline.remaining().and_then(|left| Timespec::try_from(left).ok()) {
        // Zero would be never.
        let left = Timespec { tv_nsec: left.tv_nsec.max(1), ..left };
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval: never, it_value: left };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &once)?;
    }
    Ok(timer)
}

fn wait_for(
    entries: &mut [PollFd<'_>],
    deadline: Deadline,
    mut note: impl FnMut(usize),
) -> io::Result<()> {
    loop {
        // A time that the clock cannot hold is as good as none.
        let timeout = deadline.remaining().and_then(|left| Timespec::try_from(left).ok());
        match poll(entries, timeout.as_ref()) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => break,
        }
    }
    for (at, entry) in entries.iter().enumerate() {
        if !entry.revents().is_empty() {
            note(at);
        }
    }
    Ok(())
}
