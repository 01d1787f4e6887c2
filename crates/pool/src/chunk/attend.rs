//! Chunks that take longer than they were to: the parent looks after them.

use std::sync::Arc;
use std::time::Duration;

use ipc_core::Deadline;

use super::answers::Answers;
use super::words::Found;
use crate::dispatch::Task as _;
use crate::engine::State;
use crate::job::{Argument, Job};
use crate::mailbox::{Fate, Mailbox};

/// When a worker has been at a chunk for so long, somebody looks after it.
pub(crate) const LONGEST_CHUNK: Duration = Duration::from_millis(4);

/// Results that were taken off a tray: where they go, and the place of the first.
pub(crate) type Told = (Arc<Mailbox>, usize, Fate);

impl State {
    /// Looks after chunks that workers have been at for long: tells what is done, and if somebody has
    /// nothing to do, takes back what is not begun.
    pub(crate) fn attend_chunks(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        for place in 0..self.dispatch.places().len() {
            if self.has_chunk_ahead(place) {
                // Nobody is told when it is begun.
                self.look_at = self.look_at.min(Deadline::after(LONGEST_CHUNK));
            }
            let Some((worker, ticket, job)) = self.dispatch.first_of(place) else { continue };
            let Argument::Many(chunk) = &mut job.argument else { continue };
            // Of the last item, the answer comes.
            if chunk.n_told() + 1 >= chunk.n_items() {
                continue;
            }
            let time = self.board.time_at(place, ticket).unwrap_or_default();
            let mut next = LONGEST_CHUNK.saturating_sub(time);
            if time >= LONGEST_CHUNK {
                let is_whole = chunk.is_whole();
                let found = worker.tray.read(ticket);
                told.extend(tell(job, found));
                // It gets a longer and longer time.
                next = time.min(LONGEST_PAUSE);
                if !is_whole && self.dispatch.has_idle() {
                    self.divide(place);
                }
            }
            self.look_at = self.look_at.min(Deadline::after(next));
        }
        told
    }

    /// Whether a worker has a chunk behind the task that it is at.
    fn has_chunk_ahead(&self, place: usize) -> bool {
        let place = self.dispatch.places().get(place);
        place.is_some_and(|place| place.given().skip(1).any(|(_, job)| job.n_items() > 1))
    }

    /// Takes from a worker what it has not begun of a chunk, and queues it again.
    pub(crate) fn divide(&mut self, place: usize) {
        let Some((worker, ticket, job)) = self.dispatch.first_of(place) else { return };
        if !matches!(&job.argument, Argument::Many(_)) || job.n_items() < 2 {
            return;
        }
        let Some(n_kept) = worker.tray.revoke(ticket) else { return };
        self.dispatch.divide(place, ticket, usize::try_from(n_kept).unwrap_or(usize::MAX));
    }
}

/// Nobody looks more seldom.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Results of the first items, as far as they were not told before.
fn tell(job: &mut Job, found: Found) -> Option<Told> {
    let Argument::Many(chunk) = &mut job.argument else { return None };
    // When the last is told, all are counted.
    let most = chunk.n_items().saturating_sub(1);
    let n_done = usize::try_from(found.n_done).unwrap_or(usize::MAX).min(most);
    let n_told = chunk.n_told();
    if n_done <= n_told {
        return None;
    }
    chunk.tell(n_done);
    let answers = Answers::of_tray(n_done, found).skip(n_told);
    Some((Arc::clone(&job.mailbox), job.index + n_told, Fate::Chunk(answers)))
}
