//! How many descriptors the process may have open: more, as clients become more.
//!
//! Most processes begin with 1,024, for the sake of old programs that keep a bit for each, and may have many more
//! if they say so. A manager in a process of its own says so when it needs them. In a program's process the
//! limit is the program's.

use std::os::fd::{AsFd, AsRawFd as _};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit of the process.
#[derive(Debug)]
pub(super) struct Descriptors {
    /// How many it may have now; none if it cannot be raised any more.
    now: Option<u64>,
}

/// When a part of them is in use there shall be more: who has come just now needs others beside the first, and
/// many may come at once.
const PART: u64 = 4;

impl Descriptors {
    /// Those of this process, to be left as they are or not.
    pub(super) fn new(may_raise: bool) -> Self {
        Self { now: getrlimit(Resource::Nofile).current.filter(|_| may_raise) }
    }

    /// Sees that there are enough, when one was given: it has the lowest number that was free.
    pub(super) fn note(&mut self, newest: impl AsFd) {
        let newest = u64::try_from(newest.as_fd().as_raw_fd()).unwrap_or(0);
        while self.now.is_some_and(|now| newest.saturating_mul(PART) >= now) && self.raise() {}
    }

    /// Doubles the limit, as far as it may be; whether there are more now.
    pub(super) fn raise(&mut self) -> bool {
        let Some(now) = self.now else { return false };
        let limit = getrlimit(Resource::Nofile);
        let wanted = now.saturating_mul(2);
        let next = limit.maximum.map_or(wanted, |most| wanted.min(most));
        let is_raised = next > now
            && setrlimit(Resource::Nofile, Rlimit { current: Some(next), ..limit }).is_ok();
        self.now = is_raised.then_some(next);
        is_raised
    }
}
