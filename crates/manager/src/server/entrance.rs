//! Where clients come in: at a socket of this machine, or of the network.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use ipc_core::wire::Limits;
use ipc_pipe::{AcceptError, Address, Listener};

use super::carrier::Carrier;
use super::local::Local;
use super::remote::Gate;
use crate::carrier::lane::Offer;
use crate::host::Site;

/// Where clients come in.
pub(crate) enum Entrance {
    /// For processes of this user on this machine.
    Local { listener: Listener, limits: Limits },
    /// For whoever knows the key.
    Remote(Gate),
}

/// How many may want in at a time.
pub(super) const BACKLOG: u16 = 1024;

impl Entrance {
    /// Opens one; messages have no more bytes than `limit`.
    pub(crate) fn open(address: &Address, site: &Site, limit: usize) -> io::Result<Self> {
        if let Address::Tcp(wanted) = address {
            if site.key.is_none() {
                let why = "at an address of TCP a manager needs a key";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
            return Ok(Self::Remote(Gate::open(*wanted, site, limit)?));
        }
        site.is_for_this_machine()?;
        let mut listener = Listener::builder().same_user_only().backlog(BACKLOG);
        if let Some(key) = site.key() {
            listener = listener.key(key);
        }
        let limits = Limits { max_bytes: limit, max_handles: 0 };
        Ok(Self::Local { listener: listener.bind(address)?, limits })
    }

    /// Where it is; if it was to be any free port, this is the one.
    pub(crate) fn address(&self) -> &Address {
        match self {
            Self::Local { listener, .. } => listener.address(),
            Self::Remote(gate) => gate.address(),
        }
    }

    /// Takes the next who wants in; `None` if there is nobody now.
    pub(super) fn accept(&self) -> io::Result<Option<Box<dyn Carrier>>> {
        match self {
            Self::Local { listener, limits } => match listener.try_accept::<Offer, ()>() {
                Ok(connection) => Ok(Some(Box::new(Local::new(connection.with_limits(*limits))))),
                Err(AcceptError::Io(error)) => Err(error),
                Err(_) => Ok(None),
            },
            Self::Remote(gate) => {
                Ok(gate.accept()?.map(|remote| -> Box<dyn Carrier> { Box::new(remote) }))
            }
        }
    }
}

impl AsFd for Entrance {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Local { listener, .. } => listener.as_fd(),
            Self::Remote(gate) => gate.as_fd(),
        }
    }
}
