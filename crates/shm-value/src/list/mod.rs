//! `ShareableList`: a list of fixed length whose items may be of different types.
//!
//! ```text
//! | lock | n items | capacity of each, in bytes | the cell of each: kind and length, bytes |
//! ```
//!
//! An item is a [`Cell`]: it changes by one store, so it is never half of one and half of another.

mod item;

use core::fmt;
use std::sync::Arc;

use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{Deadline, Kind, Segment, SegmentError};

pub use item::Item;

use crate::error::{AccessError, ChangeError};
use crate::named;
use crate::place::Place;
use crate::plain::{WORD, words_of_bytes};
use crate::raw::Cell;
use crate::raw::planted::faces::SETS_IN_TWO;

/// What a segment is called that holds a list.
pub(crate) const KIND: Kind = Kind::new(*b"list\0\0\0\0", 1);

/// A list in shared memory whose items are numbers, texts, bytes, truths and nothing.
///
/// Any number of processes may have handles to it; cloning a handle does not clone the items. How many
/// there are is settled when it is made, and how many bytes each text may have: as many as it had then,
/// and up to eight more. An item can be replaced by one of another type. Reading takes no lock.
///
/// It is there for who comes from Python; where all items are of one type, [`ShmVec`](crate::ShmVec)
/// and [`Array`](crate::Array) are better. Unlike there, the length of a text is stored: zeros at the
/// end stay, and no text runs into the next item.
///
/// # Process death
///
/// Each item is the old one or the new one, whenever a process dies; nobody is told, and the next has
/// its turn at once. The commit point is the store of the count that says which copy is the item.
///
/// # Examples
///
/// ```
/// use shm_value::{Item, ShareableList};
///
/// let list = ShareableList::new([Item::from("howdy"), (-273.154).into(), 100.into(), Item::None])?;
/// // … the handle goes to other processes …
/// list.set(2, "text")?;
/// assert_eq!(list.get(2)?, Item::from("text"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A number has room for eight bytes: a short text fits, a longer one does not.
///
/// ```
/// # use shm_value::{ChangeError, Item, ShareableList};
/// # let list = ShareableList::new([Item::from("howdy"), 100.into()])?;
/// assert_eq!(list.set(1, "some text"), Err(ChangeError::TooLarge { len: 9, capacity: 8 }));
/// list.set(1, "text")?;
/// assert_eq!((list.get(1)?, list.format()?), (Item::from("text"), "8s8s".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ShareableList {
    place: Place,
    /// Of each item: where its cell begins, and how many bytes it may have. Checked when the list was
    /// opened.
    items: Arc<[(usize, usize)]>,
}

