//! `BoundedSemaphore`: one release too many is an error.

use core::fmt;
use core::ops::Deref;

use ipc_core::{Kind, Layout, Segment};

use super::place::{self, Numbers, Place};
use super::{Semaphore, SemaphoreError};

/// What a segment is called that holds nothing but one bounded semaphore.
pub(crate) const KIND: Kind = Kind::new(*b"boundsem", 1);

/// A [`Semaphore`] that never has more permits than it was made with.
///
/// It is one in all but its making: see there. A release too many, which would hide a mistake
/// elsewhere, is [`ReleaseError::TooManyPermits`](crate::ReleaseError::TooManyPermits) and changes
/// nothing. A [`Permit`](crate::Permit) that is dropped when somebody else has released in its place
/// is not given back: it cannot tell of an error.
///
/// # Process death
///
/// As for [`Semaphore`].
///
/// # Examples
///
/// ```
/// use ipc_sync::{BoundedSemaphore, ReleaseError};
///
/// let semaphore = BoundedSemaphore::new(2)?;
/// semaphore.take()?;
/// semaphore.release()?;
/// assert_eq!(semaphore.release(), Err(ReleaseError::TooManyPermits));
/// assert_eq!(semaphore.value(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct BoundedSemaphore(Semaphore);

impl BoundedSemaphore {
    /// Makes a semaphore with so many permits and no more, in memory of its own.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::new`].
    pub fn new(permits: u32) -> Result<Self, SemaphoreError> {
        Self::with_seats(permits, Semaphore::SEATS)
    }

    /// The same with another number of seats: see [`Semaphore::with_seats`].
    ///
    /// # Errors
    ///
    /// As [`Semaphore::with_seats`].
    pub fn with_seats(permits: u32, seats: u32) -> Result<Self, SemaphoreError> {
        let numbers = Numbers { permits, seats, bound: Some(permits) };
        Ok(Self(Semaphore { place: Place::new(KIND, numbers)? }))
    }

    /// Makes a semaphore with a name: see [`Semaphore::create_named`].
    ///
    /// # Errors
    ///
    /// As [`Semaphore::create_named`].
    pub fn create_named(name: &str, permits: u32) -> Result<Self, SemaphoreError> {
        let numbers = Numbers { permits, seats: Semaphore::SEATS, bound: Some(permits) };
        Ok(Self(Semaphore { place: Place::create_named(name, KIND, numbers)? }))
    }

    /// Opens the bounded semaphore of that name.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::open_named`].
    pub fn open_named(name: &str) -> Result<Self, SemaphoreError> {
        Self::in_segment(&Segment::open_named(name, KIND, 0)?, 0)
    }

    /// Makes room for a semaphore with so many seats in the layout of a segment, and returns its
    /// offset.
    pub const fn reserve(layout: &mut Layout, seats: u32) -> usize {
        place::reserve(layout, seats)
    }

    /// Makes a semaphore at `offset` in the body of a segment: see [`Semaphore::new_in_segment`].
    ///
    /// # Errors
    ///
    /// As [`Semaphore::new_in_segment`].
    pub fn new_in_segment(
        segment: &Segment,
        offset: usize,
        permits: u32,
        seats: u32,
    ) -> Result<Self, SemaphoreError> {
        let numbers = Numbers { permits, seats, bound: Some(permits) };
        Ok(Self(Semaphore { place: Place::make(segment, offset, numbers)? }))
    }

    /// The bounded semaphore that somebody made at `offset` in the body of a segment.
    ///
    /// # Errors
    ///
    /// [`SemaphoreError::Unbounded`] if it has no bound, and as [`Semaphore::in_segment`].
    pub fn in_segment(segment: &Segment, offset: usize) -> Result<Self, SemaphoreError> {
        let semaphore = Semaphore::in_segment(segment, offset)?;
        if semaphore.place.has_bound() {
            Ok(Self(semaphore))
        } else {
            Err(SemaphoreError::Unbounded)
        }
    }
}

impl Deref for BoundedSemaphore {
    type Target = Semaphore;

    #[inline]
    fn deref(&self) -> &Semaphore {
        &self.0
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe("BoundedSemaphore", formatter)
    }
}
