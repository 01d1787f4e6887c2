//! Attempts: how long an operation goes on while the words change under it.
//!
//! A step that does not claim has found the words changed since it looked. Among honest processes
//! that was another's success, so that somebody always gets on; but this one may lose again and
//! again, and a process that is not honest can see to it that it does. So an attempt ends after
//! [`MOST_LOOKS`] looks at slots: then it is time to look at the clock. See "Progress" in
//! `README.md` beside this file.

use super::position::{Position, PositionWord};
use super::{Blocked, Tuning, crowd};

/// So many slots are looked at before the clock is: some tens of microseconds' work.
const MOST_LOOKS: u32 = 1 << 12;

/// Who gives way spends at most the time of so many looks.
const LOOKS_A_LOSS: u32 = 1 << 8;

/// One attempt to claim.
#[derive(Debug)]
pub(super) struct Attempt {
    looks_left: u32,
    /// Where a slot did not fit the position, the last time that one did not.
    last_odd: Option<Position>,
}

impl Attempt {
    pub(super) fn new() -> Self {
        Self { looks_left: MOST_LOOKS, last_odd: None }
    }

    /// Begins a step, unless the attempt is at its end.
    pub(super) fn step(&mut self) -> Result<(), Blocked> {
        if self.looks_left == 0 {
            return Err(Blocked::Outrun);
        }
        self.looks_left -= 1;
        Ok(())
    }

    /// Gives way to whoever was faster at a claim where the word's position was, if the tuning says so.
    pub(super) fn lose(&mut self, word: &PositionWord, tuning: Tuning) {
        if tuning.looks {
            self.looks_left = self.looks_left.saturating_sub(LOOKS_A_LOSS);
            crowd::give_way(|| word.look());
        }
    }

    /// Notes that a slot does not fit the position `at`, which was stale if it has moved since; an
    /// error says that it has not, for the second time.
    pub(super) fn check_odd(&mut self, at: Position, has_moved: bool) -> Result<(), Blocked> {
        if !has_moved && self.last_odd.replace(at) == Some(at) {
            return Err(Blocked::Corrupt);
        }
        Ok(())
    }
}

#[cfg(all(test, not(ipc_loom)))]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn who_loses_stays_away_for_a_moment() {
        let begin = Instant::now();
        for _ in 0..1000 {
            Attempt::new().lose(&PositionWord::default(), Tuning::DEFAULT);
        }
        assert!(begin.elapsed() >= crowd::FIRST * 1000);
    }

    #[test]
    fn who_loses_again_and_again_soon_looks_at_the_clock() {
        let (mut attempt, word) = (Attempt::new(), PositionWord::default());
        let n_losses = (0..MOST_LOOKS).take_while(|_| {
            attempt.lose(&word, Tuning::DEFAULT);
            attempt.step().is_ok()
        });
        // Each may take a dozen microseconds.
        assert!(n_losses.count() < 20);
    }
}
