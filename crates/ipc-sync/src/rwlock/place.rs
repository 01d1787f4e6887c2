//! Where a lock lies: making one, finding one, of which type it is, and the bytes of its value.
//!
//! # Layout
//!
//! ```text
//! offset       what
//!  0           the line of writers ([`crate::raw::RawRwLock`] has its fields)
//! 64           a line for each reader there can be at the same time
//! …            the value, at its alignment
//! ```
//!
//! # Invariants
//!
//! - R2: The value lies in the same segment, at [`RwLock::value_offset`] from the lines, aligned for
//!   `T`: checked when the handle was made. This is V1 of [`crate::value`].
//!
//! # Safety
//!
//! Who places a lock in a segment promises that nothing else uses its bytes. A lock of its own lies in
//! an exclusive segment, in which safe code can place nothing else, and only locks in such segments
//! travel. The line of writers says of which type the lock is: whoever receives one checks that.

#![expect(unsafe_code, reason = "lines and a value whose bytes are whose is for callers to say")]

use core::marker::PhantomData;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::RobustWord;
use ipc_core::{Kind, Layout, Placed, Segment, SegmentError};

use super::RwLock;
use crate::named;
use crate::place::is_supported;
use crate::raw::MOST_READERS;
use crate::value;

/// What a segment is called that holds nothing but one lock for readers and writers.
pub(crate) const KIND: Kind = Kind::exclusive(*b"rwlock\0\0", 1);

/// How many can read at the same time: from 1 to 127.
///
/// Each takes 64 bytes of the lock, and writing looks at each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readers(usize);

impl Readers {
    /// As many as there are if nothing else is said: 16.
    pub const DEFAULT: Self = Self(16);

    /// As many as there can be: 127.
    pub const MAX: Self = Self(MOST_READERS);

    /// So many; `None` if it is zero or more than [`MAX`](Self::MAX).
    #[must_use]
    pub const fn new(number: usize) -> Option<Self> {
        if number == 0 || number > MOST_READERS { None } else { Some(Self(number)) }
    }

