//! The condition itself: to give a lock back, sleep until somebody notifies, and take it again.
//!
//! | file | job |
//! |------|-----|
//! | `state` | the word that says who has been notified: its states and its moves |
//! | `outer` | the lock that is given back meanwhile |
//! | `turnstile` | the queue of those who wait: a lock that one takes in order to wait |
//!
//! # Words
//!
//! | word | what for |
//! |------|----------|
//! | `state` | who has been notified; every operation is one exchange of it |
//! | `turn` | a lock's word: who holds it, and nobody else, sleeps until the state changes |
//! | `bell` | what the one who holds the turn sleeps on, together with the state |
//! | `swept` | written by who holds the turn: up to which group all who queue were told of their release |
//! | `disappointments` | written by who holds the turn: how often looking before sleeping was in vain |
//!
//! # How one waits
//!
//! 1. Holding the outer lock: come into the open group (an exchange of the state, if it is empty).
//! 2. Give the outer lock back.
//! 3. Queue for the turn, unless called before ([`turnstile`]).
//! 4. With the turn: ring the bell's mark up, look at the state, and if it does not call, sleep on
//!    the bell and, in this order, on both halves of the state as it was seen. Then take the mark
//!    away, so that a notification of nobody who sleeps takes no system call.
//! 5. Take the outer lock again. If others queue, still holding the turn: else each of them would
//!    find the same permit, and all would come for the lock.
//! 6. Take the permit, if it needs one: the exchange by which it leaves. If another was faster,
//!    back to 2.
//! 7. Give the turn back, if it was kept, which wakes the next in the queue.
//!
//! A notification is one exchange of the state; then the bell rings for the one who sleeps on it.
//! Whoever is called without having the turn, and one whose time is up, goes from 3 to 5.
//!
//! # Deaths
//!
//! | dies | what the others find |
//! |------|----------------------|
//! | waiting, at any point before 6 | nothing: nobody counts who waits. The turn comes free by the kernel's hand, and goes to the next, who looks at the state itself |
//! | from 6 until it gives the outer lock back | the outer lock tells of the death; the notification is gone with the dead |
//! | notifying, before the exchange | nothing: it has not notified |
//! | notifying, after the exchange | the notification; the bell was the pending word, so the kernel wakes who sleeps on it |
//!
//! # Invariants
//!
//! - C1: whoever sleeps on the bell holds the turn; so there is one at most, and a ring is a wake-up
//!   of one. It came into its group before it slept, so every notification after that calls it.
//! - C2: whoever is about to sleep on the bell, and sees a state that may call others, has woken all
//!   who sleep on the turn's word since then. They look at the state; those who are called go past.
//!   (The turn goes to whoever is awake, so one who came late may have it before one who is called.)
//!   States that may call others: with permits, or whose first group that is not released is
//!   another than the one noted in `swept`.
//! - C3: who sleeps on the turn's word sleeps on the state too, as it was when it did not call. So
//!   nobody falls asleep there who was called before a sweep.
//! - C4: permits are taken holding the outer lock only. So a notification is lost only with a dead
//!   one whose death that lock tells.
//! - C5: locks are taken in the order turn, outer lock. Nobody waits for the turn while it holds the
//!   outer lock of this condition, so nobody waits in a circle.
//! - C6: whoever gives the turn back, or dies holding it, is followed by one who looks at the state
//!   itself, so nobody relies on one that was called to do what it was called for.
//!
//! All accesses are `Relaxed`: what a notifier has changed is carried by the outer lock, under which
//! it changed it. That a sleeper and a notifier cannot miss one another rests on the fences of the
//! [`Bell`].
//!
//! # Safety
//!
//! Nothing here is done through a pointer. That the words stay where they are while their addresses
//! are the kernel's is left to the callers, as [`RawLock`] leaves it.

#![expect(unsafe_code, reason = "taking a word hands its address to the kernel")]

mod outer;
mod state;
mod turnstile;

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::{
    AtomicU32, AtomicU64, Spin, Wait, futex_n_asleep, futex_wait_any, futex_wake,
};
use ipc_core::robust::{Bell, RobustWord, Thread};

pub use self::outer::Outer;
use self::state::{Call, State};
use self::turnstile::Turn;
use super::planted::condition as planted;
use super::{Holder, RawLock, Taken};

/// The words of a condition; words of zeros are one that nobody waits for.
#[cfg_attr(not(ipc_loom), repr(C))]
#[derive(Debug, Default)]
pub struct ConditionWords {
    turn: RobustWord,
    state: AtomicU64,
    bell: Bell,
    swept: AtomicU32,
    disappointments: AtomicU32,
}

#[cfg(not(ipc_loom))]
const _: () = assert!(size_of::<ConditionWords>() == 128);

// SAFETY: it is `repr(C)` and consists of words, and of a `RobustWord`, which is `Shared` itself.
#[cfg(not(ipc_loom))]
unsafe impl ipc_core::Shared for ConditionWords {}

