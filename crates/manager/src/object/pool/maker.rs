//! How pools are made, and how many workers they may have.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ipc_core::wire;
use ipc_pipe::Address;
use pool::{Pool as Workers, PoolError, Retry};
use proc_core::{Function, cpu_count};

use super::Pool;
use super::worker::{Briefing, begin};
use crate::client::Place;
use crate::host::Site;
use crate::object::user::Maker;
use crate::object::{Kind, Request};
use crate::protocol::Fault;
use crate::protocol::pool::Plan;
use crate::server::Bell;

/// The functions that have a name in a server, as they travel.
pub(crate) type NamedTasks = Arc<BTreeMap<String, Vec<u8>>>;

/// Makes pools.
pub(crate) struct PoolMaker {
    server: u64,
    address: Address,
    site: Site,
    tasks: NamedTasks,
    /// How many workers there still may be.
    free: Arc<Mutex<usize>>,
}

impl PoolMaker {
    /// Makes pools of a server, whose workers are so many together at most.
    pub(crate) fn new(
        server: u64,
        address: &Address,
        site: &Site,
        tasks: Vec<(String, Function)>,
        max_workers: usize,
    ) -> Self {
        let encoded = |function: &Function| {
            let mut bytes = Vec::new();
            // Numbers always encode.
            wire::encode_plain(function, &mut bytes).ok();
            bytes
        };
        let tasks = tasks.into_iter().map(|(name, function)| (name, encoded(&function)));
        Self {
            server,
            address: address.clone(),
            site: site.clone(),
            tasks: Arc::new(tasks.collect()),
            free: Arc::new(Mutex::new(max_workers)),
        }
    }
}

impl Maker for PoolMaker {
    fn make(&self, request: Request<'_>, bell: Bell) -> Result<Box<dyn Kind>, Fault> {
        let plan = wire::decode_plain::<Plan>(request.argument.rest());
        let plan = plan.map_err(|error| Fault::BadArgument(error.to_string()))?;
        if plan.initializer.is_some() && !request.runs_functions {
            let why = "functions are run only for programs of this user on this machine";
            return Err(Fault::Refused(why.into()));
        }
        let refused = |error: PoolError| Fault::Refused(error.to_string());
        let n_workers = plan.workers.unwrap_or_else(|| cpu_count().usable());
        let seats = Seats::take(&self.free, n_workers)?;
        let briefing = Briefing {
            server: self.server,
            place: Place::from(&self.address),
            site: self.site.clone(),
            initializer: plan.initializer,
        };
        let mut builder = Workers::builder().workers(n_workers).name("manager-pool");
        if let Some(start) = plan.start {
            builder = builder.start(start);
        }
        if let Some(n_tasks) = plan.max_tasks_per_worker {
            builder = builder.max_tasks_per_worker(n_tasks);
        }
        if let Some(limit) = plan.timeout {
            builder = builder.timeout(limit);
        }
        builder = builder.on_worker_death(Retry::times(plan.retries));
        let workers = builder.try_initializer(begin, briefing).build().map_err(refused)?;
        Ok(Box::new(Pool::new(workers, Arc::clone(&self.tasks), bell, seats)))
    }
}

/// So many workers of those that a server may have, until this is dropped.
pub(super) struct Seats {
    free: Arc<Mutex<usize>>,
    taken: usize,
}

impl Seats {
    fn take(free: &Arc<Mutex<usize>>, wanted: usize) -> Result<Self, Fault> {
        let mut left = free.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rest) = left.checked_sub(wanted) else {
            return Err(Fault::Refused(format!(
                "the manager's pools may have {left} more workers"
            )));
        };
        *left = rest;
        Ok(Self { free: Arc::clone(free), taken: wanted })
    }
}

impl Drop for Seats {
    fn drop(&mut self) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += self.taken;
    }
}
