//! Permits with a holder: each lease is named at a seat, and ends with the thread that holds it.
//!
//! # One operation at a time, completed by whoever comes next
//!
//! Leasing takes a permit off the count *and* notes at the seat that it has one: two words, and a
//! death must not come between them. So the exchange that changes the count also writes into the
//! state which seat that was for, and the number of the operation there: that is the commit point.
//! The note at the seat follows: from the number before to the number of the operation, by an
//! exchange. Whoever wants to write the next operation into the state completes the one that it
//! finds there first. So a seat's note is right but for the last operation of all, which can be seen
//! in the state.
//!
//! - L1: Each operation is completed once: a helper that comes late expects the number before, and
//!   that is gone for good. (A helper that is stopped between its look and its exchange, while just
//!   2^25 operations happen at that seat, and goes on before the next is complete, would be wrong.)
//! - L2: An operation at a seat is begun by its holder only, when the one before is complete. It is
//!   odd when it takes a permit and even when it gives it back: the note says what the seat has.
//! - L3: Who takes over a dead holder's seat completes the operation in the state, by which, if it
//!   was the dead one's, it is found; if it was replaced, it was complete before. Then the note says
//!   whether there is a permit to give back.

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::{AcqRel, Acquire, Relaxed, Release};
use ipc_core::primitive::yield_now;
use ipc_core::robust::{RobustWord, Thread};

use super::state::{Op, State, has_permit};
use super::wait::Want;
use super::{NoPermit, RawSemaphore};

/// A permit that the thread has which took it.
///
/// It is no guard: who drops it keeps the permit until the thread ends.
#[must_use = "only with it the permit can be given back"]
#[derive(Debug)]
pub struct Lease {
    seat: usize,
    /// What the seat's note says.
    note: u32,
}

impl RawSemaphore<'_> {
    /// Takes a permit for the calling thread, waiting for it until `deadline`.
    ///
    /// # Errors
    ///
    /// [`NoPermit`] says why not.
    ///
    /// # Safety
    ///
    /// The words and the seats must stay where they are, mapped and not used for anything else,
    /// until the lease was given back or forgotten, or the calling thread has ended.
    #[expect(unsafe_code, reason = "the kernel keeps the addresses of seats that are held")]
    pub unsafe fn acquire(self, me: Thread, deadline: Deadline) -> Result<Lease, NoPermit> {
        self.check_room(me)?;
        match self.lease_free(me)? {
            Some(lease) => Ok(lease),
            None => self.wait(me, deadline, Want::Lease)?.ok_or(NoPermit::None),
        }
    }

    /// Takes a permit for the calling thread if there is one.
    ///
    /// # Errors
    ///
    /// [`NoPermit`] says why not.
    ///
    /// # Safety
    ///
    /// As for [`acquire`](Self::acquire).
    #[expect(unsafe_code, reason = "the kernel keeps the addresses of seats that are held")]
    pub unsafe fn try_acquire(self, me: Thread) -> Result<Lease, NoPermit> {
        self.check_room(me)?;
        match self.lease_free(me)? {
            Some(lease) => Ok(lease),
            None => {
                self.sweep(me)?;
                self.lease_free(me)?.ok_or(NoPermit::None)
            }
        }
    }

    /// Gives a permit back; nothing happens if the calling thread does not hold the lease.
    ///
    /// A forked child holds nothing that its parent holds.
    pub fn give_back(self, me: Thread, lease: Lease) {
        self.end(me, lease, 1);
    }

    /// Lets the calling thread keep a permit for good: nobody gives it back but by a release.
    pub fn forget(self, me: Thread, lease: Lease) {
        self.end(me, lease, 0);
    }

    fn end(self, me: Thread, lease: Lease, permits: u32) {
        let Some(seat) = self.seats.get(lease.seat) else { return };
        if !me.holds(seat) {
            return;
        }
        self.pend(me);
        let before = self.settle(Op::after(lease.seat, lease.note), permits);
        if before.is_waiting() && permits > 0 {
            self.call(1);
        }
        self.free(me, seat);
        me.pend_clear();
    }

    fn check_room(self, me: Thread) -> Result<(), NoPermit> {
        if self.seats.is_empty() {
            Err(NoPermit::NoSeat)
        } else if self.reserve(me) {
            Ok(())
        } else {
            Err(NoPermit::TooManyHeld)
        }
    }

    fn lease_free(self, me: Thread) -> Result<Option<Lease>, NoPermit> {
        if self.look().count() == 0 {
            return Ok(None);
        }
        self.pend(me);
        let leased = self.lease_seen(me);
        me.pend_clear();
        leased
    }

    /// Leases a permit, which was seen, or finds that it is gone, or that it has to look again.
    ///
    /// The caller has the call word pending, nothing to hand on, and room for a word.
    pub(super) fn lease_seen(self, me: Thread) -> Result<Option<Lease>, NoPermit> {
        if let Some((idx, seat)) = self.find_seat(me) {
            let lease = self.lease(idx, seat);
            if lease.is_none() {
                self.free(me, seat);
            }
            return Ok(lease);
        }
        let seen = self.look();
        self.complete(seen.op());
        if seen.count() > 0 {
            // If the state is the same before and after, no lease was begun or ended meanwhile.
            if self.has_every_seat_a_permit() && self.look() == seen {
                return Err(NoPermit::NoSeat);
            }
            // Seats are taken before permits: somebody is about to take one, or to give it up.
            yield_now();
        }
        Ok(None)
    }

    /// Takes a permit for the holder of a seat, which is the calling thread.
    fn lease(self, idx: usize, seat: &RobustWord) -> Option<Lease> {
        let mut note = seat.notes[0].load(Relaxed);
        if has_permit(note) {
            // A free seat has none: somebody has scribbled over it.
            note = Op::after(idx, note).note();
            seat.notes[0].store(note, Relaxed);
        }
        let op = Op::after(idx, note);
        loop {
            let seen = self.look();
            let fewer = seen.count().checked_sub(1)?;
            self.help(seen);
            // E1 acquire, E3 release.
            if self.replace(seen, seen.with_count(fewer).with_op(op), AcqRel) {
                self.complete(op);
                return Some(Lease { seat: idx, note: op.note() });
            }
        }
    }

    /// Ends what the holder of a seat has there, which is the calling thread, and gives so many
    /// permits back; returns the state before.
    ///
    /// If somebody else has released permits in its place, and there are as many as there may be,
    /// they are not given back.
    pub(super) fn settle(self, op: Op, permits: u32) -> State {
        loop {
            let seen = self.look();
            self.help(seen);
            let count = seen.count().saturating_add(permits).min(self.most).max(seen.count());
            // E1 release, E3 release.
            if self.replace(seen, seen.with_count(count).with_op(op), AcqRel) {
                self.complete(op);
                return seen;
            }
        }
    }

    /// Completes the operation in the state, which is about to be replaced there.
    fn help(self, seen: State) {
        if !cfg!(ipc_planted = "semaphore_no_help") {
            self.complete(seen.op());
        }
    }

    /// Completes an operation that was seen in the state.
    pub(super) fn complete(self, op: Op) {
        let Some(seat) = self.seats.get(op.seat()) else { return };
        let note = &seat.notes[0];
        // E4 acquire.
        if note.load(Acquire) == op.note_before() {
            // E4 release.
            note.compare_exchange(op.note_before(), op.note(), Release, Relaxed).ok();
        }
    }
}
