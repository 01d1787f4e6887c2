//! `Pool`, whose map sends quick tasks together unless it is told not to.

use std::time::Instant;

use ipc_core::wire::Bytes;
use ipc_core::{Kind, Segment};

use crate::flags::Effort;
use crate::subjects::pool::{Pooling, Value, check, next};
use crate::{Result, timing};

pub(crate) struct OurPool(pool::Pool);

impl OurPool {
    /// Nanoseconds from the death of the only worker to the next result.
    pub(crate) fn replaced(effort: Effort) -> Result<f64> {
        let pool = pool::Pool::builder().workers(1).build()?;
        check(pool.call(next, 1)? == 2)?;
        timing::middle(effort, || {
            pool.kill_worker(0)?;
            // It may be given to the one that is dying.
            while !pool.call(next, 1).is_ok_and(|number| number == 2) {}
            Ok(())
        })
    }

    /// Tasks a second whose argument is a segment of so many bytes.
    pub(crate) fn segment(len: usize, effort: Effort) -> Result<f64> {
        const TASKS: u32 = 64;

        let pool = pool::Pool::builder().workers(2).build()?;
        let segment = Segment::create(Kind::new(*b"bench\0\0\0", 1), 0, len)?;
        timing::rate(effort, || {
            let start = Instant::now();
            let lens = pool.map(look, (0..TASKS).map(|_| segment.clone()))?;
            check(lens.len() == usize::try_from(TASKS)? && lens.iter().all(|it| *it == len))?;
            Ok((TASKS, start.elapsed()))
        })
    }
}

/// The task that looks at a segment.
fn look(segment: Segment) -> usize {
    segment.len()
}

impl Pooling for OurPool {
    fn new(n_workers: usize) -> Result<Self> {
        Ok(Self(pool::Pool::builder().workers(n_workers).build()?))
    }

    fn map<A: Value, R: Value>(&self, function: fn(A) -> R, arguments: Vec<A>) -> Result<Vec<R>> {
        Ok(self.0.map(function, arguments)?)
    }

    fn map1<A: Value, R: Value>(&self, function: fn(A) -> R, arguments: Vec<A>) -> Result<Vec<R>> {
        Ok(self.0.map_chunked(function, arguments, 1)?)
    }

    fn map1_lent(
        &self,
        lent: fn(&[u8]) -> u64,
        _owned: fn(Bytes<'static>) -> u64,
        buffers: &'static [Vec<u8>],
    ) -> Result<Vec<u64>> {
        Ok(self.0.map_slices(lent, buffers)?)
    }

    fn submit<A: Value, R: Value>(
        &self,
        function: fn(A) -> R,
        arguments: Vec<A>,
    ) -> Result<Vec<R>> {
        let mut tasks = Vec::with_capacity(arguments.len());
        for argument in arguments {
            // The error would carry the argument, which need not be fit to leave this function.
            let task = self.0.submit(function, argument).map_err(|error| error.to_string())?;
            tasks.push(task);
        }
        tasks.into_iter().map(|task| Ok(task.join()?)).collect()
    }

    fn call<A: Value, R: Value>(&self, function: fn(A) -> R, argument: A) -> Result<R> {
        Ok(self.0.call(function, argument)?)
    }
}
