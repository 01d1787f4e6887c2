//! How much of a stall was the subject's own, and how much the scheduler's or the machine's.
//!
//! A stall in which somebody waits for a processor proves nothing: whoever was to get on may not have been
//! let. Nor does one in which a processor stood still. What is left of it when all that is taken off is the
//! subject's *own*: everybody was asleep, or at work to no end. The kernel says how long each process was
//! ready to run and did not (`/proc/PID/schedstat`); a storm adds that up for its workers, at every look, and
//! what the [hearts](Hearts) say of the processors.
//!
//! The kernel counts a wait when it is over, and a heart notes what it has slept through when it wakes. So a
//! stall is judged when it is over and all hearts have beaten since. The waiting is known at the
//! looks and not at the moments at which a stall began and ended, and that of two who waited at once is
//! counted twice. So the figure is a lower bound: if it is long, something is wrong, however busy the
//! machine is.
//!
//! # References
//!
//! - Linux `Documentation/scheduler/sched-stats.rst`

use std::{
    collections::VecDeque, fmt::Display, fs::File, ops::Range, os::unix::fs::FileExt as _,
    time::Duration,
};

use super::{StallMeter, heart::Hearts};
use crate::clock;

/// How long a process has been ready to run and did not, as the kernel counts it.
#[derive(Debug)]
pub(super) struct Waited {
    file: Option<File>,
    /// What it was at the last look.
    ns: u64,
}

impl Waited {
    /// Of a process that has one thread: its number, or `self`.
    pub(super) fn of(process: impl Display) -> Self {
        let file = File::open(format!("/proc/{process}/schedstat")).ok();
        let mut new = Self { file, ns: 0 };
        new.look();
        new
    }

    /// Looks, and says how much it is.
    pub(super) fn look(&mut self) -> u64 {
        if let Some([_, waited]) = self.file.as_ref().and_then(read) {
            self.ns = waited;
        }
        self.ns
    }
}

/// How long a process ran, and how long it was ready to.
fn read(file: &File) -> Option<[u64; 2]> {
    let mut line = [0; 64];
    let len = file.read_at(&mut line, 0).ok()?;
    let line = str::from_utf8(line.get(..len)?).ok()?;
    let mut words = line.split_ascii_whitespace().map(|word| word.parse().ok());
    Some([words.next()??, words.next()??])
}

/// Whether the kernel counts at all, for who has run for a while.
fn is_counted() -> bool {
    File::open("/proc/self/schedstat").ok().as_ref().and_then(read).is_some_and(|[ran, _]| ran > 0)
}

/// The own parts of the stalls that there were.
#[derive(Debug, Default)]
pub(super) struct OwnStalls {
    hearts: Hearts,
    /// What those had waited who are no more; and the time in which nobody was there who could get on.
    gone: u64,
    /// From before the first stall that is not judged, in their order.
    looks: VecDeque<Look>,
    /// How many stalls were judged.
    n_judged: u64,
    longest: u64,
}

/// What was known at one time.
#[derive(Clone, Copy, Debug)]
struct Look {
    time: u64,
    /// Until when all is known that the hearts have to say.
    known_until: u64,
    /// How long all had waited, and processors stood still.
    total: u64,
}

impl OwnStalls {
    /// Of a storm that begins: nobody has waited yet.
    pub(super) fn of_storm() -> Self {
        let nothing = Look { time: 0, known_until: 0, total: 0 };
        Self { hearts: Hearts::start(), looks: [nothing].into(), ..Self::default() }
    }

    /// A look at all who are there, and at the stalls that have ended.
    pub(super) fn look<'w, W>(&mut self, meter: &StallMeter, workers: W)
    where
        W: IntoIterator<Item = &'w mut Waited>,
    {
        // In this order: what is over by now is known to be over at the look. And what is known of the
        // hearts is noted by then.
        let n_long = meter.n_long();
        let last = meter.last();
        let known_until = self.hearts.known_until();
        let waited = workers.into_iter().map(Waited::look).sum::<u64>();
        let total = self.gone + waited + self.hearts.still();
        self.looks.push_back(Look { time: clock::now_ns(), known_until, total });
        let mut needed = last;
        for (number, stall) in meter.long_since(self.n_judged) {
            if number >= n_long || stall.end > known_until {
                needed = stall.start.min(last);
                break;
            }
            self.judge(stall);
            self.n_judged = number + 1;
        }
        // No stall that is yet to be told of began before the last sign.
        while self.looks.get(1).is_some_and(|look| look.time <= needed) {
            self.looks.pop_front();
        }
    }

    /// As [`look`](Self::look), when all is known of the time until now; for at most `limit`.
    pub(super) fn last_look<'w, W>(&mut self, meter: &StallMeter, workers: W, limit: Duration)
    where
        W: IntoIterator<Item = &'w mut Waited>,
    {
        self.hearts.wait_until_known(limit);
        self.look(meter, workers);
    }

    /// Somebody is no more who had waited for so long, and for so long nobody was in its place who had
    /// none beside it.
    pub(super) fn leave(&mut self, worker: &mut Waited, missing: Duration) {
        self.gone += worker.look() + u64::try_from(missing.as_nanos()).unwrap_or(u64::MAX);
    }

    /// The longest, if it is known.
    pub(super) fn longest(&self) -> Option<Duration> {
        is_counted().then(|| Duration::from_nanos(self.longest))
    }

    fn judge(&mut self, stall: Range<u64>) {
        // One that was told of late began before all that is kept, and is left out.
        let before = self.looks.iter().rev().find(|look| look.time <= stall.start);
        let after = self.looks.iter().find(|look| look.time.min(look.known_until) >= stall.end);
        if let (Some(before), Some(after)) = (before, after) {
            let length = stall.end.saturating_sub(stall.start);
            self.longest = self.longest.max(length.saturating_sub(after.total - before.total));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_waited_for_a_processor_is_taken_off() {
        let mut own = OwnStalls::default();
        let looks = [(100, 7), (200, 7), (300, 57), (400, 60)];
        own.looks.extend(looks.map(|(time, total)| Look { time, known_until: time, total }));
        own.judge(90..310);
        assert_eq!(own.longest, 0, "nobody looked before that");
        own.judge(110..290);
        assert_eq!(own.longest, 180 - 50);
        own.judge(100..310);
        assert_eq!(own.longest, 210 - 53);
        own.judge(250..300);
        assert_eq!(own.longest, 210 - 53, "all of it was waiting");
        own.judge(310..500);
        assert_eq!(own.longest, 210 - 53, "it is not over");
    }

    #[test]
    fn what_the_hearts_do_not_know_yet_is_waited_for() {
        let mut own = OwnStalls::default();
        let looks = [(100, 100, 0), (200, 150, 0), (300, 290, 80)];
        own.looks.extend(looks.map(|(time, known_until, total)| Look { time, known_until, total }));
        own.judge(100..180);
        assert_eq!(own.longest, 0, "80 of 80, of which the second look knows nothing");
        own.judge(110..295);
        assert_eq!(own.longest, 0, "nobody knows all of it");
        own.judge(100..290);
        assert_eq!(own.longest, 190 - 80);
    }

    #[test]
    fn a_process_that_is_gone_has_waited_as_long_as_when_it_was_last_seen() {
        let mut nobody = Waited::of(i32::MAX);
        assert_eq!(nobody.look(), 0);
        let mut me = Waited::of(rustix::process::getpid().as_raw_nonzero().get());
        assert!(me.look() <= me.look());
        let mut own = OwnStalls::default();
        own.leave(&mut nobody, Duration::from_nanos(5));
        assert_eq!(own.gone, 5);
    }
}
