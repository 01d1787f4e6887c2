//! `SharedMemory`: a block of bytes that several processes use, with or without a name.
//!
//! The bytes lie in the room of a segment, which is as long as the block may ever become and has
//! memory only as far as it is in use. So growing moves nothing: it backs some more of the room and
//! then says so in the word of the size, which is the commit point; other handles see it there.
//!
//! | word | what it is |
//! |------|------------|
//! | size | how many bytes the block has; it only grows |
//! | generation | how often it has grown |
//! | mark | [`KEPT`] or [`GONE`], or neither |
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `grow` | `size` | that the memory behind the size is there |

mod error;
mod frozen;
mod owner;
mod windows;

use core::fmt;
use std::sync::Arc;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::{Deadline, Extent, Kind, Segment, SegmentError};

pub use error::MemoryError;
pub use frozen::FrozenMemory;

use crate::named;
use crate::place::Place;
use crate::plain::{Draft, words_of_bytes};
use crate::raw::planted::faces::GROWS_FIRST;
use owner::Owner;
use windows::Windows;

/// What a segment is called that holds a block of bytes.
pub(crate) const KIND: Kind = Kind::new(*b"shmemory", 1);

// Places of the words.
const SIZE: usize = 0;
const GENERATION: usize = 1;
const MARK: usize = 2;
const N_WORDS: usize = 3;

/// The mark of a block whose name stays when its owner ends.
const KEPT: u64 = 1;
/// The mark of a block whose name was taken away because its owner had died.
const GONE: u64 = 2;

/// So long a block can become, if the process may make such files: 64 GiB.
const MOST: u64 = 64 << 30;

/// A block of bytes in shared memory.
///
/// Any number of processes may have handles to it; cloning a handle does not clone the bytes. It is
/// there for what has no better shape: for numbers in rows use an [`Array`](crate::Array), which can
/// be locked; for bytes that nobody changes any more a [`FrozenMemory`], which can be borrowed.
///
/// Bytes are copied in and out. Eight bytes that begin at a multiple of eight are always whole; more
/// than that may come from several writers, if they write at the same time.
///
/// A block [without a name](Self::new) goes to other processes inside messages, and is freed with
/// its last user. A block [with a name](Self::create) can be [opened](Self::open) by programs that
/// know each other by nothing else. The handle that made it, with its clones in the same process,
/// owns the name: only there can it be [taken away](Self::unlink), and it is when the last of them
/// is dropped. Who opens it never takes it away, however it ends.
///
/// # Process death
///
/// A byte was written or was not; a death while it grows leaves the old size. If the owner of a name
/// is killed, the name is nobody's: the next who opens it finds [`SegmentError::NotFound`] and the
/// next who creates it gets it, as soon as no process that the owner has forked is left. Those who
/// have the block open keep it.
///
/// # Examples
///
/// ```
/// use shm_value::SharedMemory;
///
/// let memory = SharedMemory::new(1000)?;
/// memory.write(10, b"hello")?;
/// // … the handle goes to other processes …
/// let mut bytes = [0; 5];
/// memory.read(10, &mut bytes)?;
/// assert_eq!(&bytes, b"hello");
///
/// memory.grow(5000)?;
/// memory.set(4096, 0.5_f64)?;
/// assert_eq!((memory.size(), memory.get::<f64>(4096)?), (5000, 0.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "shared_memory")]
#[derive(Clone)]
pub struct SharedMemory {
    inner: Arc<Inner>,
}

struct Inner {
    place: Place,
    windows: Windows,
    name: Option<String>,
    owner: Option<Owner>,
}

impl SharedMemory {
    /// Makes a block of so many bytes, all zero, without a name.
    ///
    /// # Errors
    ///
    /// [`MemoryError::BadSize`] if it is none; [`SegmentError::NoSpace`] if the machine does not have
    /// so much, and [`SegmentError::Io`] if the process has too many descriptors or mappings.
    pub fn new(size: usize) -> Result<Self, MemoryError> {
        check_size(size)?;
        let segment = match Segment::create(KIND, 0, extent(MOST)) {
            // The process may not make such files.
            Err(SegmentError::NoSpace { .. }) => Segment::create(KIND, 0, extent(size as u64))?,
            made => made?,
        };
        Ok(Self::of(Self::begin(&segment, size)?, None, None))
    }

