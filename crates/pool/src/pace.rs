//! The pace: how long the tasks of a function take, and how large their results are, as far as it is
//! known.

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;

use crate::chunk::MOST_ANSWER;
use crate::dispatch::{MOST_GIVEN, MOST_NANOS_AHEAD};

/// The items of a chunk likely take so long, all together.
const CHUNK_NANOS: u64 = 250_000;

/// Chunks for so long are given ahead ...
const NANOS_OF_CHUNKS_AHEAD: u64 = 1_000_000;

/// ... and no more than so many: half a megabyte of them for each worker, and as much of results.
const MOST_CHUNKS_AHEAD: usize = 16;

/// No chunk has more items.
const MOST_ITEMS: usize = 1 << 14;

/// What the tasks of a function are like.
///
/// Words of this process alone; guesses, so that nothing hangs on their order among others.
#[derive(Debug)]
pub(crate) struct Pace {
    /// How long one will likely take; `u64::MAX` if nobody knows.
    nanos: AtomicU64,
    /// How many bytes its result will likely have.
    bytes: AtomicU64,
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self { nanos: AtomicU64::new(u64::MAX), bytes: AtomicU64::new(0) }
    }

    /// `n_tasks` took so long, all together, and have results of so many bytes. Long ones are believed
    /// at once, short ones only by and by: the sooner the more there are.
    pub(crate) fn took(&self, n_tasks: usize, nanos: u64, n_bytes: usize) {
        let n = u64::try_from(n_tasks.max(1)).unwrap_or(u64::MAX);
        let (nanos, bytes) = (nanos / n, u64::try_from(n_bytes).unwrap_or(u64::MAX) / n);
        let share = if n_tasks < 16 { 8 } else { 2 };
        let blend = |believed: u64, seen: u64| seen.max(believed - believed / share + seen / share);
        let next = match self.nanos.load(Relaxed) {
            u64::MAX => nanos,
            believed => blend(believed, nanos),
        };
        // Only the collector does this.
        self.nanos.store(next.min(u64::MAX - 1), Relaxed);
        self.bytes.store(blend(self.bytes.load(Relaxed), bytes), Relaxed);
    }

    /// How long a task will likely take, if anybody knows.
    pub(crate) fn nanos(&self) -> Option<u64> {
        match self.nanos.load(Relaxed) {
            u64::MAX => None,
            nanos => Some(nanos),
        }
    }

    /// How many tasks of this function a worker is likely to be given at a time, one by one.
    pub(crate) fn depth(&self) -> usize {
        let Some(nanos) = self.nanos() else { return 1 };
        let depth = usize::try_from(MOST_NANOS_AHEAD / nanos.max(1)).unwrap_or(MOST_GIVEN);
        depth.clamp(2, MOST_GIVEN)
    }

    /// How many chunks of so many of them each a worker is given ahead, if they are short: enough to have
    /// work while it is too short a time to sleep and to be woken.
    pub(crate) fn n_chunks(&self, n_each: usize) -> usize {
        let n_each = u64::try_from(n_each).unwrap_or(u64::MAX);
        let nanos = self.nanos().unwrap_or(u64::MAX).max(1).saturating_mul(n_each);
        usize::try_from(NANOS_OF_CHUNKS_AHEAD / nanos)
            .map_or(MOST_CHUNKS_AHEAD, |n_chunks| n_chunks.min(MOST_CHUNKS_AHEAD))
    }

    /// How many of them a worker gets in one chunk.
    pub(crate) fn portion(&self) -> usize {
        let Some(nanos) = self.nanos() else { return 1 };
        let by_time = usize::try_from(CHUNK_NANOS / nanos.max(1)).unwrap_or(MOST_ITEMS);
        let bytes = usize::try_from(self.bytes.load(Relaxed)).unwrap_or(usize::MAX);
        // Of what goes through a ring a part is left for results that are larger than others.
        let by_bytes = MOST_ANSWER * 3 / 4 / bytes.max(1);
        by_time.min(by_bytes).clamp(1, MOST_ITEMS)
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_NANOS, MOST_ANSWER, MOST_CHUNKS_AHEAD, MOST_GIVEN, MOST_NANOS_AHEAD, Pace};

    #[test]
    fn unknown_function_is_given_one_at_a_time_and_a_short_one_more_and_more() {
        let pace = Pace::new();
        assert_eq!((pace.depth(), pace.portion()), (1, 1));
        pace.took(1, MOST_NANOS_AHEAD / 4, 1);
        assert_eq!(pace.depth(), 4);
        for _ in 0..100 {
            pace.took(1, 10, 1);
        }
        assert_eq!(pace.depth(), MOST_GIVEN);
        assert!(pace.portion() > 1000);
        pace.took(1, 0, 1);
        assert_eq!(pace.depth(), MOST_GIVEN);
    }

    #[test]
    fn long_task_is_believed_at_once_and_not_for_ever() {
        let pace = Pace::new();
        pace.took(1, 1_000, 1);
        pace.took(1, MOST_NANOS_AHEAD * 10, 1);
        assert_eq!((pace.depth(), pace.portion()), (2, 1));
        for _ in 0..100 {
            pace.took(1, 1_000, 1);
        }
        assert_eq!(pace.depth(), MOST_GIVEN);
        pace.took(1, u64::MAX, 1);
        assert_eq!((pace.depth(), pace.portion()), (2, 1));
    }

    #[test]
    fn many_short_tasks_are_believed_sooner_than_one() {
        let (one, many) = (Pace::new(), Pace::new());
        for pace in [&one, &many] {
            pace.took(1, CHUNK_NANOS, 1);
        }
        one.took(1, 0, 1);
        many.took(100, 0, 100);
        assert!(many.portion() > one.portion());
    }

    #[test]
    fn many_chunks_are_given_ahead_if_they_take_no_time_and_few_if_they_do() {
        let pace = Pace::new();
        assert_eq!(pace.n_chunks(100), 0, "nobody knows");
        pace.took(1, 10, 8);
        assert_eq!(pace.n_chunks(1), MOST_CHUNKS_AHEAD);
        assert_eq!(pace.n_chunks(10_000), 10);
        pace.took(1, CHUNK_NANOS / 2, 8);
        assert_eq!(pace.n_chunks(2), 4);
        pace.took(1, u64::MAX, 8);
        assert_eq!(pace.n_chunks(usize::MAX), 0);
    }

    #[test]
    fn chunk_has_no_more_items_than_have_results_that_go_through_a_ring() {
        let pace = Pace::new();
        pace.took(1, 1, MOST_ANSWER / 4);
        assert_eq!(pace.portion(), 3);
        pace.took(1, 1, MOST_ANSWER * 4);
        assert_eq!(pace.portion(), 1);
    }
}
