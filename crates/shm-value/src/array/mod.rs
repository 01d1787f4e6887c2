//! Array: many values of one type in a row, which are borrowed where they lie.
//!
//! ```text
//! | length | parts | lock of part 0 | … | lock of the last part | values |
//! ```
//!
//! # Safety
//!
//! The values are lent as plain references, as those of a [`Mutex`](ipc_sync::Mutex) are: under locks
//! that survive their holders, in a segment of an exclusive kind, where safe code can place nothing
//! else. So that no reference overlaps one that may be written through, there is no other way to the
//! values than through the locks of their parts, one lock a part:
//!
//! - A1: What the two first words say was checked when the handle was made, against the length of the
//!   segment, and is kept privately.
//! - A2: The values of a part are touched by who holds its lock only; to be written, for writing.

#![expect(unsafe_code, reason = "references to values in shared memory")]

mod error;
mod guard;
#[cfg(feature = "ndarray")]
mod ndarray;
mod raw_array;
mod shape;

use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;
use core::ptr::NonNull;
use core::slice;

use bytemuck::{AnyBitPattern, NoUninit};
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{Kind, Layout, Segment, SegmentError, type_hash};
use ipc_sync::{LockError, Readers, RwLock};

pub use error::ArrayError;
pub use guard::{ArrayGuard, ArrayReadGuard};
pub(crate) use raw_array::KIND as RAW_KIND;
pub use raw_array::RawArray;
pub use shape::{Shaped, ShapedMut};

use crate::named;
use crate::raw::planted::faces::ARRAY_CHECKS;

/// What a segment is called that holds an array.
pub(crate) const KIND: Kind = Kind::exclusive(*b"array\0\0\0", 1);

/// How many can look at a part at the same time.
const READERS: Readers = Readers::DEFAULT;

/// As many parts as an array can have: a thread can hold the locks of all of them.
const MOST_PARTS: usize = 512;

/// The values begin at a multiple of this.
const ALIGNMENT: usize = 128;

/// Many values of one type in shared memory, which are borrowed where they lie.
///
/// Any number of processes may have handles to it; cloning a handle does not clone the values. They
/// are numbers or plain structs of them, of which any bytes are a value ([`bytemuck`]).
///
/// [`read`](Self::read) and [`write`](Self::write) lock all of it and lend a slice; nothing is copied.
/// An array [in parts](Self::zeroed_in_parts) has a lock for each part, so that workers can
/// [write their own](Self::write_part) at the same time: parts do not overlap. [`get`](Self::get),
/// [`set`](Self::set) and the copies lock for as long as they take. Up to 16 threads can look at the
/// same part at a time; one more waits.
///
/// With the feature `ndarray`, the guards lend the values as arrays of that crate, too.
///
/// For values without locks there is [`RawArray`]. For many values that nobody changes any more,
/// [`FrozenMemory`](crate::FrozenMemory).
///
/// # Trust
///
/// As with a [`Mutex`](ipc_sync::Mutex): the values are lent as they lie in shared memory, which is
/// right among processes of one program, who may crash, but keep to the locks. Where a peer might
/// write without one, use a [`RawArray`], which copies.
///
/// # Process death
///
/// If a thread dies while it writes, the next to lock the part is told ([`LockError::OwnerDied`]),
/// and all after it until somebody has [said](ArrayGuard::mark_consistent) that the values are whole:
/// the same as with an [`RwLock`]. A panic while it is locked for writing does the same. Who dies
/// reading, or waiting, is not missed.
///
/// # Examples
///
/// ```
/// use shm_value::Array;
///
/// let samples = Array::from_slice(&[1.0, 2.0, 3.0])?;
/// // … the handle goes to other processes …
/// let mut values = samples.write().map_err(|error| error.without_lock())?;
/// for value in &mut *values {
///     *value *= 2.0;
/// }
/// drop(values);
/// assert_eq!(samples.get(2)?, 6.0);
/// assert_eq!(*samples.read()?, [2.0, 4.0, 6.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Array<T> {
    segment: Segment,
    /// The lock of each part, in order; at least one.
    locks: Box<[RwLock<()>]>,
    values: NonNull<T>,
    len: usize,
    owned: PhantomData<T>,
}

