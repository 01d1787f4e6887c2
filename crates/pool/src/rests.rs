//! Who has had nothing to do for how long, in a pool that shrinks.
//!
//! Nothing is written down for that while tasks run: the keeper looks from time to time, and who has
//! nothing and has answered nothing since the last look has rested in between. It does not look in
//! a pool that is as small as it can be.

use ipc_core::Deadline;

use crate::engine::Engine;

/// What was seen of all places.
#[derive(Debug)]
pub(crate) struct Rests {
    places: Vec<Rest>,
    next_look: Deadline,
}

/// What was seen of one.
#[derive(Clone, Copy, Debug)]
struct Rest {
    /// So many tasks had been answered from there.
    n_answered: u64,
    /// If none is answered until then, it has rested long enough.
    until: Deadline,
}

impl Rests {
    pub(crate) fn new(n_places: usize) -> Self {
        let rest = Rest { n_answered: 0, until: Deadline::NEVER };
        Self { places: vec![rest; n_places], next_look: Deadline::NEVER }
    }

    /// When to look.
    pub(crate) const fn next_look(&self) -> Deadline {
        self.next_look
    }

    /// Looks, and lets those go that have rested long enough and can be spared.
    pub(crate) fn look(&mut self, engine: &Engine) {
        let mut rested = Vec::new();
        self.next_look = Deadline::NEVER;
        let state = engine.lock();
        let Some(idle) = state.size.idle.filter(|_| state.size.wanted > state.size.least) else {
            return;
        };
        for (at, (rest, place)) in self.places.iter_mut().zip(state.dispatch.places()).enumerate() {
            if !place.is_present() {
                rest.until = Deadline::NEVER;
                continue;
            }
            let has_rested = place.n_given() == 0 && place.n_answered() == rest.n_answered;
            if has_rested && rest.until.is_past() {
                rested.push(at);
            } else if !has_rested || rest.until.is_never() {
                *rest = Rest { n_answered: place.n_answered(), until: Deadline::after(idle) };
            }
            self.next_look = self.next_look.min(rest.until);
        }
        drop(state);
        for place in rested.into_iter().rev() {
            engine.spare(place);
        }
    }
}
