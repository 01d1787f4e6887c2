//! How long the machine stood still: who wakes again and again at each processor, and notes how late.
//!
//! A processor can be taken away from the whole machine by who runs it (*steal*), or from a group of
//! processes that has had its share; an interrupt can keep it. Nobody waits for a processor then, as the
//! kernel counts it, and nobody gets on. So each processor has a *heart*: a process that sleeps for half a
//! millisecond, over and over, and reads the clock. What a sleep was longer than asked, less what the heart
//! then waited for others to leave its processor, the processor stood still.
//!
//! A processor that was taken away while a heart waited for others at it is not seen to have been.

use std::time::Duration;

use rustix::thread::CpuSet;

use super::own::Waited;
use crate::{
    Counter, SharedArena,
    child::{self, Child},
    clock,
};

/// How long a heart sleeps.
const BEAT: Duration = Duration::from_micros(500);
/// How late it may be: timers are, and it has work to do between two sleeps.
const SLACK_NS: u64 = 200_000;

/// The hearts of all processors that this process may use, or of none.
#[derive(Debug, Default)]
pub(super) struct Hearts {
    all: Vec<Heart>,
}

/// One of them, and what it notes.
#[derive(Debug)]
struct Heart {
    notes: SharedArena<Counter>,
    _process: Child,
}

/// The note of how long its processor stood still.
const STILL: usize = 0;
/// The note of when it last woke.
const LAST: usize = 1;

impl Hearts {
    /// They begin.
    pub(super) fn start() -> Self {
        let ours = rustix::thread::sched_getaffinity(None).unwrap_or_default();
        let ours = (0..CpuSet::MAX_CPU).filter(|processor| ours.is_set(*processor));
        Self { all: ours.map(Heart::start).collect() }
    }

    /// How long processors stood still, all together.
    pub(super) fn still(&self) -> u64 {
        self.all.iter().map(|heart| heart.notes[STILL].get()).sum()
    }

    /// Until when that is known.
    pub(super) fn known_until(&self) -> u64 {
        self.all.iter().map(|heart| heart.notes[LAST].get()).min().unwrap_or(u64::MAX)
    }

    /// Waits until it is known up to now, for at most `limit`.
    pub(super) fn wait_until_known(&self, limit: Duration) {
        let now = clock::now_ns();
        while self.known_until() < now && Duration::from_nanos(clock::now_ns() - now) < limit {
            clock::pause(BEAT);
        }
    }
}

impl Heart {
    fn start(processor: usize) -> Self {
        let notes = SharedArena::<Counter>::new(2);
        notes[LAST].set(clock::now_ns());
        let process = child::fork(|| {
            let mut here = CpuSet::new();
            here.set(processor);
            // One that may not stay there sees where it is.
            let _stays = rustix::thread::sched_setaffinity(None, &here);
            beat(&notes)
        });
        Self { notes, _process: process }
    }
}

fn beat(notes: &[Counter]) -> i32 {
    let mut waited = Waited::of("self");
    let mut last = clock::now_ns();
    let mut waited_before = waited.look();
    loop {
        clock::pause(BEAT);
        let now = clock::now_ns();
        let waited_now = waited.look();
        let late = lateness(now - last, waited_now - waited_before);
        if late > SLACK_NS {
            notes[STILL].add(late);
        }
        // After it: what is known up to here has been noted.
        notes[LAST].set(now);
        (last, waited_before) = (now, waited_now);
    }
}

/// How much of a beat was neither asked for nor waiting.
fn lateness(took: u64, waited: u64) -> u64 {
    let asked = u64::try_from(BEAT.as_nanos()).unwrap_or(0);
    took.saturating_sub(asked).saturating_sub(waited)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_heart_waited_for_others_is_not_the_machines() {
        assert_eq!(lateness(500_000, 0), 0);
        assert_eq!(lateness(499_999, 7), 0, "no clock is that wrong, and no heart falls over it");
        assert_eq!(lateness(17_500_000, 3_000_000), 14_000_000);
        assert_eq!(lateness(17_500_000, 20_000_000), 0);
    }

    #[test]
    fn without_hearts_all_is_known() {
        let hearts = Hearts::default();
        hearts.wait_until_known(Duration::MAX);
        assert_eq!((hearts.still(), hearts.known_until()), (0, u64::MAX));
    }
}
