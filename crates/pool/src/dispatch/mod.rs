//! The table: which task is where.
//!
//! Pure bookkeeping: nothing here knows of rings, processes or time. The table is in the parent's
//! private memory, so no death can leave it half-written. A task is in exactly one state, since it
//! is in exactly one place, which owns it:
//!
//! | a task is | where it is | leaves by |
//! |-----------|-------------|-----------|
//! | queued | in the [backlog](Backlog), by its priority | being given; being cancelled; the end of the pool; its caller's loss of interest |
//! | resting, until it runs again | among those that rest | its time; being cancelled; the end of the pool; its caller's loss of interest |
//! | given to a worker, under a ticket | with that worker | its answer; the worker's death; being taken back for one that has nothing, or to be cancelled |
//! | answered, or failed | nowhere: its fate is in its caller's mailbox | – |
//!
//! A ticket stands for one handing-out of one task and is never used again, so an answer that comes
//! late cannot be taken for another's.
//!
//! # Invariants
//!
//! - I1: a worker runs the tasks that it was given in their order.
//! - I2: a place has tasks only if it has a worker.
//! - I3: the backlog has a task only if no worker has room for the first one, or one without will come to that
//!   sooner; or while somebody prepares it.
//!
//! # Who gets how much
//!
//! A worker that has nothing gets the next task, whatever it is. Short tasks are given many at a time,
//! so that a worker need not wait for the parent between two of them; of others a worker has at most
//! one that it has not begun, and of those of which nobody knows how long they take, none. When a
//! worker has nothing and the backlog is empty, what another has not begun is taken back from its ring
//! and given to the one; and what is urgent [overtakes](overtaking) what no worker has begun.

mod backlog;
mod feeding;
mod outcome;
mod overtaking;
mod place;
mod run;
mod staff;
mod task;

use std::collections::BTreeMap;

use ipc_core::Deadline;

use self::backlog::Backlog;
pub(crate) use self::outcome::{Fed, Give, Gone, TakenBack};
pub(crate) use self::place::{MOST_NANOS_AHEAD, Place, Standing};
pub(crate) use self::task::Task;
use crate::board::FIRST_TICKET;
use crate::planted::table::{ENDS_ANY, LOSES_TAKEN_BACK};

/// A worker has at most so many tasks that it has not answered: some milliseconds of them if they take ten
/// microseconds, so that the parent need not come often.
pub(crate) const MOST_GIVEN: usize = 256;

/// All tasks and all workers of a pool.
#[derive(Debug)]
pub(crate) struct Dispatch<W, T> {
    backlog: Backlog<T>,
    /// Until when, and which.
    resting: BTreeMap<(Deadline, u64), T>,
    places: Vec<Place<W, T>>,
    next_ticket: u64,
}

impl<W, T: Task> Dispatch<W, T> {
    pub(crate) fn new(n_places: usize) -> Self {
        let places = (0..n_places).map(|_| Place::new()).collect();
        let (backlog, resting) = (Backlog::new(), BTreeMap::new());
        Self { backlog, resting, places, next_ticket: FIRST_TICKET }
    }

    /// Queues a task behind those that were submitted before it and are not less urgent.
    pub(crate) fn queue(&mut self, task: T) {
        self.backlog.put(task);
    }

    /// Lets a task rest: it is queued when the deadline has passed.
    pub(crate) fn rest(&mut self, until: Deadline, task: T) {
        self.resting.insert((until, task.number()), task);
    }

    /// Queues the tasks that have rested; says when the next one will have.
    pub(crate) fn wake_rested(&mut self) -> Deadline {
        while let Some(first) = self.resting.first_entry() {
            let until = first.key().0;
            if !until.is_past() {
                return until;
            }
            self.backlog.put(first.remove());
        }
        Deadline::NEVER
    }

    /// A worker has answered: its task leaves the table. `None` if it has no such task.
    ///
    /// How many items that were is told to [`count`](Self::count).
    pub(crate) fn answered(&mut self, place: usize, ticket: u64) -> Option<T> {
        let place = self.places.get_mut(place)?;
        // It is the first (I1), unless somebody scribbles.
        let at = place.given.iter().position(|given| given.ticket == ticket)?;
        let given = place.given.remove(at)?;
        place.forget(&given);
        if given.task.has_parcel() {
            // It has taken its parcel, and with it those before that belonged to nothing.
            place.n_parcels = place.given.iter().filter(|given| given.task.has_parcel()).count();
        }
        Some(given.task)
    }

    /// So many tasks have been answered from a place.
    pub(crate) fn count(&mut self, place: usize, n_answered: usize) {
        if let Some(place) = self.places.get_mut(place) {
            place.n_answered += u64::try_from(n_answered).unwrap_or(u64::MAX);
        }
    }

