//! Many tasks of one function: items in, as they are needed; results out, as they come.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipc_core::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{MapError, PoolError, TaskError};
use crate::job::Plan;
use crate::mailbox::{Mailbox, Waited};
use crate::map_task::Parts;
use crate::pool::Pool;
use crate::sys;
use crate::task;
use crate::trace;

/// Tasks of one function, some of which are under way.
pub(crate) struct Batch<'p, A, R, I> {
    pool: &'p Pool,
    mailbox: Arc<Mailbox>,
    plan: Result<Arc<Plan>, Option<PoolError>>,
    /// `None` when it has ended, or nothing more is wanted of it.
    items: Option<I>,
    /// How many items were taken.
    n_taken: usize,
    /// How many of them were sent and have not come back.
    n_away: usize,
    /// What could not be sent.
    refused: VecDeque<(usize, TaskError)>,
    types: PhantomData<fn(A) -> R>,
}

/// How many tasks shall be under way.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// With so many, a result is handed out before another item is taken.
    enough: usize,
    /// With so many, no item is taken.
    most: usize,
}

impl<'p, A, R, I> Batch<'p, A, R, I>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
    I: Iterator<Item = A>,
{
    pub(crate) fn new(pool: &'p Pool, plan: Result<Arc<Plan>, PoolError>, items: I) -> Self {
        Self {
            pool,
            mailbox: Arc::default(),
            plan: plan.map_err(Some),
            items: Some(items),
            n_taken: 0,
            n_away: 0,
            refused: VecDeque::new(),
            types: PhantomData,
        }
    }

    /// The next result that comes, with the place of its item; `None` when all are here.
    pub(crate) fn next_result(&mut self) -> Option<(usize, Result<R, TaskError>)> {
        self.next_result_of(usize::MAX)
    }

    /// All results in the order of the items, or the first item, by place, that has none.
    pub(crate) fn gather(self) -> Result<Vec<R>, MapError> {
        self.gather_with(|| ())
    }

    /// The same; calls `is_done` for each item that is done.
    pub(crate) fn gather_with(mut self, is_done: impl Fn()) -> Result<Vec<R>, MapError> {
        let most = self.items.as_ref().map_or(0, |items| items.size_hint().0);
        trace::in_map(most, || {
            let mut gathered = Gathered::with_capacity(most.min(MOST_AHEAD));
            while let Some((index, result)) = self.next_result() {
                gathered.add(index, result);
                is_done();
            }
            gathered.into_result()
        })
    }

    /// Sends all items at once, for whoever takes the results later.
    pub(crate) fn send_all(mut self) -> Parts {
        while self.send_one() {}
        let refused = self.refused.drain(..).next();
        // Nobody is to forget the tasks.
        self.n_away = 0;
        let (mailbox, n_items) = (Arc::clone(&self.mailbox), self.n_taken);
        Parts { mailbox, n_items, refused: Mutex::new(refused) }
    }

    /// The same, but items are taken only as long as there are fewer than `n_taken`.
    fn next_result_of(&mut self, n_taken: usize) -> Option<(usize, Result<R, TaskError>)> {
        loop {
            let window = self.window();
            if self.n_away < window.enough && self.n_taken < n_taken && self.send_one() {
                continue;
            }
            if let Some((index, error)) = self.refused.pop_front() {
                return Some((index, Err(error)));
            }
            if self.n_away == 0 {
                return None;
            }
            let may_take = self.n_away < window.most && self.n_taken < n_taken;
            if may_take && !self.is_here() && self.send_one() {
                continue;
            }
            return Some(self.receive());
        }
    }

    /// Whether a result can be handed out without waiting.
    fn is_here(&self) -> bool {
        self.mailbox.is_ready() || {
            self.pool.engine().poll();
            self.mailbox.is_ready()
        }
    }

    fn receive(&mut self) -> (usize, Result<R, TaskError>) {
        if let Some(time) = self.time_to_nap()
            && !self.is_here()
        {
            sys::nap(time);
        }
        self.n_away -= 1;
        match self.pool.engine().wait(&self.mailbox, Deadline::NEVER) {
            Waited::Arrived(index, fate) => (index, task::result(fate)),
            // Not while something is away.
            _ => (0, Err(TaskError::Terminated)),
        }
    }

    /// How long nobody needs us: while all workers have enough short tasks in their rings.
    ///
    /// A worker that answers wakes whoever waits for answers, which can take as long as a short task
    /// does. So it is better not to wait, but to come and see after some of them.
    fn time_to_nap(&self) -> Option<Duration> {
        /// Of longer tasks each is worth waking up for.
        const LONGEST_TASK: Duration = Duration::from_micros(250);
        /// With less work ahead for each worker, it might come to the end of it.
        const LEAST_AHEAD: Duration = Duration::from_micros(300);
        /// The kernel adds so much to the time for which somebody wants to sleep.
        const SLACK: Duration = Duration::from_micros(50);

        let task = Duration::from_nanos(self.plan.as_ref().ok()?.known.nanos()?);
        let n_each = u32::try_from(self.n_away / self.pool.n_workers()).ok()?;
        let ahead = task.saturating_mul(n_each);
        (task <= LONGEST_TASK && ahead >= LEAST_AHEAD).then(|| ahead / 3 - SLACK)
    }

    /// Takes an item and sends it; `false` if there is none.
    fn send_one(&mut self) -> bool {
        let Some(item) = self.items.as_mut().and_then(Iterator::next) else {
            self.items = None;
            return false;
        };
        let index = self.n_taken;
        self.n_taken += 1;
        let sent = match &mut self.plan {
            Ok(plan) => self.pool.send(plan, &item, index, &self.mailbox).map(drop),
            Err(reason) => Err(reason.take().unwrap_or(PoolError::NotInProgram)),
        };
        match sent {
            Ok(()) => self.n_away += 1,
            Err(error) => {
                // What is wrong with one argument may be right with the next.
                if !matches!(error, PoolError::Argument(_)) {
                    self.items = None;
                }
                self.refused.push_back((index, error.into()));
            }
        }
        true
    }

    /// As many tasks as the workers take at a time, and if they are long, one more for each worker,
    /// which somebody gives to it while the caller is busy with a result.
    fn window(&self) -> Window {
        let depth = self.plan.as_ref().map_or(1, |plan| plan.known.depth());
        let n_workers = self.pool.n_workers();
        let most = n_workers * if depth <= 2 { depth + 1 } else { depth };
        Window { enough: most.div_ceil(2).max(n_workers), most }
    }
}

