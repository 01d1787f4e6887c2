//! A task, as the parent has it.

use std::sync::Arc;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;

use crate::board::Moment;
use crate::dispatch::{MOST_GIVEN, MOST_NANOS_AHEAD, Task};
use crate::mailbox::Mailbox;
use crate::options::Options;
use crate::parcel::{Freight, Parcel};

/// A function and its argument, and who waits for what comes of it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) plan: Arc<Plan>,
    pub(crate) argument: Parcel,
    /// Which of all tasks of the pool it is.
    pub(crate) number: u64,
    /// Its number among the tasks of its caller.
    pub(crate) index: usize,
    pub(crate) mailbox: Arc<Mailbox>,
    /// How many workers have died of it.
    pub(crate) n_deaths: u32,
    /// When it was submitted, if that is to be known.
    pub(crate) submitted: Option<Moment>,
}

/// A function, and how a task of it is to be run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) known: Arc<Known>,
    pub(crate) options: Options,
}

/// A function that was called before.
#[derive(Debug)]
pub(crate) struct Known {
    /// Its name, encoded.
    pub(crate) name: Vec<u8>,
    /// How long it will likely take. A word of this process alone; a guess, so that nothing hangs on
    /// its order among others.
    nanos: AtomicU64,
}

impl Known {
    /// A function of which nothing is known but its name.
    pub(crate) fn new(name: Vec<u8>) -> Self {
        Self { name, nanos: AtomicU64::new(u64::MAX) }
    }

    /// A task took so long. A long one is believed at once, short ones only by and by.
    pub(crate) fn took(&self, nanos: u64) {
        let believed = self.nanos.load(Relaxed);
        let next = match believed {
            u64::MAX => nanos,
            _ => nanos.max(believed - believed / 8 + nanos / 8),
        };
        // Only the collector does this.
        self.nanos.store(next.min(u64::MAX - 1), Relaxed);
    }

    /// How long a task will likely take, if anybody knows.
    pub(crate) fn nanos(&self) -> Option<u64> {
        match self.nanos.load(Relaxed) {
            u64::MAX => None,
            nanos => Some(nanos),
        }
    }

    /// How many tasks of this function a worker is likely to be given at a time.
    pub(crate) fn depth(&self) -> usize {
        let Some(nanos) = self.nanos() else { return 1 };
        let depth = usize::try_from(MOST_NANOS_AHEAD / nanos.max(1)).unwrap_or(MOST_GIVEN);
        depth.clamp(2, MOST_GIVEN)
    }
}

impl Task for Job {
    fn number(&self) -> u64 {
        self.number
    }

    fn priority(&self) -> i32 {
        self.plan.options.priority
    }

    fn nanos(&self) -> u64 {
        self.plan.known.nanos.load(Relaxed)
    }

    fn has_parcel(&self) -> bool {
        self.argument.freight() != Freight::None
    }

    fn is_prepared(&self) -> bool {
        self.argument.wants_file().is_none()
    }

    fn was_given(&mut self) {
        self.argument.drop_file();
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, MOST_GIVEN, MOST_NANOS_AHEAD};

    #[test]
    fn unknown_function_is_given_one_at_a_time_and_a_short_one_more_and_more() {
        let known = Known::new(Vec::new());
        assert_eq!(known.depth(), 1);
        known.took(MOST_NANOS_AHEAD / 4);
        assert_eq!(known.depth(), 4);
        for _ in 0..100 {
            known.took(10);
        }
        assert_eq!(known.depth(), MOST_GIVEN);
        known.took(0);
        assert_eq!(known.depth(), MOST_GIVEN);
    }

    #[test]
    fn long_task_is_believed_at_once_and_not_for_ever() {
        let known = Known::new(Vec::new());
        known.took(1_000);
        known.took(MOST_NANOS_AHEAD * 10);
        assert_eq!(known.depth(), 2);
        for _ in 0..100 {
            known.took(1_000);
        }
        assert_eq!(known.depth(), MOST_GIVEN);
        known.took(u64::MAX);
        assert_eq!(known.depth(), 2);
    }
}
