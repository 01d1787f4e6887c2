//! What parent and child say to each other: a value of one side, and a few words of ours behind it.
//!
//! The argument of a call and its result are encoded by whoever knows their types. What this crate
//! adds is appended, so that nothing is copied:
//!
//! ```text
//!   bytes     | the value's bytes | ours           | length of ours (4 bytes) |
//!   handles   | the value's       | ours           |
//! ```
//!
//! A value with many bytes goes by way of memory instead: its bytes are written to a file in memory,
//! whose descriptor is the last of ours. So a message always fits the socket's buffer: a parent does
//! not wait for its child to read the argument, and a child does not wait for its parent to join.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;

use ipc_core::check_file_len;
use ipc_core::wire::{self, Message};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::Refusal;
use crate::current::Introduction;
use crate::entry::Entry;
use crate::setup::Setup;
use crate::sys::files;

/// What a parent says to a child that was just started, or to the fork server.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Call this function; the argument lies in front. Our last handle, if the child is a fresh
    /// program: the descriptor of the parent.
    Call(Box<Call>),
    /// Be the fork server; the board lies in front. Our handle: the descriptor of the parent.
    Serve {
        /// To be called before.
        preload: Option<Entry>,
    },
    /// To the fork server: make a copy of yourself. Our handle: the copy's channel.
    Copy {
        /// What the request is called on the board.
        request: u32,
    },
}

/// A call, but for its argument.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) entry: Entry,
    pub(super) introduction: Introduction,
    pub(super) dies_with_parent: bool,
    /// So many handles of ours, before the last one, are of those with whom the parent dies.
    pub(super) n_ancestors: usize,
    /// What is different from what the parent has; the handles for it are ours, before those.
    pub(super) setup: Option<Setup>,
}

/// What a parent hears from a child, or from the fork server that started it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// From the fork server, over the channel of its copy: the copy's number.
    Copied { pid: u32 },
    /// From the fork server: the system refused, with this number.
    NotCopied { error: i32 },
    /// The child has decoded the argument and now calls the function.
    Accepted { pid: u32 },
    /// The child does not call the function, and ends.
    Refused { pid: u32, refusal: Refusal },
    /// What came of the call lies in front.
    Answered,
}

/// The value of one side, and what this crate says with it.
#[derive(Debug)]
pub(super) struct Parcel<T> {
    pub(super) words: T,
    /// Our handles.
    pub(super) handles: Vec<OwnedFd>,
    /// The value; empty if there is none.
    pub(super) value: Message,
}

/// How many bytes of a value go through the socket; well below the least size of its buffer.
const MAX_INLINE: usize = 32 << 10;

/// What stands behind a value.
#[derive(Debug, Serialize, Deserialize)]
struct Trailer<T> {
    words: T,
    n_handles: u8,
    /// The bytes of the value are in the file that is the last of our handles.
    is_in_file: bool,
}

impl<T> Parcel<T> {
    /// Words that go without a value.
    pub(super) fn new(words: T, handles: Vec<OwnedFd>) -> Self {
        Self { words, handles, value: Message::default() }
    }
}

impl<T: Serialize + DeserializeOwned> Parcel<T> {
    /// Makes one message of it.
    pub(super) fn pack(self) -> io::Result<Message> {
        let Self { words, handles: mut ours, value: Message { mut bytes, mut handles } } = self;
        let is_in_file = bytes.len() > MAX_INLINE;
        if is_in_file {
            check_file_len(bytes.len())?;
            let mut file = files::file_in_memory()?;
            file.write_all(&bytes)?;
            bytes = Vec::new();
            ours.push(file.into());
        }
        let n_handles = u8::try_from(ours.len()).map_err(io::Error::other)?;
        handles.append(&mut ours);

        let value_len = bytes.len();
        let trailer = Trailer { words, n_handles, is_in_file };
        wire::encode_plain(&trailer, &mut bytes).map_err(io::Error::other)?;
        let len = u32::try_from(bytes.len() - value_len).map_err(io::Error::other)?;
        bytes.extend_from_slice(&len.to_le_bytes());
        Ok(Message { bytes, handles })
    }

