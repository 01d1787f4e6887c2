//! A wire: one connection's bytes, both ways; nothing here waits.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;

use super::Session;
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::protocol::bytes::Malformed;

/// One connection to another machine.
#[derive(Debug)]
pub(crate) struct Wire {
    /// Shared with those who wait for it.
    stream: Arc<TcpStream>,
    #[cfg(feature = "tls")]
    tls: Option<Box<Tls>>,
    /// What has come and is not taken.
    pub(crate) come: Vec<u8>,
    /// What is to be written.
    pub(crate) out: Vec<u8>,
    /// So much of it is written.
    n_out: usize,
}

/// So much is put together before it is written.
const LOT: usize = 64 << 10;

/// How often a pump reads before others have their turn.
const MOST_READS: usize = 32;

impl Wire {
    /// Takes over a connection. It is broken when the other side is not heard of for so long.
    pub(crate) fn over(stream: TcpStream, network_timeout: Duration) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        // The kernel asks after half of the time, and twice in the other half.
        let part = network_timeout / 4;
        let whole_seconds = |time: Duration| Duration::from_secs(time.as_secs().max(1));
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, whole_seconds(part * 2))?;
        sockopt::set_tcp_keepintvl(&stream, whole_seconds(part))?;
        sockopt::set_tcp_keepcnt(&stream, 2)?;
        let millis = u32::try_from(network_timeout.as_millis()).unwrap_or(u32::MAX);
        sockopt::set_tcp_user_timeout(&stream, millis)?;
        Ok(Self {
            stream: Arc::new(stream),
            #[cfg(feature = "tls")]
            tls: None,
            come: Vec::new(),
            out: Vec::new(),
            n_out: 0,
        })
    }

    /// Encrypts all that comes and goes from here on.
    #[cfg(feature = "tls")]
    pub(crate) fn encrypted(self, tls: Tls) -> Self {
        Self { tls: Some(Box::new(tls)), ..self }
    }

    /// The connection, for who waits for it.
    pub(crate) fn stream(&self) -> &Arc<TcpStream> {
        &self.stream
    }

    /// Whether there is something that found no room yet.
    pub(crate) fn wants_write(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.as_ref().is_some_and(|tls| tls.wants_write()) {
            return true;
        }
        !self.out.is_empty()
    }

    /// How many bytes are not written.
    pub(crate) fn n_unwritten(&self) -> usize {
        self.out.len() - self.n_out
    }

    /// Writes what finds room; whether that was all.
    pub(crate) fn write(&mut self) -> io::Result<bool> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.take(&mut self.out)?;
            return tls.write(&self.stream);
        }
        while let Some(rest) = self.out.get(self.n_out..).filter(|rest| !rest.is_empty()) {
            match (&*self.stream).write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.n_out += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.n_out = 0;
        Ok(true)
    }

    /// Reads what has come, up to the size of `room`, which is memory to do it with; `false` if that is
    /// nothing now. The end of the stream is an error.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> io::Result<bool> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.read(&self.stream, &mut self.come, room);
        }
        match read_some(&self.stream, room)? {
            None => Ok(false),
            Some(count) => {
                self.come.extend_from_slice(room.get(..count).unwrap_or_default());
                Ok(true)
            }
        }
    }
}

/// Reads once; `None` if there is nothing now.
pub(super) fn read_some(mut stream: &TcpStream, room: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match stream.read(room) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Why a session does not go on through a wire.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The connection is broken; there may be another.
    Broken,
    /// The other side says what none of ours does.
    Malformed,
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

impl From<Malformed> for Stop {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

/// Writes what a session has to say, and reads what there is for it, as far as that takes no waiting. Each
/// message has no more bytes than `limit`; `room` is memory to read with.
pub(crate) fn pump(
    wire: &mut Wire,
    session: &mut Session,
    limit: usize,
    room: &mut [u8],
) -> Result<(), Stop> {
    // Behind a hello there may be more that has come already.
    session.read_from(&mut wire.come, limit)?;
    for _ in 0..MOST_READS {
        push_out(wire, session)?;
        if session.is_over() || !wire.read(room)? {
            return Ok(());
        }
        session.read_from(&mut wire.come, limit)?;
    }
    Ok(())
}

/// Writes what a session has to say, as far as that takes no waiting.
pub(crate) fn push_out(wire: &mut Wire, session: &mut Session) -> io::Result<()> {
    loop {
        let mut has_more = true;
        while has_more && wire.out.len() < LOT {
            has_more = session.write_to(&mut wire.out);
        }
        if !wire.write()? || !has_more {
            return Ok(());
        }
    }
}
