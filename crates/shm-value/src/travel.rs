//! How values travel inside messages: the segment, the place in it, and the type.
//!
//! One that arrives in a process that has it already is another handle to the same mapping.

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::wire::{DecodeError, reject};
use ipc_core::{Segment, SegmentError, type_hash};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::value::{RawValue, Value};

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
