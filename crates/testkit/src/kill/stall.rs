//! The longest time in which nobody got on.

use std::time::Duration;

use crate::{Counter, SharedArena, clock};

/// Measures, over all processes that share it, the longest time between two signs of progress.
///
/// Nothing is left out: neither the time in which a killed process is replaced, nor that in which
/// the machine does something else.
///
/// Every sign reads the clock and one shared word, and writes that word at most every twenty
/// microseconds, so that the processes seldom meet there; a stall is seen to that accuracy.
#[derive(Debug)]
pub struct StallMeter {
    words: SharedArena<Counter>,
}

const LAST: usize = 0;
const LONGEST: usize = 1;
const GRAIN_NS: u64 = 20_000;

impl StallMeter {
    /// A meter that starts now.
    #[must_use]
    pub fn new() -> Self {
        let meter = Self { words: SharedArena::new(2) };
        meter.words[LAST].set(clock::now_ns());
        meter
    }

    /// Notes a sign of progress.
    pub fn got_on(&self) {
        let now = clock::now_ns();
        let last = self.words[LAST].get();
        if now.saturating_sub(last) < GRAIN_NS {
            return;
        }
        // The note first: one that is killed between the two leaves a stall that the next sign
        // finds again. And not back in time: one that was held up here is not the last.
        self.note(now - last);
        let _others_were_later = !self.words[LAST].replace(last, now);
    }

    /// The longest stall, the one that lasts now included.
    #[must_use]
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.words[LONGEST].get()).max(self.since_last())
    }

    /// How long nobody has got on.
    #[must_use]
    pub fn since_last(&self) -> Duration {
        Duration::from_nanos(clock::now_ns().saturating_sub(self.words[LAST].get()))
    }

    fn note(&self, stall: u64) {
        let mut longest = self.words[LONGEST].get();
        while stall > longest && !self.words[LONGEST].replace(longest, stall) {
            longest = self.words[LONGEST].get();
        }
    }
}

impl Default for StallMeter {
    fn default() -> Self {
        Self::new()
    }
}
