//! Bells: words through which sleepers are woken, apart from the words that they wait for.
//!
//! # States
//!
//! | word | meaning |
//! |------|---------|
//! | `0` | nobody sleeps, or a wake-up of all who do is on its way |
//! | `WAITING` | somebody may sleep: whoever brings news rings |
//!
//! `WAITING` is taken away only by a verified step: a wake-up that found nobody (or was for all),
//! the exchange to zero, then a wake-up of all who came in between.
//!
//! # The two-word wait
//!
//! A sleeper [announces](Bell::announce) itself, looks at the words that it waits for, and sleeps
//! on the bell *and*, in this order, on those words with the values it saw
//! ([`futex_wait_any`](crate::primitive::futex_wait_any)). Whoever changes one of the words does it
//! by an exchange, a full fence, and then rings if the bell says that somebody waits. So the
//! sleeper sees the change, or the kernel does when it compares, or the bell rings. Where news is much
//! more frequent than sleep, the change can be a mere store, and the fence a
//! [light](crate::primitive::fence_light) one: then all sleepers announce themselves heavily.
//!
//! The owner bits of a bell are always zero. A thread that makes it the *pending* word from before
//! its change until it has rung leaves no sleeper behind when it dies in between: the kernel wakes
//! one. A sleeper has it pending too, from before it announces itself until it has looked again or
//! passed the wake-up on, so that a wake-up which is handed to a thread that dies goes to the next.
//! A kernel's wake is a wake of one: where all must hear, who is woken rings for all in turn.
//!
//! Who takes the mark away and dies before it has woken those who came in between leaves them asleep
//! on a bell that says nobody sleeps. The kernel wakes one of them: so where several may sleep with
//! the bell pending, *who is woken through a bell without the mark calls all* ([`Bell::answer`]), to
//! announce themselves anew. (The ring's sleepers have its alarm pending instead, and call all when
//! that wakes them.)
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `announce`, `announce_heavily`, by the fence behind the mark | `is_waiting_after_exchange`, or `is_waiting` behind a fence of the caller's; to those who announce themselves heavily also `is_waiting_heavily` | the mark, or else the sleeper sees the change |
//!
//! The word carries nothing else: what a sleeper looks at has edges of its own.

use crate::primitive::Ordering::Relaxed;
use crate::primitive::{
    AtomicU32, Wait, fence_after_exchange, fence_heavy, fence_light, futex_wake,
};

/// Somebody may be asleep. Not one of the owner bits, which must be zero for the kernel.
const WAITING: u32 = 1 << 31;

/// A word to sleep on until somebody rings; a word of zeros is one that nobody sleeps on.
#[cfg_attr(not(ipc_loom), repr(transparent))]
#[derive(Debug, Default)]
pub struct Bell(AtomicU32);

impl Bell {
    /// Whether somebody may be asleep.
    ///
    /// A full fence stands between the caller's change and this.
    #[inline]
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.0.load(Relaxed) & WAITING != 0
    }

    /// Whether somebody may be asleep who has [announced itself heavily](Self::announce_heavily).
    #[inline]
    #[must_use]
    pub fn is_waiting_heavily(&self) -> bool {
        // E1 acquire.
        fence_light();
        self.is_waiting()
    }

    /// Whether somebody may be asleep, where the caller's change was an exchange, the access just
    /// before this.
    #[inline]
    #[must_use]
    pub fn is_waiting_after_exchange(&self) -> bool {
        // E1 acquire.
        fence_after_exchange();
        self.is_waiting()
    }

    /// Announces a sleeper to those who look at the bell behind a [light](fence_light) fence; a heavy
    /// one stands behind it. False if the system refuses it: then a call may be missed.
    #[must_use]
    pub fn announce_heavily(&self) -> bool {
        // E1 release.
        self.0.store(WAITING, Relaxed);
        fence_heavy()
    }

    /// Announces a sleeper; a full fence stands behind it.
    pub fn announce(&self) {
        // E1 release. An exchange and not an addition, so that bits which nobody of ours writes do
        // not stay.
        self.0.swap_and_fence(WAITING);
    }

    /// Takes the mark away: for who is the only one that ever sleeps here, and is awake.
    ///
    /// Whoever rings then need not ask the kernel for a sleeper. The next who may sleep here comes to
    /// know that this one has left by an edge of its own.
    pub fn withdraw(&self) {
        self.0.store(0, Relaxed);
    }

    /// Wakes one sleeper. If there is none, takes the mark away and wakes all who came meanwhile.
    #[cold]
    pub fn wake_one(&self) {
        if futex_wake(&self.0, 1) == 0 {
            self.clear();
        }
    }

    /// Wakes all sleepers, takes the mark away, and wakes all who came meanwhile.
    #[cold]
    pub fn wake_all(&self) {
        self.call_all();
        self.clear();
    }

    /// Wakes all sleepers, and leaves the mark as it is.
    #[cold]
    pub fn call_all(&self) {
        futex_wake(&self.0, u32::MAX);
    }

    /// To be called by who was woken through the bell, with the bell still pending: if the mark is
    /// gone, calls all others who sleep, since whoever took it away may have died before it did.
    pub fn answer(&self) {
        if !self.is_waiting() && !cfg!(ipc_planted = "bell_no_answer") {
            self.call_all();
        }
    }

    /// What a sleeper that has announced itself sleeps on.
    #[must_use]
    pub fn wait(&self) -> Wait<'_> {
        Wait::on(&self.0, WAITING)
    }

    /// The word itself, to make it pending.
    #[inline]
    #[must_use]
    pub fn word(&self) -> &AtomicU32 {
        &self.0
    }

    fn clear(&self) {
        if self.0.compare_exchange(WAITING, 0, Relaxed, Relaxed).is_ok() {
            self.call_all();
        }
    }
}