/// Something to wait for while a lock is given back.
///
/// It may be used by any number of processes that have the words mapped.
///
/// # Process death
///
/// The module's docs have a table. In short: nobody waits for the dead, and a notification is lost
/// only with one who dies holding the outer lock.
#[derive(Clone, Copy, Debug)]
pub struct RawCondition<'words> {
    words: &'words ConditionWords,
}

/// Why a wait ended.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// Somebody notified, or, rarely, nobody did.
    Notified,
    /// The deadline has come.
    TimedOut,
}

impl WaitEnd {
    /// Whether the deadline has come.
    #[must_use]
    pub const fn is_timed_out(self) -> bool {
        matches!(self, Self::TimedOut)
    }
}

/// Why there was no wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotWaited {
    /// The calling thread does not hold the lock.
    NotHeld,
    /// The calling thread holds as many words as a thread can. It still holds the lock.
    TooManyHeld,
    /// Somebody scribbled over the words. The lock is not held any more.
    Corrupt,
}

impl<'words> RawCondition<'words> {
    /// Makes a condition of its words.
    #[inline]
    #[must_use]
    pub const fn new(words: &'words ConditionWords) -> Self {
        Self { words }
    }

    /// Gives `outer` back, sleeps until it is notified, and takes `outer` again.
    ///
    /// It says why it woke up, and what taking the lock again has told. It may wake up without
    /// having been notified.
    ///
    /// # Errors
    ///
    /// [`NotWaited`] says why it did not wait, and whether the lock is held.
    ///
    /// # Safety
    ///
    /// As for [`RawLock::lock`], for the words of the condition and those of the lock.
    pub unsafe fn wait(
        self,
        me: Thread,
        outer: Outer<'_>,
        deadline: Deadline,
    ) -> Result<(WaitEnd, Taken), NotWaited> {
        if !outer.is_held(me) {
            return Err(NotWaited::NotHeld);
        }
        // Room for the turn beside the lock: from here on there is room for both.
        me.reserve(&self.words.turn).map_err(|_| NotWaited::TooManyHeld)?;
        let ticket = self.come();
        loop {
            let levels = outer.release(me);
            // SAFETY: the caller vouches for the words.
            let turn = unsafe { self.enter(me, ticket, deadline) }?;
            let called = match turn {
                // SAFETY: the caller vouches for the words.
                Turn::Mine => unsafe { self.sleep(me, ticket, deadline) },
                Turn::Called => true,
                Turn::TimedOut => false,
            };
            let keeps_turn = turn == Turn::Mine && called && self.turn().has_waiters();
            if turn == Turn::Mine && !keeps_turn {
                self.turn().unlock(me);
            }
            let early = planted::TAKES_EARLY && self.leave(ticket);
            // SAFETY: the caller vouches for the words.
            let restored = unsafe { outer.restore(me, levels) };
            let may_leave = early || (restored.is_ok() && self.leave(ticket));
            if keeps_turn {
                self.turn().unlock(me);
            }
            if planted::WITHDRAWS_LATE {
                self.words.bell.withdraw();
            }
            let taken = restored.map_err(|_| NotWaited::Corrupt)?;
            if may_leave {
                return Ok((WaitEnd::Notified, taken));
            }
            if !called {
                return Ok((WaitEnd::TimedOut, taken));
            }
            if taken == Taken::OwnerDied {
                // Who waits is told at once.
                return Ok((WaitEnd::Notified, taken));
            }
        }
    }

    /// Lets `count` of those who wait now wake up, or all, if there are fewer.
    ///
    /// It never waits. It is not for a signal handler: should the thread die in there, what the
    /// handler has interrupted would not be told of.
    pub fn notify(self, count: u32) {
        if count > 0 {
            self.change(|state| state.notified(count));
        }
    }

    /// Lets all who wait now wake up.
    ///
    /// It never waits. It is not for a signal handler: should the thread die in there, what the
    /// handler has interrupted would not be told of.
    pub fn notify_all(self) {
        self.change(State::all_notified);
    }

    /// How many notifications have not been taken yet, where they were for a number and not for all:
    /// who was there for them may have died, or have been timed out.
    #[must_use]
    pub fn permits(self) -> u32 {
        self.state().permits()
    }

    /// Which thread sleeps until it is notified, or was about to; others may queue behind it.
    #[must_use]
    pub fn first_waiter(self) -> Holder {
        self.turn().holder()
    }

    /// Whether somebody may be asleep behind the first who waits.
    #[must_use]
    pub fn has_more_waiters(self) -> bool {
        self.turn().has_waiters()
    }

    /// How many sleep now until they are notified.
    #[must_use]
    pub fn n_asleep(self) -> u32 {
        let first = futex_n_asleep(self.words.bell.word());
        first.saturating_add(self.turn().n_asleep())
    }

