//! An end in a message: it travels as its memory, its line, and the bells of the halves that it has.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use ipc_core::Segment;
use ipc_core::wire::{DecodeError, Handle, PacketSocket, reject};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use super::ShmConnection;
use super::half::Half;
use super::mapped::Mapped;

/// An end as it travels.
#[derive(Serialize, Deserialize)]
struct Parts {
    is_second: bool,
    segment: Segment,
    line: Handle,
    /// Of the half that sends, and of that which receives.
    bells: [Option<Handle>; 2],
}

impl<S, R> Serialize for ShmConnection<S, R> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let Self { mapped, side, line, sends, receives, .. } = self;
        if sends.as_ref().is_some_and(Half::was_used)
            || receives.as_ref().is_some_and(Half::was_used)
        {
            return Err(ser::Error::custom("an end that was used stays in its process"));
        }
        let bells = [sends.as_ref().map(duplicate), receives.as_ref().map(duplicate)];
        let [sends, receives] = bells.map(Option::transpose);
        let parts = Parts {
            is_second: *side == 1,
            segment: mapped.segment().clone(),
            line: duplicate(&**line).map_err(ser::Error::custom)?,
            bells: [sends.map_err(ser::Error::custom)?, receives.map_err(ser::Error::custom)?],
        };
        parts.serialize(serializer)
    }
}

fn duplicate(file: &impl AsFd) -> io::Result<Handle> {
    Ok(file.as_fd().try_clone_to_owned()?.into())
}

impl<'de, S, R> Deserialize<'de> for ShmConnection<S, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parts { is_second, segment, line, bells: [sends, receives] } =
            Parts::deserialize(deserializer)?;
        let socket = |handle: Handle| {
            PacketSocket::from_fd(handle.into())
                .map_err(|_| reject(DecodeError::WrongHandle { expected: "socket of packets" }))
        };
        let bell = |handle: Option<Handle>| handle.map(socket).transpose();
        let bells = [bell(sends)?.map(OwnedFd::from), bell(receives)?.map(OwnedFd::from)];
        let line = socket(line)?;
        let mapped = Mapped::open(segment).map_err(|error| reject(DecodeError::Segment(error)))?;
        Ok(Self::new(mapped, usize::from(is_second), line, bells))
    }
}
