//! Items that are kept until they are finished: the moves of a joinable queue.
//!
//! Every item is a block of the heap, however short, and the block's word (`heap/block.rs`) is the
//! whole truth about it: nothing is counted that a death could leave wrong.
//!
//! # States of an item
//!
//! | its block | the item | if its owner dies |
//! |-----------|----------|-------------------|
//! | owned by p | is being written | was never put; a sweep frees the block |
//! | queued at a position | is put: *unfinished*, and waits in that slot | |
//! | the same, but the slot is in dead hands or gone past | *stray*: is handed out by whoever looks for it | |
//! | leased by p, for the k-th time | unfinished, in the hands of p | stray: as above, for the time k+1 |
//! | leased by the grave | stray: its taker gave it back, or died and its seat was given on | |
//! | free | finished | |
//!
//! # Commit points
//!
//! | operation | happens at |
//! |-----------|------------|
//! | put | the exchange of the block to queued |
//! | a delivery | the exchange of the block to leased by the taker, with the count in the same word |
//! | done | the exchange of the block to free (or to owned, if its memory is given back first) |
//! | fail | the exchange of the block to leased by the grave |
//!
//! A get takes the slot, then the block. Who dies in between has not got the item, which is a stray: so
//! is that of a putter who dies between its commit and that of the slot. A stray goes from its old
//! state to the new taker's hands by one exchange, and each lease differs from all before it, so there
//! is never a lock, nor a moment in which an item is nowhere.
//!
//! # Who looks for strays
//!
//! 1. Whoever finds the ring empty, before it sleeps or says so. It sleeps on the life words of all who
//!    sit at the table, as who waits for memory does, and those who sit down call it: so it is told of
//!    the death of whoever has an item in its hands. Who gives one up, or a dead one's seat on, rings
//!    as if it had put.
//! 2. In a queue that is never empty, everybody whom the hint `strays` tells that there may be some. It
//!    is set by who has made one or has seen one; nothing rests on it.
//!
//! Who waits for others (`observe`) waits like 1., and takes nothing.
//!
//! # Join
//!
//! There was a moment without unfinished items if a look at all blocks finds none *and* `commits` has
//! not changed meanwhile (E6). An item's putter counts after the commit, and before anybody can get the
//! item from the ring and before the put returns; who takes the stray of a dead putter counts in its
//! place, before it has it. So if the look missed an item because that came into a block which it had
//! passed already, and its count is not seen, then nobody has it, nobody was told that it is put, and
//! nobody can have finished anything because of it: the put may as well come after the join.
//!
//! Who joins waits for one item at a time, that with the greatest number, so that it is woken once for
//! most of the others. It sleeps on the bell in the item's block, and as 1. says: it is told of deaths
//! too, and calls those who can get what the dead had.
//!
//! # Edges
//!
//! E1, E2 and E5 are the blocks'.
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E6 | `count_commit`, behind the commit of a put | `n_commits` | that the item is put, for who looks at the blocks after it |
//! | E7 | `arrive`, by the fence behind the life word | `watched`, behind the announcement | who sits, or else the mark goes the other way |

mod join;
mod observe;
mod planted;

pub(crate) use join::NotJoined;

use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release, SeqCst};
use ipc_core::primitive::{AtomicU32, AtomicU64, fence};
use ipc_core::robust::Thread;

use crate::heap::block::{BlockState, Use};
use crate::heap::geometry::BlockId;
use crate::heap::lease::Lease;
use crate::heap::record::Record;
use crate::heap::{self, Finished, Heap};
use crate::ring::slot::Owner;
use crate::ring::{Blocked, Claim, Patience, Refused, Ring, Watched};

/// Where the words of a joinable queue are, beside those of its heap and its ring.
pub(crate) trait Memory: heap::Memory {
    /// The words that are no block's.
    fn leases(&self) -> &LeaseWords;
    /// What the slot of a claim says of its message; nothing of it is checked.
    fn record(&self, claim: &Claim) -> Record;
    /// Writes the record of the message in the slot of a claim, which is for writing.
    fn write_record(&self, claim: &Claim, record: Record);
}

