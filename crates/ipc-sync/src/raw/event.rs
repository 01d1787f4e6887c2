//! The event itself: a flag to wait for, a protocol on one borrowed word.
//!
//! # States
//!
//! | word | meaning |
//! |------|---------|
//! | *g* | clear, nobody asleep |
//! | *g*, `WAITING` | clear, somebody may be asleep |
//! | *g*, `SET` | set, nobody asleep |
//! | *g*, `WAITING`, `SET` | set, somebody may be asleep and is about to be called |
//!
//! *g* is the generation: how often the event was cleared.
//!
//! # Moves
//!
//! | move | from | to |
//! |------|------|----|
//! | set | any | the same with `SET`; if `WAITING` was there, then call all |
//! | clear | *g*, `SET` | *g* + 1; if `WAITING` is there, first call all |
//! | announce | *g* | *g*, `WAITING`; then sleep |
//! | told | *g*, `WAITING`, `SET` | *g*, `SET`; after all were called |
//!
//! Setting is one exchange that cannot fail, and clearing one that is tried once: where it finds
//! another value, somebody else has cleared the event at that moment, and for both. So neither ever
//! waits, for a sleeper or for anybody else.
//!
//! Who waits is released when the word is set, or of another generation than the one it came in:
//! a set that is followed by a clear at once releases everybody who waited before it. Who sleeps
//! for 2^30 clears and is called by none of them because it is stopped all the while, and finds the
//! very same generation when it goes on, waits for the next set.
//!
//! # Sleeping and calling
//!
//! Two words take part. The *call* word is always zero: it is there to be slept on, and to be
//! pending. A sleeper sleeps on it and, in this order, on the state with the value *g*, `WAITING`.
//! The kernel compares the second when the sleeper is queued on the first: a set before that is
//! seen, and a set after it finds `WAITING` and calls everybody who is queued on the call word.
//!
//! - I1: Who is asleep in generation *g* finds the state at *g* with `WAITING`, because that mark
//!   goes (by `clear` and `told`) only after a call that was made while the event was set, and
//!   nobody falls asleep while it is set.
//! - I2: While the state has `WAITING` and `SET`, and somebody is asleep, somebody is about to call
//!   all: the one who set the event, or one who waits and was woken. Both have the call word pending
//!   meanwhile, whose owner bits are zero: if one of them dies, the kernel wakes one sleeper. Only a
//!   signal handler cannot have it pending if it has interrupted an operation that has a pending
//!   word of its own: it lets the kernel set the event and call all in one step.
//!
//! The kernel's wake-up at a death is a wake-up of one, and all must hear. So *whoever waits and
//! finds `WAITING` and `SET` calls all*, then takes the mark away. It is exact: by I1 the mark is
//! there as long as anybody sleeps, and by I2 the one who calls is replaced if it dies. What is
//! called in vain looks again and goes back to sleep.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `set` | `is_set`, `wait`, `clear` | all that was written before the event was set |
//!
//! An exchange that follows on a set carries on what the set released, so E1 reaches those who find
//! a later generation. `clear` is on the acquire side for those who clear and then look whether
//! there is something to do: a set that the clear has wiped out came with what it was set for.

#![expect(unsafe_code, reason = "hands the address of a word to the kernel")]

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::{Acquire, Relaxed};
use ipc_core::primitive::{
    AtomicU32, Ordering, Spin, Wait, Woken, futex_n_asleep, futex_or_and_wake_all, futex_wait_any,
    futex_wake,
};
use ipc_core::robust::{Thread, is_any_pending, with_pending};

/// The event is set.
const SET: u32 = 1;
/// Somebody may be asleep.
const WAITING: u32 = 2;
/// One clear.
const GENERATION: u32 = 4;

/// The release end of edge E1.
const RELEASE: Ordering =
    if cfg!(ipc_planted = "event_no_order") { Relaxed } else { Ordering::Release };

/// The words of an event; words of zeros are an event that is clear.
#[cfg_attr(not(ipc_loom), repr(C, align(16)))]
#[derive(Debug, Default)]
pub struct EventWords {
    /// Generation, `WAITING`, `SET`.
    state: AtomicU32,
    /// Always zero: to be slept on, and to be pending.
    call: AtomicU32,
    /// How often looking before sleeping was in vain.
    disappointments: AtomicU32,
}

#[cfg(not(ipc_loom))]
const _: () = assert!(size_of::<EventWords>() == 16);

// SAFETY: it is `repr(C)` and consists of words only.
#[cfg(not(ipc_loom))]
unsafe impl ipc_core::Shared for EventWords {}

/// A flag that threads of any number of processes set, clear, and wait for.
///
/// # Process death
///
/// The commit point of [`set`](Self::set) is the exchange that sets the flag. Who dies behind it
/// leaves an event that is set, and the kernel wakes one sleeper in its place, who calls the others.
/// The death of one who waits concerns nobody.
#[derive(Clone, Copy, Debug)]
pub struct RawEvent<'words> {
    words: &'words EventWords,
}

impl<'words> RawEvent<'words> {
    /// Makes an event of its words.
    #[inline]
    #[must_use]
    pub const fn new(words: &'words EventWords) -> Self {
        Self { words }
    }

