//! To the wire.

use std::os::fd::OwnedFd;

use serde::Serialize;

use super::codec::{Codec, Postcard};
use super::error::EncodeError;
use super::scope::Guard;
use super::scratch::Buffer;

/// A value on its way: its bytes, and the descriptors that they refer to by index.
///
/// Dropping a message closes its descriptors.
#[derive(Debug, Default)]
pub struct Message {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The descriptors, each the message's own.
    pub handles: Vec<OwnedFd>,
}

/// Turns a value into bytes and handles.
///
/// The value keeps its handles: the message has duplicates.
///
/// # Errors
///
/// [`EncodeError::Duplicate`] if the process has too many descriptors for a duplicate, and
/// [`EncodeError::Value`] if the value's own `Serialize` fails. Nothing stays open.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Message, EncodeError> {
    let mut bytes = Vec::new();
    let handles = encode_into(value, &mut bytes)?;
    Ok(Message { bytes, handles })
}

/// Appends a value's bytes to `bytes`, memory that the caller uses again and again, and returns its
/// handles.
///
/// # Errors
///
/// As [`encode`]; `bytes` is as it was then.
#[inline]
pub fn encode_into<T, B>(value: &T, bytes: &mut B) -> Result<Vec<OwnedFd>, EncodeError>
where
    T: Serialize + ?Sized,
    B: Buffer,
{
    let mut scope = Guard::gather();
    let len = bytes.len();
    let result = Postcard::append(value, bytes);
    if result.is_ok() && scope.close_unopened() {
        return Ok(Vec::new());
    }
    // What a handle was refused for says more than the codec's error that came of it. And a value
    // may have swallowed the refusal: then it must not pass for whole.
    let gathered = scope.gathered();
    let outcome = gathered.and_then(|handles| result.map(|()| handles).map_err(EncodeError::Value));
    if outcome.is_err() {
        bytes.truncate(len);
    }
    outcome
}

/// Appends a value without handles to `bytes`, for places that can carry nothing else.
///
/// # Errors
///
/// [`EncodeError::HandleNotAllowed`] if there is a handle in the value, and [`EncodeError::Value`]
/// if its own `Serialize` fails. `bytes` is as it was then.
#[inline]
pub fn encode_plain<T, B>(value: &T, bytes: &mut B) -> Result<(), EncodeError>
where
    T: Serialize + ?Sized,
    B: Buffer,
{
    let mut scope = Guard::forbid();
    let len = bytes.len();
    let result = Postcard::append(value, bytes);
    if result.is_ok() && scope.close_unopened() {
        return Ok(());
    }
    let outcome = scope.gathered().and_then(|_| result.map_err(EncodeError::Value));
    if outcome.is_err() {
        bytes.truncate(len);
    }
    outcome
}
