//! `ShmVec`: a vector of bounded length in shared memory.
//!
//! | word | what it is |
//! |------|------------|
//! | capacity | how many items there is room for |
//! | length | how many there are: changes by the store that is the commit point of `push` and `pop` |
//! | … | the cell of each item |
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `push`, `truncate` | `len` | the items below the length |

use core::fmt;
use core::marker::PhantomData;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::{Deadline, Kind, Segment, SegmentError, type_hash};

use crate::error::{AccessError, ChangeError};
use crate::named;
use crate::place::Place;
use crate::plain::{Draft, WORD, n_words, words_of};
use crate::raw::Cell;
use crate::raw::planted::faces::LENGTHENS_FIRST;

/// What a segment is called that holds a vector.
pub(crate) const KIND: Kind = Kind::new(*b"vec\0\0\0\0\0", 1);

// Places of the words.
pub(crate) const CAPACITY: usize = 0;
pub(crate) const LEN: usize = 1;
pub(crate) const ITEMS: usize = 2;

/// A vector in shared memory, with room for so many items and no more.
///
/// Any number of processes may have handles to it; cloning a handle does not clone the items, which
/// are plain data ([`bytemuck`]). Reading takes no lock and waits for nobody; whoever changes it takes
/// a turn. For many numbers that are looked at as a slice, use an [`Array`](crate::Array).
///
/// # Process death
///
/// An item was pushed, popped or changed as a whole, or not at all, whenever a process dies; nobody is
/// told, and the next has its turn at once. The commit point is the store of the length, or, for a
/// change of one item, of the count that says which copy is the item.
///
/// # Examples
///
/// ```
/// use shm_value::{ChangeError, ShmVec};
///
/// let track = ShmVec::with_capacity(2)?;
/// // … the handle goes to other processes …
/// track.push([1.0, 2.0])?;
/// track.push([3.0, 4.0])?;
/// assert_eq!(track.push([5.0, 6.0]), Err(ChangeError::Full));
/// track.update(0, |[x, y]| [y, x])?;
/// assert_eq!(track.to_vec()?, [[2.0, 1.0], [3.0, 4.0]]);
/// assert_eq!(track.pop()?, Some([3.0, 4.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ShmVec<T> {
    place: Place,
    /// As it was when the handle was made, and fits into the segment.
    capacity: usize,
    items: PhantomData<T>,
}

impl<T: NoUninit + CheckedBitPattern> ShmVec<T> {
    const STRIDE: usize = Cell::size(n_words::<T>());

