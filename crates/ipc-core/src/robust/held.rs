//! What each thread of this process holds, so that no memory goes away under the kernel's list.
//!
//! A thread keeps the words that it holds in a private array: its [`Held`]. Only that thread
//! changes it. But before a mapping is undone, its owner asks whether any thread's list leads
//! through it ([`is_any_within`]): a guard may have been forgotten, and a peer may have scribbled
//! over the word, so neither handles nor the word itself can tell. If so, the mapping stays.
//!
//! # Invariants
//!
//! - H1: Arrays in the register are readable: they are replaced, and taken out, under its lock.
//! - H2: A word that is held during the whole of a scan is found by it: removals move entries down
//!   by one place, and the scan goes down, too.
//! - H3: A thread that is past its destructors cannot take its array out of the register in time;
//!   what it takes, and what a thread holds when it ends, stays in the register for ever.

#![expect(unsafe_code, reason = "arrays that their thread writes and others read")]
#![expect(clippy::disallowed_types, reason = "none of this leaves the process")]

use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{MAX_HELD, RobustWord, TooManyHeld};
use crate::PerProcess;
use crate::primitive::Ordering::Relaxed;

type Entry = AtomicPtr<RobustWord>;

/// The words that one thread holds, oldest first.
pub(super) struct Held {
    entries: AtomicPtr<Entry>,
    len: AtomicUsize,
    capacity: AtomicUsize,
    /// Below so many held words there is room without further ado: the capacity, or zero if each
    /// new word has to be remembered for ever.
    easy: AtomicUsize,
}

impl Held {
    pub(super) const fn new() -> Self {
        Self {
            entries: AtomicPtr::new(ptr::null_mut()),
            len: AtomicUsize::new(0),
            capacity: AtomicUsize::new(0),
            easy: AtomicUsize::new(0),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Whether one more can be held, without further ado.
    #[inline]
    pub(super) fn has_easy_room(&self) -> bool {
        self.len() < self.easy.load(Relaxed)
    }

    /// Whether the array has room for one more than `len`.
    #[inline]
    pub(super) fn has_room(&self, len: usize) -> bool {
        len < self.capacity.load(Relaxed)
    }

    /// From here on each new word has to be remembered for ever.
    pub(super) fn make_nothing_easy(&self) {
        self.easy.store(0, Relaxed);
    }

    /// The word at `place`, which is below the length.
    #[inline]
    pub(super) fn at(&self, place: usize) -> *const RobustWord {
        self.entry(place).load(Relaxed)
    }

    #[inline]
    pub(super) fn position(&self, len: usize, word: &RobustWord) -> Option<usize> {
        (0..len).rev().find(|&place| ptr::eq(self.at(place), word))
    }

    /// Whether one of `words` is among them.
    #[inline]
    pub(super) fn is_any_of(&self, words: &[RobustWord]) -> bool {
        let words = words.as_ptr_range();
        (0..self.len()).any(|place| words.contains(&self.at(place)))
    }

    /// Appends a word to the `len` that there are; there is room.
    #[inline]
    pub(super) fn push(&self, len: usize, word: &RobustWord) {
        self.entry(len).store(ptr::from_ref(word).cast_mut(), Relaxed);
        self.len.store(len + 1, Relaxed);
    }

    /// Takes out the word at `place`, which is below `len`, the length.
    #[inline]
    pub(super) fn remove(&self, len: usize, place: usize) {
        let last = len - 1;
        for place in place..last {
            self.entry(place).store(self.at(place + 1).cast_mut(), Relaxed);
        }
        self.len.store(last, Relaxed);
    }

    /// Forgets everything: it is a parent's.
    pub(super) fn clear(&self) {
        self.len.store(0, Relaxed);
    }

    #[inline]
    fn entry(&self, place: usize) -> &Entry {
        debug_assert!(place < self.capacity.load(Relaxed), "callers stay inside the array");
        // SAFETY: callers stay below the capacity, which is the length of the array.
        let entry = unsafe { self.entries.load(Relaxed).add(place) };
        // SAFETY: all of the array was initialised; it is replaced by its own thread, which is the
        // caller, or under the lock that the caller has (H1).
        unsafe { &*entry }
    }

    /// Makes room for one more at least; for the next ones it is easy if `is_easy`.
    #[cold]
    pub(super) fn grow(&self, is_easy: bool) -> Result<(), TooManyHeld> {
        if self.len() >= MAX_HELD {
            return Err(TooManyHeld);
        }
        let capacity = (self.capacity.load(Relaxed) * 2).clamp(16, MAX_HELD);
        let bigger: Box<[Entry]> = (0..capacity).map(|_| Entry::default()).collect();
        for (place, entry) in bigger.iter().enumerate().take(self.len()) {
            entry.store(self.at(place).cast_mut(), Relaxed);
        }
        let _register = lock();
        self.free();
        self.entries.store(Box::into_raw(bigger).cast(), Relaxed);
        self.capacity.store(capacity, Relaxed);
        self.easy.store(if is_easy { capacity } else { 0 }, Relaxed);
        Ok(())
    }

    /// Frees the array. Nobody scans it any more, or the caller has the lock of the register.
    fn free(&self) {
        let entries = self.entries.swap(ptr::null_mut(), Relaxed);
        let capacity = self.capacity.swap(0, Relaxed);
        self.easy.store(0, Relaxed);
        if !entries.is_null() {
            // SAFETY: made by `grow` from a boxed slice of this length, and taken out just now.
            drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(entries, capacity)) });
        }
    }

    /// Lets others see this thread's array, until [`leave`](Self::leave).
    ///
    /// # Safety
    ///
    /// The array stays where it is until then.
    pub(super) unsafe fn enter(&self) {
        lock().arrays.insert(ptr::from_ref(self).addr(), RegisteredArray(self));
    }

    /// Ends that. What is held is remembered for ever; if nothing is, the array is freed.
    pub(super) fn leave(&self) {
        let mut register = lock();
        register.arrays.remove(&ptr::from_ref(self).addr());
        register.left.extend((0..self.len()).map(|place| self.at(place).addr()));
        if self.len() == 0 {
            self.free();
        }
    }
}

