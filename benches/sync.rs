//! Locks: free, and between threads that want nothing else.
#![expect(clippy::unwrap_used, reason = "a bench")]

use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ipc_sync::{Lock, Mutex};

fn free(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sync/free");
    let lock = Lock::new().unwrap();
    group.bench_function("lock", |bencher| bencher.iter(|| drop(lock.lock().unwrap())));
    group.bench_function("try_lock", |bencher| bencher.iter(|| drop(lock.try_lock().unwrap())));
    let mutex = Mutex::new(0_u64).unwrap();
    group.bench_function("mutex", |bencher| bencher.iter(|| *mutex.lock().unwrap() += 1));
    group.bench_function("mutex-update", |bencher| {
        bencher.iter(|| mutex.update(|value| value + 1).unwrap());
    });
    group.finish();
}

fn contended(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sync/mutex");
    for n_threads in [1, 2, 4] {
        group.bench_function(BenchmarkId::from_parameter(n_threads), |bencher| {
            bencher.iter_custom(|n| increments(n_threads, n));
        });
    }
    group.finish();
}

/// How long threads take to add one, each `n` times, divided by how many they are.
fn increments(n_threads: u32, n: u64) -> Duration {
    let mutex = Mutex::new(0_u64).unwrap();
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                for _ in 0..n {
                    *mutex.lock().unwrap() += 1;
                }
            });
        }
    });
    let time = start.elapsed();
    assert_eq!(mutex.get().unwrap(), n * u64::from(n_threads));
    time / n_threads
}

criterion_group!(benches, free, contended);
criterion_main!(benches);
