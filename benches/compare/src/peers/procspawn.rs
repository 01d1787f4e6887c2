//! procspawn: a function in a process, and a pool of processes.

use std::collections::VecDeque;

use procspawn::JoinHandle;

use crate::Result;
use crate::subjects::pool::{Pooling, Value};

/// From the start to the join.
pub(crate) fn start() -> Result {
    procspawn::spawn((), |()| ()).join()?;
    Ok(())
}

pub(crate) struct Pool {
    pool: procspawn::Pool,
    n_workers: usize,
}

/// A task that is not done holds descriptors, of which a process has 1,024 if nothing is said.
const MOST_IN_FLIGHT: usize = 200;

impl Pool {
    fn run<A: Value, R: Value>(
        &self,
        most_in_flight: usize,
        function: fn(A) -> R,
        arguments: Vec<A>,
    ) -> Result<Vec<R>> {
        let mut tasks: VecDeque<JoinHandle<R>> = VecDeque::with_capacity(most_in_flight);
        let mut results = Vec::with_capacity(arguments.len());
        for argument in arguments {
            if tasks.len() == most_in_flight
                && let Some(oldest) = tasks.pop_front()
            {
                results.push(oldest.join()?);
            }
            tasks.push_back(self.pool.spawn(argument, function));
        }
        for task in tasks {
            results.push(task.join()?);
        }
        Ok(results)
    }
}

impl Pooling for Pool {
    fn new(n_workers: usize) -> Result<Self> {
        Ok(Self { pool: procspawn::Pool::new(n_workers)?, n_workers })
    }

    fn map<A: Value, R: Value>(&self, _: fn(A) -> R, _: Vec<A>) -> Result<Vec<R>> {
        Err("it has no map in chunks".into())
    }

    /// It has no map, but task by task it is the same.
    fn map1<A: Value, R: Value>(&self, function: fn(A) -> R, arguments: Vec<A>) -> Result<Vec<R>> {
        self.run(MOST_IN_FLIGHT, function, arguments)
    }

    /// A worker that is done waits until its task is joined, and whoever hands in a large argument
    /// waits for a worker: with more in flight than there are workers, both wait for ever.
    fn map1_large<A: Value, R: Value>(
        &self,
        function: fn(A) -> R,
        arguments: Vec<A>,
    ) -> Result<Vec<R>> {
        self.run(self.n_workers, function, arguments)
    }

    fn submit<A: Value, R: Value>(
        &self,
        function: fn(A) -> R,
        arguments: Vec<A>,
    ) -> Result<Vec<R>> {
        self.run(MOST_IN_FLIGHT, function, arguments)
    }

    fn call<A: Value, R: Value>(&self, function: fn(A) -> R, argument: A) -> Result<R> {
        Ok(self.pool.spawn(argument, function).join()?)
    }
}
