//! A worker's share: how many tasks it runs before another one takes its place.

use crate::hiring::Limits;
use crate::state;
use crate::sys::OwnMemory;

/// What a worker may still do.
#[derive(Debug)]
pub(crate) struct Share {
    /// Whether tasks need a state.
    has_state: bool,
    /// How many more tasks it runs.
    n_left: u64,
    /// How much memory it may have after a task, and where that is seen.
    memory: Option<(u64, OwnMemory)>,
}

impl Share {
    pub(crate) fn new(limits: Limits, has_state: bool) -> Result<Self, String> {
        let n_left = limits.max_tasks.unwrap_or(u64::MAX);
        let memory = match limits.max_memory {
            None => None,
            Some(most) => {
                let memory =
                    OwnMemory::open().map_err(|error| format!("no look at /proc: {error}"))?;
                Some((most, memory))
            }
        };
        Ok(Self { has_state, n_left, memory })
    }

    /// It has run so many tasks.
    #[inline]
    pub(crate) fn spend(&mut self, n_tasks: u32) {
        self.n_left = self.n_left.saturating_sub(n_tasks.into());
    }

    /// So many tasks may be run, none of which panics, before somebody need look whether it is spent.
    pub(crate) fn n_unwatched(&self) -> u32 {
        // What a task leaves behind is seen after each.
        let is_watched = self.has_state || self.memory.is_some();
        if is_watched { 1 } else { u32::try_from(self.n_left).unwrap_or(u32::MAX) }
    }

    /// Whether another one shall take its place.
    #[inline]
    pub(crate) fn is_spent(&self) -> bool {
        let has_too_much = |(most, memory): &(u64, OwnMemory)| {
            // What cannot be seen may be too much.
            memory.resident().is_none_or(|resident| resident > *most)
        };
        self.n_left == 0
            || (self.has_state && state::is_lost())
            || self.memory.as_ref().is_some_and(has_too_much)
    }
}
