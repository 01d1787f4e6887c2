//! A receipt: the right to one fate, and all the ways to wait for it.
//!
//! A thread that waits collects, and wakes up with its result. Others who are interested in a fate, a
//! waker, a callback, or somebody who waits for the tasks of several pools, cannot collect: the clerk
//! does as long as there is [`Interest`].

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ipc_core::Deadline;

use crate::callbacks::Callback;
use crate::engine::Engine;
use crate::error::{PoolError, TaskError};
use crate::mailbox::{Fate, Mailbox, Waited};
use crate::planted::round::PANICS;

/// The right to the one fate that arrives in a mailbox.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) engine: Arc<Engine>,
    pub(crate) mailbox: Arc<Mailbox>,
}

/// Somebody waits for something and cannot collect.
#[derive(Debug)]
pub(crate) struct Interest(Arc<Engine>);

/// Who is told when all that a mailbox was promised has arrived.
pub(crate) struct Listener {
    pub(crate) ear: Ear,
    /// Dropped without a lock.
    pub(crate) interest: Option<Interest>,
}

/// How somebody is told.
pub(crate) enum Ear {
    /// By waking a task of an executor.
    Waker(Waker),
    /// By a note in another mailbox, under this number.
    Mailbox(Arc<Mailbox>, usize),
    /// By running something.
    Callback(Arc<Engine>, Callback),
}

impl Receipt {
    /// Whether the fate can be had without waiting.
    pub(crate) fn is_ready(&self) -> bool {
        !self.engine.is_ours() || self.mailbox.is_ready() || {
            self.engine.poll();
            self.mailbox.is_ready()
        }
    }

    /// Waits for the fate; `None` if the deadline passes first.
    pub(crate) fn wait(&self, deadline: Deadline) -> Result<Option<Fate>, TaskError> {
        if !self.engine.is_ours() {
            return Err(TaskError::NotOurs);
        }
        match self.engine.wait(&self.mailbox, deadline) {
            Waited::Arrived(_, fate) => Ok(Some(fate)),
            Waited::NothingDue => Err(TaskError::Taken),
            Waited::TimedOut | Waited::Promoted => Ok(None),
        }
    }

    /// Asks for the fate on behalf of a task of an executor.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Result<Fate, TaskError>> {
        if !self.engine.is_ours() {
            return Poll::Ready(Err(TaskError::NotOurs));
        }
        loop {
            match self.mailbox.take() {
                Waited::Arrived(_, fate) => return Poll::Ready(Ok(fate)),
                Waited::NothingDue => return Poll::Ready(Err(TaskError::Taken)),
                Waited::TimedOut | Waited::Promoted => {}
            }
            // One is enough: only the last waker counts.
            let known = self.mailbox.forget_waker();
            let interest = match known.and_then(|listener| listener.interest) {
                Some(interest) => interest,
                None => Interest::new(&self.engine),
            };
            let ear = Ear::Waker(context.waker().clone());
            if self.mailbox.listen(Listener { ear, interest: Some(interest) }).is_ok() {
                return Poll::Pending;
            }
            // It has arrived meanwhile.
        }
    }

    /// Has a callback called with the fate.
    pub(crate) fn on_done(
        &self,
        callback: impl FnOnce(Result<Fate, TaskError>) + Send + 'static,
    ) -> Result<(), PoolError> {
        if !self.engine.is_ours() {
            return Err(PoolError::NotOurs);
        }
        self.engine.callbacks.promise()?;
        let mailbox = Arc::clone(&self.mailbox);
        let take = move || {
            callback(match mailbox.take() {
                Waited::Arrived(_, fate) => Ok(fate),
                // Somebody else was quicker.
                _ => Err(TaskError::Taken),
            });
        };
        let ear = Ear::Callback(Arc::clone(&self.engine), Box::new(take));
        let interest = Some(Interest::new(&self.engine));
        if let Err(listener) = self.mailbox.listen(Listener { ear, interest }) {
            listener.tell();
        }
        Ok(())
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        // In a copy of the process no lock may be taken.
        if self.engine.is_ours() {
            drop(self.mailbox.forget_waker());
        }
    }
}

impl Interest {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        engine.lead.begin_unable();
        // If somebody collects, the clerk comes after that one.
        engine.lead.call_clerk();
        Self(Arc::clone(engine))
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        if self.0.is_ours() {
            self.0.lead.end_unable();
        }
    }
}

impl Listener {
    /// Tells it that all is there.
    pub(crate) fn tell(self) {
        match self.ear {
            Ear::Waker(waker) if PANICS => waker.wake(),
            // Of an executor that panics its own tasks hear, and not whoever collects.
            Ear::Waker(waker) => {
                let _panicked = panic::catch_unwind(AssertUnwindSafe(|| waker.wake()));
            }
            Ear::Mailbox(mailbox, number) => mailbox.deliver(number, Fate::Noted),
            Ear::Callback(engine, callback) => engine.callbacks.call(callback),
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ear = match self.ear {
            Ear::Waker(_) => "a waker",
            Ear::Mailbox(..) => "a mailbox",
            Ear::Callback(..) => "a callback",
        };
        formatter.debug_tuple("Listener").field(&ear).finish()
    }
}
