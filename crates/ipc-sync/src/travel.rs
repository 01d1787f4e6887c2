//! How primitives travel inside messages: the segment, the place in it, and of a lock around a value a hash of its
//! type.
//!
//! One that arrives in a process that has it already is another handle to the same mapping.

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::wire::{DecodeError, reject};
use ipc_core::{Segment, SegmentError};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use crate::condition::Condition;
use crate::event::Event;
use crate::lock::Lock;
use crate::mutex::Mutex;
use crate::once::Once;
use crate::rlock::RLock;
use crate::rwlock::RwLock;
use crate::semaphore::{BoundedSemaphore, Semaphore, SemaphoreError};

/// Lets a handle travel that is no more than a segment and an offset.
macro_rules! travels {
    ($($handle:ty),*) => {$(
        impl Serialize for $handle {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                (self.segment(), self.offset() as u64).serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $handle {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (segment, offset) = <(Segment, u64)>::deserialize(deserializer)?;
                Self::in_segment(&segment, offset_in(offset)).map_err(refuse)
            }
        }
    )*};
}

travels!(BoundedSemaphore, Condition, Event, Lock, Once, RLock, Semaphore);

/// Lets a lock around a value travel, which says of which type it is too.
macro_rules! travels_with_type {
    ($($lock:ident),*) => {$(
        impl<T: NoUninit + CheckedBitPattern> Serialize for $lock<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if !self.can_travel() {
                    return Err(ser::Error::custom(
                        "a lock can only be sent if it lies in a segment of its own, or of an exclusive kind",
                    ));
                }
                (self.segment(), self.offset() as u64, Self::type_hash()).serialize(serializer)
            }
        }

        impl<'de, T: NoUninit + CheckedBitPattern> Deserialize<'de> for $lock<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (segment, offset, found) = <(Segment, u64, u64)>::deserialize(deserializer)?;
                let expected = Self::type_hash();
                if found != expected {
                    return Err(refuse(SegmentError::WrongType { expected, found }));
                }
                Self::received(&segment, offset_in(offset)).map_err(refuse)
            }
        }
    )*};
}

travels_with_type!(Mutex, RwLock);

/// An offset that no memory can have is out of bounds, like any other that is too large.
pub(crate) fn offset_in(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

pub(crate) fn refuse<E: Error>(error: impl Into<SemaphoreError>) -> E {
    match error.into() {
        SemaphoreError::Segment(error) => reject(DecodeError::Segment(error)),
        other => E::custom(other),
    }
}
