//! The words of a tray: how far a worker has come with a chunk, and how far it may come.
//!
//! | ticket | progress | the worker |
//! |--------|----------|------------|
//! | an older one | – | has not begun the chunk with our ticket |
//! | `0` | – | is about to begin a chunk |
//! | a later one | – | has answered the chunk with our ticket |
//! | ours | `n`, row, `len` | has done `n` items, whose results are the first words, as many as the row has, and behind them `len` bytes of pieces; and is at the next one, or has stopped |
//!
//! | limit | meaning |
//! |-------|---------|
//! | ours, `n` | the worker begins no item behind the first `n` |
//! | another's | there is no limit |
//!
//! | move | by | how |
//! |------|----|-----|
//! | `begin` | the worker | the ticket to zero, progress to zero, then the ticket |
//! | `put_word`, `put` | the worker | a word, or bytes, behind those that count, then progress |
//! | `may_go_on` | the worker, before each item but the first | fence, then looks at the limit |
//! | `revoke` | the parent | the limit, then fence, then looks at the progress |
//! | `read` | the parent, at any time | ticket, progress, bytes, fence, ticket |
//!
//! A worker that dies between two moves has either made the last one or not, and either is a state of the
//! table: a result counts from the one store of the progress on, with what it is, a word or a piece.
//!
//! # Invariants
//!
//! - I1: an item that was revoked is not begun. Of two, a worker that says that it comes to an item and then
//!   looks at the limit, and a parent that sets the limit and then looks how far the worker has come, at
//!   least one sees the other: between the two moves of each is a fence. So when the parent has seen that
//!   the worker is at item `n`, the worker will see the limit before each item behind `n`.
//! - I2: only the worker writes ticket, progress and bytes; only the parent writes the limit.
//!
//! # Edges
//!
//! | edge | release | acquire | carries |
//! |------|---------|---------|---------|
//! | E1 | the worker writes the ticket | the parent reads it | that no progress is an older chunk's |
//! | E4 | the worker writes that nothing is done | the parent reads it | that the ticket is not the older chunk's any more |
//! | E2 | the worker writes the progress | the parent reads it | the bytes of the results that count |
//! | E3 | the fence of a worker that has begun another chunk | the fence of a parent that has read bytes of that one | that the ticket is another's |
//! | E5 | `revoke`, by the fence behind the limit | `may_go_on`, by the fence before it | the limit, or else the parent sees the progress (I1) |

use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::primitive::{AtomicU64, fence, fence_heavy, fence_light};
use ipc_core::wire::Sort;
use serde::{Deserialize, Serialize};

use crate::planted::tray::{
    ACQUIRE, COUNTS_FIRST, FENCES, HAS_LIMIT, PAUSES, RELEASE, WORD_COUNTS_FIRST, WORDS_SHORT,
};

/// The ticket of no chunk.
const NONE: u64 = 0;

pub(crate) const WORD: usize = size_of::<u64>();

/// A limit is a ticket and, in so many bits, a number of items.
const LIMIT_BITS: u32 = 16;

/// No limit is greater than this.
const MOST_ITEMS: u32 = (1 << LIMIT_BITS) - 1;

/// The words of one tray.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'t> {
    pub(crate) ticket: &'t AtomicU64,
    pub(crate) progress: &'t AtomicU64,
    pub(crate) limit: &'t AtomicU64,
    pub(crate) bytes: &'t [AtomicU64],
}

