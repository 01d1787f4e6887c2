//! `Bytes`: bytes that travel as a whole.

use std::borrow::Cow;
use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that travel as a whole; borrowed where they come from, and owned where they arrive.
///
/// A `Vec<u8>` is a sequence to serde, and goes byte by byte.
///
/// # Examples
///
/// ```
/// use std::borrow::Cow;
/// use ipc_core::wire::{Bytes, decode_plain, encode_plain};
///
/// let mut encoded = Vec::new();
/// encode_plain(&Bytes(Cow::Borrowed(&[1, 2, 3])), &mut encoded)?;
/// let arrived: Bytes<'static> = decode_plain(&encoded)?;
/// assert_eq!(*arrived.0, [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes<'b>(pub Cow<'b, [u8]>);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl Visitor<'_> for Whole {
            type Value = Bytes<'static>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Bytes(Cow::Owned(bytes.to_vec())))
            }

            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
                Ok(Bytes(Cow::Owned(bytes)))
            }
        }

        deserializer.deserialize_byte_buf(Whole)
    }
}
