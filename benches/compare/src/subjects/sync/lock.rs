//! Locks: free, and between workers that take and give back.
//!
//! - `sync/lock/free`: nanoseconds that one thread takes to lock and unlock; it is on core 0.
//! - `sync/lock/2`, `/4`: how often a second 2 or 4 workers on different cores (round and round)
//!   lock, add one to a counter, and unlock. At the end it is checked that no addition was lost.
//! - `sync/lock/2/1us`, `/4/1us`: the same, and each holds the lock for a microsecond.
//! - `sync/lock/2/fair` and so on: how many times as often the luckiest worker had it as the
//!   unluckiest.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Metric};
use crate::board::{Padded, share};
use crate::crew::{Crew, Kind, Window, Worker};
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

/// How many workers want the lock, and how long each holds it.
#[derive(Clone, Copy)]
struct Contest {
    n_workers: usize,
    hold: Duration,
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
    let short = |n_workers| Contest { n_workers, hold: Duration::ZERO };
    let long = |n_workers| Contest { n_workers, hold: Duration::from_micros(1) };
    let contended = [2, 4].into_iter().flat_map(|n| {
        let short_holds = Bench::new(format!("sync/lock/{n}"), Metric::Operations)
            .peer(OURS, move |effort| rate::<OurLock>(short(n), effort))
            .peer("pthread", move |effort| rate::<pthread::Plain>(short(n), effort))
            .peer("pthread-robust", move |effort| rate::<pthread::Robust>(short(n), effort))
            .peer("parking_lot", move |effort| rate::<parking_lot::Lock>(short(n), effort))
            .peer("std", move |effort| rate::<std_sync::Lock>(short(n), effort))
            .peer("python", move |effort| python::measure("sync", &[&n.to_string()], effort));
        let long_holds = Bench::new(format!("sync/lock/{n}/1us"), Metric::Operations)
            .peer(OURS, move |effort| rate::<OurLock>(long(n), effort))
            .peer("pthread", move |effort| rate::<pthread::Plain>(long(n), effort))
            .peer("pthread-robust", move |effort| rate::<pthread::Robust>(long(n), effort));
        let fair = |name: &str, contest: Contest| {
            Bench::new(format!("sync/lock/{n}/{name}"), Metric::MostOverLeast)
                .peer(OURS, move |effort| fairness::<OurLock>(contest, effort))
                .peer("pthread-robust", move |effort| fairness::<pthread::Robust>(contest, effort))
        };
        [short_holds, long_holds, fair("fair", short(n)), fair("fair-1us", long(n))]
    });
    [free].into_iter().chain(contended).collect()
}

fn free<L: Locking>(effort: Effort) -> Result<f64> {
    cores::pin(0)?;
    let lock = L::new()?;
    timing::mean(effort, || lock.locked(|| ()))
}

fn rate<L: Locking>(contest: Contest, effort: Effort) -> Result<f64> {
    Ok(contend::<L>(contest, effort)?.per_second())
}

fn fairness<L: Locking>(contest: Contest, effort: Effort) -> Result<f64> {
    // Whoever is luckier changes: over too short a time everybody looks unfair.
    let effort = Effort { window: effort.window.max(Duration::from_millis(500)), ..effort };
    let counts = contend::<L>(contest, effort)?.counts;
    let most = counts.iter().copied().max().unwrap_or_default();
    let least = counts.iter().copied().min().unwrap_or_default().max(1);
    #[expect(clippy::cast_precision_loss, reason = "a figure needs no 53 bits")]
    let ratio = most as f64 / least as f64;
    Ok(ratio)
}

fn contend<L: Locking>(contest: Contest, effort: Effort) -> Result<Window> {
    let lock = Arc::new(L::new()?);
    let counter: &'static Padded<AtomicU64> = share()?;
    let workers = (0..contest.n_workers).map(|core| {
        let lock = lock.clone();
        Worker::on(core, move |seat| {
            while seat.goes_on() {
                lock.locked(|| {
                    // Not an atomic addition: only the lock keeps two of them apart.
                    counter.0.store(counter.0.load(Relaxed) + 1, Relaxed);
                    pass_time(contest.hold);
                })?;
                seat.count();
            }
            Ok(())
        })
    });
    let mut crew = Crew::start(L::KIND, workers.collect())?;
    let window = crew.measure(effort)?;
    let (counted, added) = (crew.finish()?, counter.0.load(Relaxed));
    if counted == added {
        Ok(window)
    } else {
        Err(format!("{counted} additions came to {added}: the lock does not lock").into())
    }
}

#[inline]
fn pass_time(time: Duration) {
    if time > Duration::ZERO {
        let start = Instant::now();
        while start.elapsed() < time {
            spin_loop();
        }
    }
}
