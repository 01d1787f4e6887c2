//! Deadlines: order, saturation, and what counts as past.
#![cfg(not(ipc_loom))]

use std::time::{Duration, Instant};

use ipc_core::Deadline;

#[test]
fn never_has_no_remaining_time_and_no_timespec() {
    assert_eq!(Deadline::NEVER.remaining(), None);
    assert!(Deadline::NEVER.timespec().is_none());
    assert!(!Deadline::NEVER.is_past());
    assert_eq!(Deadline::from(None), Deadline::never());
}

#[test]
fn a_timeout_too_long_for_the_clock_means_never() {
    assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
    let almost = Deadline::after(Duration::MAX - Duration::from_nanos(1));
    assert!(almost.is_never());
    assert!(almost.timespec().is_none());
}

#[test]
fn no_time_at_all_is_past_at_once() {
    assert!(Deadline::after(Duration::ZERO).is_past());
    assert!(Deadline::now().is_past());
    assert_eq!(Deadline::now().remaining(), Some(Duration::ZERO));
    assert!(Deadline::at(Instant::now()).is_past());
}

#[test]
fn later_deadlines_compare_greater_and_never_is_the_greatest() {
    let soon = Deadline::after(Duration::from_secs(1));
    let late = Deadline::after(Duration::from_secs(1_000));
    assert!(soon < late);
    assert!(late < Deadline::NEVER);
}

#[test]
fn a_deadline_far_ahead_is_not_past_and_counts_down() {
    let deadline = Deadline::after(Duration::from_secs(1_000));
    assert!(!deadline.is_past());
    let left = deadline.remaining().unwrap();
    assert!(left <= Duration::from_secs(1_000));
    assert!(left > Duration::ZERO);
    assert!(deadline.timespec().unwrap().tv_sec >= 1_000);
}
