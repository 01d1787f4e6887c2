//! `Condition`: to give a lock back, sleep until somebody notifies, and take it again.
//!
//! | file | job |
//! |------|-----|
//! | `wait` | all ways to wait |
//! | `guards` | what is needed of a guard |
//! | `error` | why a wait did not simply end with the lock in hand |

mod error;
mod guards;
mod wait;

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};

use ipc_core::{Kind, Layout, Placed, Segment, SegmentError};

pub use error::WaitError;
pub use guards::ConditionGuard;

use crate::named;
use crate::place::is_supported;
use crate::raw::{ConditionWords, Holder, RawCondition};
use crate::who::Who;

/// What a segment is called that holds nothing but one condition.
pub(crate) const KIND: Kind = Kind::new(*b"conditn\0", 1);

/// Something that is waited for while a lock is given back, among all processes that have a handle.
///
/// A thread that holds a [`Mutex`](crate::Mutex), a [`Lock`](crate::Lock) or an
/// [`RLock`](crate::RLock) and finds that it has to wait passes its guard to [`wait`](Self::wait),
/// which gives the lock back, sleeps until another thread notifies, and takes the lock again, at all
/// levels at which it was held. Whoever changes what is waited for does that under the lock, and
/// notifies, with the lock or after it. All who wait at a time use one lock.
///
/// [`notify_one`](Self::notify_one) wakes one of those who wait *then*: whoever comes later does not
/// take it from them. Somebody may also wake up without having been notified, so wait in a loop, or
/// with [`wait_while`](Self::wait_while). Who of those who wait wakes up first is not said.
///
/// Prefer an [`Event`](crate::Event) if what is waited for is one bit, and a queue if it is work.
///
/// # Process death
///
/// Nobody counts who waits, so a thread that dies while it waits takes nothing with it and is in
/// nobody's way; above all not in that of a notifier, which never waits. A notification can go down
/// only with a thread that was notified and dies holding the lock, which the next to take the lock
/// is told of ([`WaitError::OwnerDied`], or [`LockError::OwnerDied`](crate::LockError::OwnerDied)):
/// that one lets the others look again, with [`notify_all`](Self::notify_all). A thread that dies
/// while it notifies has notified, or it has not; the commit point is one exchange.
///
/// A thread that is stopped, and not dead, while it is the first of those who wait holds up the
/// others until it goes on or is killed.
///
/// # Examples
///
/// ```
/// use std::thread;
/// use ipc_sync::{Condition, Mutex};
///
/// let (items, more) = (Mutex::new(0_u64)?, Condition::new()?);
/// thread::scope(|scope| {
///     scope.spawn(|| {
///         *items.lock().unwrap() += 1;
///         more.notify_one();
///     });
///     let items = items.lock().unwrap();
///     let mut items = more.wait_while(items, |items| *items == 0).unwrap();
///     *items -= 1;
/// });
/// # Ok::<(), ipc_core::SegmentError>(())
/// ```
#[derive(Clone)]
#[doc(alias = "Condvar")]
pub struct Condition {
    words: Placed<ConditionWords>,
}

/// What a [`Condition`] says about itself, at the moment of asking.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConditionStats {
    /// The thread that is the first of those who wait.
    pub first_waiter: Option<Who>,
    /// Whether somebody may be asleep behind it.
    pub has_more_waiters: bool,
    /// How many sleep now, waiting to be notified, the first among them. Who has only just come and
    /// still looks is not counted, nor is the dead, nor who was notified and waits for the lock.
    pub waiters: u32,
    /// How many notifications nobody has taken yet, of those that were not for all: whoever was
    /// there to take them may have died, or have been timed out.
    pub untaken: u32,
}

impl Condition {
    /// Makes a condition in memory of its own, which is freed with the last process that has a
    /// handle.
    ///
    /// It takes a page of memory and a descriptor. Where there are many, put them into one segment:
    /// [`in_segment`](Self::in_segment).
    ///
    /// # Errors
    ///
    /// [`SegmentError::NoSpace`], or [`SegmentError::Io`] if the process has too many descriptors
    /// or runs where the kernel does not tell of deaths.
    #[doc(alias = "pthread_cond_init")]
    pub fn new() -> Result<Self, SegmentError> {
        Self::in_segment(&Segment::create(KIND, 0, size_of::<ConditionWords>())?, 0)
    }

