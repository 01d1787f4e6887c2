//! Handles inside values.

use std::fmt::Display;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::error::DecodeError;
use super::scope;
use crate::error::SegmentError;
use crate::header::Kind;
use crate::segment::Segment;

/// Any descriptor, as a part of a value that travels.
///
/// It owns the descriptor. A copy that arrives in another process is that process's own and leads
/// to the same open file, pipe or socket.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use std::fs::File;
/// use ipc_core::wire::{self, Handle};
///
/// let (mut read, write) = std::io::pipe()?;
/// let message = wire::encode(&Handle::from(std::os::fd::OwnedFd::from(write)))?;
///
/// let mut write = File::from(wire::decode::<Handle>(message)?);
/// write.write_all(b"hello")?;
/// drop(write);
/// let mut text = String::new();
/// read.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Handle(OwnedFd);

impl From<OwnedFd> for Handle {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl From<File> for Handle {
    fn from(file: File) -> Self {
        Self(file.into())
    }
}

impl From<Handle> for OwnedFd {
    fn from(handle: Handle) -> Self {
        handle.0
    }
}

impl From<Handle> for File {
    fn from(handle: Handle) -> Self {
        handle.0.into()
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl IntoRawFd for Handle {
    fn into_raw_fd(self) -> RawFd {
        self.0.into_raw_fd()
    }
}

impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_fd(self.0.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_fd(deserializer).map(Self)
    }
}

/// Serialises a descriptor: a duplicate goes into the open scope, its index into the bytes.
///
/// For the `Serialize` of types that own descriptors.
///
/// # Errors
///
/// If no scope is open, or the one that is does not take handles, or the descriptor cannot be
/// duplicated.
pub fn serialize_fd<S: Serializer>(fd: BorrowedFd<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    match scope::put(fd) {
        Ok(index) => serializer.serialize_u32(index),
        Err(scope::Unfit) => Err(ser::Error::custom(
            "a handle can only be serialised by ipc_core::wire::encode, with a descriptor to spare",
        )),
    }
}

/// Deserialises a descriptor: reads an index and takes that descriptor out of the open scope.
///
/// For the `Deserialize` of types that own descriptors. What the descriptor leads to is for the
/// caller to check; see [`reject`].
///
/// # Errors
///
/// If no scope is open, or it has no such handle, or that was taken before.
pub fn deserialize_fd<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OwnedFd, D::Error> {
    let index = u32::deserialize(deserializer)?;
    scope::take(index).map_err(|scope::Unfit| {
        de::Error::custom("a handle can only be deserialised by ipc_core::wire::decode, and once")
    })
}

/// Makes the error for a handle that is not what it should be, as [`decode`](super::decode) will
/// report it.
///
/// The error type of a codec says little; this leaves the whole reason with the open scope.
#[must_use]
pub fn reject<E: de::Error>(reason: DecodeError) -> E {
    let error = E::custom(&reason as &dyn Display);
    scope::refuse(reason);
    error
}

/// For fields of type `OwnedFd`: `#[serde(with = "ipc_core::wire::owned_fd")]`.
pub mod owned_fd {
    use std::os::fd::{AsFd as _, OwnedFd};

    use serde::{Deserializer, Serializer};

    /// Serialises the descriptor as [`Handle`](super::Handle) does.
    ///
    /// # Errors
    ///
    /// As [`serialize_fd`](super::serialize_fd).
    pub fn serialize<S: Serializer>(fd: &OwnedFd, serializer: S) -> Result<S::Ok, S::Error> {
        super::serialize_fd(fd.as_fd(), serializer)
    }

    /// Deserialises the descriptor as [`Handle`](super::Handle) does.
    ///
    /// # Errors
    ///
    /// As [`deserialize_fd`](super::deserialize_fd).
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OwnedFd, D::Error> {
        super::deserialize_fd(deserializer)
    }
}

/// For fields of type `File`: `#[serde(with = "ipc_core::wire::file")]`.
pub mod file {
    use std::fs::File;
    use std::os::fd::AsFd as _;

    use serde::{Deserializer, Serializer};

    /// Serialises the file's descriptor; position and flags are shared with the copy.
    ///
    /// # Errors
    ///
    /// As [`serialize_fd`](super::serialize_fd).
    pub fn serialize<S: Serializer>(file: &File, serializer: S) -> Result<S::Ok, S::Error> {
        super::serialize_fd(file.as_fd(), serializer)
    }

    /// Deserialises a file; like a `File` made from a descriptor it may be a pipe or a device.
    ///
    /// # Errors
    ///
    /// As [`deserialize_fd`](super::deserialize_fd).
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<File, D::Error> {
        super::deserialize_fd(deserializer).map(File::from)
    }
}

impl Serialize for Segment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_fd(self.as_fd(), serializer)
    }
}

impl<'de> Deserialize<'de> for Segment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fd = deserialize_fd(deserializer)?;
        Self::from_fd_of_any_kind(fd).map_err(reject_segment)
    }
}

impl Segment {
    /// Deserialises a segment and checks what lies in it: for the `Deserialize` of types that know.
    ///
    /// A `Segment` by itself checks on arrival that it is one, but not what it is for.
    ///
    /// # Errors
    ///
    /// If the handle is no segment, or one with something else in it; `decode` reports which.
    pub fn deserialize_as<'de, D: Deserializer<'de>>(
        deserializer: D,
        kind: Kind,
        type_hash: u64,
    ) -> Result<Self, D::Error> {
        let segment = Self::deserialize(deserializer)?;
        segment.check(kind, type_hash).map_err(reject_segment)?;
        Ok(segment)
    }
}

fn reject_segment<E: de::Error>(error: SegmentError) -> E {
    reject(match error {
        SegmentError::NotASegment => DecodeError::WrongHandle { expected: "segment" },
        error => DecodeError::Segment(error),
    })
}