impl Words<'_> {
    /// The worker begins the chunk with this ticket.
    pub(crate) fn begin(&self, ticket: u64) {
        if PAUSES {
            self.ticket.store(NONE, Relaxed);
        }
        // E4 release
        self.progress.store(0, Release);
        // E1 release
        self.ticket.store(ticket, Release);
        // E3 release: before the bytes of this chunk.
        fence(Release);
    }

    /// One more item is done, whose result is a word, as all results before it are: the last of the row.
    /// `false` if it does not fit, and nothing is changed.
    #[inline]
    pub(crate) fn put_word(&self, row: Row, word: u64) -> bool {
        let Some(last) = row.n_words.checked_sub(1) else { return false };
        let Some(place) = self.bytes.get(usize::from(last)) else { return false };
        let said = Row { n_words: row.n_words - WORDS_SHORT, ..row };
        let progress = Progress { n_done: row.n_words, row: said, len: 0 }.pack();
        if WORD_COUNTS_FIRST {
            self.progress.store(progress, Relaxed);
        }
        place.store(word, Relaxed);
        // E2 release
        self.progress.store(progress, RELEASE);
        true
    }

    /// One more item is done, `n_done` in all, whose results are a row and behind it `pieces`; those up to
    /// `from` were put before. `false` if they do not fit, and nothing is changed.
    #[inline]
    pub(crate) fn put(&self, n_done: u32, row: Row, pieces: &[u8], from: usize) -> bool {
        let Some(progress) = Progress::new(n_done, row, pieces.len()) else { return false };
        let n_words = usize::from(row.n_words);
        // The word in which the new ones begin has old ones too, which stay as they are.
        let first = from / WORD;
        let range = n_words + first..n_words + pieces.len().div_ceil(WORD);
        let Some(words) = self.bytes.get(range) else { return false };
        if COUNTS_FIRST {
            self.progress.store(progress.pack(), Relaxed);
        }
        match pieces.get(from..) {
            Some(new) if new.len() <= WORD => put_short(words, new, from % WORD),
            _ => put_long(words, pieces.get(first * WORD..).unwrap_or_default()),
        }
        // E2 release
        self.progress.store(progress.pack(), RELEASE);
        true
    }

    /// Appends the bytes of a row, for the worker that has put it.
    pub(crate) fn append_row(&self, row: Row, list: &mut Vec<u8>) {
        append_bytes(self.bytes, row.n_bytes(), list);
    }

    /// Whether the worker may begin another item of the chunk with this ticket, of which it has put
    /// `n_done`.
    #[inline]
    pub(crate) fn may_go_on(&self, ticket: u64, n_done: u32) -> bool {
        // E5 acquire: between the progress and the limit (I1).
        if FENCES {
            fence_light();
        }
        let limit = self.limit.load(Relaxed);
        !HAS_LIMIT
            || limit >> LIMIT_BITS != ticket
            || u64::from(n_done) < limit & u64::from(MOST_ITEMS)
    }

    /// Takes from the worker what it has not begun of the chunk with this ticket: says how many items it
    /// keeps, of which it may leave the last. `None` if it has answered the chunk, or is about to begin one,
    /// or if the system does not let us know.
    pub(crate) fn revoke(&self, ticket: u64) -> Option<u32> {
        let limit = (self.n_done(ticket)? + 1).min(MOST_ITEMS);
        self.limit.store(ticket << LIMIT_BITS | u64::from(limit), Relaxed);
        // E5 release: between the limit and the progress (I1).
        let is_heavy = !FENCES || fence_heavy();
        // It may have come further, or have stopped.
        if is_heavy { self.n_done(ticket).map(|n_done| n_done + 1) } else { None }
    }

    /// How many items of the chunk with this ticket are done; `None` if that cannot be said, since the
    /// worker has answered it, or is about to begin one.
    fn n_done(&self, ticket: u64) -> Option<u32> {
        // E1 acquire
        let at = self.ticket.load(Acquire);
        if at != ticket {
            // Tickets grow: that of an older chunk is less.
            return (at != NONE && at < ticket).then_some(0);
        }
        // E4 acquire
        let progress = Progress::unpack(self.progress.load(Acquire));
        // What was read may be the next one's.
        (self.ticket.load(Relaxed) == ticket).then(|| progress.n_done.into())
    }

    /// How many items of the chunk with this ticket the worker has done, and their results; none if it is
    /// at another chunk.
    pub(crate) fn read(&self, ticket: u64) -> Found {
        // E1 acquire
        if self.ticket.load(Acquire) != ticket {
            return Found::default();
        }
        // E2 acquire
        let Progress { n_done, row, len } = Progress::unpack(self.progress.load(ACQUIRE));
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        append_bytes(self.bytes, row.n_bytes() + len, &mut bytes);
        // E3 acquire: what was read may be another chunk's by now.
        fence(Acquire);
        if self.ticket.load(Relaxed) != ticket {
            return Found::default();
        }
        Found { n_done: n_done.into(), row, bytes }
    }
}

/// How many words a list begins with, and what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) sort: Sort,
    pub(crate) n_words: u16,
}

