//! `Stats`: what a manager has, and has done.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a manager has, and has done, at one moment.
///
/// Whoever asks is one of its clients.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// How many objects there are.
    pub objects: u64,
    /// How many there are of each type.
    pub types: BTreeMap<String, u64>,
    /// How many references there are, by clients, values, names and proxies on their way.
    pub references: u64,
    /// How many bytes are in dicts, lists, values and queues, and what these take beside. What is in objects of
    /// the program's own types is not known.
    pub kept_bytes: u64,
    /// How many proxies are on their way, sent and not received.
    pub on_their_way: u64,
    /// How many objects are published under a name.
    pub published: u64,
    /// How many clients there are.
    pub clients: u64,
    /// How many of them have their calls go through shared memory.
    pub lanes: u64,
    /// How many of these are cut off, and may come back.
    pub cut_off: u64,
    /// How many calls wait for something.
    pub waiting: u64,
    /// How many calls there were in all.
    pub calls: u64,
    /// How many clients were not let in, or shown out: for garbage, a wrong version, silence, or what
    /// they did not read.
    pub refused: u64,
    /// How long calls took in the manager, without what they waited for.
    pub latency: Latency,
}

/// How long calls took.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// All calls together.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
    /// How many took less than 1 µs, 2 µs, 4 µs, and so on; the last: how many took longer.
    pub counts: [u64; 16],
}

/// What a server counts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) refused: u64,
    pub(crate) calls: u64,
    pub(crate) latency: Latency,
}

impl Counts {
    pub(crate) fn called(&mut self, took: Duration) {
        self.calls += 1;
        self.latency.total += took;
        self.latency.longest = self.latency.longest.max(took);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        // Less than a microsecond has no bits, less than two one bit, and so on.
        let n_bits = (u64::BITS - micros.leading_zeros()) as usize;
        let last = self.latency.counts.len() - 1;
        if let Some(count) = self.latency.counts.get_mut(n_bits.min(last)) {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_counted_where_it_belongs() {
        let mut counts = Counts::default();
        for nanos in [0, 999, 1_000, 1_999, 2_000, 1 << 60] {
            counts.called(Duration::from_nanos(nanos));
        }
        assert_eq!(counts.latency.counts[..3], [2, 2, 1]);
        assert_eq!(counts.latency.counts[15], 1);
        assert_eq!((counts.calls, counts.latency.longest), (6, Duration::from_nanos(1 << 60)));
    }
}
