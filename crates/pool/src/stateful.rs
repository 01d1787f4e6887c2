//! `StatefulPool`: a pool whose workers keep a state for their tasks.

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::Builder;
use crate::error::{MapError, PoolError, SubmitError, TaskError};
use crate::hiring::Initializer;
use crate::map_task::MapTask;
use crate::pool::Pool;
use crate::stateful_task::StatefulTaskBuilder;
use crate::task::Task;

/// A [`Pool`] each of whose workers has a state, which its tasks get as `&mut S`.
///
/// The state is made in the worker by the [initializer](Builder::initializer), before its first task,
/// and stays there: it need not be a serde value. A connection, a model, a cache or a counter are
/// examples. What is not about tasks is asked of the [`pool`](Self::pool), which also takes tasks
/// that need no state.
///
/// # Process death
///
/// As of [`Pool`]. The state of a worker ends with it: who takes its place makes a new one, and gets
/// tasks when it has. A task that panics may have left the state half-changed, so the worker drops
/// it, and another worker takes its place; no other task is touched.
///
/// # Examples
///
/// ```
/// use pool::Pool;
///
/// struct Greeter {
///     greeting: String,
///     n_greeted: u32,
/// }
///
/// fn start(greeting: String) -> Greeter {
///     Greeter { greeting, n_greeted: 0 }
/// }
///
/// fn greet(greeter: &mut Greeter, name: String) -> (String, u32) {
///     greeter.n_greeted += 1;
///     (format!("{}, {name}!", greeter.greeting), greeter.n_greeted)
/// }
///
/// let pool = Pool::builder().workers(1).initializer(start, "Hello".to_owned()).build()?;
/// assert_eq!(pool.call(greet, "Ann".to_owned())?, ("Hello, Ann!".to_owned(), 1));
/// assert_eq!(pool.call(greet, "Bob".to_owned())?, ("Hello, Bob!".to_owned(), 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StatefulPool<S> {
    pool: Pool,
    state: PhantomData<fn(S)>,
}

/// How a [`StatefulPool`] shall be; from [`Builder::initializer`].
#[must_use = "no pool is made yet"]
pub struct StatefulBuilder<S> {
    builder: Builder,
    initializer: Result<Initializer, PoolError>,
    state: PhantomData<fn(S)>,
}

impl<S: 'static> StatefulBuilder<S> {
    pub(crate) fn new(builder: Builder, initializer: Result<Initializer, PoolError>) -> Self {
        Self { builder, initializer, state: PhantomData }
    }

    /// Makes the pool, and starts its workers. Does not wait for their initializers.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`]; [`PoolError::Argument`] or [`PoolError::NotInProgram`] if the
    /// initializer cannot be sent.
    pub fn build(self) -> Result<StatefulPool<S>, PoolError> {
        let pool = self.builder.with_initializer(self.initializer?).build()?;
        Ok(StatefulPool { pool, state: PhantomData })
    }
}

impl<S: 'static> StatefulPool<S> {
    /// Has a worker call `function` with its state and `argument`, and waits for the result.
    ///
    /// # Errors
    ///
    /// As [`Pool::call`].
    pub fn call<A, R>(&self, function: fn(&mut S, A) -> R, argument: A) -> Result<R, TaskError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.task(function).call(argument)
    }

    /// Has a worker call `function` with its state and `argument`, some time.
    ///
    /// # Errors
    ///
    /// As [`Pool::submit`].
    pub fn submit<A, R>(
        &self,
        function: fn(&mut S, A) -> R,
        argument: A,
    ) -> Result<Task<R>, SubmitError<A>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.task(function).submit(argument)
    }

    /// Begins to say how a task shall be run; as [`Pool::task`].
    pub fn task<A, R>(&self, function: fn(&mut S, A) -> R) -> StatefulTaskBuilder<'_, S, A, R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        StatefulTaskBuilder::new(&self.pool, function)
    }

    /// Has workers call `function` with their states and each of `items`, and returns the results in
    /// the same order.
    ///
    /// # Errors
    ///
    /// As [`Pool::map`].
    pub fn map<A, R, I>(&self, function: fn(&mut S, A) -> R, items: I) -> Result<Vec<R>, MapError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.task(function).map(items)
    }

    /// Has workers call `function` with their states and each of `items`, some time; the results come all
    /// together.
    ///
    /// As [`Pool::submit_map`].
    pub fn submit_map<A, R, I>(&self, function: fn(&mut S, A) -> R, items: I) -> MapTask<R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.task(function).submit_map(items)
    }

    /// Has workers call `function` with their states and each of `items`; the results come in the
    /// order of the items.
    ///
    /// As [`Pool::imap`].
    pub fn imap<A, R, I>(
        &self,
        function: fn(&mut S, A) -> R,
        items: I,
    ) -> impl FusedIterator<Item = Result<R, TaskError>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.task(function).imap(items)
    }

    /// Has workers call `function` with their states and each of `items`; results come as they are
    /// done.
    ///
    /// As [`Pool::imap_unordered`].
    pub fn imap_unordered<A, R, I>(
        &self,
        function: fn(&mut S, A) -> R,
        items: I,
    ) -> impl FusedIterator<Item = Result<R, TaskError>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.task(function).imap_unordered(items)
    }
}

impl<S> StatefulPool<S> {
    /// The pool, for all that has nothing to do with states.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl<S> fmt::Debug for StatefulPool<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StatefulPool").finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for StatefulBuilder<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("StatefulBuilder");
        fields.field("builder", &self.builder).finish_non_exhaustive()
    }
}
