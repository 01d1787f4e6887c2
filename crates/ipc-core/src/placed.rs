//! Things in a segment, and handles that keep the segment mapped.
//!
//! # Safety
//!
//! References into a mapping are made here and nowhere else. Each is checked first: that it lies
//! inside the body and is aligned. What else it takes is the promise of [`Shared`].
#![expect(unsafe_code, reason = "references into shared memory")]

use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;

use crate::error::SegmentError;
use crate::segment::Segment;
use crate::shared::Shared;

impl Segment {
    /// The `T` at `offset` in the body.
    ///
    /// Nothing is written: in a fresh segment it is all zeros, which is a valid `T`.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] if it does not lie inside the body,
    /// [`SegmentError::Misaligned`] if a `T` cannot begin there, and [`SegmentError::Exclusive`] if
    /// the segment's [kind](crate::Kind::exclusive) forbids it.
    pub fn at<T: Shared>(&self, offset: usize) -> Result<&T, SegmentError> {
        self.check_open()?;
        self.at_unchecked(offset)
    }

    /// Like [`at`](Self::at), in a segment of any kind.
    fn at_unchecked<T: Shared>(&self, offset: usize) -> Result<&T, SegmentError> {
        let pointer = self.locate(offset, size_of::<T>(), align_of::<T>())?.cast::<T>();
        // SAFETY:
        // - `locate` checked that it lies in the body and is aligned, and the mapping lives as long
        //   as `self`, which the result borrows.
        // - Any bytes are a valid `T`, and bytes that others write are read through its words only
        //   (`Shared`).
        Ok(unsafe { pointer.as_ref() })
    }

    /// The `count` values of `T` that begin at `offset` in the body.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at).
    pub fn slice_at<T: Shared>(&self, offset: usize, count: usize) -> Result<&[T], SegmentError> {
        self.check_open()?;
        self.slice_at_unchecked(offset, count)
    }

    /// Like [`slice_at`](Self::slice_at), in a segment of any kind.
    fn slice_at_unchecked<T: Shared>(
        &self,
        offset: usize,
        count: usize,
    ) -> Result<&[T], SegmentError> {
        let pointer = self.locate_slice::<T>(offset, count)?;
        // SAFETY: as in `at`, for the whole slice.
        Ok(unsafe { pointer.as_ref() })
    }

    /// The `T` at `offset` in the body, as a handle that keeps the segment mapped.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at).
    pub fn place<T: Shared>(&self, offset: usize) -> Result<Placed<T>, SegmentError> {
        let pointer = NonNull::from_ref(self.at::<T>(offset)?);
        Ok(Placed { pointer, segment: self.clone(), offset })
    }

    /// The `T` at `offset` in the body of a segment of any kind, as a handle that keeps the segment
    /// mapped.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at), but for the kind.
    ///
    /// # Safety
    ///
    /// If the segment is [exclusive](crate::Kind::exclusive), the caller belongs to what lies in it,
    /// and uses the `T` by its rules.
    pub unsafe fn place_exclusive<T: Shared>(
        &self,
        offset: usize,
    ) -> Result<Placed<T>, SegmentError> {
        let pointer = NonNull::from_ref(self.at_unchecked::<T>(offset)?);
        Ok(Placed { pointer, segment: self.clone(), offset })
    }

    /// The `count` values of `T` that begin at `offset` in the body of a segment of any kind, as a
    /// handle that keeps the segment mapped.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at), but for the kind.
    ///
    /// # Safety
    ///
    /// As for [`place_exclusive`](Self::place_exclusive).
    pub unsafe fn place_slice_exclusive<T: Shared>(
        &self,
        offset: usize,
        count: usize,
    ) -> Result<Placed<[T]>, SegmentError> {
        let pointer = NonNull::from_ref(self.slice_at_unchecked::<T>(offset, count)?);
        Ok(Placed { pointer, segment: self.clone(), offset })
    }

    /// The `count` values of `T` that begin at `offset` in the body, as a handle that keeps the
    /// segment mapped.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at).
    pub fn place_slice<T: Shared>(
        &self,
        offset: usize,
        count: usize,
    ) -> Result<Placed<[T]>, SegmentError> {
        let pointer = NonNull::from_ref(self.slice_at::<T>(offset, count)?);
        Ok(Placed { pointer, segment: self.clone(), offset })
    }

