//! How long to look at a held word before going to sleep.
//!
//! A crossed wake-up costs some tens of microseconds, a hand-over to somebody who is looking a
//! fraction of one. So a waiter looks for about as long as a short critical section takes, with
//! growing pauses, and then sleeps: idle processors stay idle. Where looking was in vain the last
//! times, because the lock is held for longer, the next waiters look for a shorter time; the first
//! for whom it pays lets them look longer again.

#[cfg(not(ipc_loom))]
pub(super) use real::Spin;
#[cfg(not(ipc_loom))]
pub use real::set_spin;

#[cfg(ipc_loom)]
pub(super) use model::Spin;

#[cfg(not(ipc_loom))]
mod real {
    #![expect(clippy::disallowed_types, reason = "a setting that never leaves the process")]

    use core::sync::atomic;

    use ipc_core::primitive::Ordering::Relaxed;
    use ipc_core::primitive::{AtomicU32, pause};

    /// The most looks that a waiter takes.
    static MOST_LOOKS: atomic::AtomicU32 = atomic::AtomicU32::new(10);

    /// The longest pause between two looks, as a power of two.
    const LONGEST_PAUSE: u32 = 6;

    /// How many looks fewer a waiter takes at most, however often it was in vain.
    const MOST_DISAPPOINTMENTS: u32 = 6;

    /// Sets how many looks a waiter of this process takes at most before it goes to sleep.
    ///
    /// For tests, which want their waiters asleep, and for measurements.
    pub fn set_spin(looks: u32) {
        MOST_LOOKS.store(looks.min(64), Relaxed);
    }

    /// One waiter's looks.
    #[derive(Debug)]
    pub(in super::super) struct Spin {
        /// How often looking was in vain, as the note beside the word had it.
        disappointments: u32,
        budget: u32,
        taken: u32,
    }

    impl Spin {
        pub(in super::super) fn new(memory: &AtomicU32) -> Self {
            // Others can write anything there.
            let disappointments = memory.load(Relaxed).min(MOST_DISAPPOINTMENTS);
            let budget = MOST_LOOKS.load(Relaxed).saturating_sub(disappointments);
            Self { disappointments, budget, taken: 0 }
        }

        /// Pauses, and says whether to look again; if not, it is time to sleep.
        #[inline]
        pub(in super::super) fn again(&mut self) -> bool {
            if self.taken >= self.budget {
                return false;
            }
            for _ in 0..1 << self.taken.min(LONGEST_PAUSE) {
                pause();
            }
            self.taken += 1;
            true
        }

        /// Lets the next waiters know whether it paid to look.
        ///
        /// If several say so at once, one of them is heard: it is a hint.
        pub(in super::super) fn learn(&self, memory: &AtomicU32, has_slept: bool) {
            let disappointments = match (has_slept, self.budget) {
                (_, 0) => return,
                (true, _) => (self.disappointments + 1).min(MOST_DISAPPOINTMENTS),
                (false, _) => self.disappointments.saturating_sub(2),
            };
            if disappointments != self.disappointments {
                memory.store(disappointments, Relaxed);
            }
        }
    }
}

#[cfg(ipc_loom)]
mod model {
    use ipc_core::primitive::AtomicU32;

    /// In the model nobody looks twice: it explores every order of events anyway.
    #[derive(Debug)]
    pub(in super::super) struct Spin;

    impl Spin {
        pub(in super::super) fn new(_: &AtomicU32) -> Self {
            Self
        }

        pub(in super::super) fn again(&mut self) -> bool {
            false
        }

        pub(in super::super) fn learn(&self, _: &AtomicU32, _: bool) {}
    }
}
