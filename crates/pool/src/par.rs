//! `ParProcess`: many items of an iterator, in chunks, by plain functions in other processes.
//!
//! A chunk is one task: the functions that are to be called, by their places in the program, and some
//! items. So what comes back for a sum is a number for each chunk, and not one for each item.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::MapError;
use crate::executor::Executor;
use crate::find::Named;

/// What every iterator has: its items can be dealt with in other processes.
///
/// # Process death
///
/// A worker that dies costs its whole chunk, which is an error of the whole, or is done again if the pool's
/// builder says so. The other chunks are done nevertheless.
///
/// # Examples
///
/// ```
/// use pool::{ParProcess, Pool};
///
/// fn square(x: u64) -> u64 {
///     x * x
/// }
///
/// fn is_even(x: &u64) -> bool {
///     x % 2 == 0
/// }
///
/// let pool = Pool::builder().workers(2).build()?;
/// let sum = (0..1000).par_process(&pool).map(square).filter(is_even).reduce(|a, b| a + b)?;
/// assert_eq!(sum, Some((0..1000).map(square).filter(is_even).sum()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ParProcess: IntoIterator + Sized {
    /// Has an executor deal with the items.
    fn par_process<E: Executor>(self, executor: &E) -> Par<'_, E, Self::IntoIter> {
        let items = self.into_iter();
        let chunk = chunk_for(items.size_hint(), executor.n_workers());
        Par { executor, items, chunk }
    }
}

impl<I: IntoIterator> ParProcess for I {}

/// Items that an executor is to deal with; see [`ParProcess`].
#[derive(Clone)]
#[must_use = "nothing is done yet"]
pub struct Par<'p, E, I> {
    executor: &'p E,
    items: I,
    chunk: usize,
}

/// Items that an executor is to call a function with; see [`ParProcess`].
#[must_use = "nothing is done yet"]
pub struct ParMap<'p, E, I, A, B> {
    par: Par<'p, E, I>,
    map: fn(A) -> B,
    filter: Option<fn(&B) -> bool>,
}

impl<'p, E: Executor, I: Iterator> Par<'p, E, I> {
    /// Chooses how many items are in a chunk; at least one is.
    ///
    /// If nothing is said, there are eight chunks for each worker, and no chunk has more than 1024
    /// items; it has 64 if the iterator does not know its length. If a worker dies, its whole chunk
    /// has no result.
    pub fn chunk_size(mut self, n_items: usize) -> Self {
        self.chunk = n_items.max(1);
        self
    }

    /// Chooses the function that is called with each item.
    ///
    /// A chain of several is one function that calls them.
    pub fn map<B>(self, function: fn(I::Item) -> B) -> ParMap<'p, E, I, I::Item, B> {
        ParMap { par: self, map: function, filter: None }
    }
}

impl<E, I, A, B> ParMap<'_, E, I, A, B>
where
    E: Executor,
    I: Iterator<Item = A>,
    A: Serialize + DeserializeOwned,
    B: Serialize + DeserializeOwned,
{
    /// Keeps only those results of which a function says so; the last one that was chosen counts.
    pub fn filter(mut self, function: fn(&B) -> bool) -> Self {
        self.filter = Some(function);
        self
    }

    /// Gathers the results, in the order of the items.
    ///
    /// # Errors
    ///
    /// [`MapError`] names the first item of the first chunk that has no result, and says why.
    pub fn collect(self) -> Result<Vec<B>, MapError> {
        let work = self.work();
        let chunks = self.par.map_chunks(work, run_chunk::<A, B>)?;
        Ok(chunks.into_iter().flatten().collect())
    }

    /// How many results there are.
    ///
    /// # Errors
    ///
    /// As [`collect`](Self::collect).
    pub fn count(self) -> Result<u64, MapError> {
        let work = self.work();
        Ok(self.par.map_chunks(work, count_chunk::<A, B>)?.into_iter().sum())
    }

    /// Puts the results together, two at a time; `None` if there are none.
    ///
    /// They keep their order, but which two come first is open: `function` must be associative.
    /// It is called in the workers for the items of a chunk, and here for the chunks.
    ///
    /// # Errors
    ///
    /// As [`collect`](Self::collect).
    pub fn reduce(self, function: fn(B, B) -> B) -> Result<Option<B>, MapError> {
        let work = (self.work(), Named::of_pair(function));
        let chunks = self.par.map_chunks(work, reduce_chunk::<A, B>)?;
        Ok(chunks.into_iter().flatten().reduce(function))
    }

    fn work(&self) -> Work<A, B> {
        (Named::of(self.map), self.filter.map(Named::of_test))
    }
}

impl<E: Executor, I: Iterator> Par<'_, E, I> {
    /// Has each chunk dealt with by a function that gets what is to be done and the items.
    fn map_chunks<W, R>(
        self,
        work: W,
        function: fn((W, Vec<I::Item>)) -> R,
    ) -> Result<Vec<R>, MapError>
    where
        W: Copy + Serialize + DeserializeOwned,
        I::Item: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let Self { executor, mut items, chunk } = self;
        let chunks = std::iter::from_fn(move || {
            let items: Vec<I::Item> = items.by_ref().take(chunk).collect();
            (!items.is_empty()).then_some((work, items))
        });
        executor.map(function, chunks).map_err(|MapError { index, error }| {
            let index = index.saturating_mul(chunk);
            MapError { index, error }
        })
    }
}

/// The functions that a chunk is dealt with by.
type Work<A, B> = (Named<fn(A) -> B>, Option<Named<fn(&B) -> bool>>);

/// The same, with what puts results together.
type Sum<A, B> = (Work<A, B>, Named<fn(B, B) -> B>);

/// In the worker: the results for a chunk.
fn run_chunk<A, B>((work, items): (Work<A, B>, Vec<A>)) -> Vec<B> {
    results(work, items).collect()
}

fn count_chunk<A, B>((work, items): (Work<A, B>, Vec<A>)) -> u64 {
    u64::try_from(results(work, items).count()).unwrap_or(u64::MAX)
}

fn reduce_chunk<A, B>(((work, sum), items): (Sum<A, B>, Vec<A>)) -> Option<B> {
    results(work, items).reduce(sum.function())
}

fn results<A, B>((map, filter): Work<A, B>, items: Vec<A>) -> impl Iterator<Item = B> {
    let is_kept = move |result: &B| filter.is_none_or(|filter| filter.function()(result));
    items.into_iter().map(map.function()).filter(is_kept)
}

/// How many items are in a chunk if nothing is said.
fn chunk_for((least, most): (usize, Option<usize>), n_workers: usize) -> usize {
    match most {
        Some(most) if most == least => most.div_ceil(n_workers.saturating_mul(8)).clamp(1, 1024),
        _ => 64,
    }
}

impl<E, I> fmt::Debug for Par<'_, E, I> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Par").field("chunk", &self.chunk).finish_non_exhaustive()
    }
}

impl<E, I, A, B> fmt::Debug for ParMap<'_, E, I, A, B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ParMap").field("par", &self.par).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::chunk_for;

    #[test]
    fn chunks_are_as_large_as_workers_have_use_for() {
        assert_eq!(chunk_for((1000, Some(1000)), 4), 32);
        assert_eq!(chunk_for((0, Some(0)), 4), 1);
        assert_eq!(chunk_for((5, Some(5)), 4), 1);
        assert_eq!(chunk_for((1 << 40, Some(1 << 40)), 2), 1024);
        assert_eq!(chunk_for((0, Some(100)), 2), 64);
        assert_eq!(chunk_for((0, None), 2), 64);
    }
}
