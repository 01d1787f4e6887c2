//! Threads that run foreign code, so that it holds up nobody but who waits for it.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use proc_core::PanicInfo;

use super::bell::Bell;
use super::sys::Waker;
use crate::object::user::Maker;
use crate::object::weight::{Balance, keep_for, take_balances};
use crate::object::{Kind, Link, Payload, Request, Ticket};
use crate::protocol::bytes::Reader;
use crate::protocol::{Fault, ObjectId};

/// A call that has to wait for its object, or for a thread.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) ticket: Ticket,
    pub(super) method: u64,
    pub(super) argument: Vec<u8>,
    pub(super) links: Vec<Link>,
    pub(super) runs_functions: bool,
}

impl Kept {
    pub(super) fn request(&mut self) -> Request<'_> {
        let argument = Reader::new(&self.argument);
        let links = std::mem::take(&mut self.links);
        let Self { ticket, method, runs_functions, .. } = *self;
        Request { ticket, method, argument, links, may_wait: false, runs_functions }
    }
}

/// Something for the threads to do.
pub(super) enum Task {
    /// A call of an object.
    Call { id: ObjectId, object: Box<dyn Kind>, call: Kept },
    /// To make an object.
    Make { id: ObjectId, maker: Arc<dyn Maker>, call: Kept, bell: Bell },
    /// To drop an object.
    Bury(Box<dyn Kind>),
}

/// What came of a task.
pub(super) struct Finished {
    pub(super) id: ObjectId,
    /// The object; none if it was not made.
    pub(super) object: Option<Box<dyn Kind>>,
    pub(super) ticket: Ticket,
    pub(super) answer: Result<Payload, Fault>,
    /// Whether the object is new.
    pub(super) is_new: bool,
    /// How many bytes more, or less, are kept, and of whose.
    pub(super) balances: Vec<Balance>,
}

/// The threads.
pub(super) struct Workers {
    shared: Arc<Shared>,
    most: usize,
}

struct Shared {
    state: Mutex<State>,
    is_work: Condvar,
    waker: Arc<Waker>,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    finished: Vec<Finished>,
    n_threads: usize,
    n_idle: usize,
    is_over: bool,
}

impl Workers {
    pub(super) fn new(most: usize, waker: Arc<Waker>) -> Self {
        let shared = Shared { state: Mutex::default(), is_work: Condvar::new(), waker };
        Self { shared: Arc::new(shared), most: most.max(1) }
    }

    /// Has a thread do it: an idle one, or a new one if there may be more, or the first to be done.
    pub(super) fn give(&self, task: Task) {
        let mut state = self.shared.state();
        state.tasks.push_back(task);
        let is_thread_missing = state.tasks.len() > state.n_idle && state.n_threads < self.most;
        if !is_thread_missing {
            self.shared.is_work.notify_one();
            return;
        }
        state.n_threads += 1;
        drop(state);
        let shared = Arc::clone(&self.shared);
        let started =
            thread::Builder::new().name("manager worker".into()).spawn(move || shared.run());
        if started.is_err() {
            let mut state = self.shared.state();
            state.n_threads -= 1;
            // Others will come to it. If there are none, it is done here, and holds up the rest.
            let left = if state.n_threads == 0 { state.tasks.pop_back() } else { None };
            drop(state);
            left.into_iter().for_each(|task| self.shared.finish(task));
        }
    }

    pub(super) fn finished(&self) -> Vec<Finished> {
        std::mem::take(&mut self.shared.state().finished)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Who is at work ends when that is done.
        self.shared.state().is_over = true;
        self.shared.is_work.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No foreign code runs while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.state();
        loop {
            if state.is_over {
                return;
            }
            if let Some(task) = state.tasks.pop_front() {
                drop(state);
                self.finish(task);
                state = self.state();
                continue;
            }
            state.n_idle += 1;
            state = self.is_work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.n_idle -= 1;
        }
    }

    fn finish(&self, task: Task) {
        if let Some(finished) = task.run() {
            self.state().finished.push(finished);
            self.waker.wake();
        }
    }
}

impl Task {
    fn run(self) -> Option<Finished> {
        match self {
            Self::Call { id, mut object, mut call } => {
                let ticket = call.ticket;
                keep_for(ticket.client);
                let answer = PanicInfo::catch(|| object.work(call.request()));
                let answer = answer.unwrap_or_else(|panic| Err(Fault::Panicked(panic)));
                Some(Finished {
                    id,
                    object: Some(object),
                    ticket,
                    answer,
                    is_new: false,
                    balances: take_balances(),
                })
            }
            Self::Make { id, maker, mut call, bell } => {
                let ticket = call.ticket;
                keep_for(ticket.client);
                let made = PanicInfo::catch(|| maker.make(call.request(), bell));
                let made = made.unwrap_or_else(|panic| Err(Fault::Panicked(panic)));
                let (object, answer) = match made {
                    Ok(object) => (Some(object), Ok(Payload::number(id))),
                    Err(fault) => (None, Err(fault)),
                };
                let balances = take_balances();
                Some(Finished { id, object, ticket, answer, is_new: true, balances })
            }
            Self::Bury(object) => {
                // Nobody waits for it, and the panic hook has told of a panic.
                drop(panic::catch_unwind(AssertUnwindSafe(|| drop(object))));
                None
            }
        }
    }
}
