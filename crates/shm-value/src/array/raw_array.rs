//! `RawArray`: many values of one type in a row, without a lock.

use core::fmt;
use core::marker::PhantomData;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::primitive::AtomicU64;
use ipc_core::{Kind, Placed, Segment, SegmentError, type_hash};

use super::error::ArrayError;
use crate::bytes::Bytes;
use crate::plain::{Draft, WORD, words_of_bytes};

/// What a segment is called that holds a raw array.
pub(crate) const KIND: Kind = Kind::new(*b"rawarray", 1);

/// Many values of one type in shared memory, without a lock: each is copied in and out.
///
/// A value of 1, 2, 4 or 8 bytes is always whole. A larger one, or several at a time, may be part old
/// and part new while somebody else writes there; where that matters use an [`Array`](crate::Array).
///
/// # Process death
///
/// Each word of eight bytes is the old one or the new one, whenever a process dies.
///
/// # Examples
///
/// ```
/// use shm_value::RawArray;
///
/// let cells = RawArray::<u16>::zeroed(100)?;
/// // … the handle goes to other processes …
/// cells.set(99, 7)?;
/// cells.copy_in(0, &[1, 2, 3])?;
/// assert_eq!((cells.get(99)?, cells.iter().take(4).collect::<Result<Vec<_>, _>>()?), (7, vec![1, 2, 3, 0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RawArray<T> {
    words: Placed<[AtomicU64]>,
    len: usize,
    value: PhantomData<T>,
}

impl<T: NoUninit + CheckedBitPattern> RawArray<T> {
    /// Makes an array of a copy of some values, in memory of its own.
    ///
    /// # Errors
    ///
    /// As [`zeroed`](Self::zeroed).
    pub fn from_slice(values: &[T]) -> Result<Self, ArrayError> {
        let array = Self::zeroed(values.len())?;
        array.copy_in(0, values)?;
        Ok(array)
    }

    /// Makes an array of so many values whose bytes are zero, in memory of its own, which is freed
    /// with the last process that has a handle.
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`] if the machine does not have so much memory, and
    /// [`SegmentError::Io`] if the process has too many descriptors.
    pub fn zeroed(len: usize) -> Result<Self, ArrayError> {
        let size = Self::size(len).ok_or(SegmentError::NoSpace { bytes: u64::MAX })?;
        Ok(Self::open(&Segment::create(KIND, type_hash::<T>(), size)?, len)?)
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no value at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value at `idx`.
    ///
    /// # Errors
    ///
    /// [`ArrayError::OutOfBounds`]; [`ArrayError::Corrupt`] if the bytes are no `T`.
    pub fn get(&self, idx: usize) -> Result<T, ArrayError> {
        self.check(idx, 1)?;
        let at = idx * size_of::<T>();
        let bytes = Bytes(&self.words);
        let mut buffer = [0; WORD];
        if let Some(target) = buffer.get_mut(..size_of::<T>()) {
            bytes.read(at, target);
            return Draft::of(words_of_bytes(target)).check().ok_or(ArrayError::Corrupt);
        }
        let mut target = vec![0; size_of::<T>()];
        bytes.read(at, &mut target);
        Draft::of(words_of_bytes(&target)).check().ok_or(ArrayError::Corrupt)
    }

    /// Replaces the value at `idx`.
    ///
    /// # Errors
    ///
    /// [`ArrayError::OutOfBounds`].
    pub fn set(&self, idx: usize, value: T) -> Result<(), ArrayError> {
        self.copy_in(idx, &[value])
    }

    /// Copies the values from `start` on.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get): then some of `target` may have been written.
    pub fn copy_out(&self, start: usize, target: &mut [T]) -> Result<(), ArrayError> {
        self.check(start, target.len())?;
        for (idx, place) in (start..).zip(target) {
            *place = self.get(idx)?;
        }
        Ok(())
    }

    /// Replaces the values from `start` on.
    ///
    /// # Errors
    ///
    /// [`ArrayError::OutOfBounds`]: then nothing was written.
    pub fn copy_in(&self, start: usize, source: &[T]) -> Result<(), ArrayError> {
        self.check(start, source.len())?;
        Bytes(&self.words).write(start * size_of::<T>(), bytemuck::cast_slice(source));
        Ok(())
    }

    /// All values, one after the other, each as it is when its turn comes.
    ///
    /// # Errors
    ///
    /// Each may be [`ArrayError::Corrupt`].
    pub fn iter(&self) -> impl Iterator<Item = Result<T, ArrayError>> {
        (0..self.len).map(|idx| self.get(idx))
    }

    /// The segment that it lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        Placed::segment(&self.words)
    }

    /// The array of so many values in a segment, as far as it can be there.
    pub(crate) fn open(segment: &Segment, len: usize) -> Result<Self, SegmentError> {
        segment.check(KIND, type_hash::<T>())?;
        let size = Self::size(len).filter(|size| *size == segment.len());
        let size = size.ok_or(SegmentError::NotASegment)?;
        Ok(Self { words: segment.place_slice(0, size / WORD)?, len, value: PhantomData })
    }

    fn size(len: usize) -> Option<usize> {
        size_of::<T>().checked_mul(len)?.checked_next_multiple_of(WORD)
    }

    fn check(&self, start: usize, len: usize) -> Result<(), ArrayError> {
        if start > self.len || len > self.len - start {
            return Err(ArrayError::OutOfBounds { start, len, there: self.len });
        }
        Ok(())
    }
}

impl<T> Clone for RawArray<T> {
    fn clone(&self) -> Self {
        Self { words: self.words.clone(), len: self.len, value: PhantomData }
    }
}

impl<T> fmt::Debug for RawArray<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RawArray").field("len", &self.len).finish_non_exhaustive()
    }
}
