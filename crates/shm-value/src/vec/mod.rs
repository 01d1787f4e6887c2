//! `ShmVec`: a vector of bounded length in shared memory.
//!
//! | word | what it is |
//! |------|------------|
//! | capacity | how many items there is room for |
//! | length | how many there are: changes by the store that is the commit point of `push` and `pop` |
//! | … | the cell of each item |
//!
//! | file | job |
//! |------|-----|
//! | `row` | where the items lie, and what is done with words there |
//! | `bytes` | vectors of whose type only others know |

mod bytes;
mod row;

use core::fmt;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::{Deadline, Kind, Segment, SegmentError, type_hash};

use crate::error::{AccessError, ChangeError};
use crate::named;
use crate::plain::{Draft, words_of};
use crate::raw::Words;
use crate::width::Of;
pub use bytes::ByteVec;
use row::Row;

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
    row: Row<Of<T>>,
}

impl<T: NoUninit + CheckedBitPattern> ShmVec<T> {
    /// Makes an empty vector with room for so many items, in memory of its own, which is freed with
    /// the last process that has a handle.
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`], or [`SegmentError::Io`] if the process has too many descriptors or
    /// runs where the kernel does not tell of deaths.
    pub fn with_capacity(capacity: usize) -> Result<Self, SegmentError> {
        let size = row::size(capacity, Of::<T>::NEW);
        let segment = Segment::create(KIND, Self::type_hash(), size)?;
        Ok(Self { row: Row::make(&segment, capacity, Of::NEW)? })
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
        let size = row::size(capacity, Of::<T>::NEW);
        named::create(name, KIND, Self::type_hash(), size, |segment| {
            Ok(Self { row: Row::make(segment, capacity, Of::NEW)? })
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
        Self::open(&Segment::open_named(name, KIND, Self::type_hash())?)
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.row.len()
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.row.capacity()
    }

    /// The item at `idx`, if there is one.
    ///
    /// # Errors
    ///
    /// [`AccessError::Corrupt`] if the bytes there are no `T`.
    pub fn get(&self, idx: usize) -> Result<Option<T>, AccessError> {
        let Some(draft) = self.row.read(idx, Deadline::NEVER, draft_of::<T>)? else {
            return Ok(None);
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
        self.row.turn(Deadline::NEVER)?.push([words_of(&item)])
    }

    /// Adds items at the end, all of them in one step.
    ///
    /// # Errors
    ///
    /// [`ChangeError::Full`] if there is not room for all of them, and [`AccessError::TooManyHeld`]; then there
    /// is none of them.
    pub fn extend_from_slice(&self, items: &[T]) -> Result<(), ChangeError> {
        self.row.turn(Deadline::NEVER)?.push(items.iter().map(words_of))
    }

    /// Takes the last item, if there is one.
    ///
    /// # Errors
    ///
    /// [`AccessError::Corrupt`] if its bytes are no `T`; then it stays. [`AccessError::TooManyHeld`].
    pub fn pop(&self) -> Result<Option<T>, AccessError> {
        let turn = self.row.turn(Deadline::NEVER)?;
        let Some(last) = turn.len().checked_sub(1) else { return Ok(None) };
        let item = draft_of(turn.current(last)?).check().ok_or(AccessError::Corrupt)?;
        turn.truncate(last);
        Ok(Some(item))
    }

    /// Replaces the item at `idx`.
    ///
    /// # Errors
    ///
    /// [`ChangeError::OutOfBounds`]; [`AccessError::TooManyHeld`].
    pub fn set(&self, idx: usize, item: T) -> Result<(), ChangeError> {
        self.row.turn(Deadline::NEVER)?.set(idx, words_of(&item))
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
        let turn = self.row.turn(Deadline::NEVER)?;
        let old = draft_of(turn.item(idx)?).check().ok_or(AccessError::Corrupt)?;
        let new = change(old);
        turn.set(idx, words_of(&new))?;
        Ok(new)
    }

    /// Takes away all items from `len` on.
    ///
    /// # Errors
    ///
    /// [`AccessError::TooManyHeld`].
    pub fn truncate(&self, len: usize) -> Result<(), AccessError> {
        self.row.turn(Deadline::NEVER)?.truncate(len);
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
        (0..self.capacity()).map_while(|idx| self.get(idx).transpose())
    }

    /// All items, as they were at one moment.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get) and [`pop`](Self::pop).
    pub fn to_vec(&self) -> Result<Vec<T>, AccessError> {
        let turn = self.row.turn(Deadline::NEVER)?;
        let item = |idx| draft_of(turn.current(idx)?).check().ok_or(AccessError::Corrupt);
        (0..turn.len()).map(item).collect()
    }

    /// The segment that it lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.row.segment()
    }

    /// What a segment's header says of the type of the items.
    #[must_use]
    pub fn type_hash() -> u64 {
        type_hash::<T>()
    }

    /// The vector in a segment that came from another process, as a handle of its own brings one.
    ///
    /// # Errors
    ///
    /// [`SegmentError::NotASegment`], [`SegmentError::WrongKind`] or [`SegmentError::WrongType`] if something
    /// else lies there.
    pub fn open(segment: &Segment) -> Result<Self, SegmentError> {
        segment.check(KIND, Self::type_hash())?;
        Ok(Self { row: Row::open(segment, Of::NEW)? })
    }
}

/// The item in some words.
#[inline]
fn draft_of<T: CheckedBitPattern>(words: Words<'_>) -> Draft<T> {
    Draft::of(words.iter())
}

impl<T> Clone for ShmVec<T> {
    fn clone(&self) -> Self {
        Self { row: self.row.clone() }
    }
}

impl<T: NoUninit + CheckedBitPattern + fmt::Debug> fmt::Debug for ShmVec<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}
