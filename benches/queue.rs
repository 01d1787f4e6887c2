//! Queues: a put and a get over sizes, and messages between threads.
#![expect(clippy::unwrap_used, reason = "a bench")]

use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ipc_core::Deadline;
use ipc_queue::{Builder, ByteQueue, Queue};

/// How many messages fit into a queue.
const CAPACITY: usize = 1024;

fn put_get(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue/put-get");
    for size in [8_u32, 64, 112, 1 << 10, 16 << 10, 64 << 10, 1 << 20] {
        let message = vec![1; usize::try_from(size).unwrap()];
        group.throughput(Throughput::Bytes(size.into()));
        // Slots as large as the messages, and messages in memory of their own.
        let shapes = [("fitting", message.len().min(64 << 10)), ("usual", 112)];
        for (shape, slot) in shapes {
            let queue = Builder::new(CAPACITY).message_bytes(slot).bytes().unwrap();
            let mut buffer = Vec::new();
            group.bench_function(BenchmarkId::new(shape, size), |bencher| {
                bencher.iter(|| {
                    queue.put(&message).unwrap();
                    queue.get_into(&mut buffer, Deadline::NEVER).unwrap();
                });
            });
        }
    }
    group.finish();
}

fn values(criterion: &mut Criterion) {
    let queue = Queue::<(u64, String)>::bounded(CAPACITY).unwrap();
    criterion.bench_function("queue/put-get/value", |bencher| {
        bencher.iter(|| {
            queue.put((7, "a short text".to_owned())).unwrap();
            queue.get().unwrap()
        });
    });
}

fn streams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue/stream");
    group.throughput(Throughput::Elements(1));
    for (n_tx, n_rx) in [(1, 1), (2, 2), (4, 4)] {
        group.bench_function(format!("{n_tx}:{n_rx}"), |bencher| {
            bencher.iter_custom(|n| stream(n_tx, n_rx, n));
        });
    }
    group.finish();
}

/// How long `n_tx` threads take to send messages, `n` in all, to `n_rx` others.
fn stream(n_tx: u64, n_rx: u64, n: u64) -> Duration {
    let queue = ByteQueue::bounded(CAPACITY).unwrap();
    let start = Instant::now();
    let n_got: u64 = thread::scope(|scope| {
        let consumers: Vec<_> = (0..n_rx).map(|_| scope.spawn(|| drain(&queue))).collect();
        let producers: Vec<_> = (0..n_tx)
            .map(|tx| {
                // What does not divide falls to the first.
                let share = n / n_tx + if tx == 0 { n % n_tx } else { 0 };
                let queue = &queue;
                scope.spawn(move || (0..share).for_each(|_| queue.put(&[1; 64]).unwrap()))
            })
            .collect();
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        queue.close();
        consumers.into_iter().map(|consumer| consumer.join().unwrap()).sum()
    });
    let time = start.elapsed();
    assert_eq!(n_got, n);
    time
}

/// Gets until the queue is closed and empty; returns how many there were.
fn drain(queue: &ByteQueue) -> u64 {
    let mut buffer = Vec::new();
    (0..).take_while(|_| queue.get_into(&mut buffer, Deadline::NEVER).is_ok()).count() as u64
}

criterion_group!(benches, put_get, values, streams);
criterion_main!(benches);
