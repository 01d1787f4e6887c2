//! `TaskBuilder`: all that can be said of a task beside its function and its argument.

use std::fmt;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batch::{Batch, Plans};
use crate::error::{MapError, PoolError, SubmitError, TaskError};
use crate::job::{Argument, Job, Plan};
use crate::mailbox::Mailbox;
use crate::map::{Imap, ImapUnordered};
use crate::map_task::MapTask;
use crate::options::Options;
use crate::parcel::Parcel;
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
    /// How many items of a map travel together, if that was said.
    n_each: Option<usize>,
}

impl<'p, A, R> TaskBuilder<'p, A, R> {
    pub(crate) fn new(pool: &'p Pool, function: fn(A) -> R) -> Self {
        let options = pool.engine().options.clone();
        Self { pool, function, number: 0, options, n_each: None }
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
    /// early; one that is done late, and before anybody came to end it, has its result.
    ///
    /// A task that panics has not ended before its panic is told: what the program's panic hook does, such
    /// as writing a backtrace, counts, and if the time is up meanwhile, the task is timed out.
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
    /// first. A task overtakes those with smaller numbers that a worker has and has not begun, unless all of
    /// these likely take less than half a millisecond. What runs is not interrupted. While tasks are overtaken,
    /// their worker may begin one of them out of its turn.
    pub const fn priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// Chooses how many items of a map travel together.
    ///
    /// If nothing is said, as many as likely take a quarter of a millisecond, all together: one, if nobody
    /// knows how long they take, if their time is [limited](Self::timeout), or for an iterator over results
    /// whose input does not know its length and may be long in coming. Each is a task all the same, with
    /// a result or an error of its own; but that of the first is there when the last is done, or after
    /// some milliseconds. With 1, each item goes alone. With more, as many are done by one worker,
    /// however long they take; fewer where they are large. At least one is.
    #[doc(alias = "chunksize")]
    pub const fn chunk_size(mut self, n_items: usize) -> Self {
        self.n_each = Some(if n_items == 0 { 1 } else { n_items });
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
        self.send_all(items.into_iter())
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
}

impl<'p, A, R> TaskBuilder<'p, A, R>
where
    A: DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    /// Submits a task whose argument is encoded as an `A` is.
    pub(crate) fn send<T: Serialize>(&self, argument: &T) -> Result<Task<R>, PoolError> {
        let mailbox = Arc::new(Mailbox::default());
        let plan = self.plan()?;
        let argument = Parcel::pack(argument, self.pool.engine().shelf.as_ref())
            .map_err(PoolError::Argument)?;
        let job = Job::new(&plan, Argument::One(argument), 0, &mailbox);
        let number = self.pool.engine().submit(&mailbox, 1, iter::once(job))?;
        Ok(Task::new(Arc::clone(self.pool.engine()), mailbox, plan, number))
    }

    /// Submits tasks whose arguments are encoded as an `A` is.
    pub(crate) fn send_all<T: Serialize>(&self, items: impl Iterator<Item = T>) -> MapTask<R> {
        MapTask::new(Arc::clone(self.pool.engine()), self.batch(items).send_all())
    }

    /// Items that are encoded as an `A` is, and what comes of them.
    pub(crate) fn batch<I>(&self, items: I) -> Batch<'p, I::Item, R, I>
    where
        I: Iterator<Item: Serialize>,
    {
        Batch::new(self.pool, self.plans(), items, self.n_each)
    }

    /// How many tasks are run, each alone or together.
    fn plans(&self) -> Result<Plans, PoolError> {
        let one = self.plan()?;
        // The time of a chunk would be that of all its items.
        if self.n_each == Some(1) || self.options.limit.is_some() {
            return Ok(Plans { one, many: None });
        }
        let many = self.pool.plan_of_many(self.function, self.number, &one)?;
        Ok(Plans { one, many: Some(self.with_options(many)) })
    }

    /// How tasks are run, with what is known of the function.
    fn plan(&self) -> Result<Arc<Plan>, PoolError> {
        self.pool.plan(self.function, self.number).map(|plan| self.with_options(plan))
    }

    fn with_options(&self, plan: Arc<Plan>) -> Arc<Plan> {
        if plan.options == self.options {
            return plan;
        }
        Arc::new(Plan { known: Arc::clone(&plan.known), options: self.options.clone() })
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

/// The settings of a builder that keeps a [`TaskBuilder`] in its field `tasks`.
macro_rules! pass_on_settings {
    ($(#[$of_chunks:meta])*) => {
        /// As [`TaskBuilder::timeout`].
        pub fn timeout(self, limit: Duration) -> Self {
            Self { tasks: self.tasks.timeout(limit), ..self }
        }

        /// As [`TaskBuilder::grace`].
        pub fn grace(self, grace: Duration) -> Self {
            Self { tasks: self.tasks.grace(grace), ..self }
        }

        /// As [`TaskBuilder::retry`].
        pub fn retry(self, retry: Retry) -> Self {
            Self { tasks: self.tasks.retry(retry), ..self }
        }

        /// As [`TaskBuilder::priority`].
        pub fn priority(self, priority: i32) -> Self {
            Self { tasks: self.tasks.priority(priority), ..self }
        }

        /// As [`TaskBuilder::tag`].
        pub fn tag(self, tag: impl Into<Arc<str>>) -> Self {
            Self { tasks: self.tasks.tag(tag), ..self }
        }

        $(#[$of_chunks])*
        #[doc(alias = "chunksize")]
        pub fn chunk_size(self, n_items: usize) -> Self {
            Self { tasks: self.tasks.chunk_size(n_items), ..self }
        }
    };
}

pub(crate) use pass_on_settings;
