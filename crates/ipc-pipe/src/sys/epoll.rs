//! Many descriptors behind one.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::retry_on_intr;

/// Makes a descriptor that is readable when one of those that are added to it is.
///
/// # References
///
/// - Linux `epoll_create1(2)`
pub(crate) fn create() -> io::Result<OwnedFd> {
    Ok(epoll::create(epoll::CreateFlags::CLOEXEC)?)
}

/// Adds a descriptor, by a name of the caller's.
///
/// # References
///
/// - Linux `EPOLL_CTL_ADD`, `epoll_ctl(2)`
pub(crate) fn add(epoll: BorrowedFd<'_>, file: BorrowedFd<'_>, name: u64) -> io::Result<()> {
    let name = epoll::EventData::new_u64(name);
    Ok(epoll::add(epoll, file, name, epoll::EventFlags::IN)?)
}

/// Takes a descriptor out.
///
/// # References
///
/// - Linux `EPOLL_CTL_DEL`, `epoll_ctl(2)`
pub(crate) fn remove(epoll: BorrowedFd<'_>, file: BorrowedFd<'_>) -> io::Result<()> {
    Ok(epoll::delete(epoll, file)?)
}

/// The names of some that are ready now.
///
/// # References
///
/// - Linux `epoll_wait(2)`
pub(crate) fn ready(epoll: BorrowedFd<'_>) -> io::Result<Vec<u64>> {
    let mut events = Vec::with_capacity(AT_ONCE);
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    retry_on_intr(|| epoll::wait(epoll, spare_capacity(&mut events), Some(&now)))?;
    Ok(events.iter().map(|event: &epoll::Event| event.data.u64()).collect())
}

/// How many are asked for at once.
const AT_ONCE: usize = 64;
