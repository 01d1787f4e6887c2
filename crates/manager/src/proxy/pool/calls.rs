//! `PoolCalls`: a function, for many calls of it.

use std::fmt;
use std::marker::PhantomData;

use ipc_core::wire;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::imap::PoolImap;
use super::task::{Job, Order, PoolTask};
use super::{Pool, methods};
use crate::client::Argument;
use crate::error::Error;
use crate::protocol::bytes::{Reader, put_block};

/// A function that the workers of a [`Pool`] call by its name; from [`Pool::named`].
///
/// # Process death
///
/// As of [`Pool`].
#[must_use = "nothing is called yet"]
pub struct PoolCalls<A, R> {
    pool: Pool,
    /// What says which function it is.
    what: Vec<u8>,
    types: PhantomData<fn(A) -> R>,
}

impl<A: Serialize, R: DeserializeOwned> PoolCalls<A, R> {
    pub(super) fn new(pool: &Pool, what: Vec<u8>) -> Self {
        Self { pool: pool.clone(), what, types: PhantomData }
    }

    /// As [`Pool::call`].
    ///
    /// # Errors
    ///
    /// As there; [`Error::NoSuchMethod`] if no function has that name.
    pub fn call(&self, argument: &A) -> Result<R, Error> {
        self.submit(argument)?.join()
    }

    /// As [`Pool::submit`].
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn submit(&self, argument: &A) -> Result<PoolTask<R>, Error> {
        let mut block = Vec::new();
        wire::encode_plain(argument, &mut block)?;
        Ok(PoolTask::of(self.give(None, &[block])?))
    }

    /// As [`Pool::map`].
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn map(&self, items: impl IntoIterator<Item = A>) -> Result<Vec<R>, Error> {
        let (mut results, mut first_error) = (Vec::new(), None);
        for result in self.imap(items) {
            match result {
                Ok(result) => results.push(result),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(results), Err)
    }

    /// As [`Pool::imap`].
    pub fn imap<I: IntoIterator<Item = A>>(&self, items: I) -> PoolImap<A, R, I::IntoIter> {
        PoolImap::new(self, items.into_iter(), Order::OfItems)
    }

    /// As [`Pool::imap_unordered`].
    pub fn imap_unordered<I: IntoIterator<Item = A>>(
        &self,
        items: I,
    ) -> PoolImap<A, R, I::IntoIter> {
        PoolImap::new(self, items.into_iter(), Order::AsDone)
    }

    /// Gives encoded items to the workers, as a new job or as more of one.
    pub(super) fn give(&self, job: Option<Job>, items: &[Vec<u8>]) -> Result<Job, Error> {
        let mut argument = Argument::new().number(job.as_ref().map_or(0, Job::number));
        argument.bytes.extend_from_slice(&self.what);
        let mut argument = argument.number(items.len() as u64);
        items.iter().for_each(|item| put_block(&mut argument.bytes, item));
        let got = self.pool.handle.call(methods::SUBMIT, argument)?;
        let number = Reader::new(got.bytes()).number()?;
        Ok(job.unwrap_or_else(|| Job::new(&self.pool, number)))
    }
}

impl<A, R> Clone for PoolCalls<A, R> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), what: self.what.clone(), types: PhantomData }
    }
}

impl<A, R> fmt::Debug for PoolCalls<A, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PoolCalls").field("pool", &self.pool).finish_non_exhaustive()
    }
}