    /// The `len` bytes that begin at `offset` in the body, as a pointer.
    ///
    /// The pointer is good as long as the segment is mapped: as long as any clone of this handle
    /// lives. Other processes may write there at any time, so make no reference to those bytes;
    /// copy them with [`copy_in`](crate::primitive::copy_in) and
    /// [`copy_out`](crate::primitive::copy_out).
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] if they do not all lie inside the body.
    pub fn bytes_at(&self, offset: usize, len: usize) -> Result<NonNull<[u8]>, SegmentError> {
        Ok(NonNull::slice_from_raw_parts(self.locate(offset, len, 1)?, len))
    }

    fn check_open(&self) -> Result<(), SegmentError> {
        let found = self.kind();
        if found.is_exclusive() { Err(SegmentError::Exclusive { found }) } else { Ok(()) }
    }

    fn locate_slice<T: Shared>(
        &self,
        offset: usize,
        count: usize,
    ) -> Result<NonNull<[T]>, SegmentError> {
        // A size that overflows is greater than any segment.
        let size = size_of::<T>().saturating_mul(count);
        let first = self.locate(offset, size, align_of::<T>())?.cast::<T>();
        Ok(NonNull::slice_from_raw_parts(first, count))
    }

    /// Checks that `size` bytes at `offset` lie in the body and begin at a multiple of `alignment`.
    fn locate(
        &self,
        offset: usize,
        size: usize,
        alignment: usize,
    ) -> Result<NonNull<u8>, SegmentError> {
        let len = self.len();
        if offset > len || size > len - offset {
            return Err(SegmentError::OutOfBounds { offset, size, len });
        }
        // SAFETY: the offset is at most the length of the body, which is mapped as a whole.
        let pointer = unsafe { self.as_ptr().add(offset) };
        if !pointer.addr().get().is_multiple_of(alignment) {
            return Err(SegmentError::Misaligned { offset, alignment });
        }
        Ok(pointer)
    }
}

/// Something that lies in a segment, with the segment.
///
/// It can be used like a reference to it, and owned: the memory stays mapped as long as the handle
/// or any clone of it lives. Cloning a handle does not clone the value.
///
/// # Process death
///
/// The handle holds nothing but the mapping; what a death means for the value is up to the value.
///
/// # Examples
///
/// ```
/// use ipc_core::{Kind, Placed, Segment};
/// use ipc_core::primitive::{AtomicU64, Ordering};
///
/// let segment = Segment::create(Kind::new(*b"example\0", 1), 0, 64)?;
/// let word: Placed<AtomicU64> = segment.place(8)?;
/// drop(segment);
/// word.store(7, Ordering::Relaxed);
/// assert_eq!(word.load(Ordering::Relaxed), 7);
/// # Ok::<(), ipc_core::SegmentError>(())
/// ```
pub struct Placed<T: Shared + ?Sized> {
    /// Into the body of `segment`, checked when the handle was made.
    pointer: NonNull<T>,
    segment: Segment,
    offset: usize,
}

impl<T: Shared + ?Sized> Placed<T> {
    /// The segment it lies in.
    #[must_use]
    pub const fn segment(this: &Self) -> &Segment {
        &this.segment
    }

    /// Where in the body it begins.
    #[must_use]
    pub const fn offset(this: &Self) -> usize {
        this.offset
    }
}

impl<T: Shared + ?Sized> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the pointer was made from a checked reference into `segment` (its invariant),
        // which stays mapped as long as `self` lives.
        unsafe { self.pointer.as_ref() }
    }
}

impl<T: Shared + ?Sized> Clone for Placed<T> {
    fn clone(&self) -> Self {
        Self { pointer: self.pointer, segment: self.segment.clone(), offset: self.offset }
    }
}

impl<T: Shared + ?Sized> fmt::Debug for Placed<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Placed")
            .field("segment", &self.segment)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

// SAFETY: all that one can do with the handle is get a `&T`, and `T` is `Sync` (`Shared` demands
// it); the segment is `Send` and `Sync` by itself.
unsafe impl<T: Shared + ?Sized> Send for Placed<T> {}

// SAFETY: as for `Send`.
unsafe impl<T: Shared + ?Sized> Sync for Placed<T> {}
