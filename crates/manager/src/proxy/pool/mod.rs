//! `Pool`: workers of a manager, for all its clients.

mod builder;
mod calls;
mod imap;
mod task;

use std::time::Duration;

use ipc_core::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::proxy;
use crate::client::Argument;
use crate::error::Error;
use crate::protocol::bytes::Reader;
use crate::protocol::methods::pool as methods;

pub use builder::PoolBuilder;
pub use calls::PoolCalls;
pub use imap::PoolImap;
pub use task::PoolTask;

proxy! {
    /// A pool of worker processes in a manager, which all its clients have do their work.
    ///
    /// A task is a function and its argument. The function is a plain one of the program, or a closure that
    /// captures nothing; or, for clients in other programs and on other machines, one that was
    /// [given a name](crate::Builder::task) when the manager was built: see [`named`](Self::named). Proxies may be
    /// in arguments and results, and a task may ask for [the manager](crate::Manager::current).
    ///
    /// The workers are the manager's: clients come and go, and the pool stays as long as there is a proxy of it
    /// anywhere. Then it is terminated. A program of its own has more of a pool of the crate `pool`, and has it
    /// without a server between.
    ///
    /// # Process death
    ///
    /// A worker that dies costs the task in its hands, which is [`Error::WorkerDied`] or is run
    /// [again](PoolBuilder::retries); another takes its place. If a client dies, what it had submitted and not let
    /// go of is cancelled: nobody could hear of it. If the manager dies, its workers are killed.
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::{Error, Manager, Pool};
    ///
    /// fn root(x: f64) -> f64 {
    ///     assert!(x >= 0.0, "{x} has no root");
    ///     x.sqrt()
    /// }
    ///
    /// let manager = Manager::start()?;
    /// let pool: Pool = manager.pool(2)?;
    /// assert_eq!(pool.map(root, [1.0, 4.0, 9.0])?, [1.0, 2.0, 3.0]);
    ///
    /// let task = pool.submit(root, &16.0)?;
    /// assert_eq!(task.join()?, 4.0);
    /// assert!(matches!(pool.call(root, &-1.0), Err(Error::Panicked(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Pool, "pool"
}

impl Pool {
    /// Has a worker call `function` with `argument`, and waits for the result.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is none.
    #[doc(alias = "apply")]
    pub fn call<A, R>(&self, function: fn(A) -> R, argument: &A) -> Result<R, Error>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.submit(function, argument)?.join()
    }

    /// Has a worker call `function` with `argument`, some time.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`]; [`Error::Refused`] where functions are not run, which is for clients on other machines;
    /// [`Error`] says what else can be wrong.
    #[doc(alias = "apply_async")]
    pub fn submit<A, R>(&self, function: fn(A) -> R, argument: &A) -> Result<PoolTask<R>, Error>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.calls(function)?.submit(argument)
    }

    /// Has workers call `function` with each of `items`, and returns the results in the same order.
    ///
    /// # Errors
    ///
    /// What the first item says, by its place, of which there is no result; all others are done nevertheless. As
    /// [`submit`](Self::submit).
    #[doc(alias = "starmap")]
    pub fn map<A, R, I>(&self, function: fn(A) -> R, items: I) -> Result<Vec<R>, Error>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.calls(function)?.map(items)
    }

    /// Has workers call `function` with each of `items`; the results come in the order of the items.
    ///
    /// Items are taken from the iterator as results are taken from the one returned, so neither need ever end.
    ///
    /// # Errors
    ///
    /// If the function is not one of the program.
    pub fn imap<A, R, I>(
        &self,
        function: fn(A) -> R,
        items: I,
    ) -> Result<PoolImap<A, R, I::IntoIter>, Error>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        Ok(self.calls(function)?.imap(items))
    }

    /// Has workers call `function` with each of `items`; the results come as they are done.
    ///
    /// # Errors
    ///
    /// As [`imap`](Self::imap).
    pub fn imap_unordered<A, R, I>(
        &self,
        function: fn(A) -> R,
        items: I,
    ) -> Result<PoolImap<A, R, I::IntoIter>, Error>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        Ok(self.calls(function)?.imap_unordered(items))
    }

    /// A function of this program, for many calls of it.
    fn calls<A, R>(&self, function: fn(A) -> R) -> Result<PoolCalls<A, R>, Error>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let what = Argument::new().flag(false).function(function)?;
        Ok(PoolCalls::new(self, what.bytes))
    }

    /// A function of the manager's program, by the [name](crate::Builder::task) that it was given there.
    ///
    /// Argument and result have to be those that the function has; what is not is refused, or is another value,
    /// as the bytes say.
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::{Address, Manager};
    ///
    /// let address = Address::tcp("127.0.0.1:0")?;
    /// let builder = Manager::builder().address(&address).key("very secret");
    /// let manager = builder.task("length", |text: String| text.len()).start()?;
    ///
    /// // On another machine there need not be such a function.
    /// let pool = manager.pool(1)?;
    /// let length = pool.named::<String, usize>("length");
    /// assert_eq!(length.call(&"four".to_owned())?, 4);
    /// assert_eq!(length.map(["one".to_owned(), "seven".to_owned()])?, [3, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn named<A, R>(&self, name: &str) -> PoolCalls<A, R>
    where
        A: Serialize,
        R: DeserializeOwned,
    {
        PoolCalls::new(self, Argument::new().flag(true).block(name.as_bytes()).bytes)
    }

    /// Takes no more tasks, from anybody; those it has are done.
    ///
    /// # Errors
    ///
    /// [`Error`] says why it was not done.
    pub fn close(&self) -> Result<(), Error> {
        self.handle.call(methods::CLOSE, Argument::new()).map(drop)
    }

    /// Closes the pool, and waits until all tasks of all clients are done and the workers have ended.
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close).
    pub fn join(&self) -> Result<(), Error> {
        self.join_deadline(Deadline::NEVER)
    }

    /// As [`join`](Self::join), for so long at most.
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close); [`Error::TimedOut`] if there are tasks left, which go on.
    pub fn join_timeout(&self, timeout: Duration) -> Result<(), Error> {
        self.join_deadline(Deadline::after(timeout))
    }

    /// As [`join`](Self::join), until the deadline.
    ///
    /// # Errors
    ///
    /// As [`join_timeout`](Self::join_timeout).
    pub fn join_deadline(&self, deadline: Deadline) -> Result<(), Error> {
        self.handle.call(methods::DRAIN, Argument::new().patience(deadline))?;
        self.end(true)
    }

    /// Ends the pool at once, for everybody: kills its workers, whatever they do.
    ///
    /// Tasks that are not done are [`Error::Terminated`].
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close).
    pub fn terminate(&self) -> Result<(), Error> {
        self.end(false)
    }

    fn end(&self, nicely: bool) -> Result<(), Error> {
        self.handle.call(methods::END, Argument::new().flag(nicely)).map(drop)
    }

    /// The numbers of the worker processes, on the manager's machine.
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close).
    pub fn workers(&self) -> Result<Vec<u32>, Error> {
        let got = self.handle.call(methods::WORKERS, Argument::new())?;
        let mut reader = Reader::new(got.bytes());
        let count = reader.count()?;
        let pid = |_| u32::try_from(reader.number()?).map_err(|_| Error::Malformed);
        (0..count).map(pid).collect()
    }
}