impl ShareableList {
    /// Makes a list of these items, in memory of its own, which is freed with the last process that
    /// has a handle.
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`], or [`SegmentError::Io`] if the process has too many descriptors or
    /// runs where the kernel does not tell of deaths.
    pub fn new(items: impl IntoIterator<Item = Item>) -> Result<Self, SegmentError> {
        let items: Vec<_> = items.into_iter().collect();
        let segment = Segment::create(KIND, 0, Self::size(&items))?;
        Self::make(&segment, &items)
    }

    /// Makes a list with a name, for programs that know each other by nothing else.
    ///
    /// It stays until somebody calls [`Segment::unlink`] with its name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::AlreadyExists`], and as [`new`](Self::new).
    pub fn create_named(
        name: &str,
        items: impl IntoIterator<Item = Item>,
    ) -> Result<Self, SegmentError> {
        let items: Vec<_> = items.into_iter().collect();
        named::create(name, KIND, 0, Self::size(&items), |segment| Self::make(segment, &items))
    }

    /// Opens the list of that name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`];
    /// [`SegmentError::NotASegment`] or [`SegmentError::WrongKind`] if the name is something else's.
    pub fn open_named(name: &str) -> Result<Self, SegmentError> {
        Self::open(&Segment::open_named(name, KIND, 0)?)
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The item at `idx`.
    ///
    /// # Errors
    ///
    /// [`ChangeError::OutOfBounds`]; [`AccessError::Corrupt`] if the bytes there are no item.
    pub fn get(&self, idx: usize) -> Result<Item, ChangeError> {
        let (cell, capacity) = self.cell(idx)?;
        let read = cell.read(|words| item::decode(words, capacity));
        let item = match read {
            Some(item) => item,
            None => {
                let _turn = self.place.turn(Deadline::NEVER)?;
                item::decode(cell.current(), capacity)
            }
        };
        Ok(item.ok_or(AccessError::Corrupt)?)
    }

    /// Replaces the item at `idx`.
    ///
    /// # Errors
    ///
    /// [`ChangeError::OutOfBounds`]; [`ChangeError::TooLarge`] if it has more bytes than its place;
    /// [`AccessError::TooManyHeld`].
    pub fn set(&self, idx: usize, item: impl Into<Item>) -> Result<(), ChangeError> {
        let (cell, capacity) = self.cell(idx)?;
        let item = item.into();
        let len = item.len();
        if len > capacity {
            return Err(ChangeError::TooLarge { len, capacity });
        }
        let _turn = self.place.turn(Deadline::NEVER)?;
        item::encode(&item, |header, bytes| {
            if SETS_IN_TWO {
                cell.write([header]);
            }
            cell.write([header].into_iter().chain(words_of_bytes(bytes)));
        });
        Ok(())
    }

    /// Where the first item is that equals this one.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn index(&self, item: &Item) -> Result<Option<usize>, ChangeError> {
        for (idx, found) in self.iter().enumerate() {
            if found? == *item {
                return Ok(Some(idx));
            }
        }
        Ok(None)
    }

    /// How many items equal this one.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn count(&self, item: &Item) -> Result<usize, ChangeError> {
        self.iter().try_fold(0, |count, found| Ok(count + usize::from(found? == *item)))
    }

    /// All items, one after the other, each as it is when its turn comes.
    pub fn iter(&self) -> impl Iterator<Item = Result<Item, ChangeError>> {
        (0..self.len()).map(|idx| self.get(idx))
    }

    /// The types of the items as Python's `struct` writes them.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn format(&self) -> Result<String, ChangeError> {
        self.iter()
            .zip(&*self.items)
            .map(|(item, (_, capacity))| Ok(item?.format(*capacity)))
            .collect()
    }

    /// The segment that it lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.place.segment()
    }

    /// The list in a segment of the right kind.
    pub(crate) fn open(segment: &Segment) -> Result<Self, SegmentError> {
        segment.check(KIND, 0)?;
        let bytes = segment.len().checked_sub(Place::size(0)).ok_or(SegmentError::NotASegment)?;
        let place = Place::new(segment, 0, bytes / WORD)?;
        let items = settle(&place).ok_or(SegmentError::NotASegment)?;
        Ok(Self { place, items })
    }

    fn size(items: &[Item]) -> usize {
        let cells = items.iter().map(|item| cell_size(item.capacity()));
        Place::size(cells.fold(1 + items.len(), usize::saturating_add))
    }

    /// Makes a list in a fresh segment that has the length for it.
    fn make(segment: &Segment, items: &[Item]) -> Result<Self, SegmentError> {
        let n_words = (segment.len() - Place::size(0)) / WORD;
        let place = Place::new(segment, 0, n_words)?;
        let numbers = [items.len()].into_iter().chain(items.iter().map(Item::capacity));
        for (word, number) in place.words().iter().zip(numbers) {
            word.store(number as u64, Relaxed);
        }
        let list = Self::open(segment)?;
        for (idx, item) in items.iter().enumerate() {
            if let Ok((cell, _)) = list.cell(idx) {
                item::encode(item, |header, bytes| {
                    cell.write([header].into_iter().chain(words_of_bytes(bytes)));
                });
            }
        }
        Ok(list)
    }

    fn cell(&self, idx: usize) -> Result<(Cell<'_>, usize), ChangeError> {
        let out = ChangeError::OutOfBounds { idx, len: self.len() };
        let (start, capacity) = *self.items.get(idx).ok_or(out)?;
        let words =
            self.place.words().get(start..).and_then(|rest| rest.get(..cell_size(capacity)));
        Ok((words.and_then(Cell::new).ok_or(AccessError::Corrupt)?, capacity))
    }
}

/// How many words the cell of an item with room for so many bytes takes.
const fn cell_size(capacity: usize) -> usize {
    Cell::size(1_usize.saturating_add(capacity.div_ceil(WORD)))
}

/// Where the cells lie, and how long they are; nothing if they are not all there, or something else is.
fn settle(place: &Place) -> Option<Arc<[(usize, usize)]>> {
    let words = place.words();
    let number = |idx: usize| usize::try_from(words.get(idx)?.load(Relaxed)).ok();
    let n_items = number(0).filter(|n_items| *n_items < words.len())?;
    let mut start = 1 + n_items;
    let mut items = Vec::with_capacity(n_items);
    for idx in 1..=n_items {
        let capacity = number(idx)?;
        items.push((start, capacity));
        start = start.checked_add(cell_size(capacity)).filter(|end| *end <= words.len())?;
    }
    (start == words.len()).then(|| items.into())
}

impl fmt::Debug for ShareableList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}
