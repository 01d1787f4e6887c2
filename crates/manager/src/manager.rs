//! `Manager`: a server, as programs have it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ipc_pipe::{Address, Key};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::Builder;
use crate::client::{self, Argument, Client, Handle};
use crate::connector::Connector;
use crate::error::{ConnectError, Error, StartError};
use crate::host::Host;
use crate::object::user::Object;
use crate::protocol::methods::desk;
use crate::proxy::{
    Array, Barrier, BoundedSemaphore, Condition, Dict, Event, Inner, JoinableQueue, List, Lock,
    Namespace, Proxy, Queue, RLock, Remote, Semaphore, Set, Value,
};
use crate::server::Home;
use crate::stats::Stats;

/// A manager: a server in which objects live, for any number of processes.
///
/// It is made by [`start`](Self::start), as a process of its own that ends with this handle;
/// by [`connect`](Self::connect), to one that runs somewhere; or by [`Server::manager`](crate::Server::manager).
///
/// The objects that its methods make live as long as there is a proxy of them anywhere.
///
/// # Process death
///
/// If the process dies that started the manager, the manager ends, whatever it was killed by. If the
/// manager dies, all calls are [`Error::Disconnected`] or [`Error::Lost`]. A forked child
/// that drops its copy ends nothing.
///
/// # Examples
///
/// ```
/// use manager::{Dict, Manager};
/// use proc_core::Process;
///
/// fn work(squares: Dict<u64, u64>) -> bool {
///     (0..10).all(|n| squares.set(&n, &(n * n)).is_ok())
/// }
///
/// let manager = Manager::start()?;
/// let squares: Dict<u64, u64> = manager.dict()?;
/// let child = Process::spawn(work, squares.clone())?;
/// assert!(child.join()?);
/// assert_eq!(squares.get(&9)?, Some(81));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "SyncManager")]
#[doc(alias = "BaseManager")]
pub struct Manager {
    client: Arc<Client>,
    /// The process that it is, if this is who started it.
    host: Option<Host>,
}

/// How long it may take to connect if nothing else is said.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

impl Manager {
    pub(crate) fn new(client: Arc<Client>, host: Option<Host>) -> Self {
        Self { client, host }
    }

    /// Starts a manager, as a process of its own.
    ///
    /// # Errors
    ///
    /// [`StartError`] says why there is none.
    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    /// Begins to say how a manager shall be.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Connects to a manager that runs already, perhaps in another program.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says why there is no connection.
    pub fn connect(address: &Address, key: Option<&Key>) -> Result<Self, ConnectError> {
        Self::connect_timeout(address, key, PATIENCE)
    }

