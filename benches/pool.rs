//! Pools: what a task costs, alone and among many, and with what it carries.
#![expect(clippy::unwrap_used, reason = "a bench")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pool::Pool;

fn next(number: u64) -> u64 {
    number + 1
}

fn len(bytes: Vec<u8>) -> usize {
    bytes.len()
}

fn alone(criterion: &mut Criterion) {
    let pool = Pool::new().unwrap();
    criterion.bench_function("pool/call", |bencher| {
        bencher.iter(|| pool.call(next, 7).unwrap());
    });
    criterion.bench_function("pool/submit-join", |bencher| {
        bencher.iter(|| pool.submit(next, 7).unwrap().join().unwrap());
    });
}

fn many(criterion: &mut Criterion) {
    const TASKS: u64 = 4000;
    let mut group = criterion.benchmark_group("pool/map");
    group.throughput(Throughput::Elements(TASKS));
    for n_workers in [1, 2, 4] {
        let pool = Pool::builder().workers(n_workers).build().unwrap();
        group.bench_function(BenchmarkId::from_parameter(n_workers), |bencher| {
            bencher.iter(|| pool.map(next, 0..TASKS).unwrap());
        });
    }
    group.finish();
}

fn arguments(criterion: &mut Criterion) {
    let pool = Pool::new().unwrap();
    let mut group = criterion.benchmark_group("pool/argument");
    for size in [1_u32 << 10, 64 << 10, 1 << 20] {
        let argument = vec![1_u8; usize::try_from(size).unwrap()];
        group.throughput(Throughput::Bytes(size.into()));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| pool.call(len, argument.clone()).unwrap());
        });
    }
    group.finish();
}

fn life(criterion: &mut Criterion) {
    criterion.bench_function("pool/start-end", |bencher| {
        bencher.iter(|| drop(Pool::builder().workers(2).build().unwrap()));
    });
}

criterion_group!(benches, alone, many, arguments, life);
criterion_main!(benches);
