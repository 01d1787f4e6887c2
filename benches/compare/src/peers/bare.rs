//! Bare words: the least that a hand-over or a look can cost. They survive nothing.

use std::hint::spin_loop;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use nix::errno::Errno;

use crate::Result;
use crate::board::{Padded, share};
use crate::crew::Kind;
use crate::subjects::sync::handover::Signalling;
use crate::subjects::sync::others::Operation;
use crate::subjects::value::Work;

/// A word that is looked at until it says so.
pub(crate) struct Spin(&'static Padded<AtomicU32>);

/// A word that is slept on until it says so.
pub(crate) struct Futex(&'static Padded<AtomicU32>);

/// A look at a word.
pub(crate) struct Look(&'static Padded<AtomicU32>);

impl Signalling for Spin {
    fn new() -> Result<Self> {
        Ok(Self(share()?))
    }

    #[inline]
    fn signal(&self) -> Result {
        self.0.0.store(1, Release);
        Ok(())
    }

    #[inline]
    fn wait(&self) -> Result {
        while self.0.0.load(Acquire) == 0 {
            spin_loop();
        }
        self.0.0.store(0, Relaxed);
        Ok(())
    }
}

impl Signalling for Futex {
    fn new() -> Result<Self> {
        Ok(Self(share()?))
    }

    #[inline]
    fn signal(&self) -> Result {
        self.0.0.store(1, Release);
        futex(&self.0.0, libc::FUTEX_WAKE, 1)
    }

    #[inline]
    fn wait(&self) -> Result {
        while self.0.0.swap(0, Acquire) == 0 {
            futex(&self.0.0, libc::FUTEX_WAIT, 0)?;
        }
        Ok(())
    }
}

impl Operation for Look {
    fn new() -> Result<Self> {
        Ok(Self(share()?))
    }

    #[inline]
    fn operate(&self) -> Result {
        if self.0.0.load(Acquire) == 0 { Ok(()) } else { Err("somebody wrote it".into()) }
    }
}

#[expect(unsafe_code, reason = "a raw system call")]
fn futex(word: &AtomicU32, operation: i32, value: u32) -> Result {
    let timeout: *const libc::timespec = std::ptr::null();
    // SAFETY: the address of a word; without a timeout.
    let returned =
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, timeout) };
    match Errno::result(returned) {
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// An addition to a word.
pub(crate) struct Add(&'static Padded<AtomicU64>);

impl Work for Add {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self(share()?))
    }

    fn share(&self) -> Result<Self> {
        Ok(Self(self.0))
    }

    #[inline]
    fn work(&mut self) -> Result {
        // With the promises that ours makes.
        self.0.0.fetch_add(1, AcqRel);
        Ok(())
    }
}
