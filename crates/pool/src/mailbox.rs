//! A mailbox: where the results of one caller's tasks arrive, and where that caller waits.

use std::collections::VecDeque;
use std::iter;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ipc_core::Deadline;
use proc_core::{ExitStatus, MemoryHint, PanicInfo, Refusal};

use crate::chunk::answers::Answers;
use crate::parcel::Parcel;
use crate::planted::lead::{WAKES, WAKES_ALL};
use crate::receipt::{Ear, Listener};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// What became of a task, before anybody who knows its type has looked.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It was run; the value is a [`proc_core::Outcome`].
    Answered(Parcel),
    /// It and those after it were run, as a chunk.
    Chunk(Answers),
    /// The worker did not run it.
    Refused(Refusal),
    /// It panicked, in a program whose panics end the process.
    Panicked(Box<PanicInfo>),
    /// Its worker died while it ran.
    Died(Box<Death>),
    /// It took longer than it was to, which was so long.
    TimedOut { limit: Duration, pid: u32, n_deaths: u32, tag: Option<Arc<str>>, place: u64 },
    /// Its caller did not want it any more.
    Cancelled,
    /// It is to be had elsewhere.
    Noted,
    /// The answer was given, and then it was lost; says why.
    Lost(String),
    /// The pool was terminated.
    Terminated,
    /// No worker can be started; says why.
    NoWorkers(String),
}

/// How a worker died of a task.
#[derive(Debug)]
pub(crate) struct Death {
    pub(crate) pid: u32,
    pub(crate) status: ExitStatus,
    pub(crate) n_deaths: u32,
    pub(crate) max_memory: Option<u64>,
    pub(crate) memory_hint: Option<MemoryHint>,
    pub(crate) tag: Option<Arc<str>>,
    /// Where the function of the task lies in the program.
    pub(crate) place: u64,
}

/// Where results arrive.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Each with the number that the task has among the caller's.
    arrived: VecDeque<(usize, Fate)>,
    /// How many results have arrived.
    n_arrived: usize,
    /// How many have been promised and were not taken yet, those that have arrived included.
    n_due: usize,
    /// Nobody will take them.
    is_forsaken: bool,
    /// What has not arrived is cancelled.
    is_cancelled: bool,
    /// How many threads are asleep here.
    n_asleep: usize,
    /// Somebody who waits here has become the collector.
    promoted: bool,
    /// Who is told when all that was promised has arrived.
    listeners: Vec<Listener>,
}

impl State {
    /// Whether all that was promised has arrived.
    fn is_whole(&self) -> bool {
        self.n_arrived >= self.n_due
    }
}

impl Fate {
    /// Of how many tasks it is.
    pub(crate) fn n_items(&self) -> usize {
        if let Self::Chunk(answers) = self { answers.n_items() } else { 1 }
    }

    /// Whether there is no result, as far as can be told without its type.
    fn is_failure(&self) -> bool {
        match self {
            Self::Answered(answer) => !answer.is_returned(),
            Self::Chunk(_) => false,
            _ => true,
        }
    }
}

/// Why a wait at a mailbox ended.
#[derive(Debug)]
pub(crate) enum Waited {
    /// This has arrived.
    Arrived(usize, Fate),
    /// The caller is to collect for everybody.
    Promoted,
    /// The deadline has passed.
    TimedOut,
    /// All that was promised was taken, so nothing will arrive.
    NothingDue,
}

impl Mailbox {
    pub(crate) fn deliver(&self, index: usize, fate: Fate) {
        self.deliver_all(iter::once((index, fate)));
    }

    /// Delivers several fates together.
    pub(crate) fn deliver_all(&self, fates: impl Iterator<Item = (usize, Fate)>) {
        let mut state = self.lock();
        let mut n_fates = 0;
        for (index, fate) in fates {
            n_fates += 1;
            state.n_arrived += fate.n_items();
            state.arrived.push_back((index, fate));
        }
        if state.n_asleep > 0 && WAKES {
            // Each of those who wait here takes one.
            if n_fates > 1 { self.changed.notify_all() } else { self.changed.notify_one() }
        }
        if state.listeners.is_empty() || !state.is_whole() {
            return;
        }
        let listeners = std::mem::take(&mut state.listeners);
        // They take other locks.
        drop(state);
        listeners.into_iter().for_each(Listener::tell);
    }

