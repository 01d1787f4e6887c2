//! The thread that calls back: it runs what callers want done when a task is done.
//!
//! It is started for the first callback, and runs one after the other, so that a callback needs no
//! locks against others, and one that is slow holds up other callbacks only. A panic ends the callback
//! and nothing else. The thread ends with the pool, after the last callback.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use ipc_core::Deadline;

use crate::error::PoolError;
use crate::sys;

/// What is to be run.
pub(crate) type Callback = Box<dyn FnOnce() + Send>;

/// Callbacks that are due, and the thread that runs them.
#[derive(Debug, Default)]
pub(crate) struct Callbacks {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    due: VecDeque<Callback>,
    /// How many were promised and have not been run, those that are due included.
    n_promised: usize,
    /// The thread that runs them, if there is one.
    thread: Option<ThreadId>,
    /// No more are promised by tasks that are not done.
    is_over: bool,
}

impl Callbacks {
    /// Promises a callback, for which there is a thread from now on.
    pub(crate) fn promise(self: &Arc<Self>) -> Result<(), PoolError> {
        let mut state = self.lock();
        if state.thread.is_none() {
            self.start(&mut state).map_err(PoolError::system("start a thread"))?;
        }
        state.n_promised += 1;
        Ok(())
    }

    /// A callback that was promised is due.
    pub(crate) fn call(self: &Arc<Self>, callback: Callback) {
        let mut state = self.lock();
        state.due.push_back(callback);
        // The pool may be over, and the thread with it. Without another, nobody is called.
        if state.thread.is_some() || self.start(&mut state).is_ok() {
            self.changed.notify_all();
        }
    }

    /// The thread has nothing to wait for but what is due.
    pub(crate) fn close(&self) {
        self.lock().is_over = true;
        self.changed.notify_all();
    }

    /// Waits until all that were promised have been run; a callback does not wait for itself.
    pub(crate) fn drain(&self, deadline: Deadline) -> bool {
        let mut state = self.lock();
        while state.n_promised > 0 && state.thread != Some(thread::current().id()) {
            state = match deadline.remaining() {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return false,
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }

    fn start(self: &Arc<Self>, state: &mut State) -> std::io::Result<()> {
        let callbacks = Arc::clone(self);
        let builder = thread::Builder::new().name("pool-callbacks".to_owned());
        // Signals are for the program's own threads.
        let thread = sys::with_signals_blocked(|| builder.spawn(move || callbacks.run()))?;
        state.thread = Some(thread.thread().id());
        Ok(())
    }

    /// The thread's life.
    fn run(&self) {
        let mut state = self.lock();
        loop {
            if let Some(callback) = state.due.pop_front() {
                drop(state);
                // A panic has told its story.
                let _panicked = panic::catch_unwind(AssertUnwindSafe(callback));
                state = self.lock();
                state.n_promised = state.n_promised.saturating_sub(1);
                self.changed.notify_all();
            } else if state.is_over {
                state.thread = None;
                return;
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("State");
        fields.field("due", &self.due.len()).field("promised", &self.n_promised);
        fields.finish_non_exhaustive()
    }
}
