//! The engine: the table, the rings and the workers, brought together.
//!
//! Everything that happens to a task happens in here, under one lock that is held for a few moves
//! at a time: never across a call that blocks, and never while code of a user runs.
//!
//! | who | does |
//! |-----|------|
//! | a thread that submits | queues its task and gives what can be given |
//! | the collector (see [`lead`](crate::lead)) | takes reports, gives more, delivers results |
//! | the keeper (see [`keeper`](crate::keeper)) | starts workers, and reports their ends |
//!
//! # Death of a worker
//!
//! The keeper sees it through the pidfd and puts a report of it into the outbox itself. What the
//! worker had answered was put before it died, so it comes before that report, and the collector
//! takes reports in their order: when it comes to the end of a worker, whatever that worker has not
//! answered it never will. Of that, what the board says it had begun is lost with it; all else is
//! queued again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipc_core::robust::Thread;
use ipc_core::wire::{self, MessageSocket, SendError};
use ipc_core::{Deadline, primitive::AtomicU64, primitive::Ordering::Relaxed};
use ipc_queue::{ByteQueue, GetError, PutError};
use proc_core::{ExitStatus, Function, JoinError, Process, Refusal};

use crate::board::{Board, Said};
use crate::builder::Retry;
use crate::dispatch::{Dispatch, Fed, Give, MOST_GIVEN, MOST_NANOS_AHEAD, Task};
use crate::error::PoolError;
use crate::lead::Lead;
use crate::mailbox::{Fate, Mailbox, Waited};
use crate::parcel::{self, Freight, Parcel};
use crate::record::{Order, Report, What};
use crate::sys::Bell;

/// All of a pool but its threads.
#[derive(Debug)]
pub(crate) struct Engine {
    state: Mutex<State>,
    lead: Lead,
    /// Reports of all workers, and of the keeper.
    pub(crate) outbox: ByteQueue,
    pub(crate) board: Board,
    /// Wakes the keeper.
    pub(crate) bell: Bell,
    pub(crate) n_workers: usize,
    retry: Retry,
    /// Of the process whose pool this is; a copy of it has another one.
    generation: u64,
}

/// What changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) dispatch: Dispatch<Arc<Worker>, Job>,
    /// The functions that were called so far.
    known: HashMap<Function, Arc<Known>>,
    pub(crate) phase: Phase,
    /// Those who wait until there is no task left.
    draining: Vec<Arc<Mailbox>>,
    /// How many workers were started in place of dead ones.
    pub(crate) n_replaced: u64,
    /// How many workers in a row did not come to work.
    pub(crate) n_failed_starts: u32,
    /// Room for a record that is being made.
    record: Vec<u8>,
}

/// How far a pool's life has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It takes tasks.
    Open,
    /// It takes none, and does those it has.
    Closed,
    /// Nothing more is done.
    Over,
    /// It has no workers and gets none; says why.
    Broken(String),
}

impl Phase {
    /// Whether workers that die are to be replaced.
    pub(crate) const fn has_workers(&self) -> bool {
        matches!(self, Self::Open | Self::Closed)
    }
}

/// A worker, as the parent has it.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) process: Process<()>,
    pub(crate) inbox: ByteQueue,
    pub(crate) socket: MessageSocket,
}

/// A function that was called before.
#[derive(Debug)]
pub(crate) struct Known {
    /// Its name, encoded.
    name: Vec<u8>,
    /// How long it will likely take; a number of nobody but this process.
    nanos: AtomicU64,
}

/// A task, as the parent has it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) known: Arc<Known>,
    pub(crate) argument: Parcel,
    /// Its number among the tasks of its caller.
    pub(crate) index: usize,
    pub(crate) mailbox: Arc<Mailbox>,
    /// How many workers have died of it.
    pub(crate) n_deaths: u32,
}

/// The calling thread has no seat at the outbox, so it cannot collect.
#[derive(Debug)]
struct Unable;

