//! Value: a value in shared memory, read by all without waiting and changed in turns.
//!
//! A value of up to eight bytes lies in one word, which changes by one store. A larger one lies in a
//! [`Cell`], twice, and changes by the store that says which of the two it is. Either is the commit
//! point of every change, so a death in the middle of one leaves the old value, and there is nothing
//! to repair: nobody is told, and nothing is poisoned.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `publish`, `update_word`, `change_word` | `get`, `update_word` | what was done before the word was written |

mod atomic;
mod guard;
mod number;
mod raw_value;

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::time::Duration;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::{Deadline, Kind, Layout, Segment, SegmentError, type_hash};
use ipc_sync::raw::Holder;

pub use atomic::Atomic;
pub use guard::ValueGuard;
pub use number::{Integer, Number};
pub(crate) use raw_value::KIND as RAW_KIND;
pub use raw_value::RawValue;

use crate::error::AccessError;
use crate::named;
use crate::place::Place;
use crate::plain::{Draft, n_words, words_of};
use crate::raw::Cell;
use number::{fits, pack, unpack};

/// What a segment is called that holds nothing but one value.
pub(crate) const KIND: Kind = Kind::new(*b"value\0\0\0", 1);

/// A value in shared memory, which everybody reads without waiting and which changes as a whole.
///
/// Any number of processes may have handles to it; cloning a handle does not clone the value. The
/// value is plain data ([`bytemuck`]): numbers, arrays and structs of them, without pointers. Use it
/// for state that is read more often than it is changed: settings, progress, a position. A queue is
/// better for work, and a [`Mutex`](ipc_sync::Mutex) for data so large that it should not be copied.
///
/// [`get`](Self::get) takes no lock: it neither waits for a writer nor holds one up, and what it
/// returns was the value at one moment, never half of one and half of another. Only if others have
/// changed a value of more than eight bytes 256 times while it was looking, it takes its turn among
/// them. [`set`](Self::set), [`update`](Self::update) and [`lock`](Self::lock) keep each other out.
///
/// A value that is a number is an [`Atomic`] as well: `count.fetch_add(1)` takes no lock at all. Such
/// operations do not wait for who has a [`lock`](Self::lock), and what they do while it is held is
/// overwritten when its guard is dropped, if the value was changed through it. Use one or the other
/// on the same value; `set` and `update` go with both.
///
/// # Process death
///
/// The value is the old one or the new one, whenever a process dies. A thread that dies with a
/// [guard](ValueGuard) has changed nothing, and the next has its turn at once. So nobody is told of
/// a death, and no value has to be repaired.
///
/// The commit point of a change is the store of the word, or of the count that says which of the two
/// copies is the value.
///
/// # Examples
///
/// ```
/// use shm_value::Value;
///
/// let count = Value::new(0_u64)?;
/// count.fetch_add(1);
/// count.update(|count| count * 10)?;
/// assert_eq!(count.get()?, 10);
///
/// let range = Value::new([0.0, 1.0, 0.5])?;
/// // … the handle goes to other processes …
/// let mut guard = range.lock()?;
/// guard[1] += 1.0;
/// guard[2] = (guard[0] + guard[1]) / 2.0;
/// drop(guard);
/// assert_eq!(range.get()?, [0.0, 2.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "sharedctypes")]
pub struct Value<T> {
    place: Place,
    value: PhantomData<T>,
}

impl<T: NoUninit + CheckedBitPattern> Value<T> {
    /// How many words it has behind the line of its lock.
    const N_WORDS: usize = if fits::<T>() { 1 } else { Cell::size(n_words::<T>()) };

    /// How many bytes a value takes in a segment.
    pub const SIZE: usize = Place::size(Self::N_WORDS);

    /// What the offset of a value in a segment must be a multiple of.
    pub const ALIGNMENT: usize = Place::ALIGNMENT;

