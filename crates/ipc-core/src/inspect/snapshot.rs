//! `Snapshot`: a part of a segment's body, in private memory.
//!
//! # Safety
//!
//! References are made here into a private copy. Each is checked first: that it lies inside what was
//! copied and is aligned. What else it takes is the promise of [`Shared`].
#![expect(unsafe_code, reason = "references into a private copy of shared memory")]

use std::fmt;
use std::slice;

use crate::error::SegmentError;
use crate::primitive::AtomicU64;
use crate::shared::Shared;

/// So many words are in a line.
const WORDS: usize = 16;

/// As much of the copy as begins at a multiple of its size. Made of the door's words, so that other
/// such words may be looked at in their place.
#[repr(C, align(128))]
struct Line([AtomicU64; WORDS]);

/// Some bytes of a segment's body, as they were when somebody looked: see [`View::copy`](super::View::copy).
///
/// Offsets are those in the body. The words may be used like those in the segment; what is done to
/// them is done to the copy, and nobody else hears of it.
pub struct Snapshot {
    lines: Box<[Line]>,
    /// Where in the body the first line begins.
    start: usize,
    /// How many bytes were copied.
    len: usize,
    /// How long the body is.
    body: usize,
}

impl Snapshot {
    /// The most bytes that are copied at a time: for a look at an object, not for all of its content.
    pub const MOST: usize = 16 << 20;

    /// What a copy begins at a multiple of.
    pub(super) const ALIGNMENT: usize = size_of::<Line>();

    /// A copy of bytes that begin at `start` in a body of so many bytes.
    pub(super) fn new(start: usize, body: usize, bytes: &[u8]) -> Self {
        let line = |bytes: &[u8]| {
            let mut words = bytes.chunks(size_of::<u64>());
            Line(std::array::from_fn(|_| {
                let mut word = [0; size_of::<u64>()];
                let found = words.next().unwrap_or_default();
                word.iter_mut().zip(found).for_each(|(to, from)| *to = *from);
                AtomicU64::new(u64::from_ne_bytes(word))
            }))
        };
        let lines = bytes.chunks(Self::ALIGNMENT).map(line).collect();
        Self { lines, start, len: bytes.len(), body }
    }

    /// The `T` at `offset` in the body.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] if it does not lie inside what was copied, and
    /// [`SegmentError::Misaligned`] if a `T` cannot begin there.
    pub fn at<T: Shared>(&self, offset: usize) -> Result<&T, SegmentError> {
        let place = self.locate(offset, size_of::<T>(), align_of::<T>())?;
        // SAFETY:
        // - `locate` checked that it lies in the copy and is aligned, and the copy lives as long as
        //   `self`, which the result borrows.
        // - Any bytes are a valid `T`, and the lines are words that may change behind a reference, as a
        //   `T` may (`Shared`).
        Ok(unsafe { &*place.cast::<T>() })
    }

    /// The `count` values of `T` that begin at `offset` in the body.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at).
    pub fn slice_at<T: Shared>(&self, offset: usize, count: usize) -> Result<&[T], SegmentError> {
        // A size that overflows is greater than any copy.
        let place = self.locate(offset, size_of::<T>().saturating_mul(count), align_of::<T>())?;
        // SAFETY: as in `at`, for the whole slice.
        Ok(unsafe { slice::from_raw_parts(place.cast::<T>(), count) })
    }

    /// Where in memory these bytes of the body are, if they were copied.
    fn locate(
        &self,
        offset: usize,
        size: usize,
        alignment: usize,
    ) -> Result<*const u8, SegmentError> {
        let inside = offset.checked_sub(self.start).filter(|&at| at <= self.len);
        match inside {
            Some(at) if size <= self.len - at && alignment <= Self::ALIGNMENT => {
                if !at.is_multiple_of(alignment) {
                    return Err(SegmentError::Misaligned { offset, alignment });
                }
                // Below the length, or at its end: inside the lines.
                Ok(self.lines.as_ptr().cast::<u8>().wrapping_add(at))
            }
            _ => Err(SegmentError::OutOfBounds { offset, size, len: self.body }),
        }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.start.saturating_add(self.len);
        formatter
            .debug_struct("Snapshot")
            .field("bytes", &(self.start..end))
            .finish_non_exhaustive()
    }
}
