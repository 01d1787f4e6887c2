//! Locks: free, and between workers that do nothing but take and give back.
//!
//! - `sync/lock/free`: nanoseconds that one thread takes to lock and unlock; it is on core 0.
//! - `sync/lock/2`, `/4`: how often a second 2 or 4 workers on different cores (round and round)
//!   lock, add one to a counter, and unlock. At the end it is checked that no addition was lost.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::bench::{Bench, Metric};
use crate::board::{Padded, share};
use crate::crew::{Crew, Kind, Worker};
use crate::flags::Effort;
use crate::peers::multiproc::lock::OurLock;
use crate::peers::{parking_lot, pthread, python, std_sync};
use crate::rounds::OURS;
use crate::{Result, cores, timing};

/// A lock that several workers can take.
pub(crate) trait Locking: Sized + Send + Sync + 'static {
    /// Between whom.
    const KIND: Kind;

    /// Makes one, which forked workers share if it is for processes.
    fn new() -> Result<Self>;

    /// Does something while the lock is held.
    fn locked(&self, work: impl FnOnce()) -> Result;
}

/// What there is to measure.
pub(crate) fn benches() -> Vec<Bench> {
    let free = Bench::new("sync/lock/free", Metric::Ns)
        .peer(OURS, free::<OurLock>)
        .peer("pthread", free::<pthread::Plain>)
        .peer("pthread-robust", free::<pthread::Robust>)
        .peer("parking_lot", free::<parking_lot::Lock>)
        .peer("std", free::<std_sync::Lock>)
        .peer("python", |effort| python::measure("sync", &["free"], effort));
    let contended = [2, 4].map(|n| {
        Bench::new(format!("sync/lock/{n}"), Metric::Operations)
            .peer(OURS, move |effort| contended::<OurLock>(n, effort))
            .peer("pthread", move |effort| contended::<pthread::Plain>(n, effort))
            .peer("pthread-robust", move |effort| contended::<pthread::Robust>(n, effort))
            .peer("parking_lot", move |effort| contended::<parking_lot::Lock>(n, effort))
            .peer("std", move |effort| contended::<std_sync::Lock>(n, effort))
            .peer("python", move |effort| python::measure("sync", &[&n.to_string()], effort))
    });
    [free].into_iter().chain(contended).collect()
}

fn free<L: Locking>(effort: Effort) -> Result<f64> {
    cores::pin(0)?;
    let lock = L::new()?;
    timing::mean(effort, || lock.locked(|| ()))
}

fn contended<L: Locking>(n: usize, effort: Effort) -> Result<f64> {
    let lock = Arc::new(L::new()?);
    let counter: &'static Padded<AtomicU64> = share()?;
    let workers = (0..n).map(|core| {
        let lock = lock.clone();
        Worker::on(core, move |seat| {
            while seat.goes_on() {
                // Not an atomic addition: only the lock keeps two of them apart.
                lock.locked(|| counter.0.store(counter.0.load(Relaxed) + 1, Relaxed))?;
                seat.count();
            }
            Ok(())
        })
    });
    let mut crew = Crew::start(L::KIND, workers.collect())?;
    let window = crew.measure(effort)?;
    let (counted, added) = (crew.finish()?, counter.0.load(Relaxed));
    if counted == added {
        Ok(window.per_second())
    } else {
        Err(format!("{counted} additions came to {added}: the lock does not lock").into())
    }
}
