//! The instructions that an operation executes, and the shortest way to each of them.

use std::collections::HashMap;

/// The route of an operation: the places of its instructions, in the order in which they ran.
#[derive(Debug, Default)]
pub(super) struct Route {
    ways: Vec<Way>,
    /// How often each place has been seen.
    seen: HashMap<u64, usize>,
    /// The instructions that the victim fell asleep in.
    pub(super) sleeps: Vec<usize>,
}

/// How to get to an instruction: to a place for the so many-th time, then so many steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) place: u64,
    pub(super) n_times: usize,
    pub(super) n_steps: usize,
}

impl Way {
    /// What it costs, in steps: a breakpoint takes several calls, more when met again.
    fn cost(self) -> usize {
        6 * self.n_times + self.n_steps
    }
}

impl Route {
    /// Adds the next instruction.
    pub(super) fn push(&mut self, place: u64) {
        let n_times = self.seen.entry(place).and_modify(|n| *n += 1).or_insert(1);
        let direct = Way { place, n_times: *n_times, n_steps: 0 };
        let way = match self.ways.last() {
            Some(&last) if last.cost() + 1 < direct.cost() => {
                Way { n_steps: last.n_steps + 1, ..last }
            }
            _ => direct,
        };
        self.ways.push(way);
    }

    /// The place that was come to most often, and how often.
    pub(super) fn busiest(&self) -> Option<(u64, usize)> {
        self.seen
            .iter()
            .map(|(place, n_times)| (*place, *n_times))
            .max_by_key(|(_, n_times)| *n_times)
    }

    /// The way to each instruction, and at last to the end.
    pub(super) fn ways(&self) -> &[Way] {
        &self.ways
    }
}

#[cfg(test)]
mod tests {
    use super::{Route, Way};

    #[test]
    fn a_straight_route_is_jumped_to_and_a_loop_is_walked_from_where_it_is_cheap() {
        let mut route = Route::default();
        for place in [1, 2, 3, 2, 3, 9] {
            route.push(place);
        }
        let way = |place, n_times, n_steps| Way { place, n_times, n_steps };
        assert_eq!(
            route.ways(),
            [way(1, 1, 0), way(2, 1, 0), way(3, 1, 0), way(3, 1, 1), way(3, 1, 2), way(9, 1, 0)]
        );
    }
}
