//! Doors: by what one half of a way calls the other, and knows that it is gone.
//!
//! A call is a packet on a socket: it is there until it is read, and when the last who has the other half
//! is gone the kernel says so. But several may have the other half, since it travels, and only one of them
//! uses it: that one has written which process it is (its *owner* word), and its death is seen by a
//! pidfd. Before it writes the word it says by a call what it is about to write, so that who sleeps
//! without knowing an owner watches it from then on: should it die between the two, or just after, the
//! sleeper wakes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipc_core::{Deadline, DeathWatch};

use super::owner::{LEFT, NOBODY, Owner, process};
use crate::sys::ready::{self, Ready};
use crate::sys::socket;

/// A half's socket for calls, and whom it watches.
#[derive(Debug)]
pub(crate) struct Door {
    bell: OwnedFd,
    watched: Vec<(u64, DeathWatch)>,
    /// Whether somebody who may be the owner could not be watched.
    is_blind: bool,
    /// Whether the other side may not call.
    is_deaf: bool,
}

/// How often who cannot watch looks instead.
const NEXT_LOOK: std::time::Duration = std::time::Duration::from_millis(10);

/// More have never been about to use a half at the same time.
const MOST_WATCHED: usize = 8;
/// The call, those who are watched, and a socket beside it.
const MOST_FILES: usize = 1 + MOST_WATCHED + 1;

impl Door {
    pub(super) fn new(bell: OwnedFd) -> Self {
        Self { bell, watched: Vec::new(), is_blind: false, is_deaf: false }
    }

    /// Calls whoever sleeps at the other side.
    pub(super) fn call(&self) {
        // If the socket is full, there is a call in it; if nobody is there, nobody sleeps.
        socket::send_now(self.bell.as_fd(), &[0]).ok();
    }

    /// Says that this process is about to be the owner of this half.
    pub(super) fn announce_owner(&self, word: u64) -> io::Result<()> {
        match socket::send_now(self.bell.as_fd(), &word.to_le_bytes()) {
            // Nobody is there to be told.
            Err(error) if is_gone(&error) => Ok(()),
            result => result,
        }
    }

    /// Sleeps until there is a call, one who is watched has died, or there is room in a socket; `false` if
    /// the deadline comes first. `theirs` says who has the other half.
    pub(super) fn sleep(
        &mut self,
        theirs: Owner<'_>,
        room_in: Option<BorrowedFd<'_>>,
        deadline: Deadline,
    ) -> bool {
        let limit = self.next_look().map_or(deadline, |next| deadline.min(next));
        let mut files = [(self.bell.as_fd(), Ready::Read); MOST_FILES];
        let room = room_in.map(|socket| (socket, Ready::Write));
        let wanted = self.files().map(|file| (file, Ready::Read)).chain(room);
        let n_files = files.iter_mut().zip(wanted).map(|(place, file)| *place = file).count();
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

    /// When to look even if nothing was readable: never, unless somebody cannot be watched or may not
    /// call.
    pub(crate) fn next_look(&self) -> Option<Deadline> {
        (self.is_blind || self.is_deaf).then(|| Deadline::after(NEXT_LOOK))
    }

    /// Does not rely on calls from now on.
    pub(super) fn look_now_and_then(&mut self) {
        self.is_deaf = true;
    }

    /// Takes note of all calls and deaths. `theirs` says who has the other half.
    pub(crate) fn listen(&mut self, theirs: Owner<'_>) {
        self.hear();
        // Who was about to be the owner and died before is of no interest any more.
        let owner = theirs.word();
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
        }
    }

    /// Watches somebody who is the owner of the other half, or may soon be.
    fn watch(&mut self, word: u64) {
        let Some(process) = process(word) else { return };
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

    /// Whether nobody has the other half any more.
    pub(super) fn is_gone(&mut self, theirs: Owner<'_>) -> bool {
        match theirs.word() {
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
