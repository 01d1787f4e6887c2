//! A client's way into a server on another machine.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ipc_core::Deadline;
use ipc_pipe::{Address, Answer, Key};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::frame::{Frame, LONGEST_HELLO};
#[cfg(feature = "tls")]
use super::tls::TlsClient;
use super::wire::Wire;
use crate::error::ConnectError;

/// All that is needed to get to a server, also once more.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) address: Address,
    /// What others are told in place of the address.
    pub(crate) advertised: Option<Address>,
    pub(crate) key: Option<Key>,
    /// How long the other side may not be heard of.
    pub(crate) network_timeout: Duration,
    /// How long it is tried to connect anew, at most; as long as the session is kept if nothing is said.
    pub(crate) patience: Option<Duration>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<TlsClient>,
}

impl Door {
    pub(crate) fn new(address: &Address, key: Option<&Key>) -> Self {
        Self {
            address: address.clone(),
            advertised: None,
            key: key.cloned(),
            network_timeout: NETWORK_TIMEOUT,
            patience: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Where others find the server.
    pub(crate) fn known_as(&self) -> &Address {
        self.advertised.as_ref().unwrap_or(&self.address)
    }
}

/// How long the other side may not be heard of if nothing else is said.
pub(crate) const NETWORK_TIMEOUT: Duration = Duration::from_secs(20);

/// Connects, proves the key and says hello; what the server says, and what is said from then on.
pub(crate) fn open(
    door: &Door,
    address: SocketAddr,
    hello: &[u8],
    deadline: Deadline,
) -> Result<(Wire, Vec<u8>), ConnectError> {
    let stream = match deadline.remaining() {
        None => TcpStream::connect(address),
        // Zero is not taken.
        Some(left) => TcpStream::connect_timeout(&address, left.max(Duration::from_micros(1))),
    };
    let wire = Wire::over(stream.map_err(sort)?, door.network_timeout)?;
    #[cfg(feature = "tls")]
    let wire = match &door.tls {
        Some(tls) => wire.encrypted(tls.begin()?),
        None => wire,
    };
    let mut opening = Opening { wire, deadline };
    let mut answer = Answer::new(door.key.as_ref())?;
    let proof = answer.prove(&opening.hear()?)?;
    opening.say(&proof)?;
    answer.conclude(&opening.hear()?)?;
    let mut said = Vec::new();
    Frame::Hello(hello).append_to(&mut said);
    opening.say(&said)?;
    let theirs = opening.hear_hello()?;
    Ok((opening.wire, theirs))
}

struct Opening {
    wire: Wire,
    deadline: Deadline,
}

impl Opening {
    fn say(&mut self, bytes: &[u8]) -> Result<(), ConnectError> {
        self.wire.out.extend_from_slice(bytes);
        while !self.wire.write().map_err(sort)? {
            self.wait()?;
        }
        Ok(())
    }

    /// Hears so many bytes.
    fn hear<const N: usize>(&mut self) -> Result<[u8; N], ConnectError> {
        loop {
            if let Some(said) = self.wire.come.first_chunk::<N>() {
                let said = *said;
                self.wire.come.drain(..N);
                return Ok(said);
            }
            self.hear_more()?;
        }
    }

    fn hear_hello(&mut self) -> Result<Vec<u8>, ConnectError> {
        loop {
            match Frame::read(&self.wire.come, LONGEST_HELLO) {
                Ok(Some((Frame::Hello(hello), len))) => {
                    let hello = hello.to_vec();
                    self.wire.come.drain(..len);
                    return Ok(hello);
                }
                Ok(None) => self.hear_more()?,
                _ => return Err(ConnectError::NotAManager),
            }
        }
    }

    fn hear_more(&mut self) -> Result<(), ConnectError> {
        let mut room = [0; 2048];
        while !self.wire.read(&mut room).map_err(sort)? {
            // TLS has things of its own to say.
            self.wire.write().map_err(sort)?;
            self.wait()?;
        }
        Ok(())
    }

    fn wait(&self) -> Result<(), ConnectError> {
        let out = if self.wire.wants_write() { PollFlags::OUT } else { PollFlags::empty() };
        if poll_until(&mut [PollFd::new(&self.wire, PollFlags::IN | out)], self.deadline)? {
            return Ok(());
        }
        Err(ipc_pipe::ConnectError::TimedOut.into())
    }
}

/// Waits until one of them is ready; `false` if the deadline comes first.
pub(crate) fn poll_until(files: &mut [PollFd<'_>], deadline: Deadline) -> io::Result<bool> {
    loop {
        let left = deadline.remaining().and_then(|left| Timespec::try_from(left).ok());
        match poll(files, left.as_ref()) {
            Ok(0) if deadline.is_past() => return Ok(false),
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

fn sort(error: io::Error) -> ConnectError {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => ipc_pipe::ConnectError::TimedOut.into(),
        // Who listened went away in the middle.
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => {
            ipc_pipe::ConnectError::NotOurs.into()
        }
        #[cfg(feature = "tls")]
        ErrorKind::InvalidData => ConnectError::Tls(error.to_string()),
        _ => ipc_pipe::ConnectError::Io(error).into(),
    }
}
