//! How long to look at a held word before going to sleep.
//!
//! A wake-up across processors costs some tens of microseconds, of the caller's time too; a hand-over
//! to somebody who is looking costs a fraction of one. So a waiter looks about twice as long as a
//! wake-up takes, and then sleeps: idle processors stay idle.
//!
//! The first looks follow on each other at once, for those who are answered at once. Then the pauses
//! grow: whoever looks at a word that another uses takes its line away, and one who gives a word back
//! and takes it again at once is faster than one who has to be handed it. Soon, one look comes after
//! giving the processor away: on one processor, whoever is to answer can only do so then, and it
//! costs less than to sleep and to be woken.
//!
//! Where only two answer each other ([`Spin::eager`]) nobody else's line is taken away, and more looks
//! follow on each other at once: as many as an answer takes that comes from afar.
//!
//! A lock counts its turns beside its word. Who sees that others take it all the time goes on looking
//! for longer: for a lock that is held so shortly a sleep would cost all of them more.
//!
//! Where looking was in vain the last times (the lock is held for longer, or there is one processor),
//! the next waiters look for a shorter time, and now and then, ever more seldom, one of them looks
//! for as long as at first: two who answer each other may both have gone to sleep, and then no
//! short look ever pays. The first for whom it does lets the others look longer again.

#[cfg(ipc_loom)]
pub use model::{Spin, count_turn};
#[cfg(not(ipc_loom))]
pub use real::{Spin, count_turn, set_spin};

#[cfg(not(ipc_loom))]
mod real {
    #![expect(clippy::disallowed_types, reason = "a setting that never leaves the process")]

    use core::sync::atomic;

    use crate::primitive::Ordering::Relaxed;
    use crate::primitive::{AtomicU32, pause, yield_now};

    /// The most looks that a waiter takes: some 75 microseconds where a pause takes 25 nanoseconds.
    static MOST_LOOKS: atomic::AtomicU32 = atomic::AtomicU32::new(56);

    /// How many looks follow on each other at once; then every second pause is twice as long.
    const N_QUICK_LOOKS: u32 = 5;

    /// How many do where two answer each other.
    const N_EAGER_LOOKS: u32 = 29;

    /// Which look comes after giving the processor away: half a microsecond after the first.
    const YIELDING_LOOK: u32 = 10;

    /// How many looks after the last quick one that is.
    const YIELDS_AFTER: u32 = YIELDING_LOOK - N_QUICK_LOOKS;

    /// The longest pause between two looks, as a power of two.
    const LONGEST_PAUSE: u32 = 6;

    /// How often looks are halved at most.
    const MOST_HALVINGS: u32 = 4;
    const _: () = assert!(56 >> MOST_HALVINGS < YIELDING_LOOK, "who looked in vain does not yield");

    /// The most waits in vain that are counted; from there it goes on at half of it.
    const MOST_IN_VAIN: u32 = 1 << 12;

    /// One more turn, as the note has it.
    const ONE_TURN: u32 = 1 << 13;
    const _: () = assert!(MOST_IN_VAIN < ONE_TURN);

    /// The most looks of one who sees that others take the word all the time.
    const MOST_LOOKS_AT_MOVES: u32 = 400;

    /// Sets how many looks a waiter of this process takes at most before it goes to sleep.
    ///
    /// For tests, which want their waiters asleep, and for measurements.
    pub fn set_spin(looks: u32) {
        MOST_LOOKS.store(looks.min(64), Relaxed);
    }

    /// One waiter's looks.
    #[derive(Debug)]
    pub struct Spin {
        /// What the note said at the last look.
        seen: Note,
        /// How many looks may be in vain before it is time to sleep.
        budget: u32,
        looks: u32,
        /// How many of them found the word in the same hands as the one before.
        still: u32,
        /// How many of them follow on each other at once.
        quick: u32,
    }

