//! A table of cells in which a key is found by its hash: one shard of a map.
//!
//! Each slot is a [`Cell`] whose first word, the tag, says what is in it:
//!
//! | tag | meaning |
//! |-----|---------|
//! | [`EMPTY`] | nothing, and nothing behind it either that was put here in passing |
//! | [`REMOVED`] | nothing; go on looking |
//! | hash \| [`FULL`] | a key and its value |
//!
//! A key is looked for from the slot that its hash says, one slot after the other, up to an empty one.
//! It stays in its slot until it is removed. So who looks without a turn finds it if it is there all
//! the time, whatever else is put in and taken out meanwhile.
//!
//! # Moves
//!
//! | move | by | what it does |
//! |------|----|--------------|
//! | look up | anybody | reads slot after slot, each as a whole |
//! | put | whoever has the turn | writes one slot: the commit point |
//! | remove | whoever has the turn | writes the slot as removed, the commit point; then, if nothing is behind it, as empty, with those before it |
//! | clear | whoever has the turn | removes all, and then writes them as empty |
//!
//! # Invariants
//!
//! - T1: No slot between the one that a key's hash says and the one that it is in is empty.
//! - T2: A key is in one slot at most.
//!
//! Every move is a write of one cell, or several of which each keeps T1 and T2, so a death in between
//! leaves a table that is as good as any.

use ipc_core::primitive::AtomicU64;

use super::cell::{Cell, Words};
use super::planted::table::{CLEARS_IN_TWO, EMPTIES_BLINDLY};

/// Nothing is in the slot.
pub const EMPTY: u64 = 0;
/// Nothing is in the slot any more.
pub const REMOVED: u64 = 1;
/// Something is in the slot.
pub const FULL: u64 = 1 << 63;

/// A table in some words. Words of zero are an empty table.
#[derive(Clone, Copy, Debug)]
pub struct Table<'w> {
    words: &'w [AtomicU64],
    /// How many words a slot takes.
    stride: usize,
    slots: usize,
}

/// Where a key is, and where it could be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The slot that it is in.
    pub at: Option<usize>,
    /// The first slot that is free for it.
    pub free: Option<usize>,
}

impl<'w> Table<'w> {
    /// How many words a table of so many slots takes, each with so many words: tag, key and value.
    #[must_use]
    pub const fn size(slots: usize, n_words: usize) -> usize {
        Cell::size(n_words).saturating_mul(slots)
    }

    /// Makes a table of the words that it takes.
    #[inline]
    #[must_use]
    pub fn new(words: &'w [AtomicU64], n_words: usize) -> Self {
        let stride = Cell::size(n_words);
        Self { words, stride, slots: words.len() / stride }
    }

    /// How many slots it has.
    #[must_use]
    pub fn slots(self) -> usize {
        self.slots
    }

    /// What `take` makes of the slot with this tag and the `same` key; nothing if there is none. The
    /// outer `None` says that a slot was changed all the time, so that it could not be read.
    #[inline]
    pub fn look_up<R>(
        self,
        tag: u64,
        same: impl Fn(Words<'w>) -> bool,
        take: impl Fn(Words<'w>) -> R,
    ) -> Option<Option<R>> {
        for slot in self.from(tag) {
            let Some(cell) = self.cell(slot) else { break };
            let (found, taken) = cell.read(|words| {
                let found = words.word(0);
                (found, (found == tag && same(words)).then(|| take(words)))
            })?;
            if found == EMPTY {
                break;
            }
            if taken.is_some() {
                return Some(taken);
            }
        }
        Some(None)
    }

    /// Where the `same` key with this tag is; the caller has the turn.
    #[inline]
    pub fn find(self, tag: u64, same: impl Fn(Words<'w>) -> bool) -> Found {
        let mut free = None;
        for slot in self.from(tag) {
            let Some(words) = self.words_of(slot) else { break };
            match words.word(0) {
                found if found == tag && same(words) => return Found { at: Some(slot), free },
                EMPTY => return Found { at: None, free: free.or(Some(slot)) },
                REMOVED => free = free.or(Some(slot)),
                _ => {}
            }
        }
        Found { at: None, free }
    }

    /// The words of a slot; the caller has the turn.
    #[inline]
    #[must_use]
    pub fn words_of(self, slot: usize) -> Option<Words<'w>> {
        Some(self.cell(slot)?.current())
    }

    /// Puts a tag, a key and a value into a slot; the caller has the turn.
    #[inline]
    pub fn put(self, slot: usize, words: impl IntoIterator<Item = u64>) {
        if let Some(cell) = self.cell(slot) {
            cell.write(words);
        }
    }

    /// Takes out what is in a slot; the caller has the turn.
    pub fn remove(self, slot: usize) {
        self.put(slot, [REMOVED]);
        // Nobody looks past an empty slot: so those before one that are removed can be empty, too.
        let mut slot = slot;
        for _ in 0..self.slots {
            let next = if slot + 1 < self.slots { slot + 1 } else { 0 };
            if !EMPTIES_BLINDLY && self.tag(next) != EMPTY || self.tag(slot) != REMOVED {
                return;
            }
            self.put(slot, [EMPTY]);
            slot = slot.checked_sub(1).unwrap_or(self.slots - 1);
        }
    }

    /// Takes out everything; the caller has the turn.
    pub fn clear(self) {
        if CLEARS_IN_TWO {
            (0..self.slots).for_each(|slot| self.put(slot, [REMOVED]));
        }
        (0..self.slots).for_each(|slot| self.put(slot, [EMPTY]));
    }

    /// Writes all slots as empty if all are removed, unless that was done; the caller has the turn, and
    /// has just taken the last thing out of this slot.
    #[inline]
    pub fn tidy(self, slot: usize) {
        if self.tag(slot) != EMPTY {
            self.clear();
        }
    }

    /// How many slots are full; the caller has the turn.
    #[must_use]
    pub fn count(self) -> u64 {
        (0..self.slots).map(|slot| self.tag(slot) >> 63).sum()
    }

    /// The cell of a slot.
    #[inline]
    #[must_use]
    pub fn cell(self, slot: usize) -> Option<Cell<'w>> {
        let start = slot.checked_mul(self.stride)?;
        Cell::new(self.words.get(start..)?.get(..self.stride)?)
    }

    #[inline]
    fn tag(self, slot: usize) -> u64 {
        self.words_of(slot).map_or(EMPTY, |words| words.word(0))
    }

    /// All slots, from the one that a tag says.
    #[inline]
    fn from(self, tag: u64) -> impl Iterator<Item = usize> {
        let start = usize::try_from(tag & !FULL).unwrap_or(0) % self.slots.max(1);
        (start..self.slots).chain(0..start)
    }
}
