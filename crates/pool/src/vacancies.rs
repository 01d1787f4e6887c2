//! Places without a worker: when the next start is tried there, and when nobody hopes any more.

use std::time::Duration;

use ipc_core::Deadline;

/// After so many workers in a row that did not come to work the pool is given up, if it has no other.
const MOST_FAILURES: u32 = 10;

/// The longest time before another start is tried.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What is remembered of workers that did not come to work.
#[derive(Debug)]
pub(crate) struct Vacancies {
    places: Vec<Vacancy>,
    /// How many did not, one after the other, in all places.
    n_failures: u32,
    /// Why the first of them did not.
    first_reason: String,
}

#[derive(Clone, Copy, Debug)]
struct Vacancy {
    /// How many did not come one after the other.
    n_failures: u32,
    /// Before that no start is tried.
    pause: Deadline,
}

impl Vacancies {
    pub(crate) fn new(n_places: usize) -> Self {
        let place = Vacancy { n_failures: 0, pause: Deadline::now() };
        Self { places: vec![place; n_places], n_failures: 0, first_reason: String::new() }
    }

    /// Somebody was started in a place, and did not come to work; or could not be started at all.
    pub(crate) fn did_not_come(&mut self, place: usize, reason: String) {
        if self.n_failures == 0 {
            self.first_reason = reason;
        }
        self.n_failures = self.n_failures.saturating_add(1);
        if let Some(place) = self.places.get_mut(place) {
            place.n_failures = place.n_failures.saturating_add(1);
            place.pause = Deadline::after(pause_after(place.n_failures));
        }
    }

    /// Who has left a place had come to work.
    pub(crate) fn came(&mut self, place: usize) {
        self.n_failures = 0;
        if let Some(place) = self.places.get_mut(place) {
            place.n_failures = 0;
        }
    }

    /// Before that no start is tried in a place.
    pub(crate) fn pause(&self, place: usize) -> Deadline {
        self.places.get(place).map_or(Deadline::NEVER, |place| place.pause)
    }

    /// Why nobody comes to work, if it is time to give up.
    pub(crate) fn is_hopeless(&self) -> Option<&str> {
        (self.n_failures >= MOST_FAILURES).then_some(&self.first_reason)
    }
}

/// How long to wait after so many failures in a row.
fn pause_after(n_failures: u32) -> Duration {
    let millis = 1_u64 << n_failures.saturating_sub(1).min(10);
    Duration::from_millis(millis).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{MOST_FAILURES, Vacancies, pause_after};

    #[test]
    fn first_reason_is_told_when_hope_is_gone_and_a_success_gives_new_hope() {
        let mut vacancies = Vacancies::new(2);
        for round in [1, 2] {
            for n in 0..MOST_FAILURES {
                assert_eq!(vacancies.is_hopeless(), None);
                vacancies.did_not_come(n as usize % 2, format!("reason {n} of {round}"));
            }
            assert_eq!(vacancies.is_hopeless(), Some(&*format!("reason 0 of {round}")));
            vacancies.came(0);
        }
        assert_eq!(vacancies.is_hopeless(), None);
    }

    #[test]
    fn pauses_grow_up_to_a_second_and_each_place_has_its_own() {
        let pauses: Vec<_> = (1..=20).map(pause_after).collect();
        assert!(pauses.is_sorted());
        assert_eq!(pauses[0], Duration::from_millis(1));
        assert_eq!(pauses[19], Duration::from_secs(1));
        let mut vacancies = Vacancies::new(2);
        for _ in 0..20 {
            vacancies.did_not_come(1, String::new());
        }
        assert!(vacancies.pause(0).is_past() && !vacancies.pause(1).is_past());
        assert!(vacancies.pause(2).is_never());
    }
}