    impl Spin {
        /// Begins; `note` is the one beside the word, and whatever is in it does no harm.
        #[must_use]
        pub fn new(note: &AtomicU32) -> Self {
            let seen = Note(note.load(Relaxed));
            let budget = MOST_LOOKS.load(Relaxed) >> seen.halvings();
            Self { seen, budget, looks: 0, still: 0, quick: N_QUICK_LOOKS }
        }

        /// Begins, at a word that one other writes and nobody else looks at.
        #[must_use]
        pub fn eager(note: &AtomicU32) -> Self {
            let spin = Self::new(note);
            let more = N_EAGER_LOOKS - N_QUICK_LOOKS;
            // Who looked in vain the last times looks as shortly as anybody.
            let is_worth_it = spin.budget > 0 && spin.seen.halvings() == 0;
            let budget = spin.budget + if is_worth_it { more } else { 0 };
            Self { budget, quick: N_EAGER_LOOKS, ..spin }
        }

        /// Pauses, and says whether to look again; if not, it is time to sleep.
        #[inline]
        pub fn again(&mut self, note: &AtomicU32) -> bool {
            if self.still >= self.budget || self.looks >= MOST_LOOKS_AT_MOVES {
                return false;
            }
            self.looks += 1;
            if self.looks == self.quick + YIELDS_AFTER {
                yield_now();
            } else {
                let pauses = (self.looks.saturating_sub(self.quick - 1) / 2).min(LONGEST_PAUSE);
                (0..1 << pauses).for_each(|_| pause());
            }
            let now = Note(note.load(Relaxed));
            if now.turns() == self.seen.turns() {
                self.still += 1;
            } else {
                // Others are at it: no more quick looks, which would only be in their way.
                self.looks = self.looks.max(self.quick + YIELDS_AFTER);
            }
            self.seen = now;
            true
        }

        /// Begins anew, after a sleep.
        pub fn restart(&mut self) {
            (self.looks, self.still) = (0, 0);
        }

        /// Lets the next waiters know whether it paid to look.
        ///
        /// If several say so at once, one of them is heard: it is a hint.
        pub fn learn(&self, note: &AtomicU32, has_slept: bool) {
            if self.budget == 0 {
                return; // It did not look.
            }
            let before = Note(note.load(Relaxed));
            let after = before.having_waited(has_slept);
            if after != before {
                note.store(after.0, Relaxed);
            }
        }
    }

    /// Notes that a word was taken once more: for whoever counts turns, when it has it.
    #[inline]
    pub fn count_turn(note: &AtomicU32) {
        note.store(note.load(Relaxed).wrapping_add(ONE_TURN), Relaxed);
    }

    /// What the note beside a word says; others can write anything there.
    ///
    /// ```text
    /// bits  0..13   how many waits in a row were in vain
    /// bits 13..32   how often the word was taken, if that is counted
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Note(u32);

    impl Note {
        fn n_in_vain(self) -> u32 {
            (self.0 % ONE_TURN).min(MOST_IN_VAIN)
        }

        fn turns(self) -> u32 {
            self.0 / ONE_TURN
        }

        /// How often the next waiter's looks are to be halved.
        fn halvings(self) -> u32 {
            let n_in_vain = self.n_in_vain();
            let is_trial = n_in_vain > MOST_HALVINGS && n_in_vain.is_power_of_two();
            if is_trial { 0 } else { n_in_vain.min(MOST_HALVINGS) }
        }

