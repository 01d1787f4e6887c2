//! Carriers over TCP: whoever comes proves the key, says hello, and has a session, which may go on through
//! another connection.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use ipc_pipe::{Address, Challenge, Key, Peer};

use super::carrier::{Carrier, Resumable};
use super::entrance::BACKLOG;
use super::sys::Interest;
use crate::carrier::{Received, Sent};
use crate::host::Site;
use crate::remote::frame::{Frame, LONGEST_HELLO};
use crate::remote::{Session, Stop, Wire, pump, push_out};

/// Where clients of other machines come in.
pub(crate) struct Gate {
    listener: TcpListener,
    address: Address,
    key: Option<Key>,
    /// How long a client may not be heard of.
    network_timeout: Duration,
    /// How long a message may be.
    limit: usize,
    #[cfg(feature = "tls")]
    tls: Option<std::sync::Arc<rustls::ServerConfig>>,
}

impl Gate {
    pub(super) fn open(wanted: SocketAddr, site: &Site, limit: usize) -> io::Result<Self> {
        let listener = TcpListener::bind(wanted)?;
        listener.set_nonblocking(true)?;
        rustix::net::listen(&listener, i32::from(BACKLOG))?;
        Ok(Self {
            address: Address::Tcp(listener.local_addr()?),
            listener,
            key: site.key(),
            network_timeout: site.network_timeout,
            limit,
            #[cfg(feature = "tls")]
            tls: site.tls.as_ref().map(crate::remote::TlsServer::config).transpose()?,
        })
    }

    /// Where it is; if it was to be any free port, this is the one.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Takes the next who wants in; `None` if there is nobody. Who cannot be greeted is gone.
    pub(super) fn accept(&self) -> io::Result<Option<Remote>> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if let Ok(remote) = self.greet(stream) {
                        return Ok(Some(remote));
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Ok(None),
                    ErrorKind::OutOfMemory | ErrorKind::Other | ErrorKind::QuotaExceeded => {
                        return Err(error);
                    }
                    // It is gone already, or the network has news of it. The next may be there.
                    _ if is_of_the_client(&error) => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn greet(&self, stream: TcpStream) -> io::Result<Remote> {
        let wire = Wire::over(stream, self.network_timeout)?;
        #[cfg(feature = "tls")]
        let wire = match &self.tls {
            Some(tls) => wire.encrypted(crate::remote::Tls::serve(tls)?),
            None => wire,
        };
        let mut wire = wire;
        let challenge = Challenge::new(self.key.as_ref())?;
        wire.out.extend_from_slice(&challenge.hello());
        wire.write()?;
        let (stage, session) = (Stage::Proof(challenge), Session::default());
        Ok(Remote { wire, stage, session, limit: self.limit })
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Interrupted
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::NetworkDown
            | ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
            | ErrorKind::TimedOut
    )
}

impl AsFd for Gate {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// A client of another machine.
pub(super) struct Remote {
    wire: Wire,
    stage: Stage,
    session: Session,
    limit: usize,
}

/// How far it has come.
///
/// | stage | it waits for | next |
/// |---|---|---|
/// | `Proof` | the proof of the key | `Hello`, or out |
/// | `Hello` | its hello, and ours | `Open`; or it gives its wire to a session that is `Away` or `Open` |
/// | `Open` | messages | `Broken`, or out if it says what none of ours does, or goodbye |
/// | `Broken` | the server's taking note of it | `Away` |
/// | `Away` | another connection | `Open`, or out when the grace is over |
enum Stage {
    Proof(Challenge),
    Hello,
    Open,
    Broken,
    Away,
}

impl Remote {
    /// Hears the proof of the key, as far as it has come; `false` if it is none.
    fn hear_proof(&mut self, room: &mut [u8]) -> io::Result<Option<bool>> {
        let Stage::Proof(challenge) = &self.stage else { return Ok(Some(true)) };
        let proof = loop {
            // TLS has things of its own to say.
            self.wire.write()?;
            if let Some(proof) = self.wire.come.first_chunk() {
                break *proof;
            }
            if self.wire.come.len() > LONGEST_HELLO || !self.wire.read(room)? {
                return Ok(None);
            }
        };
        self.wire.come.drain(..proof.len());
        let Some((verdict, is_in)) = challenge.judge(&proof) else { return Ok(Some(false)) };
        self.wire.out.extend_from_slice(&verdict);
        self.wire.write()?;
        self.stage = Stage::Hello;
        Ok(Some(is_in))
    }

