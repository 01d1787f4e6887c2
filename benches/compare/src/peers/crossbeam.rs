//! crossbeam's bounded channel and queue, between threads: messages are moved by value.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use crossbeam_queue::ArrayQueue;

use crate::Result;
use crate::crew::Kind;
use crate::subjects::queue::{CAPACITY, Line, Rx, Tx, capacity};

/// What the channel is called in a row.
pub(crate) const NAME: &str = "crossbeam-channel";

/// The channel.
pub(crate) struct Channel<const SIZE: usize>(Sender<[u8; SIZE]>, Receiver<[u8; SIZE]>);

impl<const SIZE: usize> Line for Channel<SIZE> {
    const KIND: Kind = Kind::Threads;
    type Tx = Sender<[u8; SIZE]>;
    type Rx = Receiver<[u8; SIZE]>;

    fn new(size: usize) -> Result<Self> {
        check(SIZE, size)?;
        let (tx, rx) = bounded(CAPACITY);
        Ok(Self(tx, rx))
    }

    fn tx(&self) -> Result<Self::Tx> {
        Ok(self.0.clone())
    }

    fn rx(&mut self) -> Result<Self::Rx> {
        Ok(self.1.clone())
    }
}

impl<const SIZE: usize> Tx for Sender<[u8; SIZE]> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        Ok(Sender::send(self, message.try_into()?)?)
    }
}

impl<const SIZE: usize> Rx for Receiver<[u8; SIZE]> {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        Ok(look(&self.recv()?))
    }
}

/// The channel, of messages that lie in boxes.
pub(crate) struct Boxes(Sender<Box<[u8]>>, Receiver<Box<[u8]>>);

impl Line for Boxes {
    const KIND: Kind = Kind::Threads;
    type Tx = Sender<Box<[u8]>>;
    type Rx = Receiver<Box<[u8]>>;

    fn new(size: usize) -> Result<Self> {
        let (tx, rx) = bounded(capacity(size));
        Ok(Self(tx, rx))
    }

    fn tx(&self) -> Result<Self::Tx> {
        Ok(self.0.clone())
    }

    fn rx(&mut self) -> Result<Self::Rx> {
        Ok(self.1.clone())
    }
}

impl Tx for Sender<Box<[u8]>> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        Ok(Sender::send(self, message.into())?)
    }
}

impl Rx for Receiver<Box<[u8]>> {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        Ok(look(&self.recv()?))
    }
}

/// The queue, which cannot wait.
pub(crate) struct Array<const SIZE: usize>(Arc<ArrayQueue<[u8; SIZE]>>);

impl<const SIZE: usize> Line for Array<SIZE> {
    const KIND: Kind = Kind::Threads;
    type Tx = Arc<ArrayQueue<[u8; SIZE]>>;
    type Rx = Arc<ArrayQueue<[u8; SIZE]>>;

    fn new(size: usize) -> Result<Self> {
        check(SIZE, size)?;
        Ok(Self(Arc::new(ArrayQueue::new(CAPACITY))))
    }

    fn tx(&self) -> Result<Self::Tx> {
        Ok(self.0.clone())
    }

    fn rx(&mut self) -> Result<Self::Rx> {
        Ok(self.0.clone())
    }
}

impl<const SIZE: usize> Tx for Arc<ArrayQueue<[u8; SIZE]>> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        self.push(message.try_into()?).map_err(|_| "the queue is full".into())
    }
}

impl<const SIZE: usize> Rx for Arc<ArrayQueue<[u8; SIZE]>> {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        Ok(look(&self.pop().ok_or("the queue is empty")?))
    }
}

fn check(made_for: usize, size: usize) -> Result {
    if made_for == size { Ok(()) } else { Err(format!("made for {made_for} bytes only").into()) }
}
