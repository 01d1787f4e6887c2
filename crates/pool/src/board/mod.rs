//! The board: some words for each worker, in which it says what it has begun, and when.
//!
//! Which they are, and who writes them, is in [`words`].

pub(crate) mod inspect;
pub(crate) mod words;

use std::time::Duration;

use ipc_core::primitive::AtomicU64;
use ipc_core::{Deadline, Kind, Layout, Segment, SegmentError};

use self::words::Words;
pub(crate) use self::words::{FIRST_TICKET, Said};

const KIND: Kind = Kind::new(*b"pl-board", 2);

/// Words that different processes write do not share a pair of cache lines.
pub(crate) const LINE_BYTES: usize = 128;

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
type Line = [AtomicU64; LINE_BYTES / size_of::<AtomicU64>()];

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
        self.say_copied(place, 0);
        if let Some(words) = self.words(place) {
            words.wipe();
        }
    }

    /// The worker, which is this process, is ready.
    pub(crate) fn say_ready(&self, place: usize, pid: u32) {
        if let Some(words) = self.words(place) {
            words.say_ready(pid);
        }
    }

    /// The worker has answered the task with this ticket.
    pub(crate) fn say_answered(&self, place: usize, ticket: u64) {
        if let Some(words) = self.words(place) {
            words.say_answered(ticket);
        }
    }

    /// The worker is about to run the task with this ticket, at this time.
    pub(crate) fn say_begun(&self, place: usize, ticket: u64, now: Moment) {
        if let Some(words) = self.words(place) {
            words.say_begun(ticket, now.0);
        }
    }

    /// The worker begins nothing more.
    pub(crate) fn say_leaving(&self, place: usize) {
        if let Some(words) = self.words(place) {
            words.say_leaving();
        }
    }

    /// The parent, which is this process, has copied the result of the task with this ticket off the worker's
    /// shelf.
    pub(crate) fn say_copied(&self, place: usize, ticket: u64) {
        if let Some(word) = self.word_of_parent(place) {
            words::say_copied(word, ticket);
        }
    }

    /// Up to which ticket the parent has copied results off the shelf of the worker, which is this process.
    pub(crate) fn copied(&self, place: usize) -> u64 {
        self.word_of_parent(place).map_or(0, words::copied)
    }

    /// How long the worker in a place has been at the task with this ticket, if it is at that one;
    /// never too long.
    pub(crate) fn time_at(&self, place: usize, ticket: u64) -> Option<Duration> {
        Some(Moment(self.words(place)?.begun_at(ticket)?).elapsed())
    }

    /// What the worker in a place last said.
    pub(crate) fn read(&self, place: usize) -> Said {
        self.words(place).map_or(Said::Nothing, |words| words.read())
    }

    /// The words of a place, if there is such.
    fn words(&self, place: usize) -> Option<Words<'_>> {
        let [said, since, process, answered, ..] = self.segment.at::<Line>(offset(place)).ok()?;
        Some(Words { said, since, process, answered })
    }

    /// The word of a place that the parent writes, if there is such: on another line than the worker's.
    fn word_of_parent(&self, place: usize) -> Option<&AtomicU64> {
        let [.., word, _, _, _, _, _, _, _] = self.segment.at::<Line>(offset(place)).ok()?;
        Some(word)
    }
}

fn offset(place: usize) -> usize {
    place.saturating_mul(LINE_BYTES)
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

    #[test]
    fn what_was_copied_is_told_to_its_worker_and_forgotten_with_it() {
        let board = Board::new(2).unwrap();
        board.say_begun(1, 7, Moment::now());
        board.say_copied(1, 7);
        assert_eq!((board.copied(0), board.copied(1), board.read(1)), (0, 7, Said::Begun(7)));
        board.wipe(1);
        assert_eq!((board.copied(1), board.copied(usize::MAX)), (0, 0));
    }
}
