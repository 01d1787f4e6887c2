//! `Latency`: how long something took, each time.

use std::fmt;
use std::time::Duration;

/// How long something took, over many times.
///
/// The quantiles are right to an eighth; count, mean and maximum are exact.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many times were measured.
    pub count: u64,
    /// How long it took on average.
    pub mean: Duration,
    /// Half of the times were shorter than this.
    pub median: Duration,
    /// Nine of ten times were shorter than this.
    pub p90: Duration,
    /// Of a hundred times one was longer than this.
    pub p99: Duration,
    /// The longest time.
    pub max: Duration,
}

impl fmt::Display for Latency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mean, median, p90, p99, max, .. } = self;
        write!(
            formatter,
            "mean {mean:.1?}, median {median:.1?}, 90% {p90:.1?}, 99% {p99:.1?}, longest {max:.1?}"
        )
    }
}

/// Each power of two is divided into so many parts.
const PARTS: u32 = 4;

const N_BUCKETS: usize = (u64::BITS * PARTS) as usize;

/// How often something took about so long.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    /// By the logarithm of the time.
    buckets: Vec<u64>,
    count: u64,
    sum: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; N_BUCKETS], count: 0, sum: 0, max: 0 }
    }

    /// Once more it took so long.
    pub(crate) fn add(&mut self, nanos: u64) {
        self.add_times(nanos, 1);
    }

    /// So many times more it took so long.
    pub(crate) fn add_times(&mut self, nanos: u64, n_times: u64) {
        if let Some(bucket) = self.buckets.get_mut(bucket_of(nanos)) {
            *bucket += n_times;
        }
        self.count += n_times;
        self.sum = self.sum.saturating_add(nanos.saturating_mul(n_times));
        self.max = self.max.max(nanos);
    }

    pub(crate) fn latency(&self) -> Latency {
        Latency {
            count: self.count,
            mean: Duration::from_nanos(self.sum / self.count.max(1)),
            median: self.quantile(50),
            p90: self.quantile(90),
            p99: self.quantile(99),
            max: Duration::from_nanos(self.max),
        }
    }

    /// So many of a hundred times are not longer.
    fn quantile(&self, percent: u64) -> Duration {
        let wanted = u128::from(self.count) * u128::from(percent);
        let mut n_seen = 0;
        for (bucket, n) in self.buckets.iter().enumerate() {
            n_seen += u128::from(*n);
            if n_seen * 100 >= wanted && n_seen > 0 {
                return Duration::from_nanos(middle_of(bucket).min(self.max));
            }
        }
        Duration::ZERO
    }
}

/// In which bucket a time is: the place of its first bit, and the two bits behind that.
fn bucket_of(nanos: u64) -> usize {
    let first = nanos.max(1).ilog2();
    let behind = if first < 2 { nanos << (2 - first) } else { nanos >> (first - 2) };
    let part = u32::try_from(behind & 3).unwrap_or(0);
    usize::try_from(first * PARTS + part).unwrap_or(0)
}

/// A time that is in the middle of a bucket.
fn middle_of(bucket: usize) -> u64 {
    let bucket = u32::try_from(bucket).unwrap_or(0);
    let (first, part) = (bucket / PARTS, u64::from(bucket % PARTS));
    // Nine eighths of the beginning of the first part, eleven of the second, and so on.
    let eighths = u128::from(8 + 2 * part + 1);
    u64::try_from((eighths << first) / 8).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::{prop_assert, proptest};

    use super::{Histogram, Latency, N_BUCKETS, bucket_of, middle_of};

    #[test]
    fn nothing_measured_is_no_time() {
        assert_eq!(Histogram::new().latency(), Latency::default());
    }

    #[test]
    fn quantiles_are_about_right_and_the_rest_is_exact() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|micros| histogram.add(micros * 1000));
        let latency = histogram.latency();
        assert_eq!((latency.count, latency.max), (1000, Duration::from_millis(1)));
        assert_eq!(latency.mean, Duration::from_nanos(500_500));
        for (found, micros) in [(latency.median, 500.0), (latency.p90, 900.0), (latency.p99, 990.0)]
        {
            let error = found.as_secs_f64() * 1e6 / micros - 1.0;
            assert!(error.abs() <= 0.125, "{found:?} for {micros}");
        }
    }

    proptest! {
        #[test]
        fn bucket_holds_times_that_are_an_eighth_away_from_its_middle_at_most(nanos: u64) {
            let bucket = bucket_of(nanos);
            prop_assert!(bucket < N_BUCKETS);
            let middle = middle_of(bucket);
            prop_assert!(nanos.abs_diff(middle) <= nanos / 8 + 1, "{} for {}", middle, nanos);
        }
    }
}
