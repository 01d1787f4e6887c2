//! iceoryx2's publisher and subscriber of slices, from one process to another.
//!
//! Messages are written into memory that was lent, and read where they lie: one copy. Nobody can sleep
//! on a subscriber, so whoever waits looks, and after a while gives its processor away. A publisher whose
//! subscriber has no room tries again by itself.

#![expect(unsafe_code, reason = "ports of a process with one thread go to its fork")]

use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::{hint, process, thread};

use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::update_connections::UpdateConnections as _;
use iceoryx2::prelude::{BackpressureStrategy, LogLevel, NodeBuilder, ipc, set_log_level};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::queue::{Line, Rx, Tx, capacity};

/// How often one who waits looks before it gives its processor away.
const LOOKS: u32 = 100;

type Writer = Publisher<ipc::Service, [u8], ()>;
type Reader = Subscriber<ipc::Service, [u8], ()>;

/// Messages are written whole, and read.
pub(crate) struct Copying(Ports);

/// Nobody writes or reads more of a message than its first line.
pub(crate) struct HandOver(Ports);

struct Ports {
    writer: Rc<Writer>,
    reader: Rc<Reader>,
}

/// An end; `N_BYTES` of each message are written and looked at.
pub(crate) struct End<P, const N_BYTES: usize>(Rc<P>);

// SAFETY: workers are forked from a process that has one thread, so that an end is used by one thread of
// each of two processes, of which the first does nothing but drop it.
unsafe impl<P, const N_BYTES: usize> Send for End<P, N_BYTES> {}

impl Ports {
    fn new(size: usize) -> Result<Self> {
        static N_MADE: AtomicU64 = AtomicU64::new(0);
        set_log_level(LogLevel::Fatal);
        let name = format!("compare/{}/{}", process::id(), N_MADE.fetch_add(1, Relaxed));
        let node = NodeBuilder::new().create::<ipc::Service>()?;
        let service = node
            .service_builder(&name.as_str().try_into()?)
            .publish_subscribe::<[u8]>()
            .enable_safe_overflow(false)
            .history_size(0)
            .subscriber_max_buffer_size(capacity(size))
            .max_publishers(1)
            .max_subscribers(1)
            .create()?;
        let reader = service.subscriber_builder().create()?;
        let writer = service
            .publisher_builder()
            .initial_max_slice_len(size)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        // They are connected before anybody is forked: a publisher does not wait for a subscriber that is
        // yet to come, and what is connected here is also taken down here.
        writer.update_connections()?;
        if reader.receive()?.is_some() {
            return Err("somebody else sends".into());
        }
        Ok(Self { writer: Rc::new(writer), reader: Rc::new(reader) })
    }
}

impl Line for Copying {
    const KIND: Kind = Kind::Processes;
    type Tx = End<Writer, { usize::MAX }>;
    type Rx = End<Reader, { usize::MAX }>;

    fn new(size: usize) -> Result<Self> {
        Ok(Self(Ports::new(size)?))
    }

    fn tx(&self) -> Result<Self::Tx> {
        Ok(End(Rc::clone(&self.0.writer)))
    }

    fn rx(&mut self) -> Result<Self::Rx> {
        Ok(End(Rc::clone(&self.0.reader)))
    }
}

impl Line for HandOver {
    const KIND: Kind = Kind::Processes;
    type Tx = End<Writer, 64>;
    type Rx = End<Reader, 64>;

    fn new(size: usize) -> Result<Self> {
        Ok(Self(Ports::new(size)?))
    }

    fn tx(&self) -> Result<Self::Tx> {
        Ok(End(Rc::clone(&self.0.writer)))
    }

    fn rx(&mut self) -> Result<Self::Rx> {
        Ok(End(Rc::clone(&self.0.reader)))
    }
}

impl<const N_BYTES: usize> Tx for End<Writer, N_BYTES> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        let mut sample = self.0.loan_slice_uninit(message.len())?;
        let n_bytes = N_BYTES.min(message.len());
        for (place, byte) in sample.payload_mut().iter_mut().zip(&message[..n_bytes]) {
            place.write(*byte);
        }
        // SAFETY: bytes, of shared memory that was mapped as zeros, and of those only the first
        // `n_bytes`, just written, are looked at.
        let sample = unsafe { sample.assume_init() };
        sample.send()?;
        Ok(())
    }
}

impl<const N_BYTES: usize> Rx for End<Reader, N_BYTES> {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let mut n_looks = 0;
        loop {
            if let Some(sample) = self.0.receive()? {
                let bytes = sample.payload();
                return Ok(look(&bytes[..N_BYTES.min(bytes.len())]));
            }
            if n_looks < LOOKS {
                n_looks += 1;
                hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_as_they_were_sent() {
        let mut line = Copying::new(100).unwrap();
        let (mut tx, mut rx) = (line.tx().unwrap(), line.rx().unwrap());
        for number in 0..500_u32 {
            let mut message = number.to_le_bytes().to_vec();
            message.resize(100, 7);
            tx.send(&message).unwrap();
            assert!(rx.receive(|received| received == message).unwrap());
        }
    }
}
