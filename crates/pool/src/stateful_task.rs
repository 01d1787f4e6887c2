//! `StatefulTaskBuilder`: all that can be said of a task with a state beside its function and its argument.

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{MapError, SubmitError, TaskError};
use crate::find::Named;
use crate::map_task::MapTask;
use crate::pool::Pool;
use crate::retry::Retry;
use crate::state::{self, Call};
use crate::task::Task;
use crate::task_builder::{TaskBuilder, pass_on_settings};

/// How tasks of one function with a state shall be run; made by
/// [`StatefulPool::task`](crate::StatefulPool::task).
///
/// It is a [`TaskBuilder`] for functions that get the state of their worker.
///
/// # Process death
///
/// As for a [`TaskBuilder`]; who takes the place of a worker that dies makes a new state.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool::Pool;
///
/// fn count(n_before: &mut u32, step: u32) -> u32 {
///     *n_before += step;
///     *n_before
/// }
///
/// let pool = Pool::builder().workers(1).initializer(|first: u32| first, 10).build()?;
/// let tasks = pool.task(count).timeout(Duration::from_secs(60)).priority(1).tag("count");
/// assert_eq!(tasks.call(5)?, 15);
/// assert_eq!(tasks.submit(5)?.tag(), Some("count"));
/// assert_eq!(tasks.map([1, 1])?, [21, 22]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "no task is submitted yet"]
pub struct StatefulTaskBuilder<'p, S, A, R> {
    function: Named<fn(&mut S, A) -> R>,
    /// Has the function called with the state, and is told of it by each argument.
    tasks: TaskBuilder<'p, Call<S, A, R>, R>,
    state: PhantomData<fn(S)>,
}

impl<S, A, R> StatefulTaskBuilder<'_, S, A, R> {
    pass_on_settings! {
        /// As [`TaskBuilder::chunk_size`].
    }
}

impl<'p, S, A, R> StatefulTaskBuilder<'p, S, A, R>
where
    S: 'static,
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    pub(crate) fn new(pool: &'p Pool, function: fn(&mut S, A) -> R) -> Self {
        let function = Named::of_task(function);
        let tasks = pool.task(state::call).numbered(function.number());
        Self { function, tasks, state: PhantomData }
    }

    /// As [`StatefulPool::call`](crate::StatefulPool::call).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn call(&self, argument: A) -> Result<R, TaskError> {
        self.tasks.call((self.function, argument))
    }

    /// As [`StatefulPool::submit`](crate::StatefulPool::submit).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn submit(&self, argument: A) -> Result<Task<R>, SubmitError<A>> {
        let submitted = self.tasks.submit((self.function, argument));
        submitted.map_err(|error| error.map(|(_, argument)| argument))
    }

    /// As [`StatefulPool::map`](crate::StatefulPool::map).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn map(&self, items: impl IntoIterator<Item = A>) -> Result<Vec<R>, MapError> {
        self.tasks.map(self.named(items))
    }

    /// As [`StatefulPool::submit_map`](crate::StatefulPool::submit_map).
    pub fn submit_map(&self, items: impl IntoIterator<Item = A>) -> MapTask<R> {
        self.tasks.submit_map(self.named(items))
    }

    /// As [`StatefulPool::imap`](crate::StatefulPool::imap).
    pub fn imap<I: IntoIterator<Item = A>>(
        &self,
        items: I,
    ) -> impl FusedIterator<Item = Result<R, TaskError>> + use<'p, S, A, R, I> {
        self.tasks.imap(self.named(items))
    }

    /// As [`StatefulPool::imap_unordered`](crate::StatefulPool::imap_unordered).
    pub fn imap_unordered<I: IntoIterator<Item = A>>(
        &self,
        items: I,
    ) -> impl FusedIterator<Item = Result<R, TaskError>> + use<'p, S, A, R, I> {
        self.tasks.imap_unordered(self.named(items))
    }

    /// Items, each with the function that it is for.
    fn named<I: IntoIterator<Item = A>>(
        &self,
        items: I,
    ) -> impl Iterator<Item = Call<S, A, R>> + use<S, A, R, I> {
        let function = self.function;
        items.into_iter().map(move |item| (function, item))
    }
}

impl<S, A, R> Clone for StatefulTaskBuilder<'_, S, A, R> {
    fn clone(&self) -> Self {
        Self { tasks: self.tasks.clone(), ..*self }
    }
}

impl<S, A, R> fmt::Debug for StatefulTaskBuilder<'_, S, A, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("StatefulTaskBuilder").field(&self.tasks).finish()
    }
}
