//! Closing: from when a pool takes no more tasks to when nobody works any more.

use std::mem;
use std::sync::Arc;

use ipc_core::Deadline;

use crate::collector;
use crate::engine::{Engine, Phase, State};
use crate::mailbox::{Fate, Mailbox};

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
        collector::drain(self, deadline)
    }

    /// A mailbox is told when there is no task left, by whoever collects.
    pub(crate) fn has_draining(&self, mailbox: &Arc<Mailbox>) {
        let mut state = self.lock();
        if !state.phase.has_workers() {
            // Nothing is reported any more.
            drop(state);
            mailbox.deliver(0, Fate::Terminated);
            return;
        }
        state.draining.push(Arc::clone(mailbox));
        let is_drained = state.is_drained();
        drop(state);
        if is_drained {
            self.have_nudged();
        }
    }

    /// Tells those who wait for the last task to be done, if it is. This is for the collector, who has delivered
    /// all that was answered before.
    pub(crate) fn tell_drained(&self) {
        let mut state = self.lock();
        let drained = if state.is_drained() { mem::take(&mut state.draining) } else { Vec::new() };
        drop(state);
        drained.iter().for_each(|mailbox| mailbox.deliver(0, Fate::Terminated));
    }

    /// Ends the pool: all its tasks fail, and nothing more is given to anybody.
    pub(crate) fn end(&self, phase: Phase) {
        let mut state = self.lock();
        if state.phase != Phase::Over {
            state.phase = phase.clone();
        }
        state.hub.end();
        let jobs = state.dispatch.take_all();
        let drained = mem::take(&mut state.draining);
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
    /// Whether somebody waits for the last task to be done, and it is.
    pub(crate) fn is_drained(&self) -> bool {
        !self.draining.is_empty() && self.dispatch.is_idle()
    }
}
