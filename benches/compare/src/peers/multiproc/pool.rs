//! `Pool`, whose map sends quick tasks together unless it is told not to.

use crate::Result;
use crate::subjects::pool::{Pooling, Value};

pub(crate) struct OurPool(pool::Pool);

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
