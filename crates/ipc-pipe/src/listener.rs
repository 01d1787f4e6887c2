//! `Listener`: where others connect to.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::robust::Thread;
use ipc_core::wire::Limits;

use crate::address::Address;
use crate::connection::Connection;
use crate::error::AcceptError;
use crate::key::Key;
use crate::line::Line;
use crate::lobby::{Lobby, Rules};
use crate::place::Place;
use crate::sys::ready::{self, Ready};
use crate::sys::socket;

/// How long a handshake may take if nothing else is said.
pub(crate) const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// Lets other programs [`connect`](crate::connect()) by an address.
///
/// Those who connect prove that they know the key, and so does the listener, before they are
/// [accepted](Self::accept). All handshakes go on at the same time, in whatever call accepts, so
/// somebody who connects and says nothing delays nobody.
///
/// Who connects is not trusted: messages have the [default limits](Limits::default), or those that the
/// [builder](Builder::limits) was given.
///
/// # Process death
///
/// When the process dies, those who wait for a handshake or want to connect are told by the system.
/// The file of a Unix socket stays; the next who binds the path takes it over. The path of a listener
/// that lives is [`io::ErrorKind::AddrInUse`]. A listener belongs to its process: in a forked child,
/// accepting is [`AcceptError::Inherited`], and dropping it leaves the path alone.
///
/// # Examples
///
/// ```
/// use ipc_pipe::{Address, Connection, Key, Listener, connect};
///
/// let key = Key::new("very secret");
/// let listener = Listener::builder().key(key.clone()).bind(&Address::tcp("127.0.0.1:0")?)?;
/// let address = listener.address().clone();
///
/// let client = std::thread::spawn(move || {
///     let mut server: Connection<u32, u32> = connect(&address, Some(&key)).unwrap();
///     server.request(&20).unwrap()
/// });
/// let connection: Connection<u32, u32> = listener.accept()?;
/// connection.send(&(connection.recv()? + 1))?;
/// assert_eq!(client.join().unwrap(), 21);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Listener {
    socket: OwnedFd,
    address: Address,
    rules: Rules,
    limits: Limits,
    /// Locked for steps that do not wait.
    lobby: Mutex<Lobby>,
    /// The lobby's door.
    door: OwnedFd,
    /// The process that it belongs to.
    generation: u64,
    _place: Option<Place>,
}

/// What can be said of a listener before it listens.
#[derive(Clone, Debug)]
pub struct Builder {
    rules: Rules,
    limits: Limits,
    backlog: u16,
}

/// What a step of accepting came to.
pub(crate) enum Step<S, R> {
    /// Somebody is let in.
    LetIn(Connection<S, R>),
    /// Nobody, until the door is readable or that deadline has come.
    Nobody { next: Deadline },
}

impl Listener {
    /// Listens at an address, for whoever connects without a key.
    ///
    /// A Unix socket with a path is for this user alone.
    ///
    /// # Errors
    ///
    /// As [`Builder::bind`].
    pub fn bind(address: &Address) -> io::Result<Self> {
        Self::builder().bind(address)
    }

    /// Begins to say how to listen.
    #[must_use]
    pub fn builder() -> Builder {
        let patience = HANDSHAKE_PATIENCE;
        let rules = Rules { key: None, patience, same_user_only: false };
        Builder { rules, limits: Limits::default(), backlog: 128 }
    }

    /// Where it listens; if it was asked for any free port, this is the one.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Waits until somebody has connected and is let in.
    ///
    /// The types are for the two sides to agree on.
    ///
    /// # Errors
    ///
    /// [`AcceptError::Io`] if the system has no descriptors or memory. Whoever fails to be let in is no
    /// error here.
    pub fn accept<S, R>(&self) -> Result<Connection<S, R>, AcceptError> {
        self.accept_deadline(Deadline::NEVER)
    }

    /// Returns somebody who is let in, if there is one now.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept); [`AcceptError::TimedOut`] if there is nobody.
    pub fn try_accept<S, R>(&self) -> Result<Connection<S, R>, AcceptError> {
        self.accept_deadline(Deadline::now())
    }

