//! Where the holders of leases are named, and what is done after their death.
//!
//! # States of a seat
//!
//! | word | meaning |
//! |------|---------|
//! | `0` | free |
//! | thread id \| `WAITERS` | held by that thread, which lives |
//! | `OWNER_DIED` \| `WAITERS` | its holder died, and nobody has seen to it yet |
//!
//! A held seat always has `WAITERS`: sleepers sleep on the words of all open seats, and the kernel
//! wakes one of them when a holder dies. Nobody waits for a seat to become free, so there is nothing
//! to hand on: giving it up stores zero.
//!
//! The first note of a seat says how many operations its holders have completed there, modulo 2^25;
//! if the number is odd, the seat has a permit (`lease.rs`).
//!
//! Who finds a dead holder takes its seat over, completes the last operation of all if it is not
//! complete, and then knows from the note whether there is a permit to give back. If it dies in
//! turn, its seat is that of a dead holder.
//!
//! # Open seats
//!
//! | word | meaning |
//! |------|---------|
//! | *n* | the first *n* seats may be held, and everybody who is asleep sleeps on their words |
//! | *n*, `OPENING` | the same but for the last, and all who sleep are about to be called |
//!
//! Most semaphores use few of their seats, or none, and a sleeper shall not pay for the others. Who
//! needs a further seat opens it: exchanges *n* for *n* + 1 and `OPENING`, calls all, and takes
//! `OPENING` away. Whoever finds `OPENING` does the rest; nobody goes to sleep before it is gone.

#![expect(unsafe_code, reason = "taking a seat hands its address to the kernel")]

use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::primitive::{Wait, futex_wake};
use ipc_core::robust::{OWNER, OWNER_DIED, RobustWord, Thread, WAITERS};

use super::state::{Op, State, has_permit};
use super::{MOST_SEATS, NoPermit, RawSemaphore};

/// A further seat is being opened.
const OPENING: u32 = 1 << 31;

/// Which seats are open, as the word has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open(u32);

impl Open {
    /// How many words there are to sleep on: those of the open seats, and three.
    pub(super) const fn n_waits(self) -> usize {
        (self.0 & !OPENING) as usize + 3
    }
}

/// What came of a look at all open seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seats {
    /// Nobody has died.
    Quiet,
    /// Something has changed: look again.
    Changed,
}

/// What to sleep on.
#[derive(Debug)]
pub(super) struct Waits<'list, 'words> {
    list: &'list mut [Wait<'words>],
    len: usize,
}

impl<'list, 'words> Waits<'list, 'words> {
    /// Makes an empty list with as much room as `list` has.
    pub(super) fn new(list: &'list mut [Wait<'words>]) -> Self {
        Self { list, len: 0 }
    }

    pub(super) fn as_slice(&self) -> &[Wait<'words>] {
        self.list.get(..self.len).unwrap_or(self.list)
    }

    fn push(&mut self, wait: Wait<'words>) {
        if let Some(place) = self.list.get_mut(self.len) {
            *place = wait;
            self.len += 1;
        }
    }
}

impl<'words> RawSemaphore<'words> {
    /// Gives back the permits of all holders who died.
    ///
    /// It leaves that to others if the calling thread holds as many words as a thread can.
    pub fn bring_back(self, me: Thread) {
        self.sweep(me).ok();
    }

    /// Who sits at a seat: has a lease, or is about to have one.
    pub fn holders(self) -> impl Iterator<Item = u32> {
        let open = self.words.open.load(Relaxed);
        let owners = self.open_seats(open).map(|(_, seat)| seat.word.load(Relaxed) & OWNER);
        owners.filter(|&owner| owner != 0)
    }

    /// Gives back the permits of all holders who died.
    pub(super) fn sweep(self, me: Thread) -> Result<(), NoPermit> {
        let has_room = self.reserve(me);
        self.pend(me);
        // Each further round means that somebody died meanwhile, or that it is scribbled over.
        let mut outcome = Ok(Seats::Quiet);
        for _ in 0..=MOST_SEATS {
            // It is not to sleep on anything.
            let mut waits = Waits::new(&mut []);
            outcome = self.look_at_seats(me, has_room, &mut false, self.open(), &mut waits);
            if outcome != Ok(Seats::Changed) {
                break;
            }
        }
        me.pend_clear();
        outcome.map(drop)
    }

    /// Which seats are open now.
    pub(super) fn open(self) -> Open {
        Open(self.words.open.load(Relaxed))
    }

    /// Makes room for one seat on the thread's list.
    ///
    /// It is for any of the seats: they all lie in one place.
    pub(super) fn reserve(self, me: Thread) -> bool {
        self.seats.first().is_none_or(|seat| me.reserve(seat).is_ok())
    }

