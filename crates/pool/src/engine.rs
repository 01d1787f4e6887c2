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

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipc_core::robust::Thread;
use ipc_core::{Deadline, wire};
use ipc_queue::ByteQueue;
use proc_core::Function;

use crate::board::{Board, Said};
use crate::builder::Retry;
use crate::dispatch::{Dispatch, Fed};
use crate::employee::{Employee, TakenBack};
use crate::error::PoolError;
use crate::job::{Job, Known};
use crate::lead::Lead;
use crate::mailbox::{Fate, Mailbox, Waited};
use crate::parcel::Freight;
use crate::record::{Report, What};
use crate::size::Size;
use crate::sys::{self, Bell};

/// All of a pool but its threads.
#[derive(Debug)]
pub(crate) struct Engine {
    state: Mutex<State>,
    pub(crate) lead: Lead,
    /// Reports of all workers, and of the keeper.
    pub(crate) outbox: ByteQueue,
    pub(crate) board: Board,
    /// Wakes the keeper.
    pub(crate) bell: Bell,
    /// How many there can be.
    pub(crate) n_workers: usize,
    pub(crate) retry: Retry,
    /// Of the process whose pool this is; a copy of it has another one.
    generation: u64,
}

/// What changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) dispatch: Dispatch<Arc<Employee>, Job>,
    /// The functions that were called so far.
    known: HashMap<Function, Arc<Known>>,
    pub(crate) phase: Phase,
    /// Those who wait until there is no task left.
    draining: Vec<Arc<Mailbox>>,
    /// How many workers were started in place of dead ones.
    pub(crate) n_replaced: u64,
    pub(crate) size: Size,
    /// The collector must look at its mailbox: the keeper is to tell it.
    wants_nudge: bool,
    /// Some thread prepares the next task, and will give it.
    is_preparing: bool,
    /// Mailboxes that nobody is interested in: the keeper is to take their tasks back.
    forgotten: Vec<Arc<Mailbox>>,
    /// The keeper sees to it that somebody collects.
    pub(crate) is_ticking: bool,
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

impl Engine {
    pub(crate) fn new(
        size: Size,
        retry: Retry,
        outbox: ByteQueue,
        board: Board,
        bell: Bell,
    ) -> Self {
        let state = State {
            dispatch: Dispatch::new(size.most),
            known: HashMap::new(),
            phase: Phase::Open,
            draining: Vec::new(),
            n_replaced: 0,
            size,
            wants_nudge: false,
            is_preparing: false,
            forgotten: Vec::new(),
            is_ticking: false,
            record: Vec::new(),
        };
        let generation = Thread::current().generation();
        let n_workers = size.most;
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
        let known = Arc::new(Known::new(name));
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
        let mut has_backlog = state.dispatch.n_queued() > 0;
        let starts_ticking = !std::mem::replace(&mut state.is_ticking, true);
        let can_grow = state.size.can_grow() && state.dispatch.wants_more_workers();
        drop(state);
        if starts_ticking || can_grow {
            self.bell.ring();
        }
        let was_unprepared = fed.is_unprepared;
        self.settle_aside(fed, Vec::new());
        if was_unprepared {
            has_backlog = self.lock().dispatch.n_queued() > 0;
        }
        if has_backlog {
            self.lead.call_clerk();
        }
        Ok(())
    }

    /// Prepares tasks that somebody has room for, which takes long and is done without the lock, and
    /// gives them.
    fn prepare(&self, fed: &mut Fed<Job>, drained: &mut Vec<Arc<Mailbox>>) {
        while std::mem::take(&mut fed.is_unprepared) {
            let mut state = self.lock();
            if state.is_preparing {
                // Whoever does so goes on until nothing is left.
                return;
            }
            let wanted = state.dispatch.next_task().and_then(|job| job.argument.wants_file());
            if let Some(bytes) = wanted {
                state.is_preparing = true;
                drop(state);
                let file = sys::file_in_memory(&bytes);
                state = self.lock();
                state.is_preparing = false;
                // It may be gone, or another one be next by now.
                match (state.dispatch.next_task(), file) {
                    (Some(job), Ok(file)) if job.argument.is_of(&bytes) => {
                        job.argument.take_file(file);
                    }
                    (Some(job), Err(error)) if job.argument.is_of(&bytes) => {
                        let job = state.dispatch.take_next();
                        fed.unsendable.extend(job.map(|job| (job, error.to_string())));
                    }
                    _ => {}
                }
            }
            fed.extend(state.feed());
            drained.extend(state.drained());
        }
    }

    /// What remains to be done without the lock, for the collector.
    pub(crate) fn settle(&self, mut fed: Fed<Job>, mut drained: Vec<Arc<Mailbox>>) {
        self.prepare(&mut fed, &mut drained);
        self.deliver(fed, drained);
    }

    fn deliver(&self, fed: Fed<Job>, drained: Vec<Arc<Mailbox>>) {
        for (job, reason) in fed.unsendable {
            job.mailbox.deliver(job.index, Fate::Lost(reason));
        }
        for mailbox in drained {
            mailbox.deliver(0, Fate::Terminated);
        }
        if fed.is_unable || fed.has_retired {
            // The keeper has a seat at every inbox, and sees to it that who leaves does so in time.
            self.bell.ring();
        }
    }

