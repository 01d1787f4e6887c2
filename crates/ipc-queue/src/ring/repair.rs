//! Messages whose owner died: holes that a writer left, and messages that a reader took with it;
//! and the hole of a put that was overtaken by the close, whose owner did not die.
//!
//! Whoever finds one in its way goes through the same three steps, and each can be taken by several
//! at once, or be left to the next by one who dies in between: move the tail past the message, move
//! the head past it, give its slot back. Only the last is an exchange that one alone wins.

use core::cmp::Ordering as Order;

use ipc_core::primitive::Ordering::Relaxed;

use super::position::Position;
use super::slot::{Owner, State};
use super::{Blocked, Claim, Memory, Obstacle, Ring, planted};

impl<M: Memory> Ring<'_, M> {
    /// Retires the message at `at`, whose owner is dead, and calls everybody to look again.
    ///
    /// An error says that it is not its turn yet: there are messages before it.
    #[cold]
    pub(super) fn retire(self, at: Position, dead: State) -> Result<(), Blocked> {
        let next = self.next(at, dead.link());
        if !dead.is_written() {
            self.0.tail().help(at, next);
        }
        match self.head_at()?.order(at) {
            Order::Less => {
                let obstacle = Obstacle { index: at.index(), state: dead, claimer: None };
                return Err(Blocked::ByState(obstacle));
            }
            Order::Equal => self.0.head().help(at, next),
            Order::Greater => {}
        }
        if self.0.slot(at.index()).retire(dead, self.0.chunk()) {
            if dead.owner() != Owner::WAIVED {
                self.0.retired().fetch_add(1, Relaxed);
            }
            self.0.bells().call_all();
        }
        Ok(())
    }

    /// Makes a hole of the caller's own claim for writing.
    #[cold]
    pub(crate) fn abandon(self, claim: Claim) {
        self.0.slot(claim.at.index()).claim(claim.state, claim.state.owned_by(Owner::WAIVED));
        self.0.bells().call_all();
    }

    /// Gives all claims of a dead owner to the grave, so that its seat can be given out again.
    ///
    /// The caller has the alarm pending.
    pub(crate) fn bury(self, dead: Owner) {
        for index in 0..self.0.n_slots() {
            let slot = self.0.slot(index);
            let seen = slot.look();
            if planted::BURIES && seen.owner() == dead {
                slot.claim(seen, seen.owned_by(Owner::GRAVE));
            }
        }
        self.0.bells().call_all();
    }
}
