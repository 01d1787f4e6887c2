//! Who works where: workers come to work, make room for others, and die.

use super::{Dispatch, Gone, Standing, Task};
use crate::board::Said;
use crate::planted::table::{BEGUN_RUNS_AGAIN, UNBEGUN_DIES};

impl<W, T: Task> Dispatch<W, T> {
    /// A worker has died, and all its answers were taken: what it had not begun is queued again, in
    /// its old place. `None` if it is another one who works there now.
    pub(crate) fn died(
        &mut self,
        place: usize,
        incarnation: u64,
        said: Said,
    ) -> Option<Gone<W, T>> {
        let place = self.places.get_mut(place)?;
        if place.incarnation != incarnation {
            return None;
        }
        let worker = place.worker.take()?;
        let mut victim = None;
        for given in place.let_go() {
            let is_begun = said == Said::Begun(given.ticket) && !BEGUN_RUNS_AGAIN;
            if is_begun || UNBEGUN_DIES && victim.is_none() {
                victim = Some(given.task);
            } else {
                self.backlog.put(given.task);
            }
        }
        Some(Gone { worker, victim })
    }

    /// Which worker the next one in a place will be.
    pub(crate) fn next_incarnation(&self, place: usize) -> u64 {
        self.places.get(place).map_or(0, |place| place.incarnation + 1)
    }

    /// Somebody works in a place that had nobody.
    pub(crate) fn employ(&mut self, place: usize, worker: W) {
        if let Some(place) = self.places.get_mut(place) {
            place.incarnation += 1;
            place.worker = Some(worker);
            place.standing = Standing::Working;
        }
    }

    /// Who has begun to work in a place gets nothing until it is [ready](Self::ready).
    pub(crate) fn await_ready(&mut self, place: usize) {
        if let Some(place) = self.places.get_mut(place) {
            place.standing = Standing::Preparing;
        }
    }

    /// A worker has prepared itself; `false` if that is known, or not so.
    pub(crate) fn ready(&mut self, place: usize) -> bool {
        let place = self.places.get_mut(place);
        let preparing = place.filter(|place| place.standing == Standing::Preparing);
        preparing.map(|place| place.standing = Standing::Working).is_some()
    }

    /// A worker has said that it ends, and will begin nothing more: what it has is queued again,
    /// in its old place.
    pub(crate) fn left(&mut self, place: usize) {
        if let Some(place) = self.places.get_mut(place) {
            for given in place.let_go() {
                self.backlog.put(given.task);
            }
            place.standing = Standing::Leaving;
        }
    }

    /// A worker gets nothing more.
    pub(crate) fn retire(&mut self, place: usize) {
        if let Some(place) = self.places.get_mut(place) {
            place.standing = match place.standing {
                Standing::Leaving => Standing::Leaving,
                _ => Standing::Retiring,
            };
        }
    }

    /// Workers that get nothing more and have nothing left to answer; each is told once.
    pub(crate) fn retired(&mut self) -> impl Iterator<Item = &W> {
        self.places.iter_mut().filter_map(|place| {
            let retires = place.standing == Standing::Retiring && place.given.is_empty();
            let worker = place.worker.as_ref().filter(|_| retires)?;
            place.standing = Standing::Leaving;
            Some(worker)
        })
    }

    pub(crate) fn worker(&self, place: usize) -> Option<&W> {
        self.places.get(place)?.worker.as_ref()
    }

    /// All workers.
    pub(crate) fn workers(&self) -> Vec<W>
    where
        W: Clone,
    {
        self.places.iter().filter_map(|place| place.worker.clone()).collect()
    }

    /// Takes out all workers; the places stay empty.
    pub(crate) fn take_workers(&mut self) -> Vec<W> {
        self.places.iter_mut().filter_map(|place| place.worker.take()).collect()
    }
}
