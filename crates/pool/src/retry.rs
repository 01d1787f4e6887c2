//! `Retry`: how often a task runs again whose worker has died, and when.

use std::time::Duration;

use crate::planted::ends::RUNS_TOO_MANY;

/// How often a task runs again whose worker has died, of itself or since the task's
/// [time](crate::Builder::timeout) was up.
///
/// A task that runs again may have done something before its worker died: say so only for tasks of
/// which that is no harm. A panic is no death but an answer: a task that panicked does not run again.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool::Retry;
///
/// assert_eq!(Retry::default(), Retry::never());
/// assert_eq!(Retry::times(0), Retry::never());
/// assert_ne!(Retry::times(1), Retry::always());
///
/// // 10 ms after the first death, 20 ms after the second, 40 ms after the third.
/// let patient = Retry::times(3).with_backoff(Duration::from_millis(10));
/// assert_ne!(patient, Retry::times(3));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    n_times: u32,
    backoff: Duration,
}

/// No task rests longer before it runs again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Retry {
    /// The first death fails the task.
    #[must_use]
    pub const fn never() -> Self {
        Self::times(0)
    }

    /// The task runs again until as many workers more than this have died of it.
    #[must_use]
    pub const fn times(n_times: u32) -> Self {
        Self { n_times, backoff: Duration::ZERO }
    }

    /// The task runs again however many workers have died of it.
    ///
    /// A task that kills its worker each time does so for ever.
    #[must_use]
    pub const fn always() -> Self {
        Self::times(u32::MAX)
    }

    /// The task rests so long after the first death, and after each further one twice as long as
    /// after the one before, at most a minute.
    ///
    /// Otherwise it runs again at once, before all tasks that were submitted after it.
    #[must_use]
    pub const fn with_backoff(self, first: Duration) -> Self {
        Self { n_times: self.n_times, backoff: first }
    }

    /// How long a task rests after so many deaths before it runs again; `None` if it does not.
    pub(crate) fn pause_after(self, n_deaths: u32) -> Option<Duration> {
        if self.n_times != u32::MAX && n_deaths > self.n_times + RUNS_TOO_MANY {
            return None;
        }
        let factor = 1_u32.checked_shl(n_deaths.saturating_sub(1)).unwrap_or(u32::MAX);
        Some(self.backoff.saturating_mul(factor).min(LONGEST_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST_PAUSE, Retry};

    #[test]
    fn pauses_double_up_to_the_longest_and_end_with_the_retries() {
        let backoff = Duration::from_millis(10);
        let retry = Retry::times(3).with_backoff(backoff);
        let pauses: Vec<_> = (1..=4).map(|n| retry.pause_after(n)).collect();
        assert_eq!(pauses, [Some(backoff), Some(2 * backoff), Some(4 * backoff), None]);
        let always = Retry::always().with_backoff(backoff);
        for n_deaths in [31, 32, 33, u32::MAX] {
            assert_eq!(always.pause_after(n_deaths), Some(LONGEST_PAUSE), "{n_deaths} deaths");
        }
        assert_eq!(Retry::always().pause_after(u32::MAX), Some(Duration::ZERO));
        assert_eq!(Retry::never().pause_after(1), None);
    }
}
