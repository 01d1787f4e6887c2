//! Pools: workers of the server's, and the jobs that clients have given them.
//!
//! A *job* is a number of items, each a function and its argument as bytes; whoever submitted it takes what
//! came of them, in the items' order or as they are done. The pool itself (the crate `pool`) has threads of its
//! own, which put what came of an item into a list and ring; everything else is done by the server's thread.
//!
//! A job belongs to the client that submitted it. When the client is gone, what nobody can take any more is
//! cancelled; what a client lets go of while it lives is done, and nobody hears of it.

mod job;
mod maker;
mod worker;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipc_core::wire::Bytes;
use pool::{StatefulPool, TaskError};

use super::weight::Weight;
use super::{Answers, ClientId, Kind, Patience, Payload, Request, Step, Ticket, no_such_method};
use crate::ids::IdMap;
use crate::protocol::Fault;
use crate::protocol::bytes::{Malformed, Reader, put_number};
use crate::protocol::methods::pool as methods;
use crate::server::{Bell, Home};
use job::{Job, Order};
use maker::Seats;
pub(crate) use maker::{NamedTasks, PoolMaker};
use worker::{Answer, run};

/// So many items are submitted by one call, at most.
pub(crate) const MOST_ITEMS: usize = 256;

/// How long workers that have nothing to do may take to end, when the pool has no more tasks.
const GRACE: Duration = Duration::from_secs(10);

/// A pool.
pub(super) struct Pool {
    workers: StatefulPool<Home>,
    /// What remote clients may have run, too.
    tasks: NamedTasks,
    jobs: IdMap<Job>,
    last_job: u64,
    /// The items that are not done, by their numbers in the pool; also those of jobs that were let go of.
    open: IdMap<Open>,
    last_item: u64,
    is_closed: bool,
    /// Those who wait until everything is done.
    draining: Vec<Ticket>,
    outcomes: Arc<Outcomes>,
    _seats: Seats,
}

/// An item that is not done.
struct Open {
    job: u64,
    /// Its place in the job.
    place: u64,
    _weight: Weight,
}

/// What came of items, as the pool's threads tell it.
struct Outcomes {
    list: Mutex<Vec<Outcome>>,
    bell: Bell,
}

struct Outcome {
    item: u64,
    result: Result<Answer, TaskError>,
}

impl Outcomes {
    fn put(&self, outcome: Outcome) {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
        self.bell.ring();
    }

