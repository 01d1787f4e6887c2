//! How values travel inside messages: the segment, the place in it, and the type.
//!
//! One that arrives in a process that has it already is another handle to the same mapping.

use std::os::fd::AsFd as _;

use bytemuck::{AnyBitPattern, CheckedBitPattern, NoUninit};
use ipc_core::wire::{DecodeError, deserialize_fd, reject, serialize_fd};
use ipc_core::{Segment, SegmentError, type_hash};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::array::{Array, RawArray};
use crate::list::ShareableList;
use crate::map::ShmMap;
use crate::memory::{self, FrozenMemory, SharedMemory};
use crate::value::{RawValue, Value};
use crate::vec::ShmVec;

/// Lets a handle travel that is no more than a segment, an offset and a type.
macro_rules! travels {
    ($($handle:ident),*) => {$(
        impl<T: NoUninit + CheckedBitPattern> Serialize for $handle<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                (self.segment(), self.offset() as u64, type_hash::<T>()).serialize(serializer)
            }
        }

        impl<'de, T: NoUninit + CheckedBitPattern> Deserialize<'de> for $handle<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (segment, offset, found) = <(Segment, u64, u64)>::deserialize(deserializer)?;
                check_type::<T>(found).map_err(refuse)?;
                Self::in_segment(&segment, offset_in(offset)).map_err(refuse)
            }
        }
    )*};
}

travels!(Value, RawValue);

/// Lets a handle travel to what fills a segment of its own, which says what it is.
macro_rules! fills_a_segment {
    ($(($handle:ty, $($bound:tt)*)),*) => {$(
        impl<$($bound)*> Serialize for $handle {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.segment().serialize(serializer)
            }
        }

        impl<'de, $($bound)*> Deserialize<'de> for $handle {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::open(&Segment::deserialize(deserializer)?).map_err(refuse)
            }
        }
    )*};
}

fills_a_segment!(
    (ShareableList,),
    (Array<T>, T: AnyBitPattern + NoUninit),
    (ShmVec<T>, T: NoUninit + CheckedBitPattern),
    (ShmMap<K, V>, K: NoUninit + CheckedBitPattern, V: NoUninit + CheckedBitPattern)
);

impl<T: NoUninit + CheckedBitPattern> Serialize for RawArray<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.segment(), self.len() as u64).serialize(serializer)
    }
}

impl<'de, T: NoUninit + CheckedBitPattern> Deserialize<'de> for RawArray<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (segment, len) = <(Segment, u64)>::deserialize(deserializer)?;
        Self::open(&segment, offset_in(len)).map_err(refuse)
    }
}

impl Serialize for SharedMemory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.segment(), self.name()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SharedMemory {
    /// What arrives owns no name.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (segment, name) = <(Segment, Option<String>)>::deserialize(deserializer)?;
        segment.check(memory::KIND, 0).map_err(refuse)?;
        Self::in_segment(&segment, name).map_err(refuse)
    }
}

impl Serialize for FrozenMemory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_fd(self.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for FrozenMemory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_fd(deserialize_fd(deserializer)?).map_err(D::Error::custom)
    }
}

/// Refuses what is said to be of another type.
pub(crate) fn check_type<T>(found: u64) -> Result<(), SegmentError> {
    let expected = type_hash::<T>();
    if found == expected { Ok(()) } else { Err(SegmentError::WrongType { expected, found }) }
}

/// An offset that no memory can have is out of bounds, like any other that is too large.
fn offset_in(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Says why what came is refused, as the message's decoder reports it.
pub(crate) fn refuse<E: Error>(error: SegmentError) -> E {
    reject(DecodeError::Segment(error))
}
