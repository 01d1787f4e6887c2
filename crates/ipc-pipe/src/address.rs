//! `Address`: where programs meet.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

/// Where a listener can be found.
///
/// # Examples
///
/// ```
/// use ipc_pipe::Address;
///
/// assert_eq!(Address::unix("/run/program/socket").to_string(), "/run/program/socket");
/// assert_eq!(Address::abstract_name("program").to_string(), "@program");
/// assert_eq!(Address::tcp("127.0.0.1:80")?.to_string(), "127.0.0.1:80");
/// # Ok::<(), std::io::Error>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A socket with a path; who may connect is said by its file's permissions.
    Unix(PathBuf),
    /// A socket with a name that is in no file system; anybody on the machine may connect.
    Abstract(Vec<u8>),
    /// A port of a machine. Messages carry no handles.
    Tcp(SocketAddr),
}

impl Address {
    /// A socket with a path.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::Unix(path.into())
    }

    /// A socket with a name that is in no file system.
    pub fn abstract_name(name: impl AsRef<[u8]>) -> Self {
        Self::Abstract(name.as_ref().to_vec())
    }

    /// A port of a machine: `"127.0.0.1:8000"`, or `("localhost", 0)` for any free port here.
    ///
    /// # Errors
    ///
    /// If the name of the machine is not known.
    pub fn tcp(address: impl ToSocketAddrs) -> std::io::Result<Self> {
        let found = address.to_socket_addrs()?.next();
        found.map(Self::Tcp).ok_or_else(|| std::io::ErrorKind::AddrNotAvailable.into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(formatter),
            Self::Abstract(name) => write!(formatter, "@{}", name.escape_ascii()),
            Self::Tcp(address) => address.fmt(formatter),
        }
    }
}
