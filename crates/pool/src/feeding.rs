//! Feeding: giving what there is to who has room, and taking back what others could begin sooner.
//!
//! What is given is decided by the [table](crate::dispatch); here it goes into rings, and out of them. A
//! worker that has nothing gets what another has not begun: whole tasks out of its ring, or the items of
//! its [chunk](crate::chunk) behind one that takes long.

use std::sync::Arc;

use ipc_core::Deadline;

use crate::chunk::attend::LONGEST_CHUNK;
use crate::dispatch::{Fed, Give, Place, Task as _};
use crate::employee::Employee;
use crate::engine::{Engine, State};
use crate::events::{Event, TaskId};
use crate::job::Job;
use crate::mailbox::{Fate, Mailbox};
use crate::parcel;
use crate::planted::chunk::FORGOTTEN_IS_DONE;

impl Engine {
    /// Prepares tasks that somebody has room for, which takes long and is done without the lock, and
    /// gives them.
    fn prepare(&self, fed: &mut Fed<Job>) {
        while std::mem::take(&mut fed.is_unprepared) {
            let mut state = self.lock();
            if state.is_preparing {
                // Whoever does so goes on until nothing is left.
                return;
            }
            let next = state.dispatch.next_task().and_then(Job::parcel);
            let wanted = next.and_then(|parcel| parcel.unpacked());
            if let Some((bytes, may_be_shelved)) = wanted {
                state.is_preparing = true;
                drop(state);
                let shelf = self.shelf.as_ref().filter(|_| may_be_shelved);
                let packed = parcel::pack_many(&bytes, shelf);
                state = self.lock();
                state.is_preparing = false;
                // It may be gone, or another one be next by now.
                let next = state.dispatch.next_task().and_then(Job::parcel);
                match (next.filter(|parcel| parcel.is_of(&bytes)), packed) {
                    (Some(parcel), Ok(packed)) => parcel.take_packed(packed),
                    (Some(_), Err(error)) => {
                        let job = state.dispatch.take_next();
                        fed.unsendable.extend(job.map(|job| (job, error.to_string())));
                    }
                    _ => {}
                }
            }
            fed.extend(state.feed());
        }
    }

    /// What remains to be done without the lock, for the collector.
    pub(crate) fn settle(&self, mut fed: Fed<Job>) {
        self.prepare(&mut fed);
        let is_drained = fed.is_drained;
        self.deliver(fed);
        if is_drained {
            self.tell_drained();
        }
    }

    fn deliver(&self, fed: Fed<Job>) {
        for (job, reason) in fed.unsendable {
            job.meet(|| Fate::Lost(reason.clone()));
        }
        if fed.is_unable || fed.is_urgent {
            // The keeper has a seat at every inbox, and a clock.
            self.bell.ring();
        }
    }

    /// The same for others: the collector may be waiting for just what is delivered here, and looks
    /// at the ring only. That no task is left is for it to tell.
    pub(crate) fn settle_aside(&self, mut fed: Fed<Job>) {
        self.prepare(&mut fed);
        let (has_delivered, is_drained) = (!fed.unsendable.is_empty(), fed.is_drained);
        self.deliver(fed);
        if is_drained {
            self.have_nudged();
        } else if has_delivered {
            self.nudge();
        }
    }

    /// Something was delivered by somebody who does not collect.
    pub(crate) fn nudge(&self) {
        if self.lead.is_taken() {
            self.have_nudged();
        }
    }

    /// Has the keeper report to whoever collects, or will.
    pub(crate) fn have_nudged(&self) {
        self.lock().wants_nudge = true;
        self.bell.ring();
    }

    /// Nobody is interested in the results of a mailbox any more.
    pub(crate) fn forget(&self, mailbox: &Arc<Mailbox>) {
        mailbox.forsake();
        let mut state = self.lock();
        if !state.forget_all_of(mailbox) {
            state.forgotten.push(Arc::clone(mailbox));
            self.bell.ring();
        }
        let fed = state.feed();
        drop(state);
        self.settle_aside(fed);
    }
}

impl State {
    /// Gives what there is to give, and sees to it that nobody is idle while another has tasks that
    /// it has not begun.
    pub(crate) fn feed(&mut self) -> Fed<Job> {
        let Self { dispatch, record, look_at, hub, .. } = self;
        let before = *look_at;
        let give = |worker: &Arc<Employee>, ticket, job: &Job| {
            if let Some(limit) = job.plan.options.limit {
                // It cannot be up earlier.
                *look_at = Deadline::after(limit).min(*look_at);
            }
            let given = worker.give(ticket, job, record);
            if let Give::Taken = given {
                if job.n_items() > 1 {
                    *look_at = Deadline::after(LONGEST_CHUNK).min(*look_at);
                }
                let (place, pid) = (worker.place, worker.process.pid());
                hub.tell_each(TaskId::each_of(job), |task| Event::TaskGiven { task, place, pid });
            }
            given
        };
        let mut fed = dispatch.feed_all(give, |worker| worker.take_back());
        if fed.has_taken_back {
            dispatch.places().iter().filter_map(Place::worker).for_each(|who| who.drop_unwanted());
        }
        fed.is_urgent = *look_at < before;
        for worker in dispatch.retired() {
            // It returns; the keeper gives it some time for that.
            worker.inbox.close();
            fed.is_urgent = true;
        }
        fed.is_drained = self.is_drained();
        fed
    }

    /// Takes out the tasks of a mailbox that no worker has taken; `false` if the calling thread cannot.
    pub(crate) fn forget_all_of(&mut self, mailbox: &Arc<Mailbox>) -> bool {
        let can = self.take_back_of(mailbox);
        for place in 0..self.dispatch.places().len() {
            if self
                .dispatch
                .first_of(place)
                .is_some_and(|(_, _, job)| Arc::ptr_eq(&job.mailbox, mailbox) && !FORGOTTEN_IS_DONE)
            {
                self.divide(place);
            }
        }
        drop(self.take_waiting_of(mailbox));
        can
    }

    /// Takes out the tasks of a mailbox that no worker has.
    pub(crate) fn take_waiting_of(&mut self, mailbox: &Arc<Mailbox>) -> Vec<Job> {
        self.dispatch.take_waiting(|job| Arc::ptr_eq(&job.mailbox, mailbox))
    }

    /// Takes back what workers have not begun where there are tasks of a mailbox; `false` if the
    /// calling thread cannot.
    pub(crate) fn take_back_of(&mut self, mailbox: &Arc<Mailbox>) -> bool {
        let mut can = true;
        for place in 0..self.dispatch.places().len() {
            let Some(of_place) = self.dispatch.places().get(place) else { continue };
            if of_place.given().any(|(_, job)| Arc::ptr_eq(&job.mailbox, mailbox)) {
                can &= self.take_back_at(place);
            }
        }
        can
    }

    /// Takes back what the worker in a place has not begun; `false` if the calling thread cannot.
    pub(crate) fn take_back_at(&mut self, place: usize) -> bool {
        let can = self.dispatch.take_back_all(place, |worker| worker.take_back());
        if can && let Some(worker) = self.dispatch.worker(place) {
            worker.drop_unwanted();
        }
        can
    }
}
