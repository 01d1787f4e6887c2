//! `Builder`: all that can be said of a manager before it starts.

use std::net::SocketAddr;
use std::time::Duration;

use ipc_pipe::Address;
#[cfg(feature = "pool")]
use proc_core::Function;
use proc_core::{Process, Start};
#[cfg(feature = "pool")]
use serde::Serialize;
#[cfg(feature = "pool")]
use serde::de::DeserializeOwned;

use crate::error::StartError;
use crate::host::{Host, Server, Site};
use crate::manager::Manager;
use crate::object::user::{Object, Registration};
#[cfg(feature = "tls")]
use crate::remote::TlsServer;
use crate::server::Rules;

/// How a manager shall be.
///
/// # Examples
///
/// ```
/// use manager::Manager;
/// use proc_core::Start;
///
/// let manager = Manager::builder().name("accounts").start_method(Start::ForkServer).start()?;
/// assert_eq!(manager.stats()?.objects, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is started yet"]
pub struct Builder {
    plan: Plan,
}

/// What was said.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) address: Option<Address>,
    pub(crate) site: Site,
    pub(crate) types: Vec<Registration>,
    /// Functions with names; none where a function cannot be named to another process.
    #[cfg(feature = "pool")]
    pub(crate) tasks: Vec<(&'static str, Option<Function>)>,
    pub(crate) rules: Rules,
    pub(crate) process: proc_core::Builder,
}

#[cfg(feature = "pool")]
impl Plan {
    /// The functions that have names.
    pub(crate) fn named_tasks(&self) -> Result<Vec<(String, Function)>, StartError> {
        let named = self.tasks.iter().map(|(name, function)| {
            let function = function.clone().ok_or(StartError::Unnameable(name))?;
            Ok(((*name).to_owned(), function))
        });
        named.collect()
    }
}

impl Builder {
    pub(crate) fn new() -> Self {
        // Ctrl-C at a terminal is for the program, which ends the manager when it ends.
        let process = Process::builder().name("manager").ignore_signal(libc::SIGINT);
        let rules = Rules {
            max_bytes: 1 << 30,
            max_clients: 10_000,
            max_lanes: 256,
            max_waiting: 10_000,
            max_backlog: 1 << 20,
            max_kept: u64::MAX,
            max_kept_for_client: u64::MAX,
            workers: 4,
            max_pool_workers: 256,
            passage_timeout: Duration::from_secs(60),
            hello_timeout: Duration::from_secs(10),
            reconnect_grace: Duration::from_secs(10),
        };
        Self {
            plan: Plan {
                address: None,
                site: Site::default(),
                types: Vec::new(),
                #[cfg(feature = "pool")]
                tasks: Vec::new(),
                rules,
                process,
            },
        }
    }

    /// Tells the manager of a type of the program's own.
    pub fn register<T: Object>(mut self) -> Self {
        self.plan.types.push(Registration::of::<T>());
        self
    }

    /// Gives a function a name, by which pools of the manager run it also for clients on other machines and in
    /// other programs: see [`Pool::named`](crate::Pool::named). A later one of the same name takes its place.
    #[cfg(feature = "pool")]
    pub fn task<A, R>(mut self, name: &'static str, function: fn(A) -> R) -> Self
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        self.plan.tasks.push((name, Function::of(function)));
        self
    }

    /// How many workers the manager's pools may have, all together; 256 if nothing is said.
    #[cfg(feature = "pool")]
    pub fn max_pool_workers(mut self, workers: usize) -> Self {
        self.plan.rules.max_pool_workers = workers;
        self
    }

    /// Where the manager can be connected to; a name of its own if nothing is said.
    ///
    /// At a path or an abstract name only processes of this user are let in. At an address of TCP everybody
    /// is who knows the [key](Self::key), which is needed there; functions, as of `update`, are not run
    /// for these. Port 0 is any that is free: [`Manager::address`] says which.
    pub fn address(mut self, address: &Address) -> Self {
        self.plan.address = Some(address.clone());
        self
    }

