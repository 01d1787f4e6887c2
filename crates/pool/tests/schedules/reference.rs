//! The reference: what each task comes to.

use pool::TaskError;

use crate::audit::{Audit, Done, cargo};
use crate::plan::{Does, How};

/// What was done so far, and what each task may come to by that.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    tasks: Vec<Expected>,
    /// How many workers were killed.
    n_kills: u64,
    /// Some were taken back, or ended, so that the order in which tasks begin is left open.
    is_in_order: bool,
    pub(crate) is_closed: bool,
    is_terminated: bool,
}

/// What is known of a task.
#[derive(Debug)]
struct Expected {
    how: How,
    /// A cancel has said that it was in time.
    is_cancelled: bool,
    /// How often it had been run by then.
    n_runs_then: u64,
    /// Nobody wants it any more: it may be done or not.
    is_forgotten: bool,
    /// It is one of many, which are cancelled all together: some may have ended before.
    is_item: bool,
    /// Its result was seen, or it was never to have one.
    is_settled: bool,
}

/// What a task comes to if nobody interferes.
#[derive(Debug, PartialEq, Eq)]
enum Usual {
    Done,
    Panicked,
    Died {
        signal: Option<i32>,
        code: Option<i32>,
    },
    TimedOut,
    /// It would go on for ever.
    Nothing,
}

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

impl How {
    /// What it comes to, and in how many runs.
    fn usual(&self) -> (Usual, u64) {
        let most_runs = u64::from(self.retries) + 1;
        match self.does {
            Does::Work(_) | Does::Carry | Does::Wait(_) => (Usual::Done, 1),
            Does::Panic => (Usual::Panicked, 1),
            Does::Abort(n_times) if u64::from(n_times) < most_runs => {
                (Usual::Done, u64::from(n_times) + 1)
            }
            Does::Abort(_) => (Usual::Died { signal: Some(SIGABRT), code: None }, most_runs),
            Does::Exit(code) => (Usual::Died { signal: None, code: Some(code) }, most_runs),
            Does::Hang | Does::Resist if self.limit.is_some() => (Usual::TimedOut, most_runs),
            Does::Hang | Does::Resist => (Usual::Nothing, 1),
        }
    }
}

impl Reference {
    pub(crate) fn new(n_workers: usize) -> Self {
        Self { is_in_order: n_workers == 1, ..Self::default() }
    }

    pub(crate) fn n_tasks(&self) -> usize {
        self.tasks.len()
    }

    /// A task was submitted.
    pub(crate) fn submit(&mut self, how: How, is_item: bool) {
        // What a worker has not done of many that travel together comes back when it has others.
        self.is_in_order &= how.limit.is_none() && how.rest.is_none() && !is_item;
        let (is_cancelled, is_forgotten, is_settled, n_runs_then) = (false, false, false, 0);
        let expected =
            Expected { how, is_cancelled, n_runs_then, is_forgotten, is_item, is_settled };
        self.tasks.push(expected);
    }

    /// Nobody wants a task any more that may not have been begun.
    pub(crate) fn forget(&mut self, task: usize) {
        self.tasks[task].is_forgotten = true;
    }

    pub(crate) fn how(&self, task: usize) -> &How {
        &self.tasks[task].how
    }

    /// Whether nothing that was submitted is in the way of others for ever, if so many gates are open.
    pub(crate) fn is_clear(&self, n_opened: u64) -> bool {
        self.tasks.iter().all(|expected| {
            let waits = matches!(expected.how.does, Does::Wait(n_times) if n_times > n_opened);
            expected.is_cancelled || !waits && expected.how.usual().0 != Usual::Nothing
        })
    }

    pub(crate) fn kill(&mut self) {
        self.n_kills += 1;
    }

    /// The number of workers changes.
    pub(crate) fn resize(&mut self) {
        self.is_in_order = false;
    }

    pub(crate) fn terminate(&mut self) {
        self.is_terminated = true;
    }

    /// Whether it may be waited for.
    pub(crate) fn ends(&self, task: usize) -> bool {
        let Expected { how, is_cancelled, .. } = &self.tasks[task];
        *is_cancelled || how.usual().0 != Usual::Nothing
    }

    /// A cancel said whether it was in time.
    pub(crate) fn cancel(&mut self, task: usize, is_in_time: bool, audit: &Audit) {
        self.is_in_order = false;
        let expected = &mut self.tasks[task];
        if is_in_time && !expected.is_cancelled {
            expected.is_cancelled = true;
            expected.n_runs_then = audit.n_runs(task);
        }
    }

