//! How many workers there are: growing, shrinking, and what was asked for.

use std::time::Duration;

use crate::dispatch::{Fed, Place, Standing};
use crate::engine::{Engine, State};
use crate::error::PoolError;

/// How many workers a pool has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// How many there are to be now.
    pub(crate) wanted: usize,
    /// Never fewer than this.
    pub(crate) least: usize,
    /// There is room for so many.
    pub(crate) most: usize,
    /// It grows while tasks wait, and workers that it can spare end when they have had nothing to do
    /// for so long.
    pub(crate) idle: Option<Duration>,
}

impl Size {
    pub(crate) const fn can_grow(&self) -> bool {
        self.idle.is_some() && self.wanted < self.most
    }
}

impl Engine {
    /// Has so many workers from now on.
    pub(crate) fn resize(&self, n_workers: usize) -> Result<(), PoolError> {
        let mut state = self.lock();
        if n_workers == 0 || n_workers > state.size.most {
            return Err(PoolError::BadWorkers { most: state.size.most });
        }
        (state.size.wanted, state.size.least) = (n_workers, n_workers);
        let fed = state.shrink();
        drop(state);
        // Who is missing is started by the keeper.
        self.bell.ring();
        self.settle_aside(fed);
        Ok(())
    }

    /// Asks for one more worker, if tasks wait for one and that is allowed; says whether it did.
    pub(crate) fn grow(&self) -> bool {
        let mut state = self.lock();
        let is_complete = state.n_present() == state.size.wanted;
        let prepares = |place: &Place<_, _>| {
            place.worker().is_some() && place.standing() == Standing::Preparing
        };
        let grows = state.size.can_grow()
            && state.dispatch.wants_more_workers()
            && is_complete
            && !state.dispatch.places().iter().any(prepares);
        state.size.wanted += usize::from(grows);
        grows
    }

    /// Lets a worker go that has nothing to do, if there are more than there must be.
    pub(crate) fn spare(&self, place: usize) {
        let mut state = self.lock();
        let is_idle = state.dispatch.places().get(place).is_some_and(|place| place.n_given() == 0);
        if !is_idle || state.size.wanted <= state.size.least {
            return;
        }
        state.size.wanted -= 1;
        state.dispatch.retire(place);
        let fed = state.feed();
        drop(state);
        self.settle_aside(fed);
    }
}

impl State {
    /// How many workers there are that do not leave.
    pub(crate) fn n_present(&self) -> usize {
        self.dispatch.places().iter().filter(|place| place.is_present()).count()
    }

    /// Lets those go that are too many: those with the fewest tasks.
    fn shrink(&mut self) -> Fed<crate::job::Job> {
        let n_spare = self.n_present().saturating_sub(self.size.wanted);
        let places = self.dispatch.places().iter().enumerate();
        let mut present: Vec<(usize, usize)> = places
            .filter(|(_, place)| place.is_present())
            .map(|(at, place)| (place.n_given(), at))
            .collect();
        // Of several with as many, the last ones.
        present.sort_by_key(|(n_given, at)| (*n_given, std::cmp::Reverse(*at)));
        for (_, place) in present.into_iter().take(n_spare) {
            self.dispatch.retire(place);
            // As far as the calling thread can.
            self.take_back_at(place);
        }
        self.feed()
    }
}