    /// Looks at all open seats: sees to the first dead holder, if there is one; else says what to
    /// sleep on.
    ///
    /// The caller has the call word pending.
    pub(super) fn look_at_seats(
        self,
        me: Thread,
        has_room: bool,
        slept: &mut bool,
        open: Open,
        waits: &mut Waits<'_, 'words>,
    ) -> Result<Seats, NoPermit> {
        let Open(open) = open;
        if open & OPENING != 0 {
            self.finish_opening(open);
            return Ok(Seats::Changed);
        }
        let nothing = State::from_bits(0).with_waiting(true).bits();
        waits.push(Wait::on(&self.words.call, 0));
        waits.push(Wait::on_low_half(&self.words.state, nothing));
        waits.push(Wait::on(&self.words.open, open));
        for (idx, seat) in self.open_seats(open) {
            let word = seat.word.load(Relaxed);
            if is_dead(word) {
                if !has_room {
                    return Err(NoPermit::TooManyHeld);
                }
                // The seat is to be the pending word meanwhile.
                self.hand_on(slept);
                if self.sit(me, seat, word) {
                    self.bury(idx, seat);
                    self.free(me, seat);
                }
                return Ok(Seats::Changed);
            }
            waits.push(Wait::on(&seat.word, word));
        }
        Ok(Seats::Quiet)
    }

    /// Whether any holder has died whom nobody has seen to.
    pub(super) fn is_any_dead(self) -> bool {
        let open = self.words.open.load(Relaxed);
        self.open_seats(open).any(|(_, seat)| is_dead(seat.word.load(Relaxed)))
    }

    /// A seat that the calling thread holds now, if there is any for it.
    ///
    /// The caller has the call word pending, nothing to hand on, and room for a word.
    pub(super) fn find_seat(self, me: Thread) -> Option<(usize, &'words RobustWord)> {
        loop {
            let open = self.words.open.load(Relaxed);
            if open & OPENING != 0 {
                self.finish_opening(open);
                continue;
            }
            for (idx, seat) in self.open_seats(open) {
                let word = seat.word.load(Relaxed);
                let dead = is_dead(word);
                if (word == 0 || dead) && self.sit(me, seat, word) {
                    if dead {
                        self.bury(idx, seat);
                    }
                    return Some((idx, seat));
                }
            }
            if open as usize >= self.seats.len().min(MOST_SEATS) {
                return None;
            }
            let opening = (open + 1) | OPENING;
            if self.words.open.compare_exchange(open, opening, Relaxed, Relaxed).is_ok() {
                self.finish_opening(opening);
            }
        }
    }

    /// Whether all seats have a permit; exact if no lease is begun or ended meanwhile.
    pub(super) fn has_every_seat_a_permit(self) -> bool {
        // E4 acquire: the caller looks at the state again behind this.
        self.seats.iter().take(MOST_SEATS).all(|seat| has_permit(seat.notes[0].load(Acquire)))
    }

    /// Gives up a seat that the calling thread holds, and that has no permit.
    ///
    /// The call word is pending before and after.
    pub(super) fn free(self, me: Thread, seat: &RobustWord) {
        // Off the list first: from the store on, the next holder's list passes through the seat.
        // The pending word covers the time between.
        // SAFETY: replaced below; the seat is borrowed until then.
        unsafe { me.pend(&seat.word) };
        if me.unlink(seat) && seat.word.load(Relaxed) & OWNER == me.tid() {
            // E2 release.
            seat.word.store(0, Release);
        }
        self.pend(me);
    }

    /// Takes a seat, whose word was seen; the call word is pending before and after.
    fn sit(self, me: Thread, seat: &'words RobustWord, seen: u32) -> bool {
        // The pending word covers the time until the seat is on the list.
        // SAFETY: replaced below; the seat is borrowed until then.
        unsafe { me.pend(&seat.word) };
        // E2 acquire.
        let taken = seat.word.compare_exchange(seen, me.tid() | WAITERS, Acquire, Relaxed).is_ok();
        if taken {
            // SAFETY: either it is unlinked before the operation returns, and borrowed until then; or
            // it is for a lease, whose taker vouches for it (`acquire`).
            unsafe { me.link(seat) };
        }
        self.pend(me);
        taken
    }

    /// Does what the dead holder of a seat, which is the calling thread's now, has left undone.
    fn bury(self, idx: usize, seat: &RobustWord) {
        if !cfg!(ipc_planted = "semaphore_no_second_look") {
            self.complete(self.look().op());
        }
        let note = seat.notes[0].load(Relaxed);
        if has_permit(note) {
            self.settle(Op::after(idx, note), 1);
        }
        self.words.deaths.fetch_add(1, Relaxed);
        // In any case: somebody may have died who was called for another dead one.
        if self.look().is_waiting() {
            self.call(1);
        }
    }

    /// The open seats that there are, with their places.
    fn open_seats(self, open: u32) -> impl Iterator<Item = (usize, &'words RobustWord)> {
        self.seats.iter().take((open & !OPENING) as usize).take(MOST_SEATS).enumerate()
    }

    /// Calls all, so that they sleep on the word of the new seat too, and lets it be used.
    fn finish_opening(self, opening: u32) {
        futex_wake(&self.words.call, u32::MAX);
        self.words.open.compare_exchange(opening, opening & !OPENING, Relaxed, Relaxed).ok();
    }
}

/// Whether the holder of a seat with this word has died, and nobody has taken it over.
fn is_dead(word: u32) -> bool {
    word & (OWNER_DIED | OWNER) == OWNER_DIED
}