    /// The place from whose ring a task is to be taken back: there is nothing in the backlog, and
    /// somebody has nothing to do while this one has most that it has not begun.
    pub(crate) fn most_ahead(&self) -> Option<(usize, &W)> {
        if !self.has_idle() {
            return None;
        }
        let ahead = self.places.iter().enumerate().filter(|(_, place)| place.given.len() > 1);
        let (at, place) = ahead.max_by_key(|(_, place)| place.given.len())?;
        Some((at, place.worker.as_ref()?))
    }

    /// Whether there is nothing in the backlog and somebody has nothing to do.
    pub(crate) fn has_idle(&self) -> bool {
        self.backlog.is_empty() && self.places.iter().any(Place::is_free)
    }

    /// The task that a worker is at, or is about to begin, with its ticket.
    pub(crate) fn first_of(&mut self, place: usize) -> Option<(&W, u64, &mut T)> {
        let place = self.places.get_mut(place)?;
        let given = place.given.front_mut()?;
        Some((place.worker.as_ref()?, given.ticket, &mut given.task))
    }

    /// The last task that a worker has, which it comes to when it is done with all others, with its ticket.
    pub(crate) fn last_of(&self, place: usize) -> Option<(u64, &T)> {
        let mut given = self.places.get(place)?.given();
        if ENDS_ANY { given.next() } else { given.next_back() }
    }

    /// Of a task of many, a worker does not begin more than the first `n_kept`: the rest is queued again,
    /// if there is one.
    pub(crate) fn divide(&mut self, place: usize, ticket: u64, n_kept: usize) -> bool {
        let place = self.places.get_mut(place);
        let mut given = place.into_iter().flat_map(|place| &mut place.given);
        let given = given.find(|given| given.ticket == ticket);
        let rest = given.and_then(|given| given.task.divide(n_kept));
        let is_any = rest.is_some();
        rest.into_iter().for_each(|rest| self.backlog.put(rest));
        is_any
    }

    /// A task was taken back out of a worker's ring: it is queued in its old place.
    pub(crate) fn taken_back(&mut self, place: usize, ticket: u64) {
        let Some(place) = self.places.get_mut(place) else { return };
        if let Some(at) = place.given.iter().position(|given| given.ticket == ticket)
            && let Some(given) = place.given.remove(at)
        {
            place.forget(&given);
            if !LOSES_TAKEN_BACK {
                self.backlog.put(given.task);
            }
        }
    }

    /// Takes out the tasks that no worker has of which `is_wanted` says so.
    pub(crate) fn take_waiting(&mut self, is_wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let mut taken = self.backlog.take_if(&is_wanted);
        taken.extend(self.resting.extract_if(.., |_, task| is_wanted(task)).map(|(_, task)| task));
        taken
    }

    /// Takes out the queued task with this priority and number, if it is queued.
    pub(crate) fn take_queued(&mut self, priority: i32, number: u64) -> Option<T> {
        self.backlog.take(priority, number)
    }

    /// The task that is given next.
    pub(crate) fn next_task(&mut self) -> Option<&mut T> {
        self.backlog.front_mut()
    }

    /// Takes out the task that is given next.
    pub(crate) fn take_next(&mut self) -> Option<T> {
        self.backlog.pop()
    }

    /// Takes out all tasks.
    pub(crate) fn take_all(&mut self) -> Vec<T> {
        let mut tasks: Vec<T> = Vec::new();
        for place in &mut self.places {
            tasks.extend(place.let_go().map(|given| given.task));
        }
        tasks.extend(self.take_waiting(|_| true));
        tasks
    }

    pub(crate) fn places(&self) -> &[Place<W, T>] {
        &self.places
    }

    /// How many tasks no worker has, those that rest included.
    pub(crate) fn n_queued(&self) -> usize {
        let resting = self.resting.values().map(Task::n_items).sum::<usize>();
        self.backlog.n_items() + resting
    }

    /// How many tasks no worker has and one could have.
    pub(crate) fn n_waiting(&self) -> usize {
        self.backlog.n_items()
    }

    /// Whether there are tasks that a worker could have.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Whether tasks wait that another worker could begin: in the backlog, or behind one that takes
    /// long.
    pub(crate) fn wants_more_workers(&self) -> bool {
        let is_behind =
            |place: &Place<W, T>| place.given.len() > 1 && place.nanos > MOST_NANOS_AHEAD;
        !self.backlog.is_empty() || self.places.iter().any(is_behind)
    }

    /// Whether there is no task at all.
    pub(crate) fn is_idle(&self) -> bool {
        let has_nothing = |place: &Place<W, T>| place.given.is_empty();
        self.backlog.is_empty() && self.resting.is_empty() && self.places.iter().all(has_nothing)
    }
}

#[cfg(all(test, not(ipc_loom)))]
mod tests;