    /// Connects to a manager that runs already, within so long.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_timeout(
        address: &Address,
        key: Option<&Key>,
        timeout: Duration,
    ) -> Result<Self, ConnectError> {
        Self::with(Connector::new(address), key).timeout(timeout).connect()
    }

    /// Connects to a manager that may not run yet: waits for it for so long.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_within(
        address: &Address,
        key: Option<&Key>,
        timeout: Duration,
    ) -> Result<Self, ConnectError> {
        Self::with(Connector::new(address), key).timeout(timeout).wait(true).connect()
    }

    /// Begins to say how to connect to a manager.
    pub fn connector(address: &Address) -> Connector {
        Connector::new(address)
    }

    fn with(connector: Connector, key: Option<&Key>) -> Connector {
        match key {
            Some(key) => connector.proving(key.clone()),
            None => connector,
        }
    }

    /// The manager whose object's method the calling thread runs; `None` if it runs none.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says why there is no connection.
    pub fn current() -> Result<Option<Self>, ConnectError> {
        let Some(home) = Home::current() else { return Ok(None) };
        Ok(Some(Self::new(home.client()?, None)))
    }

    /// Where it can be connected to.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.client.address()
    }

    /// The pid of its process, if this is who started it.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.host.as_ref().map(Host::pid)
    }

    /// Ends the manager, if this is who started it; returns when it has ended.
    ///
    /// Its objects end with it. If it does not end by itself within two seconds, it is ended.
    ///
    /// # Errors
    ///
    /// If the system does not say how it ended.
    pub fn shutdown(mut self) -> std::io::Result<()> {
        self.host.take().map_or(Ok(()), |host| host.end(&self.client))
    }

    /// Gives up this process's connection, if nothing else uses it: proxies do, and other handles.
    ///
    /// Else it is kept, since the next handle or proxy may want it, until the process ends. A manager at an
    /// address of TCP learns by this that the client is not cut off, but gone.
    pub fn disconnect(self) {
        client::forget(&self.client);
    }

    /// What the manager has, and has done.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer; so it does for all methods.
    #[doc(alias = "number_of_objects")]
    #[doc(alias = "debug_info")]
    pub fn stats(&self) -> Result<Stats, Error> {
        self.client()?.call_desk(desk::STATS, Argument::new())?.decode()
    }

    /// Makes a dict.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn dict<K, V>(&self) -> Result<Dict<K, V>, Error> {
        self.make("dict", Argument::new())
    }

    /// Makes a list.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn list<T>(&self) -> Result<List<T>, Error> {
        self.make("list", Argument::new().flag(false))
    }

    /// Makes a set.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn set<T>(&self) -> Result<Set<T>, Error> {
        self.make("dict", Argument::new())
    }

    /// Makes a namespace.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn namespace(&self) -> Result<Namespace, Error> {
        self.make("dict", Argument::new())
    }

    /// Makes a value.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn value<T: Serialize>(&self, value: &T) -> Result<Value<T>, Error> {
        self.make("value", Argument::new().value(self.client.server(), value)?)
    }

    /// Makes an array.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats); [`Error::Refused`] if there is a proxy in an item.
    pub fn array<T: Serialize>(&self, items: &[T]) -> Result<Array<T>, Error> {
        let mut argument = Argument::new().flag(true);
        for item in items {
            argument = argument.value_block(self.client.server(), item)?;
        }
        argument.without_proxies()?;
        self.make("list", argument)
    }

    /// Makes a queue for so many values, or zero for any number.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn queue<T>(&self, max: u64) -> Result<Queue<T>, Error> {
        self.make("queue", Argument::new().number(max).flag(false))
    }

    /// Makes a joinable queue for so many values, or zero for any number.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn joinable_queue<T>(&self, max: u64) -> Result<JoinableQueue<T>, Error> {
        self.make("queue", Argument::new().number(max).flag(true))
    }

    /// Makes a lock.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn lock(&self) -> Result<Lock, Error> {
        self.make("lock", Argument::new())
    }

    /// Makes a lock that a thread may take again when it has it.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn rlock(&self) -> Result<RLock, Error> {
        self.make("lock", Argument::new())
    }

    /// Makes a semaphore of so many permits.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn semaphore(&self, permits: u64) -> Result<Semaphore, Error> {
        self.make("semaphore", Argument::new().number(permits).flag(false))
    }

    /// Makes a semaphore of so many permits, and never more.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn bounded_semaphore(&self, permits: u64) -> Result<BoundedSemaphore, Error> {
        self.make("semaphore", Argument::new().number(permits).flag(true))
    }

    /// Makes a condition, with a lock of its own.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn condition(&self) -> Result<Condition, Error> {
        self.make("lock", Argument::new())
    }

    /// Makes an event, which is not set.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    pub fn event(&self) -> Result<Event, Error> {
        self.make("event", Argument::new())
    }

    /// Makes a barrier for so many parties.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats); [`Error::Refused`] if there are none.
    pub fn barrier(&self, parties: u64) -> Result<Barrier, Error> {
        self.make("barrier", Argument::new().number(parties))
    }

    /// Makes an object of a type of the program's own, of which the manager [was
    /// told](Builder::register).
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats); [`Error::NoSuchType`] if it was not; [`Error::Panicked`].
    pub fn create<T: Object>(&self, init: T::Init) -> Result<Remote<T>, Error> {
        self.make(T::NAME, Argument::new().value(self.client.server(), &init)?)
    }

    /// Publishes an object under a name, by which others [look it up](Self::look_up).
    ///
    /// It lives until the name is [taken back](Self::unpublish), at least.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats); [`Error::NameTaken`]; [`Error::Refused`] if the object is another manager's.
    #[doc(alias = "register")]
    pub fn publish<P: Proxy>(&self, name: &str, proxy: &P) -> Result<(), Error> {
        let handle = proxy.handle().here()?;
        if handle.server() != self.client.server() {
            return Err(Error::Refused("the object is another manager's".into()));
        }
        let argument = Argument::new().block(name.as_bytes()).number(handle.object());
        handle.client().call_desk(desk::PUBLISH, argument).map(drop)
    }

    /// Takes back the name of an object.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats); [`Error::NoSuchName`].
    pub fn unpublish(&self, name: &str) -> Result<(), Error> {
        let argument = Argument::new().block(name.as_bytes());
        self.client()?.call_desk(desk::UNPUBLISH, argument).map(drop)
    }

    /// The object that is published under a name.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats); [`Error::NoSuchName`]; [`Error::OtherType`] if it has another type.
    pub fn look_up<P: Proxy>(&self, name: &str) -> Result<P, Error> {
        let mut argument = Argument::new().block(name.as_bytes());
        argument.bytes.extend_from_slice(P::label().as_bytes());
        let got = self.client()?.call_desk(desk::LOOK_UP, argument)?;
        Ok(P::over(got.into_handle()?))
    }

    fn make<P: Inner>(&self, sort: &str, init: Argument) -> Result<P, Error> {
        let argument = Argument::new().block(sort.as_bytes()).block(P::label().as_bytes());
        let got = self.client()?.call_desk(desk::CREATE, argument.followed_by(init))?;
        Ok(P::over(got.into_handle()?))
    }

    /// This process's own connection.
    fn client(&self) -> Result<Arc<Client>, Error> {
        if self.client.is_ours() {
            Ok(Arc::clone(&self.client))
        } else {
            Handle::reconnect(&self.client)
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if let Some(host) = self.host.take() {
            // There is nobody to tell.
            host.end(&self.client).ok();
        }
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Manager").field("address", self.address()).finish_non_exhaustive()
    }
}

/// For the docs of the builder: what travels is what is encoded.
const _: fn() = || {
    fn travels<T: Serialize + DeserializeOwned>() {}
    travels::<Dict<String, List<u64>>>();
};
