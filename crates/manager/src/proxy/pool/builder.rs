//! `PoolBuilder`: all that can be said of a pool before it is made.

use std::fmt;
use std::time::Duration;

use ipc_core::wire::{self, Bytes};
use proc_core::{Function, Start};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Pool;
use crate::client::Argument;
use crate::error::Error;
use crate::manager::Manager;
use crate::protocol::pool::Plan;

/// How a [`Pool`] of a manager shall be; from [`Manager::pool_builder`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use manager::Manager;
///
/// let manager = Manager::start()?;
/// let builder = manager.pool_builder().workers(2).max_tasks_per_worker(100).retries(1);
/// let pool = builder.timeout(Duration::from_secs(60)).build()?;
/// assert_eq!(pool.workers()?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "no pool is made yet"]
pub struct PoolBuilder<'m> {
    manager: &'m Manager,
    plan: Result<Plan, Error>,
}

impl<'m> PoolBuilder<'m> {
    pub(crate) fn new(manager: &'m Manager) -> Self {
        Self { manager, plan: Ok(Plan::default()) }
    }

    fn with(self, say: impl FnOnce(Plan) -> Plan) -> Self {
        Self { plan: self.plan.map(say), ..self }
    }

    /// Chooses the number of workers; one for each processor that the manager may use if nothing is said.
    #[doc(alias = "processes")]
    pub fn workers(self, workers: usize) -> Self {
        self.with(|plan| Plan { workers: Some(workers), ..plan })
    }

    /// Chooses the way in which workers are started: the fork server if nothing is said.
    ///
    /// [`Start::Fork`] is refused: a manager has threads, so a copy of its process could not run safely.
    pub fn start_method(self, start: Start) -> Self {
        self.with(|plan| Plan { start: Some(start), ..plan })
    }

    /// Has each worker make room for a new one when it has run so many tasks.
    #[doc(alias = "maxtasksperchild")]
    pub fn max_tasks_per_worker(self, tasks: u64) -> Self {
        self.with(|plan| Plan { max_tasks_per_worker: Some(tasks), ..plan })
    }

    /// Has a task whose worker died while it ran it run again, so many times; not at all if nothing is said.
    pub fn retries(self, retries: u32) -> Self {
        self.with(|plan| Plan { retries, ..plan })
    }

    /// Chooses how long a task may take, from when a worker begins it; then its worker is ended, and the task is
    /// [`Error::TookTooLong`]. Any time if nothing is said.
    pub fn timeout(self, limit: Duration) -> Self {
        self.with(|plan| Plan { timeout: Some(limit), ..plan })
    }

    /// Has each worker call a function before its first task.
    ///
    /// If it panics, another worker is started, after longer and longer pauses; if none comes to work time and
    /// again, all tasks are [`Error::Refused`], which says what happened.
    #[doc(alias = "initargs")]
    pub fn initializer<A>(self, function: fn(A), argument: &A) -> Self
    where
        A: Serialize + DeserializeOwned,
    {
        let plan = self.plan.and_then(|plan| {
            let why = "the function is not one of the program";
            let name = Function::of(function).ok_or_else(|| Error::Refused(why.into()))?;
            let (mut named, mut with) = (Vec::new(), Vec::new());
            wire::encode_plain(&name, &mut named)?;
            wire::encode_plain(argument, &mut with)?;
            Ok(Plan { initializer: Some((Bytes(named.into()), Bytes(with.into()))), ..plan })
        });
        Self { plan, ..self }
    }

    /// Makes the pool, and starts its workers.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if there can be no such pool, or if it would have more workers than the manager's pools
    /// [may have](crate::Builder::max_pool_workers); [`Error`] says what else can be wrong.
    pub fn build(self) -> Result<Pool, Error> {
        let mut argument = Argument::new();
        wire::encode_plain(&self.plan?, &mut argument.bytes)?;
        self.manager.make_pool(argument)
    }
}

impl fmt::Debug for PoolBuilder<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PoolBuilder").field("plan", &self.plan).finish_non_exhaustive()
    }
}