    /// Makes a block with a name, which this handle owns.
    ///
    /// A name whose owner was killed is given to who asks for it now.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::AlreadyExists`], and as [`new`](Self::new).
    pub fn create(name: &str, size: usize) -> Result<Self, MemoryError> {
        check_size(size)?;
        match Self::try_create(name, size) {
            Err(SegmentError::AlreadyExists) if is_stale(name)? => {
                Ok(Self::try_create(name, size)?)
            }
            made => Ok(made?),
        }
    }

    /// Opens the block of that name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`];
    /// [`SegmentError::NotASegment`] or [`SegmentError::WrongKind`] if the name is something else's.
    pub fn open(name: &str) -> Result<Self, MemoryError> {
        let segment = Segment::open_named(name, KIND, 0)?;
        let place = Self::placed(&segment)?;
        if owner::has_died(&segment, &place, name)? {
            return Err(SegmentError::NotFound.into());
        }
        Ok(Self::of(place, Some(name.to_owned()), None))
    }

    /// How many bytes it has now.
    #[must_use]
    #[doc(alias = "len")]
    pub fn size(&self) -> usize {
        // E1 acquire. More than the room there cannot be, whatever the word says.
        let size = self.inner.word(SIZE).load(Acquire).min(self.segment().room_len());
        usize::try_from(size).unwrap_or(usize::MAX)
    }

