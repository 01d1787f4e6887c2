//! `ByteVec`: a vector of whose type only others know.

use core::fmt;

use ipc_core::{Deadline, Segment, SegmentError};

use super::KIND;
use super::row::{self, Row};
use crate::error::{AccessError, ChangeError, check_length};
use crate::plain::{bytes_of_words, words_of_bytes};
use crate::raw::Words;
use crate::width::Bytes;

/// A vector in shared memory whose items are so many bytes, as those know who use it by their type.
///
/// For a server that keeps vectors for others, who open it as an [`ShmVec`](crate::ShmVec): what is said of
/// [`ByteMap`](crate::ByteMap) is so here, too.
///
/// # Process death
///
/// As for an [`ShmVec`](crate::ShmVec).
///
/// # Examples
///
/// ```
/// use shm_value::{ByteVec, ShmVec};
///
/// let bytes = ByteVec::with_capacity(100, 4, ShmVec::<u32>::type_hash())?;
/// let numbers = ShmVec::<u32>::open(bytes.segment())?;
/// bytes.push(&[7_u32.to_ne_bytes()])?;
/// assert_eq!(numbers.to_vec()?, [7]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ByteVec {
    row: Row<Bytes>,
    item_len: usize,
}

impl ByteVec {
    /// Makes an empty vector with room for so many items of so many bytes, in memory of its own, with what
    /// a header shall say of the type.
    ///
    /// # Errors
    ///
    /// As [`ShmVec::with_capacity`](crate::ShmVec::with_capacity).
    pub fn with_capacity(
        capacity: usize,
        item_len: usize,
        type_hash: u64,
    ) -> Result<Self, SegmentError> {
        let segment = Segment::create(KIND, type_hash, Self::n_bytes(capacity, item_len))?;
        Ok(Self { row: Row::make(&segment, capacity, Bytes(item_len))?, item_len })
    }

    /// How many bytes of memory such a vector takes.
    #[must_use]
    pub fn n_bytes(capacity: usize, item_len: usize) -> usize {
        row::size(capacity, Bytes(item_len))
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.row.len()
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at `idx`, if there is one.
    ///
    /// # Errors
    ///
    /// [`AccessError::Busy`].
    pub fn get(&self, idx: usize) -> Result<Option<Vec<u8>>, AccessError> {
        self.row.read(idx, Deadline::now(), |words| self.bytes_of(words))
    }

    /// Adds items at the end, all of them in one step.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Full`] if there is not room for all of them, and [`ChangeError::WrongLength`] if something
    /// is no item: then there is none of them; [`AccessError::Busy`]; [`AccessError::TooManyHeld`].
    pub fn push(&self, items: &[impl AsRef<[u8]>]) -> Result<(), ChangeError> {
        items.iter().try_for_each(|item| check_length(item.as_ref(), self.item_len))?;
        let items = items.iter().map(|item| words_of_bytes(item.as_ref()));
        self.row.turn(Deadline::now())?.push(items)
    }

    /// Takes the last item, if there is one.
    ///
    /// # Errors
    ///
    /// [`AccessError::Busy`]; [`AccessError::TooManyHeld`].
    pub fn pop(&self) -> Result<Option<Vec<u8>>, AccessError> {
        let turn = self.row.turn(Deadline::now())?;
        let Some(last) = turn.len().checked_sub(1) else { return Ok(None) };
        let item = self.bytes_of(turn.current(last)?);
        turn.truncate(last);
        Ok(Some(item))
    }

    /// Changes the item at `idx` to what `change` makes of it, if it makes something; returns what it was.
    ///
    /// # Errors
    ///
    /// [`ChangeError::OutOfBounds`]; [`ChangeError::WrongLength`] if that is no item; [`AccessError::Busy`];
    /// [`AccessError::TooManyHeld`].
    pub fn alter<B: AsRef<[u8]>>(
        &self,
        idx: usize,
        change: impl FnOnce(&[u8]) -> Option<B>,
    ) -> Result<Vec<u8>, ChangeError> {
        let turn = self.row.turn(Deadline::now())?;
        let old = self.bytes_of(turn.item(idx)?);
        if let Some(new) = change(&old) {
            check_length(new.as_ref(), self.item_len)?;
            turn.set(idx, words_of_bytes(new.as_ref()))?;
        }
        Ok(old)
    }

    /// Takes away all items from `len` on.
    ///
    /// # Errors
    ///
    /// [`AccessError::Busy`]; [`AccessError::TooManyHeld`].
    pub fn truncate(&self, len: usize) -> Result<(), AccessError> {
        self.row.turn(Deadline::now())?.truncate(len);
        Ok(())
    }

    /// The segment that it lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.row.segment()
    }

    fn bytes_of(&self, words: Words<'_>) -> Vec<u8> {
        bytes_of_words(words.iter(), self.item_len)
    }
}

impl fmt::Debug for ByteVec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ByteVec").field("item_len", &self.item_len).finish_non_exhaustive()
    }
}