    /// The same for others: the collector may be waiting for just what is delivered here, and looks
    /// at the ring only.
    pub(crate) fn settle_aside(&self, mut fed: Fed<Job>, mut drained: Vec<Arc<Mailbox>>) {
        self.prepare(&mut fed, &mut drained);
        let has_delivered = !fed.unsendable.is_empty() || !drained.is_empty();
        self.deliver(fed, drained);
        if has_delivered && self.lead.is_taken() {
            self.lock().wants_nudge = true;
            self.bell.ring();
        }
    }

    /// What the keeper does when the bell rings: gives what can be given, and nudges.
    pub(crate) fn look_around(&self) {
        let mut state = self.lock();
        for mailbox in std::mem::take(&mut state.forgotten) {
            // The keeper can.
            let _can = state.forget(&mailbox);
        }
        let fed = state.feed();
        let drained = state.drained();
        drop(state);
        self.settle_aside(fed, drained);
        if std::mem::take(&mut self.lock().wants_nudge) {
            self.tell(What::Nudge, 0, 0);
        }
    }

    /// What the keeper does when it is time: as long as there are tasks, somebody must collect, also
    /// if nobody waits for a result. For an answer lets go of what its task had, and makes room for
    /// others. Says whether somebody did already; `None` if there are no tasks.
    pub(crate) fn tick(&self) -> Option<bool> {
        let mut state = self.lock();
        state.is_ticking = !state.dispatch.is_idle();
        let goes_on = state.is_ticking;
        drop(state);
        goes_on.then(|| self.lead.call_clerk())
    }

    /// Somebody works in a place again; gives the worker back if the pool is over.
    pub(crate) fn employ(
        &self,
        place: usize,
        worker: Arc<Employee>,
        prepares: bool,
    ) -> Result<u64, Arc<Employee>> {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Over | Phase::Broken(_)) {
            return Err(worker);
        }
        let incarnation = state.dispatch.next_incarnation(place);
        state.n_replaced += u64::from(incarnation > 1);
        state.dispatch.employ(place, worker);
        // It may have been so quick that its report was taken before it was known here. What it reports
        // it has said on the board before.
        if prepares && self.board.read(place) == Said::Nothing {
            state.dispatch.await_ready(place);
        }
        let fed = state.feed();
        drop(state);
        self.settle_aside(fed, Vec::new());
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
            // Once the pool is over, nobody waits for reports, and some worker may hold up the ring.
            if !put.is_err_and(|error| error.is_full()) || self.lock().phase == Phase::Over {
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
        if !state.forget(mailbox) {
            state.forgotten.push(Arc::clone(mailbox));
            self.bell.ring();
        }
        let fed = state.feed();
        let drained = state.drained();
        drop(state);
        self.settle_aside(fed, drained);
    }
}

/// How long the keeper waits for room before it looks whether somebody makes some.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl State {
    /// Gives what there is to give, and sees to it that nobody is idle while another has tasks that
    /// it has not begun.
    pub(crate) fn feed(&mut self) -> Fed<Job> {
        let Self { dispatch, record, .. } = self;
        let mut fed = dispatch.feed(|worker, ticket, job| worker.give(ticket, job, record));
        while !fed.is_unable
            && let Some((place, worker)) = dispatch.most_ahead()
            && let TakenBack::Task(ticket) = worker.take_back()
        {
            dispatch.taken_back(place, ticket);
            fed.extend(dispatch.feed(|worker, ticket, job| worker.give(ticket, job, record)));
        }
        for worker in dispatch.retired() {
            // It returns; the keeper gives it some time for that.
            worker.inbox.close();
            fed.has_retired = true;
        }
        fed
    }

    /// Takes out the tasks of a mailbox that no worker has taken; `false` if the calling thread cannot.
    fn forget(&mut self, mailbox: &Arc<Mailbox>) -> bool {
        let is_of = |job: &Job| Arc::ptr_eq(&job.mailbox, mailbox);
        let mut can = true;
        for place in 0..self.dispatch.places().len() {
            let Some(of_place) = self.dispatch.places().get(place) else { continue };
            let Some(worker) = of_place.worker().filter(|_| of_place.tasks().any(is_of)) else {
                continue;
            };
            // Those of others, which lie between, are given again.
            let mut tickets = Vec::new();
            loop {
                match worker.take_back() {
                    TakenBack::Task(ticket) => tickets.push(ticket),
                    TakenBack::Nothing => break,
                    TakenBack::Unable => {
                        can = false;
                        break;
                    }
                }
            }
            for ticket in tickets.into_iter().rev() {
                self.dispatch.taken_back(place, ticket);
            }
        }
        self.dispatch.forget(is_of);
        can
    }

    /// Those who wait for the last task to be done, if it is.
    pub(crate) fn drained(&mut self) -> Vec<Arc<Mailbox>> {
        if self.draining.is_empty() || !self.dispatch.is_idle() {
            return Vec::new();
        }
        std::mem::take(&mut self.draining)
    }
}