    /// Makes a value in memory of its own, which is freed with the last process that has a handle.
    ///
    /// It takes a page of memory and a descriptor. Where there are many, put them into one segment:
    /// [`new_in_segment`](Self::new_in_segment).
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`], or [`SegmentError::Io`] if the process has too many descriptors
    /// or runs where the kernel does not tell of deaths.
    pub fn new(value: T) -> Result<Self, SegmentError> {
        Self::new_in_segment(&Segment::create(KIND, type_hash::<T>(), Self::SIZE)?, 0, value)
    }

    /// Makes a value with a name, for programs that know each other by nothing else.
    ///
    /// It stays until somebody calls [`Segment::unlink`] with its name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::AlreadyExists`],
    /// [`SegmentError::PermissionDenied`], and as [`new`](Self::new).
    pub fn create_named(name: &str, value: T) -> Result<Self, SegmentError> {
        named::create(name, KIND, type_hash::<T>(), Self::SIZE, |segment| {
            Self::new_in_segment(segment, 0, value)
        })
    }

    /// Opens the value of that name, which must be of the same type.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`];
    /// [`SegmentError::NotASegment`], [`SegmentError::WrongKind`] or [`SegmentError::WrongType`] if
    /// the name is something else's; and as [`new`](Self::new).
    pub fn open_named(name: &str) -> Result<Self, SegmentError> {
        Self::in_segment(&Segment::open_named(name, KIND, type_hash::<T>())?, 0)
    }

    /// Makes room for a value in the layout of a segment, and returns its offset.
    pub const fn reserve(layout: &mut Layout) -> usize {
        Place::reserve(layout, Self::N_WORDS)
    }

    /// Makes a value at `offset` in the body of a segment, where it takes [`SIZE`](Self::SIZE) bytes.
    ///
    /// The bytes must be zeros that nobody else uses: if somebody does, the value changes without a
    /// reason, or nobody ever has a turn.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] and [`SegmentError::Misaligned`], [`SegmentError::Exclusive`] if
    /// the segment is another's alone, and [`SegmentError::Io`] if the process runs where the kernel
    /// does not tell of deaths.
    pub fn new_in_segment(
        segment: &Segment,
        offset: usize,
        value: T,
    ) -> Result<Self, SegmentError> {
        let made = Self::in_segment(segment, offset)?;
        made.publish(&value);
        Ok(made)
    }

    /// The value that somebody made at `offset` in the body of a segment.
    ///
    /// Bytes of zero are a value whose bytes are zero.
    ///
    /// # Errors
    ///
    /// As [`new_in_segment`](Self::new_in_segment).
    pub fn in_segment(segment: &Segment, offset: usize) -> Result<Self, SegmentError> {
        Ok(Self { place: Place::new(segment, offset, Self::N_WORDS)?, value: PhantomData })
    }

    /// The value, as it was at one moment while this looked.
    ///
    /// # Errors
    ///
    /// [`AccessError::Corrupt`] if the bytes are no `T`, which they always are among honest peers.
    #[inline]
    #[doc(alias = "value")]
    pub fn get(&self) -> Result<T, AccessError> {
        if fits::<T>() {
            // E1 acquire.
            return unpack(self.word().load(Acquire)).ok_or(AccessError::Corrupt);
        }
        match self.cell()?.read(|words| Draft::of(words.iter())) {
            Some(draft) => draft.check().ok_or(AccessError::Corrupt),
            None => self.get_in_turn(),
        }
    }

    /// Replaces the value.
    ///
    /// # Errors
    ///
    /// [`AccessError::WouldDeadlock`] if the calling thread has a guard,
    /// [`AccessError::TooManyHeld`].
    #[inline]
    pub fn set(&self, value: T) -> Result<(), AccessError> {
        let _turn = self.place.turn(Deadline::NEVER)?;
        self.publish(&value);
        Ok(())
    }

    /// Changes the value to what `change` makes of it, and returns that.
    ///
    /// No change of another comes in between. If `change` panics, nothing has changed. For a value of up to
    /// eight bytes `change` may be called again, if another was faster: what it made last counts.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get) and [`set`](Self::set).
    #[inline]
    pub fn update(&self, mut change: impl FnMut(T) -> T) -> Result<T, AccessError> {
        if fits::<T>() {
            return self.update_word(change);
        }
        let _turn = self.place.turn(Deadline::NEVER)?;
        let new = change(self.current()?);
        self.publish(&new);
        Ok(new)
    }

    /// Waits for a turn to change the value, as long as it takes.
    ///
    /// What the guard lends is a copy. It becomes the value when the guard is dropped.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get) and [`set`](Self::set).
    #[inline]
    #[doc(alias = "get_lock")]
    pub fn lock(&self) -> Result<ValueGuard<'_, T>, AccessError> {
        self.lock_deadline(Deadline::NEVER)
    }

    /// Waits for a turn for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`AccessError::Busy`], and as [`lock`](Self::lock).
    pub fn lock_timeout(&self, timeout: Duration) -> Result<ValueGuard<'_, T>, AccessError> {
        match self.try_lock() {
            // Only who has to wait looks at the clock.
            Err(AccessError::Busy) => self.lock_deadline(Deadline::after(timeout)),
            done => done,
        }
    }

    /// Waits for a turn until `deadline` at most.
    ///
    /// # Errors
    ///
    /// [`AccessError::Busy`], and as [`lock`](Self::lock).
    pub fn lock_deadline(&self, deadline: Deadline) -> Result<ValueGuard<'_, T>, AccessError> {
        let turn = self.place.turn(deadline)?;
        Ok(ValueGuard::new(self, turn, self.current()?))
    }

    /// Takes the turn if nobody has it.
    ///
    /// # Errors
    ///
    /// [`AccessError::Busy`] if somebody has, perhaps the calling thread; and as
    /// [`lock`](Self::lock).
    pub fn try_lock(&self) -> Result<ValueGuard<'_, T>, AccessError> {
        let turn = self.place.try_turn()?;
        Ok(ValueGuard::new(self, turn, self.current()?))
    }

    /// Whether a thread has the turn, at the moment of asking.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(self.place.holder(), Holder::Thread(_))
    }

    /// The segment that the value lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        self.place.segment()
    }

    /// Where in the body of its segment the value lies.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.place.offset()
    }

    /// The value, read by who has the turn.
    #[inline]
    fn current(&self) -> Result<T, AccessError> {
        if fits::<T>() {
            return self.get();
        }
        Draft::of(self.cell()?.current().iter()).check().ok_or(AccessError::Corrupt)
    }

    /// The value, read between the changes of others.
    #[cold]
    fn get_in_turn(&self) -> Result<T, AccessError> {
        match self.place.turn(Deadline::NEVER) {
            // Who has a guard has the turn.
            Ok(_) | Err(AccessError::WouldDeadlock) => self.current(),
            Err(error) => Err(error),
        }
    }

    /// Writes the value. The caller has the turn, or nobody else has a handle.
    #[inline]
    fn publish(&self, value: &T) {
        if fits::<T>() {
            // E1 release.
            self.word().store(pack(value), Release);
        } else if let Ok(cell) = self.cell() {
            cell.write(words_of(value));
        }
    }

    /// Changes a value that lies in one word, in a turn. If nobody has the turn, `change` does its work
    /// first, so that the turn is over at once; if the word has changed meanwhile, it does it again.
    #[inline]
    fn update_word(&self, mut change: impl FnMut(T) -> T) -> Result<T, AccessError> {
        let _turn = if self.place.is_free() {
            // E1 acquire.
            let found = self.word().load(Acquire);
            let new = change(unpack(found).ok_or(AccessError::Corrupt)?);
            // E1 release.
            match self.place.exchange_in_turn(self.word(), (found, pack(&new)), Release)? {
                None => return Ok(new),
                Some(turn) => turn,
            }
        } else {
            self.place.turn(Deadline::NEVER)?
        };
        self.change_word(change)
    }

    /// Changes the word in a turn of the caller's, while others may change it by operations that take none.
    #[inline]
    fn change_word(&self, mut change: impl FnMut(T) -> T) -> Result<T, AccessError> {
        let mut found = self.word().load(Relaxed);
        loop {
            let new = change(unpack(found).ok_or(AccessError::Corrupt)?);
            // E1 release.
            match self.word().compare_exchange(found, pack(&new), Release, Relaxed) {
                Ok(_) => return Ok(new),
                Err(now) => found = now,
            }
        }
    }

    #[inline]
    fn cell(&self) -> Result<Cell<'_>, AccessError> {
        Cell::new(self.place.words()).ok_or(AccessError::Corrupt)
    }

    #[inline]
    fn word(&self) -> &AtomicU64 {
        match self.place.words().first() {
            Some(word) => word,
            None => unreachable!("every value was placed with a word at least"),
        }
    }
}

impl<T: Number> Deref for Value<T> {
    type Target = Atomic<T>;

    #[inline]
    fn deref(&self) -> &Atomic<T> {
        Atomic::of(self.word())
    }
}

impl<T> Clone for Value<T> {
    fn clone(&self) -> Self {
        Self { place: self.place.clone(), value: PhantomData }
    }
}

impl<T: NoUninit + CheckedBitPattern + fmt::Debug> fmt::Debug for Value<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Value")
            .field("value", &self.get())
            .field("is_locked", &self.is_locked())
            .finish_non_exhaustive()
    }
}