/// Remembers for ever that a thread's list leads through `word`.
pub(super) fn keep_for_ever(word: &RobustWord) {
    lock().left.insert(ptr::from_ref(word).addr());
}

/// Whether any thread of this process holds a word that lies in `memory`, or ended holding one.
pub(crate) fn is_any_within(memory: Range<usize>) -> bool {
    let register = lock();
    let is_within = |word: *const RobustWord| memory.contains(&word.addr());
    register.left.range(memory.start..memory.end).next().is_some()
        || register.arrays.values().any(|array| {
            // SAFETY: whoever entered it promised that it stays until it has left, for which it
            // needs the lock that we have.
            let held = unsafe { &*array.0 };
            (0..held.len()).rev().any(|place| is_within(held.at(place)))
        })
}

/// All threads of this process that have a list.
#[derive(Default)]
struct Register {
    /// By their addresses.
    arrays: BTreeMap<usize, RegisteredArray>,
    /// The words that ended threads held, and that threads past their destructors have taken.
    left: BTreeSet<usize>,
}

struct RegisteredArray(*const Held);

// SAFETY: what it leads to is read through atomics only, under the lock of the register.
unsafe impl Send for RegisteredArray {}

/// A forked child begins anew: it holds nothing, and its parent's other threads are not in it.
static REGISTER: PerProcess<Mutex<Register>> = PerProcess::new();

fn lock() -> MutexGuard<'static, Register> {
    // A panic cannot leave it half changed.
    let register = REGISTER.get_or_make(|_| Mutex::default());
    register.lock().unwrap_or_else(PoisonError::into_inner)
}
