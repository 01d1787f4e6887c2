//! Giving the processor away before looking at a lane.
//!
//! Whoever waits for somebody who needs the same processor waits for nothing as long as it looks. So who has
//! nothing to do first gives the processor away, which costs little if nobody wants it. But if another
//! program takes it, and keeps it for all of its time, that was a bad bargain, and is not made again soon.

use std::time::{Duration, Instant};

use ipc_core::primitive::yield_now;

/// Whether it is a good bargain to give the processor away.
#[derive(Debug, Default)]
pub(crate) struct Courtesy {
    /// How often it is not done now, and how often it was not after the last bad bargain.
    n_left_out: u32,
    last_left_out: u32,
}

/// Who needs it to answer does not need it for so long.
const KEPT: Duration = Duration::from_micros(300);

/// After a bad bargain the next come after so many times at least, and at most.
const LEAST_LEFT_OUT: u32 = 32;
const MOST_LEFT_OUT: u32 = 1 << 14;

impl Courtesy {
    /// Gives the processor away, unless that has not paid lately.
    pub(crate) fn offer(&mut self) {
        if self.n_left_out > 0 {
            self.n_left_out -= 1;
            return;
        }
        let began = Instant::now();
        yield_now();
        self.learn(began.elapsed());
    }

    fn learn(&mut self, was_away_for: Duration) {
        let next = if was_away_for < KEPT {
            0
        } else {
            (self.last_left_out * 2).clamp(LEAST_LEFT_OUT, MOST_LEFT_OUT)
        };
        (self.n_left_out, self.last_left_out) = (next, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_bargains_are_made_ever_more_seldom_and_good_ones_always() {
        let mut courtesy = Courtesy::default();
        let left_out: Vec<u32> = (0..12)
            .map(|_| {
                courtesy.learn(KEPT);
                courtesy.n_left_out
            })
            .collect();
        assert!(left_out.is_sorted() && left_out[0] == LEAST_LEFT_OUT);
        assert_eq!(left_out.last(), Some(&MOST_LEFT_OUT));
        (0..MOST_LEFT_OUT).for_each(|_| courtesy.offer());
        assert_eq!(courtesy.n_left_out, 0);
        courtesy.learn(Duration::ZERO);
        assert_eq!((courtesy.n_left_out, courtesy.last_left_out), (0, 0));
    }
}
