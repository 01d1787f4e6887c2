//! Overtaking: a task does not wait for less urgent ones that its worker has and has not begun.
//!
//! A worker has tasks ahead, so that it need not wait for the parent between two of them. What is more urgent
//! than those would come behind them. So if they take long, all that the worker has not begun is taken back out
//! of its ring, and goes back to the backlog: from there the most urgent comes first. If they do not, that is not
//! worth what it costs to hand them out once more.

use super::place::Place;
use super::{Dispatch, Task};
use crate::planted::table::OVERTAKES;

/// A task waits for less urgent ones that take no longer than this, all together.
pub(super) const MOST_NANOS_HELD_UP: u64 = 500_000;

impl<W, T: Task> Dispatch<W, T> {
    /// The place from whose ring all is to be taken back, for the first task of the backlog; with the number of
    /// that task.
    pub(crate) fn overtaken(&self) -> Option<(usize, u64)> {
        let is_it = |task: &&T| OVERTAKES && is_held_up(&self.places, *task);
        let task = self.backlog.front().filter(is_it)?;
        let at = first_to_come(&self.places, task)?;
        self.places.get(at).filter(|place| place.holds_up(task)).map(|_| (at, task.number()))
    }
}

/// Whether some worker has tasks that it has not begun and that this one is to overtake.
pub(super) fn is_held_up<W, T: Task>(places: &[Place<W, T>], task: &T) -> bool {
    places.iter().any(|place| place.holds_up(task))
}

/// The place whose worker comes first to a task that overtakes others.
pub(super) fn first_to_come<W, T: Task>(places: &[Place<W, T>], task: &T) -> Option<usize> {
    let working = places.iter().enumerate().filter(|(_, place)| place.works());
    working.min_by_key(|(_, place)| place.before(task)).map(|(at, _)| at)
}
