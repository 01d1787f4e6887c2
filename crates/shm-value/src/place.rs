//! Where a shared thing lies that is changed in turns: the line of its lock, and words behind it.
//!
//! # Invariants
//!
//! - P1: The line lies in a segment, which stays mapped as long as a thread of this process has the
//!   turn, whatever becomes of guards and handles: the robust list sees to that.
//!
//! # Safety
//!
//! What the engine asks for, that the line stays mapped while it is held, is P1.

#![expect(unsafe_code, reason = "promises the engine that the line stays mapped")]

use std::io;

use ipc_core::primitive::{AtomicU64, Ordering};
use ipc_core::robust::{RobustWord, support};
use ipc_core::{Deadline, Layout, Placed, Segment, SegmentError};
use ipc_sync::raw::{Holder, RawLock, Taken};

use crate::error::AccessError;
use crate::raw::Turn;

/// One handle to such a thing.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    line: Placed<RobustWord>,
    words: Placed<[AtomicU64]>,
}

impl Place {
    /// What the offset of a thing in a segment must be a multiple of.
    pub(crate) const ALIGNMENT: usize = align_of::<RobustWord>();

    /// How many bytes a thing of so many words takes.
    pub(crate) const fn size(n_words: usize) -> usize {
        size_of::<RobustWord>().saturating_add(n_words.saturating_mul(size_of::<AtomicU64>()))
    }

    /// Makes room for a thing of so many words in the layout of a segment.
    pub(crate) const fn reserve(layout: &mut Layout, n_words: usize) -> usize {
        layout.bytes(Self::size(n_words), Self::ALIGNMENT)
    }

    /// The thing of so many words at `offset` in the body of a segment. Nothing is written.
    pub(crate) fn new(
        segment: &Segment,
        offset: usize,
        n_words: usize,
    ) -> Result<Self, SegmentError> {
        is_supported()?;
        let words = offset.saturating_add(size_of::<RobustWord>());
        Ok(Self { line: segment.place(offset)?, words: segment.place_slice(words, n_words)? })
    }

    pub(crate) fn segment(&self) -> &Segment {
        Placed::segment(&self.line)
    }

    pub(crate) fn offset(&self) -> usize {
        Placed::offset(&self.line)
    }

    /// The words behind the line.
    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        &self.words
    }

    /// Waits for a turn.
    #[inline]
    pub(crate) fn turn(&self, deadline: Deadline) -> Result<Turn<'_>, AccessError> {
        Ok(self.turn_after(deadline)?.0)
    }

    /// The same, and whether the last who had it died.
    #[inline]
    pub(crate) fn turn_after(&self, deadline: Deadline) -> Result<(Turn<'_>, Taken), AccessError> {
        // SAFETY: P1.
        Ok(unsafe { Turn::take(&self.line, deadline) }?)
    }

    /// Makes an exchange in a turn of its own; `None` if that is done. Else it has its turn now: it had to
    /// wait for it, or the word is another than `current`.
    #[inline]
    pub(crate) fn exchange_in_turn(
        &self,
        word: &AtomicU64,
        (current, new): (u64, u64),
        order: Ordering,
    ) -> Result<Option<Turn<'_>>, AccessError> {
        let step = || word.compare_exchange(current, new, order, Ordering::Relaxed).is_ok();
        // SAFETY: P1; the step takes nothing.
        Ok(unsafe { Turn::take_for(&self.line, step) }?)
    }

    /// Whether nobody has the turn, at the moment of asking.
    #[inline]
    pub(crate) fn is_free(&self) -> bool {
        RawLock::new(&self.line).is_zero()
    }

    /// Takes the turn if nobody has it.
    pub(crate) fn try_turn(&self) -> Result<Turn<'_>, AccessError> {
        // SAFETY: P1.
        Ok(unsafe { Turn::try_take(&self.line) }?.0)
    }

    /// Who has the turn, at the moment of asking.
    pub(crate) fn holder(&self) -> Holder {
        RawLock::new(&self.line).holder()
    }
}

/// That the kernel tells of deaths in this process: nothing here works where it does not.
fn is_supported() -> io::Result<()> {
    support().map_err(|why| io::Error::new(io::ErrorKind::Unsupported, why))
}