// SAFETY: a handle is memory that stays mapped and locks; the values are plain data.
unsafe impl<T: Send> Send for Array<T> {}
// SAFETY: what is lent through a shared handle is lent under the locks (A2).
unsafe impl<T: Send + Sync> Sync for Array<T> {}

impl<T: AnyBitPattern + NoUninit> Array<T> {
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
    /// [`SegmentError::Io`] if the process has too many descriptors or runs where the kernel does
    /// not tell of deaths.
    pub fn zeroed(len: usize) -> Result<Self, ArrayError> {
        Self::zeroed_in_parts(len, 1)
    }

    /// The same in so many parts of nearly the same length, each with a lock of its own.
    ///
    /// # Errors
    ///
    /// [`ArrayError::BadParts`] if there are none, or more than 512; and as [`zeroed`](Self::zeroed).
    pub fn zeroed_in_parts(len: usize, parts: usize) -> Result<Self, ArrayError> {
        let (size, _) = Self::layout(len, parts)?;
        let segment = Segment::create(KIND, type_hash::<T>(), size)?;
        // SAFETY: nobody else has seen the segment.
        Ok(unsafe { Self::make(&segment, len, parts) }?)
    }

    /// Makes an array with a name, for programs that know each other by nothing else.
    ///
    /// It stays until somebody calls [`Segment::unlink`] with its name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::AlreadyExists`], and as
    /// [`zeroed_in_parts`](Self::zeroed_in_parts).
    pub fn create_named(name: &str, len: usize, parts: usize) -> Result<Self, ArrayError> {
        let (size, _) = Self::layout(len, parts)?;
        Ok(named::create(name, KIND, type_hash::<T>(), size, |segment| {
            // SAFETY: nobody else has seen the segment.
            unsafe { Self::make(segment, len, parts) }
        })?)
    }

    /// Opens the array of that name, whose values must be of the same type.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`];
    /// [`SegmentError::NotASegment`], [`SegmentError::WrongKind`] or [`SegmentError::WrongType`] if
    /// the name is something else's.
    pub fn open_named(name: &str) -> Result<Self, ArrayError> {
        Ok(Self::open(&Segment::open_named(name, KIND, type_hash::<T>())?)?)
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

    /// How many parts it has.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.locks.len()
    }

    /// Which values belong to a part; none if there is no such part.
    #[must_use]
    pub fn part(&self, part: usize) -> Range<usize> {
        let parts = self.parts();
        let (each, longer) = (self.len / parts, self.len % parts);
        // The first parts have one more, as far as it does not come out even.
        let start = |part: usize| each * part + part.min(longer);
        if part < parts { start(part)..start(part + 1) } else { self.len..self.len }
    }

