//! How the lock travels inside messages: the segment, the place in it, and a hash of the type.

use bytemuck::{CheckedBitPattern, NoUninit};
use ipc_core::{Segment, SegmentError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use super::RwLock;
use crate::travel::{offset_in, refuse};

impl<T: NoUninit + CheckedBitPattern> Serialize for RwLock<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.can_travel() {
            return Err(ser::Error::custom(
                "a lock can only be sent if it lies in a segment of its own, or of an exclusive kind",
            ));
        }
        (self.segment(), self.offset() as u64, Self::type_hash()).serialize(serializer)
    }
}

impl<'de, T: NoUninit + CheckedBitPattern> Deserialize<'de> for RwLock<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (segment, offset, found) = <(Segment, u64, u64)>::deserialize(deserializer)?;
        let expected = Self::type_hash();
        if found != expected {
            return Err(refuse(SegmentError::WrongType { expected, found }));
        }
        Self::received(&segment, offset_in(offset)).map_err(refuse)
    }
}
