//! Time as the programs of the seeds have it: a second is as long as `SEEDS_SECOND` says, in
//! milliseconds, so that a test need not wait for it.
#![allow(dead_code, reason = "each program uses its part")]

use std::time::Duration;

/// So many seconds.
pub(crate) fn seconds(count: f64) -> Duration {
    let millis = std::env::var("SEEDS_SECOND").ok().and_then(|text| text.parse().ok());
    Duration::from_secs_f64(count * f64::from(millis.unwrap_or(1000_u32)) / 1000.0)
}

/// Works for so many seconds.
#[expect(clippy::disallowed_methods, reason = "it is what the programs of the seeds do for work")]
pub(crate) fn sleep(count: f64) {
    std::thread::sleep(seconds(count));
}

/// A number from zero up to one.
pub(crate) fn random() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};

    // Each has keys of its own, made of what the system says is random.
    let [first, ..] = RandomState::new().hash_one(()).to_le_bytes();
    f64::from(first) / 256.0
}
