//! One seed per run, printed on failure, settable.
//!
//! Random tests draw from [`Rng`]s that all descend from the run's seed, so that a run can be
//! repeated: `TESTKIT_SEED=0x… cargo test …`.

use std::{
    env, fmt,
    hash::{BuildHasher as _, RandomState},
    ops::Range,
    sync::OnceLock,
    time::Duration,
};

use crate::lasting;

/// The environment variable that sets the run's seed, in decimal, or in hex after `0x`.
pub const VARIABLE: &str = "TESTKIT_SEED";

/// The seed of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(u64);

static SEED: OnceLock<Seed> = OnceLock::new();

/// The seed of this run: from [`VARIABLE`], else a fresh one.
///
/// # Panics
///
/// If the variable holds no number.
#[must_use]
pub fn seed() -> Seed {
    *SEED.get_or_init(|| match env::var(VARIABLE) {
        Ok(text) => Seed::parse(&text)
            .unwrap_or_else(|| panic!("{VARIABLE} must be a number below 2^64, not {text:?}")),
        Err(_) => Seed(RandomState::new().hash_one(VARIABLE)),
    })
}

impl Seed {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        }
        .map(Self)
    }
}

impl From<u64> for Seed {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Seed {
    /// In the form that [`VARIABLE`] takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.0)
    }
}

/// Random numbers from a seed: `SplitMix64`, good enough for tests and fit to be repeated.
///
/// # Examples
///
/// ```
/// use testkit::seed::{Rng, seed};
///
/// let mut rng = Rng::of_run("which worker to kill");
/// assert!(rng.range(0..4) < 4);
/// # let _ = seed();
/// ```
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Numbers for one purpose in this run: other purposes draw without changing these.
    #[must_use]
    pub fn of_run(purpose: &str) -> Self {
        Self::new(seed(), &lasting::purpose(purpose))
    }

    /// Numbers for one purpose from a seed.
    #[must_use]
    pub fn new(seed: Seed, purpose: &str) -> Self {
        // FNV-1a: the same numbers for the same words on every machine.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
        let mut rng = Self(seed.0 ^ hash);
        rng.next_u64();
        rng
    }

    /// The next number of all that 64 bits can hold.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number of `range`.
    ///
    /// # Panics
    ///
    /// If the range is empty.
    #[track_caller]
    pub fn range(&mut self, range: Range<u64>) -> u64 {
        assert!(range.start < range.end, "a range must not be empty");
        let wide = u128::from(self.next_u64()) * u128::from(range.end - range.start);
        range.start + u64::try_from(wide >> 64).expect("the high half is below the width")
    }

    /// An index into something of length `len`.
    ///
    /// # Panics
    ///
    /// If `len` is zero.
    #[track_caller]
    pub fn index(&mut self, len: usize) -> usize {
        let len = u64::try_from(len).expect("64 bits hold a length");
        usize::try_from(self.range(0..len)).expect("less than a length")
    }

    /// True once in `one_in` times.
    ///
    /// # Panics
    ///
    /// If `one_in` is zero.
    #[track_caller]
    pub fn chance(&mut self, one_in: u64) -> bool {
        self.range(0..one_in) == 0
    }

    /// A number from 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit into the mantissa")]
        let numerator = (self.next_u64() >> 11) as f64;
        numerator / 9_007_199_254_740_992.0
    }

    /// A time of `range`, to the nanosecond.
    ///
    /// # Panics
    ///
    /// If the range is empty.
    #[track_caller]
    pub fn duration(&mut self, range: Range<Duration>) -> Duration {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.range(ns(range.start)..ns(range.end)))
    }

    /// The time to the next of events that come by chance, one every `mean` on average.
    pub fn until_next(&mut self, mean: Duration) -> Duration {
        // The exponential distribution, without its endless tail.
        mean.mul_f64((-(1.0 - self.unit()).ln()).min(20.0))
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next_u64().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(word) {
                *to = from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Rng, Seed};

    #[test]
    fn a_seed_reads_what_it_prints() {
        let seed = Seed(0x0123_4567_89ab_cdef);
        assert_eq!(Seed::parse(&seed.to_string()), Some(seed));
        assert_eq!(Seed::parse("17"), Some(Seed(17)));
        assert_eq!(Seed::parse("x"), None);
    }

    #[test]
    fn the_same_seed_and_purpose_give_the_same_numbers_and_others_do_not() {
        let draw = |seed, purpose| {
            let mut rng = Rng::new(Seed(seed), purpose);
            [rng.next_u64(), rng.next_u64()]
        };
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
    }

    #[test]
    fn every_number_of_a_small_range_comes_and_no_other() {
        let mut rng = Rng::new(Seed(3), "range");
        let mut seen = [0_u32; 7];
        for _ in 0..7000 {
            seen[usize::try_from(rng.range(10..17) - 10).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&n| n > 800), "{seen:?}");
    }

    #[test]
    fn times_to_the_next_event_have_the_mean_asked_for() {
        let mut rng = Rng::new(Seed(4), "time");
        let mean = Duration::from_micros(500);
        let sum: Duration = (0..20_000).map(|_| rng.until_next(mean)).sum();
        let ratio = sum.as_secs_f64() / (20_000.0 * mean.as_secs_f64());
        assert!((0.97..1.03).contains(&ratio), "{ratio}");
    }
}