    /// A task has this result, and has it now: it was not seen before.
    pub(crate) fn result(
        &mut self,
        task: usize,
        result: &Result<Done, TaskError>,
    ) -> Result<(), String> {
        let n_kills = self.n_kills;
        let is_terminated = self.is_terminated;
        let expected = &mut self.tasks[task];
        if std::mem::replace(&mut expected.is_settled, true) {
            return Err(format!("task {task} has two results, the second of them {result:?}"));
        }
        let most_deaths = expected.how.retries + 1;
        let (usual, _) = expected.how.usual();
        // It is done, or it is cancelled.
        let can_fail = !expected.is_cancelled || expected.is_item;
        let is_it = match result {
            Ok(done) => usual == Usual::Done && *done == (task, cargo(expected.how.does)),
            Err(TaskError::Panicked(panic)) => {
                usual == Usual::Panicked && panic.to_string().contains("on purpose")
            }
            Err(TaskError::WorkerDied { tag, .. } | TaskError::TimedOut { tag, .. })
                if tag.is_some() != expected.how.is_tagged =>
            {
                false
            }
            Err(TaskError::WorkerDied { status, n_deaths, .. }) => {
                let own = Usual::Died { signal: status.signal(), code: status.code() };
                // It may have aborted at last only since it was killed before.
                let aborts = matches!(expected.how.does, Does::Abort(_));
                let is_own =
                    own == usual || n_kills > 0 && aborts && status.signal() == Some(SIGABRT);
                let is_killed = status.signal() == Some(SIGKILL) && n_kills > 0;
                can_fail && *n_deaths == most_deaths && (is_own || is_killed)
            }
            Err(TaskError::TimedOut { limit, n_deaths, .. }) => {
                let is_limit = expected.how.limit == Some(*limit);
                can_fail && is_limit && *n_deaths == most_deaths
            }
            Err(TaskError::Cancelled) => expected.is_cancelled,
            Err(TaskError::Terminated) => is_terminated,
            Err(_) => false,
        };
        if is_it {
            return Ok(());
        }
        Err(format!("task {task} came to {result:?}: {expected:?}, {n_kills} kills"))
    }

    /// The pool has ended; the book is closed.
    pub(crate) fn close_book(&self, audit: &Audit) -> Result<(), String> {
        let mut n_too_many = 0;
        for (task, expected) in self.tasks.iter().enumerate() {
            let n_runs = audit.n_runs(task);
            let (usual, n_usual) = expected.how.usual();
            // What is ended from outside may not have come so far that it counts.
            let is_wanted = !expected.is_cancelled && !expected.is_forgotten;
            let is_left_alone = self.n_kills == 0 && !self.is_terminated && is_wanted;
            if is_left_alone && usual != Usual::TimedOut && n_runs != n_usual {
                return Err(format!("task {task} was run {n_runs} times: {expected:?}"));
            }
            if n_runs > u64::from(expected.how.retries) + 1 {
                return Err(format!("task {task} was run {n_runs} times, too often: {expected:?}"));
            }
            if expected.is_cancelled && n_runs > expected.n_runs_then + 1 {
                return Err(format!("task {task} was run again when cancelled: {expected:?}"));
            }
            n_too_many += n_runs.saturating_sub(n_usual);
        }
        if n_too_many > self.n_kills {
            return Err(format!("{n_too_many} runs too many, and {} kills", self.n_kills));
        }
        if self.is_in_order { self.check_order(audit) } else { Ok(()) }
    }

    /// With one worker, from whom nothing was taken back but for what is more urgent: who was submitted before
    /// another, and is not less urgent, began before that.
    fn check_order(&self, audit: &Audit) -> Result<(), String> {
        let priority = |task: usize| self.tasks[task].how.priority;
        for second in 0..self.tasks.len() {
            let is_wrong = |first: &usize| {
                let both_ran = audit.turn(*first) != 0 && audit.turn(second) != 0;
                both_ran
                    && priority(*first) >= priority(second)
                    && audit.turn(*first) > audit.turn(second)
            };
            // While tasks are taken back for one that overtakes some, the worker may take one of them.
            let overtakes = |urgent: usize| {
                let waited = audit.turn(urgent) == 0 || audit.turn(urgent) > audit.turn(second);
                waited && (0..urgent).any(|other| priority(other) < priority(urgent))
            };
            if (second + 1..self.tasks.len()).any(overtakes) {
                continue;
            }
            if let Some(first) = (0..second).find(is_wrong) {
                return Err(format!("task {second} began before task {first}"));
            }
        }
        Ok(())
    }
}
