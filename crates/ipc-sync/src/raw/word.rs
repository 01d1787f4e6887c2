//! The lock's one word: its states, its moves, its orderings.
//!
//! # States
//!
//! | word | meaning |
//! |------|---------|
//! | `0` | free, nobody asleep |
//! | `WAITERS` | free, somebody may be asleep, and a wake-up is on its way to one of them |
//! | thread id | held by that thread, nobody asleep |
//! | thread id \| `WAITERS` | held by that thread, somebody may be asleep |
//! | `OWNER_DIED` (\| `WAITERS`) | free; the last holder died holding it (set by the kernel) |
//!
//! # Moves
//!
//! | move | from | to |
//! |------|------|----|
//! | take | free | my id, with the `WAITERS` that was found; if I have slept, with `WAITERS` in any case |
//! | announce | held | the same with `WAITERS`; then sleep |
//! | release | my id | `0` |
//! | release | my id \| `WAITERS` | `WAITERS`; then wake one; if nobody was asleep, clear |
//! | clear | `WAITERS` | `0`; then wake all |
//! | death | the dead one's id | `OWNER_DIED` with the `WAITERS` that was found; then wake one |
//!
//! The textbook's release stores zero and then wakes one. If somebody takes the word in between,
//! and the releaser or the one it woke dies there, nobody is left who knows of the other sleepers.
//! So the mark is handed on with the word, from holder to holder, until a holder has seen that
//! nobody is asleep. In between somebody may have gone to sleep and the word may have come back to
//! what it was; that is why clearing it wakes all who sleep by then.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `release`, `hand_on`, and the kernel at a death | `lock`, `lock_for`, `take`, `is_free`, `is_dead`, `is_untouched` | every write made under the lock |
//!
//! Every other access is `Relaxed`: it is about this word alone.
//!
//! # Invariants
//!
//! - I1: at most one live thread finds its id in the word. It got there by that thread's own
//!   exchange, and only that thread takes it away.
//! - I2: if somebody is asleep and the word is free, the word has `WAITERS`, or all sleepers are
//!   about to be woken; and somebody who lives, or whose death the kernel has yet to deal with, is
//!   between being woken (or waking) and having taken the word or found it held.
//! - I3: whoever has slept takes the word with `WAITERS`.
//! - I4: a death is told to exactly the next who takes the word; and again to the one after, if
//!   that one dies before it gives the word back.
//!
//! A thread has the word *pending* in the kernel from before its first exchange until it is on the
//! thread's list or given up (all the time, if it takes the word [for one step](RawLock::lock_for)), and from before it is taken off that list until all wake-ups are
//! done. So the kernel finishes whatever the thread leaves undone: a death with the id in the word
//! is marked there, a death after the release or after being woken wakes the next.
//!
//! # Safety
//!
//! Nothing here is done through a pointer. What is unsafe is to let the kernel know the address of a
//! word that may go away: [`RawLock::lock`] and [`RawLock::try_lock`] leave that to their callers.

#![expect(unsafe_code, reason = "taking the word hands its address to the kernel")]

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::{
    AtomicU32, Spin, Woken, count_turn, futex_n_asleep, futex_wait, futex_wake,
};
use ipc_core::robust::{OWNER, OWNER_DIED, RobustWord, Thread, TooManyHeld, WAITERS};

use super::planted::{ACQUIRE, INHERITED, KEPT, RELEASE, RELEASED, WOKEN_AFTER_CLEAR, pend};

/// A lock on nothing: one word, held by one thread at a time.
///
/// It may be used by any number of processes that have the word mapped. A word of zeros is free.
///
/// # Process death
///
/// If the holder dies, the next to take the word is told ([`Taken::OwnerDied`]). Whoever dies while
/// waiting, or while giving the word back, is not missed: the kernel wakes the next in its place.
/// The commit point of taking is the exchange that writes the thread's id, that of giving back the
/// store that removes it.
#[derive(Clone, Copy, Debug)]
pub struct RawLock<'word> {
    line: &'word RobustWord,
}

