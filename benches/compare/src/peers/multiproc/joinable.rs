//! `JoinableQueue` of numbers, between processes, where each is done as soon as it was looked at; and
//! `Queue` of them, for the price of that.

use ipc_queue::{JoinableQueue, Queue};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::queue::{Line, Rx, Tx, capacity};

pub(crate) struct Joinable(JoinableQueue<u64>);

pub(crate) struct Values(Queue<u64>);

impl Line for Joinable {
    const KIND: Kind = Kind::Processes;
    type Tx = JoinableQueue<u64>;
    type Rx = JoinableQueue<u64>;

    fn new(size: usize) -> Result<Self> {
        Ok(Self(JoinableQueue::bounded(capacity(size))?))
    }

    fn tx(&self) -> Result<Self::Tx> {
        Ok(self.0.clone())
    }

    fn rx(&mut self) -> Result<Self::Rx> {
        Ok(self.0.clone())
    }
}

impl Tx for JoinableQueue<u64> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        self.put(number(message)?).map_err(|error| error.to_string().into())
    }
}

impl Rx for JoinableQueue<u64> {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let lease = self.get()?;
        let seen = look(&lease.to_le_bytes());
        lease.done()?;
        Ok(seen)
    }
}

impl Line for Values {
    const KIND: Kind = Kind::Processes;
    type Tx = Queue<u64>;
    type Rx = Queue<u64>;

    fn new(size: usize) -> Result<Self> {
        Ok(Self(Queue::bounded(capacity(size))?))
    }

    fn tx(&self) -> Result<Self::Tx> {
        Ok(self.0.clone())
    }

    fn rx(&mut self) -> Result<Self::Rx> {
        Ok(self.0.clone())
    }
}

impl Tx for Queue<u64> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        self.put(number(message)?).map_err(|error| error.to_string().into())
    }
}

impl Rx for Queue<u64> {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        Ok(look(&self.get()?.to_le_bytes()))
    }
}

/// The message as a number, for that is what goes through the queue.
fn number(message: &[u8]) -> Result<u64> {
    Ok(u64::from_le_bytes(message.try_into()?))
}
