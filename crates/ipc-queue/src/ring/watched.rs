//! The life words of those whose deaths a sleeper is to be told of, beside what else it sleeps on.

use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::primitive::{MAX_WAITS, Wait, Woken, futex_wait_any};
use ipc_core::robust::Life;

/// The most words that a sleeper sleeps on besides life words.
const MOST_OTHERS: usize = 6;

/// The most words that a sleeper sleeps on; few in the models, whose queues have few seats.
const MOST: usize = if cfg!(ipc_loom) { MOST_OTHERS + 4 } else { MAX_WAITS };

/// How long a sleep is in which not all deaths are told of: the kernel compares only so many words.
const NAP: Duration = Duration::from_millis(50);

/// Life words, and what each held before the look for what is waited for.
///
/// Collecting them allocates, and an allocator may use libc's robust mutexes, which clear what is
/// pending; so who collects them makes it pending anew. Sleeping allocates nothing.
#[derive(Debug)]
pub(crate) struct Watched<'w> {
    /// If there are any, behind places for the others.
    waits: Vec<Wait<'w>>,
    longest: Duration,
}

impl<'w> Watched<'w> {
    /// Nobody's.
    pub(crate) const NONE: Self = Self { waits: Vec::new(), longest: Duration::MAX };

    pub(crate) fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    /// Sleeps on `others`, of which there are not too many, and on the life words.
    pub(crate) fn sleep(mut self, others: &[Wait<'w>], deadline: Deadline) -> Woken {
        if self.is_empty() {
            return futex_wait_any(others, deadline);
        }
        let begin = MOST_OTHERS.saturating_sub(others.len());
        let waits = self.waits.get_mut(begin..).unwrap_or_default();
        for (place, wait) in waits.iter_mut().zip(others) {
            *place = *wait;
        }
        futex_wait_any(waits, deadline.min(Deadline::after(self.longest)))
    }
}

impl<'w> FromIterator<(&'w Life, u32)> for Watched<'w> {
    fn from_iter<I: IntoIterator<Item = (&'w Life, u32)>>(lives: I) -> Self {
        let mut all = Self::NONE;
        for (life, seen) in lives {
            let wait = Wait::on(life.word(), seen);
            if all.waits.is_empty() {
                all.waits.resize(MOST_OTHERS, wait);
            }
            if all.waits.len() == MOST {
                all.longest = NAP;
                break;
            }
            all.waits.push(wait);
        }
        all
    }
}
