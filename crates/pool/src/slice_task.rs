//! `SliceTaskBuilder`: all that can be said of a task over a slice beside its function and the slice.

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::time::Duration;

use bytemuck::{CheckedBitPattern, NoUninit};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{MapError, PoolError, TaskError};
use crate::map::{Imap, ImapUnordered};
use crate::map_task::MapTask;
use crate::pool::Pool;
use crate::retry::Retry;
use crate::slice::{Arrived, OfSlices, WithSlice, call_with_slice};
use crate::task::Task;
use crate::task_builder::{TaskBuilder, pass_on_settings};

/// How tasks of one function of slices shall be run; made by [`Pool::slice_task`].
///
/// It is a [`TaskBuilder`] for functions of borrowed plain data: bytes, numbers, and what consists of them. Slices
/// go to workers as for [`Pool::call_slice`].
///
/// # Process death
///
/// As for a [`TaskBuilder`]; a slice is there for who runs its task again.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool::{Pool, Retry};
///
/// fn sum(of: &[f64]) -> f64 {
///     of.iter().sum()
/// }
///
/// let pool = Pool::builder().workers(2).build()?;
/// let numbers = vec![0.5; 40_000];
/// let sums = pool.slice_task(sum).timeout(Duration::from_secs(60)).retry(Retry::times(2)).tag("sum");
/// assert_eq!(sums.call(&numbers)?, 20_000.0);
/// assert_eq!(sums.submit(&numbers[..10])?.tag(), Some("sum"));
/// assert_eq!(sums.map(numbers.chunks(10_000))?, [5_000.0; 4]);
/// for sum in sums.imap([&numbers[..2], &numbers[..4]]) {
///     assert!(sum? <= 2.0);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "no task is submitted yet"]
pub struct SliceTaskBuilder<'p, T, R> {
    of_slices: OfSlices<T, R>,
    /// Has the function called with the slice, and is told of it by each argument.
    tasks: TaskBuilder<'p, Arrived<T, R>, R>,
}

impl<T, R> SliceTaskBuilder<'_, T, R> {
    pass_on_settings! {
        /// As [`TaskBuilder::chunk_size`], where each slice counts as an item; large ones go alone all the same.
    }
}

impl<'p, T, R> SliceTaskBuilder<'p, T, R>
where
    T: NoUninit + CheckedBitPattern,
    R: Serialize + DeserializeOwned,
{
    pub(crate) fn new(pool: &'p Pool, function: fn(&[T]) -> R) -> Self {
        const { assert!(size_of::<T>() > 0, "items without bytes cannot be counted") };
        let of_slices = OfSlices::new(function);
        let tasks = pool.task(call_with_slice::<T, R>).numbered(of_slices.number());
        Self { of_slices, tasks }
    }

    /// As [`Pool::call_slice`].
    ///
    /// # Errors
    ///
    /// As [`Pool::call_slice`].
    pub fn call(&self, items: &[T]) -> Result<R, TaskError> {
        self.submit(items)?.join()
    }

    /// As [`Pool::submit_slice`].
    ///
    /// # Errors
    ///
    /// As [`Pool::submit_slice`].
    pub fn submit(&self, items: &[T]) -> Result<Task<R>, PoolError> {
        self.tasks.send(&self.of_slices.with(items))
    }

    /// As [`Pool::map_slices`].
    ///
    /// # Errors
    ///
    /// As [`Pool::map_slices`].
    pub fn map<I>(&self, slices: I) -> Result<Vec<R>, MapError>
    where
        I: IntoIterator<Item: AsRef<[T]>>,
    {
        self.tasks.batch(self.calls(slices)).gather()
    }

    /// As [`Pool::submit_map`]: all slices are taken, and copied, at once.
    pub fn submit_map<I>(&self, slices: I) -> MapTask<R>
    where
        I: IntoIterator<Item: AsRef<[T]>>,
    {
        self.tasks.send_all(self.calls(slices))
    }

    /// As [`Pool::imap`].
    pub fn imap<I>(
        &self,
        slices: I,
    ) -> impl FusedIterator<Item = Result<R, TaskError>> + use<'p, T, R, I>
    where
        I: IntoIterator<Item: AsRef<[T]>>,
    {
        Imap::new(self.tasks.batch(self.calls(slices)))
    }

    /// As [`Pool::imap_unordered`].
    pub fn imap_unordered<I>(
        &self,
        slices: I,
    ) -> impl FusedIterator<Item = Result<R, TaskError>> + use<'p, T, R, I>
    where
        I: IntoIterator<Item: AsRef<[T]>>,
    {
        ImapUnordered::new(self.tasks.batch(self.calls(slices)))
    }

    /// Slices, each with the function that it is for.
    fn calls<I: IntoIterator>(
        &self,
        slices: I,
    ) -> impl Iterator<Item = WithSlice<I::Item, T, R>> + use<T, R, I>
    where
        I::Item: AsRef<[T]>,
    {
        let of_slices = self.of_slices;
        slices.into_iter().map(move |items| of_slices.with(items))
    }
}

impl<T, R> Clone for SliceTaskBuilder<'_, T, R> {
    fn clone(&self) -> Self {
        Self { tasks: self.tasks.clone(), ..*self }
    }
}

impl<T, R> fmt::Debug for SliceTaskBuilder<'_, T, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SliceTaskBuilder").field(&self.tasks).finish()
    }
}
