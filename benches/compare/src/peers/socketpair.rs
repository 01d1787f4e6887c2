//! A pair of stream sockets, with one call for each message: what the system costs.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use crate::Result;
use crate::crew::Kind;
use crate::subjects::queue::{Line, Rx, Tx};

pub(crate) struct SocketPair {
    near: UnixStream,
    far: UnixStream,
    size: usize,
}

pub(crate) struct Reader {
    socket: UnixStream,
    buffer: Vec<u8>,
}

impl Line for SocketPair {
    const KIND: Kind = Kind::Processes;
    type Tx = UnixStream;
    type Rx = Reader;

    fn new(size: usize) -> Result<Self> {
        let (near, far) = UnixStream::pair()?;
        Ok(Self { near, far, size })
    }

    fn tx(&self) -> Result<UnixStream> {
        Ok(self.near.try_clone()?)
    }

    fn rx(&mut self) -> Result<Reader> {
        Ok(Reader { socket: self.far.try_clone()?, buffer: vec![0; self.size] })
    }
}

impl Tx for UnixStream {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        Ok(self.write_all(message)?)
    }
}

impl Rx for Reader {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        self.socket.read_exact(&mut self.buffer)?;
        Ok(look(&self.buffer))
    }
}