    /// Makes an empty vector with room for so many items, in memory of its own, which is freed with
    /// the last process that has a handle.
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`], or [`SegmentError::Io`] if the process has too many descriptors or
    /// runs where the kernel does not tell of deaths.
    pub fn with_capacity(capacity: usize) -> Result<Self, SegmentError> {
        let segment = Segment::create(KIND, type_hash::<T>(), Self::size(capacity))?;
        Self::make(&segment, capacity)
    }

    /// Makes an empty vector with a name, for programs that know each other by nothing else.
    ///
    /// It stays until somebody calls [`Segment::unlink`] with its name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::AlreadyExists`], and as
    /// [`with_capacity`](Self::with_capacity).
    pub fn create_named(name: &str, capacity: usize) -> Result<Self, SegmentError> {
        named::create(name, KIND, type_hash::<T>(), Self::size(capacity), |segment| {
            Self::make(segment, capacity)
        })
    }

    /// Opens the vector of that name, whose items must be of the same type.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`];
    /// [`SegmentError::NotASegment`], [`SegmentError::WrongKind`] or [`SegmentError::WrongType`] if
    /// the name is something else's.
    pub fn open_named(name: &str) -> Result<Self, SegmentError> {
        Self::open(&Segment::open_named(name, KIND, type_hash::<T>())?)
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        // E1 acquire. There is no room for more, whatever the word says.
        let len = self.word(LEN).load(Acquire);
        usize::try_from(len).unwrap_or(usize::MAX).min(self.capacity)
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The item at `idx`, if there is one.
    ///
    /// # Errors
    ///
    /// [`AccessError::Corrupt`] if the bytes there are no `T`.
    pub fn get(&self, idx: usize) -> Result<Option<T>, AccessError> {
        if idx >= self.len() {
            return Ok(None);
        }
        let cell = self.cell(idx)?;
        let draft = match cell.read(|words| Draft::of(words.iter())) {
            Some(draft) => draft,
            None => {
                let _turn = self.place.turn(Deadline::NEVER)?;
                Draft::of(cell.current().iter())
            }
        };
        draft.check().map(Some).ok_or(AccessError::Corrupt)
    }

    /// Adds an item at the end.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Full`]; [`AccessError::TooManyHeld`].
    #[doc(alias = "append")]
    pub fn push(&self, item: T) -> Result<(), ChangeError> {
        let _turn = self.place.turn(Deadline::NEVER)?;
        let len = self.len();
        if len == self.capacity {
            return Err(ChangeError::Full);
        }
        if LENGTHENS_FIRST {
            // E1 release, too early.
            self.word(LEN).store(len as u64 + 1, Release);
        }
        self.cell(len)?.write(words_of(&item));
        // E1 release.
        self.word(LEN).store(len as u64 + 1, Release);
        Ok(())
    }

    /// Takes the last item, if there is one.
    ///
    /// # Errors
    ///
    /// [`AccessError::Corrupt`] if its bytes are no `T`; then it stays. [`AccessError::TooManyHeld`].
    pub fn pop(&self) -> Result<Option<T>, AccessError> {
        let _turn = self.place.turn(Deadline::NEVER)?;
        let Some(last) = self.len().checked_sub(1) else { return Ok(None) };
        let item = self.current(last)?;
        self.truncate_to(last);
        Ok(Some(item))
    }

    /// Replaces the item at `idx`.
    ///
    /// # Errors
    ///
    /// [`ChangeError::OutOfBounds`]; [`AccessError::TooManyHeld`].
    pub fn set(&self, idx: usize, item: T) -> Result<(), ChangeError> {
        let _turn = self.place.turn(Deadline::NEVER)?;
        self.check(idx)?;
        self.cell(idx)?.write(words_of(&item));
        Ok(())
    }

    /// Changes the item at `idx` to what `change` makes of it, and returns that.
    ///
    /// No change of another comes in between. If `change` panics, nothing has changed.
    ///
    /// # Errors
    ///
    /// [`ChangeError::OutOfBounds`]; [`AccessError::Corrupt`] if the bytes there are no `T`;
    /// [`AccessError::WouldDeadlock`] if `change` itself changes the vector.
    pub fn update(&self, idx: usize, change: impl FnOnce(T) -> T) -> Result<T, ChangeError> {
        let _turn = self.place.turn(Deadline::NEVER)?;
        self.check(idx)?;
        let new = change(self.current(idx)?);
        self.cell(idx)?.write(words_of(&new));
        Ok(new)
    }

    /// Takes away all items from `len` on.
    ///
    /// # Errors
    ///
    /// [`AccessError::TooManyHeld`].
    pub fn truncate(&self, len: usize) -> Result<(), AccessError> {
        let _turn = self.place.turn(Deadline::NEVER)?;
        self.truncate_to(len.min(self.len()));
        Ok(())
    }

    /// Takes away all items.
    ///
    /// # Errors
    ///
    /// As [`truncate`](Self::truncate).
    pub fn clear(&self) -> Result<(), AccessError> {
        self.truncate(0)
    }

    /// All items, one after the other, each as it is when its turn comes.
    pub fn iter(&self) -> impl Iterator<Item = Result<T, AccessError>> {
        (0..self.capacity).map_while(|idx| self.get(idx).transpose())
    }

    /// All items, as they were at one moment.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get) and [`pop`](Self::pop).
    pub fn to_vec(&self) -> Result<Vec<T>, AccessError> {
        let _turn = self.place.turn(Deadline::NEVER)?;
        (0..self.len()).map(|idx| self.current(idx)).collect()
    }

    /// The segment that it lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.place.segment()
    }

    /// The vector in a segment of the right kind and type.
    pub(crate) fn open(segment: &Segment) -> Result<Self, SegmentError> {
        segment.check(KIND, type_hash::<T>())?;
        let bytes = segment.len().checked_sub(Place::size(0)).ok_or(SegmentError::NotASegment)?;
        let place = Place::new(segment, 0, bytes / WORD)?;
        let capacity = place.words().get(CAPACITY).map_or(0, |word| word.load(Relaxed));
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        if Self::size(capacity) != segment.len() {
            return Err(SegmentError::NotASegment);
        }
        Ok(Self { place, capacity, items: PhantomData })
    }

    fn make(segment: &Segment, capacity: usize) -> Result<Self, SegmentError> {
        segment.at::<AtomicU64>(Place::size(CAPACITY))?.store(capacity as u64, Relaxed);
        Self::open(segment)
    }

    const fn size(capacity: usize) -> usize {
        Place::size(Self::STRIDE.saturating_mul(capacity).saturating_add(ITEMS))
    }

    /// The item, read by who has the turn.
    fn current(&self, idx: usize) -> Result<T, AccessError> {
        Draft::of(self.cell(idx)?.current().iter()).check().ok_or(AccessError::Corrupt)
    }

    fn truncate_to(&self, len: usize) {
        // E1 release.
        self.word(LEN).store(len as u64, Release);
    }

    fn check(&self, idx: usize) -> Result<(), ChangeError> {
        let len = self.len();
        if idx < len { Ok(()) } else { Err(ChangeError::OutOfBounds { idx, len }) }
    }

    fn cell(&self, idx: usize) -> Result<Cell<'_>, AccessError> {
        let start = ITEMS + idx * Self::STRIDE;
        let words = self.place.words().get(start..).and_then(|rest| rest.get(..Self::STRIDE));
        words.and_then(Cell::new).ok_or(AccessError::Corrupt)
    }

    fn word(&self, idx: usize) -> &AtomicU64 {
        match self.place.words().get(idx) {
            Some(word) => word,
            None => unreachable!("it was placed with all its words"),
        }
    }
}

impl<T> Clone for ShmVec<T> {
    fn clone(&self) -> Self {
        Self { place: self.place.clone(), capacity: self.capacity, items: PhantomData }
    }
}

impl<T: NoUninit + CheckedBitPattern + fmt::Debug> fmt::Debug for ShmVec<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}
