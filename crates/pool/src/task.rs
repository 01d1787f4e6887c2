//! `Task`: a result to come.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ipc_core::Deadline;
use proc_core::Outcome;
use serde::de::DeserializeOwned;

use crate::engine::Engine;
use crate::error::{PoolError, TaskError};
use crate::events::TaskId;
use crate::job::Plan;
use crate::mailbox::{Death, Fate, Mailbox};
use crate::receipt::Receipt;
use crate::symbol;

/// A result to come from a [`Pool`](crate::Pool).
///
/// All methods take `&self`, so threads can share one; the result goes to whoever asks first. A task
/// that is dropped is done all the same, and nobody hears of it.
///
/// # Process death
///
/// If the worker dies while it runs the task, the result is [`TaskError::WorkerDied`], unless the
/// task is to run again. If the pool is dropped first, it is [`TaskError::Terminated`]. Nobody waits
/// for the dead.
///
/// # Examples
///
/// ```
/// use pool::Pool;
///
/// let pool = Pool::builder().workers(1).build()?;
/// let task = pool.submit(|(a, b): (u32, u32)| a + b, (1, 2))?;
/// assert_eq!(task.join()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "AsyncResult")]
#[doc(alias = "Future")]
#[must_use = "the result is lost with the task"]
pub struct Task<R> {
    receipt: Receipt,
    plan: Arc<Plan>,
    number: u64,
    result: PhantomData<fn() -> R>,
}

impl<R> Task<R> {
    pub(crate) fn new(
        engine: Arc<Engine>,
        mailbox: Arc<Mailbox>,
        plan: Arc<Plan>,
        number: u64,
    ) -> Self {
        let receipt = Receipt { engine, mailbox };
        Self { receipt, plan, number, result: PhantomData }
    }

    pub(crate) fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Whether [`join`](Self::join) would return at once.
    #[must_use]
    #[doc(alias = "ready")]
    #[doc(alias = "done")]
    pub fn is_ready(&self) -> bool {
        self.receipt.is_ready()
    }

    /// Whether a worker is running it at this moment.
    #[must_use]
    #[doc(alias = "running")]
    pub fn is_running(&self) -> bool {
        self.worker().is_some()
    }

    /// The number of the process that is running it; `None` if it waits, or is done.
    #[must_use]
    pub fn worker(&self) -> Option<u32> {
        let Receipt { engine, mailbox } = &self.receipt;
        if engine.is_ours() { engine.worker_of(mailbox) } else { None }
    }

    /// Which of the pool's tasks it is, as [events](crate::Event) have it.
    #[must_use]
    pub fn id(&self) -> TaskId {
        TaskId { number: self.number, tag: self.plan.options.tag.clone() }
    }

    /// What the task was [called](crate::TaskBuilder::tag).
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.plan.options.tag.as_deref()
    }

    /// Ends the task before it is done; `false` if it is done, and nothing happens.
    ///
    /// A task that waits is taken out of the queue at once. Of one that runs the worker gets `SIGTERM`,
    /// which ends it unless the task has made that signal do something else, and is killed after the
    /// [grace](crate::TaskBuilder::grace), which is 100 ms unless something else was said. Another
    /// worker takes its place; no other task is harmed, and the task does not run again. What it has
    /// done so far is done, and processes that it has started stay.
    ///
    /// The result is [`TaskError::Cancelled`], as soon as nothing runs any more; or what the function
    /// returned, if it did just then.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{Pool, TaskError};
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let task = pool.submit(|()| -> () { loop { std::thread::park() } }, ())?;
    /// assert!(task.cancel());
    /// assert!(matches!(task.join(), Err(TaskError::Cancelled)));
    /// assert!(!task.cancel(), "it is done");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::must_use_candidate, reason = "whoever cancels may not care")]
    pub fn cancel(&self) -> bool {
        let Receipt { engine, mailbox } = &self.receipt;
        engine.is_ours()
            && !mailbox.is_ready()
            && engine.cancel(mailbox, self.plan.options.priority, self.number)
    }
}

impl<R: DeserializeOwned> Task<R> {
    /// Waits for the result as long as it takes.
    ///
    /// # Errors
    ///
    /// [`TaskError`] says why there is none.
    #[doc(alias = "get")]
    pub fn join(&self) -> Result<R, TaskError> {
        match self.join_deadline(Deadline::NEVER) {
            Ok(Some(value)) => Ok(value),
            // The deadline that never comes has passed.
            Ok(None) => Err(TaskError::Taken),
            Err(error) => Err(error),
        }
    }

