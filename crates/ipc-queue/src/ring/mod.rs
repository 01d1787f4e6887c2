//! The ring: a bounded queue of slots, many putters, many getters, lock-free, that survives the
//! death of any of them at any instruction.
//!
//! The classical ring of slots with laps (Vyukov's), changed so that a death is never anonymous and
//! never unseen:
//!
//! 1. **Claim first, move after.** A slot is claimed by an exchange that writes the owner into it;
//!    only then the position moves, and anybody helps to move it. A put never waits for a put.
//! 2. **Deaths by life words.** An owner is a seat at the ring's table, and the seat's life word
//!    shows whether the thread in it lives. Whoever finds a claimed slot in its way looks there, and
//!    retires the claim of a dead owner.
//! 3. **Wakes by pending.** The alarm is the pending word of every operation from before its first
//!    step until after its last. A sleeper compares the slot it waits for as it is queued.
//!
//! The states are tabled in [`slot`], the positions in [`position`], the sleeping in [`bells`]; why
//! no wake-up is lost is argued in `README.md` beside this file. Here are the moves. They borrow
//! their words from a [`Memory`] and know nothing of mappings, nor of what a message is.
//!
//! # Chunks
//!
//! A message is one slot. The slots are gone through in their order, and the last slot of a *chunk*
//! says in which chunk the next message goes. A bounded ring is one chunk, and the next is always the
//! same. A ring that grows has many: whoever claims the last slot of one chooses another in which
//! nothing is any more, or gets memory for more ([`chunks`]).
//!
//! # Commit points
//!
//! | operation | happens at |
//! |-----------|------------|
//! | put | the exchange of the slot to full |
//! | get | the exchange that claims the slot for reading |
//! | close | the mark on the alarm |
//!
//! # Edges
//!
//! E1 and E2 are the slots', E3 the positions', and a bell has one of its own. Here:
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E4 | `after_put_claim`, by the fence behind a putter's claim | `is_closed_for_getters` | the claim, or else the mark of the close goes the other way |
//! | E5 | `tell_left`, behind the end of a presence | a watcher's look at the departures | the end of the presence |
//! | E6 | `say_left`, behind the end of a presence | `unsay_left` of a putter that looks | the same |

pub(crate) mod bells;
pub(crate) mod position;
pub(crate) mod slot;

mod attempt;
mod blocking;
mod chunks;
mod crowd;
mod observe;
pub(crate) mod planted;
mod repair;
#[cfg(all(test, not(ipc_loom)))]
mod tests;
mod watched;

pub(crate) use blocking::{Notes, Patience, Refused, Tuning};
pub(crate) use watched::Watched;

use core::cmp::Ordering as Order;

use ipc_core::primitive::{AtomicU64, Ordering::SeqCst, fence, fence_after_exchange};
use ipc_core::robust::{Alive, Life};

use attempt::Attempt;
use bells::Bells;
use position::{Position, PositionWord};
use slot::{Link, Owner, SlotWord, State};

/// Where the words of a ring are.
pub(crate) trait Memory {
    /// How many slots there are: so many have memory. In a ring that grows it may grow.
    fn n_slots(&self) -> u32;
    /// How many slots a chunk has: all, unless the ring grows.
    fn chunk(&self) -> u32;
    /// Whether the ring grows; then it has two chunks at the least.
    fn grows(&self) -> bool {
        false
    }
    /// Gets memory for more than `n_slots` slots if there may be more: whether there are now.
    fn grow(&self, _n_slots: u32) -> bool {
        false
    }
    /// Where the next message is written.
    fn tail(&self) -> &PositionWord;
    /// Where the next message is read.
    fn head(&self) -> &PositionWord;
    /// The words to sleep on.
    fn bells(&self) -> &Bells;
    /// The word of a slot; `index` is below [`n_slots`](Self::n_slots).
    fn slot(&self, index: u32) -> &SlotWord;
    /// The life word of a seat, if there is such a seat.
    fn life(&self, seat: u16) -> Option<&Life>;
    /// How many messages were retired whose owner had died.
    fn retired(&self) -> &AtomicU64;
    /// How long to look before going to sleep.
    fn tuning(&self) -> Tuning;
    /// How well it has paid to look, in this process.
    fn notes(&self) -> &Notes;
    /// Whether the caller is to be told when nobody is left on the other side.
    fn is_watcher(&self) -> bool;
    /// Whether nobody is left on the other side; for a watcher to ask.
    fn is_deserted(&self) -> bool;
    /// Notes for those who look on what somebody waits for, which is part of no protocol.
    fn note_waiting(&self, _who: Owner, _what: WaitsFor) {}
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitsFor {
    Nothing,
    Message,
    Room,
}

/// The moves of a ring.
#[derive(Debug)]
pub(crate) struct Ring<'m, M>(pub(crate) &'m M);

