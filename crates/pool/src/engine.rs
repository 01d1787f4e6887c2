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

use ipc_core::{Deadline, wire};
use ipc_queue::ByteQueue;
use proc_core::Function;

use crate::board::{Board, Moment, Said};
use crate::callbacks::Callbacks;
use crate::dispatch::{Dispatch, Place, Task as _};
use crate::employee::Employee;
use crate::error::PoolError;
use crate::events::{Event, Events, Hub, TaskId};
use crate::job::{Job, Known, Plan};
use crate::latency::Histogram;
use crate::lead::Lead;
use crate::limits::Ending;
use crate::mailbox::Mailbox;
use crate::options::Options;
use crate::original::Original;
use crate::pace::Pace;
use crate::parcel::Freight;
use crate::record::{Report, What};
use crate::shelf::Shelf;
use crate::size::Size;
use crate::sys::Bell;

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
    /// Of tasks of which nothing else is said.
    pub(crate) options: Options,
    pub(crate) callbacks: Arc<Callbacks>,
    /// Where large arguments lie; none if the system lets us have none.
    pub(crate) shelf: Option<Arc<Shelf>>,
    /// The process whose pool this is.
    owner: Original,
}

/// What changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) dispatch: Dispatch<Arc<Employee>, Job>,
    /// The functions that were called so far, with how tasks are run of which nothing else is said.
    plans: HashMap<(Function, u64), Arc<Plan>>,
    /// How many tasks were submitted.
    n_submitted: u64,
    pub(crate) phase: Phase,
    /// Those who wait until there is no task left.
    pub(crate) draining: Vec<Arc<Mailbox>>,
    /// How many workers were started in place of dead ones.
    pub(crate) n_replaced: u64,
    pub(crate) size: Size,
    /// Those who listen to what happens.
    pub(crate) hub: Hub,
    /// How long tasks took.
    pub(crate) run_times: Histogram,
    /// How long it was from when some of them were submitted to their answers.
    pub(crate) turnarounds: Histogram,
    /// The collector must look at its mailbox: the keeper is to tell it.
    pub(crate) wants_nudge: bool,
    /// Some thread prepares the next task, and will give it.
    pub(crate) is_preparing: bool,
    /// Mailboxes that nobody is interested in: the keeper is to take their tasks back.
    pub(crate) forgotten: Vec<Arc<Mailbox>>,
    /// Mailboxes whose tasks are cancelled, which the keeper is to do.
    pub(crate) cancelled: Vec<Arc<Mailbox>>,
    /// Workers that are to end since the tasks that they run are to.
    pub(crate) endings: Vec<Ending>,
    /// When the keeper must see what is due.
    pub(crate) look_at: Deadline,
    /// The keeper sees to it that somebody collects.
    pub(crate) is_ticking: bool,
    /// Room for a record that is being made.
    pub(crate) record: Vec<u8>,
    pub(crate) board: Board,
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
        options: Options,
        outbox: ByteQueue,
        board: Board,
        bell: Bell,
    ) -> Self {
        let state = State {
            dispatch: Dispatch::new(size.most),
            plans: HashMap::new(),
            n_submitted: 0,
            phase: Phase::Open,
            draining: Vec::new(),
            n_replaced: 0,
            size,
            hub: Hub::default(),
            run_times: Histogram::new(),
            turnarounds: Histogram::new(),
            wants_nudge: false,
            is_preparing: false,
            forgotten: Vec::new(),
            cancelled: Vec::new(),
            endings: Vec::new(),
            look_at: Deadline::NEVER,
            is_ticking: false,
            record: Vec::new(),
            board: board.clone(),
        };
        let n_workers = size.most;
        let state = Mutex::new(state);
        Self {
            state,
            lead: Lead::new(),
            outbox,
            board,
            bell,
            n_workers,
            options,
            callbacks: Arc::default(),
            shelf: Shelf::for_arguments(),
            owner: Original::this(),
        }
    }

    /// Whether this is the process that made the pool, and not a copy of that one.
    ///
    /// In a copy no lock may be taken: whoever held it may not exist there.
    pub(crate) fn is_ours(&self) -> bool {
        self.owner.is_this()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // What runs under the lock does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How tasks of a function are run of which nothing else is said.
    ///
    /// `begin` makes what is known of it beside its name, if it is called for the first time.
    pub(crate) fn plan(
        &self,
        function: Function,
        number: u64,
        begin: impl FnOnce() -> Result<(Vec<u8>, Arc<Pace>, u64), PoolError>,
    ) -> Result<Arc<Plan>, PoolError> {
        let mut state = self.lock();
        let key = (function, number);
        if let Some(plan) = state.plans.get(&key) {
            return Ok(Arc::clone(plan));
        }
        let mut name = Vec::new();
        wire::encode_plain(&key.0, &mut name).map_err(PoolError::Argument)?;
        let (prefix, pace, place) = begin()?;
        let known = Arc::new(Known { name, prefix, pace, place });
        let plan = Arc::new(Plan { known, options: self.options.clone() });
        state.plans.insert(key, Arc::clone(&plan));
        Ok(plan)
    }

    /// Takes tasks of one mailbox, which has so many results to expect of them, or says why not; returns the
    /// number of the first. They are made when the pool takes them. If some wait, somebody is made to
    /// collect.
    pub(crate) fn submit(
        &self,
        mailbox: &Mailbox,
        n_items: usize,
        jobs: impl Iterator<Item = Job>,
    ) -> Result<u64, PoolError> {
        let (number, has_backlog) = self.take(mailbox, n_items, jobs)?;
        if has_backlog {
            self.lead.call_clerk();
        }
        Ok(number)
    }

    /// The same for a caller who collects soon. Says too whether tasks wait.
    pub(crate) fn take(
        &self,
        mailbox: &Mailbox,
        n_items: usize,
        jobs: impl Iterator<Item = Job>,
    ) -> Result<(u64, bool), PoolError> {
        let mut state = self.lock();
        match &state.phase {
            Phase::Open => {}
            Phase::Closed | Phase::Over => return Err(PoolError::Closed),
            Phase::Broken(reason) => return Err(PoolError::NoWorkers(reason.clone())),
        }
        mailbox.expect(n_items);
        let number = state.n_submitted;
        jobs.for_each(|job| state.queue(job));
        let fed = state.feed();
        let mut has_backlog = state.dispatch.has_backlog();
        let starts_ticking = !std::mem::replace(&mut state.is_ticking, true);
        let can_grow = state.size.can_grow() && state.dispatch.wants_more_workers();
        drop(state);
        if starts_ticking || can_grow {
            self.bell.ring();
        }
        let was_unprepared = fed.is_unprepared;
        self.settle_aside(fed);
        if was_unprepared {
            has_backlog = self.lock().dispatch.has_backlog();
        }
        Ok((number, has_backlog))
    }

    /// What the keeper does when the bell rings: gives what can be given, and nudges.
    pub(crate) fn look_around(&self) {
        let mut state = self.lock();
        for mailbox in std::mem::take(&mut state.forgotten) {
            // The keeper can.
            let _can = state.forget_all_of(&mailbox);
        }
        let cancelled = std::mem::take(&mut state.cancelled);
        drop(state);
        for mailbox in cancelled {
            self.cancel_all(&mailbox);
        }
        let mut state = self.lock();
        let fed = state.feed();
        drop(state);
        self.settle_aside(fed);
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
        goes_on.then(|| self.lead.see_to_it())
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
        let pid = worker.process.pid();
        state.dispatch.employ(place, worker);
        state.hub.tell(|| Event::WorkerStarted { place, pid });
        // It may have been so quick that its report was taken before it was known here. What it reports
        // it has said on the board before.
        if prepares && self.board.read(place) == Said::Nothing {
            state.dispatch.await_ready(place);
        } else if prepares {
            state.hub.tell(|| Event::WorkerReady { place, pid });
        }
        let fed = state.feed();
        drop(state);
        self.settle_aside(fed);
        Ok(incarnation)
    }

    /// Puts a report of the keeper's, and sees to it that somebody takes it.
    pub(crate) fn tell(&self, what: What, place: usize, incarnation: u64) {
        let mut record = Vec::new();
        let freight = Freight::None;
        Report { what, place, ticket: incarnation, nanos: 0, n_items: 0, freight }
            .write(&mut record);
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

    /// Somebody listens to what happens, who has room for so many events.
    pub(crate) fn listen(&self, room: usize) -> Events {
        let mut state = self.lock();
        let events = state.hub.listen(room);
        if !state.phase.has_workers() {
            state.hub.end();
        }
        events
    }

    /// The number of the process that runs the task of a mailbox, if one does.
    pub(crate) fn worker_of(&self, mailbox: &Arc<Mailbox>) -> Option<u32> {
        // What has been answered does not run.
        self.poll();
        let state = self.lock();
        let places = state.dispatch.places().iter().enumerate();
        let runs = |(place, of_place): &(usize, &Place<Arc<Employee>, Job>)| {
            let said = self.board.read(*place);
            let is_it = |job: &Job| Arc::ptr_eq(&job.mailbox, mailbox);
            of_place.given().any(|(ticket, job)| said == Said::Begun(ticket) && is_it(job))
        };
        let (_, place) = places.into_iter().find(runs)?;
        Some(place.worker()?.process.pid())
    }
}

impl State {
    /// Queues a task that nobody has seen before.
    fn queue(&mut self, mut job: Job) {
        let number = self.n_submitted;
        self.n_submitted += u64::try_from(job.n_items()).unwrap_or(u64::MAX);
        job.number = number;
        // One of so many is among them.
        if number.is_multiple_of(SAMPLED) || number / SAMPLED != (self.n_submitted - 1) / SAMPLED {
            job.submitted = Some(Moment::now());
        }
        let Self { dispatch, hub, .. } = self;
        let n_before = u64::try_from(dispatch.n_waiting()).unwrap_or(u64::MAX);
        hub.tell_each(TaskId::each_of(&job), |task| {
            let n_waiting = n_before.saturating_add(task.number - number).saturating_add(1);
            let n_waiting = usize::try_from(n_waiting).unwrap_or(usize::MAX);
            Event::TaskQueued { task, n_waiting }
        });
        dispatch.queue(job);
    }
}

/// Of so many tasks one is watched from its beginning; the clock costs too much for more.
const SAMPLED: u64 = 16;

/// How long the keeper waits for room before it looks whether somebody makes some.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