    /// Takes a message apart; an error says what is wrong with it.
    pub(super) fn unpack(message: Message) -> io::Result<Self> {
        let Message { mut bytes, mut handles } = message;
        let Some((rest, len)) = bytes.split_last_chunk::<4>() else {
            return Err(malformed("it has no end"));
        };
        let len = usize::try_from(u32::from_le_bytes(*len)).map_err(io::Error::other)?;
        let Some(value_len) = rest.len().checked_sub(len) else {
            return Err(malformed("it is too short"));
        };
        let (_, trailer) = rest.split_at(value_len);
        let Trailer { words, n_handles, is_in_file } =
            wire::decode_plain(trailer).map_err(io::Error::other)?;
        let Some(n_values) = handles.len().checked_sub(usize::from(n_handles)) else {
            return Err(malformed("a descriptor is missing"));
        };
        let mut ours = handles.split_off(n_values);
        if is_in_file {
            let file = ours.pop().ok_or_else(|| malformed("a descriptor is missing"))?;
            bytes = read_all(file.into())?;
        } else {
            bytes.truncate(value_len);
        }
        Ok(Self { words, handles: ours, value: Message { bytes, handles } })
    }
}

impl<T> Parcel<T> {
    /// The only handle of ours.
    pub(super) fn take_handle(&mut self) -> io::Result<OwnedFd> {
        self.handles.pop().ok_or_else(|| malformed("a descriptor is missing"))
    }
}

/// Reads a value that came in a file: one that is as large as it says, whoever sent it.
fn read_all(mut file: File) -> io::Result<Vec<u8>> {
    let metadata = file.metadata()?;
    // A file with holes can claim any length. What its sender really has in memory, we can have too.
    if !metadata.is_file() || metadata.blocks().saturating_mul(BLOCK) < metadata.len() {
        return Err(malformed("the file of a value has holes"));
    }
    let mut bytes = Vec::new();
    let len = usize::try_from(metadata.len()).map_err(io::Error::other)?;
    bytes.try_reserve_exact(len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    file.rewind()?;
    file.take(metadata.len()).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What `stat` counts room in.
const BLOCK: u64 = 512;

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::OwnedFd;

    use ipc_core::Deadline;
    use ipc_core::wire::{Limits, Message, MessageSocket};

    use super::{MAX_INLINE, Parcel, Report};

    fn null() -> OwnedFd {
        File::open("/dev/null").unwrap().into()
    }

    fn parcel(len: usize) -> Parcel<Report> {
        Parcel {
            words: Report::Copied { pid: 7 },
            handles: vec![null()],
            value: Message { bytes: vec![5; len], handles: vec![null(), null()] },
        }
    }

    #[test]
    fn parcel_of_any_size_comes_out_as_it_went_in() {
        for len in [0, 1, MAX_INLINE, MAX_INLINE + 1, 8 << 20] {
            let message = parcel(len).pack().unwrap();
            let unpacked = Parcel::<Report>::unpack(message).unwrap();
            assert!(matches!(unpacked.words, Report::Copied { pid: 7 }));
            assert_eq!(unpacked.value.bytes, vec![5; len]);
            assert_eq!((unpacked.handles.len(), unpacked.value.handles.len()), (1, 2));
        }
    }

    #[test]
    fn parcel_of_any_size_is_sent_without_waiting_for_the_receiver() {
        let (left, right) = MessageSocket::pair().unwrap();
        left.send(&parcel(64 << 20).pack().unwrap(), Deadline::NEVER).unwrap();
        left.send(&parcel(MAX_INLINE).pack().unwrap(), Deadline::NEVER).unwrap();
        let message = right.recv(&Limits::NONE, Deadline::NEVER).unwrap().unwrap();
        assert_eq!(Parcel::<Report>::unpack(message).unwrap().value.bytes.len(), 64 << 20);
    }

    #[test]
    fn message_that_is_no_parcel_is_an_error() {
        let whole = parcel(3).pack().unwrap();
        for len in 0..whole.bytes.len() {
            let cut = Message { bytes: whole.bytes[..len].to_vec(), handles: vec![null(), null()] };
            let unpacked = Parcel::<Report>::unpack(cut);
            assert!(unpacked.is_err(), "of {len} bytes: {unpacked:?}");
        }
        let Message { bytes, .. } = parcel(3).pack().unwrap();
        assert!(Parcel::<Report>::unpack(Message { bytes, handles: Vec::new() }).is_err());
        let Message { bytes, .. } = parcel(MAX_INLINE + 1).pack().unwrap();
        assert!(Parcel::<Report>::unpack(Message { bytes, handles: Vec::new() }).is_err());
    }
}
