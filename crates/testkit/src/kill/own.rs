//! How much of a stall was the subject's own, and how much the scheduler's.
//!
//! A stall in which somebody waits for a processor proves nothing: whoever was to get on may not have been
//! let. What is left of it when all that waiting is taken off is the subject's *own*: everybody was asleep,
//! or at work to no end. The kernel says how long each process was ready to run and did not
//! (`/proc/PID/schedstat`); a storm adds that up for its workers, at every look.
//!
//! The kernel counts a wait when it is over, so a stall is judged when it is. The waiting is known at the
//! looks and not at the moments at which a stall began and ended, and that of two who waited at once is
//! counted twice. So the figure is a lower bound: if it is long, something is wrong, however busy the
//! machine is. A processor that is taken away from the whole machine, or from a group of processes that
//! has had its share, is not seen.
//!
//! # References
//!
//! - Linux `Documentation/scheduler/sched-stats.rst`

use std::{
    collections::VecDeque, fs::File, ops::Range, os::unix::fs::FileExt as _, time::Duration,
};

use super::StallMeter;
use crate::clock;

/// How long a process has been ready to run and did not, as the kernel counts it.
#[derive(Debug)]
pub(super) struct Waited {
    file: Option<File>,
    /// What it was at the last look.
    ns: u64,
}

impl Waited {
    /// Of a process that has one thread.
    pub(super) fn of(pid: i32) -> Self {
        let file = File::open(format!("/proc/{pid}/schedstat")).ok();
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
    /// What those had waited who are no more; and the time in which nobody was there who could get on.
    gone: u64,
    /// When it was looked, and how much all had waited until then; from before the current stall.
    looks: VecDeque<(u64, u64)>,
    n_known: u64,
    longest: u64,
}

impl OwnStalls {
    /// A look at all who are there, and at the stalls that have ended since the last.
    pub(super) fn look<'w, W>(&mut self, meter: &StallMeter, workers: W)
    where
        W: IntoIterator<Item = &'w mut Waited>,
    {
        // In this order: what is over by now is known to be over at the look.
        let n_long = meter.n_long();
        let last = meter.last();
        let total = self.gone + workers.into_iter().map(Waited::look).sum::<u64>();
        let now = clock::now_ns();
        self.looks.push_back((now, total));
        for stall in meter.long_since(self.n_known) {
            self.judge(stall);
        }
        self.n_known = n_long;
        // No stall that is yet to be told of began before the last sign.
        while self.looks.get(1).is_some_and(|(time, _)| *time <= last) {
            self.looks.pop_front();
        }
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
        let before = self.looks.iter().rev().find(|(time, _)| *time <= stall.start);
        let after = self.looks.iter().find(|(time, _)| *time >= stall.end);
        if let (Some((_, before)), Some((_, after))) = (before, after) {
            let length = stall.end.saturating_sub(stall.start);
            self.longest = self.longest.max(length.saturating_sub(after - before));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_waited_for_a_processor_is_taken_off() {
        let mut own = OwnStalls::default();
        own.looks.extend([(100, 7), (200, 7), (300, 57), (400, 60)]);
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
