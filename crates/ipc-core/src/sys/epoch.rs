//! A number that is another one in every process.
//!
//! A forked child inherits its parent's memory, so what the parent cached about itself is wrong
//! there. Comparing pids does not tell them apart for sure, and costs a call. Instead one word lies
//! in a page that the kernel wipes in a forked child: a wiped word means "a new process", whoever
//! forked it and with whatever call.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `map_page` | `word`, and who is second in `map_page` | the mapping behind the pointer |
//!
//! # Safety
//!
//! The module makes one reference from a raw pointer: to the word in a page that is mapped once and
//! never unmapped.
#![expect(unsafe_code, reason = "a reference into a page of our own mapping")]
#![expect(clippy::disallowed_types, reason = "these atomics never leave the process")]

use std::ptr;
use std::sync::atomic::{
    AtomicPtr, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use crate::sys::{process, robust};

/// The wiped word; null until it is first asked for.
static WORD: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// The greatest number given out in this process or the ones it was forked from.
static LAST: AtomicU64 = AtomicU64::new(0);

/// This process's number: never zero, and none that a process had which this one was forked from.
pub(crate) fn current() -> u64 {
    let Some(word) = word() else {
        // No such page here. Pids are the next best: a forked child has another one than its parent.
        return u64::from(process::own_pid());
    };
    match word.load(Relaxed) {
        0 => start(word),
        epoch => epoch,
    }
}

/// Gives a process its number on the first question after its start.
#[cold]
fn start(word: &AtomicU64) -> u64 {
    let next = LAST.fetch_add(1, Relaxed).wrapping_add(1);
    // Threads may race to here; they agree on the number of whoever is first.
    match word.compare_exchange(0, next, Relaxed, Relaxed) {
        Ok(_) => next,
        Err(epoch) => epoch,
    }
}

/// The word in the page that a fork wipes; `None` if the kernel has no such pages.
///
/// It holds [`current`] once that was asked for in this process, and zero before.
pub(crate) fn word() -> Option<&'static AtomicU64> {
    // E1 acquire.
    let known = WORD.load(Acquire);
    let word = if known.is_null() { map_page()? } else { known };
    // SAFETY: a pointer in `WORD` leads to the start of a page that `map_page` mapped readable and
    // writable and leaked, so it is aligned, never freed, and holds an initialised integer.
    Some(unsafe { &*word })
}

/// Maps the page, unless another thread was faster; then ours stays mapped and unused.
#[cold]
fn map_page() -> Option<*mut AtomicU64> {
    #[expect(clippy::cast_ptr_alignment, reason = "a page is aligned for any integer")]
    let word = robust::wiped_page()?.cast::<AtomicU64>();
    // E1 release, E1 acquire.
    match WORD.compare_exchange(ptr::null_mut(), word, AcqRel, Acquire) {
        Ok(_) => Some(word),
        Err(first) => Some(first),
    }
}

#[cfg(test)]
mod tests {
    use super::current;

    #[test]
    fn one_process_has_one_number_in_all_its_threads() {
        let mine = current();
        let others: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(current)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_ne!(mine, 0);
        assert!(others.iter().all(|other| *other == mine));
    }
}
