//! `Lent`: a thread lends values in shared memory, which must neither be copied nor outlive it.
//!
//! A guard that lends a value holds a lock, and the kernel gives that away when its thread ends; a
//! fork copies the guard into a process that holds nothing. In both cases a reference that was made
//! through the guard may still be used, by safe code, while somebody else changes the value: after a
//! fork by the child, and after the thread's end by whoever was given the reference, if the guard
//! was forgotten. So whoever forks asks first ([`Lent::is_any`]), and a thread that ends with a
//! forgotten guard takes its process with it: to peers that is a death as any other.
//!
//! # Invariants
//!
//! - L1: The count of a thread is that of the `Lent` it has made and not dropped.
//! - L2: A thread that has ever made room for a word to hold looks at its count when it ends, after the destructors of
//!   its thread-local values, and not when the process ends by `exit`: there guards are not dropped
//!   either, but nothing goes on. If that cannot be had, there is no room ([`TooManyHeld`](super::TooManyHeld)): so a lock
//!   that lends is not taken.

use core::cell::Cell;
#[cfg(not(ipc_loom))]
use core::ffi::c_void;
use core::marker::PhantomData;
#[cfg(not(ipc_loom))]
use std::io::{self, Write as _};
#[cfg(not(ipc_loom))]
use std::process;

#[cfg(not(ipc_loom))]
use crate::sys::thread_end;

/// A share in what the calling thread lends, for as long as it exists.
///
/// Every value that gives out references into shared memory that others may come to change (a guard, a
/// loan) has one as a field. While there is any, [`is_any`](Self::is_any) is true, and `fork` of
/// `proc-core` refuses.
///
/// # Process death
///
/// A thread that ends with one that was forgotten ends its process by `SIGABRT`, after a line on the
/// standard error that says why: references to what it lent may be anywhere in the process, and
/// the thread's end gives the lock away.
///
/// That holds for threads that hold a [`RobustWord`](super::RobustWord), as all do that have a lock or a
/// loan of ours.
#[derive(Debug)]
pub struct Lent {
    not_send: PhantomData<*const ()>,
}

thread_local! {
    /// How many there are of this thread's.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

impl Lent {
    /// The calling thread lends one value more.
    #[inline]
    #[must_use]
    #[expect(clippy::new_without_default, reason = "to make one says something of the thread")]
    pub fn new() -> Self {
        COUNT.with(|count| count.set(count.get() + 1));
        Self { not_send: PhantomData }
    }

    /// Whether the calling thread lends anything.
    #[must_use]
    pub fn is_any() -> bool {
        COUNT.with(|count| count.get() > 0)
    }
}

impl Drop for Lent {
    #[inline]
    fn drop(&mut self) {
        // Not below zero: it is made in the thread that drops it (L1).
        COUNT.with(|count| count.set(count.get() - 1));
    }
}

/// Sees to it that the end of the calling thread is noticed (L2); says whether it will be.
#[cfg(not(ipc_loom))]
pub(super) fn watch_end() -> bool {
    thread_end::call_at_end(at_thread_end)
}

/// Called by libc at the end of a thread, after the destructors of its thread-local values.
#[cfg(not(ipc_loom))]
extern "C" fn at_thread_end(_: *mut c_void) {
    if Lent::is_any() {
        // If it cannot be told, it is done all the same.
        let _told = io::stderr().write_all(FORGOTTEN.as_bytes());
        process::abort();
    }
}

#[cfg(not(ipc_loom))]
const FORGOTTEN: &str = "a thread has ended that forgot a guard or loan of a value in shared memory: \
    references to the value may be left, so the process ends as well\n";

#[cfg(test)]
mod tests {
    use super::Lent;

    #[test]
    fn a_thread_lends_as_long_as_one_is_there_and_no_other_thread_does() {
        assert!(!Lent::is_any());
        let (one, two) = (Lent::new(), Lent::new());
        drop(one);
        assert!(Lent::is_any());
        assert!(!std::thread::spawn(Lent::is_any).join().unwrap());
        drop(two);
        assert!(!Lent::is_any());
    }
}
