//! Waiting for descriptors.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use ipc_core::Deadline;
use rustix::event::{PollFd, PollFlags, poll as rustix_poll};
use rustix::io::Errno;

/// Which of two descriptors are ready to be read, or have lost their other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) first: bool,
    pub(crate) second: bool,
}

/// Waits until one of two descriptors is ready; neither is when the deadline has passed.
///
/// # References
///
/// - POSIX `poll`, Linux `poll(2)`
pub(crate) fn poll_two(
    first: Option<BorrowedFd<'_>>,
    second: BorrowedFd<'_>,
    deadline: Deadline,
) -> io::Result<Ready> {
    loop {
        let timeout = deadline.remaining().and_then(|left| left.try_into().ok());
        let mut files = [
            PollFd::from_borrowed_fd(second, PollFlags::IN),
            PollFd::from_borrowed_fd(first.unwrap_or(second), PollFlags::IN),
        ];
        // One descriptor must not stand there twice: it may become ready between two looks at it.
        let (asked, _) = files.split_at_mut(if first.is_some() { 2 } else { 1 });
        match rustix_poll(asked, timeout.as_ref()) {
            Ok(_) => {
                let [second, first] = files.map(|file| !file.revents().is_empty());
                return Ok(Ready { first, second });
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until one of many descriptors is ready to be read, and says which; `None` if none is when
/// the deadline has passed.
///
/// # References
///
/// - POSIX `poll`
pub(crate) fn poll_many(files: &[BorrowedFd<'_>], deadline: Deadline) -> io::Result<Option<usize>> {
    let mut files: Vec<PollFd<'_>> =
        files.iter().map(|file| PollFd::from_borrowed_fd(*file, PollFlags::IN)).collect();
    loop {
        let timeout = deadline.remaining().and_then(|left| left.try_into().ok());
        match rustix_poll(&mut files, timeout.as_ref()) {
            Ok(_) => return Ok(files.iter().position(|file| !file.revents().is_empty())),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What is waited for at a descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interest<'f> {
    ToRead(BorrowedFd<'f>),
    ToWrite(BorrowedFd<'f>),
}

/// Waits until one of many descriptors is ready, and says whether the first one is; `None` if none is
/// when the deadline has passed.
///
/// # References
///
/// - POSIX `poll`
pub(crate) fn poll_first_of(
    interests: &[Interest<'_>],
    deadline: Deadline,
) -> io::Result<Option<bool>> {
    let files = interests.iter().map(|interest| match interest {
        Interest::ToRead(file) => PollFd::from_borrowed_fd(*file, PollFlags::IN),
        Interest::ToWrite(file) => PollFd::from_borrowed_fd(*file, PollFlags::OUT),
    });
    let mut files: Vec<PollFd<'_>> = files.collect();
    loop {
        let timeout = deadline.remaining().and_then(|left| left.try_into().ok());
        match rustix_poll(&mut files, timeout.as_ref()) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(files.first().map(|first| !first.revents().is_empty())),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether a descriptor is ready to be read now.
pub(crate) fn is_ready(file: impl AsFd) -> io::Result<bool> {
    Ok(poll_two(None, file.as_fd(), Deadline::now())?.second)
}
