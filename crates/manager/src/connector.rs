//! `Connector`: all that can be said of a connection before it is made.

use std::fmt;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_pipe::{Address, Key};

use crate::client;
use crate::error::ConnectError;
use crate::manager::{Manager, PATIENCE};
#[cfg(feature = "tls")]
use crate::remote::TlsClient;
use crate::remote::{Door, poll_until};

/// How to connect to a manager.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use manager::{Address, Manager};
///
/// let address = Address::tcp("127.0.0.1:0")?;
/// let server = Manager::builder().address(&address).key("very secret").serve()?;
///
/// let connector = Manager::connector(server.address()).key("very secret");
/// let manager = connector.timeout(Duration::from_secs(5)).wait(true).connect()?;
/// assert_eq!(manager.stats()?.clients, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is connected yet"]
pub struct Connector {
    door: Door,
    timeout: Duration,
    waits: bool,
}

/// The pauses between looks for a manager that is not there yet.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

impl Connector {
    pub(crate) fn new(address: &Address) -> Self {
        Self { door: Door::new(address, None), timeout: PATIENCE, waits: false }
    }

    /// Proves to the manager that this program knows the key; and so does the manager.
    pub fn key(self, key: impl AsRef<[u8]>) -> Self {
        self.proving(Key::new(key))
    }

    pub(crate) fn proving(mut self, key: Key) -> Self {
        self.door.key = Some(key);
        self
    }

    /// Speaks TLS with the manager, at an address of TCP.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsClient) -> Self {
        self.door.tls = Some(tls);
        self
    }

    /// How long it may take to connect; 10 s if nothing is said.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Whether to wait, for as long as that, for a manager that does not run yet; it is not if nothing is said.
    pub fn wait(self, waits: bool) -> Self {
        Self { waits, ..self }
    }

    /// How long a manager at an address of TCP may not be heard of before the connection is taken for broken;
    /// 20 s if nothing is said.
    pub fn network_timeout(mut self, timeout: Duration) -> Self {
        self.door.network_timeout = timeout;
        self
    }

    /// How long it is tried to connect anew when the connection is broken; as long as the manager
    /// [keeps](crate::Builder::reconnect_grace) what this client has, if nothing is said, and not longer.
    pub fn reconnect_timeout(mut self, timeout: Duration) -> Self {
        self.door.patience = Some(timeout);
        self
    }

    /// Connects. A process has one connection to a manager: if there is one already, that is it.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says why there is no connection.
    pub fn connect(self) -> Result<Manager, ConnectError> {
        let deadline = Deadline::after(self.timeout);
        let mut pause = FIRST_PAUSE;
        loop {
            match client::connect(&self.door, None, deadline) {
                Ok(client) => return Ok(Manager::new(client, None)),
                Err(error) if self.waits && error.is_nobody_there() && !deadline.is_past() => {}
                Err(error) => return Err(error),
            }
            // Nothing is waited for but the time.
            poll_until(&mut [], Deadline::after(pause).min(deadline)).map_err(ConnectError::Io)?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connector")
            .field("address", &self.door.address)
            .finish_non_exhaustive()
    }
}