/// What is known of all items together.
#[cfg_attr(not(ipc_loom), repr(C))]
#[derive(Debug, Default)]
pub(crate) struct LeaseWords {
    /// How many items were put.
    commits: AtomicU64,
    /// How often one was handed out that somebody had had before.
    redelivered: AtomicU64,
    /// Whether there may be strays: a hint.
    strays: AtomicU32,
    spare: AtomicU32,
}

/// An item in the calling thread's hands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) id: BlockId,
    pub(crate) lease: Lease,
}

/// The moves of a joinable queue.
#[derive(Debug)]
pub(crate) struct Leases<'m, M>(pub(crate) &'m M);

impl<M> Clone for Leases<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Leases<'_, M> {}

impl<'m, M: Memory> Leases<'m, M> {
    /// Puts what is in a block of `me`, `len` bytes, waiting for a slot as long as `patience` lasts. If
    /// it is refused, the block is still the caller's.
    ///
    /// The caller has the alarm pending.
    #[inline]
    pub(crate) fn put(
        self,
        id: BlockId,
        len: u64,
        me: Owner,
        patience: Patience,
    ) -> Result<(), Refused> {
        let (ring, heap) = (Ring(self.0), Heap(self.0));
        self.0.block(id).set_len(len);
        let claim = ring.put(me, patience)?;
        self.0.write_record(&claim, Record::Large(id, len));
        if !heap.queue(id, me, claim.at) {
            ring.abandon(claim);
            return Err(Refused::Corrupt);
        }
        if planted::COUNTS {
            self.count_commit();
        }
        ring.commit(claim);
        Ok(())
    }

    /// Takes an item, waiting for one as long as `patience` lasts: the commit point of a delivery.
    ///
    /// The caller has the alarm pending.
    #[inline]
    pub(crate) fn take(
        self,
        me: Owner,
        thread: Thread,
        patience: Patience,
    ) -> Result<Held, Refused> {
        if self.0.leases().strays.load(Relaxed) == 0
            && let Some(Ok(claim)) = Ring(self.0).quick_claim_get(me)
        {
            return self.lease(claim, me).ok_or(Refused::Corrupt);
        }
        let watch = || self.watched(me, thread);
        Ring(self.0).get_watching(me, patience, || self.attempt(me), watch)
    }

    /// Ends a lease: the item is finished. Whether it was the caller's.
    #[inline]
    #[must_use]
    pub(crate) fn finish(self, held: Held, thread: Thread) -> bool {
        let Held { id, lease } = held;
        self.pend(thread);
        let finished = Heap(self.0).finish(id, lease);
        let bell = &self.0.block(id).bell;
        if finished != Finished::NotMine && planted::RINGS && bell.is_waiting_after_exchange() {
            bell.wake_all();
        }
        thread.pend_clear();
        if finished == Finished::Kept {
            Heap(self.0).free(id, lease.owner(), thread);
        }
        finished != Finished::NotMine
    }

    /// Gives an item back, to be handed out again. Whether it was the caller's.
    #[must_use]
    pub(crate) fn give_up(self, held: Held, thread: Thread) -> bool {
        let Held { id, lease } = held;
        self.pend(thread);
        self.hint();
        let word = &self.0.block(id).word;
        let is_mine = word.take_over(BlockState::leased(lease), lease.given_up());
        let items = &self.0.bells().items;
        if is_mine && planted::CALLS && items.is_waiting_after_exchange() {
            items.wake_one();
        }
        thread.pend_clear();
        is_mine
    }

    /// Gives what the dead holder of a seat had in its hands to the grave, before the seat's next
    /// holder, who calls, takes anything; and calls those who wait for an item.
    ///
    /// The caller has the alarm pending, and has buried what the dead one had claimed in the ring.
    pub(crate) fn bury(self, dead: Owner) {
        for id in Heap(self.0).blocks().filter(|_| planted::BURIES) {
            let word = &self.0.block(id).word;
            let seen = word.look();
            if let Use::Leased(lease) = seen.meaning()
                && lease.owner() == dead
                && word.take_over(seen, lease.given_up())
            {
                self.hint();
            }
        }
        self.arrive();
    }