impl Engine {
    pub(crate) fn new(
        n_workers: usize,
        retry: Retry,
        outbox: ByteQueue,
        board: Board,
        bell: Bell,
    ) -> Self {
        let state = State {
            dispatch: Dispatch::new(n_workers),
            known: HashMap::new(),
            phase: Phase::Open,
            draining: Vec::new(),
            n_replaced: 0,
            n_failed_starts: 0,
            record: Vec::new(),
        };
        let generation = Thread::current().generation();
        let state = Mutex::new(state);
        Self { state, lead: Lead::new(), outbox, board, bell, n_workers, retry, generation }
    }

    /// Whether this is the process that made the pool, and not a copy of that one.
    ///
    /// In a copy no lock may be taken: whoever held it may not exist there.
    pub(crate) fn is_ours(&self) -> bool {
        Thread::current().generation() == self.generation
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // What runs under the lock does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a function.
    pub(crate) fn known(&self, function: Function) -> Result<Arc<Known>, PoolError> {
        let mut state = self.lock();
        if let Some(known) = state.known.get(&function) {
            return Ok(Arc::clone(known));
        }
        let mut name = Vec::new();
        wire::encode_plain(&function, &mut name).map_err(PoolError::Argument)?;
        let known = Arc::new(Known { name, nanos: AtomicU64::new(u64::MAX) });
        state.known.insert(function, Arc::clone(&known));
        Ok(known)
    }

    /// Takes a task, or says why not.
    pub(crate) fn submit(&self, job: Job) -> Result<(), PoolError> {
        let mut state = self.lock();
        match &state.phase {
            Phase::Open => {}
            Phase::Closed | Phase::Over => return Err(PoolError::Closed),
            Phase::Broken(reason) => return Err(PoolError::NoWorkers(reason.clone())),
        }
        job.mailbox.expect_one();
        state.dispatch.queue(job);
        let fed = state.feed();
        let has_backlog = state.dispatch.n_queued() > 0;
        drop(state);
        self.finish(fed, Vec::new());
        if has_backlog {
            self.lead.call_clerk();
        }
        Ok(())
    }

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
            Err(Unable) => {
                self.lead.leave_to_clerk();
                let waited = mailbox.wait(deadline);
                self.lead.stop_leaving();
                waited
            }
        }
    }

    /// Collects what is there, if nobody else does.
    pub(crate) fn poll(&self) {
        if self.lead.try_take() {
            // Whoever is unable to collect leaves it to the clerk.
            if self.collect_all().is_err() {
                self.lead.leave_to_clerk();
                self.lead.stop_leaving();
            } else {
                self.hand_over();
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
                    Err(GetError::Closed) => break,
                    Err(error) => self.end(Phase::Broken(error.to_string())),
                }
            }
            self.hand_over();
        }
    }

    fn must_clerk_go_on(&self) -> bool {
        !self.outbox.is_closed() && self.lead.needs_clerk(|| self.has_backlog())
    }

    /// Stops collecting for everybody.
    fn hand_over(&self) {
        self.lead.hand_over(|| self.has_backlog());
    }

    fn has_backlog(&self) -> bool {
        self.lock().dispatch.n_queued() > 0
    }

    /// Takes note of one report.
    fn handle(&self, mut record: Vec<u8>) {
        // What is no report was written by somebody who scribbles; there is nobody to tell.
        let Some(report) = Report::take(&mut record) else { return };
        match report.what {
            What::Outcome | What::Refusal => self.answered(&report, record),
            What::Ended => self.ended(report.place, report.ticket),
            What::Nudge => {}
        }
    }

    /// A worker has answered.
    fn answered(&self, report: &Report, bytes: Vec<u8>) {
        let mut state = self.lock();
        let Some(job) = state.dispatch.answered(report.place, report.ticket) else { return };
        state.n_failed_starts = 0;
        job.known.took(report.nanos);
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
            Ok(handles) => fate(report, Parcel::of_parts(report.freight, bytes, handles)),
        };
        job.mailbox.deliver(job.index, fate);
        self.finish(fed, drained);
    }

    /// A worker has ended, and all that it had answered was taken.
    fn ended(&self, place: usize, incarnation: u64) {
        let said = self.board.read(place);
        let mut state = self.lock();
        let Some(gone) = state.dispatch.died(place, incarnation, said) else { return };
        let came_to_work = said != Said::Nothing;
        state.n_failed_starts = if came_to_work { 0 } else { state.n_failed_starts + 1 };
        let process = &gone.worker.process;
        let mut failed = None;
        if let Some(mut job) = gone.victim {
            job.n_deaths = job.n_deaths.saturating_add(1);
            match process.try_join() {
                // Where panics end the process, this is how they are told.
                Err(JoinError::Panicked(panic)) => failed = Some((job, Fate::Panicked(panic))),
                _ if self.retry.allows(job.n_deaths) => state.dispatch.queue_first(job),
                _ => {
                    let status = process.exit_status().ok().flatten();
                    let status = status.unwrap_or(ExitStatus::Unknown);
                    let fate = Fate::Died { pid: process.pid(), status, n_deaths: job.n_deaths };
                    failed = Some((job, fate));
                }
            }
        }
        let fed = state.feed();
        let drained = state.drained();
        drop(state);
        if let Some((job, fate)) = failed {
            job.mailbox.deliver(job.index, fate);
        }
        // The place wants somebody.
        self.bell.ring();
        self.finish(fed, drained);
    }

    /// What remains to be done without the lock.
    fn finish(&self, fed: Fed<Job>, drained: Vec<Arc<Mailbox>>) {
        for (job, reason) in fed.unsendable {
            job.mailbox.deliver(job.index, Fate::Lost(reason));
        }
        for mailbox in drained {
            mailbox.deliver(0, Fate::Terminated);
        }
        if fed.is_unable {
            // The keeper has a seat at every inbox.
            self.bell.ring();
        }
    }

    /// Gives what can be given.
    pub(crate) fn feed(&self) {
        let mut state = self.lock();
        let fed = state.feed();
        let drained = state.drained();
        drop(state);
        self.finish(fed, drained);
    }

    /// Somebody works in a place again; gives the worker back if the pool is over.
    pub(crate) fn employ(&self, place: usize, worker: Arc<Worker>) -> Result<u64, Arc<Worker>> {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Over | Phase::Broken(_)) {
            return Err(worker);
        }
        let incarnation = state.dispatch.next_incarnation(place);
        state.n_replaced += u64::from(incarnation > 1);
        state.dispatch.employ(place, worker);
        let fed = state.feed();
        drop(state);
        self.finish(fed, Vec::new());
        Ok(incarnation)
    }

    /// Puts a report of the keeper's, and sees to it that somebody takes it.
    pub(crate) fn tell(&self, what: What, place: usize, incarnation: u64) {
        let mut record = Vec::new();
        let freight = Freight::None;
        Report { what, place, ticket: incarnation, nanos: 0, freight }.write(&mut record);
        loop {
            // Before, in case that the ring is full; and after.
            self.lead.have_looked();
            let put = self.outbox.put_timeout(&record, LOOK_AGAIN);
            if !put.is_err_and(|error| error.is_full()) {
                break;
            }
        }
        self.lead.have_looked();
    }

    /// Ends the pool: all its tasks fail, and nothing more is given to anybody.
    pub(crate) fn end(&self, phase: Phase) {
        let mut state = self.lock();
        if state.phase != Phase::Over {
            state.phase = phase.clone();
        }
        let jobs = state.dispatch.take_all();
        let drained = state.drained();
        drop(state);
        for job in jobs {
            let fate = match &phase {
                Phase::Broken(reason) => Fate::NoWorkers(reason.clone()),
                _ => Fate::Terminated,
            };
            job.mailbox.deliver(job.index, fate);
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
    }

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
        mailbox.expect_one();
        state.draining.push(Arc::clone(&mailbox));
        drop(state);
        !matches!(self.wait(&mailbox, deadline), Waited::TimedOut)
    }

    /// Nobody is interested in the results of a mailbox any more.
    pub(crate) fn forget(&self, mailbox: &Arc<Mailbox>) {
        let mut state = self.lock();
        state.dispatch.forget(|job| Arc::ptr_eq(&job.mailbox, mailbox));
        let drained = state.drained();
        drop(state);
        for mailbox in drained {
            mailbox.deliver(0, Fate::Terminated);
        }
    }
}

