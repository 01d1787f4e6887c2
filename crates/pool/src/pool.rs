//! `Pool`: submit, map, close, join; the face.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ipc_core::{Deadline, wire};
use proc_core::Function;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::Builder;
use crate::chunk::call_each;
use crate::employee::Employee;
use crate::engine::{Engine, Phase};
use crate::error::{MapError, PoolError, SubmitError, TaskError};
use crate::events::{Events, Hub};
use crate::find::Named;
use crate::job::Plan;
use crate::keeper;
use crate::map::{Imap, ImapUnordered};
use crate::map_task::MapTask;
use crate::pace::Pace;
use crate::stats::Stats;
use crate::task::Task;
use crate::task_builder::TaskBuilder;

/// Worker processes that run functions of this program, and the queue of what they are to run.
///
/// A task is a function and its argument; both go to a worker, and the result comes back. The
/// function is a plain one or a closure that captures nothing. Arguments and results are serde
/// values; they may contain handles (segments, files, queues) and may be of any size. A task that waits
/// holds the handles in its argument, and a result those in it; a value without handles needs no
/// descriptors, however large it is. A worker runs one task after the other in the same process, so
/// what a task leaves in its statics the next one finds. If a task forks by itself and returns in both
/// processes, its result is that of the worker; the copy ends, and runs nothing that was registered for the exit.
///
/// A pool can be used from many threads at a time. Workers ignore `SIGINT`: whether Ctrl-C ends the
/// program is the program's decision, and its workers end with it
/// (see [`end_on_interrupt`](Self::end_on_interrupt)). What a worker prints without a
/// newline is written when its task ends. Workers come from the fork server
/// ([`Start::ForkServer`](proc_core::Start::ForkServer)), so their environment, working directory and
/// limits are those that this process had when it used that for the first time, unless the
/// [`Builder`] says otherwise.
///
/// # Process death
///
/// A worker that dies, in whatever way, fails exactly the task that it was running
/// ([`TaskError::WorkerDied`]), or that task runs [again](Builder::on_worker_death). Tasks that it
/// had and had not begun go to other workers. Another worker takes its place, and nobody else
/// notices. A task counts as begun just before the first code of the user runs for it: the decoding
/// of its argument. The commit point of a task is when its whole answer is in the ring to this
/// process.
///
/// If this process dies, its workers are killed as soon as the kernel says so, whatever they do.
///
/// # Dropping
///
/// A pool that is dropped is [terminated](Self::terminate), which takes bounded time whatever the
/// workers do, or the fork server: also if they were stopped.
///
/// # Examples
///
/// ```
/// use pool::{Pool, TaskError};
///
/// fn root(x: f64) -> f64 {
///     assert!(x >= 0.0, "{x} has no root");
///     x.sqrt()
/// }
///
/// let pool = Pool::builder().workers(2).build()?;
/// assert_eq!(pool.map(root, [1.0, 4.0, 9.0])?, [1.0, 2.0, 3.0]);
///
/// // A panic is an error of that task, and of no other.
/// let error = pool.call(root, -1.0).unwrap_err();
/// assert!(error.panic().unwrap().message().contains("has no root"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Executor")]
#[doc(alias = "ProcessPoolExecutor")]
pub struct Pool {
    engine: Arc<Engine>,
    threads: Mutex<Threads>,
}

/// The pool's own threads, until it is over.
#[derive(Debug, Default)]
struct Threads {
    clerk: Option<JoinHandle<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Pool {
    /// Makes a pool with one worker for each processor that this process may use.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> Result<Self, PoolError> {
        Self::builder().build()
    }

    /// Begins to say how a pool shall be.
    pub const fn builder() -> Builder {
        Builder::new()
    }

