//! Starting a process and waiting for its result, in each way and with what it is given.
#![expect(clippy::unwrap_used, reason = "a bench")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use proc_core::{Process, Start};

fn ways(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("start");
    let ways = [("forkserver", Start::ForkServer), ("spawn", Start::Spawn), ("fork", Start::Fork)];
    for (name, way) in ways {
        group.bench_function(name, |bencher| {
            bencher.iter(|| start(way, 7_u64));
        });
    }
    group.finish();
}

fn arguments(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("start/argument");
    for size in [1_usize << 10, 64 << 10] {
        let argument = vec![1_u8; size];
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| start(Start::ForkServer, argument.clone()));
        });
    }
    group.finish();
}

/// Starts a process that gives back what it was given.
fn start<A>(way: Start, argument: A) -> A
where
    A: serde::Serialize + serde::de::DeserializeOwned,
{
    Process::builder().start(way).spawn(std::convert::identity, argument).unwrap().join().unwrap()
}

criterion_group!(benches, ways, arguments);
criterion_main!(benches);
