//! Closing: from when a pool takes no more tasks to when nobody works any more.

use std::sync::Arc;

use ipc_core::Deadline;

use crate::engine::{Engine, Phase, State};
use crate::mailbox::{Fate, Mailbox, Waited};

impl Engine {
    /// Takes no more tasks.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closed;
        }
    }

    /// Waits until there is no task left.
    pub(crate) fn drain(&self, deadline: Deadline) -> bool {
        let mailbox = Arc::new(Mailbox::default());
        let mut state = self.lock();
        if state.dispatch.is_idle() {
            return true;
        }
        mailbox.expect(1);
        state.draining.push(Arc::clone(&mailbox));
        drop(state);
        !matches!(self.wait(&mailbox, deadline), Waited::TimedOut)
    }

    /// Ends the pool: all its tasks fail, and nothing more is given to anybody.
    pub(crate) fn end(&self, phase: Phase) {
        let mut state = self.lock();
        if state.phase != Phase::Over {
            state.phase = phase.clone();
        }
        state.hub.end();
        let jobs = state.dispatch.take_all();
        let drained = state.drained();
        drop(state);
        for job in jobs {
            job.meet(|| match &phase {
                Phase::Broken(reason) => Fate::NoWorkers(reason.clone()),
                _ => Fate::Terminated,
            });
        }
        for mailbox in drained {
            mailbox.deliver(0, Fate::Terminated);
        }
        self.bell.ring();
    }

    /// Nobody is collecting any more, and nobody waits for anything.
    pub(crate) fn close_outbox(&self) {
        self.outbox.close();
        self.lead.clerk().deliver(0, Fate::Terminated);
        self.callbacks.close();
    }
}

impl State {
    /// Those who wait for the last task to be done, if it is.
    pub(crate) fn drained(&mut self) -> Vec<Arc<Mailbox>> {
        if self.draining.is_empty() || !self.dispatch.is_idle() {
            return Vec::new();
        }
        std::mem::take(&mut self.draining)
    }
}
