//! Looking for a message for a while before sleeping for it.
//!
//! To be woken on another processor takes some tens of microseconds, of which a message itself takes one.
//! So who receives looks for about twice as long as a wake-up takes, and then sleeps. Where that was in
//! vain the last times (the other side has more to do, or there is one processor), nobody looks, but for
//! one receiver now and then, ever more seldom: two who answer each other may both have gone to sleep.
//! It is what [`Spin`](ipc_core::primitive::Spin) does beside a word, but each look is a system call:
//! so who looks in vain does not look at all. Nor does it give the processor away between two looks:
//! that costs as much as to sleep and be woken on the same processor.

use ipc_core::Deadline;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::{AtomicU32, pause};

/// So many looks, of about a microsecond.
const N_LOOKS: u32 = 50;
/// So many pauses between two of them.
const N_PAUSES: u32 = 6;

/// So many waits in vain, and nobody looks any more, but at each power of two.
const MOST_IN_VAIN: u32 = 3;
/// The most that are counted; from there it goes on at half of it.
const LAST_TRIAL: u32 = 1 << 12;

/// How the last looks of a line ended. It is a hint: if several say something at once, one is heard.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// How many receives there were since it paid to look.
    in_vain: AtomicU32,
}

impl Looks {
    /// Looks for a while, if that pays and the deadline lets it.
    pub(crate) fn look<T>(
        &self,
        deadline: Deadline,
        mut once: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        if deadline.is_past() {
            return None;
        }
        if !self.is_worth_it() {
            self.learn(false);
            return None;
        }
        let mut found = once();
        if found.is_some() {
            // It was there already.
            return found;
        }
        for _ in 0..N_LOOKS {
            if deadline.is_past() {
                return None;
            }
            (0..N_PAUSES).for_each(|_| pause());
            found = once();
            if found.is_some() {
                break;
            }
        }
        self.learn(found.is_some());
        found
    }

    fn is_worth_it(&self) -> bool {
        let in_vain = self.in_vain.load(Relaxed);
        in_vain <= MOST_IN_VAIN || in_vain.is_power_of_two()
    }

    fn learn(&self, has_paid: bool) {
        let in_vain = match (has_paid, self.in_vain.load(Relaxed)) {
            (true, _) => 0,
            (false, LAST_TRIAL..) => LAST_TRIAL / 2 + 1,
            (false, before) => before + 1,
        };
        self.in_vain.store(in_vain, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use ipc_core::Deadline;

    use super::{LAST_TRIAL, Looks, MOST_IN_VAIN, N_LOOKS};

    /// How often somebody looks who finds something at that look, or nothing.
    fn n_looks(looks: &Looks, found_at: u32) -> u32 {
        let mut count = 0;
        looks.look(Deadline::NEVER, || {
            count += 1;
            (count == found_at).then_some(())
        });
        count
    }

    #[test]
    fn who_looks_in_vain_looks_ever_more_seldom_and_never_gives_up() {
        let looks = Looks::default();
        let counts: Vec<u32> = (0..3 * LAST_TRIAL).map(|_| n_looks(&looks, u32::MAX)).collect();
        assert!(counts.iter().all(|count| [0, N_LOOKS + 1].contains(count)));
        let trials: Vec<_> =
            (0..).zip(&counts).filter(|(_, n)| **n > 0).map(|(at, _)| at).collect();
        assert_eq!(trials[..8], [0, 1, 2, 3, 4, 8, 16, 32]);
        assert!((14..20).contains(&trials.len()), "{trials:?}");
        assert!(trials.last().is_some_and(|last| *last > 2 * LAST_TRIAL), "{trials:?}");
    }

    #[test]
    fn one_look_that_pays_makes_all_look() {
        let looks = Looks::default();
        for _ in 0..16 {
            n_looks(&looks, u32::MAX);
        }
        assert_eq!(n_looks(&looks, 9), 9, "the trial");
        assert_eq!(n_looks(&looks, 20), 20);
        assert_eq!(looks.in_vain.load(ipc_core::primitive::Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_there_already_says_nothing_of_looking() {
        let looks = Looks::default();
        n_looks(&looks, u32::MAX);
        for _ in 0..10 {
            assert_eq!(n_looks(&looks, 1), 1);
        }
        assert_eq!(looks.in_vain.load(ipc_core::primitive::Ordering::Relaxed), 1);
        assert!(looks.in_vain.load(ipc_core::primitive::Ordering::Relaxed) < MOST_IN_VAIN);
    }

    #[test]
    fn nobody_looks_beyond_the_deadline_or_learns_from_it() {
        let looks = Looks::default();
        for _ in 0..10 {
            assert_eq!(looks.look(Deadline::now(), || Some(())), None);
        }
        assert_eq!(n_looks(&looks, u32::MAX), N_LOOKS + 1);
    }
}
