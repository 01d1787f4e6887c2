//! ipmpsc's ring in shared memory, from one process to another, read without a copy.

use ipmpsc::{Receiver, Sender, SharedRingBuffer};
use serde_bytes::Bytes;

use crate::Result;
use crate::crew::Kind;
use crate::subjects::queue::{CAPACITY, Line, Rx, Tx};

pub(crate) struct Ring(SharedRingBuffer);

/// What a message takes beside its own bytes: its length, twice.
const OVERHEAD: usize = 16;

impl Line for Ring {
    const KIND: Kind = Kind::Processes;
    type Tx = Sender;
    type Rx = Receiver;

    fn new(size: usize) -> Result<Self> {
        let room = u32::try_from(CAPACITY * (size + OVERHEAD))?;
        // In memory and on no disk; its name is needed by nobody, since the workers inherit it.
        let path = format!("/dev/shm/compare-ipmpsc-{}", nix::unistd::getpid());
        let ring = SharedRingBuffer::create(&path, room);
        std::fs::remove_file(&path)?;
        Ok(Self(ring?))
    }

    fn tx(&self) -> Result<Sender> {
        Ok(Sender::new(self.0.clone()))
    }

    fn rx(&mut self) -> Result<Receiver> {
        Ok(Receiver::new(self.0.clone()))
    }
}

impl Tx for Sender {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        Ok(Sender::send(self, &Bytes::new(message))?)
    }
}

impl Rx for Receiver {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let mut context = self.zero_copy_context();
        let message: &[u8] = context.recv()?;
        Ok(look(message))
    }
}
