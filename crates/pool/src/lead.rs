//! Who collects.
//!
//! Reports must be taken from the ring in their order, by one thread at a time: the *collector*. It
//! is whoever waits for a result, if anybody does, so that a result crosses no further thread on
//! its way. When a collector has what it wants, it makes another waiting thread the collector; the
//! *clerk*, a thread of the pool, is called only if nobody waits and there are tasks to be given, or
//! if for some milliseconds nobody has collected. What a collector does is in [`collector`](crate::collector).
//!
//! # Invariants
//!
//! - I1: at most one thread is the collector. It is one from the moment it was promoted, awake or
//!   not.
//! - I2: if a thread waits without being the collector, somebody else is.

use std::sync::{Arc, PoisonError};

use crate::mailbox::Mailbox;
use crate::planted::lead::{
    CALLS_CLERK, CLERK_SERVES_UNABLE, HANDS_OVER, KEEPS_PROMOTION, TWO_COLLECT,
};
use crate::sync::{Mutex, MutexGuard};

#[derive(Debug)]
pub(crate) struct Lead {
    state: Mutex<State>,
    /// Where the clerk waits.
    clerk: Arc<Mailbox>,
}

#[derive(Debug, Default)]
struct State {
    /// Somebody is the collector.
    is_taken: bool,
    /// The clerk has something to look at, once nobody else collects.
    is_clerk_wanted: bool,
    /// Those who wait and can collect.
    waiting: Vec<Arc<Mailbox>>,
    /// How many wait and cannot collect.
    n_unable: usize,
    /// How many collect in a fraction of a millisecond.
    n_napping: usize,
}

impl Lead {
    pub(crate) fn new() -> Self {
        let clerk = Arc::<Mailbox>::default();
        // The end of the pool is what will arrive there.
        clerk.expect(1);
        Self { state: Mutex::default(), clerk }
    }

    /// Makes the caller the collector if nobody is; else notes that it waits at `mailbox`.
    pub(crate) fn take_or_wait(&self, mailbox: &Arc<Mailbox>) -> bool {
        let mut state = self.lock();
        if state.is_taken && !TWO_COLLECT {
            state.waiting.push(Arc::clone(mailbox));
            return false;
        }
        state.is_taken = true;
        true
    }

    /// Makes the caller the collector if nobody is.
    pub(crate) fn try_take(&self) -> bool {
        !std::mem::replace(&mut self.lock().is_taken, true)
    }

    /// The caller does not wait any more; `true` if it was made the collector meanwhile.
    pub(crate) fn withdraw(&self, mailbox: &Arc<Mailbox>) -> bool {
        let mut state = self.lock();
        match state.waiting.iter().position(|waiting| Arc::ptr_eq(waiting, mailbox)) {
            Some(at) => {
                state.waiting.swap_remove(at);
                false
            }
            None => mailbox.take_promotion() && !KEEPS_PROMOTION,
        }
    }

    /// The collector stops being it; `has_work` says whether somebody must go on.
    pub(crate) fn hand_over(&self, has_work: impl FnOnce() -> bool) {
        let mut state = self.lock();
        if let Some(next) = state.waiting.pop_if(|_| HANDS_OVER) {
            next.promote();
        } else if (state.is_clerk_wanted || state.n_unable > 0 || has_work()) && CALLS_CLERK {
            state.is_clerk_wanted = false;
            self.clerk.promote();
        } else {
            state.is_taken = false;
        }
    }

    /// Calls the clerk if nobody collects; says whether somebody did.
    pub(crate) fn call_clerk(&self) -> bool {
        let mut state = self.lock();
        let was_taken = std::mem::replace(&mut state.is_taken, true);
        if !was_taken {
            self.clerk.promote();
        }
        was_taken
    }

    /// Calls the clerk if nobody collects, or is about to; says whether somebody was.
    pub(crate) fn see_to_it(&self) -> bool {
        self.lock().n_napping > 0 || self.call_clerk()
    }

    /// Runs something short, after which the caller collects. It is better to come and see after some
    /// answers than to be woken by each, so nobody else is to wait for them meanwhile.
    pub(crate) fn nap(&self, nap: impl FnOnce()) {
        self.lock().n_napping += 1;
        nap();
        let mut state = self.lock();
        state.n_napping = state.n_napping.saturating_sub(1);
    }

    /// Has somebody look at what is in the ring by now.
    pub(crate) fn have_looked(&self) {
        let mut state = self.lock();
        if state.is_taken {
            state.is_clerk_wanted = true;
        } else {
            state.is_taken = true;
            self.clerk.promote();
        }
    }

    /// Whether somebody is the collector.
    pub(crate) fn is_taken(&self) -> bool {
        self.lock().is_taken
    }

    /// The caller, who is the collector, makes the clerk it.
    pub(crate) fn leave_to_clerk(&self) {
        self.clerk.promote();
    }

    /// The caller is going to wait, and cannot collect.
    pub(crate) fn begin_unable(&self) {
        self.lock().n_unable += 1;
    }

    /// It does not wait any more.
    pub(crate) fn end_unable(&self) {
        let mut state = self.lock();
        state.n_unable = state.n_unable.saturating_sub(1);
    }

    /// Whether the clerk, who collects, must go on: for the work, or for those who cannot collect.
    pub(crate) fn needs_clerk(&self, has_work: impl FnOnce() -> bool) -> bool {
        let state = self.lock();
        let serves = state.n_unable > 0 && CLERK_SERVES_UNABLE;
        state.waiting.is_empty() && (serves || has_work())
    }

    pub(crate) fn clerk(&self) -> &Arc<Mailbox> {
        &self.clerk
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What runs under the lock does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
