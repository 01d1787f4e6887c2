//! The server's system calls: waiting for many descriptors, and being woken by a thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipc_core::Deadline;
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::{Errno, read, write};

/// What is waited for at a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    Read,
    Write,
    Both,
    /// Only that the other end is gone.
    Nothing,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Self::Read => epoll::EventFlags::IN,
            Self::Write => epoll::EventFlags::OUT,
            Self::Both => epoll::EventFlags::IN | epoll::EventFlags::OUT,
            Self::Nothing => epoll::EventFlags::empty(),
        }
    }
}

/// Many descriptors, each with a name.
#[derive(Debug)]
pub(super) struct Many(OwnedFd);

impl Many {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    pub(super) fn add(&self, file: impl AsFd, name: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.0, file, epoll::EventData::new_u64(name), interest.flags())?)
    }

    pub(super) fn change(&self, file: impl AsFd, name: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.0, file, epoll::EventData::new_u64(name), interest.flags())?)
    }

    pub(super) fn remove(&self, file: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.0, file)?)
    }

    /// Waits until some are ready, or until the deadline; their names.
    pub(super) fn wait(&self, deadline: Deadline) -> io::Result<Vec<u64>> {
        let mut events = Vec::with_capacity(AT_ONCE);
        let left = deadline.remaining().and_then(|left| Timespec::try_from(left).ok());
        match epoll::wait(&self.0, spare_capacity(&mut events), left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(events.iter().map(|event: &epoll::Event| event.data.u64()).collect())
    }
}

/// How many are told of at once.
const AT_ONCE: usize = 256;

/// Wakes the server from another thread.
#[derive(Debug)]
pub(crate) struct Waker(OwnedFd);

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    pub(crate) fn wake(&self) {
        // If it cannot be counted higher, it is awake.
        write(&self.0, &1_u64.to_ne_bytes()).ok();
    }

    pub(crate) fn reset(&self) {
        read(&self.0, &mut [0_u8; 8]).ok();
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How many processors this thread may use; two if the system does not say.
pub(super) fn n_processors() -> usize {
    let set = rustix::thread::sched_getaffinity(None);
    set.map_or(2, |set| usize::try_from(set.count()).unwrap_or(2)).max(1)
}

/// A number that nobody guesses.
pub(crate) fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    let flags = rustix::rand::GetRandomFlags::empty();
    // So few come all at once.
    rustix::io::retry_on_intr(|| rustix::rand::getrandom(&mut bytes, flags))?;
    Ok(u64::from_ne_bytes(bytes))
}
