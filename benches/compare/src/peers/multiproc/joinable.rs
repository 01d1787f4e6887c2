//! `JoinableQueue`, between processes, where each message is done as soon as it was looked at; and
//! `Queue`, for the price of that.

use ipc_queue::{JoinableQueue, Queue};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::queue::{Line, Rx, Tx, capacity};

pub(crate) struct Joinable(JoinableQueue<Vec<u8>>);

pub(crate) struct Values(Queue<Vec<u8>>);

impl Line for Joinable {
    const KIND: Kind = Kind::Processes;
    type Tx = JoinableQueue<Vec<u8>>;
    type Rx = JoinableQueue<Vec<u8>>;

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

impl Tx for JoinableQueue<Vec<u8>> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        self.put(message.to_vec()).map_err(|error| error.to_string().into())
    }
}

impl Rx for JoinableQueue<Vec<u8>> {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let lease = self.get()?;
        let seen = look(&lease);
        lease.done()?;
        Ok(seen)
    }
}

impl Line for Values {
    const KIND: Kind = Kind::Processes;
    type Tx = Queue<Vec<u8>>;
    type Rx = Queue<Vec<u8>>;

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

impl Tx for Queue<Vec<u8>> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        self.put(message.to_vec()).map_err(|error| error.to_string().into())
    }
}

impl Rx for Queue<Vec<u8>> {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        Ok(look(&self.get()?))
    }
}
