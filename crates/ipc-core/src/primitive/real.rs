//! World one: the hardware's atomics, the kernel's futexes.

#![expect(clippy::disallowed_types, reason = "this is what stands behind the door")]
#![expect(clippy::disallowed_methods, reason = "this is what stands behind the door")]

use super::{MAX_WAITS, Ordering, Target, Wait, Woken};
use crate::Deadline;
use crate::sys::futex;

pub(super) use core::sync::atomic::{AtomicU32 as RawU32, AtomicU64 as RawU64};

pub use std::thread::yield_now;

/// Tells the processor that this is a loop that waits.
#[inline]
pub fn pause() {
    core::hint::spin_loop();
}

/// A fence between threads and processes.
#[inline]
pub fn fence(ordering: Ordering) {
    core::sync::atomic::fence(ordering);
}

/// Keeps the compiler from moving accesses: a fence against whoever looks at this very thread, as
/// a signal handler does, or the kernel at the thread's death.
#[inline]
pub fn compiler_fence(ordering: Ordering) {
    core::sync::atomic::compiler_fence(ordering);
}

/// Completes an exchange, which is the access just before it, to a full fence.
///
/// It costs nothing where the exchange is one already.
#[inline]
pub fn fence_after_exchange() {
    // x86's locked exchange orders all that stands before and behind it; the compiler does not
    // move accesses over a sequentially consistent exchange followed by this fence of its own.
    #[cfg(target_arch = "x86_64")]
    compiler_fence(Ordering::SeqCst);
    #[cfg(not(target_arch = "x86_64"))]
    fence(Ordering::SeqCst);
}

#[cold]
pub(super) fn futex_wait(word: &super::AtomicU32, expected: u32, deadline: Deadline) -> Woken {
    futex::wait(word.inner(), expected, deadline)
}

#[cold]
pub(super) fn futex_wake(word: &super::AtomicU32, count: u32) -> u32 {
    futex::wake(word.inner(), count)
}

#[cold]
pub(super) fn futex_n_asleep(word: &super::AtomicU32) -> u32 {
    futex::n_asleep(word.inner())
}

/// As many words as most sleepers sleep on: a list of them is made in no time.
const FEW: usize = 8;

#[cold]
pub(super) fn futex_or_and_wake_all(word: &super::AtomicU32, bit: u16, call: &super::AtomicU32) {
    futex::or_and_wake_all(word.inner(), bit, call.inner());
}

#[cold]
pub(super) fn futex_wait_any(waits: &[Wait<'_>], deadline: Deadline) -> Woken {
    if waits.len() <= FEW {
        wait_any::<FEW>(waits, deadline)
    } else {
        wait_any::<MAX_WAITS>(waits, deadline)
    }
}

fn wait_any<const N: usize>(waits: &[Wait<'_>], deadline: Deadline) -> Woken {
    let mut list = futex::WaitList::<N>::new();
    for wait in waits {
        match wait.target {
            Target::Whole(word) => list.push(word.inner().as_ptr(), wait.expected),
            // The low half comes first in memory: both supported machines are little-endian.
            Target::LowHalf(word) => list.push(word.inner().as_ptr().cast(), wait.expected),
            Target::HighHalf(word) => {
                let low: *mut u32 = word.inner().as_ptr().cast();
                list.push(low.wrapping_add(1), wait.expected);
            }
        }
    }
    futex::wait_any(&list, deadline)
}
