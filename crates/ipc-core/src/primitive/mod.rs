//! The door: the only way in this workspace to atomics, futexes and spinning.
//!
//! Every algorithm above borrows the words it works on and reaches them through the names of this
//! module, and through nothing else. Behind the door stand three worlds with the same names:
//!
//! | world | turned on by | what it is | what it finds |
//! |-------|--------------|------------|---------------|
//! | real  | nothing | the hardware's atomics and the kernel's futexes | – |
//! | model | `--cfg ipc_loom` | loom's atomics; a futex that is a table under a mutex; threads that die before a chosen access | lost wake-ups, missing edges, states that a survivor cannot go on from |
//! | crash | `--cfg ipc_crash` | the real world, but accesses are counted and the process kills itself before the n-th | the same, in the machine code that users run |
//!
//! The names are newtypes with just the operations that the workspace uses. A timed wait in the
//! model never times out: what a timeout must do is tested in the real and in the crash world.

#[cfg(ipc_crash)]
pub mod crash;
#[cfg(ipc_loom)]
pub mod model;
#[cfg(not(ipc_loom))]
mod real;

mod asymmetric;
mod bytes;
mod spin;
mod word;

#[cfg(ipc_loom)]
use model as world;
#[cfg(not(ipc_loom))]
use real as world;

pub use core::sync::atomic::Ordering;

pub use asymmetric::{are_fences_granted, fence_heavy, fence_light, join_heavy_fences};
pub use bytes::{copy_in, copy_out};
#[cfg(not(ipc_loom))]
pub use spin::set_spin;
pub use spin::{Spin, count_turn};
pub use word::{AtomicU32, AtomicU64};
pub use world::{compiler_fence, fence, fence_after_exchange, pause, yield_now};

use crate::Deadline;

/// How a wait on a futex ended.
///
/// Whatever it says, the caller looks at the words again: a wake-up is a hint, never a fact.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Somebody woke us through the word with this index (a signal counts as index 0).
    By(usize),
    /// A word no longer had the value that was expected, so we did not sleep.
    Changed,
    /// The deadline came.
    TimedOut,
}

/// One word to sleep on, and the value it must have for us to fall asleep.
#[derive(Clone, Copy, Debug)]
pub struct Wait<'w> {
    target: Target<'w>,
    expected: u32,
}

#[derive(Clone, Copy, Debug)]
enum Target<'w> {
    Whole(&'w AtomicU32),
    LowHalf(&'w AtomicU64),
    HighHalf(&'w AtomicU64),
}

impl<'w> Wait<'w> {
    /// Sleeps on `word` as long as it holds `expected`.
    #[must_use]
    pub fn on(word: &'w AtomicU32, expected: u32) -> Self {
        Self { target: Target::Whole(word), expected }
    }

    /// Sleeps on the low half of `word` as long as that holds the low half of `expected`.
    #[must_use]
    pub fn on_low_half(word: &'w AtomicU64, expected: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
        Self { target: Target::LowHalf(word), expected: expected as u32 }
    }

    /// Sleeps on the high half of `word` as long as that holds the high half of `expected`.
    ///
    /// Who sleeps on both halves sleeps as long as the whole word holds `expected`.
    #[must_use]
    pub fn on_high_half(word: &'w AtomicU64, expected: u64) -> Self {
        Self { target: Target::HighHalf(word), expected: (expected >> 32) as u32 }
    }
}

/// The most words that [`futex_wait_any`] takes.
///
/// It is what the kernel takes.
pub const MAX_WAITS: usize = 128;

/// Sleeps until somebody wakes `word`, unless it does not hold `expected`.
#[inline]
pub fn futex_wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> Woken {
    step();
    world::futex_wait(word, expected, deadline)
}

/// Wakes up to `count` sleepers of `word` and returns how many there were.
#[cfg_attr(ipc_loom, expect(clippy::must_use_candidate, reason = "it is called for what it does"))]
#[inline]
pub fn futex_wake(word: &AtomicU32, count: u32) -> u32 {
    step();
    world::futex_wake(word, count)
}

/// How many sleep on `word` now, as the kernel has it; nobody is woken by the question.
///
/// It is for people who look at what a program does: when it returns, the number may be another. Who
/// died asleep is not counted, nor who has not fallen asleep yet; who sleeps on several words is
/// counted at each of them. What the word holds does not matter, and it may be read-only.
#[inline]
#[must_use]
pub fn futex_n_asleep(word: &AtomicU32) -> u32 {
    step();
    world::futex_n_asleep(word)
}

/// Sets the bit `bit` in `word`, which is one of the lowest eleven, and wakes all sleepers of `call`:
/// a thread that dies has done both or neither.
///
/// The change is an exchange with all orderings. It is a system call in any case; where the thread
/// can have `call` pending, that is the cheaper way.
pub fn futex_or_and_wake_all(word: &AtomicU32, bit: u16, call: &AtomicU32) {
    step();
    world::futex_or_and_wake_all(word, bit, call);
}

/// Sleeps on several words at once, until somebody wakes one of them.
///
/// The sleeper is queued on the words in their order, and each is compared as it is queued: when
/// the kernel compares the third, a wake-up through the first is no longer lost. If several
/// wake-ups arrive, the last of the words they came through is the one reported (what the kernel
/// does since 5.16, though its manual leaves it open; a test of this crate holds it to that).
///
/// # Panics
///
/// If `waits` is empty or has more than [`MAX_WAITS`] entries.
#[inline]
pub fn futex_wait_any(waits: &[Wait<'_>], deadline: Deadline) -> Woken {
    assert!(!waits.is_empty() && waits.len() <= MAX_WAITS, "between 1 and {MAX_WAITS} words");
    step();
    world::futex_wait_any(waits, deadline)
}

/// Marks one access to shared memory: in the model and the crash world, a place to die.
#[inline]
pub(crate) fn step() {
    #[cfg(ipc_crash)]
    crash::step();
    #[cfg(ipc_loom)]
    model::step();
}
