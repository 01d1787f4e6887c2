//! Tasks that end before they are done, since their time is up or their caller cancels them, and
//! tasks that rest before they run again.
//!
//! Only a task that runs has a time limit, from the moment that its worker wrote on the
//! [`board`](crate::board). Nobody tells the keeper of that moment: it looks when the time of a task
//! could be up at the earliest, and if the task began later, or has not begun, it looks again.
//!
//! # Ending a task that runs
//!
//! It ends with its worker. That must not harm another task, and the worker may be done with this one
//! and have taken the next one at any moment. So all that it has not taken is taken back first, and it
//! gets nothing more from then on: it is *retiring*. What it was given is in order, so
//!
//! | of what it has taken, the task is | it is | and the worker |
//! |-----------------------------------|-------|----------------|
//! | the last | run, or has been | can be ended: it begins nothing else |
//! | not the last | done: its answer is in the ring | goes on |
//!
//! If it has taken the task and not begun it, the task comes back when the worker has ended, and if it
//! was cancelled, that is the end of it.
//!
//! A worker that is ended may be asked first, by `SIGTERM`, and is killed after a grace; if it answers
//! in between, that is the answer, and the worker is dismissed.

use std::sync::Arc;
use std::time::Duration;

use ipc_core::Deadline;

use crate::board::Board;
use crate::dispatch::{Place, Task as _};
use crate::engine::{Engine, State};
use crate::job::Job;
use crate::mailbox::{Fate, Mailbox};
use crate::planted::ends::CANCELLED_COMES_BACK;

/// Why a worker is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its task is cancelled.
    Cancelled,
    /// The time of its task is up, which was so long.
    TimedOut(Duration),
}

/// A worker that is to end since the task that it runs is to.
#[derive(Debug)]
pub(crate) struct Ending {
    place: usize,
    ticket: u64,
    /// The task's, by which it is found if it was not begun.
    priority: i32,
    number: u64,
    why: Why,
    /// When it is killed.
    kill_at: Deadline,
}

/// How long a task that is cancelled has after `SIGTERM` unless something else was said.
const GRACE: Duration = Duration::from_millis(100);

/// How soon, at the earliest, the keeper looks again whether a task has begun.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What became of a wish to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancelled {
    /// Each of the tasks has ended or is about to.
    All,
    /// There was none left.
    None,
    /// The calling thread cannot take back what workers have.
    Unable,
}

impl Engine {
    /// Cancels one task that has a mailbox of its own; `false` if it is done.
    pub(crate) fn cancel(&self, mailbox: &Arc<Mailbox>, priority: i32, number: u64) -> bool {
        let mut state = self.lock();
        // Most that can be cancelled wait.
        if let Some(job) = state.dispatch.take_queued(priority, number) {
            let is_drained = state.is_drained();
            drop(state);
            self.cancel_waiting(vec![job]);
            if is_drained {
                self.have_nudged();
            }
            return true;
        }
        drop(state);
        self.cancel_all(mailbox)
    }

    /// Cancels all tasks of a mailbox; `false` if all are done.
    pub(crate) fn cancel_all(&self, mailbox: &Arc<Mailbox>) -> bool {
        // What has been answered is done.
        self.poll();
        let mut state = self.lock();
        let mut waiting = state.take_waiting_of(mailbox);
        let cancelled = if state.take_back_of(mailbox) {
            waiting.extend(state.take_waiting_of(mailbox));
            state.end_those_of(mailbox)
        } else {
            state.cancelled.push(Arc::clone(mailbox));
            Cancelled::Unable
        };
        // Of a chunk that is answered in part the rest comes back.
        let is_any =
            cancelled != Cancelled::None || !waiting.is_empty() || state.has_chunk_of(mailbox);
        if is_any {
            mailbox.cancel();
        }
        let mut fed = state.feed();
        fed.is_urgent |= is_any;
        drop(state);
        self.cancel_waiting(waiting);
        self.settle_aside(fed);
        is_any
    }

    fn cancel_waiting(&self, jobs: Vec<Job>) {
        for job in jobs {
            job.meet(|| Fate::Cancelled);
        }
        self.nudge();
    }

    /// What the keeper does when something is due.
    pub(crate) fn attend(&self) {
        if !self.lock().look_at.is_past() {
            return;
        }
        // What has been answered is in time.
        self.poll();
        let mut state = self.lock();
        state.attend(&self.board);
        let told = state.attend_chunks();
        let fed = state.feed();
        drop(state);
        let has_told = !told.is_empty();
        for (mailbox, index, fate) in told {
            mailbox.deliver(index, fate);
        }
        if has_told {
            self.nudge();
        }
        self.settle_aside(fed);
    }
}

