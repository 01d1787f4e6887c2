//! Looking at a lane, or giving the processor away before.
//!
//! Whoever waits for somebody on another processor does best to look: the answer comes in less time than it
//! takes to give the processor away. Whoever waits for somebody who needs the same processor waits for nothing
//! as long as it looks, and does best to give it away at once. Nobody says which of the two it is. So who waits
//! looks first, for as long as an answer takes; if none came in that time, the next waits begin without it, and
//! ever more of them until it pays again.
//!
//! If another program takes a processor that was given away, and keeps it for all of its time, that was a bad
//! bargain, and is not made again soon.

use std::time::{Duration, Instant};

use ipc_core::primitive::{pause, yield_now};

/// Whether to look first, and whether it is a good bargain to give the processor away.
#[derive(Debug, Default)]
pub(crate) struct Courtesy {
    /// How many waits do not begin with looks now, and how many did not after the last looks in vain.
    n_blind: u32,
    last_blind: u32,
    /// How often it is not done now, and how often it was not after the last bad bargain.
    n_left_out: u32,
    last_left_out: u32,
}

/// So many looks are as long as an answer from another processor takes, and half as long again: a microsecond
/// or two.
const FIRST_LOOKS: u32 = 40;

/// After looks in vain so many waits at most begin without them.
const MOST_BLIND: u32 = 128;

/// Who needs it to answer does not need it for so long.
const KEPT: Duration = Duration::from_micros(300);

/// After a bad bargain the next come after so many times at least, and at most.
const LEAST_LEFT_OUT: u32 = 32;
const MOST_LEFT_OUT: u32 = 1 << 14;

impl Courtesy {
    /// Looks for a moment whether something holds, unless that has not paid lately.
    #[inline]
    pub(crate) fn looks(&mut self, mut holds: impl FnMut() -> bool) -> bool {
        if self.n_blind > 0 {
            self.n_blind -= 1;
            return false;
        }
        let has_paid = (0..FIRST_LOOKS).any(|_| {
            pause();
            holds()
        });
        self.last_blind = if has_paid { 0 } else { (self.last_blind * 2).clamp(1, MOST_BLIND) };
        self.n_blind = self.last_blind;
        has_paid
    }

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

    /// How often it looks where that is in vain.
    fn looks_in_vain(courtesy: &mut Courtesy) -> u32 {
        let mut looks = 0;
        let has_paid = courtesy.looks(|| {
            looks += 1;
            false
        });
        assert!(!has_paid);
        looks
    }

    #[test]
    fn who_looks_in_vain_does_so_ever_more_seldom_until_it_pays() {
        let mut courtesy = Courtesy::default();
        let waits: Vec<u32> = (0..1_000).map(|_| looks_in_vain(&mut courtesy)).collect();
        let with_looks = waits.iter().zip(0..).filter(|&(&looks, _)| looks == FIRST_LOOKS);
        let at: Vec<u32> = with_looks.map(|(_, at)| at).collect();
        assert_eq!(at[..8], [0, 2, 5, 10, 19, 36, 69, 134]);
        assert!(at[8..].iter().zip(&at[7..]).all(|(next, one)| next - one == MOST_BLIND + 1));
        assert_eq!(waits.iter().sum::<u32>(), FIRST_LOOKS * u32::try_from(at.len()).unwrap());
        while !courtesy.looks(|| true) {}
        assert!(courtesy.looks(|| true), "it pays, so it goes on");
        assert_eq!(looks_in_vain(&mut courtesy), FIRST_LOOKS);
        assert_eq!((looks_in_vain(&mut courtesy), courtesy.n_blind), (0, 0));
    }

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
