//! Collecting: what reports call for, as the [`collector`] takes them from the ring in their order.
//!
//! # Death of a worker
//!
//! The keeper sees it through the pidfd and puts a report of it into the outbox itself. What the
//! worker had answered was put before it died, so it comes before that report, and the collector
//! takes reports in their order: when it comes to the end of a worker, whatever that worker has not
//! answered it never will. Of that, what the board says it had begun is lost with it; all else is
//! queued again.

use std::sync::Arc;

use ipc_core::Deadline;
use ipc_queue::GetError;

use crate::board::Said;
use crate::collector::{self, Missed, Reports};
use crate::engine::{Engine, Phase};
use crate::events::Event;
use crate::lead::Lead;
use crate::mailbox::{Mailbox, Waited};
use crate::record::{Report, What};
use crate::round::MOST_TOGETHER;

impl Engine {
    /// Waits for a result at a mailbox, collecting for everybody if nobody else does.
    pub(crate) fn wait(&self, mailbox: &Arc<Mailbox>, deadline: Deadline) -> Waited {
        collector::wait(self, mailbox, deadline)
    }

    /// Collects what is there, if nobody else does.
    pub(crate) fn poll(&self) {
        collector::poll(self);
    }

    /// The clerk's life: collects when it is called. `ready` is called when it can be.
    pub(crate) fn be_clerk(&self, ready: impl FnOnce()) {
        // Takes a seat at the outbox before others have all of them. Nobody works yet.
        let _empty = self.outbox.try_get();
        ready();
        collector::be_clerk(self);
    }
}

impl Reports for Engine {
    type Report = Vec<u8>;

    fn lead(&self) -> &Lead {
        &self.lead
    }

    fn get(&self, deadline: Deadline) -> Result<Vec<u8>, Missed> {
        self.outbox.get_deadline(deadline).map_err(missed)
    }

    fn try_get(&self) -> Result<Vec<u8>, Missed> {
        self.outbox.try_get().map_err(missed)
    }

    fn capacity(&self) -> usize {
        self.outbox.capacity().div_ceil(MOST_TOGETHER)
    }

    fn is_closed(&self) -> bool {
        self.outbox.is_closed()
    }

    /// Does what a report calls for, and takes the answers that lie behind it.
    fn handle(&self, mut record: Vec<u8>) {
        // What is no report was written by somebody who scribbles; there is nobody to tell.
        let mut next = Report::take(&mut record);
        while let Some(report) = next.take() {
            match report.what {
                What::Outcome | What::Refusal => next = self.answered(report, &mut record),
                What::Ready => self.ready(report.place),
                What::Leaving => self.left(report.place),
                What::Ended => self.ended(report.place, report.ticket),
                What::Nudge => self.tell_drained(),
            }
        }
    }

    /// It is we who see to that, when the pool is over; or a worker that does what it should not.
    fn closed(&self) {
        if self.lock().phase.has_workers() {
            self.broken("a worker has closed the ring of all reports".to_owned());
        }
    }

    fn broken(&self, reason: String) {
        self.end(Phase::Broken(reason));
    }

    fn has_backlog(&self) -> bool {
        self.lock().dispatch.has_backlog()
    }

    fn is_idle(&self) -> bool {
        self.lock().dispatch.is_idle()
    }

    fn tell_when_idle(&self, mailbox: &Arc<Mailbox>) {
        self.has_draining(mailbox);
    }
}

fn missed(error: GetError) -> Missed {
    match error {
        GetError::Empty | GetError::TimedOut => Missed::Empty,
        GetError::NoSeat(_) => Missed::NoSeat,
        GetError::Closed => Missed::Closed,
        error => Missed::Broken(error.to_string()),
    }
}

impl Engine {
    /// A worker is ready for its first task.
    fn ready(&self, place: usize) {
        // Nobody can say so for another one.
        if self.board.read(place) == Said::Nothing {
            return;
        }
        let mut state = self.lock();
        if state.dispatch.ready(place)
            && let Some(pid) = state.dispatch.worker(place).map(|worker| worker.process.pid())
        {
            state.hub.tell(|| Event::WorkerReady { place, pid });
        }
        let fed = state.feed();
        drop(state);
        self.settle(fed);
    }
}
