//! Chunks: items of a map that travel together, as one task, and are done one by one.
//!
//! A message between two processes costs more than many a task. So items of which it is known that they
//! are quick go in one [order](crate::record::Order), and come back in one answer. For the caller, each
//! item is a task all the same: it has a result or an error of its own, and a worker that dies costs
//! the item in its hands and no other.
//!
//! | of a chunk, when its worker dies | was | and becomes |
//! |----------------------------------|-----|-------------|
//! | the first items | done: their results lie on the [tray](tray) | their results |
//! | the next one | begun | died, or runs again, as a task does |
//! | the rest | not begun | handed out again |
//!
//! How many items there are in a chunk is decided when a worker has room for them, by what such items
//! took so far ([`Pace`](crate::pace::Pace)); the rest stays in the backlog. If they turn out to take
//! longer, the worker answers as far as it has come, and the rest is handed out again, in smaller
//! parts. While an item takes very long, or waits for something, the results of those before it are taken
//! off the tray, and those behind it are taken back for a worker that has nothing to do. An item whose time is limited, that has handles, or that is large, is a task
//! of its own. `docs/design/021-chunks.md` says why it is so.

pub(crate) mod answers;
pub(crate) mod attend;
mod call;
pub(crate) mod desk;
pub(crate) mod list;
pub(crate) mod pieces;
pub(crate) mod tray;
pub(crate) mod words;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use ipc_core::wire::{self, Bytes, EncodeError};

pub(crate) use self::call::call_each;
use self::list::{List, Packing};
use self::words::Row;

/// Items with more bytes than this, all together, are more than one chunk.
pub(crate) const MOST_BYTES: usize = 30 << 10;

/// So many bytes of results go through a ring together. What has more goes as a large value does.
pub(crate) const MOST_ANSWER: usize = 40 << 10;

/// An item with more bytes than this is a task of its own.
pub(crate) const MOST_ITEM_BYTES: usize = 2 << 10;

/// Items of one function, encoded.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The list of these items, and of others that were in the chunk once.
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
    row: Row,
    n_items: usize,
    /// It is handed out as it is, and done as a whole.
    is_whole: bool,
    /// Of so many items, the first ones, the caller has the results.
    n_told: usize,
}

impl Chunk {
    pub(crate) fn new(items: Packing, n_items: usize, is_whole: bool) -> Self {
        let (row, bytes) = items.into_parts();
        let range = 0..bytes.len();
        Self { bytes: Arc::new(bytes), range, row, n_items, is_whole, n_told: 0 }
    }

    pub(crate) fn n_items(&self) -> usize {
        self.n_items
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(crate) fn n_told(&self) -> usize {
        self.n_told
    }

    /// Of so many items, the caller has the results.
    pub(crate) fn tell(&mut self, n_told: usize) {
        self.n_told = n_told.min(self.n_items);
    }

    /// From now on nothing is taken off it when it is handed out or done.
    pub(crate) fn make_whole(&mut self) {
        self.is_whole = true;
    }

    /// Appends it as the argument of [`call_each`] behind the function.
    pub(crate) fn encode(&self, record: &mut Vec<u8>) -> Result<(), EncodeError> {
        wire::encode_plain(&(self.is_whole, self.row, Bytes(Cow::Borrowed(self.bytes()))), record)
    }

    /// Takes off all but the first `n_first` items.
    pub(crate) fn split_off(&mut self, n_first: usize) -> Self {
        let n_first = n_first.min(self.n_items);
        let mut rest = List::new(self.row, self.bytes());
        rest.skip(n_first);
        let (row, at) = (rest.row(), self.range.end - rest.bytes().len());
        let range = at..self.range.end;
        self.range.end = at;
        let n_items = self.n_items - n_first;
        self.n_items = n_first;
        self.row.n_words -= row.n_words;
        Self {
            bytes: Arc::clone(&self.bytes),
            range,
            row,
            n_items,
            is_whole: self.is_whole,
            n_told: 0,
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(self.range.clone()).unwrap_or_default()
    }
}