/// How long the keeper waits for room before it looks whether somebody makes some.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl State {
    fn feed(&mut self) -> Fed<Job> {
        let Self { dispatch, record, .. } = self;
        let fed = dispatch.feed(|worker, ticket, job| worker.give(ticket, job, record));
        for worker in dispatch.retired() {
            // If it has ended already, all the better.
            let _killed = worker.process.kill();
        }
        fed
    }

    /// Those who wait for the last task to be done, if it is.
    fn drained(&mut self) -> Vec<Arc<Mailbox>> {
        if self.draining.is_empty() || !self.dispatch.is_idle() {
            return Vec::new();
        }
        std::mem::take(&mut self.draining)
    }
}

impl Worker {
    /// Puts a task into the worker's inbox.
    fn give(&self, ticket: u64, job: &Job, record: &mut Vec<u8>) -> Give {
        let freight = job.argument.freight();
        let argument = job.argument.bytes();
        Order { argument, function: &job.known.name, ticket, freight }.write(record);
        if freight != Freight::None {
            // A parcel is sent only if its record can follow; nobody else takes the room.
            let n_slots = record.len().div_ceil(SLOT_BYTES);
            if self.inbox.len() + n_slots > self.inbox.capacity() {
                return Give::Full;
            }
            match job.argument.send(&self.socket, ticket, Deadline::now()) {
                Ok(()) => {}
                Err(SendError::TimedOut) => return Give::Full,
                Err(SendError::Io(error)) => return Give::Unsendable(error.to_string()),
                // It has died, which somebody will report, or half a message is in there.
                Err(_) => return Give::Useless,
            }
        }
        match self.inbox.try_put(record) {
            Ok(()) => Give::Taken,
            Err(error) if error.is_full() => Give::Full,
            Err(PutError::NoSeat { .. }) => Give::Unable,
            Err(error @ PutError::TooLarge { .. }) => Give::Unsendable(error.to_string()),
            Err(_) => Give::Useless,
        }
    }
}

