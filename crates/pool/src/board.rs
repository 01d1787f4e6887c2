//! The board: one word for each worker, in which it says what it has begun.
//!
//! The word is written by the worker alone and read by the parent when the worker is dead, or to
//! tell somebody what goes on. All accesses are `Relaxed`: each is about the word alone, and that
//! the parent sees the last value a worker wrote before its death follows from how it learns of the
//! death, from the kernel.
//!
//! | word       | meaning                                                   |
//! |------------|-----------------------------------------------------------|
//! | `0`        | no worker has come to work in this place yet              |
//! | `1`        | the worker is ready, and has begun nothing yet            |
//! | a ticket   | the last task that it has begun, before any of its code ran |

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{Kind, Layout, Segment, SegmentError};

const KIND: Kind = Kind::new(*b"pl-board", 1);

/// Words that different processes write do not share a pair of cache lines.
const APART: usize = 128;

/// The first number of a ticket.
pub(crate) const FIRST_TICKET: u64 = 2;

const NOBODY: u64 = 0;
const READY: u64 = 1;

/// What a worker last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nothing: it has not come to work.
    Nothing,
    /// It is ready for its first task.
    Ready,
    /// It has begun the task with this ticket.
    Begun(u64),
}

/// A word of the board, the first of these, with what keeps it apart from the next.
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

    /// The worker is ready.
    pub(crate) fn say_ready(&self, place: usize) {
        self.say(place, READY);
    }

    /// The worker is about to run the task with this ticket.
    pub(crate) fn say_begun(&self, place: usize, ticket: u64) {
        self.say(place, ticket);
    }

    /// What the worker in a place last said.
    pub(crate) fn read(&self, place: usize) -> Said {
        match self.word(place).map_or(NOBODY, |word| word.load(Relaxed)) {
            NOBODY => Said::Nothing,
            READY => Said::Ready,
            ticket => Said::Begun(ticket),
        }
    }

    fn say(&self, place: usize, value: u64) {
        if let Some(word) = self.word(place) {
            word.store(value, Relaxed);
        }
    }

    fn word(&self, place: usize) -> Option<&AtomicU64> {
        self.segment.at::<Line>(offset(place)).ok()?.first()
    }
}

fn offset(place: usize) -> usize {
    place.saturating_mul(APART)
}
