//! Queues of bytes.
//!
//! - `queue/P:C/SIZE`: messages a second between P producers and C consumers, through a queue with
//!   room for 1,024. The producers come first and the consumers after them, on cores 0, 1, 0, …. A
//!   producer sends from a buffer of its own; a consumer reads a byte of every cache line. Each
//!   message says who sent it and as which of how many: a consumer checks that no producer's
//!   messages come out of order, and, if there is one of each, that none is missing.
//!   From 64 KiB on there are three more ways: `in-place`, where a message is written and read where
//!   it lies; `hand-over`, where all but its first line is left alone; and boxes, between threads.
//!   `iceoryx2` (a feature, since it needs libclang) copies once: it reads a message where it lies.
//! - `queue/put-get/SIZE`: nanoseconds that one thread on core 0 takes to put a message into an
//!   empty queue and get it out again.
//!   `values`: the same with a queue of numbers. `joinable`: with one that keeps a number until it is
//!   done, which is counted in.
//!   `vyukov`: a ring like ours, with sleepers and a close like ours, and nothing in it for who dies: the
//!   ratio to it is what that costs.
//! - `queue/ping-pong/SIZE`: nanoseconds that a message takes to another worker and back, through two
//!   queues, where each has a core; `queue/ping-pong-one-core/SIZE`: where both are on core 0. `bare` is
//!   one place for one message beside a bare word, which both always have in their caches. The figure of a round is the one in the middle of its round trips.
//! - `queue/latency/QUANTILE`: the same where each has a core, and the figure is another of them.

use std::hint::black_box;

use crate::bench::{Bench, Metric};
use crate::crew::{Crew, Kind, Worker};
use crate::flags::Effort;
#[cfg(feature = "iceoryx2")]
use crate::peers::iceoryx2;
use crate::peers::multiproc::joinable::{Joinable, Values};
use crate::peers::multiproc::queue::{HandOver, InPlace, OurQueue};
use crate::peers::{bare_line, crossbeam, ipc_channel, ipmpsc, pipe, python, vyukov};
use crate::rounds::OURS;
use crate::{Result, cores, timing};

/// How many messages fit into a queue.
pub(crate) const CAPACITY: usize = 1024;

/// How many messages of `size` bytes fit into a queue: large ones take 4 MiB, or are sixteen.
pub(crate) fn capacity(size: usize) -> usize {
    if size <= 1024 { CAPACITY } else { ((4 << 20) / size).max(16) }
}

/// Something that messages can be put into at one end, and got out of at the other.
pub(crate) trait Line: Sized {
    /// Between whom.
    const KIND: Kind;
    /// The end for a producer.
    type Tx: Tx;
    /// The end for a consumer.
    type Rx: Rx;

    /// Makes one for messages of `size` bytes, which forked workers share if it is for processes.
    fn new(size: usize) -> Result<Self>;

    /// An end for one more producer.
    fn tx(&self) -> Result<Self::Tx>;

    /// An end for one more consumer.
    fn rx(&mut self) -> Result<Self::Rx>;
}

/// The end for a producer.
pub(crate) trait Tx: Send + 'static {
    /// Sends a message, waiting for room.
    fn send(&mut self, message: &[u8]) -> Result;
}

/// The end for a consumer.
pub(crate) trait Rx: Send + 'static {
    /// Receives a message, waiting for it, and looks at it.
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T>;
}

