//! Feeding: what is given to whom, and what is taken back first.
//!
//! How a task goes into a worker's ring, and out of it, is said by whoever feeds: the pool with real rings, and
//! `tests/model` with those of models, which so prove the loops that run.

use super::outcome::{Fed, Give, TakenBack};
use super::place::Given;
use super::run::Run;
use super::{Dispatch, Standing, Task};
use crate::planted::table::TICKET_STEP;

impl<W, T: Task> Dispatch<W, T> {
    /// Gives queued tasks to workers that have room, until there are no more of either.
    pub(crate) fn feed(&mut self, mut give: impl FnMut(&W, u64, &T) -> Give) -> Fed<T> {
        let mut fed = Fed::nothing();
        let mut run = Run::default();
        while let Some(task) = self.backlog.front()
            && let Some(place) = run.place_for(&mut self.places, task)
        {
            if !task.is_prepared() {
                fed.is_unprepared = true;
                break;
            }
            let ticket = self.next_ticket;
            let Some(worker) = &place.worker else { break };
            self.backlog.cut();
            let Some(task) = self.backlog.front() else { break };
            match give(worker, ticket, task) {
                Give::Taken => {
                    self.next_ticket += TICKET_STEP;
                    let nanos = task.nanos();
                    place.nanos = place.nanos.saturating_add(nanos);
                    place.n_parcels += usize::from(task.has_parcel());
                    place.lowest = place.lowest.min(task.priority());
                    if let Some(mut task) = self.backlog.pop() {
                        task.was_given();
                        place.given.push_back(Given { ticket, nanos, task });
                    }
                }
                // Nothing that it answers will make room.
                Give::Full if place.given.is_empty() => place.standing = Standing::Retiring,
                Give::Full => place.is_full = true,
                Give::Useless => place.standing = Standing::Retiring,
                Give::Unsendable(reason) => {
                    let task = self.backlog.pop();
                    fed.unsendable.extend(task.map(|task| (task, reason)));
                }
                Give::Unable => {
                    fed.is_unable = true;
                    break;
                }
            }
        }
        fed
    }

    /// The same, and sees to it that what is urgent overtakes, and that nobody is idle while another has tasks that
    /// it has not begun.
    pub(crate) fn feed_all(
        &mut self,
        mut give: impl FnMut(&W, u64, &T) -> Give,
        take_back: impl Fn(&W) -> TakenBack,
    ) -> Fed<T> {
        let mut fed = self.feed(&mut give);
        let mut last = None;
        // For a task that nobody has room for even then, one place is enough.
        while !fed.is_unable
            && let Some((place, number)) = self.overtaken()
            && last.replace(number) != Some(number)
        {
            fed.is_unable = !self.take_back_all(place, &take_back);
            fed.has_taken_back = true;
            fed.extend(self.feed(&mut give));
        }
        while !fed.is_unable
            && let Some((place, worker)) = self.most_ahead()
            && let TakenBack::Task(ticket) = take_back(worker)
        {
            self.taken_back(place, ticket);
            fed.has_taken_back = true;
            fed.extend(self.feed(&mut give));
        }
        fed
    }

    /// Takes back all that is in the ring of the worker in a place; `false` if the calling thread cannot.
    pub(crate) fn take_back_all(
        &mut self,
        place: usize,
        take_back: impl Fn(&W) -> TakenBack,
    ) -> bool {
        while let Some(worker) = self.worker(place) {
            match take_back(worker) {
                TakenBack::Task(ticket) => self.taken_back(place, ticket),
                TakenBack::Nothing => break,
                TakenBack::Unable => return false,
            }
        }
        true
    }
}
