//! `ByteQueue`, between processes; its places are as large as the messages, if those are small.

use ipc_queue::{Builder, ByteQueue};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::queue::{Line, Rx, Tx, capacity};

/// The most bytes for which a place in the ring is made.
const SMALL: usize = 1024;

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
        Ok(Self(make(size)?))
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

/// The same queue, but messages are written and read where they lie: one copy in place of two.
pub(crate) struct InPlace(ByteQueue);

/// The same queue, and nobody writes or reads more of a message than its first line.
pub(crate) struct HandOver(ByteQueue);

/// An end of either; `N_BYTES` of each message are looked at.
pub(crate) struct PlaceEnd<const N_BYTES: usize>(ByteQueue);

impl Line for InPlace {
    const KIND: Kind = Kind::Processes;
    type Tx = PlaceEnd<{ usize::MAX }>;
    type Rx = PlaceEnd<{ usize::MAX }>;

    fn new(size: usize) -> Result<Self> {
        Ok(Self(make(size)?))
    }

    fn tx(&self) -> Result<Self::Tx> {
        Ok(PlaceEnd(self.0.clone()))
    }

    fn rx(&mut self) -> Result<Self::Rx> {
        Ok(PlaceEnd(self.0.clone()))
    }
}

impl Line for HandOver {
    const KIND: Kind = Kind::Processes;
    type Tx = PlaceEnd<64>;
    type Rx = PlaceEnd<64>;

    fn new(size: usize) -> Result<Self> {
        Ok(Self(make(size)?))
    }

    fn tx(&self) -> Result<Self::Tx> {
        Ok(PlaceEnd(self.0.clone()))
    }

    fn rx(&mut self) -> Result<Self::Rx> {
        Ok(PlaceEnd(self.0.clone()))
    }
}

impl<const N_BYTES: usize> Tx for PlaceEnd<N_BYTES> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        let mut loan = self.0.loan(message.len()).map_err(|error| error.to_string())?;
        let n_bytes = N_BYTES.min(message.len());
        loan[..n_bytes].copy_from_slice(&message[..n_bytes]);
        loan.commit().map_err(|error| error.to_string().into())
    }
}

impl<const N_BYTES: usize> Rx for PlaceEnd<N_BYTES> {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let sample = self.0.get_in_place()?;
        Ok(look(&sample[..N_BYTES.min(sample.len())]))
    }
}

/// A queue for messages of `size` bytes.
fn make(size: usize) -> Result<ByteQueue> {
    let builder = Builder::new(capacity(size));
    Ok(if size <= SMALL { builder.message_bytes(size).bytes()? } else { builder.bytes()? })
}
