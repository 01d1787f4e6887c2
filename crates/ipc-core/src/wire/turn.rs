//! Turn: something that one thread at a time uses, for as long as it needs.
//!
//! Unlike a mutex, waiting for it has a deadline, nothing is locked while it is used, and a forked
//! child does not wait for a thread of its parent.

use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::deadline::Deadline;
use crate::sys::epoch;

#[derive(Default)]
pub(super) struct Turn<T> {
    state: Mutex<State<T>>,
    freed: Condvar,
}

struct State<T> {
    value: Holder<T>,
    /// How many threads wait; in a forked child perhaps too many, which costs a call.
    n_waiting: usize,
}

enum Holder<T> {
    Nobody(T),
    /// A thread of the process with this number.
    ThreadOf(u64),
}

impl<T: Default> Default for State<T> {
    fn default() -> Self {
        Self { value: Holder::Nobody(T::default()), n_waiting: 0 }
    }
}

impl<T: Default> Turn<T> {
    /// Waits until nobody else uses the value; `None` if the deadline comes first.
    ///
    /// In a forked child, a value that a thread of the parent was using begins anew.
    pub(super) fn take(&self, deadline: Deadline) -> Option<Taken<'_, T>> {
        let me = epoch::current();
        let mut state = self.lock();
        loop {
            match mem::replace(&mut state.value, Holder::ThreadOf(me)) {
                Holder::Nobody(value) => return Some(Taken { turn: self, value }),
                Holder::ThreadOf(process) if process != me => {
                    return Some(Taken { turn: self, value: T::default() });
                }
                Holder::ThreadOf(_) => {}
            }
            state.n_waiting += 1;
            state = match deadline.remaining() {
                None => self.freed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let woken = self.freed.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.n_waiting = state.n_waiting.saturating_sub(1);
            if deadline.is_past()
                && matches!(state.value, Holder::ThreadOf(process) if process == me)
            {
                return None;
            }
        }
    }

    fn give_back(&self, value: T) {
        let mut state = self.lock();
        state.value = Holder::Nobody(value);
        if state.n_waiting > 0 {
            self.freed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No code of others runs under the lock, so a panic cannot leave anything half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// It is this thread's turn as long as this lives.
pub(super) struct Taken<'t, T: Default> {
    turn: &'t Turn<T>,
    value: T,
}

impl<T: Default> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Default> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Default> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        self.turn.give_back(mem::take(&mut self.value));
    }
}

impl<T> fmt::Debug for Turn<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Turn").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Turn;
    use crate::Deadline;

    #[test]
    fn a_value_is_had_by_one_at_a_time() {
        let turn = Turn::<u32>::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        *turn.take(Deadline::NEVER).unwrap() += 1;
                    }
                });
            }
        });
        assert_eq!(*turn.take(Deadline::now()).unwrap(), 400);
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let turn = Turn::<u32>::default();
        let taken = turn.take(Deadline::NEVER);
        assert!(turn.take(Deadline::now()).is_none());
        assert!(turn.take(Deadline::after(Duration::from_millis(5))).is_none());
        drop(taken);
        assert!(turn.take(Deadline::now()).is_some());
    }
}
