//! Feeding: giving what there is to who has room, and taking back what others could begin sooner.
//!
//! What is given is decided by the [table](crate::dispatch); here it goes into rings, and out of them. A
//! worker that has nothing gets what another has not begun: whole tasks out of its ring, or the items of
//! its [chunk](crate::chunk) behind one that takes long.

use std::sync::Arc;

use ipc_core::Deadline;

use crate::chunk::attend::LONGEST_CHUNK;
use crate::dispatch::{Dispatch, Fed, Give, Place, Task as _};
use crate::employee::{Employee, TakenBack};
use crate::engine::{Engine, State};
use crate::events::{Event, TaskId};
use crate::job::Job;
use crate::mailbox::{Fate, Mailbox};
use crate::parcel;
use crate::planted::chunk::FORGOTTEN_IS_DONE;

impl Engine {
    /// Prepares tasks that somebody has room for, which takes long and is done without the lock, and
    /// gives them.
    fn prepare(&self, fed: &mut Fed<Job>, drained: &mut Vec<Arc<Mailbox>>) {
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
            drained.extend(state.drained());
        }
    }

    /// What remains to be done without the lock, for the collector.
    pub(crate) fn settle(&self, mut fed: Fed<Job>, mut drained: Vec<Arc<Mailbox>>) {
        self.prepare(&mut fed, &mut drained);
        self.deliver(fed, drained);
    }

    fn deliver(&self, fed: Fed<Job>, drained: Vec<Arc<Mailbox>>) {
        for (job, reason) in fed.unsendable {
            job.meet(|| Fate::Lost(reason.clone()));
        }
        for mailbox in drained {
            mailbox.deliver(0, Fate::Terminated);
        }
        if fed.is_unable || fed.is_urgent {
            // The keeper has a seat at every inbox, and a clock.
            self.bell.ring();
        }
    }

    /// The same for others: the collector may be waiting for just what is delivered here, and looks
    /// at the ring only.
    pub(crate) fn settle_aside(&self, mut fed: Fed<Job>, mut drained: Vec<Arc<Mailbox>>) {
        self.prepare(&mut fed, &mut drained);
        let has_delivered = !fed.unsendable.is_empty() || !drained.is_empty();
        self.deliver(fed, drained);
        if has_delivered {
            self.nudge();
        }
    }

    /// Something was delivered by somebody who does not collect.
    pub(crate) fn nudge(&self) {
        if self.lead.is_taken() {
            self.lock().wants_nudge = true;
            self.bell.ring();
        }
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
        let drained = state.drained();
        drop(state);
        self.settle_aside(fed, drained);
    }
}

impl State {
    /// Gives what there is to give, and sees to it that nobody is idle while another has tasks that
    /// it has not begun.
    pub(crate) fn feed(&mut self) -> Fed<Job> {
        let Self { dispatch, record, look_at, hub, .. } = self;
        let before = *look_at;
        let mut give = |worker: &Arc<Employee>, ticket, job: &Job| {
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
        let mut fed = dispatch.feed(&mut give);
        let mut has_taken_back = false;
        let mut last = None;
        // For a task that nobody has room for even then, one place is enough.
        while !fed.is_unable
            && let Some((place, number)) = dispatch.overtaken()
            && last.replace(number) != Some(number)
        {
            fed.is_unable = !take_back_all(dispatch, place);
            fed.extend(dispatch.feed(&mut give));
            has_taken_back = true;
        }
        while !fed.is_unable
            && let Some((place, worker)) = dispatch.most_ahead()
            && let TakenBack::Task(ticket) = worker.take_back()
        {
            dispatch.taken_back(place, ticket);
            fed.extend(dispatch.feed(&mut give));
            has_taken_back = true;
        }
        if has_taken_back {
            dispatch.places().iter().filter_map(Place::worker).for_each(|who| who.drop_unwanted());
        }
        fed.is_urgent = *look_at < before;
        for worker in dispatch.retired() {
            // It returns; the keeper gives it some time for that.
            worker.inbox.close();
            fed.is_urgent = true;
        }
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
        let can = take_back_all(&mut self.dispatch, place);
        if can && let Some(worker) = self.dispatch.worker(place) {
            worker.drop_unwanted();
        }
        can
    }
}

/// Takes back all that is in the ring of the worker in a place; `false` if the calling thread cannot.
fn take_back_all(dispatch: &mut Dispatch<Arc<Employee>, Job>, place: usize) -> bool {
    let Some(worker) = dispatch.worker(place).map(Arc::clone) else { return true };
    loop {
        match worker.take_back() {
            TakenBack::Task(ticket) => dispatch.taken_back(place, ticket),
            TakenBack::Nothing => return true,
            TakenBack::Unable => return false,
        }
    }
}
