//! World three: the process kills itself before its n-th access to shared memory.
//!
//! A sweep runs one operation again and again, in a fresh process each time, and lets it die one
//! access later than the time before, until it comes through alive.

#![expect(clippy::disallowed_types, reason = "the count never leaves the process")]

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustix::process::{Signal, getpid, kill_process};

/// Accesses left to live, plus one; zero while nothing is armed.
static LEFT: AtomicU64 = AtomicU64::new(0);

/// Lets the process live for `accesses` more accesses through the door, and die before the next.
pub fn arm(accesses: u64) {
    LEFT.store(accesses.saturating_add(1), Relaxed);
}

/// Lets the process live on; returns how many accesses it had left.
pub fn disarm() -> u64 {
    LEFT.swap(0, Relaxed).saturating_sub(1)
}

/// Counts one access.
#[inline]
pub(super) fn step() {
    match LEFT.load(Relaxed) {
        0 => {}
        1 => die(),
        left => LEFT.store(left - 1, Relaxed),
    }
}

#[cold]
fn die() {
    loop {
        // It cannot fail for one's own process; and if it did, there is nothing better to do.
        kill_process(getpid(), Signal::KILL).ok();
    }
}