    /// Makes a condition with a name, for programs that know each other by nothing else.
    ///
    /// It stays until somebody calls [`Segment::unlink`] with its name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::AlreadyExists`],
    /// [`SegmentError::PermissionDenied`], and as [`new`](Self::new).
    pub fn create_named(name: &str) -> Result<Self, SegmentError> {
        named::create(name, KIND, 0, size_of::<ConditionWords>(), |segment| {
            Self::in_segment(segment, 0)
        })
    }

    /// Opens the condition of that name.
    ///
    /// # Errors
    ///
    /// [`SegmentError::BadName`], [`SegmentError::NotFound`], [`SegmentError::PermissionDenied`];
    /// [`SegmentError::NotASegment`] or [`SegmentError::WrongKind`] if the name is something
    /// else's; and as [`new`](Self::new).
    pub fn open_named(name: &str) -> Result<Self, SegmentError> {
        Self::in_segment(&Segment::open_named(name, KIND, 0)?, 0)
    }

    /// Makes room for a condition in the layout of a segment, and returns its offset.
    pub const fn reserve(layout: &mut Layout) -> usize {
        layout.one::<ConditionWords>()
    }

    /// The condition at `offset` in the body of a segment: 128 bytes at a multiple of 64.
    ///
    /// Nothing is written: bytes of zero are a condition that nobody waits for. The bytes belong to
    /// the condition alone; if somebody else writes there, who waits may wake up at any time or
    /// never.
    ///
    /// # Errors
    ///
    /// [`SegmentError::OutOfBounds`] and [`SegmentError::Misaligned`], and [`SegmentError::Io`] if
    /// the process runs where the kernel does not tell of deaths.
    pub fn in_segment(segment: &Segment, offset: usize) -> Result<Self, SegmentError> {
        is_supported()?;
        Ok(Self { words: segment.place(offset)? })
    }

    /// Lets one of those who wait now wake up; nothing happens if there is none.
    ///
    /// It never waits. It is not for a signal handler, where [`Event::set`](crate::Event::set) is:
    /// should the thread die in there, what the handler has interrupted would not be told of. It can be
    /// called with or without the lock.
    #[inline]
    #[doc(alias = "notify")]
    #[doc(alias = "signal")]
    pub fn notify_one(&self) {
        self.raw().notify(1);
    }

    /// Lets `count` of those who wait now wake up, or all, if there are fewer.
    ///
    /// As [`notify_one`](Self::notify_one) otherwise.
    #[doc(alias = "notify")]
    pub fn notify_n(&self, count: usize) {
        self.raw().notify(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Lets all who wait now wake up.
    ///
    /// As [`notify_one`](Self::notify_one) otherwise.
    #[inline]
    #[doc(alias = "broadcast")]
    pub fn notify_all(&self) {
        self.raw().notify_all();
    }

    /// What there is to know about the condition, at the moment of asking.
    #[must_use]
    #[doc(alias = "debug")]
    pub fn stats(&self) -> ConditionStats {
        let raw = self.raw();
        let first = raw.first_waiter();
        ConditionStats {
            first_waiter: if let Holder::Thread(tid) = first { Some(Who::is(tid)) } else { None },
            has_more_waiters: raw.has_more_waiters(),
            waiters: raw.n_asleep(),
            untaken: raw.permits(),
        }
    }

    /// The segment that the condition lies in.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        Placed::segment(&self.words)
    }

    /// Where in the body of its segment the condition lies.
    #[must_use]
    pub fn offset(&self) -> usize {
        Placed::offset(&self.words)
    }

    #[inline]
    fn raw(&self) -> RawCondition<'_> {
        RawCondition::new(&self.words)
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        formatter
            .debug_struct("Condition")
            .field("first_waiter", &stats.first_waiter)
            .field("waiters", &stats.waiters)
            .field("untaken", &stats.untaken)
            .finish_non_exhaustive()
    }
}

// What a panic leaves half done is not in the condition.
impl UnwindSafe for Condition {}
impl RefUnwindSafe for Condition {}
