//! `RwLock`: a value in shared memory that many may look at, and one at a time may change.
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
//! # States of the value
//!
//! They are those of a [`Mutex`](crate::Mutex): consistent, a holder died, poisoned, corrupt. Only
//! who writes can leave it half changed, and only who writes can make it whole.
//!
//! # Invariants
//!
//! - R1: The lines lie in a segment, which stays mapped as long as a thread of this process holds one
//!   of them, whatever becomes of guards and handles: the robust list sees to that.
//! - R2: The value lies in the same segment, at [`RwLock::value_offset`] from the lines, aligned for
//!   `T`: checked when the handle was made. This is V1 of [`crate::value`].
//!
//! # Safety
//!
//! Who places a lock in a segment promises that nothing else uses its bytes. A lock of its own lies in
//! an exclusive segment, in which safe code can place nothing else, and only locks in such segments
//! travel. The line of writers says of which type the lock is: whoever receives one checks that.
//! What the engine asks for, that the lines stay mapped while they are held, is R1.

#![expect(unsafe_code, reason = "a value in shared memory, and lines that stay mapped")]

mod guard;
mod travel;

use core::fmt;
use core::marker::PhantomData;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::time::Duration;

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::{RobustWord, Thread};
use ipc_core::{Deadline, Kind, Layout, Placed, Segment, SegmentError};

pub use guard::{RwLockReadGuard, RwLockRecovery, RwLockWriteGuard};

use crate::error::{LockError, TryLockError};
use crate::named;
use crate::place::is_supported;
use crate::raw::{MOST_READERS, RawRwLock, Refused, Share, Taken};
use crate::value;
use crate::who::Who;

/// What a segment is called that holds nothing but one lock for readers and writers.
const KIND: Kind = Kind::exclusive(*b"rwlock\0\0", 1);

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

/// What an [`RwLock`] says about itself, at the moment of asking.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RwLockStats {
    /// The thread that writes, or that waits for the readers to leave so that it can.
    pub writer: Option<Who>,
    /// Whether it writes by now.
    pub is_written: bool,
    /// The threads that read.
    pub readers: Vec<Who>,
    /// How many can read at the same time.
    pub max_readers: usize,
    /// Whether somebody may be asleep, waiting for it.
    pub has_waiters: bool,
    /// How many sleep now, waiting for it. Who has only just come and still looks is not among them,
    /// nor is the dead.
    pub waiters: u32,
    /// How many were found to have died writing.
    pub dead_writers: u32,
    /// How many have died reading.
    pub dead_readers: u32,
    /// Whether the value is half changed since a death or a panic.
    pub is_poisoned: bool,
}

/// A lock on a value in shared memory, for many threads that look at it or one that changes it.
///
/// Any number of processes may have handles to it; cloning a handle does not clone the value. The
/// value is plain data ([`bytemuck`]), as that of a [`Mutex`](crate::Mutex), which is the better
/// choice where looking takes no longer than locking. `RwLock<()>` is a lock on nothing in
/// particular.
///
/// As soon as somebody wants to write, new readers wait behind it: readers that come and go do not
/// keep writers out. Among those who wait the lock is not fair. A thread that is inside, reading or
/// writing, cannot come in a second time: it would wait for itself as soon as a writer came in
/// between, so it is refused at once. It is not to be used in a signal handler.
///
/// Only so many can read at the same time as the lock was made for ([`Readers`], 16 unless told).
/// One more waits until one of them leaves, and whoever comes after it waits behind it.
///
/// # Trust
///
/// As with a [`Mutex`](crate::Mutex): the bytes are checked and then lent as they lie in shared
/// memory. [`get`](Self::get), [`set`](Self::set) and [`update`](Self::update) copy first and check
/// the copy.
///
/// # Process death
///
/// If a thread dies reading, its share is free at once, and nobody is told. If one dies writing, the
/// next to come in gets [`LockError::OwnerDied`]: for writing with a [`Recovery`](crate::Recovery)
/// as from a mutex; for reading with a guard to look at what was left. Until somebody who writes has
/// recovered the value, everybody gets [`LockError::Poisoned`] with the same. A panic while the lock
/// is held for writing poisons it as well. A thread that dies while it waits is not missed. In a
/// forked child the parent's guards do nothing.
///
/// The commit point of coming in to write is a store that says so, made when all readers are gone;
/// that of leaving is the store that takes it back. For a reader they are the exchanges that write
/// and remove its thread id.
///
/// # Examples
///
/// ```
/// use ipc_sync::RwLock;
///
/// let rates = RwLock::new([1.0, 1.1])?;
/// // … the handle goes to other processes …
/// let seen = *rates.read().unwrap();
/// rates.write().unwrap()[1] = 1.2;
/// assert_eq!(seen, [1.0, 1.1]);
/// assert_eq!(rates.get().unwrap(), [1.0, 1.2]);
/// # Ok::<(), ipc_core::SegmentError>(())
/// ```
pub struct RwLock<T> {
    writer: Placed<RobustWord>,
    /// Right behind; as many as [`Readers`] can be.
    slots: Placed<[RobustWord]>,
    value: PhantomData<T>,
}