/// So many times in a row somebody may be faster, before we look at the clock, or give up trying.
pub(super) const TRIES: u64 = 256;

/// The word is held by the calling thread now.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Nobody died holding it.
    Clean,
    /// The last holder died holding it: what it protects may be half changed.
    OwnerDied,
}

/// Why the word was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Somebody else holds it, and the caller did not want to wait, or not any longer.
    Held,
    /// The calling thread itself holds it, and would wait for itself.
    WouldDeadlock,
    /// The calling thread holds as many words as a thread can.
    TooManyHeld,
    /// The word names the calling thread, which does not hold it: somebody scribbled over it.
    Corrupt,
    /// The calling thread has taken it so often that it cannot be counted any more.
    TooDeep,
}

impl From<TooManyHeld> for Refused {
    fn from(_: TooManyHeld) -> Self {
        Self::TooManyHeld
    }
}

/// Who holds a word, at the moment of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// The thread with this id.
    Thread(u32),
    /// Nobody; the last holder died, and nobody has taken the word since.
    Died,
}

impl<'word> RawLock<'word> {
    /// Makes a lock of a word.
    #[inline]
    #[must_use]
    pub const fn new(line: &'word RobustWord) -> Self {
        Self { line }
    }

    /// Takes the word, waiting for it until `deadline`.
    ///
    /// The word is looked at once more after the deadline has come, so that a past deadline means:
    /// take it if it is free.
    ///
    /// # Errors
    ///
    /// [`Refused`] says why it was not taken.
    ///
    /// # Safety
    ///
    /// The word must stay where it is, mapped and not used for anything else, until the calling
    /// thread has given it back or has ended: the kernel keeps its address.
    #[inline]
    pub unsafe fn lock(self, me: Thread, deadline: Deadline) -> Result<Taken, Refused> {
        me.reserve(self.line)?;
        // SAFETY: cleared before we return.
        unsafe { pend(me, self.word()) };
        // E1 acquire.
        match self.word().compare_exchange(0, me.tid(), ACQUIRE, Relaxed) {
            Ok(_) => {
                // SAFETY: the caller vouches for the word.
                unsafe { me.link(self.line) };
                me.pend_clear();
                count_turn(&self.line.notes[1]);
                Ok(Taken::Clean)
            }
            // SAFETY: the caller vouches for the word.
            Err(_) => unsafe { self.lock_contended(me, deadline) },
        }
    }

    /// Takes the word for one step: if it is free, makes the step and gives the word back, for which the
    /// kernel need not have it on the thread's list. `None` if that is done; else the word is taken, as by
    /// [`lock`](Self::lock): it was not free at once, or `step` says that it has not made the step.
    ///
    /// The commit point is that of `step`.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    ///
    /// # Safety
    ///
    /// As for [`lock`](Self::lock); and `step` takes and gives back nothing that is like this: the word is
    /// pending all the time.
    #[inline]
    pub unsafe fn lock_for(
        self,
        me: Thread,
        deadline: Deadline,
        step: impl FnOnce() -> bool,
    ) -> Result<Option<Taken>, Refused> {
        me.reserve(self.line)?;
        // SAFETY: cleared before we return.
        unsafe { pend(me, self.word()) };
        // E1 acquire.
        if self.word().compare_exchange(0, me.tid(), ACQUIRE, Relaxed).is_err() {
            // SAFETY: the caller vouches for the word.
            return unsafe { self.lock_contended(me, deadline) }.map(Some);
        }
        let is_done = step();
        if is_done {
            self.release(me);
        } else {
            // SAFETY: the caller vouches for the word.
            unsafe { me.link(self.line) };
        }
        me.pend_clear();
        count_turn(&self.line.notes[1]);
        Ok(if is_done { None } else { Some(Taken::Clean) })
    }

