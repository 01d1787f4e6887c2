//! rayon's pool of threads: what a pool reaches that need not copy anything.

use std::sync::mpsc;

use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::Result;
use crate::subjects::pool::{Pooling, Value};

pub(crate) struct Pool(ThreadPool);

impl Pooling for Pool {
    fn new(n_workers: usize) -> Result<Self> {
        Ok(Self(ThreadPoolBuilder::new().num_threads(n_workers).build()?))
    }

    fn map<A: Value, R: Value>(&self, function: fn(A) -> R, arguments: Vec<A>) -> Result<Vec<R>> {
        Ok(self.0.install(|| arguments.into_par_iter().map(function).collect()))
    }

    fn map1<A: Value, R: Value>(&self, function: fn(A) -> R, arguments: Vec<A>) -> Result<Vec<R>> {
        Ok(self.0.install(|| arguments.into_par_iter().with_max_len(1).map(function).collect()))
    }

    fn submit<A: Value, R: Value>(
        &self,
        function: fn(A) -> R,
        arguments: Vec<A>,
    ) -> Result<Vec<R>> {
        let tasks: Vec<_> = arguments
            .into_iter()
            .map(|argument| {
                let (tx, rx) = mpsc::sync_channel(1);
                // It fails if nobody waits for the result any more.
                self.0.spawn(move || drop(tx.send(function(argument))));
                rx
            })
            .collect();
        tasks.into_iter().map(|task| Ok(task.recv()?)).collect()
    }

    fn call<A: Value, R: Value>(&self, function: fn(A) -> R, argument: A) -> Result<R> {
        Ok(self.0.install(|| function(argument)))
    }
}
