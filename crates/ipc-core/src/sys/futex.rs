//! The futex calls, on words that processes share.

#![expect(clippy::disallowed_types, reason = "the kernel's calls take the hardware's words")]

use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use core::time::Duration;
use std::thread;

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, WaitFlags, WaitPtr, WaitvFlags, WakeOp, WakeOpCmp};
use rustix::time::ClockId;

use crate::Deadline;
use crate::primitive::Woken;

/// Sleeps on `word` while it holds `expected`.
///
/// # References
///
/// - Linux `futex(2)`, `FUTEX_WAIT_BITSET`: an absolute timeout on the monotonic clock.
pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> Woken {
    let timeout = deadline.timespec();
    let any = NonZeroU32::MAX;
    match futex::wait_bitset(word, Flags::empty(), expected, timeout.as_ref(), any) {
        Err(Errno::AGAIN) => Woken::Changed,
        Err(Errno::TIMEDOUT) => Woken::TimedOut,
        // A signal: the caller looks again and, if need be, sleeps again.
        _ => Woken::By(0),
    }
}

/// Wakes up to `count` sleepers of `word`.
///
/// # References
///
/// - Linux `futex(2)`, `FUTEX_WAKE`.
pub(crate) fn wake(word: &AtomicU32, count: u32) -> u32 {
    // The kernel counts in a signed number.
    let count = count.min(i32::MAX.cast_unsigned());
    // It fails for an address that is not mapped or not aligned, and a reference is both.
    futex::wake(word, Flags::empty(), count)
        .map_or(0, |woken| u32::try_from(woken).unwrap_or(u32::MAX))
}

/// How many sleep on `word`.
///
/// # References
///
/// - Linux `futex(2)`, `FUTEX_REQUEUE`: it returns how many it has woken, which is none here, and
///   how many it has put to sleep on the second word, which is the same as the first here, so that
///   they stay where they are.
pub(crate) fn n_asleep(word: &AtomicU32) -> u32 {
    let (nobody, all) = (0, i32::MAX.cast_unsigned());
    // It fails for an address that is not mapped or not aligned, and a reference is both.
    futex::requeue(word, Flags::empty(), nobody, all, word)
        .map_or(0, |asleep| u32::try_from(asleep).unwrap_or(u32::MAX))
}

/// Sets the bit `bit` in `word`, which is one of the lowest eleven, and wakes all sleepers of `call`.
///
/// # References
///
/// - Linux `futex(2)`, `FUTEX_WAKE_OP`: the change and the wake-up are one system call, in which no
///   thread dies.
pub(crate) fn or_and_wake_all(word: &AtomicU32, bit: u16, call: &AtomicU32) {
    let (all, nobody) = (i32::MAX.cast_unsigned(), 0);
    let (or, never) = (WakeOp::Or, WakeOpCmp::Lt);
    // It fails for an address that is not mapped or not aligned, and a reference is both.
    futex::wake_op(call, Flags::empty(), all, nobody, word, or, never, bit, 0).ok();
}

/// Words to sleep on together, `N` at most.
#[derive(Debug)]
pub(crate) struct WaitList<const N: usize> {
    entries: [futex::Wait; N],
    len: usize,
}

impl<const N: usize> WaitList<N> {
    pub(crate) const fn new() -> Self {
        Self { entries: [futex::Wait::new(); N], len: 0 }
    }

    /// Adds a word; more than there is room for are left out.
    pub(crate) fn push(&mut self, word: *mut u32, expected: u32) {
        if let Some(entry) = self.entries.get_mut(self.len) {
            entry.val = u64::from(expected);
            entry.uaddr = WaitPtr::new(word.cast());
            // Without `PRIVATE`: other processes wake us.
            entry.flags = WaitFlags::SIZE_U32;
            self.len += 1;
        }
    }
}

/// Sleeps on all words of `list` while each holds what is expected of it.
///
/// # References
///
/// - Linux `futex_waitv(2)`, since 5.16.
pub(crate) fn wait_any<const N: usize>(list: &WaitList<N>, deadline: Deadline) -> Woken {
    let timeout = deadline.timespec();
    let entries = list.entries.get(..list.len).unwrap_or_default();
    match futex::waitv(entries, WaitvFlags::empty(), timeout.as_ref(), ClockId::Monotonic) {
        Ok(index) => Woken::By(index),
        Err(Errno::AGAIN) => Woken::Changed,
        Err(Errno::TIMEDOUT) => Woken::TimedOut,
        Err(Errno::INTR) => Woken::By(0),
        // Forbidden since `can_wait_for_any` was asked, or no memory: the caller must look again
        // now and then, but not all the time.
        Err(_) => {
            nap();
            Woken::Changed
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "where the kernel cannot wait for us")]
fn nap() {
    thread::sleep(Duration::from_millis(1));
}

/// Whether this process can sleep on several words at once.
pub(crate) fn can_wait_for_any() -> bool {
    static KNOWN: AtomicU8 = AtomicU8::new(0);
    let answer = match KNOWN.load(Relaxed) {
        0 => {
            // Of no words at all: a kernel that has the call finds fault with that.
            let none = futex::waitv(&[], WaitvFlags::empty(), None, ClockId::Monotonic);
            let answer = if none == Err(Errno::INVAL) { 1 } else { 2 };
            KNOWN.store(answer, Relaxed);
            answer
        }
        known => known,
    };
    answer == 1
}
