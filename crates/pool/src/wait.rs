//! `wait` and `as_completed`: the first of many tasks.

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::Deadline;
use serde::de::DeserializeOwned;

use crate::engine::Engine;
use crate::error::TaskError;
use crate::mailbox::{Fate, Mailbox, Waited};
use crate::receipt::{Ear, Interest, Listener, Receipt};
use crate::task::Task;

/// What [`wait`] waits for.
#[doc(alias = "return_when")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Until {
    /// One task is done.
    #[doc(alias = "FIRST_COMPLETED")]
    FirstCompleted,
    /// One task has failed, or all are done.
    ///
    /// A task has failed that has no result, or whose function panicked. That a result cannot be
    /// decoded is found only by who takes it.
    #[doc(alias = "FIRST_EXCEPTION")]
    FirstError,
    /// All tasks are done.
    #[doc(alias = "ALL_COMPLETED")]
    All,
}

/// What [`wait`] has waited for.
#[derive(Debug)]
#[non_exhaustive]
pub struct DoneTasks<'t, R> {
    /// Tasks that are done, in the order in which they were given.
    pub done: Vec<&'t Task<R>>,
    /// The others, in the same order.
    pub pending: Vec<&'t Task<R>>,
}

/// Waits for many tasks, of any pools, at most until the deadline or so long; results are not taken.
///
/// # Process death
///
/// A task whose worker has died is done, unless it is to run again.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool::{Pool, Until};
///
/// let pool = Pool::builder().workers(2).build()?;
/// let tasks = [3, 4, 5].map(|x: u64| pool.submit(|x: u64| x * x, x));
/// let tasks: Vec<_> = tasks.into_iter().collect::<Result<_, _>>()?;
/// let first = pool::wait(&tasks, Until::FirstCompleted, None);
/// assert!(!first.done.is_empty());
/// let all = pool::wait(&tasks, Until::All, Duration::from_secs(60));
/// assert_eq!((all.done.len(), all.pending.len()), (3, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait<'t, R>(
    tasks: impl IntoIterator<Item = &'t Task<R>>,
    until: Until,
    deadline: impl Into<Deadline>,
) -> DoneTasks<'t, R> {
    let deadline = deadline.into();
    let tasks: Vec<&Task<R>> = tasks.into_iter().collect();
    let group = Group::new(tasks.iter().map(|task| task.receipt()));
    let mut is_done = vec![false; tasks.len()];
    while let Some(at) = group.next(deadline) {
        if let Some(is_done) = is_done.get_mut(at) {
            *is_done = true;
        }
        let is_enough = match until {
            Until::FirstCompleted => true,
            Until::FirstError => {
                tasks.get(at).is_some_and(|task| task.receipt().mailbox.has_failed())
            }
            Until::All => false,
        };
        if is_enough {
            break;
        }
    }
    // What else is there is told as well.
    while let Some(at) = group.next(Deadline::now()) {
        if let Some(is_done) = is_done.get_mut(at) {
            *is_done = true;
        }
    }
    let (mut done, mut pending) = (Vec::new(), Vec::new());
    for (task, is_done) in tasks.into_iter().zip(is_done) {
        if is_done { done.push(task) } else { pending.push(task) }
    }
    DoneTasks { done, pending }
}

/// The results of tasks, of any pools, as they come, each with the place of its task among those given.
///
/// # Examples
///
/// ```
/// use pool::Pool;
///
/// let pool = Pool::builder().workers(2).build()?;
/// let tasks = (0..10).map(|x: u64| pool.submit(|x: u64| x * x, x)).collect::<Result<Vec<_>, _>>()?;
/// for (place, result) in pool::as_completed(tasks) {
///     assert_eq!(result?, (place * place) as u64);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn as_completed<R: DeserializeOwned>(
    tasks: impl IntoIterator<Item = Task<R>>,
) -> AsCompleted<R> {
    let tasks: Vec<Option<Task<R>>> = tasks.into_iter().map(Some).collect();
    let group = Group::new(tasks.iter().flatten().map(Task::receipt));
    AsCompleted { n_left: tasks.len(), tasks, group }
}

/// The iterator that [`as_completed`] returns.
///
/// Tasks whose results were not taken when it is dropped are done all the same.
#[must_use = "results are lost with it"]
pub struct AsCompleted<R> {
    tasks: Vec<Option<Task<R>>>,
    n_left: usize,
    group: Group,
}

impl<R: DeserializeOwned> AsCompleted<R> {
    /// The next result if it comes in so long a time; `None` if it does not, or if there is none
    /// [left](ExactSizeIterator::len).
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<(usize, Result<R, TaskError>)> {
        self.next_deadline(Deadline::after(timeout))
    }

    /// As [`next_timeout`](Self::next_timeout), until the deadline.
    pub fn next_deadline(&mut self, deadline: Deadline) -> Option<(usize, Result<R, TaskError>)> {
        let place = self.group.next(deadline)?;
        let task = self.tasks.get_mut(place)?.take()?;
        self.n_left -= 1;
        Some((place, task.join()))
    }
}

impl<R: DeserializeOwned> Iterator for AsCompleted<R> {
    type Item = (usize, Result<R, TaskError>);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_deadline(Deadline::NEVER)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.n_left, Some(self.n_left))
    }
}

impl<R: DeserializeOwned> ExactSizeIterator for AsCompleted<R> {}

impl<R: DeserializeOwned> FusedIterator for AsCompleted<R> {}

impl<R> fmt::Debug for AsCompleted<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AsCompleted").field("left", &self.n_left).finish_non_exhaustive()
    }
}

/// Tasks for which somebody waits.
#[derive(Debug)]
pub(crate) struct Group {
    /// Where it is noted which are done.
    notes: Arc<Mailbox>,
    members: Vec<(Arc<Engine>, Arc<Mailbox>)>,
    /// The pool that all are of, for which whoever waits collects.
    home: Option<Arc<Engine>>,
}

impl Group {
    pub(crate) fn new<'r, I: Iterator<Item = &'r Receipt> + Clone>(receipts: I) -> Self {
        let mut engines = receipts.clone().map(|receipt| &receipt.engine);
        let home = engines.next().filter(|first| engines.all(|other| Arc::ptr_eq(first, other)));
        let home = home.map(Arc::clone);
        let mut group = Self { notes: Arc::default(), members: Vec::new(), home };
        for (number, receipt) in receipts.enumerate() {
            group.notes.expect(1);
            // A copy of the process has no tasks: none is worth waiting for.
            if !receipt.engine.is_ours() {
                group.notes.deliver(number, Fate::Noted);
                continue;
            }
            let interest = group.home.is_none().then(|| Interest::new(&receipt.engine));
            let ear = Ear::Mailbox(Arc::clone(&group.notes), number);
            let member = (Arc::clone(&receipt.engine), Arc::clone(&receipt.mailbox));
            group.members.push(member);
            if let Err(listener) = receipt.mailbox.listen(Listener { ear, interest }) {
                listener.tell();
            }
        }
        group
    }

    /// Waits for the next one that is done; `None` when there is none left, or the deadline passes.
    pub(crate) fn next(&self, deadline: Deadline) -> Option<usize> {
        let waited = match &self.home {
            Some(home) if home.is_ours() => home.wait(&self.notes, deadline),
            _ => self.notes.wait(deadline),
        };
        match waited {
            Waited::Arrived(number, _) => Some(number),
            _ => None,
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for (engine, mailbox) in &self.members {
            // In a copy of the process no lock may be taken.
            if engine.is_ours() {
                drop(mailbox.forget_listener(&self.notes));
            }
        }
    }
}