    fn take(&self) -> Vec<Outcome> {
        std::mem::take(&mut *self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pool {
    fn new(workers: StatefulPool<Home>, tasks: NamedTasks, bell: Bell, seats: Seats) -> Self {
        Self {
            workers,
            tasks,
            jobs: IdMap::default(),
            last_job: 0,
            open: IdMap::default(),
            last_item: 0,
            is_closed: false,
            draining: Vec::new(),
            outcomes: Arc::new(Outcomes { list: Mutex::default(), bell }),
            _seats: seats,
        }
    }

    /// The function that a call is about: one of the client's program, or one that has a name here.
    fn function(&self, argument: &mut Reader<'_>, runs_functions: bool) -> Result<Vec<u8>, Fault> {
        let (is_named, what) = (argument.byte()? != 0, argument.block()?);
        if is_named {
            let name = std::str::from_utf8(what).ok();
            let found = name.and_then(|name| self.tasks.get(name));
            let missing = || Fault::NoSuchMethod(format!("{:?}", String::from_utf8_lossy(what)));
            return found.cloned().ok_or_else(missing);
        }
        if runs_functions {
            return Ok(what.to_vec());
        }
        let why = "functions are run only for programs of this user on this machine; \
                   others call those that have a name";
        Err(Fault::Refused(why.into()))
    }

    /// Gives items to the workers, as a new job or as more of one; returns the job's number.
    fn submit(&mut self, request: Request<'_>) -> Result<u64, Fault> {
        let Request { ticket, mut argument, runs_functions, .. } = request;
        let number = argument.number()?;
        if number != 0 {
            self.job(number, ticket.client)?;
        }
        let function = self.function(&mut argument, runs_functions)?;
        let items = blocks(argument)?;
        if self.is_closed {
            return Err(Fault::Closed);
        }
        let number = if number == 0 {
            self.last_job += 1;
            self.jobs.insert(self.last_job, Job::of(ticket.client));
            self.last_job
        } else {
            number
        };
        for item in items {
            if let Err(fault) = self.give(number, &function, item) {
                // Those before it have been given, and those who take hear of it in its place.
                let job = self.jobs.get_mut(&number).ok_or(Fault::NotHeld)?;
                job.fail(fault);
            }
        }
        Ok(number)
    }

    /// Gives an item to the workers.
    fn give(&mut self, number: u64, function: &[u8], argument: &[u8]) -> Result<(), Fault> {
        let call = (Bytes(function.to_vec().into()), Bytes(argument.to_vec().into()));
        let task = self
            .workers
            .submit(run, call)
            .map_err(|error| fault(TaskError::NotTaken(error.into())))?;
        self.last_item += 1;
        let item = self.last_item;
        let outcomes = Arc::clone(&self.outcomes);
        let told = task.on_done(move |result| outcomes.put(Outcome { item, result }));
        told.map_err(|error| fault(error.into()))?;
        let job = self.jobs.get_mut(&number).ok_or(Fault::NotHeld)?;
        let place = job.add(task);
        let weight = Weight::of(argument.len());
        self.open.insert(item, Open { job: number, place, _weight: weight });
        Ok(())
    }

    /// A job, if it is that client's.
    fn job(&mut self, number: u64, client: ClientId) -> Result<&mut Job, Fault> {
        let job = self.jobs.get_mut(&number);
        job.filter(|job| job.owner == client).ok_or(Fault::NotHeld)
    }

    /// Takes what came of items, or waits for it.
    fn take(&mut self, request: Request<'_>) -> Result<Step, Fault> {
        let Request { ticket, mut argument, may_wait, .. } = request;
        let number = argument.number()?;
        let order = if argument.byte()? != 0 { Order::AsDone } else { Order::OfItems };
        let patience = Patience::read(&mut argument, may_wait)?;
        let job = self.job(number, ticket.client)?;
        if let Some(page) = job.page(order) {
            return Ok(page.into());
        }
        let step = patience.park()?;
        job.taking.push_back((ticket, order));
        Ok(step)
    }

    /// Waits until everything is done; nothing more is taken from now on.
    fn drain(&mut self, request: Request<'_>) -> Result<Step, Fault> {
        let Request { ticket, mut argument, may_wait, .. } = request;
        let patience = Patience::read(&mut argument, may_wait)?;
        self.close();
        if self.open.is_empty() {
            return Ok(Payload::unit().into());
        }
        let step = patience.park()?;
        self.draining.push(ticket);
        Ok(step)
    }

    fn close(&mut self) {
        self.is_closed = true;
        self.workers.pool().close();
    }

    /// The numbers of the processes that work.
    fn workers(&self) -> Payload {
        let stats = self.workers.pool().stats();
        let pids: Vec<u32> = stats.workers.iter().filter_map(|worker| worker.pid).collect();
        let mut payload = Payload::count(pids.len());
        pids.into_iter().for_each(|pid| put_number(&mut payload.bytes, pid.into()));
        payload
    }
}

impl Kind for Pool {
    fn call(&mut self, request: Request<'_>, _: &mut Answers) -> Result<Step, Fault> {
        let client = request.ticket.client;
        let mut argument = request.argument;
        Ok(match request.method {
            methods::SUBMIT => Payload::number(self.submit(request)?).into(),
            methods::TAKE => return self.take(request),
            methods::CANCEL => {
                let job = self.job(argument.number()?, client)?;
                Payload::flag(job.cancel()).into()
            }
            methods::IS_DONE => {
                let job = self.job(argument.number()?, client)?;
                Payload::flag(job.is_done()).into()
            }
            methods::LET_GO => {
                let number = argument.number()?;
                self.job(number, client)?;
                self.jobs.remove(&number);
                Payload::unit().into()
            }
            methods::CLOSE => {
                self.close();
                Payload::unit().into()
            }
            methods::DRAIN => return self.drain(request),
            methods::END => {
                self.is_closed = true;
                Step::Work
            }
            methods::WORKERS => self.workers().into(),
            other => return Err(no_such_method(other)),
        })
    }

    /// Ends the workers, which takes a while.
    fn work(&mut self, request: Request<'_>) -> Result<Payload, Fault> {
        let mut argument = request.argument;
        let is_asked_nicely = argument.byte()? != 0;
        let pool = self.workers.pool();
        let has_ended =
            is_asked_nicely && pool.join_timeout(GRACE).map_err(|error| fault(error.into()))?;
        if !has_ended {
            pool.terminate().map_err(|error| fault(error.into()))?;
        }
        Ok(Payload::unit())
    }

    fn hear(&mut self, answers: &mut Answers) {
        for Outcome { item, result } in self.outcomes.take() {
            let Some(Open { job, place, .. }) = self.open.remove(&item) else { continue };
            if let Some(job) = self.jobs.get_mut(&job) {
                job.done(place, result.unwrap_or_else(|error| Err(fault(error))));
                job.settle(answers);
            }
        }
        if self.is_closed && self.open.is_empty() {
            self.draining.drain(..).for_each(|ticket| answers.put(ticket, Ok(Payload::unit())));
        }
    }

    fn give_up(&mut self, ticket: Ticket, answers: &mut Answers) {
        self.draining.retain(|waiting| *waiting != ticket);
        self.jobs.values_mut().for_each(|job| job.taking.retain(|(waiting, _)| *waiting != ticket));
        answers.put(ticket, Err(Fault::TimedOut));
    }

    fn forget(&mut self, client: ClientId, _: &mut Answers) {
        self.draining.retain(|ticket| ticket.client != client);
        self.jobs.retain(|_, job| {
            if job.owner == client {
                job.cancel();
            }
            job.owner != client
        });
    }

    fn stores(&self, method: u64) -> bool {
        method == methods::SUBMIT
    }

    fn is_foreign(&self) -> bool {
        // Its end waits for the workers'.
        true
    }
}

/// The arguments of the items of a call.
fn blocks(mut argument: Reader<'_>) -> Result<Vec<&[u8]>, Fault> {
    let count = argument.count()?;
    // Each takes a byte at least.
    if count > MOST_ITEMS || count > argument.rest().len() {
        return Err(Fault::BadArgument(format!("{count} items are too many for one call")));
    }
    let blocks: Result<Vec<&[u8]>, Malformed> = (0..count).map(|_| argument.block()).collect();
    Ok(blocks?)
}

/// Why there is no result of an item, as clients are told.
fn fault(error: TaskError) -> Fault {
    match error {
        TaskError::Panicked(panic) => Fault::Panicked(panic),
        TaskError::WorkerDied { pid, status, .. } => Fault::WorkerDied { pid, status },
        TaskError::TimedOut { limit, .. } => Fault::TookTooLong(limit),
        TaskError::Cancelled => Fault::Cancelled,
        TaskError::Terminated => Fault::Terminated,
        TaskError::NotTaken(error) if error.is_closed() => Fault::Closed,
        other => Fault::Refused(other.to_string()),
    }
}