    /// Waits until somebody has connected and is let in, for so long at most.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept); [`AcceptError::TimedOut`] if nobody was in time.
    pub fn accept_timeout<S, R>(&self, timeout: Duration) -> Result<Connection<S, R>, AcceptError> {
        self.accept_deadline(Deadline::after(timeout))
    }

    /// Waits until somebody has connected and is let in, until the deadline.
    ///
    /// # Errors
    ///
    /// As [`accept_timeout`](Self::accept_timeout).
    pub fn accept_deadline<S, R>(
        &self,
        deadline: Deadline,
    ) -> Result<Connection<S, R>, AcceptError> {
        loop {
            let next = match self.step()? {
                Step::LetIn(connection) => return Ok(connection),
                Step::Nobody { next } => next,
            };
            if deadline.is_past() {
                return Err(AcceptError::TimedOut);
            }
            ready::is(self.door.as_fd(), Ready::Read, deadline.min(next))?;
        }
    }

    /// Those who are let in, one after the other.
    pub fn incoming<S, R>(&self) -> impl Iterator<Item = Result<Connection<S, R>, AcceptError>> {
        std::iter::repeat_with(|| self.accept())
    }

    /// Goes on with all who want in, as far as that takes no waiting.
    pub(crate) fn step<S, R>(&self) -> Result<Step<S, R>, AcceptError> {
        if Thread::current().generation() != self.generation {
            return Err(AcceptError::Inherited);
        }
        let mut lobby = self.lobby();
        let arrived = lobby.step(self.socket.as_fd(), &self.rules)?;
        let next = lobby.next_deadline();
        drop(lobby);
        Ok(match arrived {
            Some(socket) => {
                let connection = Connection::new(Line::over(socket)?);
                Step::LetIn(connection.with_limits(self.limits))
            }
            None => Step::Nobody { next },
        })
    }

    fn lobby(&self) -> MutexGuard<'_, Lobby> {
        // A step has no code of others in it, so a panic cannot leave one half done.
        self.lobby.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Builder {
    /// Lets only those in who know the key.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.rules.key = Some(key);
        self
    }

    /// Sets how large messages from those who are let in may be.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets how long a handshake may take; 10 s if nothing is said.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.rules.patience = timeout;
        self
    }

    /// Lets only processes of this user in, as the kernel knows them; not for TCP.
    #[must_use]
    pub fn same_user_only(mut self) -> Self {
        self.rules.same_user_only = true;
        self
    }

    /// Sets how many may want to connect at the same time while nobody accepts; 128 if nothing is said.
    #[must_use]
    pub fn backlog(self, backlog: u16) -> Self {
        Self { backlog, ..self }
    }

    /// Listens at an address.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AddrInUse`] if another listener that lives has it, or a path is something
    /// other than a socket; [`io::ErrorKind::InvalidInput`] if the name is too long, or users are to be
    /// told apart over TCP.
    pub fn bind(self, address: &Address) -> io::Result<Listener> {
        let Self { rules, limits, backlog } = self;
        let (socket, place, address) = match address {
            Address::Unix(path) => {
                let socket = socket::packets()?;
                let place = Place::take(path, socket.as_fd())?;
                (socket, Some(place), address.clone())
            }
            Address::Abstract(_) => {
                let socket = socket::packets()?;
                socket::bind_unix(socket.as_fd(), &socket::unix_address(address)?)?;
                (socket, None, address.clone())
            }
            Address::Tcp(_) if rules.same_user_only => {
                let why = "users of other machines are not known";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
            Address::Tcp(wanted) => {
                let listener = TcpListener::bind(wanted)?;
                let address = Address::Tcp(listener.local_addr()?);
                (listener.into(), None, address)
            }
        };
        socket::set_nonblocking(socket.as_fd())?;
        socket::listen_with(socket.as_fd(), backlog)?;
        let lobby = Lobby::open(socket.as_fd())?;
        let door = lobby.as_fd().try_clone_to_owned()?;
        let generation = Thread::current().generation();
        let lobby = Mutex::new(lobby);
        Ok(Listener { socket, address, rules, limits, lobby, door, generation, _place: place })
    }
}

impl AsFd for Listener {
    /// Readable when [`try_accept`](Self::try_accept) has something to do, which may be to go on with a
    /// handshake and let nobody in yet.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.door.as_fd()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Listener").field("address", &self.address).finish_non_exhaustive()
    }
}
