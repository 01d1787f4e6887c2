//! Some words that change as one, for one writer at a time and any number of readers.
//!
//! ```text
//! | count | copy 0: n words | copy 1: n words |
//! ```
//!
//! # States
//!
//! | count | the value is | a writer is writing, if one is |
//! |-------|--------------|--------------------------------|
//! | even | copy 0 | copy 1 |
//! | odd | copy 1 | copy 0 |
//!
//! # Moves
//!
//! | move | by | what it does |
//! |------|----|--------------|
//! | write | whoever has the turn | writes the other copy, then adds one to the count: the commit point |
//! | read | anybody | finds the count, copies that copy out, and looks whether the count is the same |
//!
//! A write that ends in the middle has changed nothing that anybody reads: the next begins anew on
//! the same copy. So there is nothing to repair and nobody to wait for. A reader keeps nobody out
//! and is kept out by nobody; it has to begin again only if somebody came to the end of a write
//! meanwhile, for then the copy that it reads is the one to be written next.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `write` | `read` | the words of the copy that was counted |
//! | E2 | the fence in `write` | the fence in `read` | the count that the writer found: who sees one of its words sees that count at least, and knows that its own copy is gone |
//!
//! # Invariants
//!
//! - C1: The copy that the count says is written by nobody.
//! - C2: The count never falls, among honest peers; others can make readers begin again, but only
//!   [`TRIES`] times.

use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::primitive::{AtomicU64, fence, pause};

use super::planted::cell::{ACQUIRE, ALTERNATES, COUNTS_EARLY, FENCES, LOOKS_AGAIN, RELEASE};

/// So many times a reader begins again; then it gives up.
pub(super) const TRIES: u32 = 256;

/// Some words that change as one.
///
/// Words of zero are a cell whose words are zero.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'w> {
    count: &'w AtomicU64,
    copies: [&'w [AtomicU64]; 2],
}

/// One of the two copies of a cell, for a reader to look at.
///
/// Its words may belong to different values while somebody writes.
#[derive(Clone, Copy, Debug)]
pub struct Words<'w>(&'w [AtomicU64]);

impl Words<'_> {
    /// The word at `idx`; zero if there is none.
    #[inline]
    #[must_use]
    pub fn word(self, idx: usize) -> u64 {
        self.0.get(idx).map_or(0, |word| word.load(Relaxed))
    }

    /// The words, one after the other.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|word| word.load(Relaxed))
    }
}

impl<'w> Cell<'w> {
    /// How many words a cell of `n_words` takes.
    #[must_use]
    pub const fn size(n_words: usize) -> usize {
        n_words.saturating_mul(2).saturating_add(1)
    }

    /// Makes a cell of the words that it takes; `None` if there is not one.
    #[inline]
    #[must_use]
    pub fn new(words: &'w [AtomicU64]) -> Option<Self> {
        let (count, copies) = words.split_first()?;
        let (first, second) = copies.split_at(copies.len() / 2);
        Some(Self { count, copies: [first, second] })
    }

    /// What `look` makes of the words; `None` if they have changed all the time.
    ///
    /// `look` is called again and again until it has seen words that belong together. What it made
    /// of others is dropped.
    #[inline]
    pub fn read<R>(self, mut look: impl FnMut(Words<'w>) -> R) -> Option<R> {
        for _ in 0..TRIES {
            // E1 acquire.
            let count = self.count.load(ACQUIRE);
            let seen = look(self.copy(count));
            // E2 acquire. None of the loads above passes the one below.
            fence(Acquire);
            if self.count.load(Relaxed) == count || !LOOKS_AGAIN {
                return Some(seen);
            }
            pause();
        }
        None
    }

    /// The words as they are, for whoever has the turn: nobody changes them meanwhile.
    #[inline]
    #[must_use]
    pub fn current(self) -> Words<'w> {
        // The turn carries what was written before.
        self.copy(self.count.load(Relaxed))
    }

    /// Writes the words; the caller has the turn. Words that are not given are left as they lie.
    #[inline]
    pub fn write(self, words: impl IntoIterator<Item = u64>) {
        let count = self.count.load(Relaxed);
        let next = count.wrapping_add(1);
        if COUNTS_EARLY {
            // E1 release, too early.
            self.count.store(next, RELEASE);
        }
        if FENCES {
            // E2 release. None of the stores below passes the load above.
            fence(Release);
        }
        let copy = self.copy(if ALTERNATES { next } else { count });
        for (place, word) in copy.0.iter().zip(words) {
            place.store(word, Relaxed);
        }
        if !COUNTS_EARLY {
            // E1 release.
            self.count.store(next, RELEASE);
        }
    }

    /// How often the cell was written.
    #[inline]
    #[must_use]
    pub fn count(self) -> u64 {
        self.count.load(Relaxed)
    }

    #[inline]
    fn copy(self, count: u64) -> Words<'w> {
        let [even, odd] = self.copies;
        Words(if count.is_multiple_of(2) { even } else { odd })
    }
}