    /// Has somebody told when all that was promised has arrived; gives the listener back if it has.
    pub(crate) fn listen(&self, listener: Listener) -> Result<(), Listener> {
        let mut state = self.lock();
        if state.is_whole() {
            return Err(listener);
        }
        state.listeners.push(listener);
        Ok(())
    }

    /// Takes out the waker among the listeners.
    pub(crate) fn forget_waker(&self) -> Option<Listener> {
        self.forget_if(|ear| matches!(ear, Ear::Waker(_)))
    }

    /// Takes out the listener that makes notes in a mailbox.
    pub(crate) fn forget_listener(&self, notes: &Arc<Self>) -> Option<Listener> {
        self.forget_if(|ear| matches!(ear, Ear::Mailbox(mailbox, _) if Arc::ptr_eq(mailbox, notes)))
    }

    fn forget_if(&self, is_it: impl Fn(&Ear) -> bool) -> Option<Listener> {
        let mut state = self.lock();
        let at = state.listeners.iter().position(|listener| is_it(&listener.ear))?;
        Some(state.listeners.swap_remove(at))
    }

    /// Whether what has arrived first says that there is no result.
    pub(crate) fn has_failed(&self) -> bool {
        self.lock().arrived.front().is_some_and(|(_, fate)| fate.is_failure())
    }

    /// How many have arrived and were not taken.
    pub(crate) fn n_arrived(&self) -> usize {
        self.lock().n_arrived
    }

    /// Promises so many more results.
    pub(crate) fn expect(&self, n_results: usize) {
        self.lock().n_due += n_results;
    }

    /// Nobody is interested in what arrives here any more.
    pub(crate) fn forsake(&self) {
        self.lock().is_forsaken = true;
    }

    /// All that is to arrive here is cancelled.
    pub(crate) fn cancel(&self) {
        self.lock().is_cancelled = true;
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.lock().is_cancelled
    }

    pub(crate) fn is_forsaken(&self) -> bool {
        self.lock().is_forsaken
    }

    /// Takes what has arrived first; `TimedOut` if there is nothing yet.
    pub(crate) fn take(&self) -> Waited {
        self.look(&mut self.lock()).unwrap_or(Waited::TimedOut)
    }

    /// Takes all that has arrived, if there is nothing in `taken`.
    pub(crate) fn take_all(&self, taken: &mut VecDeque<(usize, Fate)>) {
        let mut state = self.lock();
        if taken.is_empty() && !state.arrived.is_empty() {
            std::mem::swap(taken, &mut state.arrived);
            let n_items = state.n_arrived;
            self.were_taken(n_items, &mut state);
        }
    }

    /// Whether something has arrived, or never will.
    pub(crate) fn is_ready(&self) -> bool {
        let state = self.lock();
        !state.arrived.is_empty() || state.n_due == 0
    }

    /// Makes one of those who wait here the collector.
    pub(crate) fn promote(&self) {
        self.lock().promoted = true;
        self.changed.notify_one();
    }

    /// Takes back a promotion that nobody has noticed; `false` if there is none.
    pub(crate) fn take_promotion(&self) -> bool {
        std::mem::take(&mut self.lock().promoted)
    }

    /// Waits until something has arrived, or for a promotion.
    pub(crate) fn wait(&self, deadline: Deadline) -> Waited {
        let mut state = self.lock();
        loop {
            if std::mem::take(&mut state.promoted) {
                return Waited::Promoted;
            }
            if let Some(waited) = self.look(&mut state) {
                return waited;
            }
            state.n_asleep += 1;
            state = match deadline.remaining() {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => {
                    state.n_asleep -= 1;
                    return Waited::TimedOut;
                }
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.n_asleep -= 1;
        }
    }

    fn look(&self, state: &mut State) -> Option<Waited> {
        if let Some((index, fate)) = state.arrived.pop_front() {
            self.were_taken(fate.n_items(), state);
            return Some(Waited::Arrived(index, fate));
        }
        (state.n_due == 0).then_some(Waited::NothingDue)
    }

    /// The fates of so many tasks were taken.
    fn were_taken(&self, n_items: usize, state: &mut State) {
        state.n_arrived = state.n_arrived.saturating_sub(n_items);
        state.n_due = state.n_due.saturating_sub(n_items);
        if state.n_due == 0 && state.n_asleep > 0 && WAKES_ALL {
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