impl State {
    /// Whether a worker has a chunk of a mailbox.
    fn has_chunk_of(&self, mailbox: &Arc<Mailbox>) -> bool {
        let given = self.dispatch.places().iter().flat_map(Place::given);
        given.into_iter().any(|(_, job)| job.n_items() > 1 && Arc::ptr_eq(&job.mailbox, mailbox))
    }

    /// Ends workers that run tasks of a mailbox, and nothing else behind them.
    fn end_those_of(&mut self, mailbox: &Arc<Mailbox>) -> Cancelled {
        let mut cancelled = Cancelled::None;
        for place in 0..self.dispatch.places().len() {
            let Some((ticket, job)) = self.dispatch.last_of(place) else { continue };
            if Arc::ptr_eq(&job.mailbox, mailbox) {
                let grace = job.plan.options.grace.unwrap_or(GRACE);
                self.end_worker(place, ticket, Why::Cancelled, grace);
                cancelled = Cancelled::All;
            }
        }
        cancelled
    }

    /// Does what is due, and finds out when something will be.
    fn attend(&mut self, board: &Board) {
        self.look_at = self.dispatch.wake_rested();
        for ending in &mut self.endings {
            if ending.kill_at.is_past() {
                if let Some(worker) = self.dispatch.worker(ending.place) {
                    // If it has ended already, all the better.
                    let _killed = worker.process.kill();
                }
                ending.kill_at = Deadline::NEVER;
            }
            self.look_at = self.look_at.min(ending.kill_at);
        }
        let mut expired = Vec::new();
        for (at, place) in self.dispatch.places().iter().enumerate() {
            for (ticket, job) in place.given() {
                let Some(limit) = job.plan.options.limit else { continue };
                if self.endings.iter().any(|ending| ending.place == at) {
                    continue;
                }
                let left = match board.time_at(at, ticket) {
                    Some(time) if time >= limit => {
                        let grace = job.plan.options.grace.unwrap_or_default();
                        expired.push((at, ticket, Why::TimedOut(limit), grace));
                        continue;
                    }
                    Some(time) => limit - time,
                    None => limit.max(LOOK_AGAIN),
                };
                self.look_at = self.look_at.min(Deadline::after(left));
            }
        }
        for (place, ticket, why, grace) in expired {
            // The keeper, who calls this, can.
            self.take_back_at(place);
            if self.dispatch.last_of(place).is_some_and(|(last, _)| last == ticket) {
                self.end_worker(place, ticket, why, grace);
            }
        }
    }

    /// Ends the worker in a place, for a task that is the last that it has.
    fn end_worker(&mut self, place: usize, ticket: u64, why: Why, grace: Duration) {
        if let Some(ending) = self.endings.iter_mut().find(|ending| ending.place == place) {
            // It was asked before, for this task, since it got no other. If it was since its time is
            // up, it might have run again, which a task that is cancelled does not.
            if why == Why::Cancelled && ending.ticket == ticket {
                ending.why = why;
            }
            return;
        }
        self.dispatch.retire(place);
        let Some(of_place) = self.dispatch.places().get(place) else { return };
        let Some(worker) = of_place.worker() else { return };
        let mut given = of_place.given().filter(|(given, _)| *given == ticket);
        let Some((_, job)) = given.next() else { return };
        let (priority, number) = (job.plan.options.priority, job.number);
        // If it has ended already, all the better.
        let (_told, kill_at) = if grace.is_zero() {
            (worker.process.kill(), Deadline::NEVER)
        } else {
            (worker.process.terminate(), Deadline::after(grace))
        };
        self.look_at = self.look_at.min(kill_at);
        self.endings.push(Ending { place, ticket, priority, number, why, kill_at });
    }

    /// A worker begins nothing more, and what it had not begun is queued again: takes out the task
    /// for which it was to end, if that was cancelled and is among those.
    pub(crate) fn take_cancelled_at(&mut self, place: usize) -> Option<Job> {
        let is_it = |ending: &&Ending| ending.place == place && ending.why == Why::Cancelled;
        let ending = self.endings.iter().find(is_it).filter(|_| !CANCELLED_COMES_BACK)?;
        self.dispatch.take_queued(ending.priority, ending.number)
    }

    /// Whether the task with this ticket is to end, since it is cancelled.
    pub(crate) fn is_cancelled(&self, place: usize, ticket: u64) -> bool {
        let is_it = |ending: &Ending| (ending.place, ending.ticket) == (place, ticket);
        self.endings.iter().any(|ending| is_it(ending) && ending.why == Why::Cancelled)
    }

    /// The worker in a place has ended; says why it was to, if it was for the task with this ticket.
    pub(crate) fn take_ending(&mut self, place: usize, ticket: Option<u64>) -> Option<Why> {
        let at = self.endings.iter().position(|ending| ending.place == place)?;
        let ending = self.endings.swap_remove(at);
        (Some(ending.ticket) == ticket).then_some(ending.why)
    }
}