/// What there is to measure.
pub(crate) fn benches() -> Vec<Bench> {
    let shapes = [(1, 1, 8), (1, 1, 64), (1, 1, 1024), (2, 2, 8), (2, 2, 64), (4, 4, 64)];
    let mut benches: Vec<Bench> =
        shapes.into_iter().map(|(n_tx, n_rx, size)| throughput_bench(n_tx, n_rx, size)).collect();
    benches.push(
        Bench::new("queue/put-get/8", Metric::Ns)
            .peer(OURS, |effort| put_get::<OurQueue>(8, effort))
            .peer("multiproc-values", |effort| put_get::<Values>(8, effort))
            .peer("multiproc-joinable", |effort| put_get::<Joinable>(8, effort))
            .peer("vyukov", |effort| put_get::<vyukov::Ring>(8, effort))
            .peer("crossbeam-queue", |effort| put_get::<crossbeam::Array<8>>(8, effort))
            .peer("crossbeam-channel", |effort| put_get::<crossbeam::Channel<8>>(8, effort))
            .peer("ipmpsc", |effort| put_get::<ipmpsc::Ring>(8, effort))
            .peer("pipe", |effort| put_get::<pipe::Pipe>(8, effort)),
    );
    benches.extend([64 << 10, 1 << 20].map(large_bench));
    benches.extend([ping_pong_8_bench(), ping_pong_bench("queue/ping-pong/64", 1)]);
    benches.push(ping_pong_bench("queue/ping-pong-one-core/64", 0));
    benches.extend(QUANTILES.map(latency_bench));
    benches
}

fn throughput_bench(n_tx: usize, n_rx: usize, size: usize) -> Bench {
    let shape = Shape { n_tx, n_rx, size };
    let bench = Bench::new(format!("queue/{n_tx}:{n_rx}/{size}"), Metric::Messages)
        .peer(OURS, move |effort| throughput::<OurQueue>(shape, effort));
    let mut bench = match size {
        8 => bench.peer(crossbeam::NAME, move |effort| {
            throughput::<crossbeam::Channel<8>>(shape, effort)
        }),
        64 => bench.peer(crossbeam::NAME, move |effort| {
            throughput::<crossbeam::Channel<64>>(shape, effort)
        }),
        _ => bench.peer(crossbeam::NAME, move |effort| {
            throughput::<crossbeam::Channel<1024>>(shape, effort)
        }),
    };
    bench = bench
        .peer("vyukov", move |effort| throughput::<vyukov::Ring>(shape, effort))
        .peer("pipe", move |effort| throughput::<pipe::Pipe>(shape, effort));
    if n_rx == 1 {
        bench = bench
            .peer("ipc-channel", move |effort| throughput::<ipc_channel::Channel>(shape, effort))
            .peer("ipmpsc", move |effort| throughput::<ipmpsc::Ring>(shape, effort));
    }
    #[cfg(feature = "iceoryx2")]
    if (n_tx, n_rx) == (1, 1) {
        bench =
            bench.peer("iceoryx2", move |effort| throughput::<iceoryx2::Copying>(shape, effort));
    }
    let python = move |kind: &'static str| {
        move |effort| {
            let [n_tx, n_rx, size] = [n_tx, n_rx, size].map(|number| number.to_string());
            python::measure("queues", &[kind, &n_tx, &n_rx, &size], effort)
        }
    };
    bench.peer("python", python("Queue")).peer("python-simplequeue", python("SimpleQueue"))
}

/// One producer and one consumer, and messages that are not moved by value.
fn large_bench(size: usize) -> Bench {
    let shape = Shape { n_tx: 1, n_rx: 1, size };
    let bench = Bench::new(format!("queue/1:1/{size}"), Metric::Messages)
        .peer(OURS, move |effort| throughput::<OurQueue>(shape, effort))
        .peer("multiproc-in-place", move |effort| throughput::<InPlace>(shape, effort))
        .peer("multiproc-hand-over", move |effort| throughput::<HandOver>(shape, effort))
        .peer("crossbeam-boxes", move |effort| throughput::<crossbeam::Boxes>(shape, effort))
        .peer("ipc-channel", move |effort| throughput::<ipc_channel::Channel>(shape, effort))
        .peer("ipmpsc", move |effort| throughput::<ipmpsc::Ring>(shape, effort));
    #[cfg(feature = "iceoryx2")]
    let bench = bench
        .peer("iceoryx2", move |effort| throughput::<iceoryx2::Copying>(shape, effort))
        .peer("iceoryx2-hand-over", move |effort| throughput::<iceoryx2::HandOver>(shape, effort));
    bench
}

