//! `Builder`: all that can be said of a pool before it is made.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ipc_queue::Builder as QueueBuilder;

use crate::board::Board;
use crate::dispatch::MOST_GIVEN;
use crate::employee::SLOT_BYTES;
use crate::engine::Engine;
use crate::error::PoolError;
use crate::keeper::Keeper;
use crate::options::Options;
use crate::parcel::MOST_INLINE;
use crate::pool::Pool;
use crate::retry::Retry;
use crate::sys::{self, Bell};

/// How a pool shall be.
///
/// # Examples
///
/// ```
/// use pool::{Pool, Retry};
///
/// let pool = Pool::builder().workers(2).on_worker_death(Retry::times(1)).build()?;
/// assert_eq!(pool.stats().workers.len(), 2);
/// # Ok::<(), pool::PoolError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "no pool is made yet"]
pub struct Builder {
    n_workers: Option<usize>,
    /// Of tasks of which nothing else is said.
    options: Options,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// The greatest number of workers that a pool can have.
    pub const MOST_WORKERS: usize = 1024;

    /// A pool with a worker for each usable processor, whose tasks do not run again.
    pub const fn new() -> Self {
        Self { n_workers: None, options: Options::new() }
    }

    /// Chooses the number of workers.
    #[doc(alias = "processes")]
    pub const fn workers(mut self, n_workers: usize) -> Self {
        self.n_workers = Some(n_workers);
        self
    }

    /// Chooses what happens to a task whose worker dies while it runs.
    ///
    /// Tasks that the worker had and had not begun are not touched by its death, whatever is chosen.
    pub const fn on_worker_death(mut self, retry: Retry) -> Self {
        self.options.retry = retry;
        self
    }

    /// Chooses how long a task may take, from when a worker begins it: see
    /// [`TaskBuilder::timeout`](crate::TaskBuilder::timeout).
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.options.limit = Some(limit);
        self
    }

    /// Has tasks that are to end asked before they are ended: see
    /// [`TaskBuilder::grace`](crate::TaskBuilder::grace).
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = Some(grace);
        self
    }

    /// Makes the pool, and starts its workers.
    ///
    /// # Errors
    ///
    /// [`PoolError::BadWorkers`] for a number of workers that cannot be, [`PoolError::Start`] if a
    /// worker cannot be started, and the others if the system has no memory, threads or descriptors
    /// left. Nothing stays behind then.
    pub fn build(self) -> Result<Pool, PoolError> {
        let n_workers = self.n_workers.unwrap_or_else(sys::usable_cpus);
        if n_workers == 0 || n_workers > Self::MOST_WORKERS {
            return Err(PoolError::BadWorkers { most: Self::MOST_WORKERS });
        }
        // Room for all answers to short tasks at once, or for one with as many bytes as go through.
        let n_slots = (n_workers * MOST_GIVEN).max(4 * MOST_INLINE / SLOT_BYTES);
        let outbox = QueueBuilder::new(n_slots)
            .message_bytes(SLOT_BYTES)
            .seats(n_workers + MOST_COLLECTORS)
            .bytes()?;
        let board = Board::new(n_workers)?;
        let bell = Bell::new().map_err(PoolError::system("make an event descriptor"))?;
        let engine = Arc::new(Engine::new(n_workers, self.options, outbox, board, bell));
        // From here on dropping the pool ends what was begun.
        let mut pool = Pool::of(Arc::clone(&engine));
        pool.has_clerk(start_clerk(&engine)?);
        let (keeper, begun) = start_keeper(&engine)?;
        pool.has_keeper(keeper);
        match begun.recv() {
            Ok(begun) => begun.map(|()| pool),
            Err(mpsc::RecvError) => Err(PoolError::NoWorkers("its keeper is gone".to_owned())),
        }
    }
}

/// So many threads beside the workers have seats at the outbox.
const MOST_COLLECTORS: usize = 512;

fn start_clerk(engine: &Arc<Engine>) -> Result<JoinHandle<()>, PoolError> {
    let engine = Arc::clone(engine);
    let (ready, is_ready) = mpsc::sync_channel(1);
    let thread = start_thread("pool-clerk", move || {
        // The builder waits for it.
        engine.be_clerk(|| {
            let _told = ready.send(());
        });
    })?;
    // It fails only if the thread is gone, which the pool will notice.
    let _ready = is_ready.recv();
    Ok(thread)
}

type Begun = mpsc::Receiver<Result<(), PoolError>>;

fn start_keeper(engine: &Arc<Engine>) -> Result<(JoinHandle<()>, Begun), PoolError> {
    let keeper = Keeper::new(Arc::clone(engine));
    let (begun, has_begun) = mpsc::sync_channel(1);
    let thread = start_thread("pool-keeper", move || keeper.keep(&begun))?;
    Ok((thread, has_begun))
}

fn start_thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, PoolError> {
    let builder = thread::Builder::new().name(name.to_owned());
    // Signals are for the program's own threads.
    let thread: io::Result<_> = sys::with_signals_blocked(|| builder.spawn(work));
    thread.map_err(PoolError::system("start a thread"))
}
