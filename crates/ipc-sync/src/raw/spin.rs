//! How long to look at a held word before going to sleep.
//!
//! A crossed wake-up costs some tens of microseconds, a hand-over to somebody who is looking a
//! fraction of one; so a waiter looks for about as long as a short critical section takes, and no
//! longer: idle processors must stay idle.

#[cfg(not(ipc_loom))]
pub(super) use real::Spin;
#[cfg(not(ipc_loom))]
pub use real::set_spin;

#[cfg(ipc_loom)]
pub(super) use model::Spin;

#[cfg(not(ipc_loom))]
mod real {
    #![expect(clippy::disallowed_types, reason = "a setting that never leaves the process")]

    use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use ipc_core::primitive::pause;

    /// How many looks a waiter takes, with growing pauses between them.
    static LOOKS: AtomicU32 = AtomicU32::new(10);

    /// Sets how many looks a waiter of this process takes at a held word before it goes to sleep.
    ///
    /// For tests, which want their waiters asleep, and for measurements.
    pub fn set_spin(looks: u32) {
        LOOKS.store(looks.min(16), Relaxed);
    }

    /// One waiter's looks.
    #[derive(Debug)]
    pub(in super::super) struct Spin {
        left: u32,
        pauses: u32,
    }

    impl Spin {
        pub(in super::super) fn new() -> Self {
            Self { left: LOOKS.load(Relaxed), pauses: 1 }
        }

        /// Pauses, and says whether to look again; if not, it is time to sleep.
        pub(in super::super) fn again(&mut self) -> bool {
            if self.left == 0 {
                return false;
            }
            self.left -= 1;
            for _ in 0..self.pauses {
                pause();
            }
            self.pauses = (self.pauses * 2).min(32);
            true
        }
    }
}

#[cfg(ipc_loom)]
mod model {
    /// In the model nobody looks twice: it explores every order of events anyway.
    #[derive(Debug)]
    pub(in super::super) struct Spin;

    impl Spin {
        pub(in super::super) fn new() -> Self {
            Self
        }

        pub(in super::super) fn again(&mut self) -> bool {
            false
        }
    }
}
