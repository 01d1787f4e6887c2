//! The longest time in which nobody got on.

use std::{ops::Range, time::Duration};

use crate::{Counter, SharedArena, clock};

/// Measures, over all processes that share it, the longest time between two signs of progress.
///
/// Nothing is left out: neither the time in which a killed process is replaced, nor that in which
/// the machine does something else.
///
/// Every sign reads the clock and one shared word, and writes that word at most every twenty
/// microseconds, so that the processes seldom meet there; a stall is seen to that accuracy.
///
/// Of stalls that are long, the last ones are kept with their beginnings and ends, for whoever asks what
/// was the matter.
#[derive(Debug)]
pub struct StallMeter {
    words: SharedArena<Counter>,
}

const LAST: usize = 0;
const LONGEST: usize = 1;
/// How many long stalls there were; behind it the last of them, in turn.
const N_LONG: usize = 2;
const LONG: usize = 3;
const KEPT: usize = 64;
const GRAIN_NS: u64 = 20_000;
const LONG_NS: u64 = 1_000_000;

impl StallMeter {
    /// A meter that starts now.
    #[must_use]
    pub fn new() -> Self {
        let meter = Self { words: SharedArena::new(LONG + 2 * KEPT) };
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
        if now - last >= LONG_NS {
            self.keep(last..now);
        }
        let _others_were_later = !self.words[LAST].replace(last, now);
    }

    /// The longest stall, the one that lasts now included.
    #[must_use]
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.words[LONGEST].get()).max(self.since_last())
    }

    /// When somebody last got on, by the [clock].
    pub(super) fn last(&self) -> u64 {
        self.words[LAST].get()
    }

    /// How many long stalls have ended.
    pub(super) fn n_long(&self) -> u64 {
        self.words[N_LONG].get()
    }

    /// The long stalls behind the first `known` ones, with their numbers, or the last of them if there are
    /// too many.
    pub(super) fn long_since(&self, known: u64) -> impl Iterator<Item = (u64, Range<u64>)> {
        let end = self.n_long();
        (known.max(end.saturating_sub(KEPT as u64))..end).map(|number| {
            let [start, end] = self.place(number);
            (number, start.get()..end.get())
        })
    }

    /// One that is killed in the middle leaves an older stall in its place, and notes this one no more.
    fn keep(&self, stall: Range<u64>) {
        let [start, end] = self.place(self.words[N_LONG].get());
        start.set(stall.start);
        end.set(stall.end);
        self.words[N_LONG].add(1);
    }

    fn place(&self, number: u64) -> [&Counter; 2] {
        let at = LONG + 2 * (usize::try_from(number).unwrap_or(0) % KEPT);
        [&self.words[at], &self.words[at + 1]]
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