/// So much of a record fits into a slot of a ring: a task with a few numbers.
pub(crate) const SLOT_BYTES: usize = 112;

/// What an answer says.
fn fate(report: &Report, answer: Parcel) -> Fate {
    match report.what {
        What::Refusal => {
            let refusal = answer.unpack().map(|message| wire::decode::<Refusal>(message));
            match refusal {
                Ok(Ok(refusal)) => Fate::Refused(refusal),
                Ok(Err(error)) => Fate::Lost(error.to_string()),
                Err(error) => Fate::Lost(error.to_string()),
            }
        }
        _ => Fate::Answered(answer),
    }
}

impl Task for Job {
    fn nanos(&self) -> u64 {
        self.known.nanos.load(Relaxed)
    }

    fn has_parcel(&self) -> bool {
        self.argument.freight() != Freight::None
    }
}

impl Known {
    /// A task took so long. A long one is believed at once, short ones only by and by.
    fn took(&self, nanos: u64) {
        let believed = self.nanos.load(Relaxed);
        let next = match believed {
            u64::MAX => nanos,
            _ => nanos.max(believed - believed / 8 + nanos / 8),
        };
        // Only the collector does this.
        self.nanos.store(next, Relaxed);
    }

    /// How many tasks of this function a worker is likely to be given at a time.
    pub(crate) fn depth(&self) -> usize {
        let nanos = self.nanos.load(Relaxed).max(1);
        usize::try_from(MOST_NANOS_AHEAD / nanos).unwrap_or(MOST_GIVEN).clamp(1, MOST_GIVEN)
    }
}
