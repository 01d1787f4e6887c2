//! `ByteQueue`, between processes; its slots are as large as the messages.

use ipc_queue::{Builder, ByteQueue};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::queue::{CAPACITY, Line, Rx, Tx};

pub(crate) struct OurQueue(ByteQueue);

pub(crate) struct Receiver {
    queue: ByteQueue,
    buffer: Vec<u8>,
}

impl Line for OurQueue {
    const KIND: Kind = Kind::Processes;
    type Tx = ByteQueue;
    type Rx = Receiver;

    fn new(size: usize) -> Result<Self> {
        Ok(Self(Builder::new(CAPACITY).message_bytes(size).bytes()?))
    }

    fn tx(&self) -> Result<ByteQueue> {
        Ok(self.0.clone())
    }

    fn rx(&mut self) -> Result<Receiver> {
        Ok(Receiver { queue: self.0.clone(), buffer: vec![] })
    }
}

impl Tx for ByteQueue {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        // The error would carry the message, which is ours and may not leave this function.
        self.put(message).map_err(|error| error.to_string().into())
    }
}

impl Rx for Receiver {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        self.queue.get_into(&mut self.buffer, ipc_core::Deadline::NEVER)?;
        Ok(look(&self.buffer))
    }
}