/// What lies on a tray.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// How many items are done.
    pub(crate) n_done: u32,
    pub(crate) row: Row,
    /// The list of their results.
    pub(crate) bytes: Vec<u8>,
}

/// Appends the first bytes of some words, as many as there are.
fn append_bytes(words: &[AtomicU64], len: usize, bytes: &mut Vec<u8>) {
    let before = bytes.len();
    let words = words.get(..len.div_ceil(WORD)).unwrap_or(words);
    bytes.reserve(words.len() * WORD);
    for word in words {
        bytes.extend_from_slice(&word.load(Relaxed).to_le_bytes());
    }
    bytes.truncate(before + len);
}

/// Puts at most as many bytes as a word has behind the first `n_before` of some words.
///
/// They were written one by one just now, so that they are read sooner one by one than together.
#[inline]
fn put_short(words: &[AtomicU64], new: &[u8], n_before: usize) {
    let new = little_endian(new);
    let mut words = words.iter();
    if let Some(word) = words.next() {
        let before = if n_before == 0 { 0 } else { word.load(Relaxed) };
        word.store(before | new << (8 * n_before), Relaxed);
    }
    // There is one if they do not all lie in the first, so that some of that is not theirs.
    if let Some(word) = words.next() {
        word.store(new >> (8 * (WORD - n_before)), Relaxed);
    }
}

/// Puts bytes where words begin.
fn put_long(words: &[AtomicU64], bytes: &[u8]) {
    let (whole, last) = bytes.as_chunks::<WORD>();
    let mut words = words.iter();
    for (bytes, word) in whole.iter().zip(&mut words) {
        word.store(u64::from_le_bytes(*bytes), Relaxed);
    }
    if let Some(word) = words.next() {
        word.store(little_endian(last), Relaxed);
    }
}

/// At most as many bytes as a word has, as a word, whose other bytes are zero.
#[inline]
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

impl Default for Row {
    fn default() -> Self {
        Self { sort: Sort::Unsigned, n_words: 0 }
    }
}

impl Row {
    /// With one more word of this sort; `None` if it does not belong there.
    #[inline]
    pub(crate) fn and(self, sort: Sort) -> Option<Self> {
        if self.n_words > 0 && self.sort != sort {
            return None;
        }
        Some(Self { sort, n_words: self.n_words.checked_add(1)? })
    }

    #[inline]
    pub(crate) fn n_bytes(self) -> usize {
        usize::from(self.n_words) * WORD
    }
}

/// How far a worker has come, as one word.
///
/// ```text
/// word | length (24) | sort (8) | words (16) | items (16) |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    n_done: u16,
    row: Row,
    /// How many bytes there are behind the row.
    len: u32,
}

impl Progress {
    /// `None` if it is too much for one word.
    #[inline]
    fn new(n_done: u32, row: Row, len: usize) -> Option<Self> {
        let len = u32::try_from(len).ok().filter(|len| *len < 1 << 24)?;
        Some(Self { n_done: u16::try_from(n_done).ok()?, row, len })
    }

    #[inline]
    fn pack(self) -> u64 {
        u64::from(self.len)
            | u64::from(code(self.row.sort)) << 24
            | u64::from(self.row.n_words) << 32
            | u64::from(self.n_done) << 48
    }

    /// What is no sort is one all the same: whoever scribbles can write any number.
    fn unpack(word: u64) -> Self {
        let [a, b, c, sort, e, f, g, h] = word.to_le_bytes();
        let row = Row { sort: sort_of(sort), n_words: u16::from_le_bytes([e, f]) };
        let len = u32::from_le_bytes([a, b, c, 0]);
        Self { n_done: u16::from_le_bytes([g, h]), row, len }
    }
}

#[inline]
const fn code(sort: Sort) -> u8 {
    match sort {
        Sort::Unsigned => 0,
        Sort::Signed => 1,
        Sort::Single => 2,
        Sort::Double => 3,
        Sort::Char => 4,
    }
}

const fn sort_of(code: u8) -> Sort {
    match code {
        1 => Sort::Signed,
        2 => Sort::Single,
        3 => Sort::Double,
        4 => Sort::Char,
        _ => Sort::Unsigned,
    }
}
