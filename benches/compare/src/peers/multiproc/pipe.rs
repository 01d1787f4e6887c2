//! Our connections, one way each, through sockets and through shared memory.

use std::cell::RefCell;

use ipc_pipe::{Receiver, Sender, ShmConnection, channel, shm_pipe};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::queue::{Line, Rx, Tx};

pub(crate) struct OurPipe {
    sender: Sender<()>,
    receiver: Receiver<()>,
    size: usize,
}

pub(crate) struct OurReceiver<C> {
    connection: C,
    buffer: Vec<u8>,
}

impl Line for OurPipe {
    const KIND: Kind = Kind::Processes;
    type Tx = Sender<()>;
    type Rx = OurReceiver<Receiver<()>>;

    fn new(size: usize) -> Result<Self> {
        let (sender, receiver) = channel()?;
        Ok(Self { sender, receiver, size })
    }

    fn tx(&self) -> Result<Self::Tx> {
        Ok(self.sender.clone())
    }

    fn rx(&mut self) -> Result<Self::Rx> {
        Ok(OurReceiver { connection: self.receiver.clone(), buffer: vec![0; self.size] })
    }
}

impl Tx for Sender<()> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        Ok(self.send_bytes(message)?)
    }
}

impl Rx for OurReceiver<Receiver<()>> {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let len = self.connection.recv_bytes_into(&mut self.buffer)?;
        Ok(look(&self.buffer[..len]))
    }
}

/// An end of a connection through shared memory; what it sends and receives are bytes.
type End = ShmConnection<(), ()>;

pub(crate) struct OurShmPipe {
    tx: RefCell<Option<End>>,
    rx: Option<End>,
    size: usize,
}

impl Line for OurShmPipe {
    const KIND: Kind = Kind::Processes;
    type Tx = End;
    type Rx = OurReceiver<End>;

    fn new(size: usize) -> Result<Self> {
        let (tx, rx) = shm_pipe()?;
        Ok(Self { tx: RefCell::new(Some(tx)), rx: Some(rx), size })
    }

    fn tx(&self) -> Result<End> {
        self.tx.take().ok_or_else(|| "it has one producer only".into())
    }

    fn rx(&mut self) -> Result<Self::Rx> {
        let connection = self.rx.take().ok_or("it has one consumer only")?;
        Ok(OurReceiver { connection, buffer: vec![0; self.size] })
    }
}

impl Tx for End {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        Ok(self.send_bytes(message)?)
    }
}

impl Rx for OurReceiver<End> {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let len = self.connection.recv_bytes_into(&mut self.buffer)?;
        Ok(look(&self.buffer[..len]))
    }
}
