//! How long something takes that one thread does over and over.

use std::time::{Duration, Instant};

use crate::Result;
use crate::flags::Effort;
use crate::row::median;

/// So many operations are made between two looks at the clock.
const BATCH: u32 = 256;

/// Nanoseconds an operation takes, on the average of a window after a warm-up.
pub(crate) fn mean(effort: Effort, mut operation: impl FnMut() -> Result) -> Result<f64> {
    let mut run_for = |time: Duration| -> Result<f64> {
        let start = Instant::now();
        let mut n = 0.0;
        loop {
            for _ in 0..BATCH {
                operation()?;
            }
            n += f64::from(BATCH);
            let elapsed = start.elapsed();
            if elapsed >= time {
                return Ok(nanos(elapsed) / n);
            }
        }
    };
    run_for(effort.warm_up)?;
    run_for(effort.window)
}

/// Nanoseconds an operation takes, in the middle of all those in a window after a warm-up.
///
/// Each is timed on its own: this is for what takes much longer than a look at the clock (21 ns).
pub(crate) fn middle(effort: Effort, operation: impl FnMut() -> Result) -> Result<f64> {
    times(effort, operation)
        .and_then(|times| median(&times).ok_or_else(|| "nothing was timed".into()))
}

/// The same, where a share of `quantile` takes less.
pub(crate) fn quantile(
    effort: Effort,
    quantile: f64,
    operation: impl FnMut() -> Result,
) -> Result<f64> {
    let times = times(effort, operation)?;
    let place = place(times.len(), quantile);
    times.get(place).copied().ok_or_else(|| "nothing was timed".into())
}

/// Which of `n` sorted figures has a share of `quantile` below it.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place among some millions at most"
)]
pub(crate) fn place(n: usize, quantile: f64) -> usize {
    (n.saturating_sub(1) as f64 * quantile).round() as usize
}

/// How long all operations in a window take, after a warm-up: sorted.
fn times(effort: Effort, mut operation: impl FnMut() -> Result) -> Result<Vec<f64>> {
    let start = Instant::now();
    while {
        operation()?;
        start.elapsed() < effort.warm_up
    } {}
    let mut times = vec![];
    let start = Instant::now();
    while start.elapsed() < effort.window || times.len() < FEWEST {
        let before = Instant::now();
        operation()?;
        times.push(nanos(before.elapsed()));
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// So many operations are timed however long they take.
const FEWEST: usize = 5;

/// How many a second, where `operation` does some, and returns how many and in which time, after a
/// warm-up and for as long as a window.
pub(crate) fn rate(
    effort: Effort,
    mut operation: impl FnMut() -> Result<(u32, Duration)>,
) -> Result<f64> {
    let mut run_for = |time: Duration| -> Result<f64> {
        let (mut n, mut elapsed) = (0.0, Duration::ZERO);
        while elapsed < time {
            let (more, took) = operation()?;
            n += f64::from(more);
            elapsed += took;
        }
        Ok(n / elapsed.as_secs_f64())
    };
    run_for(effort.warm_up)?;
    run_for(effort.window)
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
