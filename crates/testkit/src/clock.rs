//! One clock for all processes of a test.

use std::time::Duration;

use rustix::{
    thread::NanosleepRelativeResult,
    time::{ClockId, Timespec},
};

/// Nanoseconds of the monotonic clock: comparable between processes.
#[must_use]
pub fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// Sleeps for `time`, all of it, between two looks at something.
pub fn pause(time: Duration) {
    let mut left = timespec(time);
    while let NanosleepRelativeResult::Interrupted(rest) = rustix::thread::nanosleep(&left) {
        left = rest;
    }
}

/// A duration as the kernel wants it.
pub(crate) fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}
