//! `PoolImap`: results as they come, of items that are taken as they are needed.

use std::collections::VecDeque;
use std::fmt;
use std::iter::{Fuse, FusedIterator};

use ipc_core::{Deadline, wire};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::calls::PoolCalls;
use super::task::{Job, Order};
use crate::error::Error;

/// So many items are with the pool at a time, which is more than it has workers, mostly.
const AHEAD: usize = 256;

/// Results of a [`Pool`](crate::Pool), as they come; from [`Pool::imap`](crate::Pool::imap) and
/// [`Pool::imap_unordered`](crate::Pool::imap_unordered).
///
/// After an error that is not an item's, as when the manager is gone, there is nothing more. When it is dropped,
/// what the pool has got is done, and nobody hears of it.
#[must_use = "nothing is done before the first result is asked for"]
pub struct PoolImap<A, R, I> {
    calls: PoolCalls<A, R>,
    items: Option<Fuse<I>>,
    order: Order,
    job: Option<Job>,
    n_under_way: usize,
    taken: VecDeque<Result<R, Error>>,
}

impl<A, R, I> PoolImap<A, R, I>
where
    A: Serialize,
    R: DeserializeOwned,
    I: Iterator<Item = A>,
{
    pub(super) fn new(calls: &PoolCalls<A, R>, items: I, order: Order) -> Self {
        let (calls, items) = (calls.clone(), Some(items.fuse()));
        Self { calls, items, order, job: None, n_under_way: 0, taken: VecDeque::new() }
    }

    /// Has the pool have as many items as it may.
    fn fill(&mut self) -> Result<(), Error> {
        let Some(items) = &mut self.items else { return Ok(()) };
        let mut encoded = Vec::new();
        for item in items.take(AHEAD - self.n_under_way) {
            let mut block = Vec::new();
            wire::encode_plain(&item, &mut block)?;
            encoded.push(block);
        }
        if encoded.is_empty() {
            return Ok(());
        }
        self.n_under_way += encoded.len();
        self.job = Some(self.calls.give(self.job.take(), &encoded)?);
        Ok(())
    }

    /// Takes what has come, or waits for it.
    fn take(&mut self) -> Result<(), Error> {
        let Some(job) = self.job.as_ref().filter(|_| self.n_under_way > 0) else { return Ok(()) };
        let taken = job.take(self.order, Deadline::NEVER)?;
        self.n_under_way = self.n_under_way.saturating_sub(taken.len());
        self.taken.extend(taken);
        Ok(())
    }
}

impl<A, R, I> Iterator for PoolImap<A, R, I>
where
    A: Serialize,
    R: DeserializeOwned,
    I: Iterator<Item = A>,
{
    type Item = Result<R, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.taken.is_empty() {
            let come = self.fill().and_then(|()| self.take());
            if let Err(error) = come {
                (self.items, self.job, self.n_under_way) = (None, None, 0);
                return Some(Err(error));
            }
        }
        self.taken.pop_front()
    }
}

impl<A, R, I> FusedIterator for PoolImap<A, R, I>
where
    A: Serialize,
    R: DeserializeOwned,
    I: Iterator<Item = A>,
{
}

impl<A, R, I> fmt::Debug for PoolImap<A, R, I> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PoolImap").field("order", &self.order).finish_non_exhaustive()
    }
}
