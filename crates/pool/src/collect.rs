//! Collecting: taking reports from the ring in their order, and doing what each calls for.
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
use crate::chunk::answers::Sent;
use crate::dispatch::Task as _;
use crate::engine::{Engine, Phase, State};
use crate::events::{Event, TaskId};
use crate::job::{Argument, Job};
use crate::mailbox::{Fate, Mailbox, Waited};
use crate::parcel::{self, Freight, MOST_INLINE, Parcel};
use crate::record::{Report, What};

/// The calling thread has no seat at the outbox, so it cannot collect.
#[derive(Debug)]
struct Unable;

impl Engine {
    /// Waits for a result at a mailbox, collecting for everybody if nobody else does.
    pub(crate) fn wait(&self, mailbox: &Arc<Mailbox>, deadline: Deadline) -> Waited {
        match mailbox.take() {
            Waited::TimedOut => {}
            waited => return waited,
        }
        if !self.lead.take_or_wait(mailbox) {
            match mailbox.wait(deadline) {
                Waited::Promoted => {}
                waited => {
                    if self.lead.withdraw(mailbox) {
                        self.hand_over();
                    }
                    return waited;
                }
            }
        }
        match self.collect_until(mailbox, deadline) {
            Ok(waited) => {
                self.hand_over();
                waited
            }
            Err(Unable) => self.wait_unable(mailbox, deadline),
        }
    }

    /// Waits, as one who is the collector and cannot be it: the clerk is, as long as we wait.
    fn wait_unable(&self, mailbox: &Mailbox, deadline: Deadline) -> Waited {
        self.lead.begin_unable();
        let waited = loop {
            self.lead.leave_to_clerk();
            match mailbox.wait(deadline) {
                // Meant for somebody else who waits here, and can collect.
                Waited::Promoted => {}
                waited => break waited,
            }
        };
        self.lead.end_unable();
        waited
    }

    /// Collects what is there, if nobody else does.
    pub(crate) fn poll(&self) {
        if self.lead.try_take() {
            match self.collect_all() {
                Ok(()) => self.hand_over(),
                Err(Unable) => self.lead.leave_to_clerk(),
            }
        }
    }

    /// Collects until something has arrived in a mailbox.
    fn collect_until(&self, mailbox: &Mailbox, deadline: Deadline) -> Result<Waited, Unable> {
        loop {
            match mailbox.take() {
                Waited::TimedOut => {}
                waited => return Ok(waited),
            }
            match self.outbox.get_deadline(deadline) {
                Ok(record) => {
                    self.handle(record);
                    // The rest, while we are at it.
                    self.collect_all()?;
                }
                Err(GetError::TimedOut) => return Ok(mailbox.take()),
                Err(GetError::NoSeat(_)) => return Err(Unable),
                // The pool is over, so that whatever will arrive has arrived.
                Err(GetError::Closed) => {
                    self.outbox_is_closed();
                    return Ok(match mailbox.take() {
                        Waited::TimedOut => Waited::NothingDue,
                        waited => waited,
                    });
                }
                Err(error) => self.end(Phase::Broken(error.to_string())),
            }
        }
    }

    /// Collects what is there: no more than comes while we do.
    fn collect_all(&self) -> Result<(), Unable> {
        for _ in 0..self.outbox.capacity() {
            match self.outbox.try_get() {
                Ok(record) => self.handle(record),
                Err(GetError::NoSeat(_)) => return Err(Unable),
                // What else is wrong is found by whoever waits.
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// The clerk's life: collects when it is called. `ready` is called when it can be.
    pub(crate) fn be_clerk(&self, ready: impl FnOnce()) {
        // Takes a seat at the outbox before others have all of them. Nobody works yet.
        let _empty = self.outbox.try_get();
        ready();
        while let Waited::Promoted = self.lead.clerk().wait(Deadline::NEVER) {
            while self.collect_all().is_ok() && self.must_clerk_go_on() {
                match self.outbox.get() {
                    Ok(record) => self.handle(record),
                    Err(GetError::Closed) => {
                        self.outbox_is_closed();
                        break;
                    }
                    Err(error) => self.end(Phase::Broken(error.to_string())),
                }
            }
            self.hand_over();
        }
    }

    /// No report comes any more. It is we who see to that, when the pool is over; or a worker that does
    /// what it should not.
    fn outbox_is_closed(&self) {
        if self.lock().phase.has_workers() {
            self.end(Phase::Broken("a worker has closed the ring of all reports".to_owned()));
        }
    }

    fn must_clerk_go_on(&self) -> bool {
        !self.outbox.is_closed() && self.lead.needs_clerk(|| !self.lock().dispatch.is_idle())
    }

    /// Stops collecting for everybody.
    fn hand_over(&self) {
        self.lead.hand_over(|| self.has_backlog());
    }

    fn has_backlog(&self) -> bool {
        self.lock().dispatch.has_backlog()
    }

    /// Takes note of one report.
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
        let n_bytes = if is_large { MOST_INLINE } else { n_bytes };
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
