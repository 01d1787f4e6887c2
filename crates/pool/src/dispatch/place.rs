//! A place of the table: who works there, and what that worker has.

use std::collections::VecDeque;
use std::collections::vec_deque::Drain;

use super::MOST_GIVEN;
use super::overtaking::MOST_NANOS_HELD_UP;
use super::task::Task;
use crate::planted::table::GIVES_TO_RETIRED;

/// A worker gets a third task, and more, only if all it has will likely be done in this time.
pub(crate) const MOST_NANOS_AHEAD: u64 = 4_000_000;

/// At most so many tasks with parcels are with a worker: their descriptors are in its socket.
pub(super) const MOST_PARCELS_AHEAD: usize = 2;

/// A place in which one worker works at a time.
#[derive(Debug)]
pub(crate) struct Place<W, T> {
    /// Who works here; nobody while the last one is being replaced.
    pub(super) worker: Option<W>,
    /// Which worker in this place that is, from 1.
    pub(super) incarnation: u64,
    pub(super) given: VecDeque<Given<T>>,
    /// How long what was given will likely take, all together.
    pub(super) nanos: u64,
    /// How many parcels may lie in its socket: those of tasks that were taken back, too.
    pub(super) n_parcels: usize,
    /// No task that it has is less urgent than this.
    pub(super) lowest: i32,
    /// There was no room in its ring. There may be when it has answered something.
    pub(super) is_full: bool,
    pub(super) standing: Standing,
    /// How many tasks the workers in this place have answered.
    pub(super) n_answered: u64,
}

/// Whether a worker gets tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not yet: it prepares itself, and will say when it has.
    Preparing,
    /// Yes.
    Working,
    /// No more: it leaves when it has answered what it has.
    Retiring,
    /// No more, and it has nothing: it is about to end.
    Leaving,
}

#[derive(Debug)]
pub(super) struct Given<T> {
    pub(super) ticket: u64,
    pub(super) nanos: u64,
    pub(super) task: T,
}

impl<W, T: Task> Place<W, T> {
    pub(super) fn new() -> Self {
        Self {
            worker: None,
            incarnation: 0,
            given: VecDeque::new(),
            nanos: 0,
            n_parcels: 0,
            lowest: i32::MAX,
            is_full: false,
            standing: Standing::Working,
            n_answered: 0,
        }
    }

    pub(super) fn has_room_for(&self, task: &T) -> bool {
        let is_working = self.standing == Standing::Working || GIVES_TO_RETIRED;
        if self.worker.is_none() || self.is_full || !is_working {
            return false;
        }
        if self.given.is_empty() {
            return true;
        }
        let is_quick = self.nanos.saturating_add(task.nanos()) <= MOST_NANOS_AHEAD;
        let is_next = self.given.len() == 1 && task.nanos() != u64::MAX;
        self.given.len() < MOST_GIVEN
            && (is_quick || is_next)
            && !(task.has_parcel() && self.n_parcels >= MOST_PARCELS_AHEAD)
    }

    /// Whether it has somebody who could do something.
    pub(super) fn works(&self) -> bool {
        self.worker.is_some() && self.standing == Standing::Working
    }

    /// Whether it has somebody who could do something and has nothing.
    pub(super) fn is_free(&self) -> bool {
        self.works() && self.given.is_empty()
    }

    /// Whether a task would come behind less urgent ones that were not begun and take long.
    pub(super) fn holds_up(&self, task: &T) -> bool {
        let priority = task.priority();
        if self.lowest >= priority || !self.works() {
            return false;
        }
        let behind = self.given.iter().skip(1).filter(|given| given.task.priority() < priority);
        behind.fold(0, |sum: u64, given| sum.saturating_add(given.nanos)) > MOST_NANOS_HELD_UP
    }

    /// What a task would come behind, if it overtakes what it is to: for how long, and how many.
    pub(super) fn before(&self, task: &T) -> (u64, usize) {
        match self.given.front() {
            Some(first) if self.holds_up(task) => (first.nanos, 1),
            _ => (self.nanos, self.given.len()),
        }
    }

    /// Takes out all that it has.
    pub(super) fn let_go(&mut self) -> Drain<'_, Given<T>> {
        (self.nanos, self.n_parcels, self.is_full) = (0, 0, false);
        self.lowest = i32::MAX;
        self.given.drain(..)
    }

    pub(super) fn forget(&mut self, given: &Given<T>) {
        self.nanos = self.nanos.saturating_sub(given.nanos);
        // A sum that was cut off at the top is right again when nothing is left.
        if self.given.is_empty() {
            self.nanos = 0;
            self.lowest = i32::MAX;
        }
        self.is_full = false;
    }

    pub(crate) fn worker(&self) -> Option<&W> {
        self.worker.as_ref()
    }

    /// Whether it has a worker who does not leave.
    pub(crate) fn is_present(&self) -> bool {
        let stays = matches!(self.standing, Standing::Preparing | Standing::Working);
        self.worker.is_some() && stays
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// Which worker here it is, from 1.
    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// How many tasks its worker has and has not answered, those that travel together one by one.
    pub(crate) fn n_given(&self) -> usize {
        self.given.iter().map(|given| given.task.n_items()).sum()
    }

    pub(crate) fn n_answered(&self) -> u64 {
        self.n_answered
    }

    /// The tasks that its worker has and has not answered, with their tickets, in the order in which
    /// it runs them.
    pub(crate) fn given(&self) -> impl DoubleEndedIterator<Item = (u64, &T)> {
        self.given.iter().map(|given| (given.ticket, &given.task))
    }

    /// Whether the task with this ticket is here.
    pub(crate) fn has(&self, ticket: u64) -> bool {
        self.given.iter().any(|given| given.ticket == ticket)
    }
}
