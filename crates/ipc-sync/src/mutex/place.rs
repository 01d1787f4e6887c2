//! Where a mutex lies: making one, finding one, and of which type it is.
//!
//! # Safety
//!
//! Who places a mutex in a segment promises that nothing else uses its bytes. A mutex of its own lies
//! in an exclusive segment, in which safe code can place nothing else, and only mutexes in such
//! segments travel. The line of each says of which type it is: whoever receives one checks that.

#![expect(unsafe_code, reason = "whose bytes are whose is for callers to say")]

use core::marker::PhantomData;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::RobustWord;
use ipc_core::{Kind, Layout, Segment, SegmentError};

use super::Mutex;
use crate::named;
use crate::place::Place;
use crate::value;

/// What a segment is called that holds nothing but one mutex.
pub(crate) const KIND: Kind = Kind::exclusive(*b"mutex\0\0\0", 2);

impl<T: NoUninit + CheckedBitPattern> Mutex<T> {
    /// From the line of the lock to the value.
    pub(super) const VALUE_OFFSET: usize =
        size_of::<RobustWord>().next_multiple_of(align_of::<T>());

    /// How many bytes a mutex takes in a segment.
    pub const SIZE: usize = Self::VALUE_OFFSET + size_of::<T>();

    /// What the offset of a mutex in a segment must be a multiple of.
    pub const ALIGNMENT: usize = {
        assert!(align_of::<T>() <= 128, "the body of a segment begins at a multiple of 128");
        if align_of::<T>() > align_of::<RobustWord>() {
            align_of::<T>()
        } else {
            align_of::<RobustWord>()
        }
    };

    /// Makes a mutex in memory of its own, which is freed with the last process that has a handle.
    ///
    /// It takes a page of memory and a descriptor. Where there are many, put them into one segment:
    /// [`new_in_segment`](Self::new_in_segment).
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`], or [`SegmentError::Io`] if the process has too many descriptors
    /// or runs where the kernel does not tell of deaths.
    #[doc(alias = "Value")]
    pub fn new(value: T) -> Result<Self, SegmentError> {
        let mut layout = Layout::new();
        let offset = Self::reserve(&mut layout);
        let segment = Segment::create(KIND, Self::type_hash(), layout.size())?;
        // SAFETY: nobody else has seen the segment, and it has nothing else in it.
        unsafe { Self::new_in_segment(&segment, offset, value) }
    }

    /// Makes a mutex with a name, for programs that know each other by nothing else.
    ///
    /// It stays until somebody calls [`Segment::unlink`] with its name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::AlreadyExists`],
    /// [`SegmentError::PermissionDenied`], and as [`new`](Self::new).
    pub fn create_named(name: &str, value: T) -> Result<Self, SegmentError> {
        named::create(name, KIND, Self::type_hash(), Self::SIZE, |segment| {
            // SAFETY: nobody else has seen the segment, and it has nothing else in it.
            unsafe { Self::new_in_segment(segment, 0, value) }
        })
    }

    /// Opens the mutex of that name, whose value must be of the same type.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`];
    /// [`SegmentError::NotASegment`], [`SegmentError::WrongKind`] or [`SegmentError::WrongType`] if
    /// the name is something else's; and as [`new`](Self::new).
    pub fn open_named(name: &str) -> Result<Self, SegmentError> {
        let segment = Segment::open_named(name, KIND, Self::type_hash())?;
        // SAFETY: what has this kind and hash holds a mutex of this type at its start, and nothing
        // else.
        unsafe { Self::in_segment(&segment, 0) }
    }

    /// Makes room for a mutex in the layout of a segment, and returns its offset.
    pub const fn reserve(layout: &mut Layout) -> usize {
        layout.bytes(Self::SIZE, Self::ALIGNMENT)
    }

    /// Makes a mutex at `offset` in the body of a segment, where it takes [`SIZE`](Self::SIZE)
    /// bytes.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] and [`SegmentError::Misaligned`], and [`SegmentError::Io`] if
    /// the process runs where the kernel does not tell of deaths.
    ///
    /// # Safety
    ///
    /// The bytes of the mutex must be zero, and used for nothing but this mutex as long as the
    /// segment lives. Nobody else may have a handle to the mutex yet.
    pub unsafe fn new_in_segment(
        segment: &Segment,
        offset: usize,
        value: T,
    ) -> Result<Self, SegmentError> {
        // SAFETY: the caller vouches for the bytes.
        let mutex = unsafe { Self::in_segment(segment, offset) }?;
        mutex.write(&value);
        Ok(mutex)
    }

    /// The mutex that somebody made at `offset` in the body of a segment.
    ///
    /// Bytes of zero are a free mutex with a value of zeros. It can be sent to other processes if the
    /// segment is of an [exclusive](Kind::exclusive) kind.
    ///
    /// # Errors
    ///
    /// As [`new_in_segment`](Self::new_in_segment).
    ///
    /// # Safety
    ///
    /// The bytes of the mutex must be used for nothing but a mutex of this type, as long as the
    /// segment lives.
    pub unsafe fn in_segment(segment: &Segment, offset: usize) -> Result<Self, SegmentError> {
        let alignment = Self::ALIGNMENT;
        if !offset.is_multiple_of(alignment) {
            return Err(SegmentError::Misaligned { offset, alignment });
        }
        segment.bytes_at(offset, Self::SIZE)?;
        // SAFETY: the caller vouches for the bytes.
        let place = unsafe { Place::new_exclusive(segment, offset) }?;
        place.line().wide_notes[1].store(Self::type_hash(), Relaxed);
        Ok(Self { place, value: PhantomData })
    }

    /// The mutex that somebody says is at `offset` in the body of a segment.
    ///
    /// What a message says is checked against what lies there.
    pub(crate) fn received(segment: &Segment, offset: usize) -> Result<Self, SegmentError> {
        value::check_received(segment, offset, KIND, Self::type_hash())?;
        // SAFETY: a mutex of this type was placed there: safe code writes no such mark into an
        // exclusive segment.
        unsafe { Self::in_segment(segment, offset) }
    }

    /// Whether the mutex may go to another process: one that lies where safe code could place
    /// something else over it may not.
    pub(crate) fn can_travel(&self) -> bool {
        self.segment().kind().is_exclusive()
    }

    /// A number that differs, very likely, between types that are laid out or checked differently.
    pub(crate) fn type_hash() -> u64 {
        value::type_hash::<T>()
    }
}
