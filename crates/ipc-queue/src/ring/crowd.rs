//! Giving way: how those of one side that claim at the same time stay out of each other's way.
//!
//! A claim needs two lines: the slot's, and then the position's. If two putters (or two getters) run at
//! once, on processors of their own, each claim fetches both lines from the other processor, and all
//! of them together are several times as slow as one alone, which has everything at hand. So whoever
//! loses a claim to one of its own side gives way: it stays away for a moment, in which the other does
//! many, and for longer as long as the others make use of it.
//!
//! It holds nothing meanwhile, so nobody waits for it, and no protocol rests on it.

use core::time::Duration;
use std::time::Instant;

use ipc_core::primitive::pause;

use super::position::Position;

/// For how long one stays away at the least: some ten claims of one alone. Each time that this is worth
/// it, it is twice as long.
pub(super) const FIRST: Duration = Duration::from_nanos(400);

/// How many such times there are at most: 12.4 microseconds in all, half of what a sleep and a
/// wake-up take.
const MOST: u32 = 5;

/// It was worth it if the others claimed so many messages in the first time, and twice as many in each
/// that is twice as long: one in 200 nanoseconds. If they do more in between, there is room for one more.
const CLAIMS: i64 = 2;

/// How many pauses stand between two looks at the clock.
const N_PAUSES: u32 = 8;

/// Stays away for a moment, after a claim that another was faster at; `look` tells how far that side is.
#[cold]
pub(super) fn give_way(look: impl Fn() -> Position) {
    let mut before = look();
    for n in 0..MOST {
        let begin = Instant::now();
        while begin.elapsed() < FIRST * (1 << n) {
            (0..N_PAUSES).for_each(|_| pause());
        }
        let now = look();
        if now.messages_since(before) < CLAIMS << n {
            return;
        }
        before = now;
    }
}

#[cfg(all(test, not(ipc_loom)))]
mod tests {
    use core::cell::Cell;

    use super::*;

    /// How often one looks who gives way to others that claim so many between two looks.
    fn n_looks(claims: u64) -> u32 {
        let n_looks = Cell::new(0);
        give_way(|| {
            n_looks.set(n_looks.get() + 1);
            Position::new(u64::from(n_looks.get()) * claims, 0)
        });
        n_looks.get()
    }

    #[test]
    fn who_gives_way_comes_back_soon_if_the_others_make_no_use_of_it() {
        assert_eq!(n_looks(0), 2);
        assert_eq!(n_looks(1), 2);
        assert_eq!(n_looks(2), 3);
    }

    #[test]
    fn who_gives_way_comes_back_whatever_the_others_do() {
        assert_eq!(n_looks(1000), MOST + 1);
        // The words of a ring can be anything.
        for claims in [1 << 38, (1 << 38) + 1, (1 << 39) - 1] {
            assert!(n_looks(claims) <= MOST + 1);
        }
    }
}
