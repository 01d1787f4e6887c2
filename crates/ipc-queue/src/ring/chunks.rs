//! Chunks: where the messages go when a chunk is at its end, in a ring that grows.
//!
//! The chunks that messages lie in make a list, from the head's to the tail's: the last slot of each
//! has a link to the next, which is written by the claim of that slot. All other chunks are *free*.
//! Which they are stands nowhere but in their last slots:
//!
//! | last slot of a chunk that is not the tail's | meaning |
//! |----------------------------------------------|---------|
//! | free | the head has passed the chunk (C2 in the README), or never came: the chunk is free |
//! | taken by a getter, who lives or is dead | the same, but the tail will have to wait for the getter, or retire its claim |
//! | full, being written, or a hole | the chunk is on the list |
//!
//! Only the tail's chunk can be on the list with a free last slot, and that is the slot which is about
//! to be claimed. A chunk is put on the list by the claim of that one slot. So if the exchange succeeds,
//! nobody else has put anything on the list since the slot was seen, and a chunk that was seen free
//! then is still free: chunks need no owner, and a death leaves none behind.
//!
//! # Who waits for a chunk
//!
//! If no chunk is free and there may be no more, a putter waits until the first on the list is, which
//! is the head's: it sleeps on the last slot of that. The head is looked at first, then all chunks, then
//! that slot. If no getter has claimed it by then, no chunk was left by the head meanwhile. From then on
//! its word changes before any chunk becomes free.

use super::attempt::Attempt;
use super::position::Position;
use super::slot::{Link, Owner, State};
use super::{Blocked, Memory, Ring, planted};

impl<M: Memory> Ring<'_, M> {
    /// Finds a chunk for what comes after the message at `at`, which is the last in its chunk; nothing
    /// if the words have changed meanwhile.
    #[cold]
    pub(super) fn find_chunk(
        self,
        at: Position,
        attempt: &mut Attempt,
    ) -> Result<Option<Link>, Blocked> {
        let (n_slots, chunk) = (self.0.n_slots(), self.0.chunk());
        let (n_chunks, tail_chunk) = (n_slots / chunk, at.index() / chunk);
        let head_chunk = self.head_at()?.index() / chunk;
        let mut taken = None;
        // The first of all, so that few are used and those are warm; then the one that was not used
        // for longest, if they are used in turn.
        let others = (0..1).chain(tail_chunk + 1..n_chunks).chain(1..tail_chunk);
        for other in others.filter(|other| *other != tail_chunk) {
            attempt.step()?;
            let seen = self.last_of(other);
            if seen.is_free() || planted::CHUNK_UNSEEN {
                return Ok(Some(Link::to(other)));
            }
            if seen.is_taken() || planted::HOLES_ARE_TAKEN && seen.owner() != Owner::NOBODY {
                taken = taken.or(Some(Link::to(other)));
            }
        }
        if self.0.grow(n_slots) {
            return Ok(None);
        }
        if taken.is_some() {
            return Ok(taken);
        }
        let head_chunk =
            if planted::HEAD_LATE { self.head_at()?.index() / chunk } else { head_chunk };
        let head_chunk = if planted::WAITS_AT_TAIL { tail_chunk } else { head_chunk };
        let seen = self.last_of(head_chunk);
        if planted::WAITS_AT_TAIL || !seen.is_free() && !seen.is_taken() {
            self.pass_earlier(head_chunk * chunk + chunk - 1, seen)?;
        }
        Ok(None)
    }

    /// The last slot of a chunk that there is.
    fn last_of(self, chunk: u32) -> State {
        let len = self.0.chunk();
        self.0.slot(chunk * len + len - 1).look()
    }
}