    /// What the words of a lock say; they may be anything.
    pub(crate) fn said(number: u64) -> Option<Self> {
        match usize::try_from(number) {
            Ok(0) => Some(Self::DEFAULT),
            Ok(number) => Self::new(number),
            Err(_) => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

impl Default for Readers {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl<T: NoUninit + CheckedBitPattern> RwLock<T> {
    /// What the offset of a lock in a segment must be a multiple of.
    pub const ALIGNMENT: usize = {
        assert!(align_of::<T>() <= 128, "the body of a segment begins at a multiple of 128");
        if align_of::<T>() > align_of::<RobustWord>() {
            align_of::<T>()
        } else {
            align_of::<RobustWord>()
        }
    };

    /// From the beginning of the lock to its value.
    const fn value_offset(slots: usize) -> usize {
        (size_of::<RobustWord>() * (1 + slots)).next_multiple_of(align_of::<T>())
    }

    /// How many bytes a lock for so many readers takes in a segment.
    #[must_use]
    pub const fn size(readers: Readers) -> usize {
        Self::value_offset(readers.0) + size_of::<T>()
    }

    /// Makes a lock in memory of its own, which is freed with the last process that has a handle.
    ///
    /// It takes a page of memory and a descriptor. Where there are many, put them into one segment:
    /// [`new_in_segment`](Self::new_in_segment).
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`], or [`SegmentError::Io`] if the process has too many descriptors
    /// or runs where the kernel does not tell of deaths.
    #[doc(alias = "pthread_rwlock_init")]
    pub fn new(value: T) -> Result<Self, SegmentError> {
        Self::with_readers(value, Readers::DEFAULT)
    }

    /// Makes a lock in memory of its own that so many can read under at the same time.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_readers(value: T, readers: Readers) -> Result<Self, SegmentError> {
        let segment = Segment::create(KIND, Self::type_hash(), Self::size(readers))?;
        // SAFETY: nobody else has seen the segment, and it has nothing else in it.
        unsafe { Self::new_in_segment(&segment, 0, readers, value) }
    }

    /// Makes a lock with a name, for programs that know each other by nothing else.
    ///
    /// It stays until somebody calls [`Segment::unlink`] with its name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::AlreadyExists`],
    /// [`SegmentError::PermissionDenied`], and as [`new`](Self::new).
    pub fn create_named(name: &str, value: T, readers: Readers) -> Result<Self, SegmentError> {
        named::create(name, KIND, Self::type_hash(), Self::size(readers), |segment| {
            // SAFETY: nobody else has seen the segment, and it has nothing else in it.
            unsafe { Self::new_in_segment(segment, 0, readers, value) }
        })
    }

    /// Opens the lock of that name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`];
    /// [`SegmentError::NotASegment`], [`SegmentError::WrongKind`] or [`SegmentError::WrongType`] if
    /// the name is something else's; and as [`new`](Self::new).
    pub fn open_named(name: &str) -> Result<Self, SegmentError> {
        Self::received(&Segment::open_named(name, KIND, Self::type_hash())?, 0)
    }

    /// Makes room for a lock for so many readers in the layout of a segment, and returns its offset.
    pub const fn reserve(layout: &mut Layout, readers: Readers) -> usize {
        layout.bytes(Self::size(readers), Self::ALIGNMENT)
    }

    /// Makes a lock at `offset` in the body of a segment, where it takes [`size`](Self::size) bytes.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] and [`SegmentError::Misaligned`], and [`SegmentError::Io`] if
    /// the process runs where the kernel does not tell of deaths.
    ///
    /// # Safety
    ///
    /// The bytes of the lock must be zero, and used for nothing but this lock as long as the segment
    /// lives. Nobody else may have a handle to the lock yet.
    pub unsafe fn new_in_segment(
        segment: &Segment,
        offset: usize,
        readers: Readers,
        value: T,
    ) -> Result<Self, SegmentError> {
        // SAFETY: the caller vouches for the bytes.
        let lock = unsafe { Self::place(segment, offset, readers) }?;
        if let Some(first) = lock.slots.first() {
            first.wide_notes[0].store(readers.0 as u64, Relaxed);
        }
        // SAFETY: the pointer is good (R2), and nobody else has a handle.
        unsafe { value::write(lock.value(), &value) };
        Ok(lock)
    }

    /// The lock that somebody made at `offset` in the body of a segment.
    ///
    /// Bytes of zero are a free lock for 16 readers with a value of zeros. It can be sent to other
    /// processes if the segment is of an [exclusive](Kind::exclusive) kind.
    ///
    /// # Errors
    ///
    /// As [`new_in_segment`](Self::new_in_segment).
    ///
    /// # Safety
    ///
    /// The bytes of the lock must be used for nothing but a lock of this type, as long as the
    /// segment lives.
    pub unsafe fn in_segment(segment: &Segment, offset: usize) -> Result<Self, SegmentError> {
        // SAFETY: the caller vouches for the bytes: a lock has one slot at least.
        let least = unsafe { Self::place(segment, offset, Readers(1)) }?;
        let said = least.slots.first().map_or(0, |first| first.wide_notes[0].load(Relaxed));
        match Readers::said(said) {
            // SAFETY: the caller vouches for the bytes.
            Some(readers) => unsafe { Self::place(segment, offset, readers) },
            // Somebody scribbled over it: no lock for so many fits anywhere.
            None => Err(SegmentError::OutOfBounds { offset, size: usize::MAX, len: segment.len() }),
        }
    }

    /// The lock that somebody says is at `offset` in the body of a segment.
    ///
    /// What a message says is checked against what lies there.
    pub(crate) fn received(segment: &Segment, offset: usize) -> Result<Self, SegmentError> {
        value::check_received(segment, offset, KIND, Self::type_hash())?;
        // SAFETY: a lock of this type was placed there: safe code writes no such mark into an
        // exclusive segment.
        unsafe { Self::in_segment(segment, offset) }
    }

    /// Whether the lock may go to another process: one that lies where safe code could place
    /// something else over it may not.
    pub(crate) fn can_travel(&self) -> bool {
        self.segment().kind().is_exclusive()
    }

    /// A number that differs, very likely, between types that are laid out or checked differently.
    pub(crate) fn type_hash() -> u64 {
        // Nobody shall take it for a mutex of the same type, nor the other way round.
        value::type_hash::<T>() ^ u64::from_le_bytes(KIND.name)
    }

    /// # Safety
    ///
    /// The bytes of the lock are used for nothing but a lock of this type.
    unsafe fn place(
        segment: &Segment,
        offset: usize,
        readers: Readers,
    ) -> Result<Self, SegmentError> {
        is_supported()?;
        let alignment = Self::ALIGNMENT;
        if !offset.is_multiple_of(alignment) {
            return Err(SegmentError::Misaligned { offset, alignment });
        }
        segment.bytes_at(offset, Self::size(readers))?;
        // SAFETY: the caller vouches for the bytes.
        let writer: Placed<RobustWord> = unsafe { segment.place_exclusive(offset) }?;
        let behind = offset + size_of::<RobustWord>();
        // SAFETY: the caller vouches for the bytes.
        let slots = unsafe { segment.place_slice_exclusive(behind, readers.0) }?;
        writer.wide_notes[1].store(Self::type_hash(), Relaxed);
        Ok(Self { writer, slots, value: PhantomData })
    }

    /// Where the value lies.
    #[inline]
    pub(super) fn value(&self) -> *mut T {
        let body = self.segment().as_ptr().as_ptr();
        body.wrapping_add(self.offset() + Self::value_offset(self.slots.len())).cast()
    }

    /// A copy of the value, if the bytes are a `T`; the caller is inside.
    pub(super) fn copy(&self) -> Option<T> {
        // SAFETY: the pointer is good (R2), and the caller is inside.
        unsafe { value::read(self.value()) }
    }

    /// Writes the value; the caller is inside to write.
    pub(super) fn overwrite(&self, value: &T) {
        // SAFETY: the pointer is good (R2), and the caller is inside to write.
        unsafe { value::write(self.value(), value) };
    }

    /// Whether the bytes are a `T`; the caller is inside.
    #[inline]
    pub(super) fn is_valid(&self) -> bool {
        // SAFETY: the pointer is good (R2), and the caller is inside.
        unsafe { value::is_valid(self.value()) }
    }
}
