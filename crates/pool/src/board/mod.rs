//! The board: some words for each worker, in which it says what it has begun, and when.
//!
//! They are written by the worker alone and read by the parent when the worker is dead, or to
//! see what goes on. That the parent sees the last values a worker wrote before its death follows
//! from how it learns of the death, from the kernel.
//!
//! | first word | meaning                                                   |
//! |------------|-----------------------------------------------------------|
//! | `0`        | no worker has come to work in this place yet              |
//! | `1`        | the worker is ready, and has begun nothing yet            |
//! | a ticket   | the last task that it has begun, before any of its code ran |
//! | `2^64 - 1` | the worker has answered what it had begun, begins nothing more, and ends |
//!
//! The second word is the time when it began that task, or one after it: it is written before the
//! first, so that whoever sees a ticket sees a time that is not before its task began.
//!
//! Two more are for people who look ([`inspect`]), and nothing rests on them: the number of the worker's
//! process, and the ticket of the last task that it has answered.
//!
//! # Edges
//!
//! | edge | release | acquire | carries |
//! |------|---------|---------|---------|
//! | E1 | the worker writes a ticket | the parent reads it | the time when that task began |

pub(crate) mod inspect;

use std::time::Duration;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
use ipc_core::{Deadline, Kind, Layout, Segment, SegmentError};

const KIND: Kind = Kind::new(*b"pl-board", 2);

/// Words that different processes write do not share a pair of cache lines.
const APART: usize = 128;

/// The first number of a ticket.
pub(crate) const FIRST_TICKET: u64 = 2;

const NOBODY: u64 = 0;
const READY: u64 = 1;
const LEAVING: u64 = u64::MAX;

/// What a worker last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nothing: it has not come to work.
    Nothing,
    /// It is ready for its first task.
    Ready,
    /// It has begun the task with this ticket.
    Begun(u64),
    /// It begins nothing more, and is about to end.
    Leaving,
}

/// A moment on the clock that all processes have in common, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(u64);

impl Moment {
    /// The present moment.
    pub(crate) fn now() -> Self {
        // The clock counts from the start of the machine.
        let now = Deadline::now().timespec();
        let [seconds, nanos] = now.map_or([0, 0], |now| [now.tv_sec, now.tv_nsec]);
        Self(seconds.cast_unsigned().saturating_mul(1_000_000_000) + nanos.cast_unsigned())
    }

    /// How long it is since; zero if it is to come.
    pub(crate) fn elapsed(self) -> Duration {
        Duration::from_nanos(Self::now().0.saturating_sub(self.0))
    }
}

/// The words of a worker, the first of these, with what keeps them apart from the next one's.
type Line = [AtomicU64; APART / size_of::<AtomicU64>()];

/// The words of all workers of a pool.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    segment: Segment,
}

impl Board {
    pub(crate) fn new(n_places: usize) -> Result<Self, SegmentError> {
        let mut layout = Layout::new();
        let first = layout.array::<Line>(n_places);
        debug_assert_eq!(first, 0, "the lines begin where the segment does");
        Ok(Self { segment: Segment::create(KIND, 0, layout.size())? })
    }

    /// Opens a board that came from elsewhere, if it has such a place.
    pub(crate) fn open(segment: Segment, place: usize) -> Result<Self, SegmentError> {
        segment.check(KIND, 0)?;
        segment.at::<Line>(offset(place))?;
        Ok(Self { segment })
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Wipes a place for a worker that is about to be started.
    pub(crate) fn wipe(&self, place: usize) {
        self.say(place, NOBODY);
    }

    /// The worker, which is this process, is ready.
    pub(crate) fn say_ready(&self, place: usize, pid: u32) {
        if let Some([_, _, process, answered, ..]) = self.line(place) {
            process.store(pid.into(), Relaxed);
            answered.store(NOBODY, Relaxed);
        }
        self.say(place, READY);
    }

    /// The worker has answered the task with this ticket.
    pub(crate) fn say_answered(&self, place: usize, ticket: u64) {
        if let Some([_, _, _, answered, ..]) = self.line(place) {
            answered.store(ticket, Relaxed);
        }
    }

    /// The worker is about to run the task with this ticket, at this time.
    pub(crate) fn say_begun(&self, place: usize, ticket: u64, now: Moment) {
        if let Some([word, since, ..]) = self.line(place) {
            since.store(now.0, Relaxed);
            // E1 release
            word.store(ticket, Release);
        }
    }

    /// How long the worker in a place has been at the task with this ticket, if it is at that one;
    /// never too long.
    pub(crate) fn time_at(&self, place: usize, ticket: u64) -> Option<Duration> {
        let [word, since, ..] = self.line(place)?;
        // E1 acquire
        let is_at_it = word.load(Acquire) == ticket;
        is_at_it.then(|| Moment(since.load(Relaxed)).elapsed())
    }

    /// The worker begins nothing more.
    pub(crate) fn say_leaving(&self, place: usize) {
        self.say(place, LEAVING);
    }

    /// What the worker in a place last said.
    pub(crate) fn read(&self, place: usize) -> Said {
        match self.word(place).map_or(NOBODY, |word| word.load(Relaxed)) {
            NOBODY => Said::Nothing,
            READY => Said::Ready,
            LEAVING => Said::Leaving,
            ticket => Said::Begun(ticket),
        }
    }

    fn say(&self, place: usize, value: u64) {
        if let Some(word) = self.word(place) {
            word.store(value, Relaxed);
        }
    }

    fn word(&self, place: usize) -> Option<&AtomicU64> {
        self.line(place)?.first()
    }

    fn line(&self, place: usize) -> Option<&Line> {
        self.segment.at::<Line>(offset(place)).ok()
    }
}

fn offset(place: usize) -> usize {
    place.saturating_mul(APART)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Board, Moment, Said};

    #[test]
    fn time_is_told_of_the_task_that_was_begun_last_and_of_no_other() {
        let board = Board::new(2).unwrap();
        assert_eq!(board.read(1), Said::Nothing);
        board.say_ready(1, 7);
        assert_eq!((board.read(1), board.time_at(1, 7)), (Said::Ready, None));
        let before = Moment::now();
        board.say_begun(1, 7, Moment::now());
        assert_eq!(board.read(1), Said::Begun(7));
        assert!(board.time_at(1, 7).unwrap() <= before.elapsed());
        assert_eq!((board.time_at(1, 8), board.time_at(0, 7)), (None, None));
        board.say_begun(1, 8, Moment(u64::MAX));
        assert_eq!(board.time_at(1, 8), Some(Duration::ZERO), "a time that somebody scribbled");
        assert_eq!(board.time_at(1, 7), None);
        board.wipe(1);
        assert_eq!(board.read(1), Said::Nothing);
        assert_eq!(board.read(usize::MAX), Said::Nothing, "there is no such place");
    }
}
