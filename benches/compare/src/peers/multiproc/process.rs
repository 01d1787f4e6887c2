//! `Process`, by two of its ways.

use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use proc_core::{Process, Start};

use crate::Result;

/// How to start it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    ForkServer,
    Spawn,
}

/// From the start to the join.
pub(crate) fn start(way: Way) -> Result {
    let way = match way {
        Way::ForkServer => Start::ForkServer,
        Way::Spawn => Start::Spawn,
    };
    Process::builder().start(way).spawn(nothing, ())?.join()?;
    Ok(())
}

/// So many starts are a batch.
const BATCH: usize = 100;

/// Starts a batch by as many threads as there are processors, and joins it; how many that were, and how
/// long it took.
pub(crate) fn start_batch() -> Result<(u32, Duration)> {
    let n_threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let n_each = BATCH.div_ceil(n_threads);
    let begun = Instant::now();
    thread::scope(|scope| -> Result {
        let threads: Vec<_> =
            (0..n_threads).map(|_| scope.spawn(move || start_all(n_each))).collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })?;
    Ok((u32::try_from(n_threads * n_each)?, begun.elapsed()))
}

/// The same, one after another.
pub(crate) fn start_one_by_one() -> Result<(u32, Duration)> {
    let begun = Instant::now();
    for _ in 0..BATCH {
        start(Way::Spawn)?;
    }
    Ok((u32::try_from(BATCH)?, begun.elapsed()))
}

fn start_all(n: usize) -> Result {
    let children: std::result::Result<Vec<_>, _> =
        (0..n).map(|_| Process::builder().start(Start::Spawn).spawn(nothing, ())).collect();
    for child in children? {
        child.join()?;
    }
    Ok(())
}

fn nothing((): ()) {}