/// What coming in to read comes to.
type Read<'lock, T> = Result<RwLockReadGuard<'lock, T>, LockError<RwLockReadGuard<'lock, T>>>;
/// What trying to come in to read comes to.
type TryRead<'lock, T> = Result<RwLockReadGuard<'lock, T>, TryLockError<RwLockReadGuard<'lock, T>>>;
/// What coming in to write comes to.
type Write<'lock, T> = Result<RwLockWriteGuard<'lock, T>, LockError<RwLockRecovery<'lock, T>>>;
/// What trying to come in to write comes to.
type TryWrite<'lock, T> =
    Result<RwLockWriteGuard<'lock, T>, TryLockError<RwLockRecovery<'lock, T>>>;

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
        let readers = match usize::try_from(said) {
            Ok(0) => Some(Readers::DEFAULT),
            Ok(number) => Readers::new(number),
            Err(_) => None,
        };
        match readers {
            // SAFETY: the caller vouches for the bytes.
            Some(readers) => unsafe { Self::place(segment, offset, readers) },
            // Somebody scribbled over it: no lock for so many fits anywhere.
            None => Err(SegmentError::OutOfBounds { offset, size: usize::MAX, len: segment.len() }),
        }
    }

    /// Comes in to read, waiting as long as it takes.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] or [`LockError::Poisoned`], with the guard, if the value may be half
    /// changed; [`LockError::Corrupt`] if its bytes are no `T`, see [`reset`](Self::reset).
    /// [`LockError::WouldDeadlock`] if the calling thread is inside already, reading or writing.
    /// [`LockError::TooManyHeld`].
    #[expect(clippy::inline_always, reason = "a call costs a fifth of what coming in to read does")]
    #[inline(always)]
    #[doc(alias = "pthread_rwlock_rdlock")]
    pub fn read(&self) -> Read<'_, T> {
        self.read_deadline(Deadline::NEVER)
    }

    /// Comes in to read, waiting for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`], and as [`read`](Self::read).
    pub fn read_timeout(&self, timeout: Duration) -> Read<'_, T> {
        // SAFETY: the lines stay mapped until the words are given back: R1.
        match unsafe { self.raw().try_read(Thread::current()) } {
            Ok(came_in) => self.reader(Ok(came_in)),
            // Only who has to wait looks at the clock.
            Err(_) => self.read_deadline(Deadline::after(timeout)),
        }
    }

    /// Comes in to read, waiting until `deadline` at most.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`], and as [`read`](Self::read).
    #[expect(clippy::inline_always, reason = "a call costs a fifth of what coming in to read does")]
    #[inline(always)]
    pub fn read_deadline(&self, deadline: Deadline) -> Read<'_, T> {
        let me = Thread::current();
        // SAFETY: the lines stay mapped until the words are given back: R1.
        self.reader(unsafe { self.raw().read(me, deadline) })
    }

    /// Comes in to read if that takes no waiting.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if a writer is inside, waits, or is just looking whether it can
    /// come in, or if there are as many readers as there can be; and as [`read`](Self::read).
    #[inline]
    #[doc(alias = "pthread_rwlock_tryrdlock")]
    pub fn try_read(&self) -> TryRead<'_, T> {
        // SAFETY: the lines stay mapped until the words are given back: R1.
        let came_in = unsafe { self.raw().try_read(Thread::current()) };
        self.reader(came_in).map_err(TryLockError::from)
    }

    /// Comes in to write, waiting as long as it takes.
    ///
    /// # Errors
    ///
    /// [`LockError::OwnerDied`] or [`LockError::Poisoned`], with the means to go on, if the value
    /// may be half changed; [`LockError::Corrupt`] if its bytes are no `T`, see
    /// [`reset`](Self::reset). [`LockError::WouldDeadlock`] if the calling thread is inside already,
    /// reading or writing. [`LockError::TooManyHeld`].
    #[inline]
    #[doc(alias = "pthread_rwlock_wrlock")]
    pub fn write(&self) -> Write<'_, T> {
        self.write_deadline(Deadline::NEVER)
    }

    /// Comes in to write, waiting for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`], and as [`write`](Self::write).
    pub fn write_timeout(&self, timeout: Duration) -> Write<'_, T> {
        // SAFETY: the lines stay mapped until the words are given back: R1.
        match unsafe { self.raw().try_write(Thread::current()) } {
            Ok(taken) => self.writer(Ok(taken)),
            // Only who has to wait looks at the clock.
            Err(_) => self.write_deadline(Deadline::after(timeout)),
        }
    }

    /// Comes in to write, waiting until `deadline` at most.
    ///
    /// # Errors
    ///
    /// [`LockError::Timeout`], and as [`write`](Self::write).
    #[inline]
    pub fn write_deadline(&self, deadline: Deadline) -> Write<'_, T> {
        // SAFETY: the lines stay mapped until the words are given back: R1.
        self.writer(unsafe { self.raw().write(Thread::current(), deadline) })
    }

    /// Comes in to write if that takes no waiting.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if somebody is inside, or is just looking whether it can come
    /// in; and as [`write`](Self::write).
    #[inline]
    #[doc(alias = "pthread_rwlock_trywrlock")]
    pub fn try_write(&self) -> TryWrite<'_, T> {
        // SAFETY: the lines stay mapped until the words are given back: R1.
        let came_in = unsafe { self.raw().try_write(Thread::current()) };
        self.writer(came_in).map_err(TryLockError::from)
    }

    /// Comes in for as long as it takes to copy the value.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn get(&self) -> Result<T, LockError<RwLockReadGuard<'_, T>>> {
        let _guard = self.read()?;
        self.copy().ok_or(LockError::Corrupt)
    }

    /// Comes in for as long as it takes to replace the value.
    ///
    /// A lock whose writer died is not set: its value may belong together with others that are half
    /// changed. The error has the means to set it all the same.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write), except that it does not care whether the bytes it overwrites are a
    /// `T`.
    pub fn set(&self, value: T) -> Result<(), LockError<RwLockRecovery<'_, T>>> {
        let _guard = self.acquire()?;
        self.overwrite(&value);
        Ok(())
    }

    /// Comes in for as long as it takes to change the value; returns the new one.
    ///
    /// `change` gets a copy, and what it returns is written back. If it panics, nothing has changed.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn update(
        &self,
        change: impl FnOnce(T) -> T,
    ) -> Result<T, LockError<RwLockRecovery<'_, T>>> {
        let _guard = self.acquire()?;
        let old = self.copy().ok_or(LockError::Corrupt)?;
        let new = change(old);
        self.overwrite(&new);
        Ok(new)
    }

    /// Comes in to write and replaces the value, whatever became of the old one.
    ///
    /// Afterwards the lock is consistent.
    ///
    /// # Errors
    ///
    /// Only those of [`write`](Self::write) that do not concern the value.
    pub fn reset(&self, value: T) -> Write<'_, T> {
        let guard = match self.acquire() {
            Ok(guard) => guard,
            Err(LockError::OwnerDied(recovery) | LockError::Poisoned(recovery)) => {
                recovery.into_guard()
            }
            Err(other) => return Err(other),
        };
        self.overwrite(&value);
        self.raw().mark_consistent();
        Ok(guard.that_poisons())
    }

    /// The lock that somebody says is at `offset` in the body of a segment.
    ///
    /// What a message says is checked against what lies there.
    fn received(segment: &Segment, offset: usize) -> Result<Self, SegmentError> {
        let expected = Self::type_hash();
        if segment.kind() == KIND {
            segment.check(KIND, expected)?;
        } else if !segment.kind().is_exclusive() {
            return Err(SegmentError::WrongKind { expected: KIND, found: segment.kind() });
        }
        // SAFETY: a look at one word of the line, if a line can be there at all.
        let line = unsafe { segment.place_exclusive::<RobustWord>(offset) }?;
        let found = line.wide_notes[1].load(Relaxed);
        if found != expected {
            return Err(SegmentError::WrongType { expected, found });
        }
        // SAFETY: a lock of this type was placed there: safe code writes no such mark into an
        // exclusive segment.
        unsafe { Self::in_segment(segment, offset) }
    }

    /// Whether the lock may go to another process: one that lies where safe code could place
    /// something else over it may not.
    fn can_travel(&self) -> bool {
        self.segment().kind().is_exclusive()
    }

    /// A number that differs, very likely, between types that are laid out or checked differently.
    fn type_hash() -> u64 {
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
    fn value(&self) -> *mut T {
        let body = self.segment().as_ptr().as_ptr();
        body.wrapping_add(self.offset() + Self::value_offset(self.slots.len())).cast()
    }

    /// A copy of the value, if the bytes are a `T`; the caller is inside.
    fn copy(&self) -> Option<T> {
        // SAFETY: the pointer is good (R2), and the caller is inside.
        unsafe { value::read(self.value()) }
    }

    /// Writes the value; the caller is inside to write.
    fn overwrite(&self, value: &T) {
        // SAFETY: the pointer is good (R2), and the caller is inside to write.
        unsafe { value::write(self.value(), value) };
    }

    /// Whether the bytes are a `T`; the caller is inside.
    #[inline]
    fn is_valid(&self) -> bool {
        // SAFETY: the pointer is good (R2), and the caller is inside.
        unsafe { value::is_valid(self.value()) }
    }

    /// Comes in to write, and copies of the value only, so that a panic changes nothing.
    fn acquire(&self) -> Write<'_, T> {
        // SAFETY: the lines stay mapped until the words are given back: R1.
        let came_in = unsafe { self.raw().write(Thread::current(), Deadline::NEVER) };
        self.write_guard(came_in).map(RwLockWriteGuard::that_does_not_poison)
    }

    /// Lends the value to a reader if it came in and the bytes are a `T`.
    #[expect(clippy::inline_always, reason = "a call costs a fifth of what coming in to read does")]
    #[inline(always)]
    fn reader<'lock>(
        &'lock self,
        came_in: Result<(Share<'lock>, Taken), Refused>,
    ) -> Read<'lock, T> {
        match came_in {
            Ok((share, Taken::Clean)) if !self.raw().is_poisoned() && self.is_valid() => {
                Ok(RwLockReadGuard::new(self, share))
            }
            came_in => self.warned_reader(came_in),
        }
    }

    /// The same if there may be something to tell.
    #[cold]
    fn warned_reader<'lock>(
        &'lock self,
        came_in: Result<(Share<'lock>, Taken), Refused>,
    ) -> Read<'lock, T> {
        let (share, taken) = came_in?;
        let guard = RwLockReadGuard::new(self, share);
        if !self.is_valid() {
            return Err(LockError::Corrupt);
        }
        match taken {
            Taken::OwnerDied => Err(LockError::OwnerDied(guard)),
            Taken::Clean if self.raw().is_poisoned() => Err(LockError::Poisoned(guard)),
            Taken::Clean => Ok(guard),
        }
    }

    /// Lends the value to a writer if it came in and the bytes are a `T`.
    #[inline]
    fn writer(&self, came_in: Result<Taken, Refused>) -> Write<'_, T> {
        let is_inside = came_in.is_ok();
        let outcome = self.write_guard(came_in);
        if is_inside && !self.is_valid() { Err(LockError::Corrupt) } else { outcome }
    }

    /// Makes a guard if the thread came in to write.
    #[inline]
    fn write_guard(&self, came_in: Result<Taken, Refused>) -> Write<'_, T> {
        let taken = came_in?;
        let guard = RwLockWriteGuard::new(self);
        match taken {
            Taken::OwnerDied => Err(LockError::OwnerDied(RwLockRecovery::new(guard))),
            Taken::Clean if self.raw().is_poisoned() => {
                Err(LockError::Poisoned(RwLockRecovery::new(guard)))
            }
            Taken::Clean => Ok(guard),
        }
    }
}