    /// Lets those who sleep know of one who has sat down: they watch all who sit.
    pub(crate) fn arrive(self) {
        // E7 release: behind the life word.
        fence(SeqCst);
        let bells = self.0.bells();
        for bell in [&bells.items, &bells.joins] {
            if !bell.is_waiting() || !planted::ARRIVES {
                continue;
            }
            if planted::TAKES_MARK {
                // Who is not yet asleep finds the mark gone.
                bell.wake_all();
            } else {
                bell.call_all();
            }
        }
    }

    /// How often an item was handed out that somebody had had before.
    pub(crate) fn n_redelivered(self) -> u64 {
        self.0.leases().redelivered.load(Relaxed)
    }

    fn attempt(self, me: Owner) -> Result<Held, Blocked> {
        if self.0.leases().strays.load(Relaxed) != 0
            && let Some(held) = self.take_stray(me)
        {
            return Ok(held);
        }
        match Ring(self.0).claim_get(me) {
            Ok(claim) => self.lease(claim, me).ok_or(Blocked::Corrupt),
            Err(blocked @ (Blocked::ByState(_) | Blocked::Closed)) => {
                self.take_stray(me).ok_or(blocked)
            }
            Err(blocked) => Err(blocked),
        }
    }

    /// Takes the item in the slot of `claim`, and gives the slot back.
    #[inline]
    fn lease(self, claim: Claim, me: Owner) -> Option<Held> {
        let held = match self.0.record(&claim) {
            Record::Large(id, _) => {
                Heap(self.0).lease(id, claim.at, me).map(|lease| Held { id, lease })
            }
            Record::Inline(_) => None,
        };
        Ring(self.0).release(claim);
        held
    }

    /// Takes one of the items that are in nobody's hands and in no slot, if there is one.
    #[cold]
    fn take_stray(self, me: Owner) -> Option<Held> {
        // Should this thread die in here, whoever finds the ring empty looks anyway.
        self.0.leases().strays.store(0, Relaxed);
        Heap(self.0).blocks().find_map(|id| {
            let word = &self.0.block(id).word;
            let seen = word.look();
            // Only the exchange shows that it is so still.
            let lease = self.stray(seen, me)?;
            if !word.take_over(seen, lease) {
                return None;
            }
            // There may be more.
            self.hint();
            if lease.deliveries() > 1 {
                self.0.leases().redelivered.fetch_add(1, Relaxed);
            }
            Some(Held { id, lease })
        })
    }

    /// Whether that is the state of a stray.
    fn is_stray(self, seen: BlockState) -> bool {
        match seen.meaning() {
            Use::Leased(lease) => planted::LOOKS && !Heap(self.0).lives(lease.owner()),
            Use::Queued(at) => Heap(self.0).is_lost(at),
            _ => false,
        }
    }

    /// If that is the state of a stray: the lease of who takes it.
    fn stray(self, seen: BlockState, me: Owner) -> Option<Lease> {
        match seen.meaning() {
            _ if !self.is_stray(seen) => None,
            Use::Leased(lease) => Some(lease.again(me)),
            Use::Queued(at) => {
                // Its putter may have died before it could.
                if planted::COUNTS_LATE {
                    self.count_commit();
                }
                Some(Lease::first(at, me))
            }
            _ => None,
        }
    }

    /// The life words of all others who sit, for one who has announced itself and is about to sleep.
    fn watched(self, me: Owner, thread: Thread) -> Watched<'m> {
        // E7 acquire: behind the announcement, which is a full fence.
        fence(Acquire);
        if !planted::WATCHES {
            return Watched::NONE;
        }
        let watched = Heap(self.0).watched(me).collect();
        // Collecting may have taken it away.
        self.0.pend_alarm(thread);
        watched
    }

    fn pend(self, me: Thread) {
        if planted::PENDS {
            self.0.pend_alarm(me);
        }
    }

    fn hint(self) {
        self.0.leases().strays.store(1, Relaxed);
    }

    fn count_commit(self) {
        // E6 release.
        self.0.leases().commits.fetch_add(1, Release);
    }

    fn n_commits(self) -> u64 {
        // E6 acquire.
        self.0.leases().commits.load(Acquire)
    }
}
