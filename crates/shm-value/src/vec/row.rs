//! The items of a vector: where they lie, and what is done with words there.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `push`, `truncate` | `len` | the items below the length |

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::{Deadline, Segment, SegmentError};

use super::{CAPACITY, ITEMS, LEN};
use crate::error::{AccessError, ChangeError};
use crate::place::Place;
use crate::plain::WORD;
use crate::raw::planted::faces::LENGTHENS_FIRST;
use crate::raw::{Cell, Turn, Words};
use crate::width::Width;

/// The items of a vector, each so wide.
#[derive(Clone)]
pub(super) struct Row<W> {
    place: Place,
    /// As it was when the handle was made, and fits into the segment.
    capacity: usize,
    width: W,
}

/// The calling thread's turn to change them.
pub(super) struct RowTurn<'r, W> {
    row: &'r Row<W>,
    _turn: Turn<'r>,
}

/// How many bytes a vector takes; more than any segment has, if that is no number.
pub(super) fn size(capacity: usize, width: impl Width) -> usize {
    let stride = Cell::size(width.n_words());
    Place::size(stride.saturating_mul(capacity).saturating_add(ITEMS))
}

impl<W: Width> Row<W> {
    /// Makes an empty vector in a segment of its own.
    pub(super) fn make(segment: &Segment, capacity: usize, width: W) -> Result<Self, SegmentError> {
        segment.at::<AtomicU64>(Place::size(CAPACITY))?.store(capacity as u64, Relaxed);
        Self::open(segment, width)
    }

    /// The vector in a segment of the right kind and type.
    pub(super) fn open(segment: &Segment, width: W) -> Result<Self, SegmentError> {
        let bytes = segment.len().checked_sub(Place::size(0)).ok_or(SegmentError::NotASegment)?;
        let place = Place::new(segment, 0, bytes / WORD)?;
        let capacity = place.words().get(CAPACITY).map_or(0, |word| word.load(Relaxed));
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        if size(capacity, width) != segment.len() {
            return Err(SegmentError::NotASegment);
        }
        Ok(Self { place, capacity, width })
    }

    pub(super) fn segment(&self) -> &Segment {
        self.place.segment()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        // E1 acquire. There is no room for more, whatever the word says.
        let len = self.word(LEN).load(Acquire);
        usize::try_from(len).unwrap_or(usize::MAX).min(self.capacity)
    }

    /// What `take` makes of an item, if there is one. Waits until the deadline if somebody writes there all the
    /// time.
    pub(super) fn read<R>(
        &self,
        idx: usize,
        deadline: Deadline,
        take: impl Fn(Words<'_>) -> R,
    ) -> Result<Option<R>, AccessError> {
        if idx >= self.len() {
            return Ok(None);
        }
        let cell = self.cell(idx)?;
        if let Some(taken) = cell.read(&take) {
            return Ok(Some(taken));
        }
        let _turn = self.place.turn(deadline)?;
        Ok(Some(take(cell.current())))
    }

    /// Waits for a turn until the deadline.
    pub(super) fn turn(&self, deadline: Deadline) -> Result<RowTurn<'_, W>, AccessError> {
        Ok(RowTurn { row: self, _turn: self.place.turn(deadline)? })
    }

    fn cell(&self, idx: usize) -> Result<Cell<'_>, AccessError> {
        let stride = Cell::size(self.width.n_words());
        let start = ITEMS + idx * stride;
        let words = self.place.words().get(start..).and_then(|rest| rest.get(..stride));
        words.and_then(Cell::new).ok_or(AccessError::Corrupt)
    }

    fn word(&self, idx: usize) -> &AtomicU64 {
        match self.place.words().get(idx) {
            Some(word) => word,
            None => unreachable!("it was placed with all its words"),
        }
    }
}

impl<W: Width> RowTurn<'_, W> {
    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.row.len()
    }

    /// The item at `idx`, wherever the end is.
    pub(super) fn current(&self, idx: usize) -> Result<Words<'_>, AccessError> {
        Ok(self.row.cell(idx)?.current())
    }

    /// The item at `idx`.
    pub(super) fn item(&self, idx: usize) -> Result<Words<'_>, ChangeError> {
        self.check(idx)?;
        Ok(self.current(idx)?)
    }

    /// Replaces the item at `idx`.
    pub(super) fn set(
        &self,
        idx: usize,
        item: impl Iterator<Item = u64>,
    ) -> Result<(), ChangeError> {
        self.check(idx)?;
        self.row.cell(idx)?.write(item);
        Ok(())
    }

    /// Adds items at the end, in one step.
    pub(super) fn push(
        &self,
        items: impl IntoIterator<Item = impl Iterator<Item = u64>>,
    ) -> Result<(), ChangeError> {
        let mut len = self.len();
        for item in items {
            if len == self.row.capacity {
                return Err(ChangeError::Full);
            }
            if LENGTHENS_FIRST {
                // E1 release, too early.
                self.row.word(LEN).store(len as u64 + 1, Release);
            }
            self.row.cell(len)?.write(item);
            len += 1;
        }
        // E1 release.
        self.row.word(LEN).store(len as u64, Release);
        Ok(())
    }

    /// Takes away all items from `len` on.
    pub(super) fn truncate(&self, len: usize) {
        // E1 release.
        self.row.word(LEN).store(len.min(self.len()) as u64, Release);
    }

    fn check(&self, idx: usize) -> Result<(), ChangeError> {
        let len = self.len();
        if idx < len { Ok(()) } else { Err(ChangeError::OutOfBounds { idx, len }) }
    }
}
