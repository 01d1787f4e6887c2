//! The lock that is given back while its holder waits.

#![expect(unsafe_code, reason = "taking the lock hands its address to the kernel")]

use ipc_core::Deadline;
use ipc_core::robust::Thread;

use super::super::{RawLock, RawRLock, Refused, Taken};

/// The lock that is given back while its holder waits.
#[derive(Clone, Copy, Debug)]
pub enum Outer<'word> {
    /// One that is held once.
    Lock(RawLock<'word>),
    /// One that may be held several times; all levels are given back, and taken again.
    RLock(RawRLock<'word>),
}

impl Outer<'_> {
    /// Whether the calling thread holds it.
    pub(super) fn is_held(self, me: Thread) -> bool {
        match self {
            Self::Lock(lock) => me.holds(lock.line()),
            Self::RLock(lock) => me.holds(lock.line()),
        }
    }

    /// Gives it back, and says at how many levels it was held.
    pub(super) fn release(self, me: Thread) -> u32 {
        match self {
            Self::Lock(lock) => {
                lock.unlock(me);
                1
            }
            // It is held: this has been looked at, or it was restored since.
            Self::RLock(lock) => lock.unlock_all(me).unwrap_or(1),
        }
    }

    /// Takes it again.
    ///
    /// # Safety
    ///
    /// As for [`RawLock::lock`].
    pub(super) unsafe fn restore(self, me: Thread, levels: u32) -> Result<Taken, Refused> {
        match self {
            // SAFETY: the caller vouches for the word.
            Self::Lock(lock) => unsafe { lock.lock(me, Deadline::NEVER) },
            // SAFETY: the caller vouches for the word.
            Self::RLock(lock) => unsafe { lock.restore(me, levels) },
        }
    }
}