impl<M> Clone for Ring<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Ring<'_, M> {}

/// A claimed message: where it is, and what its slot's word holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) at: Position,
    state: State,
}

/// Why an operation did not claim a slot.
#[must_use]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blocked {
    /// A slot is not ready, and may become so.
    ByState(Obstacle),
    /// Nothing, but others were faster each time: the caller may want to look at the clock.
    Outrun,
    /// The ring is closed (and, for a get, empty).
    Closed,
    /// The words contradict one another: somebody scribbled over them.
    Corrupt,
}

/// The slot that is waited for, as it was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Obstacle {
    index: u32,
    state: State,
    /// The claimer's seat and life word as seen, if the slot is claimed.
    claimer: Option<(u16, u32)>,
}

/// How a look at a claimed slot's owner ended.
enum Claimer {
    /// It died in this very claim.
    Dead,
    /// It lives.
    Lives(Obstacle),
    /// It is dead, but was done with this claim before.
    Done,
}

impl<M: Memory> Ring<'_, M> {
    /// Claims the slot at the tail for writing if nothing is in the way: the fast path of a put.
    ///
    /// The exchange is tried at once, so that the slot's line comes over once and not twice.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a claim in memory takes longer")]
    pub(crate) fn quick_claim_put(self, me: Owner) -> Option<Result<Claim, Blocked>> {
        let at = self.tail_at().ok()?;
        let link = self.usual_link(at)?;
        let state = State::claimed_for_writing(at.number(), me, link);
        let slot = self.0.slot(at.index());
        let seen = if self.0.grows() { slot.look() } else { State::free(at.number()) };
        if seen.is_free_for(at.number()) && slot.claim(seen, state) {
            return Some(self.after_put_claim(Claim { at, state }));
        }
        self.give_way_if_outrun(self.0.tail(), at, 0);
        None
    }

    /// Claims the message at the head if nothing is in the way: the fast path of a get.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a claim in memory takes longer")]
    pub(crate) fn quick_claim_get(self, me: Owner) -> Option<Result<Claim, Blocked>> {
        let at = self.head_at().ok()?;
        let full = State::full(at.number(), self.usual_link(at)?);
        let state = full.owned_by(me);
        if self.0.slot(at.index()).claim(full, state) {
            return Some(Ok(self.after_get_claim(Claim { at, state })));
        }
        self.give_way_if_outrun(self.0.head(), at, 1);
        None
    }

    /// Gives way to one of the same side that was faster at `at`: unclaimed, its slot would be in the
    /// cycle of that number in the message.
    #[cold]
    fn give_way_if_outrun(self, word: &PositionWord, at: Position, cycle: i64) {
        if !self.0.tuning().looks {
            return;
        }
        let seen = self.0.slot(at.index()).look();
        let since = seen.since(at.number());
        if since > cycle || since == cycle && seen.owner() != Owner::NOBODY {
            crowd::give_way(|| word.look());
        }
    }

    /// Claims the slot at the tail for writing, without waiting.
    ///
    /// The caller has the alarm pending.
    pub(crate) fn claim_put(self, me: Owner) -> Result<Claim, Blocked> {
        let mut attempt = Attempt::new();
        loop {
            let (at, seen, link) = self.find_room(&mut attempt)?;
            let claimed = State::claimed_for_writing(at.number(), me, link);
            if self.0.slot(at.index()).claim(seen, claimed) {
                return self.after_put_claim(Claim { at, state: claimed });
            }
            attempt.lose(self.0.tail(), self.0.tuning());
        }
    }

    /// Finds the slot at the tail, if it is free and there is one for the next message to go to.
    fn find_room(self, attempt: &mut Attempt) -> Result<(Position, State, Link), Blocked> {
        loop {
            attempt.step()?;
            let at = self.tail_at()?;
            let seen = self.0.slot(at.index()).look();
            if self.is_free_at(self.0.tail(), at, seen) {
                match self.usual_link(at) {
                    Some(link) => return Ok((at, seen, link)),
                    None => match self.find_chunk(at, attempt)? {
                        Some(link) => return Ok((at, seen, link)),
                        // The words have changed.
                        None => continue,
                    },
                }
            }
            match seen.since(at.number()) {
                // Another writer's claim of this message: the tail lags.
                0 => self.0.tail().help(at, self.next(at, seen.link())),
                // An earlier message is not over here: full, unless its owner is dead.
                ..0 => self.pass_earlier(at.index(), seen)?,
                _ => self.check_stale(self.0.tail(), at, attempt)?,
            }
        }
    }

    /// Claims the message at the head for reading, without waiting: the commit point of a get.
    ///
    /// The caller has the alarm pending.
    pub(crate) fn claim_get(self, me: Owner) -> Result<Claim, Blocked> {
        let mut attempt = Attempt::new();
        loop {
            let (at, seen) = self.find_message(&mut attempt)?;
            let claimed = seen.owned_by(me);
            if self.0.slot(at.index()).claim(seen, claimed) {
                return Ok(self.after_get_claim(Claim { at, state: claimed }));
            }
            attempt.lose(self.0.head(), self.0.tuning());
        }
    }

    /// Finds the slot at the head, if there is a message in it.
    fn find_message(self, attempt: &mut Attempt) -> Result<(Position, State), Blocked> {
        loop {
            attempt.step()?;
            let at = self.head_at()?;
            let seen = self.0.slot(at.index()).look();
            if seen.since(at.number()) == 1 && seen.owner() == Owner::NOBODY {
                return Ok((at, seen));
            }
            match seen.since(at.number()) {
                // Nothing was put here yet; a reader of an earlier message may still be at it.
                ..0 => return Err(self.empty_at(at, seen)),
                _ if self.is_free_at(self.0.head(), at, seen) => {
                    return Err(self.empty_at(at, seen));
                }
                // A writer is at it: its message comes first, if it lives.
                0 => self.pass_writer(at, seen)?,
                // Another reader's claim: the head lags.
                1 => self.0.head().help(at, self.next(at, seen.link())),
                _ => self.check_stale(self.0.head(), at, attempt)?,
            }
        }
    }

    /// Publishes a message that was written: the commit point of a put. Then wakes a getter.
    #[inline]
    pub(crate) fn commit(self, claim: Claim) {
        let items = &self.0.bells().items;
        if planted::COMMITS_LATE && items.is_waiting_heavily() {
            items.wake_one();
        }
        self.0.slot(claim.at.index()).commit(claim.state);
        if !planted::COMMITS_LATE && items.is_waiting_heavily() {
            items.wake_one();
        }
    }

    /// Gives back the slot of a message that was read. Then wakes a putter.
    #[inline]
    pub(crate) fn release(self, claim: Claim) {
        self.0.slot(claim.at.index()).release(claim.state, self.0.chunk());
        let space = &self.0.bells().space;
        if planted::RELEASE_TELLS && space.is_waiting_heavily() {
            space.wake_one();
        }
    }

    /// Closes the ring.
    ///
    /// The caller has the alarm pending.
    pub(crate) fn close(self) {
        self.0.bells().close();
    }

    /// Whether the ring is closed.
    pub(crate) fn is_closed(self) -> bool {
        self.0.bells().alarm.is_closed()
    }

    /// Whether a putter need not even try: the ring is closed, or its getters have left.
    #[inline]
    pub(crate) fn turns_away(self) -> Option<Refused> {
        match self.0.bells().alarm.value() {
            0 => None,
            _ => self.turns_away_for_some_reason(),
        }
    }

    #[cold]
    fn turns_away_for_some_reason(self) -> Option<Refused> {
        let alarm = &self.0.bells().alarm;
        if alarm.is_closed() {
            return Some(Refused::Closed);
        }
        if !alarm.says_left() || !self.0.is_watcher() {
            return None;
        }
        // The hint goes before the look and comes back after it, so that it is there if somebody
        // leaves meanwhile. Should this process die in between, the others are told when it is full.
        alarm.unsay_left();
        if !self.0.is_deserted() {
            return None;
        }
        alarm.say_left();
        Some(Refused::Disconnected)
    }

    /// Whether a putter that would wait for memory need not: the ring is closed, or nobody is left who
    /// would get.
    pub(crate) fn turns_away_who_waits(self) -> Option<Refused> {
        if self.is_closed() {
            return Some(Refused::Closed);
        }
        self.is_left_alone().then_some(Refused::Disconnected)
    }

    /// Whether a putter is alone, which it then tells the others.
    fn is_left_alone(self) -> bool {
        let is_alone = self.0.is_watcher() && self.0.is_deserted();
        if is_alone {
            self.0.bells().alarm.say_left();
        }
        is_alone
    }

    /// Tells everybody that one has left, which is counted no longer.
    ///
    /// The caller has the alarm pending.
    pub(crate) fn tell_left(self, is_getter: bool) {
        self.0.bells().tell_left(is_getter);
    }

    /// How many messages there are: exact when nobody is in the middle of an operation.
    pub(crate) fn n_taken(self) -> u32 {
        let n_slots = self.0.n_slots();
        let mut taken = 0;
        for _ in 0..8 {
            let tail = self.0.tail().look();
            taken = tail.messages_since(self.0.head().look());
            if tail == self.0.tail().look() {
                break;
            }
        }
        // A tail that lags behind the head counts as the head.
        u32::try_from(taken.max(0)).unwrap_or(n_slots).min(n_slots)
    }

    fn tail_at(self) -> Result<Position, Blocked> {
        self.checked(self.0.tail().look())
    }

    fn head_at(self) -> Result<Position, Blocked> {
        self.checked(self.0.head().look())
    }

    #[inline]
    fn checked(self, at: Position) -> Result<Position, Blocked> {
        if at.is_in(self.0.n_slots()) { Ok(at) } else { Err(Blocked::Corrupt) }
    }

    /// Whether the slot at `at`, where `word` was and which was then seen in state `seen`, is free.
    ///
    /// A slot that laps have passed by for very long may be free for a number that seems to be yet to
    /// come; so may one whose position has moved since. In the second case the word shows it.
    #[inline]
    fn is_free_at(self, word: &PositionWord, at: Position, seen: State) -> bool {
        seen.is_free() && (seen.since(at.number()) <= 0 || word.look() == at)
    }

    /// The position that a link leads to from `at`; it is yet to be checked if the link is.
    #[inline]
    fn next(self, at: Position, link: Link) -> Position {
        at.next(link, self.0.chunk())
    }

    /// Where the message after the one at `at` goes, unless that is to be chosen.
    #[inline]
    fn usual_link(self, at: Position) -> Option<Link> {
        let length = at.index() + 1;
        let chunk = self.0.chunk();
        if length < chunk {
            Some(Link::BEHIND)
        } else if !self.0.grows() {
            Some(Link::to(0))
        } else if length.is_multiple_of(chunk) {
            None
        } else {
            Some(Link::BEHIND)
        }
    }

    /// The duties of a putter that has claimed: to move the tail, and to call the next putter if
    /// there is room for it as well. If the ring was closed before the claim, it is undone.
    #[inline]
    fn after_put_claim(self, claim: Claim) -> Result<Claim, Blocked> {
        let next = self.next(claim.at, claim.state.link());
        self.0.tail().help(claim.at, next);
        // E4 release; and the fence that the bells ask for.
        fence_after_exchange();
        let bells = self.0.bells();
        if bells.alarm.is_closed() {
            self.abandon(claim);
            return Err(Blocked::Closed);
        }
        if planted::PUT_CHAINS && bells.space.is_waiting() && self.is_good_for_putter(next) {
            bells.space.wake_one();
        }
        Ok(claim)
    }

    /// The duties of a getter that has claimed: to move the head, and to call the next getter if
    /// there is another message.
    #[inline]
    fn after_get_claim(self, claim: Claim) -> Claim {
        let next = self.next(claim.at, claim.state.link());
        self.0.head().help(claim.at, next);
        let items = &self.0.bells().items;
        if planted::GET_CHAINS && items.is_waiting_after_exchange() && self.is_good_for_getter(next)
        {
            items.wake_one();
        }
        claim
    }

    /// Whether a putter that comes to `next` finds it free, or can make it so.
    #[cold]
    fn is_good_for_putter(self, next: Position) -> bool {
        if !next.is_in(self.0.n_slots()) {
            return false; // Nobody who keeps to the protocol has written such a link.
        }
        let seen = self.0.slot(next.index()).look();
        let is_earlier = seen.since(next.number()) < 0;
        seen.is_free_for(next.number())
            || is_earlier
                && seen.owner() != Owner::NOBODY
                && matches!(self.claimer(next.index(), seen), Claimer::Dead)
    }

    /// Whether a getter that comes to `next` finds a message, or a hole that it can pass.
    #[cold]
    fn is_good_for_getter(self, next: Position) -> bool {
        if !next.is_in(self.0.n_slots()) {
            return false; // As above.
        }
        let seen = self.0.slot(next.index()).look();
        match (seen.since(next.number()), seen.owner()) {
            (1, Owner::NOBODY) => true,
            (_, Owner::NOBODY) => false,
            (0, _) => matches!(self.claimer(next.index(), seen), Claimer::Dead),
            _ => false,
        }
    }

    /// A putter has come to a slot whose earlier message is not over: goes past it if its owner is
    /// dead.
    fn pass_earlier(self, index: u32, seen: State) -> Result<(), Blocked> {
        if seen.owner() == Owner::NOBODY {
            return Err(Blocked::ByState(Obstacle { index, state: seen, claimer: None }));
        }
        match self.claimer(index, seen) {
            Claimer::Lives(obstacle) => Err(Blocked::ByState(obstacle)),
            Claimer::Dead => self.retire(Position::new(seen.number(), index), seen),
            Claimer::Done => Ok(()),
        }
    }

    /// A getter has come to a slot that is being written: goes past it if its writer is dead.
    fn pass_writer(self, at: Position, seen: State) -> Result<(), Blocked> {
        match self.claimer(at.index(), seen) {
            Claimer::Lives(obstacle) => Err(Blocked::ByState(obstacle)),
            Claimer::Dead => self.retire(at, seen),
            Claimer::Done => Ok(()),
        }
    }

    fn empty_at(self, at: Position, seen: State) -> Blocked {
        if self.is_closed_for_getters(at) {
            Blocked::Closed
        } else {
            Blocked::ByState(Obstacle { index: at.index(), state: seen, claimer: None })
        }
    }

    /// Whether a getter that found nothing at `at` may conclude that nothing will come.
    ///
    /// A putter looks for the mark after it has claimed, behind a full fence; so must we look at
    /// the slot again after we have seen the mark.
    fn is_closed_for_getters(self, at: Position) -> bool {
        if !self.0.bells().alarm.is_closed() {
            return false;
        }
        // E4 acquire: behind the mark, before the slot (S6 in the README).
        fence(SeqCst);
        let seen = self.0.slot(at.index()).look();
        seen.since(at.number()) < 0 || self.is_free_at(self.0.head(), at, seen)
    }

    /// What became of the owner that `state` names.
    fn claimer(self, index: u32, state: State) -> Claimer {
        let life = state.owner().seat().and_then(|seat| Some((seat, self.0.life(seat)?)));
        if let Some((seat, life)) = life {
            let word = life.value();
            if let Alive::Yes(_) = Life::meaning(word) {
                return Claimer::Lives(Obstacle { index, state, claimer: Some((seat, word)) });
            }
        }
        // Dead, or a seat that does not exist. Only a look at the slot that comes after the look
        // at the life word shows what the dead left: it may have been done with the claim before.
        if !planted::LOOKS_AGAIN || self.0.slot(index).look() == state {
            Claimer::Dead
        } else {
            Claimer::Done
        }
    }

    /// A slot does not fit the position: the position was stale, or the words make no sense.
    #[cold]
    fn check_stale(
        self,
        word: &PositionWord,
        at: Position,
        attempt: &mut Attempt,
    ) -> Result<(), Blocked> {
        // What the slot shows came after the position moved (I3 of the slots), so that a second
        // look must find it moved.
        attempt.check_odd(at, word.look().order(at) != Order::Equal)
    }
}