impl<T> RwLock<T> {
    /// How many can read at the same time.
    #[must_use]
    pub fn max_readers(&self) -> usize {
        self.slots.len()
    }

    /// What there is to know about the lock, at the moment of asking.
    #[must_use]
    pub fn stats(&self) -> RwLockStats {
        let raw = self.raw();
        RwLockStats {
            writer: raw.writer().map(Who::is),
            is_written: raw.is_written(),
            readers: raw.readers().map(Who::is).collect(),
            max_readers: self.max_readers(),
            has_waiters: raw.has_waiters(),
            waiters: raw.n_asleep(),
            dead_writers: raw.dead_writers(),
            dead_readers: raw.dead_readers(),
            is_poisoned: raw.is_poisoned(),
        }
    }

    /// The segment that the lock lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        Placed::segment(&self.writer)
    }

    /// Where in the body of its segment the lock lies.
    #[must_use]
    pub fn offset(&self) -> usize {
        Placed::offset(&self.writer)
    }

    #[inline]
    fn raw(&self) -> RawRwLock<'_> {
        RawRwLock::new(&self.writer, &self.slots)
    }
}

impl<T> Clone for RwLock<T> {
    fn clone(&self) -> Self {
        Self { writer: self.writer.clone(), slots: self.slots.clone(), value: PhantomData }
    }
}

impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        formatter
            .debug_struct("RwLock")
            .field("writer", &stats.writer)
            .field("is_written", &stats.is_written)
            .field("readers", &stats.readers)
            .field("waiters", &stats.waiters)
            .field("dead_writers", &stats.dead_writers)
            .field("dead_readers", &stats.dead_readers)
            .field("is_poisoned", &stats.is_poisoned)
            .finish_non_exhaustive()
    }
}

// A panic while the lock is held for writing poisons it, so nobody finds a half-changed value
// unawares.
impl<T> UnwindSafe for RwLock<T> {}
impl<T> RefUnwindSafe for RwLock<T> {}
