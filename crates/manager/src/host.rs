//! Where servers run: in a process of their own, or on a thread of this one.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::robust::Thread;
use ipc_pipe::{Address, Connection, Key, pipe};
use proc_core::{Function, Process};
use serde::{Deserialize, Serialize};

use crate::builder::Plan;
use crate::client::{self, Client};
use crate::error::{ConnectError, StartError};
use crate::manager::{Manager, PATIENCE};
use crate::object::user::Types;
use crate::remote::{Door, NETWORK_TIMEOUT};
use crate::server::{Entrance, Rules, Server as Engine, Stopper, Things, random};

/// A server's process, as who started it has it.
pub(crate) struct Host {
    process: Process<()>,
    /// At its end, or a word on it, the server ends.
    lifeline: Connection<(), Listening>,
    /// The process that started it.
    generation: u64,
}

/// How long a server may take to end by itself, and once more when it is asked to.
const GRACE: Duration = Duration::from_secs(2);

/// Where a server listens, or why it does not.
type Listening = Result<client::Place, String>;

/// Who gets in, and how.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Site {
    pub(crate) key: Option<Vec<u8>>,
    /// What it is called by those on other machines.
    pub(crate) advertised: Option<SocketAddr>,
    /// How long the other side of a connection over TCP may not be heard of.
    pub(crate) network_timeout: Duration,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::remote::TlsServer>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            key: None,
            advertised: None,
            network_timeout: NETWORK_TIMEOUT,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl Site {
    pub(crate) fn key(&self) -> Option<Key> {
        self.key.as_ref().map(Key::new)
    }

    /// An error if something is said that is for TCP alone.
    pub(crate) fn is_for_this_machine(&self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "TLS is for an address of TCP",
            ));
        }
        if self.advertised.is_some() {
            let why = "another address is advertised for one of TCP";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(())
    }

    /// How this program gets to its own server.
    pub(crate) fn door(&self, address: &Address) -> io::Result<Door> {
        let mut door = Door::new(address, self.key().as_ref());
        door.network_timeout = self.network_timeout;
        if let (Some(mut advertised), Address::Tcp(own)) = (self.advertised, address) {
            if advertised.port() == 0 {
                advertised.set_port(own.port());
            }
            door.advertised = Some(Address::Tcp(advertised));
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            door.tls = Some(tls.own_client()?);
        }
        Ok(door)
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Site").finish_non_exhaustive()
    }
}

/// What a server's process is told.
#[derive(Serialize, Deserialize)]
struct Orders {
    lifeline: Connection<Listening, ()>,
    address: client::Place,
    site: Site,
    types: Vec<Function>,
    #[cfg(feature = "pool")]
    tasks: Vec<(String, Function)>,
    rules: Rules,
}

/// What a server's process does.
fn serve(orders: Orders) {
    let Orders { lifeline, address, site, types, rules, .. } = orders;
    let engine = address.into_address().map_err(|error| error.to_string()).and_then(|address| {
        let types = Types::added_by(|| types.iter().for_each(crate::types::call));
        let watched = lifeline.as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
        let things = Things {
            types: &types,
            #[cfg(feature = "pool")]
            tasks: orders.tasks,
            #[cfg(feature = "pool")]
            site: &site,
        };
        let engine = open(&address, &site, things, rules, Some(watched));
        engine.map_err(|error| error.to_string())
    });
    match engine {
        Ok(engine) => {
            // If nobody hears it, nobody wants it.
            if lifeline.send(&Ok(engine.address().into())).is_ok() {
                // Who started it sees that it has ended.
                engine.run().ok();
            }
        }
        Err(why) => drop(lifeline.send(&Err(why))),
    }
}

fn open(
    address: &Address,
    site: &Site,
    things: Things<'_>,
    rules: Rules,
    lifeline: Option<OwnedFd>,
) -> io::Result<Engine> {
    let entrance = Entrance::open(address, site, rules.max_bytes)?;
    let door = site.door(entrance.address())?;
    Engine::new(entrance, door, things, rules, lifeline)
}

