//! The backlog: tasks that no worker has, the most urgent first.
//!
//! Those of equal priority are in the order in which they were submitted. That order is by their
//! numbers, so that a task that comes back, from a worker that died or that others were quicker than,
//! takes the place that it had.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use super::Task;
use crate::planted::table::IGNORES_PRIORITY;

/// Tasks that wait for a worker.
#[derive(Debug)]
pub(super) struct Backlog<T> {
    /// Those of priority 0, which most are.
    ordinary: VecDeque<T>,
    /// The others, by their priorities, the greatest first. No list is empty.
    others: BTreeMap<Reverse<i32>, VecDeque<T>>,
    /// How many there are, those that travel together one by one.
    n_items: usize,
}

impl<T: Task> Backlog<T> {
    pub(super) const fn new() -> Self {
        Self { ordinary: VecDeque::new(), others: BTreeMap::new(), n_items: 0 }
    }

    /// Puts a task in its place.
    pub(super) fn put(&mut self, task: T) {
        self.n_items += task.n_items();
        let level = match task.priority() {
            0 => &mut self.ordinary,
            priority => self.others.entry(Reverse(priority)).or_default(),
        };
        // Most are new.
        if level.back().is_none_or(|last| last.number() < task.number()) {
            level.push_back(task);
        } else {
            let at = level.partition_point(|other| other.number() < task.number());
            level.insert(at, task);
        }
    }

    /// The list with the first task; empty only if all are.
    fn first(&self) -> &VecDeque<T> {
        match self.others.first_key_value() {
            Some((priority, level)) if self.ordinary.is_empty() || is_urgent(priority.0) => level,
            _ => &self.ordinary,
        }
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.first().front()
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut T> {
        match self.front()?.priority() {
            0 => self.ordinary.front_mut(),
            priority => self.others.get_mut(&Reverse(priority))?.front_mut(),
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let first = self.front()?;
        let (priority, number) = (first.priority(), first.number());
        self.take(priority, number)
    }

    /// Takes out the task with this priority and number, if it is here.
    pub(super) fn take(&mut self, priority: i32, number: u64) -> Option<T> {
        let task = if priority == 0 {
            take_from(&mut self.ordinary, number)
        } else {
            let level = self.others.get_mut(&Reverse(priority))?;
            let task = take_from(level, number);
            if level.is_empty() {
                self.others.remove(&Reverse(priority));
            }
            task
        }?;
        self.n_items = self.n_items.saturating_sub(task.n_items());
        Some(task)
    }

    /// Takes out all tasks of which `is_wanted` says so.
    pub(super) fn take_if(&mut self, is_wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for level in self.others.values_mut().chain([&mut self.ordinary]) {
            let (wanted, rest): (Vec<T>, Vec<T>) = level.drain(..).partition(&is_wanted);
            taken.extend(wanted);
            level.extend(rest);
        }
        self.others.retain(|_, level| !level.is_empty());
        let n_taken = taken.iter().map(Task::n_items).sum();
        self.n_items = self.n_items.saturating_sub(n_taken);
        taken
    }

    /// Leaves of the first task what a worker gets at a time; the rest comes next.
    pub(super) fn cut(&mut self) {
        let rest = self.front_mut().and_then(Task::cut);
        if let Some(rest) = rest {
            match rest.priority() {
                0 => self.ordinary.insert(1, rest),
                priority => self.others.entry(Reverse(priority)).or_default().insert(1, rest),
            }
        }
    }

    /// How many tasks there are, those that travel together one by one.
    pub(super) fn n_items(&self) -> usize {
        self.n_items
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ordinary.is_empty() && self.others.is_empty()
    }
}

/// Whether tasks of this priority go before ordinary ones.
fn is_urgent(priority: i32) -> bool {
    priority > 0 && !IGNORES_PRIORITY
}

/// Takes the task with this number out of a list, which is in the order of the numbers.
fn take_from<T: Task>(level: &mut VecDeque<T>, number: u64) -> Option<T> {
    if level.front()?.number() == number {
        return level.pop_front();
    }
    let at = level.binary_search_by_key(&number, Task::number).ok()?;
    level.remove(at)
}
