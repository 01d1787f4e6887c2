//! Places without a worker: when the next start is tried there, and when nobody hopes any more.

use std::time::Duration;

use ipc_core::Deadline;

/// After so many workers in a row that did not come to work the pool is given up, if it has no other.
const MOST_FAILURES: u32 = 10;

/// ... and not before it has gone on for so long: what is missing may be there again in a moment.
const SHORTEST_TRIAL: Duration = Duration::from_millis(500);

/// So many workers in a row may die in a place for no task before the next start waits.
const MOST_IDLE_DEATHS: u32 = 3;

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
    /// Before that nobody gives up hope.
    trial: Deadline,
}

#[derive(Clone, Copy, Debug)]
struct Vacancy {
    /// How many did not come one after the other.
    n_failures: u32,
    /// How many came and died, one after the other, and had not begun a task.
    n_idle_deaths: u32,
    /// Before that no start is tried.
    pause: Deadline,
}

impl Vacancies {
    pub(crate) fn new(n_places: usize) -> Self {
        let place = Vacancy { n_failures: 0, n_idle_deaths: 0, pause: Deadline::now() };
        let (places, trial) = (vec![place; n_places], Deadline::NEVER);
        Self { places, n_failures: 0, first_reason: String::new(), trial }
    }

    /// Somebody was started in a place, and did not come to work; or could not be started at all.
    pub(crate) fn did_not_come(&mut self, place: usize, reason: String) {
        if self.n_failures == 0 {
            self.first_reason = reason;
            self.trial = Deadline::after(SHORTEST_TRIAL);
        }
        self.n_failures = self.n_failures.saturating_add(1);
        if let Some(place) = self.places.get_mut(place) {
            place.n_failures = place.n_failures.saturating_add(1);
            place.pause = Deadline::after(pause_after(place.n_failures));
        }
    }

    /// Who has left a place had come to work; if it has died for nothing, it had not begun a task, and
    /// nobody wanted its end.
    pub(crate) fn came(&mut self, place: usize, has_died_for_nothing: bool) {
        self.n_failures = 0;
        if let Some(place) = self.places.get_mut(place) {
            place.n_failures = 0;
            let n_deaths = place.n_idle_deaths.saturating_add(1);
            place.n_idle_deaths = if has_died_for_nothing { n_deaths } else { 0 };
            if place.n_idle_deaths > MOST_IDLE_DEATHS {
                let n_too_many = place.n_idle_deaths - MOST_IDLE_DEATHS;
                place.pause = Deadline::after(pause_after(n_too_many));
            }
        }
    }

    /// Whether nobody has failed yet to come to a place, since somebody came.
    pub(crate) fn is_first_try(&self, place: usize) -> bool {
        self.places.get(place).is_some_and(|place| place.n_failures == 0)
    }

    /// Before that no start is tried in a place.
    pub(crate) fn pause(&self, place: usize) -> Deadline {
        self.places.get(place).map_or(Deadline::NEVER, |place| place.pause)
    }

    /// Why nobody comes to work, if it is time to give up.
    pub(crate) fn is_hopeless(&self) -> Option<&str> {
        let is_hopeless = self.n_failures >= MOST_FAILURES && self.trial.is_past();
        is_hopeless.then_some(&self.first_reason)
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

    use ipc_core::Deadline;

    use super::{MOST_FAILURES, MOST_IDLE_DEATHS, Vacancies, pause_after};

    #[test]
    fn first_reason_is_told_when_hope_is_gone_and_a_success_gives_new_hope() {
        let mut vacancies = Vacancies::new(2);
        for round in [1, 2] {
            for n in 0..MOST_FAILURES {
                assert_eq!(vacancies.is_hopeless(), None);
                vacancies.did_not_come(n as usize % 2, format!("reason {n} of {round}"));
            }
            assert_eq!(vacancies.is_hopeless(), None, "it may change in a moment");
            vacancies.trial = Deadline::now();
            assert_eq!(vacancies.is_hopeless(), Some(&*format!("reason 0 of {round}")));
            vacancies.came(0, false);
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

    #[test]
    fn who_dies_for_nothing_again_and_again_is_missed_for_longer_and_longer() {
        let mut vacancies = Vacancies::new(2);
        for _ in 0..MOST_IDLE_DEATHS {
            vacancies.came(0, true);
            assert!(vacancies.pause(0).is_past());
        }
        for _ in 0..20 {
            vacancies.came(0, true);
        }
        assert!(!vacancies.pause(0).is_past() && vacancies.pause(1).is_past());
        assert_eq!(vacancies.is_hopeless(), None);
        vacancies.came(0, false);
        vacancies.places[0].pause = Deadline::now();
        vacancies.came(0, true);
        assert!(vacancies.pause(0).is_past(), "it is forgotten when one has had a task");
    }
}
