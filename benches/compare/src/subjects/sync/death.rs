//! How soon a waiter has the lock of a holder that is killed.
//!
//! `sync/death/p50`, `/p99`, `/max`: nanoseconds from just before the SIGKILL to the return of a
//! waiter that slept on another core than the killer. Holder, killer and waiter are processes.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, pause};

use crate::bench::{Bench, Metric};
use crate::board::{Padded, share};
use crate::crew::fork_off;
use crate::flags::Effort;
use crate::peers::multiproc::lock::OurLock;
use crate::peers::pthread;
use crate::rounds::OURS;
use crate::subjects::sync::lock::Locking;
use crate::{Result, cores, timing};

/// A lock that tells of a dead holder.
pub(crate) trait Robust: Locking {
    /// Takes the lock and keeps it until the process ends.
    fn hold(&self) -> Result;

    /// Waits for the lock, makes it usable again, and gives it back; says whether its holder died.
    fn inherit(&self) -> Result<bool>;
}

/// What there is to measure.
pub(crate) fn benches() -> Vec<Bench> {
    let quantile = |name: &str, quantile: f64| {
        Bench::new(format!("sync/death/{name}"), Metric::Ns)
            .peer(OURS, move |effort| measure::<OurLock>(quantile, effort))
            .peer("pthread-robust", move |effort| measure::<pthread::Robust>(quantile, effort))
    };
    vec![quantile("p50", 0.5), quantile("p99", 0.99), quantile("max", 1.0)]
}

/// How long the waiter is given to fall asleep.
const SETTLE: Duration = Duration::from_millis(1);

/// Deaths in one measurement at least: enough for a p99.
const FEWEST: usize = 100;

fn measure<L: Robust>(quantile: f64, effort: Effort) -> Result<f64> {
    cores::pin(0)?;
    let lock = Arc::new(L::new()?);
    let mut times = vec![];
    let start = Instant::now();
    while times.len() < FEWEST || start.elapsed() < effort.window {
        times.push(death(&lock)?);
    }
    times.sort_by(f64::total_cmp);
    times.get(timing::place(times.len(), quantile)).copied().ok_or_else(|| "nobody died".into())
}

fn death<L: Robust>(lock: &Arc<L>) -> Result<f64> {
    let (is_held, killed_at): (&'static Padded<AtomicU64>, &'static Padded<AtomicU64>) =
        (share()?, share()?);
    let held = lock.clone();
    let holder = fork_off(move || {
        cores::pin(1)?;
        held.hold()?;
        is_held.0.store(1, Release);
        loop {
            pause();
        }
    })?;
    while is_held.0.load(Acquire) == 0 {
        thread::yield_now();
    }
    let killer = fork_off(move || {
        cores::pin(1)?;
        thread::sleep(SETTLE);
        killed_at.0.store(now()?, Relaxed);
        kill(holder, Signal::SIGKILL)?;
        Ok(())
    })?;
    let was_told = lock.inherit()?;
    let told_at = now()?;
    reap([holder, killer])?;
    if !was_told {
        return Err("the death was not told".into());
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure needs no 53 bits")]
    let time = told_at.saturating_sub(killed_at.0.load(Relaxed)) as f64;
    Ok(time)
}

fn reap(children: [Pid; 2]) -> Result {
    for child in children {
        waitpid(child, None)?;
    }
    Ok(())
}

/// Nanoseconds on the clock that all processes share.
fn now() -> Result<u64> {
    let time = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
    Ok(u64::try_from(time.as_nanos())?)
}
