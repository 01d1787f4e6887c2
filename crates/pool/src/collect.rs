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
use std::time::Duration;

use ipc_core::Deadline;
use ipc_queue::GetError;
use proc_core::{Outcome, Refusal};

use crate::board::Said;
use crate::chunk::MOST_ANSWER;
use crate::chunk::answers::Sent;
use crate::collector::{self, Missed, Reports};
use crate::dispatch::Task as _;
use crate::engine::{Engine, Phase, State};
use crate::events::{Event, TaskId};
use crate::job::{Argument, Job};
use crate::lead::Lead;
use crate::mailbox::{Fate, Mailbox, Waited};
use crate::parcel::{self, Freight, Parcel};
use crate::record::{Report, What};

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
        self.outbox.capacity()
    }

    fn is_closed(&self) -> bool {
        self.outbox.is_closed()
    }

    fn handle(&self, mut record: Vec<u8>) {
        // What is no report was written by somebody who scribbles; there is nobody to tell.
        let Some(report) = Report::take(&mut record) else { return };
        match report.what {
            What::Outcome | What::Refusal => self.answered(&report, record),
            What::Ready => self.ready(report.place),
            What::Leaving => self.left(report.place),
            What::Ended => self.ended(report.place, report.ticket),
            What::Nudge => {}
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
    /// A worker has answered.
    fn answered(&self, report: &Report, bytes: Vec<u8>) {
        let mut state = self.lock();
        let Some(mut job) = state.dispatch.answered(report.place, report.ticket) else { return };
        // At least one is done, or it would be handed out for ever.
        let n_done = usize::try_from(report.n_items).unwrap_or(usize::MAX).min(job.n_items());
        let n_done = n_done.max(1).max(job.n_told());
        let rest = match report.what {
            What::Refusal => None,
            _ => job.split_off(n_done),
        };
        let is_cancelled = state.is_cancelled(report.place, report.ticket);
        let cancelled = rest.and_then(|rest| state.hand_on(rest, is_cancelled));
        state.note(&job, report, bytes.len());
        let worker = state.dispatch.worker(report.place).map(Arc::clone);
        let handles = match (report.freight, &worker) {
            (Freight::None | Freight::Shelf, _) => Ok(Vec::new()),
            (_, Some(worker)) => {
                parcel::receive(&worker.socket, report.ticket).map_err(|error| error.to_string())
            }
            (_, None) => Err("its worker is gone".to_owned()),
        };
        if handles.is_err() {
            // What comes next through that socket cannot be trusted.
            state.dispatch.retire(report.place);
        }
        let fed = state.feed();
        let drained = state.drained();
        drop(state);
        // Its bytes are read at once: results that nobody has taken yet hold no descriptors.
        let answer = handles.and_then(|handles| {
            let sheet = worker.as_ref().and_then(|worker| worker.results.as_ref());
            Parcel::of_parts(report.freight, bytes, handles, sheet)
                .map_err(|error| error.to_string())
        });
        if report.freight == Freight::Shelf {
            self.board.say_copied(report.place, report.ticket);
        }
        match answer {
            Ok(answer) => deliver(&job, report.what, answer),
            Err(reason) => job.meet(|| Fate::Lost(reason.clone())),
        }
        if let Some(cancelled) = cancelled {
            cancelled.meet(|| Fate::Cancelled);
        }
        self.settle(fed, drained);
    }

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
        self.settle(fed, Vec::new());
    }
}

impl State {
    /// A task was answered.
    fn note(&mut self, job: &Job, report: &Report, n_bytes: usize) {
        let n_done = job.n_items();
        // What goes in a file, or lies on a shelf, has many.
        let is_large = matches!(report.freight, Freight::File | Freight::Shelf);
        let n_bytes = if is_large { MOST_ANSWER } else { n_bytes };
        job.plan.known.pace.took(n_done, report.nanos, n_bytes);
        let n_times = u64::try_from(n_done).unwrap_or(u64::MAX);
        let nanos = report.nanos / n_times.max(1);
        self.run_times.add_times(nanos, n_times);
        self.dispatch.count(report.place, n_done);
        if let Some(submitted) = job.submitted {
            let nanos = u64::try_from(submitted.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.turnarounds.add(nanos);
        }
        let Self { dispatch, hub, .. } = self;
        let pid = dispatch.worker(report.place).map_or(0, |worker| worker.process.pid());
        let (place, run_time) = (report.place, Duration::from_nanos(nanos));
        hub.tell_each(TaskId::each_of(job), |task| Event::TaskDone { task, place, pid, run_time });
    }
}

/// Delivers what an answer says.
fn deliver(job: &Job, what: What, answer: Parcel) {
    match (what, &job.argument) {
        (What::Refusal, _) => match answer.unpack::<Refusal>() {
            Ok(refusal) => job.meet(|| Fate::Refused(refusal.clone())),
            Err(error) => job.meet(|| Fate::Lost(error.to_string())),
        },
        (_, Argument::One(_)) => job.mailbox.deliver(job.index, Fate::Answered(answer)),
        (_, Argument::Many(chunk)) => match answer.unpack::<Outcome<Sent>>() {
            Ok(Outcome::Returned(sent)) => {
                job.tell(sent.into_answers(chunk.n_items()));
            }
            Ok(Outcome::Panicked(panic)) => job.meet(|| Fate::Panicked(panic.clone())),
            Ok(Outcome::Unsendable(reason)) => job.meet(|| Fate::Lost(reason.clone())),
            Err(error) => job.meet(|| Fate::Lost(error.to_string())),
        },
    }
}
