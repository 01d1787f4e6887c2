//! ipc-channel's channel of bytes, from one process to another.

use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, bytes_channel};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::queue::{Line, Rx, Tx};

pub(crate) struct Channel(IpcBytesSender, Option<IpcBytesReceiver>);

impl Line for Channel {
    const KIND: Kind = Kind::Processes;
    type Tx = IpcBytesSender;
    type Rx = IpcBytesReceiver;

    /// How much it holds is the system's choice.
    fn new(_size: usize) -> Result<Self> {
        let (tx, rx) = bytes_channel()?;
        Ok(Self(tx, Some(rx)))
    }

    fn tx(&self) -> Result<IpcBytesSender> {
        Ok(self.0.clone())
    }

    fn rx(&mut self) -> Result<IpcBytesReceiver> {
        self.1.take().ok_or_else(|| "it has one consumer only".into())
    }
}

impl Tx for IpcBytesSender {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        Ok(IpcBytesSender::send(self, message)?)
    }
}

impl Rx for IpcBytesReceiver {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        Ok(look(&self.recv()?))
    }
}
