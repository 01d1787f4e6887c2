//! From the wire; trusts nothing.

use std::os::fd::OwnedFd;

use serde::de::DeserializeOwned;

use super::codec::{Codec, Postcard};
use super::encode::Message;
use super::error::DecodeError;
use super::pieces::Pieces;
use super::scope::Guard;

/// Turns bytes and handles into a value.
///
/// # Errors
///
/// Each way in which a message can be no such value has a variant of [`DecodeError`]. All its
/// descriptors are closed then.
pub fn decode<T: DeserializeOwned>(message: Message) -> Result<T, DecodeError> {
    decode_parts(&message.bytes, message.handles)
}

/// Turns bytes and handles that are not in a [`Message`] into a value.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_parts<T: DeserializeOwned>(
    bytes: &[u8],
    handles: Vec<OwnedFd>,
) -> Result<T, DecodeError> {
    let scope = Guard::hand(handles);
    let result = take_whole(bytes);
    // What a handle was refused for says more than the codec's error that came of it.
    let count = scope.left_over()?;
    let value = result?;
    if count > 0 {
        return Err(DecodeError::LeftOverHandles { count });
    }
    Ok(value)
}

/// Turns bytes that [`encode_plain`](super::encode_plain) made into a value.
///
/// # Errors
///
/// As [`decode`]; a handle in the value is [`DecodeError::NoSuchHandle`].
#[inline]
pub fn decode_plain<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut scope = Guard::hand_nothing();
    let result = take_whole(bytes);
    if !scope.close_unopened() {
        scope.left_over()?;
    }
    result
}

/// The same for bytes of which long runs have vectors of their own, which become a part of the value.
///
/// # Errors
///
/// As [`decode_plain`].
pub fn decode_pieces<T: DeserializeOwned>(pieces: Pieces) -> Result<T, DecodeError> {
    let scope = Guard::hand_nothing();
    let result = Postcard::take_pieces(pieces);
    // What a handle was refused for says more than the codec's error that came of it.
    scope.left_over()?;
    match result.map_err(DecodeError::Value)? {
        (value, 0) => Ok(value),
        (_, count) => Err(DecodeError::LeftOverBytes { count }),
    }
}

#[inline]
fn take_whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (value, rest) = Postcard::take(bytes).map_err(DecodeError::Value)?;
    if !rest.is_empty() {
        return Err(DecodeError::LeftOverBytes { count: rest.len() });
    }
    Ok(value)
}