    /// Waits for the result at most so long; `None` if it has not come, and the task goes on.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn join_timeout(&self, timeout: Duration) -> Result<Option<R>, TaskError> {
        self.join_deadline(Deadline::after(timeout))
    }

    /// The result if it has come; `None` if it has not.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn try_join(&self) -> Result<Option<R>, TaskError> {
        if self.is_ready() { self.join_deadline(Deadline::now()) } else { Ok(None) }
    }

    /// Waits for the result until the deadline; `None` if it has not come, and the task goes on.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn join_deadline(&self, deadline: Deadline) -> Result<Option<R>, TaskError> {
        self.receipt.wait(deadline)?.map(result).transpose()
    }

    /// Has a callback called with the result, once it is there.
    ///
    /// It counts as taking the result: whoever joins the task gets it only if it comes before, and
    /// then the callback gets [`TaskError::Taken`]. The task may be dropped.
    ///
    /// Callbacks are run by a thread of the pool that does nothing else, one after the other, in the
    /// order in which their tasks are done. One that blocks holds up the others, and no task. A panic
    /// in one is told by the [panic hook](std::panic::set_hook), and harms nobody. They may use the
    /// pool; to wait for a task of which another callback is to hear is to wait for ever.
    ///
    /// [`Pool::join`](crate::Pool::join) waits for callbacks. If the pool is dropped first they are
    /// called with [`TaskError::Terminated`], and nobody waits for them: the program may end before.
    ///
    /// # Errors
    ///
    /// [`PoolError::System`] if there can be no such thread, and [`PoolError::NotOurs`] in a process
    /// that was forked from the one that made the pool. Nobody is called then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use pool::Pool;
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let (results, received) = mpsc::channel();
    /// for x in 0..10_u64 {
    ///     let results = results.clone();
    ///     pool.submit(|x: u64| x * x, x)?.on_done(move |result| {
    ///         results.send(result.unwrap()).unwrap();
    ///     })?;
    /// }
    /// pool.join()?;
    /// assert_eq!(received.try_iter().sum::<u64>(), 285);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "add_done_callback")]
    pub fn on_done(
        &self,
        callback: impl FnOnce(Result<R, TaskError>) + Send + 'static,
    ) -> Result<(), PoolError>
    where
        R: 'static,
    {
        self.receipt.on_done(|fate| callback(fate.and_then(result)))
    }
}

/// Waits in a task of any executor; needs none in particular.
///
/// While somebody waits so, a thread of the pool takes results from the workers. Dropping the future
/// is dropping the task, which is done all the same; polled as `&mut task`, it stays.
impl<R: DeserializeOwned> Future for Task<R> {
    type Output = Result<R, TaskError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.receipt.poll(context).map(|fate| fate.and_then(result))
    }
}

impl<R> fmt::Debug for Task<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Task").finish_non_exhaustive()
    }
}

/// What a fate is to those who know the type of the result.
pub(crate) fn result<R: DeserializeOwned>(fate: Fate) -> Result<R, TaskError> {
    match fate {
        Fate::Answered(answer) => match answer.unpack().map_err(TaskError::Decode)? {
            Outcome::Returned(value) => Ok(value),
            Outcome::Panicked(panic) => Err(TaskError::Panicked(panic)),
            Outcome::Unsendable(reason) => Err(TaskError::Unsendable(reason)),
        },
        // One of many is taken out of them elsewhere.
        Fate::Chunk(answers) => answers.into_results().next().unwrap_or(Err(TaskError::Taken)),
        Fate::Refused(refusal) => Err(TaskError::Refused(refusal)),
        Fate::Panicked(panic) => Err(TaskError::Panicked(*panic)),
        Fate::Died(death) => {
            let Death { pid, status, n_deaths, max_memory, memory_hint, tag, place } = *death;
            let function = symbol::name_at(place);
            Err(TaskError::WorkerDied {
                pid,
                status,
                n_deaths,
                max_memory,
                memory_hint,
                tag,
                function,
            })
        }
        Fate::TimedOut { limit, pid, n_deaths, tag, place } => {
            let function = symbol::name_at(place);
            Err(TaskError::TimedOut { limit, pid, n_deaths, tag, function })
        }
        Fate::Cancelled => Err(TaskError::Cancelled),
        Fate::Lost(reason) => Err(TaskError::Lost(reason)),
        // A note is for those who wait for many.
        Fate::Terminated | Fate::Noted => Err(TaskError::Terminated),
        Fate::NoWorkers(reason) => Err(TaskError::NoWorkers(reason)),
    }
}
