//! What the scenarios have in common: children that do their part and are content.

use std::time::Duration;

use testkit::Outcome;
use testkit::child::{self, Child};
use testkit::report::Report;

/// Longer than anything here takes: who waits so long waits in vain.
const LONG: Duration = Duration::from_secs(20);

/// Runs `body` in a forked child to its end, and says whether it was content.
#[track_caller]
pub(crate) fn in_child(body: impl FnOnce() -> bool) {
    finish(start(body));
}

/// Starts `body` in a forked child.
#[track_caller]
pub(crate) fn start(body: impl FnOnce() -> bool) -> Child {
    child::fork(|| i32::from(!body()))
}

/// Waits until the child has ended, content.
#[track_caller]
pub(crate) fn finish(mut child: Child) {
    match child.wait_within(LONG) {
        Some(end) if end.is_success() => {}
        Some(end) => panic!("the child {end}"),
        None => panic!("the child does not go on:\n{}", testkit::trace(child.pid())),
    }
}

/// What a scenario comes to that got here.
pub(crate) fn passed() -> Outcome {
    Ok(Report::PASSED)
}
