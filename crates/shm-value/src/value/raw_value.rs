//! `RawValue`: a value in one word of shared memory, without a lock.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `set` | `get` | what was done before the word was written |

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{Acquire, Release};
use ipc_core::{Kind, Layout, Placed, Segment, SegmentError, type_hash};

use super::atomic::Atomic;
use super::number::{Number, fits, pack, unpack};
use crate::error::AccessError;

/// What a segment is called that holds nothing but one raw value.
pub(crate) const KIND: Kind = Kind::new(*b"rawvalue", 1);

/// A value of up to eight bytes in shared memory, without a lock: one word.
///
/// It takes eight bytes where a [`Value`](crate::Value) takes 72, and has all of that but `update`
/// and `lock`; if it is a number, it has the operations of an [`Atomic`].
///
/// # Process death
///
/// The value is the old one or the new one, whenever a process dies.
///
/// # Examples
///
/// ```
/// use shm_value::RawValue;
///
/// let is_ready = RawValue::new(false)?;
/// let hits = RawValue::new(0_u32)?;
/// is_ready.set(true);
/// hits.fetch_add(1);
/// assert_eq!((is_ready.get()?, hits.load()), (true, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// More than eight bytes are for a [`Value`](crate::Value):
///
/// ```compile_fail
/// let pair = shm_value::RawValue::new([0_u64; 2])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RawValue<T> {
    word: Placed<AtomicU64>,
    value: PhantomData<T>,
}

impl<T: NoUninit + CheckedBitPattern> RawValue<T> {
    /// Makes a value in memory of its own, which is freed with the last process that has a handle.
    ///
    /// It takes a page of memory and a descriptor. Where there are many, put them into one segment:
    /// [`in_segment`](Self::in_segment).
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`], or [`SegmentError::Io`] if the process has too many descriptors.
    pub fn new(value: T) -> Result<Self, SegmentError> {
        let segment = Segment::create(KIND, type_hash::<T>(), size_of::<AtomicU64>())?;
        let made = Self::in_segment(&segment, 0)?;
        made.set(value);
        Ok(made)
    }

    /// Makes room for a value in the layout of a segment, and returns its offset.
    pub const fn reserve(layout: &mut Layout) -> usize {
        layout.one::<AtomicU64>()
    }

    /// The value at `offset` in the body of a segment: eight bytes at a multiple of eight.
    ///
    /// Nothing is written: bytes of zero are a value whose bytes are zero.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`], [`SegmentError::Misaligned`], [`SegmentError::Exclusive`].
    pub fn in_segment(segment: &Segment, offset: usize) -> Result<Self, SegmentError> {
        const { assert!(fits::<T>(), "a raw value has at most eight bytes") };
        Ok(Self { word: segment.place(offset)?, value: PhantomData })
    }

    /// The value.
    ///
    /// # Errors
    ///
    /// [`AccessError::Corrupt`] if the bytes are no `T`.
    #[inline]
    pub fn get(&self) -> Result<T, AccessError> {
        // E1 acquire.
        unpack(self.word.load(Acquire)).ok_or(AccessError::Corrupt)
    }

    /// Replaces the value.
    #[inline]
    pub fn set(&self, value: T) {
        // E1 release.
        self.word.store(pack(&value), Release);
    }

    /// The segment that the value lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        Placed::segment(&self.word)
    }

    /// Where in the body of its segment the value lies.
    #[must_use]
    pub fn offset(&self) -> usize {
        Placed::offset(&self.word)
    }
}

impl<T: Number> Deref for RawValue<T> {
    type Target = Atomic<T>;

    #[inline]
    fn deref(&self) -> &Atomic<T> {
        Atomic::of(&self.word)
    }
}

impl<T> Clone for RawValue<T> {
    fn clone(&self) -> Self {
        Self { word: self.word.clone(), value: PhantomData }
    }
}

impl<T: NoUninit + CheckedBitPattern + fmt::Debug> fmt::Debug for RawValue<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("RawValue").field(&self.get()).finish()
    }
}
