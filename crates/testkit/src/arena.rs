//! Memory that a test shares with the processes it forks.
//!
//! # Safety
//!
//! A [`SharedArena`] hands out `&[T]` to memory that other processes write. That is sound because
//! [`Zeroed`] types consist of atomics only.
#![expect(unsafe_code, reason = "a slice is made from freshly mapped memory")]

use std::{
    fmt,
    ops::Deref,
    ptr::NonNull,
    sync::atomic::{
        AtomicBool, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    time::{Duration, Instant},
};

use crate::{clock, sys};

/// What may live in a [`SharedArena`].
///
/// # Safety
///
/// All bytes zero is a value of the type; the type consists of atomics only (and of arrays and
/// `repr(C)` structs of them); it has no destructor.
pub unsafe trait Zeroed: Sync {}

// SAFETY: an atomic; zero is a value.
unsafe impl Zeroed for AtomicBool {}
// SAFETY: an atomic; zero is a value.
unsafe impl Zeroed for AtomicU8 {}
// SAFETY: an atomic; zero is a value.
unsafe impl Zeroed for AtomicU16 {}
// SAFETY: an atomic; zero is a value.
unsafe impl Zeroed for AtomicU32 {}
// SAFETY: an atomic; zero is a value.
unsafe impl Zeroed for AtomicU64 {}
// SAFETY: an atomic; zero is a value.
unsafe impl Zeroed for AtomicUsize {}
// SAFETY: an atomic; zero is a value.
unsafe impl Zeroed for AtomicI32 {}
// SAFETY: an atomic; zero is a value.
unsafe impl Zeroed for AtomicI64 {}
// SAFETY: an array of what is allowed.
unsafe impl<T: Zeroed, const N: usize> Zeroed for [T; N] {}
// SAFETY: one atomic; zero is a value.
unsafe impl Zeroed for Counter {}

/// A slice of zeroed values in memory that this process shares with those it forks later.
///
/// It is given back when the value is dropped; a forked process has a mapping of its own.
///
/// # Examples
///
/// ```
/// use testkit::{Counter, SharedArena};
///
/// let counters = SharedArena::<Counter>::new(2);
/// counters[1].set(7);
/// assert_eq!((counters[0].get(), counters[1].get()), (0, 7));
/// ```
pub struct SharedArena<T: Zeroed> {
    /// Points to `len` values in a mapping of `n_bytes` bytes that is ours alone to unmap.
    first: NonNull<T>,
    len: usize,
    n_bytes: usize,
}

impl<T: Zeroed> SharedArena<T> {
    /// Maps room for `len` values, all bytes zero.
    ///
    /// Pages that nobody touches cost nothing.
    ///
    /// # Panics
    ///
    /// If the kernel has no room.
    #[must_use]
    pub fn new(len: usize) -> Self {
        const { assert!(align_of::<T>() <= 4096, "a page is the largest alignment") };
        let n_bytes = len.checked_mul(size_of::<T>()).expect("the size fits into memory").max(1);
        let first = sys::map_shared(n_bytes).expect("shared memory for a test").cast();
        Self { first, len, n_bytes }
    }
}

impl<T: Zeroed> Deref for SharedArena<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the mapping holds `len` values, aligned because a mapping starts at a page; its
        // bytes were zero, which is a value, and since then were only written through atomics
        // (both: `Zeroed`). It lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

impl<T: Zeroed> Drop for SharedArena<T> {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and nothing borrows from `self` any more.
        let unmapped = unsafe { sys::unmap(self.first.cast(), self.n_bytes) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

// SAFETY: it gives out shared references only, to values that are `Sync`.
unsafe impl<T: Zeroed> Sync for SharedArena<T> {}
// SAFETY: the mapping belongs to the process, not to a thread.
unsafe impl<T: Zeroed> Send for SharedArena<T> {}

impl<T: Zeroed> fmt::Debug for SharedArena<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedArena").field("len", &self.len).finish_non_exhaustive()
    }
}

/// A number that processes share: a count, a flag, or the note of what happened.
///
/// Reads acquire and writes release, so that it can also tell "go" to another process.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A counter that starts at `value`; the place for a private one, or a static.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Acquire)
    }

    /// Writes the number.
    pub fn set(&self, value: u64) {
        self.0.store(value, Release);
    }

    /// Adds to the number and returns what it was before.
    pub fn add(&self, more: u64) -> u64 {
        self.0.fetch_add(more, AcqRel)
    }

    /// Replaces `old` by `new` and says whether it was `old`.
    #[must_use]
    pub fn replace(&self, old: u64, new: u64) -> bool {
        self.0.compare_exchange(old, new, AcqRel, Relaxed).is_ok()
    }

    /// Looks again and again until the number satisfies `enough`, and returns it.
    ///
    /// It naps between looks, so it is not taken for a sleeper on a futex. It waits without bound:
    /// whoever calls it is a child of a test, and ends with the test.
    pub fn wait_until(&self, enough: impl Fn(u64) -> bool) -> u64 {
        loop {
            let value = self.get();
            if enough(value) {
                return value;
            }
            clock::pause(Duration::from_micros(20));
        }
    }

    /// As [`wait_until`](Self::wait_until), for at most `limit`.
    ///
    /// # Errors
    ///
    /// The last number seen.
    pub fn wait_within(&self, limit: Duration, enough: impl Fn(u64) -> bool) -> Result<u64, u64> {
        let start = Instant::now();
        loop {
            let value = self.get();
            if enough(value) {
                return Ok(value);
            }
            if start.elapsed() > limit {
                return Err(value);
            }
            clock::pause(Duration::from_micros(20));
        }
    }
}
