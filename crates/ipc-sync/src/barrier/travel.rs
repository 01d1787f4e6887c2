//! How a barrier travels inside messages: the segment and the place in it.

use ipc_core::Segment;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Barrier, NewBarrierError};
use crate::travel::{offset_in, refuse};

impl Serialize for Barrier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.segment(), self.offset() as u64).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Barrier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (segment, offset) = <(Segment, u64)>::deserialize(deserializer)?;
        Self::in_segment(&segment, offset_in(offset)).map_err(|error| match error {
            NewBarrierError::Segment(error) => refuse(error),
            other => D::Error::custom(other),
        })
    }
}
