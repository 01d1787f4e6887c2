//! The words through which sleepers are woken.
//!
//! Each side of the ring sleeps on a bell of its own (getters until there are items, putters
//! until there is space), and both on the *alarm*, through which the kernel tells of deaths.
//!
//! # States of the alarm
//!
//! | word | meaning |
//! |------|---------|
//! | `0` | the ring is open |
//! | `CLOSED` | the ring is closed, for ever |
//! | `LEFT` | some getters have left: a putter looks whether there are any, even if there is room |
//!
//! The two can be set together. Its owner bits are always zero. Every operation makes it the thread's
//! pending word from before its first step until after its last, and so does a sleeper. If a thread
//! dies in between, the kernel finds a word with no owner and wakes one of those who sleep on it: that one calls the
//! others, on all bells ([`Bells::call_all`]), and everybody looks again. The one who calls has
//! the alarm pending too, so that a death before the call is over is answered like the first.
//!
//! The words carry nothing but themselves: what a sleeper looks at has edges of its own. That a
//! sleeper and whoever brings news cannot miss one another rests on two fences: the sleeper's heavy one
//! between setting `WAITING` and looking at the slot, the other's light one between changing the slot and
//! looking at the bell. See `README.md` beside this file.

use ipc_core::primitive::AtomicU32;
use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::robust::Bell;

use super::planted;

/// The ring is closed. Not one of the owner bits: those must be zero for the kernel.
const CLOSED: u32 = 1 << 31;

/// Some getters have left. A hint: who is there is for the kernel to say.
const LEFT: u32 = 1 << 30;

/// The word through which deaths are told, and which says whether the ring is closed.
#[cfg_attr(not(ipc_loom), repr(transparent))]
#[derive(Debug, Default)]
pub(crate) struct Alarm(AtomicU32);

impl Alarm {
    /// Whether the ring is closed.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.value() & CLOSED != 0
    }

    /// Whether putters are to look if there are getters.
    #[inline]
    pub(crate) fn says_left(&self) -> bool {
        self.value() & LEFT != 0
    }

    /// Asks all putters to look if there are getters.
    pub(crate) fn say_left(&self) {
        // E6 release.
        self.0.fetch_or(LEFT, Release);
    }

    /// Asks putters for no more looks. Whoever takes the hint away looks afterwards, not before.
    pub(crate) fn unsay_left(&self) {
        // E6 acquire. If it fails, the ring is closed, or another has taken it away.
        self.0.compare_exchange(LEFT, 0, Acquire, Relaxed).ok();
    }

    /// What the word holds, to sleep on.
    #[inline]
    pub(crate) fn value(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// The word itself, to sleep on and to make pending.
    #[inline]
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.0
    }
}

/// How often somebody has left its side of the ring, by dropping its last handle.
///
/// Who sleeps until others have left compares it: it changes with each that does.
#[cfg_attr(not(ipc_loom), repr(transparent))]
#[derive(Debug, Default)]
pub(crate) struct Departures(AtomicU32);

impl Departures {
    /// How many there were, to sleep on: it is looked at before the presences are.
    pub(crate) fn value(&self) -> u32 {
        // E5 acquire.
        self.0.load(Acquire)
    }

    /// The word itself, to sleep on.
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.0
    }
}

/// The bells and the alarm.
#[cfg_attr(not(ipc_loom), repr(C))]
#[derive(Debug, Default)]
pub(crate) struct Bells {
    /// Getters sleep here until there are items.
    pub(crate) items: Bell,
    /// Putters sleep here until there is space.
    pub(crate) space: Bell,
    /// All sleep here until somebody dies or the ring is closed.
    pub(crate) alarm: Alarm,
    /// Who watches the other side sleeps until this changes.
    pub(crate) departures: Departures,
    /// Putters sleep here until there is memory for a large message.
    pub(crate) memory: Bell,
    /// Who waits until all is finished sleeps here, and on what it waits for.
    pub(crate) joins: Bell,
}

impl Bells {
    /// Wakes everybody, to look again.
    #[cold]
    pub(crate) fn call_all(&self) {
        self.items.call_all();
        self.space.call_all();
        self.memory.call_all();
        if !cfg!(ipc_planted = "lease_no_join_call") {
            self.joins.call_all();
        }
    }

    /// Tells everybody that one has left, which is counted no longer.
    #[cold]
    pub(crate) fn tell_left(&self, is_getter: bool) {
        if is_getter {
            self.alarm.say_left();
        }
        if planted::LEAVE_COUNTS {
            // E5 release.
            self.departures.0.fetch_add(1, Release);
        }
        if planted::LEAVE_CALLS {
            // Whether the bells say that somebody sleeps or not: it happens seldom.
            self.call_all();
        }
    }

    /// Closes the ring, then tells everybody.
    pub(crate) fn close(&self) {
        // The calls that follow are full barriers.
        self.alarm.0.fetch_or(CLOSED, Relaxed);
        self.call_all();
    }
}