    /// Hears the hello; `None` if it is not there yet.
    fn hear_hello(&mut self, room: &mut [u8]) -> io::Result<Option<Vec<u8>>> {
        loop {
            match Frame::read(&self.wire.come, LONGEST_HELLO) {
                Ok(Some((Frame::Hello(hello), len))) => {
                    let hello = hello.to_vec();
                    self.wire.come.drain(..len);
                    return Ok(Some(hello));
                }
                Ok(None) => {}
                _ => return Err(ErrorKind::InvalidData.into()),
            }
            if !self.wire.read(room)? {
                return Ok(None);
            }
        }
    }

    fn receive_first(&mut self, inbox: &mut Vec<u8>, room: &mut [u8]) -> io::Result<Received> {
        match self.hear_proof(room)? {
            Some(true) => {}
            Some(false) => return Ok(Received::End),
            None => return Ok(Received::Nothing),
        }
        Ok(match self.hear_hello(room)? {
            Some(hello) => {
                *inbox = hello;
                Received::Message
            }
            None => Received::Nothing,
        })
    }

    /// Writes and reads what there is; `false` if the client says what none of ours does.
    fn pump(&mut self, room: &mut [u8]) -> bool {
        if !matches!(self.stage, Stage::Open) {
            return true;
        }
        match pump(&mut self.wire, &mut self.session, self.limit, room) {
            Ok(()) => true,
            Err(Stop::Broken) => {
                self.stage = Stage::Broken;
                true
            }
            Err(Stop::Malformed) => false,
        }
    }
}

impl Carrier for Remote {
    fn file(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }

    fn interest(&self, _has_backlog: bool) -> Interest {
        // Receipts are read whatever waits to be sent.
        if self.wire.wants_write() { Interest::Both } else { Interest::Read }
    }

    fn receive(&mut self, inbox: &mut Vec<u8>, room: &mut [u8]) -> Received {
        if matches!(self.stage, Stage::Proof(_) | Stage::Hello) {
            return self.receive_first(inbox, room).unwrap_or(Received::End);
        }
        if !self.session.has_arrived() && !self.pump(room) {
            return Received::End;
        }
        if let Some(message) = self.session.pop() {
            *inbox = message;
            return Received::Message;
        }
        match self.stage {
            Stage::Broken => Received::End,
            _ if self.session.is_over() => Received::End,
            _ => Received::Nothing,
        }
    }

    fn has_more(&self) -> bool {
        self.session.has_arrived() || self.session.is_over()
    }

    fn send(&mut self, message: &[u8]) -> Sent {
        match self.stage {
            Stage::Proof(_) | Stage::Hello => {
                Frame::Hello(message).append_to(&mut self.wire.out);
                self.stage = Stage::Open;
                if self.wire.write().is_err() {
                    return Sent::Gone;
                }
            }
            Stage::Open | Stage::Broken | Stage::Away => {
                self.session.push(message.to_vec());
                // That it is broken is said when it is flushed, or received from: this is taken.
                if matches!(self.stage, Stage::Open)
                    && push_out(&mut self.wire, &mut self.session).is_err()
                {
                    self.stage = Stage::Broken;
                }
            }
        }
        Sent::Taken
    }

    fn flush(&mut self) -> Sent {
        let mut room = [0; FLUSH_ROOM];
        if !self.pump(&mut room) || matches!(self.stage, Stage::Broken) {
            return Sent::Gone;
        }
        Sent::Taken
    }

    fn n_unsent(&self) -> usize {
        self.session.n_unwritten_bytes() + self.wire.n_unwritten()
    }

    fn peer(&self) -> Option<Peer> {
        None
    }

    fn session(&mut self) -> Option<&mut dyn Resumable> {
        Some(self)
    }

    fn into_wire(self: Box<Self>) -> Option<Wire> {
        Some(self.wire)
    }

    fn say_goodbye(&mut self) {
        if matches!(self.stage, Stage::Open) {
            Frame::Goodbye.append_to(&mut self.wire.out);
            // Who does not hear it sees the end.
            self.wire.write().ok();
        }
    }
}

impl Resumable for Remote {
    fn may_return(&self) -> bool {
        matches!(self.stage, Stage::Broken) && !self.session.is_over()
    }

    fn leave(&mut self) {
        self.stage = Stage::Away;
    }

    fn n_received(&self) -> u64 {
        self.session.n_received()
    }

    fn can_have_received(&self, n_received: u64) -> bool {
        self.session.can_have_received(n_received)
    }

    fn come_back(&mut self, wire: Wire, hello: &[u8], n_received: u64) -> bool {
        if self.session.resume(n_received).is_err() {
            return false;
        }
        self.wire = wire;
        self.stage = Stage::Open;
        Frame::Hello(hello).append_to(&mut self.wire.out);
        true
    }
}

/// Memory to read with in passing.
const FLUSH_ROOM: usize = 16 << 10;
