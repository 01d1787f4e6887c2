//! What asks a program to stop, as something to be read.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What asks a program to stop.
const STOPPERS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// The signals that ask this program to stop: from now on they are read, and do nothing else.
#[derive(Debug)]
pub(crate) struct Stoppers(SignalFd);

impl Stoppers {
    /// Begins to hear them. This thread must be the only one, and whatever it starts inherits that they do
    /// nothing else.
    pub(crate) fn hear() -> io::Result<Self> {
        let mask: SigSet = STOPPERS.into_iter().collect();
        mask.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(SignalFd::with_flags(&mask, flags)?))
    }

    /// The number of one that came, if one has.
    pub(crate) fn next(&self) -> io::Result<Option<i32>> {
        let found = self.0.read_signal()?;
        Ok(found.and_then(|signal| i32::try_from(signal.ssi_signo).ok()))
    }
}

impl AsFd for Stoppers {
    /// Ready to be read when one has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