    /// Sets the event and wakes all who wait.
    ///
    /// It is fit for a signal handler, whatever that has interrupted. These are the things it does:
    /// it reads thread-local memory that needs no set-up and has no destructor; it asks the kernel
    /// for the thread's robust list if the thread has not been here before (`get_robust_list`, a
    /// system call); it writes a field of that list, and takes it back, unless the handler has
    /// interrupted an operation that uses the field, which it then leaves alone; it exchanges a word;
    /// and if somebody sleeps, it wakes them (`futex`, a system call). No lock, no memory
    /// management, no `errno`.
    pub fn set(self) {
        if is_any_pending() && !cfg!(ipc_planted = "event_takes_pending") {
            self.set_in_one_step();
            return;
        }
        pending(&self.words.call, || {
            // E1 release.
            let found = self.words.state.fetch_or(SET, RELEASE);
            if found & WAITING != 0 {
                self.tell(found | SET);
            }
        });
    }

    /// Clears the event; says whether it was set.
    ///
    /// Who waited before it, and was released by a set, stays released.
    #[expect(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn clear(self) -> bool {
        // E1 acquire.
        let found = self.words.state.load(Acquire);
        if found & SET == 0 {
            return false;
        }
        let cleared = (found & !(SET | WAITING)).wrapping_add(GENERATION);
        // Where the exchange fails, somebody else has cleared the event meanwhile, or has told those
        // who slept: then the mark alone is gone. Nobody announces itself while the event is set.
        if found & WAITING == 0 {
            // E1 acquire.
            self.words.state.compare_exchange(found, cleared, Acquire, Acquire).ok();
        } else {
            // Who dies behind the call has left nothing undone; who dies before leaves it to those
            // who are at it (I2).
            if !cfg!(ipc_planted = "event_clear_untold") {
                self.call_all();
            }
            let told = found & !WAITING;
            // E1 acquire.
            if self.words.state.compare_exchange(found, cleared, Acquire, Acquire) == Err(told) {
                // E1 acquire.
                self.words.state.compare_exchange(told, cleared, Acquire, Acquire).ok();
            }
        }
        true
    }

    /// Whether the event is set.
    #[inline]
    #[must_use]
    pub fn is_set(self) -> bool {
        // E1 acquire.
        self.words.state.load(Acquire) & SET != 0
    }

    /// Whether somebody may be asleep, waiting for the event.
    #[must_use]
    pub fn has_waiters(self) -> bool {
        self.words.state.load(Relaxed) & WAITING != 0
    }

    /// How many sleep now until the event is set.
    #[must_use]
    pub fn n_asleep(self) -> u32 {
        futex_n_asleep(&self.words.call)
    }

    /// Waits until the event is set, or was, or until `deadline`; says whether it was set.
    #[inline]
    #[must_use]
    pub fn wait(self, me: Thread, deadline: Deadline) -> bool {
        // E1 acquire.
        let entered = self.words.state.load(Acquire);
        entered & SET != 0 || self.wait_for(me, entered, deadline)
    }

    #[cold]
    fn wait_for(self, me: Thread, entered: u32, deadline: Deadline) -> bool {
        let mut spin = Spin::new(&self.words.disappointments);
        let mut slept = false;
        if !cfg!(ipc_planted = "event_no_pend") {
            // SAFETY: cleared before we return, and borrowed until then.
            unsafe { me.pend(&self.words.call) };
        }
        let released = loop {
            // E1 acquire.
            let seen = self.words.state.load(Acquire);
            let was_set = (seen ^ entered) >= GENERATION && !cfg!(ipc_planted = "event_forgets");
            if seen & SET != 0 || was_set {
                if seen & SET != 0 && seen & WAITING != 0 && !cfg!(ipc_planted = "event_no_chain") {
                    self.tell(seen);
                }
                break true;
            }
            if spin.again(&self.words.disappointments) {
                continue;
            }
            if deadline.is_past() {
                break false;
            }
            if seen & WAITING == 0 && !self.announce(seen) {
                continue;
            }
            let state = Wait::on(&self.words.state, seen | WAITING);
            let woken = futex_wait_any(&[Wait::on(&self.words.call, 0), state], deadline);
            slept |= woken != Woken::Changed;
        };
        me.pend_clear();
        spin.learn(&self.words.disappointments, slept);
        released
    }

    /// Says in the state, which was seen clear, that somebody is about to sleep.
    fn announce(self, seen: u32) -> bool {
        self.words.state.compare_exchange(seen, seen | WAITING, Relaxed, Relaxed).is_ok()
    }

    /// Sets the event in a handler that has interrupted an operation with a pending word of its own:
    /// that must stay pending, so ours cannot be. The kernel does both in one step.
    #[cold]
    fn set_in_one_step(self) {
        const BIT: u16 = 1;
        const { assert!(BIT as u32 == SET) };
        futex_or_and_wake_all(&self.words.state, BIT, &self.words.call);
        // All were called: the mark may go. E1 acquire.
        let found = self.words.state.load(Acquire);
        if found & SET != 0 && found & WAITING != 0 {
            self.tell(found);
        }
    }

    /// Calls all who sleep, then takes the mark away; the state was seen set.
    #[cold]
    fn tell(self, seen: u32) {
        self.call_all();
        // If it fails, somebody else has done so, or the event was cleared, which does it, too.
        self.words.state.compare_exchange(seen | WAITING, seen & !WAITING, Relaxed, Relaxed).ok();
    }

    fn call_all(self) {
        futex_wake(&self.words.call, u32::MAX);
    }
}

/// Runs `body` with `word` as the pending one; fit for a signal handler.
fn pending(word: &AtomicU32, body: impl FnOnce()) {
    if cfg!(ipc_planted = "event_no_pend") {
        body();
    } else {
        with_pending(word, body);
    }
}