    /// Comes into the open group and returns its number. The caller holds the outer lock.
    fn come(self) -> u32 {
        loop {
            let seen = self.state();
            if seen.has_members() || self.replace(seen, seen.with_member()) {
                return seen.generation();
            }
        }
    }

    /// Leaves the group, if the state lets a member of it go. The caller holds the outer lock.
    fn leave(self, ticket: u32) -> bool {
        loop {
            let seen = self.state();
            match seen.call(ticket) {
                Call::No => return planted::steals(seen.permits()) && self.steal(seen),
                Call::Released => return true,
                Call::Permit if self.replace(seen, seen.without_permit()) => return true,
                // Somebody else was faster with something.
                Call::Permit => {}
            }
        }
    }

    /// Takes a permit that is for others: what the groups are there to prevent.
    fn steal(self, seen: State) -> bool {
        self.replace(seen, seen.without_permit())
    }

    /// Queues for the turn.
    ///
    /// # Safety
    ///
    /// As for [`RawLock::lock`], for the turn's word.
    unsafe fn enter(self, me: Thread, ticket: u32, deadline: Deadline) -> Result<Turn, NotWaited> {
        let is_called = |bits| is_called(State::from_bits(bits), ticket);
        // SAFETY: the caller vouches for the word.
        unsafe { turnstile::enter(self.turn(), me, deadline, &self.words.state, is_called) }
            .map_err(|_| NotWaited::Corrupt)
    }

    /// Sleeps until it is called, and says whether it was before the deadline came. The caller has
    /// the turn.
    ///
    /// # Safety
    ///
    /// The bell stays where it is until this returns, or the thread has ended.
    unsafe fn sleep(self, me: Thread, ticket: u32, deadline: Deadline) -> bool {
        let disappointments = &self.words.disappointments;
        let mut spin = Spin::new(disappointments);
        while !is_called(self.state(), ticket) {
            if !spin.again(disappointments) {
                // SAFETY: the caller vouches for the bell.
                let called = unsafe { self.sleep_now(me, ticket, deadline) };
                spin.learn(disappointments, true);
                return called;
            }
        }
        spin.learn(disappointments, false);
        true
    }

    /// The same, without looking first.
    ///
    /// # Safety
    ///
    /// As for [`sleep`](Self::sleep).
    #[cold]
    unsafe fn sleep_now(self, me: Thread, ticket: u32, deadline: Deadline) -> bool {
        let ConditionWords { state, bell, .. } = self.words;
        // SAFETY: cleared below.
        unsafe { me.pend(bell.word()) };
        let called = loop {
            bell.announce();
            let seen = self.state();
            if is_called(seen, ticket) {
                break true;
            }
            if deadline.is_past() {
                break false;
            }
            self.sweep(seen);
            let (low, high) =
                (Wait::on_low_half(state, seen.bits()), Wait::on_high_half(state, seen.bits()));
            // Whatever it says: what counts is the state.
            let _woken = futex_wait_any(&[bell.wait(), low, high], deadline);
        };
        if !planted::WITHDRAWS_LATE {
            // C1: nobody else sleeps there, until the turn is another's.
            bell.withdraw();
        }
        me.pend_clear();
        called
    }

    /// Wakes all who queue for the turn, if the state may call one of them (C2).
    fn sweep(self, seen: State) {
        let first = seen.first_unreleased();
        let is_news = seen.permits() > 0 || self.words.swept.load(Relaxed) != first;
        if is_news && planted::SWEEPS {
            futex_wake(&self.words.turn.word, u32::MAX);
            // Afterwards: who dies in between is followed by one who does it again.
            self.words.swept.store(first, Relaxed);
        }
    }

    /// Changes the state, and rings.
    fn change(self, change: impl Fn(State) -> State) {
        // Who waits has come holding the outer lock. If the caller has held that lock since, or
        // whoever changed what is waited for, it sees it here.
        if !self.state().may_concern_somebody() {
            return;
        }
        planted::with_pending(self.words.bell.word(), || {
            // Each time this fails, another's exchange has come through.
            let changed = loop {
                let seen = self.state();
                let new = change(seen);
                if new == seen {
                    break false;
                }
                if self.replace(seen, new) {
                    break true;
                }
            };
            if changed && self.words.bell.is_waiting_after_exchange() {
                self.words.bell.wake_one();
            }
        });
    }

    fn state(self) -> State {
        State::from_bits(self.words.state.load(Relaxed))
    }

    fn replace(self, seen: State, new: State) -> bool {
        let (seen, new) = (seen.bits(), new.bits());
        self.words.state.compare_exchange(seen, new, Relaxed, Relaxed).is_ok()
    }

    const fn turn(self) -> RawLock<'words> {
        RawLock::new(&self.words.turn)
    }
}

fn is_called(state: State, ticket: u32) -> bool {
    state.call(ticket) != Call::No || planted::steals(state.permits())
}