        fn having_waited(self, has_slept: bool) -> Self {
            let n_in_vain = match (has_slept, self.n_in_vain()) {
                (true, MOST_IN_VAIN) => MOST_IN_VAIN / 2 + 1,
                (true, before) => before + 1,
                (false, before) => before.min(MOST_HALVINGS).saturating_sub(2),
            };
            Self(self.turns() * ONE_TURN + n_in_vain)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// The looks of one waiter, which finds nothing until it sleeps.
        fn looks_in_vain(memory: &AtomicU32) -> u32 {
            let mut spin = Spin::new(memory);
            while spin.again(memory) {}
            spin.learn(memory, true);
            spin.looks
        }

        #[test]
        fn who_looks_in_vain_looks_less_and_tries_again_ever_more_seldom() {
            let memory = AtomicU32::new(0);
            let most = looks_in_vain(&memory);
            let looks: Vec<_> = (1..20_000).map(|_| looks_in_vain(&memory)).collect();
            assert!(looks[..4].is_sorted_by(|one, next| one > next), "{:?}", &looks[..4]);
            let trials: Vec<_> =
                looks.iter().zip(1..).filter(|&(&n, _)| n == most).map(|(_, at)| at).collect();
            assert_eq!(trials[..4], [8, 16, 32, 64]);
            assert!(trials.len() > 12, "it never gives up trying: {trials:?}");
            assert!(trials.len() < 24, "it does not try often: {trials:?}");
        }

        #[test]
        fn who_is_eager_looks_longer_only_where_that_pays() {
            let looks = |memory: &AtomicU32| {
                let mut spin = Spin::eager(memory);
                while spin.again(memory) {}
                spin.looks
            };
            let memory = AtomicU32::new(0);
            let most = looks_in_vain(&memory);
            assert_eq!(looks(&AtomicU32::new(0)), most + N_EAGER_LOOKS - N_QUICK_LOOKS);
            assert_eq!(looks(&memory), most / 2);
        }

        #[test]
        fn one_for_whom_it_pays_lets_the_others_look_longer() {
            let memory = AtomicU32::new(0);
            let most = looks_in_vain(&memory);
            for _ in 0..100 {
                looks_in_vain(&memory);
            }
            let spin = Spin::new(&memory);
            assert!(spin.budget < most / 2);
            spin.learn(&memory, false);
            assert!(Spin::new(&memory).budget > most / 8);
        }

        #[test]
        fn who_sees_the_word_change_hands_goes_on_looking() {
            let memory = AtomicU32::new(0);
            let mut spin = Spin::new(&memory);
            let mut looks = 0;
            while spin.again(&memory) {
                count_turn(&memory);
                looks += 1;
            }
            assert!(looks > 56 * 4, "{looks}");
            assert!(spin.still <= 1);
        }

        #[test]
        fn turns_and_waits_in_vain_do_not_touch_each_other() {
            let memory = AtomicU32::new(ONE_TURN.wrapping_neg() + 5);
            count_turn(&memory);
            assert_eq!(memory.load(Relaxed), 5);
            looks_in_vain(&memory);
            assert_eq!(memory.load(Relaxed), 6);
        }

        #[test]
        fn whatever_is_written_to_the_note_somebody_looks_and_sleeps() {
            for scribble in [u32::MAX, 1 << 31, MOST_IN_VAIN, MOST_IN_VAIN + 1] {
                let memory = AtomicU32::new(scribble);
                assert!(looks_in_vain(&memory) > 0);
                assert!(memory.load(Relaxed) % ONE_TURN <= MOST_IN_VAIN);
            }
        }
    }
}

#[cfg(ipc_loom)]
mod model {
    use crate::primitive::AtomicU32;

    /// In the model nobody looks twice: it explores every order of events anyway.
    #[derive(Debug)]
    pub struct Spin;

    impl Spin {
        /// Begins.
        #[must_use]
        pub fn new(_: &AtomicU32) -> Self {
            Self
        }

        /// Begins.
        #[must_use]
        pub fn eager(_: &AtomicU32) -> Self {
            Self
        }

        /// No.
        pub fn again(&mut self, _: &AtomicU32) -> bool {
            false
        }

        /// Does nothing.
        pub fn restart(&mut self) {}

        /// Learns nothing.
        pub fn learn(&self, _: &AtomicU32, _: bool) {}
    }

    /// Counts nothing.
    pub fn count_turn(_: &AtomicU32) {}
}
