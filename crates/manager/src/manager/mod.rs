//! `Manager`: a server, as programs have it.

mod names;
mod objects;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ipc_pipe::{Address, Key};

use crate::builder::Builder;
use crate::client::{self, Argument, Client, Handle};
use crate::connector::Connector;
use crate::error::{ConnectError, Error, StartError};
use crate::host::Host;
use crate::protocol::methods::desk;
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