    /// Takes the word if it is free.
    ///
    /// # Errors
    ///
    /// [`Refused::Held`] if it is not, whoever holds it, and as [`lock`](Self::lock).
    ///
    /// # Safety
    ///
    /// As for [`lock`](Self::lock).
    #[inline]
    pub unsafe fn try_lock(self, me: Thread) -> Result<Taken, Refused> {
        me.reserve(self.line)?;
        // SAFETY: cleared before we return.
        unsafe { pend(me, self.word()) };
        // E1 acquire.
        match self.word().compare_exchange(0, me.tid(), ACQUIRE, Relaxed) {
            Ok(_) => {
                // SAFETY: the caller vouches for the word.
                unsafe { me.link(self.line) };
                me.pend_clear();
                Ok(Taken::Clean)
            }
            // SAFETY: the caller vouches for the word.
            Err(_) => unsafe { self.try_lock_contended(me) },
        }
    }

    /// Gives the word back; nothing happens if the calling thread does not hold it.
    ///
    /// A forked child holds nothing that its parent holds.
    #[inline]
    pub fn unlock(self, me: Thread) {
        // SAFETY: cleared before we return.
        unsafe { pend(me, self.word()) };
        if me.unlink(self.line) {
            self.release(me);
        }
        me.pend_clear();
    }

    /// Gives back a word that the thread has, and pending.
    #[inline]
    fn release(self, me: Thread) {
        // E1 release.
        match self.word().compare_exchange(me.tid(), 0, RELEASE, Relaxed) {
            Ok(_) => {}
            Err(_) => self.hand_on(),
        }
    }

    /// Who holds the word now.
    #[must_use]
    pub fn holder(self) -> Holder {
        let seen = self.word().load(Relaxed);
        match seen & OWNER {
            0 if seen & OWNER_DIED != 0 => Holder::Died,
            0 => Holder::Nobody,
            tid => Holder::Thread(tid),
        }
    }

