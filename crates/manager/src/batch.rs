//! `Batch`: many calls in one round trip.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::client::{Argument, Client, Got, Handle, Request};
use crate::error::Error;

/// Calls that go to the manager together, and whose replies come together.
///
/// They are done in their order, one after the other; those of others may come between. If one fails the
/// others are done nevertheless.
///
/// # Process death
///
/// A caller that dies has sent all of it or nothing; the manager may do some of its calls before it sees the
/// death. If the manager dies, [`call`](Self::call) is [`Error::Lost`], and any number of the calls, from the
/// first on, may have been done.
///
/// # Examples
///
/// ```
/// use manager::{Batch, Dict, Manager};
///
/// let manager = Manager::start()?;
/// let dict: Dict<u32, String> = manager.dict()?;
/// let mut batch = Batch::new();
/// for n in 0..100 {
///     dict.set_in(&mut batch, &n, &n.to_string())?;
/// }
/// let last = dict.get_in(&mut batch, &99)?;
/// let mut done = batch.call()?;
/// assert_eq!(done.take(last)?.as_deref(), Some("99"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Batch {
    client: Option<Arc<Client>>,
    requests: Vec<Request>,
    /// What keeps the objects until then.
    handles: Vec<Arc<Handle>>,
}

/// What a call in a [`Batch`] will have returned.
#[derive(Debug)]
#[must_use]
pub struct Later<R> {
    at: usize,
    returned: PhantomData<fn() -> R>,
}

/// What the calls of a [`Batch`] have returned.
pub struct Done(Vec<Option<Result<Got, Error>>>);

impl Batch {
    /// No calls yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many calls there are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there are no calls in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Adds a call of an object.
    pub(crate) fn add<R>(
        &mut self,
        handle: &Arc<Handle>,
        method: u64,
        argument: Argument,
    ) -> Result<Later<R>, Error> {
        let here = handle.here()?;
        let client = self.client.get_or_insert_with(|| Arc::clone(here.client()));
        if !Arc::ptr_eq(client, here.client()) {
            return Err(Error::Refused("the calls of a batch go to one manager".into()));
        }
        self.requests.push(Request { object: here.object(), method, argument });
        self.handles.push(here);
        Ok(Later { at: self.requests.len() - 1, returned: PhantomData })
    }

    /// [`call`](Self::call), waiting in a task.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    #[cfg(feature = "tokio")]
    pub async fn call_async(self) -> Result<Done, Error> {
        let Some(client) = self.client else { return Ok(Done(Vec::new())) };
        Ok(Done(client.call_all_async(&self.requests).await?.into_iter().map(Some).collect()))
    }

    /// Sends the calls, and waits until all are done.
    ///
    /// # Errors
    ///
    /// If the calls could not be sent. What each of them came to says [`Done::take`].
    pub fn call(self) -> Result<Done, Error> {
        let Some(client) = self.client else { return Ok(Done(Vec::new())) };
        Ok(Done(client.call_all(&self.requests)?.into_iter().map(Some).collect()))
    }
}

impl Done {
    /// What a call has returned.
    ///
    /// # Errors
    ///
    /// What the call failed with; [`Error::Malformed`] if it was not in this batch.
    pub fn take<R: DeserializeOwned>(&mut self, later: Later<R>) -> Result<R, Error> {
        self.0.get_mut(later.at).and_then(Option::take).ok_or(Error::Malformed)??.decode()
    }

    /// Whether no call has failed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.0.iter().flatten().all(Result::is_ok)
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Batch").field("calls", &self.requests.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Done").field("calls", &self.0.len()).finish_non_exhaustive()
    }
}
