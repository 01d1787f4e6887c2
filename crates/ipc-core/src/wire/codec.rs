//! Codec: the form that bytes have.

use std::fmt;

use postcard::ser_flavors::Flavor;
use serde::{Serialize, de::DeserializeOwned};

use super::budget::Limited;
use super::pieces::{Gathered, Given, Pieces};
use super::scratch::Buffer;

/// A form for values as bytes.
///
/// There is one so far, [`Postcard`]. The trait cannot be implemented outside this crate: a codec
/// must not lose or double what a value writes, or handles would.
pub trait Codec: sealed::Sealed {
    /// Appends `value` to `bytes`.
    ///
    /// # Errors
    ///
    /// If the value's own `Serialize` fails, or has something in it that the form cannot say.
    /// `bytes` may have a part of the value at its end then.
    fn append<T, B>(value: &T, bytes: &mut B) -> Result<(), CodecError>
    where
        T: Serialize + ?Sized,
        B: Buffer;

    /// Takes a value from the start of `bytes` and returns it with what is left.
    ///
    /// # Errors
    ///
    /// If the bytes are no such value.
    fn take<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), CodecError>;

    /// Takes a value from the start of some pieces and returns it with the number of bytes that are left.
    ///
    /// # Errors
    ///
    /// If the bytes are no such value.
    fn take_pieces<T: DeserializeOwned>(pieces: Pieces) -> Result<(T, usize), CodecError>;
}

/// Postcard: compact, without names, the same for all versions of a program that have the same
/// types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Postcard;

impl Codec for Postcard {
    #[inline]
    fn append<T, B>(value: &T, bytes: &mut B) -> Result<(), CodecError>
    where
        T: Serialize + ?Sized,
        B: Buffer,
    {
        postcard::serialize_with_flavor(value, Append(bytes)).map_err(CodecError)
    }

    #[inline]
    fn take<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), CodecError> {
        let mut deserializer = postcard::Deserializer::from_bytes(bytes);
        let value =
            T::deserialize(Limited::new(&mut deserializer, bytes.len(), ())).map_err(CodecError)?;
        Ok((value, deserializer.finalize().map_err(CodecError)?))
    }

    fn take_pieces<T: DeserializeOwned>(mut pieces: Pieces) -> Result<(T, usize), CodecError> {
        let (given, gathered) = (Given::default(), Gathered::default());
        let len = pieces.len();
        let mut deserializer =
            postcard::Deserializer::from_flavor(pieces.reader(&given, &gathered));
        let value = T::deserialize(Limited::new(&mut deserializer, len, &given));
        let value = value.map_err(|error| {
            let is_no_text = given.is_no_text.get();
            CodecError(if is_no_text { postcard::Error::DeserializeBadUtf8 } else { error })
        })?;
        Ok((value, deserializer.finalize().map_err(CodecError)?))
    }
}

/// Why a codec could not do its work: a fault of the value or of the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct CodecError(pub(super) postcard::Error);

impl fmt::Display for CodecError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            postcard::Error::WontImplement | postcard::Error::NotYetImplemented => {
                "the form does not say of itself what a value is"
            }
            postcard::Error::DeserializeUnexpectedEnd => "the bytes end in the middle of a value",
            postcard::Error::DeserializeBadVarint => "a number is longer than its type",
            postcard::Error::DeserializeBadBool => "a bool is neither 0 nor 1",
            postcard::Error::DeserializeBadChar => "a char is none",
            postcard::Error::DeserializeBadUtf8 => "a string is not UTF-8",
            postcard::Error::DeserializeBadOption => "an option is neither 0 nor 1",
            postcard::Error::DeserializeBadEnum => "a variant has too large a number",
            postcard::Error::SerializeSeqLengthUnknown => "a sequence does not know its length",
            postcard::Error::SerdeSerCustom => "the type's own serialize failed",
            postcard::Error::SerdeDeCustom => "the type's own deserialize failed",
            ref other => return other.fmt(formatter),
        };
        formatter.write_str(text)
    }
}

impl fmt::Debug for CodecError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CodecError({:?})", self.0)
    }
}

impl std::error::Error for CodecError {}

/// Writes to the end of a buffer that stays the caller's, also after a failure.
struct Append<'b, B>(&'b mut B);

impl<B: Buffer> Flavor for Append<'_, B> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.push_all(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "that is how it seals")]
    pub trait Sealed {}

    impl Sealed for super::Postcard {}
}