    /// Has a worker call `function` with `argument`, and waits for the result.
    ///
    /// # Errors
    ///
    /// [`TaskError`] says why there is no result.
    #[doc(alias = "apply")]
    pub fn call<A, R>(&self, function: fn(A) -> R, argument: A) -> Result<R, TaskError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let task = self.submit(function, argument).map_err(PoolError::from)?;
        task.join()
    }

    /// Has a worker call `function` with `argument`, some time.
    ///
    /// Returns at once, however many tasks there are before it.
    ///
    /// # Errors
    ///
    /// [`SubmitError`] gives the argument back, and says why the task was not taken.
    #[doc(alias = "apply_async")]
    pub fn submit<A, R>(&self, function: fn(A) -> R, argument: A) -> Result<Task<R>, SubmitError<A>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.task(function).submit(argument)
    }

    /// Begins to say how a task shall be run.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use pool::{Pool, Retry};
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let length = pool.task(|text: String| text.len());
    /// let length = length.timeout(Duration::from_secs(60)).retry(Retry::times(2)).tag("length");
    /// assert_eq!(length.call("four".to_owned())?, 4);
    /// assert_eq!(length.submit("five!".to_owned())?.tag(), Some("length"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn task<A, R>(&self, function: fn(A) -> R) -> TaskBuilder<'_, A, R> {
        TaskBuilder::new(self, function)
    }

    /// Has workers call `function` with each of `items`, and returns the results in the same order.
    ///
    /// Each item is a task of its own; quick ones [travel together](TaskBuilder::chunk_size). Items are taken from the iterator as workers come to need
    /// them, so it may be longer than memory is large; results are gathered. Returns when all is
    /// done.
    ///
    /// # Errors
    ///
    /// [`MapError`] names the first item, by its place, that has no result, and says why; all other
    /// items were done nevertheless. If the pool takes no more tasks, no further items are asked
    /// for.
    ///
    /// # Panics
    ///
    /// If `items` does. The tasks that workers are at go on then, and no other one of these is begun; the pool is
    /// as good as before. That holds for all other ways to have many items done, too.
    pub fn map<A, R, I>(&self, function: fn(A) -> R, items: I) -> Result<Vec<R>, MapError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.task(function).map(items)
    }

    /// Has workers call `function` with each of `items`, some time; the results come all together.
    ///
    /// All items are taken and queued at once. It is [`map`](Self::map) for those who do not want to
    /// wait: with [`MapTask::on_done`], `await`, or later.
    #[doc(alias = "map_async")]
    #[doc(alias = "starmap_async")]
    pub fn submit_map<A, R, I>(&self, function: fn(A) -> R, items: I) -> MapTask<R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.task(function).submit_map(items)
    }

    /// Has workers call `function` with each of `items`; the results come in the order of the items.
    ///
    /// As [`imap_unordered`](Self::imap_unordered), but a result waits for those before it.
    pub fn imap<A, R, I>(&self, function: fn(A) -> R, items: I) -> Imap<'_, A, R, I::IntoIter>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.task(function).imap(items)
    }

    /// Has workers call `function` with each of `items`; results come as they are done.
    ///
    /// Items are taken from the iterator as results are taken from the one returned, so that only a
    /// few for each worker (more if they are short) are under way at a time: neither may ever end.
    /// Nothing is done before the first result is asked for. When the iterator is dropped, the tasks
    /// that workers are at go on, and nobody hears of them; no other task is begun any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Pool;
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// // The input never ends.
    /// let mut squares = pool.imap_unordered(|x: u64| x * x, 1..);
    /// let mut first: Vec<u64> = squares.by_ref().take(3).collect::<Result<_, _>>()?;
    /// assert_eq!(first.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap_unordered<A, R, I>(
        &self,
        function: fn(A) -> R,
        items: I,
    ) -> ImapUnordered<'_, A, R, I::IntoIter>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.task(function).imap_unordered(items)
    }

    /// Has so many workers from now on.
    ///
    /// Returns at once. Workers that are too many end when they have done the task that they are at;
    /// what they had beside it goes to others. In an [elastic](Builder::elastic) pool this is the
    /// number that there is at least.
    ///
    /// # Errors
    ///
    /// [`PoolError::BadWorkers`] for none, and for more than there is
    /// [room for](Builder::max_workers); [`PoolError::NotOurs`] in a process that was forked from the
    /// one that made the pool.
    pub fn resize(&self, n_workers: usize) -> Result<(), PoolError> {
        if !self.engine.is_ours() {
            return Err(PoolError::NotOurs);
        }
        self.engine.resize(n_workers)
    }

    /// Takes no more tasks; those it has are done.
    pub fn close(&self) {
        if self.engine.is_ours() {
            self.engine.close();
        }
    }

    /// Closes the pool, and waits until all its tasks are done, their [callbacks](Task::on_done) have
    /// returned, and its workers have ended.
    ///
    /// Workers end as programs do that return from `main`; one that does not is killed.
    ///
    /// # Errors
    ///
    /// [`PoolError::NotOurs`] in a process that was forked from the one that made the pool.
    pub fn join(&self) -> Result<(), PoolError> {
        self.join_deadline(Deadline::NEVER).map(drop)
    }

    /// As [`join`](Self::join), at most so long; `false` if there are tasks left, which go on.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, PoolError> {
        self.join_deadline(Deadline::after(timeout))
    }

    /// As [`join`](Self::join), until the deadline; `false` if there are tasks left, which go on.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn join_deadline(&self, deadline: Deadline) -> Result<bool, PoolError> {
        if !self.engine.is_ours() {
            return Err(PoolError::NotOurs);
        }
        self.engine.close();
        if !self.engine.drain(deadline) || !self.engine.callbacks.drain(deadline) {
            return Ok(false);
        }
        self.end(Ending::Return);
        Ok(true)
    }

    /// Ends the pool at once: kills its workers, whatever they do, and fails all tasks.
    ///
    /// Returns when the workers have ended. Tasks that are not done are [`TaskError::Terminated`].
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn terminate(&self) -> Result<(), PoolError> {
        if !self.engine.is_ours() {
            return Err(PoolError::NotOurs);
        }
        self.end(Ending::Kill);
        Ok(())
    }

    /// What can be said of the pool at this moment.
    ///
    /// In a process that was forked from the one that made the pool, it is that there are no workers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        if !self.engine.is_ours() {
            return Stats::default();
        }
        // What has been answered shall not count as running.
        self.engine.poll();
        Stats::of(&self.engine)
    }

    /// What happens in the pool from now on, for somebody who has room for so many events.
    ///
    /// The pool never waits for who listens. Room that no event takes costs nothing; one at least is there. In a process that was forked from the one that made the
    /// pool, nothing happens.
    pub fn events(&self, room: usize) -> Events {
        if self.engine.is_ours() { self.engine.listen(room) } else { Hub::default().listen(1) }
    }

    /// Kills the worker in a place, as a crash would, to see what becomes of a program then.
    ///
    /// Returns the number of the process, or `None` if nobody works there now.
    ///
    /// # Errors
    ///
    /// What the system says if the worker has changed its user and we may not.
    pub fn kill_worker(&self, place: usize) -> io::Result<Option<u32>> {
        if !self.engine.is_ours() {
            return Ok(None);
        }
        let worker = self.engine.lock().dispatch.worker(place).map(Arc::clone);
        let Some(worker) = worker else { return Ok(None) };
        worker.process.kill()?;
        Ok(Some(worker.process.pid()))
    }

    pub(crate) fn of(engine: Arc<Engine>) -> Self {
        Self { engine, threads: Mutex::default() }
    }

    pub(crate) fn has_clerk(&mut self, thread: JoinHandle<()>) {
        self.threads.get_mut().unwrap_or_else(PoisonError::into_inner).clerk = Some(thread);
    }

    pub(crate) fn has_keeper(&mut self, thread: JoinHandle<()>) {
        self.threads.get_mut().unwrap_or_else(PoisonError::into_inner).keeper = Some(thread);
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn n_workers(&self) -> usize {
        self.engine.n_workers
    }

    /// How tasks of a function are run of which nothing else is said; if it is one that calls others, of
    /// the one with this number.
    pub(crate) fn plan<A, R>(
        &self,
        function: fn(A) -> R,
        number: u64,
    ) -> Result<Arc<Plan>, PoolError>
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        if !self.engine.is_ours() {
            return Err(PoolError::NotOurs);
        }
        let name = Function::of(function).ok_or(PoolError::NotInProgram)?;
        self.engine.plan(name, number, || {
            let place = if number == 0 { Named::of(function).number() } else { number };
            Ok((Vec::new(), Arc::new(Pace::new()), place))
        })
    }

    /// The same for many of them together, where `one` is how each is run.
    pub(crate) fn plan_of_many<A, R>(
        &self,
        function: fn(A) -> R,
        number: u64,
        one: &Plan,
    ) -> Result<Arc<Plan>, PoolError>
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        let each = Function::of(call_each::<A, R>).ok_or(PoolError::NotInProgram)?;
        let function = Named::of(function);
        let number = if number == 0 { function.number() } else { number };
        self.engine.plan(each, number, || {
            let mut prefix = Vec::new();
            wire::encode_plain(&function, &mut prefix).map_err(PoolError::Argument)?;
            Ok((prefix, Arc::clone(&one.known.pace), one.known.place))
        })
    }

    /// Waits until the workers have ended, if the pool was ended; that takes bounded time.
    pub(crate) fn await_end(&self) {
        if self.engine.lock().phase.has_workers() {
            return;
        }
        // Whoever ends the pool has this all the time.
        let _ended = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let workers = self.engine.lock().dispatch.workers();
        keeper::dismiss(&workers);
    }

    /// Ends workers and threads, in this order: nobody starts a worker, nobody works, nobody collects.
    ///
    /// However the workers and the fork server behave, this takes bounded time: a start that is under
    /// way has a time limit.
    fn end(&self, ending: Ending) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        // What has been answered is not lost.
        self.engine.poll();
        self.engine.end(Phase::Over);
        if ending == Ending::Kill {
            // Whatever the keeper is about.
            keeper::kill(&self.engine.lock().dispatch.workers());
        }
        if let Some(keeper) = threads.keeper.take() {
            // One that panicked has told its story.
            let _panicked = keeper.join();
        }
        let workers = self.engine.lock().dispatch.take_workers();
        if ending == Ending::Return {
            let_return(&workers);
        }
        keeper::dismiss(&workers);
        if let Some(clerk) = threads.clerk.take() {
            self.engine.close_outbox();
            let _panicked = clerk.join();
        }
    }
}

/// How workers shall end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// By returning.
    Return,
    /// By being killed.
    Kill,
}

/// Lets workers that have nothing to do return, which they have some time for.
fn let_return(workers: &[Arc<Employee>]) {
    /// Only exit handlers can take long.
    const GRACE: Duration = Duration::from_secs(1);

    for worker in workers {
        worker.inbox.close();
    }
    let deadline = Deadline::after(GRACE);
    for worker in workers {
        // What cannot be waited for is killed.
        let _status = worker.process.wait_deadline(deadline);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // A copy of the process that made it leaves everything alone.
        if self.engine.is_ours() {
            self.end(Ending::Kill);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pool").finish_non_exhaustive()
    }
}