    /// Whether the word is as if nobody had ever had it, at the moment of asking; it says nothing of what
    /// its last holder did.
    #[inline]
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.word().load(Relaxed) == 0
    }

    /// Whether nobody holds the word; then all that its last holder did is to be seen.
    #[inline]
    pub(super) fn is_free(self) -> bool {
        // E1 acquire.
        self.word().load(ACQUIRE) & OWNER == 0
    }

    /// Whether the last holder died, and nobody has taken the word since; then all that it did is
    /// to be seen.
    #[inline]
    pub(super) fn is_dead(self) -> bool {
        // E1 acquire.
        self.word().load(ACQUIRE) & (OWNER | OWNER_DIED) == OWNER_DIED
    }

    /// Whether the word is free, nobody sleeps on it and nobody died with it; then all that its
    /// last holder did is to be seen.
    #[inline]
    pub(super) fn is_untouched(self) -> bool {
        // E1 acquire.
        self.word().load(ACQUIRE) == 0
    }

    /// Whether somebody may be asleep on the word.
    #[must_use]
    pub fn has_waiters(self) -> bool {
        self.word().load(Relaxed) & WAITERS != 0
    }

    /// How many sleep on the word now; who still looks before it sleeps is not counted.
    #[must_use]
    pub fn n_asleep(self) -> u32 {
        futex_n_asleep(self.word())
    }

    /// # Safety
    ///
    /// As for [`lock`](Self::lock).
    #[cold]
    unsafe fn lock_contended(self, me: Thread, deadline: Deadline) -> Result<Taken, Refused> {
        let outcome = self.wait(me, deadline);
        // SAFETY: the caller vouches for the word.
        unsafe { self.settle(me, outcome) }
    }

    /// # Safety
    ///
    /// As for [`lock`](Self::lock).
    #[cold]
    unsafe fn try_lock_contended(self, me: Thread) -> Result<Taken, Refused> {
        let mut outcome = Err(Refused::Held);
        // Each further try means that somebody else took the word, or that it is scribbled over.
        for _ in 0..TRIES {
            let seen = self.word().load(Relaxed);
            if seen & OWNER != 0 {
                break;
            }
            if let Some(taken) = self.take(me, seen, 0) {
                outcome = Ok(taken);
                break;
            }
        }
        // SAFETY: the caller vouches for the word.
        unsafe { self.settle(me, outcome) }
    }

    /// Ends an attempt, whose word is pending until now.
    ///
    /// # Safety
    ///
    /// As for [`lock`](Self::lock).
    unsafe fn settle(self, me: Thread, outcome: Result<Taken, Refused>) -> Result<Taken, Refused> {
        if outcome.is_ok() {
            // SAFETY: the caller vouches for the word.
            unsafe { me.link(self.line) };
            count_turn(&self.line.notes[1]);
        }
        me.pend_clear();
        outcome
    }

    /// Looks, sleeps, and looks again, until the word is taken or will not be.
    ///
    /// Whoever was woken does not leave without having found the word held, and having seen to it
    /// that its holder wakes the next (I2).
    fn wait(self, me: Thread, deadline: Deadline) -> Result<Taken, Refused> {
        let mut spin = Spin::new(&self.line.notes[1]);
        let mut slept = 0;
        for round in 1_u64.. {
            // Where honest peers are, a round ends in a nap; nobody else shall hold us here.
            if round.is_multiple_of(TRIES) && deadline.is_past() {
                if slept != 0 {
                    // We may have been woken in place of another, and have not looked since.
                    futex_wake(self.word(), 1);
                }
                break;
            }
            let seen = self.word().load(Relaxed);
            if seen & OWNER == 0 {
                match self.take(me, seen, slept) {
                    Some(taken) => {
                        spin.learn(&self.line.notes[1], slept != 0);
                        return Ok(taken);
                    }
                    None => continue,
                }
            }
            if seen & OWNER == me.tid() {
                let held = me.holds(self.line);
                return Err(if held { Refused::WouldDeadlock } else { Refused::Corrupt });
            }
            if spin.again(&self.line.notes[1]) {
                continue;
            }
            if deadline.is_past() {
                // Who was woken leaves the mark with the holder it found. Who has not slept leaves
                // no trace.
                if slept == 0 || self.announce(seen) {
                    break;
                }
                continue;
            }
            if !self.announce(seen) {
                continue;
            }
            match futex_wait(self.word(), seen | WAITERS, deadline) {
                Woken::Changed => {} // Then we did not sleep.
                Woken::By(_) | Woken::TimedOut => {
                    slept = KEPT;
                    spin.restart();
                }
            }
        }
        Err(Refused::Held)
    }

    /// Tries to take the word, which was seen free.
    pub(super) fn take(self, me: Thread, seen: u32, slept: u32) -> Option<Taken> {
        let mine = me.tid() | (seen & INHERITED) | slept;
        // E1 acquire.
        let taken = self.word().compare_exchange(seen, mine, ACQUIRE, Relaxed).is_ok();
        taken.then_some(if seen & OWNER_DIED == 0 { Taken::Clean } else { Taken::OwnerDied })
    }

    /// Says in the word, which was seen held, that somebody is about to sleep on it.
    pub(super) fn announce(self, seen: u32) -> bool {
        seen & WAITERS != 0
            || self.word().compare_exchange(seen, seen | WAITERS, Relaxed, Relaxed).is_ok()
    }

    /// Gives back a word that somebody may be asleep on.
    #[cold]
    fn hand_on(self) {
        // E1 release. A plain store: while we hold the word, others only add the mark.
        self.word().store(RELEASED, RELEASE);
        if futex_wake(self.word(), 1) > 0 {
            return; // It takes over the mark, or whoever took the word before it has.
        }
        if self.word().compare_exchange(WAITERS, 0, Relaxed, Relaxed).is_ok() {
            futex_wake(self.word(), WOKEN_AFTER_CLEAR);
        }
    }

    /// The line that the word lies on.
    #[inline]
    pub(super) const fn line(self) -> &'word RobustWord {
        self.line
    }

    #[inline]
    pub(super) const fn word(self) -> &'word AtomicU32 {
        &self.line.word
    }
}