    /// What the manager is called by those on other machines, if it listens at an address of TCP that means
    /// something else there, as `0.0.0.0` does; port 0 is the port at which it listens.
    ///
    /// [`Manager::address`] says so, and proxies that this process sends.
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::{Address, Manager};
    ///
    /// let builder = Manager::builder().address(&Address::tcp("0.0.0.0:0")?).key("very secret");
    /// let manager = builder.advertise("127.0.0.1:0".parse()?).start()?;
    /// assert!(manager.address().to_string().contains("127.0.0.1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advertise(mut self, address: SocketAddr) -> Self {
        self.plan.site.advertised = Some(address);
        self
    }

    /// Lets only those in who know the key.
    ///
    /// A proxy that comes to a process does not bring it: that process has to [connect](Manager::connect)
    /// first.
    #[doc(alias = "authkey")]
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.plan.site.key = Some(key.as_ref().to_vec());
        self
    }

    /// Encrypts what is said at an address of TCP, and says to clients whose manager this is.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsServer) -> Self {
        self.plan.site.tls = Some(tls);
        self
    }

    /// How long a client at an address of TCP may be cut off, and still has all that it had; 10 s if nothing
    /// is said.
    ///
    /// Then it is gone, as after a death. With zero it is gone at once.
    pub fn reconnect_grace(mut self, grace: Duration) -> Self {
        self.plan.rules.reconnect_grace = grace;
        self
    }

    /// How long a client at an address of TCP may not be heard of before it is taken for cut off; 20 s if
    /// nothing is said. The kernel asks after it from time to time; less than 4 s is hardly less.
    pub fn network_timeout(mut self, timeout: Duration) -> Self {
        self.plan.site.network_timeout = timeout;
        self
    }

    /// Gives the manager's process a name, for people.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.plan.process = self.plan.process.name(name);
        self
    }

    /// Chooses the way in which the manager's process is started.
    pub fn start_method(mut self, start: Start) -> Self {
        self.plan.process = self.plan.process.start(start);
        self
    }

    /// How many threads run methods of the program's own types, and functions of `update`; 4 if nothing is
    /// said. All the rest is done by one more.
    pub fn workers(mut self, workers: usize) -> Self {
        self.plan.rules.workers = workers;
        self
    }

    /// How many clients there may be; 10 000 if nothing is said, or as many as there are descriptors.
    ///
    /// A client takes some 2 KiB and a descriptor of the manager's, and one more on the same machine, by which the end
    /// of its process is seen; for a lane see [`max_lanes`](Self::max_lanes). A manager that is
    /// [started](Self::start) has as many descriptors as the process that starts it may have if it says so
    /// (`ulimit -Hn`): it raises its own limit when it needs to. One that is [served](Self::serve) by a program has
    /// as many as that has (`ulimit -n`), which may raise its limit (`RLIMIT_NOFILE`). For whom there is none, waits
    /// until another goes, or is turned away.
    pub fn max_clients(mut self, clients: usize) -> Self {
        self.plan.rules.max_clients = clients;
        self
    }

    /// How many clients' calls may go through shared memory; 256 if nothing is said, and none if it is 0.
    ///
    /// They are those who come first, on the same machine. Each takes 130 KiB and a descriptor of the
    /// manager's. All other clients' calls go through their sockets.
    pub fn max_lanes(mut self, lanes: usize) -> Self {
        self.plan.rules.max_lanes = lanes;
        self
    }

    /// How long somebody who is let in may take to say what it speaks; 10 s if nothing is said.
    pub fn hello_timeout(mut self, timeout: Duration) -> Self {
        self.plan.rules.hello_timeout = timeout;
        self
    }

    /// How many calls of one client may wait; 10 000 if nothing is said. One more is
    /// [`Error::Refused`](crate::Error::Refused).
    pub fn max_waiting_calls(mut self, calls: usize) -> Self {
        self.plan.rules.max_waiting = calls;
        self
    }

    /// How long a call may be; 1 GiB if nothing is said.
    pub fn max_call_bytes(mut self, bytes: usize) -> Self {
        self.plan.rules.max_bytes = bytes;
        self
    }

    /// How many bytes may be in dicts, lists, values and queues, with what these take beside, and what objects and
    /// published names take that have nothing in them; any number if nothing is said.
    ///
    /// A call that would keep more is [`Error::Full`](crate::Error::Full); what takes out is done.
    pub fn max_kept_bytes(mut self, bytes: u64) -> Self {
        self.plan.rules.max_kept = bytes;
        self
    }

    /// How many bytes of these may be one client's, which are those that it put in and that are still there; any
    /// number if nothing is said.
    ///
    /// A call that would keep more is [`Error::ShareFull`](crate::Error::ShareFull). What a client leaves behind when
    /// it goes counts for the manager only.
    pub fn max_kept_bytes_per_client(mut self, bytes: u64) -> Self {
        self.plan.rules.max_kept_for_client = bytes;
        self
    }

    /// How many bytes of replies may wait for a client; 1 MiB if nothing is said.
    ///
    /// One that does not read them is not heard until it does, and shown out at four times that.
    pub fn max_backlog_bytes(mut self, bytes: usize) -> Self {
        self.plan.rules.max_backlog = bytes;
        self
    }

    /// How long a proxy that was sent and not received is kept when its sender is gone; a minute if nothing
    /// is said. As long as the sender is there, it is kept.
    pub fn passage_timeout(mut self, timeout: Duration) -> Self {
        self.plan.rules.passage_timeout = timeout;
        self
    }

    /// Starts the manager, as a process of its own.
    ///
    /// # Errors
    ///
    /// [`StartError`] says why there is none.
    pub fn start(self) -> Result<Manager, StartError> {
        Host::start(self.plan)
    }

    /// Starts the manager on a thread of this process.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    #[doc(alias = "get_server")]
    pub fn serve(self) -> Result<Server, StartError> {
        Server::start(self.plan)
    }
}
