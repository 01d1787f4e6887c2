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
use proc_core::{ExitStatus, JoinError, Process, Refusal};

use crate::board::Said;
use crate::engine::{Engine, Phase, State};
use crate::events::{Event, TaskId};
use crate::job::Job;
use crate::limits::Why;
use crate::mailbox::{Fate, Mailbox, Waited};
use crate::parcel::{self, Freight, Parcel};
use crate::record::{Report, What};
use crate::trace;
use crate::worker::End;

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
        let Some(job) = state.dispatch.answered(report.place, report.ticket) else { return };
        state.note(&job, report);
        let handles = match (report.freight, state.dispatch.worker(report.place)) {
            (Freight::None, _) => Ok(Vec::new()),
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
        let fate = match handles {
            Err(reason) => Fate::Lost(reason),
            // Its bytes are read at once: results that nobody has taken yet hold no descriptors.
            Ok(handles) => match Parcel::of_parts(report.freight, bytes, handles) {
                Ok(answer) => fate(report, answer),
                Err(error) => Fate::Lost(error.to_string()),
            },
        };
        job.mailbox.deliver(job.index, fate);
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

    /// A worker ends, and begins nothing of what it has.
    fn left(&self, place: usize) {
        // Nobody can say so for another one.
        if self.board.read(place) != Said::Leaving {
            return;
        }
        let mut state = self.lock();
        state.dispatch.left(place);
        let cancelled = state.take_cancelled_at(place);
        let fed = state.feed();
        drop(state);
        if let Some(job) = cancelled {
            job.mailbox.deliver(job.index, Fate::Cancelled);
        }
        // It has not for ever to end.
        self.bell.ring();
        self.settle(fed, Vec::new());
    }

    /// A worker has ended, and all that it had answered was taken.
    fn ended(&self, place: usize, incarnation: u64) {
        let said = self.board.read(place);
        let mut state = self.lock();
        // A death is a fact from the kernel: a record alone may be a worker's own invention.
        let worker = state.dispatch.worker(place);
        if worker.is_some_and(|worker| worker.process.is_alive()) {
            return;
        }
        let Some(gone) = state.dispatch.died(place, incarnation, said) else { return };
        let cancelled = state.take_cancelled_at(place);
        let ticket = if let Said::Begun(ticket) = said { Some(ticket) } else { None };
        let ending = state.take_ending(place, ticket);
        let process = &gone.worker.process;
        let status = process.exit_status().ok().flatten().unwrap_or(ExitStatus::Unknown);
        let pid = process.pid();
        state.hub.tell(|| Event::WorkerDied { place, pid, status });
        let failed = gone.victim.and_then(|job| {
            let task = TaskId::of(&job);
            let failed = state.bury(job, process, ending);
            state.hub.tell(|| Event::TaskDied { task, place, pid, again: failed.is_none() });
            failed
        });
        let failed = failed.or(cancelled.map(|job| (job, Fate::Cancelled)));
        let fed = state.feed();
        let drained = state.drained();
        drop(state);
        if let Some((job, fate)) = failed {
            trace::task_died(job.number, job.plan.options.tag.as_deref().unwrap_or_default(), pid);
            job.mailbox.deliver(job.index, fate);
        }
        // The place wants somebody.
        self.bell.ring();
        self.settle(fed, drained);
    }
}

impl State {
    /// A task was answered.
    fn note(&mut self, job: &Job, report: &Report) {
        job.plan.known.took(report.nanos);
        self.run_times.add(report.nanos);
        if let Some(submitted) = job.submitted {
            let nanos = u64::try_from(submitted.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.turnarounds.add(nanos);
        }
        let Self { dispatch, hub, .. } = self;
        hub.tell(|| Event::TaskDone {
            task: TaskId::of(job),
            place: report.place,
            pid: dispatch.worker(report.place).map_or(0, |worker| worker.process.pid()),
            run_time: Duration::from_nanos(report.nanos),
        });
    }

    /// A worker has died of a task: what becomes of that, unless it is to run again.
    fn bury(
        &mut self,
        mut job: Job,
        process: &Process<End>,
        ending: Option<Why>,
    ) -> Option<(Job, Fate)> {
        if ending == Some(Why::Cancelled) {
            return Some((job, Fate::Cancelled));
        }
        let end = process.try_join();
        if let (Err(JoinError::Panicked(panic)), None) = (&end, ending) {
            // Where panics end the process, this is how they are told.
            return Some((job, Fate::Panicked(panic.clone())));
        }
        job.n_deaths = job.n_deaths.saturating_add(1);
        let options = &job.plan.options;
        match options.retry.pause_after(job.n_deaths) {
            Some(Duration::ZERO) => self.dispatch.queue(job),
            Some(pause) => {
                let until = Deadline::after(pause);
                self.look_at = self.look_at.min(until);
                self.dispatch.rest(until, job);
            }
            None => {
                let (pid, n_deaths, tag) = (process.pid(), job.n_deaths, options.tag.clone());
                let fate = if let Some(Why::TimedOut(limit)) = ending {
                    Fate::TimedOut { limit, pid, n_deaths, tag }
                } else {
                    let status = process.exit_status().ok().flatten();
                    let status = status.unwrap_or(ExitStatus::Unknown);
                    let memory_hint = match end {
                        Err(JoinError::OutOfMemory { hint, .. }) => Some(hint),
                        _ => None,
                    };
                    let max_memory = process.usage().map(|usage| usage.max_memory);
                    Fate::Died { pid, status, n_deaths, max_memory, memory_hint, tag }
                };
                return Some((job, fate));
            }
        }
        None
    }
}

/// What an answer says.
fn fate(report: &Report, answer: Parcel) -> Fate {
    match report.what {
        What::Refusal => match answer.unpack::<Refusal>() {
            Ok(refusal) => Fate::Refused(refusal),
            Err(error) => Fate::Lost(error.to_string()),
        },
        _ => Fate::Answered(answer),
    }
}
