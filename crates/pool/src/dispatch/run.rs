//! Runs: short tasks that are given to one worker in a row.
//!
//! So the next worker is looked for less often, and results of tasks that follow one another come together.

use super::Task;
use super::overtaking::{first_to_come, is_held_up};
use super::place::Place;

/// Who gets the next tasks.
#[derive(Debug, Default)]
pub(super) struct Run {
    place: usize,
    n_left: usize,
}

impl Run {
    /// No more are given in a row ...
    const MOST: usize = 16;
    /// ... nor more than likely take so long.
    const MOST_NANOS: u64 = 20_000;

    /// The worker that gets a task, if any has room: the one of the run, or else that which will likely be
    /// free first. None if the task is to overtake others.
    pub(super) fn place_for<'p, W, T: Task>(
        &mut self,
        places: &'p mut [Place<W, T>],
        task: &T,
    ) -> Option<&'p mut Place<W, T>> {
        if is_held_up(places, task) {
            self.n_left = 0;
            let first = places.get_mut(first_to_come(places, task)?);
            return first.filter(|place| !place.holds_up(task) && place.has_room_for(task));
        }
        self.n_left = self.n_left.saturating_sub(1);
        let has_room = |place: &Place<W, T>| place.has_room_for(task);
        if self.n_left == 0 || !places.get(self.place).is_some_and(has_room) {
            let with_room = places.iter().enumerate().filter(|(_, place)| has_room(place));
            let first = with_room.min_by_key(|(_, place)| (place.nanos, place.given.len()));
            self.place = first?.0;
            let by_time = Self::MOST_NANOS / task.nanos().max(1);
            self.n_left = usize::try_from(by_time).unwrap_or(Self::MOST).min(Self::MOST);
        }
        places.get_mut(self.place)
    }
}
