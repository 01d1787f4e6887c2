//! Where a semaphore lies, and what numbers it was made with.
//!
//! ```text
//!   0  words   64 bytes: the state, and in its notes the numbers below
//!  64  seats   64 bytes each
//! ```
//!
//! | note of the words | number |
//! |-------------------|--------|
//! | `notes[0]` | how many seats there are |
//! | `notes[1]` | zero, or one more than the most permits there may be |
//!
//! They are written before anybody else has a handle, and read and checked once for each handle.

use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::robust::RobustWord;
use ipc_core::{Kind, Layout, Placed, Segment, SegmentError};

use super::SemaphoreError;
use crate::named;
use crate::place::is_supported;
use crate::raw::{MOST_PERMITS, MOST_SEATS, RawSemaphore, SemaphoreWords};

/// What a semaphore is made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) permits: u32,
    pub(super) seats: u32,
    /// The most permits, if that is less than a semaphore can have.
    pub(super) bound: Option<u32>,
}

/// One handle to a semaphore.
#[derive(Clone, Debug)]
pub(super) struct Place {
    words: Placed<SemaphoreWords>,
    seats: Placed<[RobustWord]>,
    most: u32,
    has_bound: bool,
}

impl Numbers {
    fn check(self) -> Result<(), SemaphoreError> {
        let most = self.bound.unwrap_or(MOST_PERMITS).min(MOST_PERMITS);
        if let Some(asked) = self.bound.filter(|&bound| bound > MOST_PERMITS) {
            Err(SemaphoreError::TooManyPermits { asked })
        } else if self.permits > most {
            Err(SemaphoreError::TooManyPermits { asked: self.permits })
        } else if self.seats as usize > MOST_SEATS {
            Err(SemaphoreError::TooManySeats { asked: self.seats })
        } else {
            Ok(())
        }
    }
}

/// Makes room for a semaphore with so many seats, and returns its offset.
pub(super) const fn reserve(layout: &mut Layout, seats: u32) -> usize {
    let offset = layout.one::<SemaphoreWords>();
    layout.array::<RobustWord>(seats as usize);
    offset
}

/// How many bytes a semaphore with so many seats takes.
const fn size(seats: u32) -> usize {
    let mut layout = Layout::new();
    reserve(&mut layout, seats);
    layout.size()
}

impl Place {
    /// Makes a semaphore in memory of its own, once the numbers are known to be good.
    pub(super) fn new(kind: Kind, numbers: Numbers) -> Result<Self, SemaphoreError> {
        numbers.check()?;
        Self::make(&Segment::create(kind, 0, size(numbers.seats))?, 0, numbers)
    }

    /// Makes a semaphore with a name, once the numbers are known to be good.
    pub(super) fn create_named(
        name: &str,
        kind: Kind,
        numbers: Numbers,
    ) -> Result<Self, SemaphoreError> {
        numbers.check()?;
        named::create(name, kind, 0, size(numbers.seats), |segment| Self::make(segment, 0, numbers))
    }

    /// Makes a semaphore where nobody else has looked yet.
    pub(super) fn make(
        segment: &Segment,
        offset: usize,
        numbers: Numbers,
    ) -> Result<Self, SemaphoreError> {
        numbers.check()?;
        let place = Self::at(segment, offset, numbers.seats, numbers.bound)?;
        let bound = numbers.bound.map_or(0, |bound| bound + 1);
        place.words.notes[0].store(numbers.seats, Relaxed);
        place.words.notes[1].store(bound, Relaxed);
        place.raw().initialize(numbers.permits);
        Ok(place)
    }

    /// Finds the semaphore that somebody made.
    pub(super) fn find(segment: &Segment, offset: usize) -> Result<Self, SemaphoreError> {
        let words: Placed<SemaphoreWords> = segment.place(offset)?;
        let (seats, bound) = (words.notes[0].load(Relaxed), words.notes[1].load(Relaxed));
        let bound = bound.checked_sub(1);
        if seats as usize > MOST_SEATS || bound.is_some_and(|bound| bound > MOST_PERMITS) {
            return Err(SemaphoreError::Corrupt);
        }
        Self::at(segment, offset, seats, bound)
    }

    fn at(
        segment: &Segment,
        offset: usize,
        seats: u32,
        bound: Option<u32>,
    ) -> Result<Self, SemaphoreError> {
        is_supported().map_err(SegmentError::from)?;
        let words = segment.place(offset)?;
        let first = offset.saturating_add(size(0));
        let seats = segment.place_slice(first, seats as usize)?;
        Ok(Self { words, seats, most: bound.unwrap_or(MOST_PERMITS), has_bound: bound.is_some() })
    }

    #[inline]
    pub(super) fn raw(&self) -> RawSemaphore<'_> {
        RawSemaphore::new(&self.words, &self.seats, self.most)
    }

    pub(super) fn n_seats(&self) -> u32 {
        u32::try_from(self.seats.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn most(&self) -> u32 {
        self.most
    }

    pub(super) fn has_bound(&self) -> bool {
        self.has_bound
    }

    pub(super) fn segment(&self) -> &Segment {
        Placed::segment(&self.words)
    }

    pub(super) fn offset(&self) -> usize {
        Placed::offset(&self.words)
    }
}
