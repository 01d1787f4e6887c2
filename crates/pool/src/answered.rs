//! Answered: tasks leave the table with what came of them, many at a time.
//!
//! Whoever collects takes a report and the answers that lie behind it in one [round](crate::round), and gives
//! what there is to give once. An answer that is more than the few bytes of one result is the last of its round.

use std::mem;
use std::os::fd::OwnedFd;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use proc_core::{Outcome, Refusal};

use crate::chunk::MOST_ANSWER;
use crate::chunk::answers::Sent;
use crate::dispatch::Task as _;
use crate::employee::Employee;
use crate::engine::{Engine, State};
use crate::events::{Event, TaskId};
use crate::few::Few;
use crate::job::{Argument, Job};
use crate::mailbox::Fate;
use crate::parcel::{self, Freight, Parcel};
use crate::record::{Report, What};
use crate::round::{self, Arrivals, Round};

/// Where the engine's answers are taken.
struct Taking<'e> {
    engine: &'e Engine,
    state: MutexGuard<'e, State>,
    /// Those of the report that was taken last.
    bytes: &'e mut Vec<u8>,
}

/// A task that was answered, with all that belongs to that.
#[derive(Debug)]
struct Answer {
    job: Job,
    report: Report,
    bytes: Vec<u8>,
    /// What was not begun of it, if that is cancelled.
    cancelled: Option<Job>,
    worker: Option<Arc<Employee>>,
    /// What came through the socket, or why it did not.
    handles: Result<Vec<OwnedFd>, String>,
}

impl Engine {
    /// A worker has answered. Takes what lies behind that, too; gives back the first report that is no
    /// answer, if it comes to one.
    pub(crate) fn answered(&self, report: Report, bytes: &mut Vec<u8>) -> Option<Report> {
        round::run(Taking { engine: self, state: self.lock(), bytes }, report)
    }

    /// Delivers an answer that takes longer.
    fn deliver_answer(&self, answer: Answer) {
        let Answer { job, report, bytes, cancelled, worker, handles } = answer;
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
    }
}

impl Round for Taking<'_> {
    type Report = Report;
    type Last = Answer;

    fn is_answer(report: &Report) -> bool {
        report.is_answer()
    }

    fn next(&mut self) -> Option<Report> {
        // What is wrong with the ring is found by whoever waits.
        self.engine.outbox.try_get_into(self.bytes).ok()?;
        Report::take(self.bytes)
    }

    fn take(&mut self, answer: Report, arrivals: &mut Arrivals) -> Option<Answer> {
        self.state.take_answer(answer, self.bytes, arrivals)
    }

    fn end(self, last: Option<Answer>) -> impl FnOnce() {
        let Self { engine, mut state, bytes: _ } = self;
        let fed = state.feed();
        drop(state);
        move || {
            if let Some(answer) = last {
                engine.deliver_answer(answer);
            }
            engine.settle(fed);
        }
    }
}

impl State {
    /// Takes an answered task out of the table. Its result goes with the others if it is a few bytes;
    /// otherwise the answer is given back.
    fn take_answer(
        &mut self,
        report: Report,
        bytes: &mut Vec<u8>,
        arrivals: &mut Arrivals,
    ) -> Option<Answer> {
        let mut job = self.dispatch.answered(report.place, report.ticket)?;
        // At least one is done, or it would be handed out for ever.
        let n_done = usize::try_from(report.n_items).unwrap_or(usize::MAX).min(job.n_items());
        let n_done = n_done.max(1).max(job.n_told());
        let rest = match report.what {
            What::Refusal => None,
            _ => job.split_off(n_done),
        };
        let cancelled = rest.and_then(|rest| {
            let is_cancelled = self.is_cancelled(report.place, report.ticket);
            self.hand_on(rest, is_cancelled)
        });
        self.note(&job, &report, bytes.len());
        if report.what == What::Outcome && report.freight == Freight::None && job.is_light() {
            let fate = Fate::Answered(Parcel::of_bytes(Few::take(bytes)));
            arrivals.add(job.mailbox, job.index, fate);
            return None;
        }
        let worker = self.dispatch.worker(report.place).map(Arc::clone);
        let handles = match (report.freight, &worker) {
            (Freight::None | Freight::Shelf, _) => Ok(Vec::new()),
            (_, Some(worker)) => {
                parcel::receive(&worker.socket, report.ticket).map_err(|error| error.to_string())
            }
            (_, None) => Err("its worker is gone".to_owned()),
        };
        if handles.is_err() {
            // What comes next through that socket cannot be trusted.
            self.dispatch.retire(report.place);
        }
        Some(Answer { job, report, bytes: mem::take(bytes), cancelled, worker, handles })
    }

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
            Ok(Outcome::Panicked(panic)) => job.meet(|| Fate::Panicked(Box::new(panic.clone()))),
            Ok(Outcome::Unsendable(reason)) => job.meet(|| Fate::Lost(reason.clone())),
            Err(error) => job.meet(|| Fate::Lost(error.to_string())),
        },
    }
}
