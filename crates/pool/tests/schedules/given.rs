//! What is given to workers, in which order: what nobody sees by results alone.
//!
//! Events are told in the order in which things happen. Those that are there when a step is done were
//! before its end; all others are behind it. So of a task that surely waits when a step is done, and that no
//! later step touches, it is known that it is still there when another is given: if that one is less
//! urgent, it is wrong. And a task that was cancelled in time is not given any more.

use std::collections::BTreeSet;
use std::mem;

use pool::{Event, Events, Pool};

/// More events than a plan has.
const ROOM: usize = 200_000;

/// What is known of tasks that wait, and of those that nobody is to get.
#[derive(Debug)]
pub(crate) struct Given {
    events: Events,
    priorities: Vec<i32>,
    /// Those that rest before they run again, so that nobody is to get them for a while.
    resting: BTreeSet<usize>,
    /// Those that surely wait.
    waiting: BTreeSet<usize>,
    /// Those that do when the present step is done, unless they are given in it.
    submitted: BTreeSet<usize>,
    /// Those that were cancelled in time, and what the present step cancels.
    cancelled: BTreeSet<usize>,
    cancelled_now: Vec<usize>,
    /// Those that somebody got.
    given: BTreeSet<usize>,
}

impl Given {
    pub(crate) fn new(pool: &Pool) -> Self {
        Self {
            events: pool.events(ROOM),
            priorities: Vec::new(),
            resting: BTreeSet::new(),
            waiting: BTreeSet::new(),
            submitted: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            cancelled_now: Vec::new(),
            given: BTreeSet::new(),
        }
    }

    /// The next task was submitted, and may rest before it runs again.
    pub(crate) fn submit(&mut self, priority: i32, rests: bool) {
        let task = self.priorities.len();
        self.submitted.insert(task);
        if rests {
            self.resting.insert(task);
        }
        self.priorities.push(priority);
    }

    /// The present step is about to cancel a task, or to let it go.
    pub(crate) fn touch(&mut self, task: usize) {
        self.waiting.remove(&task);
        self.submitted.remove(&task);
    }

    /// The present step has cancelled a task in time.
    pub(crate) fn cancel(&mut self, task: usize) {
        self.cancelled_now.push(task);
    }

    /// The present step is done.
    pub(crate) fn look(&mut self) -> Result<(), String> {
        while let Some(event) = self.events.try_next() {
            match event {
                Event::TaskGiven { task, .. } => self.was_given(number(task.number))?,
                Event::TaskDied { task, again, .. } => {
                    self.has_died(number(task.number), again)?;
                }
                _ => {}
            }
        }
        if self.events.missed() > 0 {
            return Err("there were more events than there is room for".to_owned());
        }
        self.waiting.append(&mut self.submitted);
        self.cancelled.extend(mem::take(&mut self.cancelled_now));
        Ok(())
    }

    fn was_given(&mut self, task: usize) -> Result<(), String> {
        self.waiting.remove(&task);
        self.submitted.remove(&task);
        if self.cancelled.contains(&task) {
            return Err(format!("task {task} was given when it was cancelled"));
        }
        self.given.insert(task);
        let priority = |task: usize| self.priorities.get(task).copied();
        match self.waiting.iter().find(|other| priority(**other) > priority(task)) {
            Some(other) => Err(format!("task {task} was given while task {other} waited")),
            None => Ok(()),
        }
    }

    fn has_died(&mut self, task: usize, again: bool) -> Result<(), String> {
        if again && self.cancelled.contains(&task) {
            return Err(format!("task {task} is to run again, and was cancelled"));
        }
        if again && !self.cancelled_now.contains(&task) && !self.resting.contains(&task) {
            self.waiting.insert(task);
        }
        if !self.given.contains(&task) {
            return Err(format!("task {task} has died, and was given to nobody"));
        }
        Ok(())
    }
}

fn number(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
