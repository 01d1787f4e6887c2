//! Doors: by what one end of a shared-memory pipe calls the other, and knows that it is gone.
//!
//! A call is a packet on a socket: it is there until it is read, and when the last who has the other end
//! is gone the kernel says so. But several may have the other end, since it travels, and only one of them
//! uses it: that one has written which process it is (its *owner* word), and its death is seen by a
//! pidfd. Before it writes the word it says by a call what it is about to write, so that who sleeps
//! without knowing an owner watches it from then on: should it die between the two, or just after, the
//! sleeper wakes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Acquire;
use ipc_core::{Deadline, DeathWatch, ProcessId};

use crate::sys::ready::{self, Ready};
use crate::sys::socket;

/// Nobody uses the end yet.
pub(super) const NOBODY: u64 = 0;
/// Whoever used the end has left it, and nobody will use it again.
pub(super) const LEFT: u64 = u64::MAX;

/// A pid has 22 bits.
const PID_BITS: u32 = 22;

/// A process as an owner word has it.
pub(super) fn owner_word(process: ProcessId) -> u64 {
    (process.start_time() << PID_BITS) | u64::from(process.pid())
}

fn owner(word: u64) -> Option<ProcessId> {
    let pid = u32::try_from(word & ((1 << PID_BITS) - 1)).ok()?;
    (word != NOBODY && word != LEFT).then(|| ProcessId::from_parts(pid, word >> PID_BITS))
}

/// An end's socket for calls, and whom it watches.
#[derive(Debug)]
pub(crate) struct Door {
    bell: OwnedFd,
    watched: Vec<(u64, DeathWatch)>,
    /// Whether somebody who may be the owner could not be watched.
    is_blind: bool,
    /// Whether the other side may not call.
    is_deaf: bool,
    /// How often somebody here took note of calls.
    #[cfg(feature = "tokio")]
    n_heard: u64,
}

/// How often who cannot watch looks instead.
const NEXT_LOOK: std::time::Duration = std::time::Duration::from_millis(10);

/// More have never been about to use an end at the same time.
const MOST_WATCHED: usize = 8;

impl Door {
    pub(super) fn new(bell: OwnedFd) -> Self {
        Self {
            bell,
            watched: Vec::new(),
            is_blind: false,
            is_deaf: false,
            #[cfg(feature = "tokio")]
            n_heard: 0,
        }
    }

    /// Calls whoever sleeps at the other side.
    pub(super) fn call(&self) {
        // If the socket is full, there is a call in it; if nobody is there, nobody sleeps.
        socket::send_now(self.bell.as_fd(), &[0]).ok();
    }

    /// Says that this process is about to be the owner of this end.
    pub(super) fn announce_owner(&self, word: u64) -> io::Result<()> {
        match socket::send_now(self.bell.as_fd(), &word.to_le_bytes()) {
            // Nobody is there to be told.
            Err(error) if is_gone(&error) => Ok(()),
            result => result,
        }
    }

    /// Sleeps until there is a call, or one who is watched has died; `false` if the deadline comes
    /// first. `theirs` is the owner word of the other end.
    pub(super) fn sleep(&mut self, theirs: &AtomicU64, deadline: Deadline) -> bool {
        let limit = self.next_look().map_or(deadline, |next| deadline.min(next));
        let mut files = [(self.bell.as_fd(), Ready::Read); 1 + MOST_WATCHED];
        let n_files =
            files.iter_mut().zip(self.files()).map(|(place, file)| place.0 = file).count();
        let mut is_called = false;
        let slept = match files.get(..n_files) {
            Some(files) => ready::wait(files, limit, |_| is_called = true),
            None => Ok(()),
        };
        self.listen(theirs);
        is_called || !deadline.is_past() || slept.is_err()
    }

    /// What becomes readable when there is a call, or one who is watched has died.
    pub(crate) fn files(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let watched = self.watched.iter().map(|(_, watch)| watch.as_fd());
        [self.bell.as_fd()].into_iter().chain(watched)
    }

    /// The owner words of those who are watched.
    #[cfg(feature = "tokio")]
    pub(crate) fn watched(&self) -> impl Iterator<Item = u64> {
        self.watched.iter().map(|(word, _)| *word)
    }

    /// How often somebody here took note of calls: who sleeps beside others looks again when that has
    /// changed, for a call says not for whom it is.
    #[cfg(feature = "tokio")]
    pub(crate) const fn n_heard(&self) -> u64 {
        self.n_heard
    }

    /// When to look even if nothing was readable: never, unless somebody cannot be watched or may not
    /// call.
    pub(crate) fn next_look(&self) -> Option<Deadline> {
        (self.is_blind || self.is_deaf).then(|| Deadline::after(NEXT_LOOK))
    }

    /// Does not rely on calls from now on.
    pub(super) fn look_now_and_then(&mut self) {
        self.is_deaf = true;
    }

    /// Takes note of all calls and deaths. `theirs` is the owner word of the other end.
    pub(crate) fn listen(&mut self, theirs: &AtomicU64) {
        self.hear();
        // Who was about to be the owner and died before is of no interest any more.
        // E1 acquire.
        let owner = theirs.load(Acquire);
        self.watched.retain(|(word, watch)| *word == owner || matches!(watch.is_dead(), Ok(false)));
    }

    /// Takes note of all calls.
    fn hear(&mut self) {
        let mut said = [0; size_of::<u64>()];
        while let Ok(count) = socket::recv_now(self.bell.as_fd(), &mut said) {
            match count {
                // It is the end: `is_gone` asks for itself.
                0 => return,
                8 => self.watch(u64::from_le_bytes(said)),
                _ => {}
            }
            #[cfg(feature = "tokio")]
            {
                self.n_heard = self.n_heard.wrapping_add(1);
            }
        }
    }

    /// Watches somebody who is the owner of the other end, or may soon be.
    fn watch(&mut self, word: u64) {
        let Some(process) = owner(word) else { return };
        let is_known = self.watched.iter().any(|(known, _)| *known == word);
        if is_known || self.watched.len() >= MOST_WATCHED {
            return;
        }
        match DeathWatch::open(process) {
            Ok(Some(watch)) => self.watched.push((word, watch)),
            // It is dead.
            Ok(None) => {}
            Err(_) => self.is_blind = true,
        }
    }

    /// Whether nobody is at the other end any more.
    pub(super) fn is_gone(&mut self, theirs: &AtomicU64) -> bool {
        // E1 acquire.
        match theirs.load(Acquire) {
            LEFT => return true,
            NOBODY => {}
            word => {
                self.watched.retain(|(known, _)| *known == word);
                self.watch(word);
                let watch = self.watched.iter().find(|(known, _)| *known == word);
                match watch {
                    Some((_, watch)) if matches!(watch.is_dead(), Ok(true)) => return true,
                    None if !self.is_blind => return true,
                    _ => {}
                }
            }
        }
        matches!(ready::is(self.bell.as_fd(), Ready::HangUp, Deadline::now()), Ok(true))
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
