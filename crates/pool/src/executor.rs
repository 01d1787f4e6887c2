//! `Executor`: whatever runs tasks, for libraries that accept any.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{MapError, PoolError, SubmitError, TaskError};
use crate::pool::Pool;
use crate::task::Task;

/// Something that runs tasks: a [`Pool`], or [`InProcess`](crate::InProcess) in a test.
///
/// # Examples
///
/// ```
/// use pool::{Executor, InProcess, MapError, Pool};
///
/// /// A library need not know where its tasks run.
/// fn total_length(executor: &impl Executor, words: Vec<String>) -> Result<usize, MapError> {
///     Ok(executor.map(|word: String| word.len(), words)?.into_iter().sum())
/// }
///
/// let words = || vec!["one".to_owned(), "three".to_owned()];
/// assert_eq!(total_length(&InProcess, words())?, 8);
/// assert_eq!(total_length(&Pool::builder().workers(2).build()?, words())?, 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Executor {
    /// A result to come.
    type Task<R>: Join<R>
    where
        R: Serialize + DeserializeOwned;

    /// How many tasks can run at a time: one at least.
    fn n_workers(&self) -> usize;

    /// As [`Pool::submit`].
    ///
    /// # Errors
    ///
    /// [`SubmitError`] gives the argument back, and says why the task was not taken.
    fn submit<A, R>(
        &self,
        function: fn(A) -> R,
        argument: A,
    ) -> Result<Self::Task<R>, SubmitError<A>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned;

    /// As [`Pool::call`].
    ///
    /// # Errors
    ///
    /// [`TaskError`] says why there is no result.
    fn call<A, R>(&self, function: fn(A) -> R, argument: A) -> Result<R, TaskError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.submit(function, argument).map_err(PoolError::from)?.join()
    }

    /// As [`Pool::map`].
    ///
    /// # Errors
    ///
    /// [`MapError`] names the first item, by its place, that has no result, and says why.
    fn map<A, R, I>(&self, function: fn(A) -> R, items: I) -> Result<Vec<R>, MapError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>;
}

/// A result to come from an [`Executor`].
pub trait Join<R> {
    /// Waits for the result as long as it takes.
    ///
    /// # Errors
    ///
    /// [`TaskError`] says why there is none; [`TaskError::Taken`] if it was taken before.
    fn join(&self) -> Result<R, TaskError>;

    /// Whether [`join`](Self::join) would return at once.
    fn is_ready(&self) -> bool;
}

impl Executor for Pool {
    type Task<R>
        = Task<R>
    where
        R: Serialize + DeserializeOwned;

    fn n_workers(&self) -> usize {
        Self::n_workers(self)
    }

    fn submit<A, R>(&self, function: fn(A) -> R, argument: A) -> Result<Task<R>, SubmitError<A>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        Self::submit(self, function, argument)
    }

    fn map<A, R, I>(&self, function: fn(A) -> R, items: I) -> Result<Vec<R>, MapError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        Self::map(self, function, items)
    }
}

impl<R: DeserializeOwned> Join<R> for Task<R> {
    fn join(&self) -> Result<R, TaskError> {
        Self::join(self)
    }

    fn is_ready(&self) -> bool {
        Self::is_ready(self)
    }
}

impl<E: Executor> Executor for &E {
    type Task<R>
        = E::Task<R>
    where
        R: Serialize + DeserializeOwned;

    fn n_workers(&self) -> usize {
        E::n_workers(self)
    }

    fn submit<A, R>(&self, function: fn(A) -> R, argument: A) -> Result<E::Task<R>, SubmitError<A>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        E::submit(self, function, argument)
    }

    fn map<A, R, I>(&self, function: fn(A) -> R, items: I) -> Result<Vec<R>, MapError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        E::map(self, function, items)
    }
}
