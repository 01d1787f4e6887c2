//! Slices of plain data as arguments: their bytes go as they are, and are checked where they arrive.

use std::borrow::Cow;

use bytemuck::checked::{CheckedCastError, try_cast_slice, try_pod_read_unaligned};
use bytemuck::{CheckedBitPattern, NoUninit, PodCastError, cast_slice};
use ipc_core::wire::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A slice that somebody else owns where it is sent, and a copy where it arrives.
pub(crate) struct Slice<'a, T: Copy>(pub(crate) Cow<'a, [T]>);

impl<T: NoUninit> Serialize for Slice<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bytes(Cow::Borrowed(cast_slice(&self.0))).serialize(serializer)
    }
}

impl<'de, T: NoUninit + CheckedBitPattern> Deserialize<'de> for Slice<'static, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Bytes(bytes) = Bytes::deserialize(deserializer)?;
        items(&bytes).map(|items| Self(Cow::Owned(items))).map_err(de::Error::custom)
    }
}

/// The items that some bytes are, wherever these lie.
fn items<T: NoUninit + CheckedBitPattern>(bytes: &[u8]) -> Result<Vec<T>, CheckedCastError> {
    match try_cast_slice(bytes) {
        Ok(items) => Ok(items.to_vec()),
        Err(CheckedCastError::PodCastError(
            PodCastError::TargetAlignmentGreaterAndInputNotAligned,
        )) => bytes.chunks(size_of::<T>().max(1)).map(try_pod_read_unaligned).collect(),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::items;

    #[test]
    fn items_are_the_same_wherever_their_bytes_lie() {
        let all: [u32; 5] = [1, 2, 3, u32::MAX, 5];
        for shift in 0..8 {
            let mut bytes = vec![0; shift];
            bytes.extend(all.iter().flat_map(|item| item.to_ne_bytes()));
            assert_eq!(items::<u32>(&bytes[shift..]).unwrap(), all);
            assert!(items::<u32>(&bytes[shift..][..19]).is_err(), "not whole, {shift}");
        }
        assert_eq!(items::<u32>(&[]).unwrap(), []);
    }

    #[test]
    fn bytes_that_are_no_items_are_an_error() {
        assert_eq!(items::<bool>(&[0, 1, 1]).unwrap(), [false, true, true]);
        assert!(items::<bool>(&[0, 2]).is_err());
        for shift in 0..4 {
            let bytes: Vec<u8> = [vec![0; shift], vec![0xff; 8]].concat();
            assert!(items::<char>(&bytes[shift..]).is_err());
        }
    }
}