impl Host {
    /// Starts a server in a process of its own.
    pub(crate) fn start(plan: Plan) -> Result<Manager, StartError> {
        #[cfg(feature = "pool")]
        let tasks = plan.named_tasks()?;
        let Plan { address, site, types, rules, process, .. } = plan;
        let address = match address {
            Some(address) => address,
            None => Address::abstract_name(format!(
                "multiproc-manager-{:016x}{:016x}",
                random()?,
                random()?
            )),
        };
        let mut functions = Vec::new();
        for of_type in types {
            functions.push(of_type.function().ok_or(StartError::Unnameable(of_type.name))?);
        }
        let (lifeline, theirs) = pipe()?;
        let place = client::Place::from(&address);
        let (types, ours) = (functions, site.clone());
        let orders = Orders {
            lifeline: theirs,
            address: place,
            site: ours,
            types,
            #[cfg(feature = "pool")]
            tasks,
            rules,
        };
        let process = process.dies_with_parent(true).spawn(serve, orders)?;
        let listening = match lifeline.recv() {
            Ok(Ok(place)) => place.into_address(),
            Ok(Err(why)) => return Err(StartError::Listen(why)),
            Err(_) => return Err(StartError::Died),
        };
        let address = listening.map_err(|error| StartError::Listen(error.to_string()))?;
        let host = Self { process, lifeline, generation: Thread::current().generation() };
        let client = client::connect(&site.door(&address)?, None, Deadline::NEVER)?;
        Ok(Manager::new(client, Some(host)))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Ends the server, within a time. What a forked child inherited is not its own to end.
    pub(crate) fn end(self, client: &Arc<Client>) -> io::Result<()> {
        if Thread::current().generation() != self.generation {
            return Ok(());
        }
        client::forget(client);
        self.lifeline.send(&()).ok();
        if self.process.wait_timeout(GRACE)?.is_none() {
            self.process.terminate_within(GRACE)?;
        }
        Ok(())
    }
}

/// A server that runs on a thread of this process, until it is shut down or dropped.
///
/// # Process death
///
/// It ends with its process.
///
/// # Examples
///
/// ```
/// use ipc_pipe::Address;
/// use manager::{List, Manager};
///
/// let address = Address::abstract_name(format!("an example {}", std::process::id()));
/// let server = Manager::builder().address(&address).serve()?;
/// let words: List<String> = server.manager()?.list()?;
/// server.manager()?.publish("words", &words)?;
///
/// // Another program, or this one:
/// let there: List<String> = Manager::connect(&address, None)?.look_up("words")?;
/// there.push(&"hello".into())?;
/// assert_eq!(words.len()?, 1);
/// server.shutdown()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    door: Door,
    stopper: Stopper,
    thread: Option<JoinHandle<io::Result<()>>>,
    /// The process that it runs in.
    generation: u64,
}

impl Server {
    /// Starts a server on a thread of this process.
    pub(crate) fn start(plan: Plan) -> Result<Self, StartError> {
        #[cfg(feature = "pool")]
        let tasks = plan.named_tasks()?;
        let Plan { address, site, types, rules, .. } = plan;
        let address = match address {
            Some(address) => address,
            None => Address::abstract_name(format!(
                "multiproc-manager-{:016x}{:016x}",
                random()?,
                random()?
            )),
        };
        let types = Types::added_by(|| types.iter().for_each(|of_type| (of_type.add)(())));
        let things = Things {
            types: &types,
            #[cfg(feature = "pool")]
            tasks,
            #[cfg(feature = "pool")]
            site: &site,
        };
        let engine = open(&address, &site, things, rules, None);
        let engine = engine.map_err(|error| StartError::Listen(error.to_string()))?;
        let door = site.door(engine.address())?;
        let stopper = engine.stopper();
        let thread = std::thread::Builder::new().name("manager".into()).spawn(|| engine.run())?;
        let generation = Thread::current().generation();
        Ok(Self { door, stopper, thread: Some(thread), generation })
    }

    /// Where it can be connected to; if it was to be any free port, this is the one.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.door.known_as()
    }

    /// A handle to it, as others have one by connecting.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says why there is no connection.
    pub fn manager(&self) -> Result<Manager, ConnectError> {
        Ok(Manager::new(client::connect(&self.door, None, Deadline::after(PATIENCE))?, None))
    }

    /// Ends it; returns when it has ended. Methods of the program's own types that run meanwhile run on.
    ///
    /// # Errors
    ///
    /// If it had ended before, since the system had no memory for it.
    pub fn shutdown(mut self) -> io::Result<()> {
        self.stopper.stop();
        self.wait()
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    ///
    /// If it ends before, since the system has no memory for it.
    #[doc(alias = "serve_forever")]
    pub fn join(mut self) -> io::Result<()> {
        self.wait()
    }

    fn wait(&mut self) -> io::Result<()> {
        let ended = self.thread.take().map(JoinHandle::join);
        ended
            .transpose()
            .unwrap_or_else(|_| Some(Err(io::Error::other("it panicked"))))
            .unwrap_or(Ok(()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if Thread::current().generation() == self.generation {
            self.stopper.stop();
            // There is nobody to tell.
            self.wait().ok();
        }
    }
}