    /// How often it has grown.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.inner.word(GENERATION).load(Relaxed)
    }

    /// How many bytes it can grow to.
    #[must_use]
    pub fn max_size(&self) -> usize {
        usize::try_from(self.segment().room_len()).unwrap_or(usize::MAX)
    }

    /// Its name, if it was made or opened by one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.inner.name.as_deref()
    }

    /// Copies the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`MemoryError::OutOfBounds`] if there are not so many; [`SegmentError::NoSpace`] if the process
    /// has no addresses left to map what it has not used before.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<(), MemoryError> {
        let size = self.check(offset, bytes.len())?;
        self.inner.windows.bytes(self.segment(), size)?.read(offset, bytes);
        Ok(())
    }

    /// Writes the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read): then nothing was written.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), MemoryError> {
        let size = self.check(offset, bytes.len())?;
        self.inner.windows.bytes(self.segment(), size)?.write(offset, bytes);
        Ok(())
    }

    /// The value whose bytes begin at `offset`.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Corrupt`] if those bytes are no `T`, and as [`read`](Self::read).
    pub fn get<T: CheckedBitPattern>(&self, offset: usize) -> Result<T, MemoryError> {
        let mut bytes = vec![0; size_of::<T>()];
        self.read(offset, &mut bytes)?;
        Draft::of(words_of_bytes(&bytes)).check().ok_or(MemoryError::Corrupt)
    }

    /// Writes the bytes of a value from `offset` on.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn set<T: NoUninit>(&self, offset: usize, value: T) -> Result<(), MemoryError> {
        self.write(offset, bytemuck::bytes_of(&value))
    }

    /// All the bytes, as a copy.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn to_vec(&self) -> Result<Vec<u8>, MemoryError> {
        let mut bytes = vec![0; self.size()];
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Makes it longer, for all who have a handle; what is new is zeros. Nothing is moved.
    ///
    /// If it is as long already, nothing happens.
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`] if the machine does not have so much, or it is more than
    /// [`max_size`](Self::max_size); [`MemoryError::Access`] if the calling thread holds too many locks.
    #[doc(alias = "resize")]
    pub fn grow(&self, size: usize) -> Result<(), MemoryError> {
        let inner = &*self.inner;
        let _turn = inner.place.turn(Deadline::NEVER)?;
        let new = size as u64;
        if new <= self.size() as u64 {
            return Ok(());
        }
        if new > self.segment().room_len() {
            return Err(SegmentError::NoSpace { bytes: new }.into());
        }
        if GROWS_FIRST {
            // E1 release, too early.
            inner.word(SIZE).store(new, Release);
        }
        self.segment().back_room(0..new)?;
        inner.word(GENERATION).store(self.generation().wrapping_add(1), Relaxed);
        // E1 release.
        inner.word(SIZE).store(new, Release);
        Ok(())
    }

    /// A copy that nobody can ever write, whose bytes can be borrowed.
    ///
    /// It has to be a copy: the kernel refuses to seal memory that anybody has mapped to write to it, and
    /// every handle to a block does. What is frozen from the beginning needs none: see
    /// [`FrozenMemory::build`].
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read) and [`FrozenMemory::build`].
    #[doc(alias = "seal")]
    pub fn freeze(&self) -> Result<FrozenMemory, MemoryError> {
        let size = self.size();
        let bytes = self.inner.windows.bytes(self.segment(), size)?;
        FrozenMemory::build(size, |target| bytes.read(0, target))
    }

    /// Gives the handle back; the memory stays as long as others have it.
    pub fn close(self) {
        drop(self);
    }

    /// Takes the name away, so that nobody can open the block by it any more.
    ///
    /// # Errors
    ///
    /// [`MemoryError::NotOwner`] if this is not the handle that made it, a clone of it in the same
    /// process, or it has no name; [`SegmentError::NotFound`] if it was taken away already.
    pub fn unlink(&self) -> Result<(), MemoryError> {
        let owner = self.inner.owner.as_ref().ok_or(MemoryError::NotOwner)?;
        owner.unlink()
    }

    /// Lets the name stay when its owner ends, until somebody calls [`Segment::unlink`] with it.
    ///
    /// # Errors
    ///
    /// [`MemoryError::NotOwner`], as [`unlink`](Self::unlink).
    pub fn keep(&self) -> Result<(), MemoryError> {
        let owner = self.inner.owner.as_ref().ok_or(MemoryError::NotOwner)?;
        owner.give_up()?;
        self.inner.word(MARK).store(KEPT, Relaxed);
        Ok(())
    }

    /// The segment that it lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.inner.place.segment()
    }

    /// The block in a segment that somebody made.
    pub(crate) fn in_segment(
        segment: &Segment,
        name: Option<String>,
    ) -> Result<Self, SegmentError> {
        Ok(Self::of(Self::placed(segment)?, name, None))
    }

    fn of(place: Place, name: Option<String>, owner: Option<Owner>) -> Self {
        Self { inner: Arc::new(Inner { place, windows: Windows::default(), name, owner }) }
    }

    fn placed(segment: &Segment) -> Result<Place, SegmentError> {
        Place::new(segment, 0, N_WORDS)
    }

    /// Gives a fresh block its size.
    fn begin(segment: &Segment, size: usize) -> Result<Place, SegmentError> {
        let place = Self::placed(segment)?;
        segment.back_room(0..size as u64)?;
        if let Some(word) = place.words().get(SIZE) {
            word.store(size as u64, Relaxed);
        }
        Ok(place)
    }

    fn try_create(name: &str, size: usize) -> Result<Self, SegmentError> {
        let create = |most| {
            named::create(name, KIND, 0, extent(most), |segment| {
                // Nobody sees the name without its owner.
                let presence = owner::enter(segment)?;
                Ok((Self::begin(segment, size)?, presence))
            })
        };
        let (place, presence) = match create(MOST) {
            Err(SegmentError::NoSpace { .. }) => create(size as u64)?,
            made => made?,
        };
        let owner = Owner::new(name, presence)?;
        Ok(Self::of(place, Some(name.to_owned()), Some(owner)))
    }

    /// That so many bytes are there from `offset` on; returns how many there are in all.
    fn check(&self, offset: usize, len: usize) -> Result<usize, MemoryError> {
        let size = self.size();
        if offset > size || len > size - offset {
            return Err(MemoryError::OutOfBounds { offset, len, size });
        }
        Ok(size)
    }
}

impl Inner {
    fn word(&self, idx: usize) -> &AtomicU64 {
        match self.place.words().get(idx) {
            Some(word) => word,
            None => unreachable!("it was placed with all its words"),
        }
    }
}

fn extent(room: u64) -> Extent {
    Extent { body: Place::size(N_WORDS), room }
}

fn check_size(size: usize) -> Result<(), MemoryError> {
    if size == 0 { Err(MemoryError::BadSize) } else { Ok(()) }
}

/// Whether a name belongs to an owner that has died; then it is taken away.
fn is_stale(name: &str) -> Result<bool, SegmentError> {
    let segment = match Segment::open_named(name, KIND, 0) {
        Ok(segment) => segment,
        Err(SegmentError::NotFound) => return Ok(true),
        // It is something else's.
        Err(_) => return Ok(false),
    };
    owner::has_died(&segment, &SharedMemory::placed(&segment)?, name)
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SharedMemory")
            .field("size", &self.size())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