    /// Waits until nobody writes, and lends all values.
    ///
    /// # Errors
    ///
    /// [`ArrayError::Lock`] as from [`RwLock::read`]: if a thread died writing, or panicked, and
    /// nobody has said since that the values are whole.
    #[doc(alias = "get_obj")]
    pub fn read(&self) -> Result<ArrayReadGuard<'_, T>, ArrayError> {
        ArrayReadGuard::take(self, 0..self.parts())
    }

    /// Waits until nobody reads or writes, and lends all values to be changed.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] or [`LockError::Poisoned`] with the guard: the locks are held, and
    /// values may be half changed. Otherwise as from [`RwLock::write`].
    #[doc(alias = "get_lock")]
    pub fn write(&self) -> Result<ArrayGuard<'_, T>, LockError<ArrayGuard<'_, T>>> {
        ArrayGuard::take(self, 0..self.parts())
    }

    /// Waits until nobody writes to a part, and lends its values; none if there is no such part.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_part(&self, part: usize) -> Result<ArrayReadGuard<'_, T>, ArrayError> {
        ArrayReadGuard::take(self, self.only(part))
    }

    /// Waits until nobody reads or writes a part, and lends its values to be changed; none if there
    /// is no such part.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_part(
        &self,
        part: usize,
    ) -> Result<ArrayGuard<'_, T>, LockError<ArrayGuard<'_, T>>> {
        ArrayGuard::take(self, self.only(part))
    }

    /// The value at `idx`.
    ///
    /// # Errors
    ///
    /// [`ArrayError::OutOfBounds`], and as [`read`](Self::read).
    pub fn get(&self, idx: usize) -> Result<T, ArrayError> {
        let part = self.part_of(idx, 1)?;
        let values = self.read_part(part.start)?;
        let place = idx - self.part(part.start).start;
        values.get(place).copied().ok_or_else(|| self.out_of_bounds(idx, 1))
    }

    /// Replaces the value at `idx`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn set(&self, idx: usize, value: T) -> Result<(), ArrayError> {
        self.copy_in(idx, &[value])
    }

    /// Copies the values from `start` on, as they were at one moment.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn copy_out(&self, start: usize, target: &mut [T]) -> Result<(), ArrayError> {
        let parts = self.part_of(start, target.len())?;
        if target.is_empty() {
            return Ok(());
        }
        let from = start - self.part(parts.start).start;
        let values = ArrayReadGuard::take(self, parts)?;
        let source = values.get(from..).and_then(|values| values.get(..target.len()));
        target.copy_from_slice(source.ok_or_else(|| self.out_of_bounds(start, target.len()))?);
        Ok(())
    }

    /// Replaces the values from `start` on, all before anybody else sees one of them.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn copy_in(&self, start: usize, source: &[T]) -> Result<(), ArrayError> {
        let parts = self.part_of(start, source.len())?;
        if source.is_empty() {
            return Ok(());
        }
        let from = start - self.part(parts.start).start;
        let taken = ArrayGuard::take(self, parts);
        let mut values = taken.map_err(|error| ArrayError::Lock(error.without_lock()))?;
        let target = values.get_mut(from..).and_then(|values| values.get_mut(..source.len()));
        target.ok_or_else(|| self.out_of_bounds(start, source.len()))?.copy_from_slice(source);
        Ok(())
    }

    /// All values, as they were at one moment.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    #[doc(alias = "tolist")]
    pub fn to_vec(&self) -> Result<Vec<T>, ArrayError> {
        Ok(self.read()?.to_vec())
    }

    /// The segment that it lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The array in a segment of the right kind and type.
    pub(crate) fn open(segment: &Segment) -> Result<Self, SegmentError> {
        segment.check(KIND, type_hash::<T>())?;
        // SAFETY: an array lies in a segment of this kind; these are words of it, before the locks.
        let words = unsafe { segment.place_slice_exclusive::<AtomicU64>(0, 2) }?;
        let [len, parts] = [0, 1].map(|idx| {
            let word = words.get(idx).map_or(0, |word| word.load(Relaxed));
            usize::try_from(word).unwrap_or(usize::MAX)
        });
        let (size, values) = Self::layout(len, parts).map_err(|_| SegmentError::NotASegment)?;
        if size != segment.len() && ARRAY_CHECKS {
            // The words are not those that it was made with.
            return Err(SegmentError::NotASegment);
        }
        let lock = |part| {
            // SAFETY: the locks lie there, and nothing else (A1).
            unsafe { RwLock::in_segment(segment, Self::lock_offset(part)) }
        };
        let locks = (0..parts).map(lock).collect::<Result<_, _>>()?;
        let values = segment.bytes_at(values, size_of::<T>().saturating_mul(len))?.cast();
        Ok(Self { segment: segment.clone(), locks, values, len, owned: PhantomData })
    }

    /// Makes an array in a fresh segment that has the length for it.
    ///
    /// # Safety
    ///
    /// Nobody else has seen the segment.
    unsafe fn make(segment: &Segment, len: usize, parts: usize) -> Result<Self, SegmentError> {
        // SAFETY: the caller vouches for it.
        let words = unsafe { segment.place_slice_exclusive::<AtomicU64>(0, 2) }?;
        for (word, number) in words.iter().zip([len, parts]) {
            word.store(number as u64, Relaxed);
        }
        for part in 0..parts {
            // SAFETY: the layout has room for it there, and for nothing else; nobody else has it.
            unsafe { RwLock::new_in_segment(segment, Self::lock_offset(part), READERS, ()) }?;
        }
        Self::open(segment)
    }

    /// How long the body is, and where in it the values begin.
    fn layout(len: usize, parts: usize) -> Result<(usize, usize), ArrayError> {
        const { assert!(align_of::<T>() <= ALIGNMENT, "a body begins at a multiple of 128") };
        if parts == 0 || parts > MOST_PARTS {
            return Err(ArrayError::BadParts { parts, most: MOST_PARTS });
        }
        let mut layout = Layout::new();
        layout.bytes(Self::lock_offset(parts), ALIGNMENT);
        let values = layout.bytes(size_of::<T>().saturating_mul(len), ALIGNMENT);
        Ok((layout.size(), values))
    }

    const fn lock_offset(part: usize) -> usize {
        ALIGNMENT + part * RwLock::<()>::size(READERS).next_multiple_of(ALIGNMENT)
    }

    /// The parts that some values belong to.
    fn part_of(&self, start: usize, len: usize) -> Result<Range<usize>, ArrayError> {
        if start > self.len || len > self.len - start || (len == 1 && start == self.len) {
            return Err(self.out_of_bounds(start, len));
        }
        let end = start + len;
        let meets = |part: &usize| {
            let part = self.part(*part);
            part.start < end && part.end > start
        };
        let first = (0..self.parts()).find(meets);
        let last = (0..self.parts()).rfind(meets);
        Ok(match (first, last) {
            (Some(first), Some(last)) => first..last + 1,
            // No values, of no part.
            _ => self.parts()..self.parts(),
        })
    }

    fn out_of_bounds(&self, start: usize, len: usize) -> ArrayError {
        ArrayError::OutOfBounds { start, len, there: self.len }
    }

    fn only(&self, part: usize) -> Range<usize> {
        if part < self.parts() { part..part + 1 } else { self.parts()..self.parts() }
    }

    /// The values of some parts, which follow each other.
    fn values_of(&self, parts: &Range<usize>) -> Range<usize> {
        if parts.is_empty() {
            return self.len..self.len;
        }
        self.part(parts.start).start..self.part(parts.end - 1).end
    }

    /// The values of some parts.
    ///
    /// # Safety
    ///
    /// The caller holds the locks of these parts as long as the result lives.
    unsafe fn lend(&self, parts: &Range<usize>) -> &[T] {
        let values = self.values_of(parts);
        // SAFETY: the parts lie inside the array.
        let first = unsafe { self.values.add(values.start) };
        // SAFETY: they lie inside the mapping, aligned (A1); any bytes are values; nobody writes them
        // while the caller holds their locks (A2).
        unsafe { slice::from_raw_parts(first.as_ptr(), values.len()) }
    }

    /// The values of some parts, to be changed.
    ///
    /// # Safety
    ///
    /// The caller holds the locks of these parts for writing as long as the result lives, and this is
    /// the only reference to their values.
    #[expect(clippy::mut_from_ref, reason = "the lock says who may")]
    unsafe fn lend_mut(&self, parts: &Range<usize>) -> &mut [T] {
        let values = self.values_of(parts);
        // SAFETY: the parts lie inside the array.
        let first = unsafe { self.values.add(values.start) };
        // SAFETY: as for `lend`; and nobody else reads them either.
        unsafe { slice::from_raw_parts_mut(first.as_ptr(), values.len()) }
    }
}

impl<T> Clone for Array<T> {
    fn clone(&self) -> Self {
        Self {
            segment: self.segment.clone(),
            locks: self.locks.clone(),
            values: self.values,
            len: self.len,
            owned: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Array<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Array")
            .field("len", &self.len)
            .field("parts", &self.locks.len())
            .finish_non_exhaustive()
    }
}

// A panic while it is locked poisons it, so nobody finds half-changed values unawares.
impl<T> core::panic::UnwindSafe for Array<T> {}
impl<T> core::panic::RefUnwindSafe for Array<T> {}