/// Short messages, which lie in one line with all that is said of them.
fn ping_pong_8_bench() -> Bench {
    Bench::new("queue/ping-pong/8", Metric::Ns)
        .peer(OURS, |effort| ping_pong::<OurQueue>(8, 1, effort))
        .peer("bare", |effort| ping_pong::<bare_line::Bare>(8, 1, effort))
        .peer("vyukov", |effort| ping_pong::<vyukov::Ring>(8, 1, effort))
        .peer(crossbeam::NAME, |effort| ping_pong::<crossbeam::Channel<8>>(8, 1, effort))
}

fn ping_pong_bench(name: &str, echo_core: usize) -> Bench {
    let mut bench = Bench::new(name, Metric::Ns)
        .peer(OURS, move |effort| ping_pong::<OurQueue>(64, echo_core, effort))
        .peer("vyukov", move |effort| ping_pong::<vyukov::Ring>(64, echo_core, effort))
        .peer(crossbeam::NAME, move |effort| {
            ping_pong::<crossbeam::Channel<64>>(64, echo_core, effort)
        })
        .peer("pipe", move |effort| ping_pong::<pipe::Pipe>(64, echo_core, effort))
        .peer("ipc-channel", move |effort| ping_pong::<ipc_channel::Channel>(64, echo_core, effort))
        .peer("ipmpsc", move |effort| ping_pong::<ipmpsc::Ring>(64, echo_core, effort));
    // It would look for as long as it is let, if the other has no core of its own.
    if echo_core != 0 {
        bench = bench.peer("bare", |effort| ping_pong::<bare_line::Bare>(64, 1, effort));
    }
    bench.peer("python", move |effort| {
        python::measure("ping_pong", &["64", &echo_core.to_string()], effort)
    })
}

/// Of how long a message is on its way: the middle, and what few take longer than.
const QUANTILES: [(&str, f64); 5] =
    [("p10", 0.1), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

fn latency_bench((name, quantile): (&str, f64)) -> Bench {
    Bench::new(format!("queue/latency/{name}"), Metric::Ns)
        .peer(OURS, move |effort| round_trips::<OurQueue>(64, 1, quantile, effort))
        .peer(crossbeam::NAME, move |effort| {
            round_trips::<crossbeam::Channel<64>>(64, 1, quantile, effort)
        })
        .peer("pipe", move |effort| round_trips::<pipe::Pipe>(64, 1, quantile, effort))
        .peer("ipc-channel", move |effort| {
            round_trips::<ipc_channel::Channel>(64, 1, quantile, effort)
        })
}

/// Who sends what to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) n_tx: usize,
    pub(crate) n_rx: usize,
    pub(crate) size: usize,
}

pub(crate) fn throughput<L: Line>(shape: Shape, effort: Effort) -> Result<f64> {
    let Shape { n_tx, n_rx, size } = shape;
    let mut line = L::new(size)?;
    let mut workers = vec![];
    for producer in 0..n_tx {
        let mut tx = line.tx()?;
        workers.push(Worker::on(producer, move |seat| {
            let mut message = vec![0; size];
            let mut stamp = Stamp { producer: u8::try_from(producer)?, number: 0 };
            // Whoever puts is not counted, so as not to count what was never got.
            while seat.goes_on() {
                stamp.write(&mut message);
                tx.send(&message)?;
                stamp.number += 1;
            }
            Ok(())
        }));
    }
    for consumer in 0..n_rx {
        let mut rx = line.rx()?;
        workers.push(Worker::on(n_tx + consumer, move |seat| {
            let mut order = Order::new(n_tx == 1 && n_rx == 1);
            while seat.goes_on() {
                rx.receive(|message| order.check(message))??;
                seat.count();
            }
            Ok(())
        }));
    }
    // Those that are processes are killed when it is over: nobody needs to be told to end.
    Ok(Crew::start(L::KIND, workers)?.measure(effort)?.per_second())
}

fn put_get<L: Line>(size: usize, effort: Effort) -> Result<f64> {
    cores::pin(0)?;
    let mut line = L::new(size)?;
    let (mut tx, mut rx) = (line.tx()?, line.rx()?);
    let message = vec![1; size];
    timing::mean(effort, || {
        tx.send(&message)?;
        rx.receive(touch)
    })
}

