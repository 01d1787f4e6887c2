//! The life words of those whose deaths a sleeper is to be told of, beside what else it sleeps on.
//!
//! They lie in an array: an allocator may use libc's robust mutexes, which clear what is pending, and
//! who collects these is about to sleep.

use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::primitive::{MAX_WAITS, Wait, Woken, futex_wait_any};
use ipc_core::robust::Life;

/// How long a sleep is in which not all deaths are told of: the kernel compares only so many words.
const NAP: Duration = Duration::from_millis(50);

/// Life words, and what each held before the look for what is waited for.
#[derive(Debug)]
pub(crate) struct Watched<'w> {
    lives: [Option<(&'w Life, u32)>; MAX_WAITS],
    /// How many there are, which may be more than there is room for.
    len: usize,
}

impl<'w> Watched<'w> {
    /// Nobody's.
    pub(crate) const NONE: Self = Self { lives: [None; MAX_WAITS], len: 0 };

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sleeps on `others`, and on so many of the life words as can be told of.
    pub(crate) fn sleep(&self, others: &[Wait<'w>], deadline: Deadline) -> Woken {
        let lives = self.lives.iter().flatten().map(|(life, seen)| Wait::on(life.word(), *seen));
        let mut all = [const { None }; MAX_WAITS];
        for (place, wait) in all.iter_mut().zip(others.iter().copied().chain(lives)) {
            *place = Some(wait);
        }
        let n_waits = others.len() + self.len;
        let deadline =
            if n_waits > MAX_WAITS { deadline.min(Deadline::after(NAP)) } else { deadline };
        let Some(first) = others.first() else { return Woken::Changed };
        let waits = all.map(|wait| wait.unwrap_or(*first));
        futex_wait_any(waits.get(..n_waits).unwrap_or(&waits), deadline)
    }
}

impl<'w> FromIterator<(&'w Life, u32)> for Watched<'w> {
    fn from_iter<I: IntoIterator<Item = (&'w Life, u32)>>(lives: I) -> Self {
        let mut all = Self::NONE;
        for life in lives {
            if let Some(place) = all.lives.get_mut(all.len) {
                *place = Some(life);
            }
            all.len += 1;
        }
        all
    }
}
