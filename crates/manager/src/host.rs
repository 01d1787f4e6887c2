//! Where servers run: in a process of their own, or on a thread of this one.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use ipc_core::robust::Thread;
use ipc_pipe::{Address, Connection, Key, Listener, pipe};
use proc_core::{Function, Process};
use serde::{Deserialize, Serialize};

use crate::builder::Plan;
use crate::client::{self, Client};
use crate::error::{ConnectError, StartError};
use crate::manager::Manager;
use crate::object::user::Types;
use crate::server::{Rules, Server as Engine, Stopper, random};

/// A server's process, as who started it has it.
pub(crate) struct Host {
    process: Process<()>,
    /// At its end, or a word on it, the server ends.
    lifeline: Connection<(), Result<(), String>>,
    /// The process that started it.
    generation: u64,
}

/// How long a server may take to end by itself, and once more when it is asked to.
const GRACE: Duration = Duration::from_secs(2);

/// What a server's process is told.
#[derive(Serialize, Deserialize)]
struct Orders {
    lifeline: Connection<Result<(), String>, ()>,
    address: client::Place,
    key: Option<Vec<u8>>,
    types: Vec<Function>,
    rules: Rules,
}

/// What a server's process does.
fn serve(orders: Orders) {
    let Orders { lifeline, address, key, types, rules } = orders;
    let engine = address.into_address().map_err(|error| error.to_string()).and_then(|address| {
        let types = Types::added_by(|| types.iter().for_each(crate::types::call));
        let watched = lifeline.as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
        let engine = open(&address, key.as_deref(), &types, rules, Some(watched));
        engine.map_err(|error| error.to_string())
    });
    match engine {
        Ok(engine) => {
            // If nobody hears it, nobody wants it.
            if lifeline.send(&Ok(())).is_ok() {
                // Who started it sees that it has ended.
                engine.run().ok();
            }
        }
        Err(why) => drop(lifeline.send(&Err(why))),
    }
}

fn open(
    address: &Address,
    key: Option<&[u8]>,
    types: &Types,
    rules: Rules,
    lifeline: Option<OwnedFd>,
) -> io::Result<Engine> {
    let key = key.map(Key::new);
    let mut listener = Listener::builder().same_user_only().backlog(1024);
    if let Some(key) = &key {
        listener = listener.key(key.clone());
    }
    Engine::new(listener.bind(address)?, key, types, rules, lifeline)
}

impl Host {
    /// Starts a server in a process of its own.
    pub(crate) fn start(plan: Plan) -> Result<Manager, StartError> {
        let Plan { address, key, types, rules, process } = plan;
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
        let orders =
            Orders { lifeline: theirs, address: place, key: key.clone(), types: functions, rules };
        let process = process.dies_with_parent(true).spawn(serve, orders)?;
        match lifeline.recv() {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return Err(StartError::Listen(why)),
            Err(_) => return Err(StartError::Died),
        }
        let host = Self { process, lifeline, generation: Thread::current().generation() };
        let key = key.map(Key::new);
        let client = client::connect(&address, key.as_ref(), None, ipc_core::Deadline::NEVER)?;
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
    address: Address,
    key: Option<Vec<u8>>,
    stopper: Stopper,
    thread: Option<JoinHandle<io::Result<()>>>,
    /// The process that it runs in.
    generation: u64,
}

impl Server {
    /// Starts a server on a thread of this process.
    pub(crate) fn start(plan: Plan) -> Result<Self, StartError> {
        let Plan { address, key, types, rules, .. } = plan;
        let address = match address {
            Some(address) => address,
            None => Address::abstract_name(format!(
                "multiproc-manager-{:016x}{:016x}",
                random()?,
                random()?
            )),
        };
        let types = Types::added_by(|| types.iter().for_each(|of_type| (of_type.add)(())));
        let engine = open(&address, key.as_deref(), &types, rules, None);
        let engine = engine.map_err(|error| StartError::Listen(error.to_string()))?;
        let stopper = engine.stopper();
        let thread = std::thread::Builder::new().name("manager".into()).spawn(|| engine.run())?;
        let generation = Thread::current().generation();
        Ok(Self { address, key, stopper, thread: Some(thread), generation })
    }

    /// Where it can be connected to.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// A handle to it, as others have one by connecting.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says why there is no connection.
    pub fn manager(&self) -> Result<Manager, ConnectError> {
        Manager::connect(&self.address, self.key.as_ref().map(Key::new).as_ref())
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