/// So much room is made for results before there are any.
const MOST_AHEAD: usize = 1 << 16;

/// Results that come in any order.
#[derive(Debug)]
pub(crate) struct Gathered<R> {
    results: Vec<Option<R>>,
    first_error: Option<MapError>,
}

impl<R> Gathered<R> {
    pub(crate) fn with_capacity(n_results: usize) -> Self {
        Self { results: Vec::with_capacity(n_results), first_error: None }
    }

    pub(crate) fn add(&mut self, index: usize, result: Result<R, TaskError>) {
        match result {
            Ok(value) => {
                if self.results.len() <= index {
                    self.results.resize_with(index + 1, || None);
                }
                if let Some(place) = self.results.get_mut(index) {
                    *place = Some(value);
                }
            }
            Err(error) => {
                if self.first_error.as_ref().is_none_or(|first| index < first.index) {
                    self.first_error = Some(MapError { index, error });
                }
            }
        }
    }

    /// All of them, or the first item, by place, that has none.
    pub(crate) fn into_result(self) -> Result<Vec<R>, MapError> {
        match self.first_error {
            Some(error) => Err(error),
            None => Ok(self.results.into_iter().flatten().collect()),
        }
    }
}

impl<A, R, I> Drop for Batch<'_, A, R, I> {
    fn drop(&mut self) {
        if self.n_away > 0 && self.pool.engine().is_ours() {
            self.pool.engine().forget(&self.mailbox);
        }
    }
}

/// The results of [`Pool::imap_unordered`], as they come.
///
/// # Process death
///
/// An item whose worker dies has [`TaskError::WorkerDied`] as its result, or is done again; all others have
/// theirs.
#[must_use = "nothing is done before a result is asked for"]
pub struct ImapUnordered<'p, A, R, I> {
    batch: Batch<'p, A, R, I>,
}

impl<'p, A, R, I> ImapUnordered<'p, A, R, I> {
    pub(crate) fn new(batch: Batch<'p, A, R, I>) -> Self {
        Self { batch }
    }
}

impl<A, R, I> Iterator for ImapUnordered<'_, A, R, I>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
    I: Iterator<Item = A>,
{
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch.next_result().map(|(_, result)| result)
    }
}

impl<A, R, I> FusedIterator for ImapUnordered<'_, A, R, I>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
    I: Iterator<Item = A>,
{
}

impl<A, R, I> fmt::Debug for ImapUnordered<'_, A, R, I> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("ImapUnordered");
        fields.field("under_way", &self.batch.n_away).finish_non_exhaustive()
    }
}

/// The results of [`Pool::imap`], in the order of the items.
///
/// # Process death
///
/// As for [`ImapUnordered`].
#[must_use = "nothing is done before a result is asked for"]
pub struct Imap<'p, A, R, I> {
    batch: Batch<'p, A, R, I>,
    /// Those that came before their turn; the first is the next one's.
    early: VecDeque<Option<Result<R, TaskError>>>,
    /// How many were handed out.
    n_given: usize,
}

impl<'p, A, R, I> Imap<'p, A, R, I> {
    pub(crate) fn new(batch: Batch<'p, A, R, I>) -> Self {
        Self { batch, early: VecDeque::new(), n_given: 0 }
    }
}

impl<A, R, I> Iterator for Imap<'_, A, R, I>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
    I: Iterator<Item = A>,
{
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(Some(_)) = self.early.front() {
                self.n_given += 1;
                return self.early.pop_front().flatten();
            }
            // What waits for the next one counts as under way, so that a slow one among many quick
            // ones does not have all of the input gathered here.
            let most = self.n_given + 2 * self.batch.window().most;
            let (index, result) = self.batch.next_result_of(most)?;
            let at = index.saturating_sub(self.n_given);
            if self.early.len() <= at {
                self.early.resize_with(at + 1, || None);
            }
            if let Some(place) = self.early.get_mut(at) {
                *place = Some(result);
            }
        }
    }
}

impl<A, R, I> FusedIterator for Imap<'_, A, R, I>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
    I: Iterator<Item = A>,
{
}

impl<A, R, I> fmt::Debug for Imap<'_, A, R, I> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Imap");
        fields.field("under_way", &self.batch.n_away).finish_non_exhaustive()
    }
}
