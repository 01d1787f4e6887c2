//! `MapTask`: the results of many tasks of one function, to come all together.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use ipc_core::Deadline;
use serde::de::DeserializeOwned;

use crate::engine::Engine;
use crate::error::{MapError, PoolError, TaskError};
use crate::gathered::Gathered;
use crate::mailbox::{Mailbox, Waited};
use crate::receipt::{Ear, Listener, Receipt};

/// The results of many tasks of one function, to come from [`Pool::submit_map`](crate::Pool::submit_map).
///
/// All methods take `&self`, so threads can share one; the results go to whoever asks first. Tasks go on
/// when it is dropped, and nobody hears of them.
///
/// # Process death
///
/// As of a [`Task`](crate::Task): a worker that dies costs one item.
///
/// # Examples
///
/// ```
/// use pool::Pool;
///
/// let pool = Pool::builder().workers(2).build()?;
/// let squares = pool.submit_map(|x: u64| x * x, 0..5);
/// assert_eq!(squares.join()?, [0, 1, 4, 9, 16]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "MapResult")]
#[must_use = "the results are lost with it"]
pub struct MapTask<R> {
    /// For the note that all is there.
    receipt: Receipt,
    parts: Arc<Parts>,
    result: PhantomData<fn() -> R>,
}

/// What comes of the items.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Where the fates of those arrive that were sent.
    pub(crate) mailbox: Arc<Mailbox>,
    /// How many items there are.
    pub(crate) n_items: usize,
    /// The first that could not be sent, and why.
    pub(crate) refused: Mutex<Option<(usize, TaskError)>>,
}

impl<R> MapTask<R> {
    /// All items were sent.
    pub(crate) fn new(engine: Arc<Engine>, parts: Parts) -> Self {
        let whole = Arc::<Mailbox>::default();
        whole.expect(1);
        let ear = Ear::Mailbox(Arc::clone(&whole), 0);
        if let Err(listener) = parts.mailbox.listen(Listener { ear, interest: None }) {
            listener.tell();
        }
        let receipt = Receipt { engine, mailbox: whole };
        Self { receipt, parts: Arc::new(parts), result: PhantomData }
    }

    /// Whether [`join`](Self::join) would return at once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.receipt.is_ready()
    }

    /// How many items there are.
    #[must_use]
    pub fn n_items(&self) -> usize {
        self.parts.n_items
    }

    /// How many results are there; none when they were taken.
    #[must_use]
    pub fn n_done(&self) -> usize {
        if !self.receipt.engine.is_ours() {
            return 0;
        }
        self.receipt.engine.poll();
        self.parts.mailbox.n_arrived()
    }

    /// Ends all tasks that are not done, each as [`Task::cancel`](crate::Task::cancel) does; `false` if
    /// all are done.
    #[expect(clippy::must_use_candidate, reason = "whoever cancels may not care")]
    pub fn cancel(&self) -> bool {
        let engine = &self.receipt.engine;
        engine.is_ours() && !self.receipt.is_ready() && engine.cancel_all(&self.parts.mailbox)
    }
}

impl<R: DeserializeOwned> MapTask<R> {
    /// Waits for all results, which come in the order of the items.
    ///
    /// # Errors
    ///
    /// As [`Pool::map`](crate::Pool::map).
    pub fn join(&self) -> Result<Vec<R>, MapError> {
        match self.join_deadline(Deadline::NEVER) {
            Ok(Some(results)) => Ok(results),
            // The deadline that never comes has passed.
            Ok(None) => Err(MapError { index: 0, error: TaskError::Taken }),
            Err(error) => Err(error),
        }
    }

    /// Waits for all results at most so long; `None` if they have not come, and the tasks go on.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn join_timeout(&self, timeout: Duration) -> Result<Option<Vec<R>>, MapError> {
        self.join_deadline(Deadline::after(timeout))
    }

    /// Waits for all results until the deadline; `None` if they have not come, and the tasks go on.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn join_deadline(&self, deadline: Deadline) -> Result<Option<Vec<R>>, MapError> {
        match self.receipt.wait(deadline) {
            Ok(Some(_note)) => self.parts.take().map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(MapError { index: 0, error }),
        }
    }

    /// Has a callback called with the results once all are there, as [`Task::on_done`].
    ///
    /// [`Task::on_done`]: crate::Task::on_done
    ///
    /// # Errors
    ///
    /// As there.
    #[doc(alias = "map_async")]
    pub fn on_done(
        &self,
        callback: impl FnOnce(Result<Vec<R>, MapError>) + Send + 'static,
    ) -> Result<(), PoolError>
    where
        R: 'static,
    {
        let parts = Arc::clone(&self.parts);
        self.receipt.on_done(move |note| {
            callback(match note {
                Ok(_note) => parts.take(),
                Err(error) => Err(MapError { index: 0, error }),
            });
        })
    }
}

impl Parts {
    /// Takes out all results. Only who has the note does that.
    fn take<R: DeserializeOwned>(&self) -> Result<Vec<R>, MapError> {
        let mut gathered = Gathered::expecting(self.n_items);
        // Each change is one assignment.
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((index, error)) = refused.take() {
            gathered.add(index, Err(error));
        }
        while let Waited::Arrived(index, fate) = self.mailbox.take() {
            gathered.add_fate(index, fate);
        }
        gathered.into_result()
    }
}

/// As of a [`Task`](crate::Task).
impl<R: DeserializeOwned> Future for MapTask<R> {
    type Output = Result<Vec<R>, MapError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.receipt.poll(context).map(|note| match note {
            Ok(_note) => self.parts.take(),
            Err(error) => Err(MapError { index: 0, error }),
        })
    }
}

impl<R> fmt::Debug for MapTask<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("MapTask");
        fields.field("n_items", &self.parts.n_items).finish_non_exhaustive()
    }
}
