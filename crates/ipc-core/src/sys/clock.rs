//! The one clock.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time on the monotonic clock, counted from the kernel's own zero.
///
/// # References
///
/// - Linux `clock_gettime(2)`
pub(crate) fn monotonic_now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    // The kernel gives neither a negative time nor a full second of nanoseconds.
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
