//! Death as a fact from the kernel: the calling thread's robust list, and words that show a death.
//!
//! Linux keeps one list of futex words for each thread. When the thread ends for any reason, the
//! kernel walks that list and looks at each word: if its low 30 bits are the thread's id, it puts
//! [`OWNER_DIED`] in their place and, if [`WAITERS`] was set, wakes one sleeper. It does the same
//! for one further word, the *pending* one, which need not be on the list; and if the low 30 bits
//! of that are zero, it wakes one sleeper and changes nothing.
//!
//! The list belongs to libc, which uses it for its robust mutexes. We use it beside libc (see
//! `list.rs` here): a [`Thread`] names the calling thread's context, [`Thread::pend`] sets the
//! pending word for the time of one operation, [`Thread::link`] puts a [`RobustWord`] on the list
//! for as long as it is held.
//!
//! # References
//!
//! - Linux `get_robust_list(2)`, `Documentation/locking/robust-futexes.rst`.

#![expect(unsafe_code, reason = "the kernel keeps the addresses of words that are held")]

mod bell;
#[cfg(not(ipc_loom))]
mod held;
mod lent;
mod life;
#[cfg(not(ipc_loom))]
mod list;
#[cfg(ipc_loom)]
mod model;

#[cfg(not(ipc_loom))]
use list as world;
#[cfg(ipc_loom)]
use model as world;

pub use bell::Bell;
#[cfg(not(ipc_loom))]
pub(crate) use held::is_any_within as is_any_held_within;
pub use lent::Lent;
pub use life::{Alive, Life};
#[cfg(not(ipc_loom))]
pub use list::support;
#[cfg(ipc_loom)]
pub(crate) use model::model_exit;

use core::fmt;
use core::marker::PhantomData;

use crate::primitive::{AtomicU32, AtomicU64};

/// The bit that says: somebody may be asleep on this word.
pub const WAITERS: u32 = 0x8000_0000;
/// The bit that the kernel sets in place of the id of a dead owner.
pub const OWNER_DIED: u32 = 0x4000_0000;
/// The bits that hold the owner's thread id.
pub const OWNER: u32 = 0x3fff_ffff;

/// The most words that a thread may hold at one time.
///
/// The kernel walks 2,048 entries; the rest is left to libc's own.
pub const MAX_HELD: usize = 1536;

/// A word that the kernel marks when its holder dies, with room for the kernel's list.
///
/// ```text
///  0  word       owner's thread id, WAITERS, OWNER_DIED
///  4  notes      three words for the user of the lock
/// 16  (the kernel's list passes through here; written only)
/// 48  wide notes two words for the user of the lock
/// ```
#[cfg_attr(not(ipc_loom), repr(C, align(64)))]
#[derive(Debug, Default)]
pub struct RobustWord {
    /// The word.
    pub word: AtomicU32,
    /// For the user of the lock; only ever touched by it.
    pub notes: [AtomicU32; 3],
    #[cfg(not(ipc_loom))]
    list: list::NodeArea,
    /// For the user of the lock; only ever touched by it.
    pub wide_notes: [AtomicU64; 2],
}

#[cfg(not(ipc_loom))]
const _: () = assert!(size_of::<RobustWord>() == 64);

impl RobustWord {
    /// Makes a free word.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// A thread holds [`MAX_HELD`] words already; or the system cannot tell us of its end, because the
/// program has used up all thread keys of libc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyHeld;

impl fmt::Display for TooManyHeld {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "this thread holds {MAX_HELD} shared locks already")
    }
}

impl core::error::Error for TooManyHeld {}

/// Runs `body` with `word` as the pending one, then lets that be pending which was before.
///
/// It is fit for a signal handler, which may have interrupted an operation with a pending word of
/// its own, and may be the first to ask in its thread: it sets nothing up. `body` must not use
/// other functions of this module.
pub fn with_pending<R>(word: &AtomicU32, body: impl FnOnce() -> R) -> R {
    crate::primitive::step();
    let _restored = world::pend_for_now(word);
    body()
}

/// Whether the calling thread has a word pending, in an operation of ours or of libc's that a signal
/// handler has interrupted.
///
/// Such a handler must not let another word be pending, not even [for now](with_pending): should the
/// thread die meanwhile, nobody would know what it was doing before. It is fit for a signal handler,
/// like `with_pending`.
#[must_use]
pub fn is_any_pending() -> bool {
    world::is_any_pending()
}

/// The calling thread, as the kernel knows it.
///
/// It is a plain name for thread-local state: cheap to get, cheap to copy, and of no use in any
/// other thread.
#[derive(Clone, Copy)]
pub struct Thread {
    context: world::Context,
    not_send: PhantomData<*const ()>,
}

impl Thread {
    /// Names the calling thread; sets up its context at first use and again in a forked child.
    #[inline]
    #[must_use]
    pub fn current() -> Self {
        Self { context: world::current(), not_send: PhantomData }
    }

    /// The thread's id: what its locks hold in their [`OWNER`] bits. Never zero.
    #[inline]
    #[must_use]
    pub fn tid(self) -> u32 {
        self.context.tid()
    }

    /// A number that differs between a process and its forked children.
    #[inline]
    #[must_use]
    pub fn generation(self) -> u64 {
        self.context.generation()
    }

    /// Makes `word` the pending one, until [`pend_clear`](Self::pend_clear) or the next `pend`.
    ///
    /// From here on, no code of others may run in this thread until the word is cleared: libc
    /// clears it in the robust mutexes of its own.
    ///
    /// # Safety
    ///
    /// The word must stay where it is until it is pending no more: if the thread dies before, the
    /// kernel writes there.
    #[inline]
    pub unsafe fn pend(self, word: &AtomicU32) {
        crate::primitive::step();
        self.context.pend(word);
    }

    /// Lets no word be pending.
    #[inline]
    pub fn pend_clear(self) {
        crate::primitive::step();
        self.context.pend_clear();
    }

    /// Makes room for one more [`link`](Self::link), of `word`.
    ///
    /// # Errors
    ///
    /// [`TooManyHeld`] if the thread holds [`MAX_HELD`] words.
    #[inline]
    pub fn reserve(self, word: &RobustWord) -> Result<(), TooManyHeld> {
        self.context.reserve(word)
    }

    /// Puts `word` on the thread's list; [`reserve`](Self::reserve) was called for it before.
    ///
    /// # Safety
    ///
    /// The word lies in a [`Segment`](crate::Segment), which then stays mapped as long as need be,
    /// whatever becomes of its handles; or whoever calls sees to it that the word stays where it is
    /// until it is unlinked or the thread has ended.
    #[inline]
    pub unsafe fn link(self, word: &RobustWord) {
        crate::primitive::step();
        self.context.link(word);
    }

    /// Takes `word` off the thread's list and says whether it was on it: if not, nothing happens.
    #[cfg_attr(
        ipc_loom,
        expect(clippy::must_use_candidate, reason = "it is called for what it does")
    )]
    #[inline]
    pub fn unlink(self, word: &RobustWord) -> bool {
        crate::primitive::step();
        self.context.unlink(word)
    }

    /// Whether `word` is on this thread's list: a forked child's is empty.
    #[inline]
    #[must_use]
    pub fn holds(self, word: &RobustWord) -> bool {
        self.context.holds(word)
    }

    /// Whether any of `words` is on this thread's list.
    ///
    /// It costs next to nothing if the thread holds little, however many words there are.
    #[inline]
    #[must_use]
    pub fn holds_any(self, words: &[RobustWord]) -> bool {
        self.context.holds_any(words)
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Thread").field("tid", &self.tid()).finish_non_exhaustive()
    }
}
