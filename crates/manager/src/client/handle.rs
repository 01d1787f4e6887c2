//! `Handle`: what every proxy has inside: a reference to an object.
//!
//! # How a proxy travels
//!
//! | where it is serialised | what is written | what keeps the object |
//! |---|---|---|
//! | in an argument, or a result, of an object of the same server | its number | the call; then the value that is kept; then the reply |
//! | anywhere else | the server's address, the number and a *passage* | the passage |
//!
//! A passage is a reference that the server has for somebody who is yet to come. Whoever is first to
//! decode the bytes takes it over. Who decodes them again, or in a child that was forked, has a reference
//! if the object is still there. A passage whose sender is gone is kept for a while
//! ([`Builder::passage_timeout`](crate::Builder::passage_timeout)).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ipc_core::{Deadline, PerProcess};
use ipc_pipe::Address;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::scope::{self, Put, Taken};
use super::{Argument, Client, Got, Request, connect};
use crate::error::Error;
use crate::protocol::ObjectId;
use crate::protocol::bytes::Reader;
use crate::protocol::methods::desk;
use crate::remote::Door;

/// A reference to an object, given back when it is dropped.
#[derive(Debug)]
pub struct Handle {
    client: Arc<Client>,
    object: ObjectId,
}

/// The references that a forked child has in place of those that it inherited.
static ADOPTED: PerProcess<Mutex<Vec<Arc<Handle>>>> = PerProcess::new();

impl Handle {
    /// Takes over a reference that the client has.
    pub(crate) fn new(client: Arc<Client>, object: ObjectId) -> Arc<Self> {
        Arc::new(Self { client, object })
    }

    pub(crate) fn object(&self) -> ObjectId {
        self.object
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The server that the object is in.
    pub(crate) fn server(&self) -> u64 {
        self.client.server()
    }

    /// Calls a method, and waits for what it returns.
    pub(crate) fn call(self: &Arc<Self>, method: u64, argument: Argument) -> Result<Got, Error> {
        let here = self.here()?;
        here.client.call(&Request { object: here.object, method, argument })
    }

    /// Calls a method, and waits in a task for what it returns.
    #[cfg(feature = "tokio")]
    pub(crate) async fn call_async(
        self: &Arc<Self>,
        method: u64,
        argument: Argument,
    ) -> Result<Got, Error> {
        let here = self.here()?;
        here.client.call_async(Request { object: here.object, method, argument }).await
    }

    /// Calls a method without waiting for it, or hearing of it; not in a forked child, which has nothing
    /// of what its parent had.
    pub(crate) fn tell(&self, method: u64, argument: &Argument) {
        if self.client.is_ours() {
            self.client.tell(self.object, method, argument);
        }
    }

    /// Whether both lead to the same object.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.server(), self.object) == (other.server(), other.object)
    }

    /// This handle, or, in a forked child, one of the child's own.
    pub(crate) fn here(self: &Arc<Self>) -> Result<Arc<Self>, Error> {
        if self.client.is_ours() {
            return Ok(Arc::clone(self));
        }
        let adopted = ADOPTED.get_or_make(|_| Mutex::default());
        let is_it =
            |other: &&Arc<Self>| other.server() == self.server() && other.object == self.object;
        let lock = || adopted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().iter().find(is_it).cloned() {
            return Ok(found);
        }
        let client = Self::reconnect(&self.client)?;
        let own = Self::attach(&client, self.object)?;
        lock().push(Arc::clone(&own));
        Ok(own)
    }

    /// This process's own connection to the server.
    pub(crate) fn reconnect(client: &Client) -> Result<Arc<Client>, Error> {
        Ok(connect(client.door(), Some(client.server()), Deadline::after(PATIENCE))?)
    }

    /// A reference to an object that somebody keeps.
    fn attach(client: &Arc<Client>, object: ObjectId) -> Result<Arc<Self>, Error> {
        client.call_desk(desk::ATTACH, Argument::new().number(object))?;
        Ok(Self::new(Arc::clone(client), object))
    }

    /// Has the server keep the object for somebody who is yet to come.
    fn send(self: &Arc<Self>) -> Result<Travel, Error> {
        let here = self.here()?;
        let got = here.client.call_desk(desk::SEND, Argument::new().number(here.object))?;
        let passage = Reader::new(got.bytes()).number()?;
        let address = Place::from(here.client.address());
        Ok(Travel::Sent { address, server: here.server(), object: here.object, passage })
    }

    /// Takes over what [`send`](Self::send) has sent.
    fn redeem(
        place: Place,
        server: u64,
        object: ObjectId,
        passage: u64,
    ) -> Result<Arc<Self>, Error> {
        let door = Door::new(&place.into_address()?, None);
        let client = connect(&door, Some(server), Deadline::after(PATIENCE))?;
        client.call_desk(desk::REDEEM, Argument::new().number(passage).number(object))?;
        Ok(Self::new(client, object))
    }
}

/// How long it may take to connect to a manager that is named by a proxy.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

impl Drop for Handle {
    fn drop(&mut self) {
        // What a forked child inherited is its parent's.
        if self.client.is_ours() {
            self.client.release(self.object);
        }
    }
}

/// A handle as it travels.
#[derive(Serialize, Deserialize)]
enum Travel {
    /// It is among the links of the message.
    Linked(ObjectId),
    Sent {
        address: Place,
        server: u64,
        object: ObjectId,
        passage: u64,
    },
}

/// An address as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Place {
    Unix(PathBuf),
    Abstract(Vec<u8>),
    Tcp(std::net::SocketAddr),
    /// One of a later version.
    Other,
}

impl From<&Address> for Place {
    fn from(address: &Address) -> Self {
        match address {
            Address::Unix(path) => Self::Unix(path.clone()),
            Address::Abstract(name) => Self::Abstract(name.clone()),
            Address::Tcp(address) => Self::Tcp(*address),
            _ => Self::Other,
        }
    }
}

impl Place {
    pub(crate) fn into_address(self) -> Result<Address, Error> {
        match self {
            Self::Unix(path) => Ok(Address::Unix(path)),
            Self::Abstract(name) => Ok(Address::Abstract(name)),
            Self::Tcp(address) => Ok(Address::Tcp(address)),
            Self::Other => Err(Error::Malformed),
        }
    }
}

/// Serialises a handle, for the proxies.
pub(crate) fn serialize<S: Serializer>(
    handle: &Arc<Handle>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let here = handle.here().map_err(ser::Error::custom)?;
    let travel = match scope::put(&here) {
        Put::Gathered => Travel::Linked(here.object),
        Put::Forbidden => return Err(ser::Error::custom("a proxy cannot be here")),
        Put::Send => here.send().map_err(ser::Error::custom)?,
    };
    travel.serialize(serializer)
}

/// Deserialises a handle, for the proxies.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<Handle>, D::Error> {
    match Travel::deserialize(deserializer)? {
        Travel::Linked(object) => match scope::take(object) {
            Some(Taken::Granted(client)) => Ok(Handle::new(client, object)),
            Some(Taken::Kept(home)) => {
                let client = home.client().map_err(de::Error::custom)?;
                Handle::attach(&client, object).map_err(de::Error::custom)
            }
            None => Err(de::Error::custom("a proxy came that the manager did not send")),
        },
        Travel::Sent { address, server, object, passage } => {
            Handle::redeem(address, server, object, passage).map_err(de::Error::custom)
        }
    }
}
