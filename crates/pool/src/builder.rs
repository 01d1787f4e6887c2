//! `Builder`: all that can be said of a pool before it is made.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ipc_queue::Builder as QueueBuilder;
use proc_core::Start;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::board::Board;
use crate::dispatch::MOST_GIVEN;
use crate::employee::SLOT_BYTES;
use crate::engine::Engine;
use crate::error::PoolError;
use crate::find::Named;
use crate::hiring::{Hiring, Initializer};
use crate::keeper::Keeper;
use crate::options::Options;
use crate::parcel::MOST_INLINE;
use crate::pool::Pool;
use crate::retry::Retry;
use crate::size::Size;
use crate::state;
use crate::stateful::StatefulBuilder;
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
    most_workers: Option<usize>,
    idle: Option<Duration>,
    hiring: Hiring,
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
        Self {
            n_workers: None,
            most_workers: None,
            idle: None,
            hiring: Hiring::new(),
            options: Options::new(),
        }
    }

    /// Chooses the number of workers.
    #[doc(alias = "processes")]
    pub const fn workers(mut self, n_workers: usize) -> Self {
        self.n_workers = Some(n_workers);
        self
    }

    /// Makes room for more workers than there are at first, for [`Pool::resize`] and
    /// [`elastic`](Self::elastic).
    ///
    /// Without this there is room for as many as there are at first.
    pub const fn max_workers(mut self, n_workers: usize) -> Self {
        self.most_workers = Some(n_workers);
        self
    }

    /// Has the pool start more workers while tasks wait for one, as many as there is
    /// [room for](Self::max_workers), and end those again that have had nothing to do for at least
    /// so long.
    ///
    /// There are never fewer than were [chosen](Self::workers).
    pub const fn elastic(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Chooses the way in which workers are started: the fork server if not said.
    ///
    /// [`Start::Fork`] is refused by [`build`](Self::build): a pool has threads, so a copy of its
    /// process could not run safely.
    pub const fn start(mut self, start: Start) -> Self {
        self.hiring.start = Some(start);
        self
    }

    /// Names the workers, for people: the one in place 3 of a pool named `crawler` is `crawler-3`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.hiring.name = Some(name.into());
        self
    }

    /// Sets a variable in the environment of all workers.
    pub fn env(self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.process(|process| process.env(name, value))
    }

    /// Takes a variable out of the environment of all workers.
    pub fn env_remove(self, name: impl AsRef<OsStr>) -> Self {
        self.process(|process| process.env_remove(name))
    }

    /// Lets others have the processor before the workers (up to 19) or after them (down to -20).
    pub fn nice(self, niceness: i32) -> Self {
        self.process(|process| process.nice(niceness))
    }

    /// Lets the workers run on these processors only, which are counted from zero.
    ///
    /// [`for_each_worker`](Self::for_each_worker) can give each one its own. One that is not there is an error of
    /// [`build`](Self::build), which names it.
    pub fn affinity(self, processors: impl IntoIterator<Item = usize>) -> Self {
        self.process(|process| process.affinity(processors))
    }

    /// Limits the address space of each worker to so many bytes.
    ///
    /// A task that wants more aborts its worker, and fails alone. The program, its libraries and
    /// what the pool shares with the worker count too; if it is too small for them,
    /// [`build`](Self::build) says so. For a limit that costs no task, see
    /// [`max_memory`](Self::max_memory).
    pub fn memory_limit(self, bytes: u64) -> Self {
        self.process(|process| process.memory_limit(bytes))
    }

    /// Limits the processor time of each worker, in whole seconds, at least one: of all its tasks together.
    ///
    /// A worker that has had so much is killed by `SIGXCPU`, and with it whatever task it is at. So
    /// this is against what runs away; [`max_tasks_per_worker`](Self::max_tasks_per_worker) with it
    /// keeps innocent tasks from paying for those before them.
    pub fn cpu_time_limit(self, time: Duration) -> Self {
        self.process(|process| process.cpu_time_limit(time))
    }

    /// Has a function say what else the process of a worker is to be like, by its place from 0.
    ///
    /// It is called in this process, each time when a worker is started. The way of starting, the
    /// time for that, and that workers end with this process cannot be changed by it.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Pool;
    ///
    /// let pool = Pool::builder()
    ///     .workers(2)
    ///     .for_each_worker(|place, process| process.env("SHARD", place.to_string()))
    ///     .build()?;
    /// let shard = pool.call(|()| std::env::var("SHARD").unwrap_or_default(), ())?;
    /// assert!(shard == "0" || shard == "1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn for_each_worker(
        mut self,
        function: fn(usize, proc_core::Builder) -> proc_core::Builder,
    ) -> Self {
        self.hiring.by_place = Some(function);
        self
    }

    /// Has each worker make room for a new one when it has run so many tasks.
    ///
    /// It ends as a program does that returns from `main`, and costs no task.
    #[doc(alias = "maxtasksperchild")]
    pub const fn max_tasks_per_worker(mut self, n_tasks: u64) -> Self {
        self.hiring.limits.max_tasks = Some(n_tasks);
        self
    }

    /// Has each worker make room for a new one if it has more than so many bytes of memory when a
    /// task is done.
    ///
    /// What counts is the memory that is really there, as `ps` shows under RSS. The worker ends as a
    /// program does that returns from `main`, and costs no task.
    #[doc(alias = "max_rss")]
    pub const fn max_memory(mut self, bytes: u64) -> Self {
        self.hiring.limits.max_memory = Some(bytes);
        self
    }

    /// Has each worker call a function before its first task, whose result is a state that it keeps
    /// for its tasks: see [`StatefulPool`](crate::StatefulPool).
    ///
    /// Comes last, before `build`. A worker whose initializer panics ends, and is started again,
    /// after longer and longer pauses; if none comes to work time and again, for half a second at least,
    /// all tasks fail with [`TaskError::NoWorkers`](crate::TaskError::NoWorkers), which says what happened
    /// to the first, and so do all that are submitted later. One that still is at its first initializer is
    /// waited for.
    #[doc(alias = "initargs")]
    pub fn initializer<A, S>(self, function: fn(A) -> S, argument: A) -> StatefulBuilder<S>
    where
        A: Serialize + DeserializeOwned,
        S: 'static,
    {
        let call = (Named::of(function), argument);
        StatefulBuilder::new(self, Initializer::new(state::make::<S, A>, &call))
    }

    /// As [`initializer`](Self::initializer), for a function that can fail; what it says then is in
    /// the error of the tasks.
    pub fn try_initializer<A, S, E>(
        self,
        function: fn(A) -> Result<S, E>,
        argument: A,
    ) -> StatefulBuilder<S>
    where
        A: Serialize + DeserializeOwned,
        S: 'static,
        E: Display,
    {
        let call = (Named::of(function), argument);
        StatefulBuilder::new(self, Initializer::new(state::try_make::<S, A, E>, &call))
    }

    pub(crate) fn with_initializer(mut self, initializer: Initializer) -> Self {
        self.hiring.initializer = Some(initializer);
        self
    }

    fn process(mut self, change: impl FnOnce(proc_core::Builder) -> proc_core::Builder) -> Self {
        self.hiring.process = Some(change(self.hiring.process.unwrap_or_default()));
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
        let size = self.size()?;
        if self.hiring.limits.max_tasks == Some(0) {
            return Err(PoolError::Setup("a worker runs at least one task"));
        }
        let n_workers = size.most;
        let outbox = QueueBuilder::new(outbox_slots(n_workers))
            .message_bytes(SLOT_BYTES)
            .seats(n_workers + MOST_COLLECTORS)
            .bytes()?;
        let board = Board::new(n_workers)?;
        let bell = Bell::new().map_err(PoolError::system("make an event descriptor"))?;
        let engine = Arc::new(Engine::new(size, self.options, outbox, board, bell));
        // From here on dropping the pool ends what was begun.
        let mut pool = Pool::of(Arc::clone(&engine));
        pool.has_clerk(start_clerk(&engine)?);
        let (keeper, begun) = start_keeper(&engine, self.hiring)?;
        pool.has_keeper(keeper);
        match begun.recv() {
            Ok(begun) => begun.map(|()| pool),
            Err(mpsc::RecvError) => Err(PoolError::NoWorkers("its keeper is gone".to_owned())),
        }
    }

    fn size(&self) -> Result<Size, PoolError> {
        let wanted = self.n_workers.unwrap_or_else(sys::usable_cpus);
        let most = self.most_workers.unwrap_or(wanted);
        if wanted == 0 || wanted > most || most > Self::MOST_WORKERS {
            // Nobody means a pool of at most none.
            let most = if most == 0 { Self::MOST_WORKERS } else { most.min(Self::MOST_WORKERS) };
            return Err(PoolError::BadWorkers { most });
        }
        Ok(Size { wanted, least: wanted, most, idle: self.idle })
    }
}

/// So many threads beside the workers have seats at the outbox.
const MOST_COLLECTORS: usize = 512;

/// Slots of the ring of all reports: room for all answers to short tasks at once, or for one with as many
/// bytes as go through.
pub(crate) fn outbox_slots(n_workers: usize) -> usize {
    /// A queue has no more.
    const MOST: usize = 1 << 23;
    n_workers.saturating_mul(MOST_GIVEN).clamp(4 * MOST_INLINE / SLOT_BYTES, MOST)
}

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

fn start_keeper(
    engine: &Arc<Engine>,
    hiring: Hiring,
) -> Result<(JoinHandle<()>, Begun), PoolError> {
    let keeper = Keeper::new(Arc::clone(engine), hiring);
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