pub(crate) fn ping_pong<L: Line>(size: usize, echo_core: usize, effort: Effort) -> Result<f64> {
    round_trips::<L>(size, echo_core, 0.5, effort)
}

/// How long round trips take, where a share of `quantile` takes less.
fn round_trips<L: Line>(
    size: usize,
    echo_core: usize,
    quantile: f64,
    effort: Effort,
) -> Result<f64> {
    let (mut there, mut back) = (L::new(size)?, L::new(size)?);
    let (mut tx, mut rx) = (there.tx()?, back.rx()?);
    let (mut echo_tx, mut echo_rx) = (back.tx()?, there.rx()?);
    let echo = Worker::on(echo_core, move |_| {
        let mut message = Vec::with_capacity(size);
        loop {
            message.clear();
            echo_rx.receive(|received| message.extend_from_slice(received))?;
            echo_tx.send(&message)?;
        }
    });
    let crew = Crew::start(L::KIND, vec![echo])?;
    cores::pin(0)?;
    let mut stamp = Stamp { producer: 0, number: 0 };
    let mut message = vec![0; size];
    let time = timing::quantile(effort, quantile, || {
        stamp.number += 1;
        stamp.write(&mut message);
        tx.send(&message)?;
        match rx.receive(|received| received == message)? {
            true => Ok(()),
            false => Err("what came back is not what was sent".into()),
        }
    })?;
    drop(crew);
    Ok(time)
}

/// Reads a byte of every cache line.
#[inline]
fn touch(message: &[u8]) {
    for byte in message.iter().step_by(64) {
        black_box(*byte);
    }
}

/// The first eight bytes of a message: who sent it, and as which.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    producer: u8,
    number: u64,
}

impl Stamp {
    const BYTES: usize = 8;

    #[inline]
    fn write(self, message: &mut [u8]) {
        let word = u64::from(self.producer) << 56 | self.number;
        message[..Self::BYTES].copy_from_slice(&word.to_le_bytes());
    }

    #[inline]
    fn read(message: &[u8]) -> Option<Self> {
        let word = u64::from_le_bytes(*message.first_chunk()?);
        let [.., producer] = word.to_le_bytes();
        Some(Self { producer, number: word & (u64::MAX >> 8) })
    }
}

/// Which message of each producer a consumer may get next.
struct Order {
    next: [u64; 8],
    /// Whether it must be exactly that one: there is nobody else who could have got it.
    is_exact: bool,
}

impl Order {
    fn new(is_exact: bool) -> Self {
        Self { next: [0; 8], is_exact }
    }

    #[inline]
    fn check(&mut self, message: &[u8]) -> Result {
        touch(message);
        let stamp = Stamp::read(message).ok_or("a message is too short")?;
        let next = self.next.get_mut(usize::from(stamp.producer)).ok_or("nobody sent this")?;
        let as_it_should =
            if self.is_exact { stamp.number == *next } else { stamp.number >= *next };
        if !as_it_should {
            return Err(format!("{stamp:?} came when {next} was next").into());
        }
        *next = stamp.number + 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(producer: u8, number: u64) -> [u8; 8] {
        let mut bytes = [0; 8];
        Stamp { producer, number }.write(&mut bytes);
        bytes
    }

    #[test]
    fn a_message_out_of_order_is_seen() {
        let mut order = Order::new(false);
        order.check(&message(1, 3)).unwrap();
        order.check(&message(0, 0)).unwrap();
        order.check(&message(1, 7)).unwrap();
        assert!(order.check(&message(1, 6)).is_err());
        assert!(order.check(&message(9, 0)).is_err());
        assert!(order.check(&[0; 7]).is_err());
    }

    #[test]
    fn a_message_that_is_missing_is_seen() {
        let mut order = Order::new(true);
        order.check(&message(0, 0)).unwrap();
        order.check(&message(0, 1)).unwrap();
        assert!(order.check(&message(0, 3)).is_err());
        assert!(order.check(&message(0, 1)).is_err());
    }
}
