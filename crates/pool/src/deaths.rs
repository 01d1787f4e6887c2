//! What becomes of the tasks of a worker that leaves, or has died.
//!
//! | of what it had, this was | and becomes |
//! |--------------------------|-------------|
//! | done, as its [tray](crate::chunk::tray::Tray) says | its results |
//! | begun | died, timed out or cancelled, or runs again |
//! | not begun | queued again, in its old place |

use std::time::Duration;

use ipc_core::Deadline;
use proc_core::{ExitStatus, JoinError, Process};

use crate::board::Said;
use crate::chunk::answers::Answers;
use crate::dispatch::Task as _;
use crate::employee::Employee;
use crate::engine::{Engine, State};
use crate::events::{Event, TaskId};
use crate::job::{Argument, Job};
use crate::limits::Why;
use crate::mailbox::{Death, Fate};
use crate::planted::chunk::{CANCELLED_GOES_ON, DIES_WHOLE, IS_SAVED};
use crate::planted::ends::CANCELLED_RUNS_AGAIN;
use crate::trace;
use crate::worker::End;

impl Engine {
    /// A worker ends, and begins nothing of what it has.
    pub(crate) fn left(&self, place: usize) {
        // Nobody can say so for another one.
        if self.board.read(place) != Said::Leaving {
            return;
        }
        let mut state = self.lock();
        state.dispatch.left(place);
        let cancelled = state.take_cancelled_at(place);
        let fed = state.feed();
        drop(state);
        if let Some(job) = cancelled {
            job.meet(|| Fate::Cancelled);
        }
        // It has not for ever to end.
        self.bell.ring();
        self.settle(fed);
    }

    /// A worker has ended, and all that it had answered was taken.
    pub(crate) fn ended(&self, place: usize, incarnation: u64) {
        let said = self.board.read(place);
        let mut state = self.lock();
        // A death is a fact from the kernel: a record alone may be a worker's own invention.
        let worker = state.dispatch.worker(place);
        if worker.is_some_and(|worker| worker.process.is_alive()) {
            return;
        }
        let Some(gone) = state.dispatch.died(place, incarnation, said) else { return };
        let cancelled = state.take_cancelled_at(place);
        let ticket = if let Said::Begun(ticket) = said { Some(ticket) } else { None };
        let ending = state.take_ending(place, ticket);
        let process = &gone.worker.process;
        let status = process.exit_status().ok().flatten().unwrap_or(ExitStatus::Unknown);
        let pid = process.pid();
        state.hub.tell(|| Event::WorkerDied { place, pid, status });
        let mut done = None;
        let mut cancelled = cancelled;
        let failed = gone.victim.and_then(|job| {
            let (is_done, job) = state.save(place, &gone.worker, ticket.unwrap_or_default(), job);
            done = is_done;
            let mut job = job?;
            if let Some(rest) = job.split_off(1).filter(|_| !DIES_WHOLE) {
                cancelled =
                    state.hand_on(rest, ending == Some(Why::Cancelled)).or(cancelled.take());
            }
            let task = TaskId::of(&job);
            let failed = state.bury(job, process, ending);
            state.hub.tell(|| Event::TaskDied { task, place, pid, again: failed.is_none() });
            failed
        });
        let fed = state.feed();
        drop(state);
        if let Some((job, answers)) = done {
            job.tell(answers);
        }
        if let Some((job, fate)) = failed {
            trace::task_died(job.number, job.plan.options.tag.as_deref().unwrap_or_default(), pid);
            job.mailbox.deliver(job.index, fate);
        }
        if let Some(cancelled) = cancelled {
            cancelled.meet(|| Fate::Cancelled);
        }
        // The place wants somebody.
        self.bell.ring();
        self.settle(fed);
    }
}

impl State {
    /// A worker has died while it had a task: takes out what it had done of that, if it is a chunk.
    /// Gives back what it had done, and what it had not.
    fn save(
        &mut self,
        place: usize,
        worker: &Employee,
        ticket: u64,
        mut job: Job,
    ) -> (Option<(Job, Answers)>, Option<Job>) {
        if let Argument::One(_) = job.argument {
            return (None, Some(job));
        }
        let found = worker.tray.read(ticket);
        let n_done = usize::try_from(found.n_done).unwrap_or(usize::MAX).min(job.n_items());
        let n_done = n_done.max(job.n_told());
        if n_done == 0 || !IS_SAVED {
            return (None, Some(job));
        }
        let rest = job.split_off(n_done);
        self.dispatch.count(place, n_done);
        let (pid, run_time) = (worker.process.pid(), Duration::ZERO);
        let done = |task| Event::TaskDone { task, place, pid, run_time };
        self.hub.tell_each(TaskId::each_of(&job), done);
        (Some((job, Answers::of_tray(n_done, found))), rest)
    }

    /// A worker has died of a task: what becomes of that, unless it is to run again.
    fn bury(
        &mut self,
        mut job: Job,
        process: &Process<End>,
        ending: Option<Why>,
    ) -> Option<(Job, Fate)> {
        if ending == Some(Why::Cancelled) && !CANCELLED_RUNS_AGAIN {
            return Some((job, Fate::Cancelled));
        }
        let end = process.try_join();
        if let Err(JoinError::Panicked(panic)) = &end {
            // Where panics end the process, this is how they are told, also if the time was up meanwhile.
            return Some((job, Fate::Panicked(Box::new(panic.clone()))));
        }
        job.n_deaths = job.n_deaths.saturating_add(1);
        let options = &job.plan.options;
        match options.retry.pause_after(job.n_deaths) {
            Some(Duration::ZERO) => self.dispatch.queue(job),
            Some(pause) => {
                let until = Deadline::after(pause);
                self.look_at = self.look_at.min(until);
                self.dispatch.rest(until, job);
            }
            None => {
                let (pid, n_deaths, tag) = (process.pid(), job.n_deaths, options.tag.clone());
                let place = job.plan.known.place;
                let fate = if let Some(Why::TimedOut(limit)) = ending {
                    Fate::TimedOut { limit, pid, n_deaths, tag, place }
                } else {
                    let status = process.exit_status().ok().flatten();
                    let status = status.unwrap_or(ExitStatus::Unknown);
                    let memory_hint = match end {
                        Err(JoinError::OutOfMemory { hint, .. }) => Some(hint),
                        _ => None,
                    };
                    let max_memory = process.usage().map(|usage| usage.max_memory);
                    let death =
                        Death { pid, status, n_deaths, max_memory, memory_hint, tag, place };
                    Fate::Died(Box::new(death))
                };
                return Some((job, fate));
            }
        }
        None
    }

    /// A part of a chunk was not begun: hands it out again, in smaller parts if need be; gives it back
    /// if it is cancelled.
    pub(crate) fn hand_on(&mut self, rest: Job, is_cancelled: bool) -> Option<Job> {
        if (is_cancelled || rest.mailbox.is_cancelled()) && !CANCELLED_GOES_ON {
            return Some(rest);
        }
        // Of a caller that has no interest any more nothing further is begun.
        if !rest.mailbox.is_forsaken() {
            self.dispatch.queue(rest);
        }
        None
    }
}
