//! `TaskBuilder`: all that can be said of a task beside its function and its argument.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{MapError, PoolError, SubmitError, TaskError};
use crate::job::Plan;
use crate::mailbox::Mailbox;
use crate::map::{Batch, Imap, ImapUnordered};
use crate::map_task::MapTask;
use crate::options::Options;
use crate::pool::Pool;
use crate::retry::Retry;
use crate::task::Task;

/// How tasks of one function shall be run; made by [`Pool::task`].
///
/// It can be used for any number of tasks. What is not said of a task is as the pool's
/// [`Builder`](crate::Builder) has it.
///
/// # Process death
///
/// What becomes of a task whose worker dies says [`retry`](Self::retry); if it runs again, its time begins
/// anew. For the rest it is as for a [`Task`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool::Pool;
///
/// let pool = Pool::builder().workers(1).build()?;
/// let hang = pool.task(|()| -> () { loop { std::thread::park() } });
/// let error = hang.timeout(Duration::from_millis(20)).tag("hang").call(()).unwrap_err();
/// assert!(error.is_timed_out());
/// assert!(error.to_string().starts_with("the task \"hang\" took longer than 20ms"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "no task is submitted yet"]
pub struct TaskBuilder<'p, A, R> {
    pool: &'p Pool,
    function: fn(A) -> R,
    /// Which function that one calls, if it is one for many.
    number: u64,
    options: Options,
}

impl<'p, A, R> TaskBuilder<'p, A, R> {
    pub(crate) fn new(pool: &'p Pool, function: fn(A) -> R) -> Self {
        Self { pool, function, number: 0, options: pool.engine().options.clone() }
    }

    /// The same for a function that calls another one, of which it is told by its argument.
    pub(crate) fn numbered(self, number: u64) -> Self {
        Self { number, ..self }
    }

    /// Chooses how long a task may take, from when a worker begins it; that of its argument being
    /// decoded counts, that of its waiting does not.
    ///
    /// When the time is up, the worker is killed, and another takes its place. The task is
    /// [`TaskError::TimedOut`], or runs again as [`retry`](Self::retry) says. A task is never ended
    /// early.
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.options.limit = Some(limit);
        self
    }

    /// Has the worker asked to end by `SIGTERM`, and killed only if it has not so long after that, when
    /// the time of a task is up or it is [cancelled](Task::cancel).
    ///
    /// `SIGTERM` ends a worker unless the task has made it do something else. If nothing is said, a
    /// worker is killed at once when the time of its task is up, and has 100 ms when it is cancelled.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = Some(grace);
        self
    }

    /// Chooses what happens to a task whose worker dies while it runs, or whose time is up.
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = retry;
        self
    }

    /// Chooses what goes first of what waits: the task with the greatest number.
    ///
    /// It is 0 if nothing is said; of tasks with equal numbers, the one that was submitted first goes
    /// first. What a worker has is not touched; that can be some short tasks that it has not begun.
    pub const fn priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// Chooses what a task is called, in its errors and by [`Task::tag`].
    pub fn tag(mut self, tag: impl Into<Arc<str>>) -> Self {
        self.options.tag = Some(tag.into());
        self
    }
}

impl<'p, A, R> TaskBuilder<'p, A, R>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    /// As [`Pool::call`].
    ///
    /// # Errors
    ///
    /// As [`Pool::call`].
    pub fn call(&self, argument: A) -> Result<R, TaskError> {
        let task = self.submit(argument).map_err(PoolError::from)?;
        task.join()
    }

    /// As [`Pool::submit`].
    ///
    /// # Errors
    ///
    /// As [`Pool::submit`].
    pub fn submit(&self, argument: A) -> Result<Task<R>, SubmitError<A>> {
        self.send(&argument).map_err(|reason| SubmitError::new(argument, reason))
    }

    /// Submits a task whose argument is encoded as an `A` is.
    pub(crate) fn send<T: Serialize>(&self, argument: &T) -> Result<Task<R>, PoolError> {
        let mailbox = Arc::new(Mailbox::default());
        let plan = self.plan()?;
        let number = self.pool.send(&plan, argument, 0, &mailbox)?;
        Ok(Task::new(Arc::clone(self.pool.engine()), mailbox, plan, number))
    }

    /// As [`Pool::map`].
    ///
    /// # Errors
    ///
    /// As [`Pool::map`].
    pub fn map(&self, items: impl IntoIterator<Item = A>) -> Result<Vec<R>, MapError> {
        self.batch(items.into_iter()).gather()
    }

    /// As [`Pool::submit_map`].
    pub fn submit_map(&self, items: impl IntoIterator<Item = A>) -> MapTask<R> {
        MapTask::new(Arc::clone(self.pool.engine()), self.batch(items.into_iter()).send_all())
    }

    /// As [`Pool::imap`].
    pub fn imap<I: IntoIterator<Item = A>>(&self, items: I) -> Imap<'p, A, R, I::IntoIter> {
        Imap::new(self.batch(items.into_iter()))
    }

    /// As [`Pool::imap_unordered`].
    pub fn imap_unordered<I: IntoIterator<Item = A>>(
        &self,
        items: I,
    ) -> ImapUnordered<'p, A, R, I::IntoIter> {
        ImapUnordered::new(self.batch(items.into_iter()))
    }

    pub(crate) fn batch<I: Iterator<Item = A>>(&self, items: I) -> Batch<'p, A, R, I> {
        Batch::new(self.pool, self.plan(), items)
    }

    /// How tasks are run, with what is known of the function.
    fn plan(&self) -> Result<Arc<Plan>, PoolError> {
        let plan = self.pool.plan_of(self.function, self.number)?;
        if plan.options == self.options {
            return Ok(plan);
        }
        Ok(Arc::new(Plan { known: Arc::clone(&plan.known), options: self.options.clone() }))
    }
}

impl<A, R> Clone for TaskBuilder<'_, A, R> {
    fn clone(&self) -> Self {
        Self { options: self.options.clone(), ..*self }
    }
}

impl<A, R> fmt::Debug for TaskBuilder<'_, A, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TaskBuilder")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
