//! Storms that last so many minutes, whatever number of kills they would make by themselves.
//!
//! `TESTKIT_MINUTES` says how long. Whatever a storm keeps its books in may be full before: then its
//! scenario is played again, with other kills, until the time is over.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{Outcome, Report, clock, report};

/// When the time is over by the clock, in the process of a scenario; zero if no time was told.
static UNTIL: AtomicU64 = AtomicU64::new(0);

/// How often the scenario was played before.
static ROUND: AtomicU64 = AtomicU64::new(0);

/// How long storms were told to last, if they were.
pub(crate) fn told() -> Option<Duration> {
    let minutes: f64 = env::var("TESTKIT_MINUTES").ok()?.parse().ok()?;
    Duration::try_from_secs_f64(minutes * 60.0).ok()
}

/// When the storm that is on is to end, by the clock, if that was told.
pub(crate) fn until() -> Option<u64> {
    Some(UNTIL.load(Relaxed)).filter(|until| *until > 0)
}

/// A name for random numbers that are others each time that a scenario is played.
pub(crate) fn purpose(purpose: &str) -> String {
    match ROUND.load(Relaxed) {
        0 => purpose.to_owned(),
        round => format!("{purpose}, round {round}"),
    }
}

/// Plays a scenario; if it is a storm, until the time is over, if a time was told.
pub(crate) fn play(body: fn() -> Outcome) -> Outcome {
    let Some(time) = told() else { return body() };
    let until = clock::now_ns() + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2);
    UNTIL.store(until, Relaxed);
    let mut sum = Report::default();
    loop {
        let came_to = body()?;
        sum += came_to;
        // What failed is not played over, nor what is no storm.
        let is_storm = came_to.storm != report::Storm::default();
        if !is_storm || !sum.is_success() || clock::now_ns() >= until {
            return Ok(sum);
        }
        ROUND.fetch_add(1, Relaxed);
    }
}
