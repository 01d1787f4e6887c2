//! Where a message ends and the next begins.
//!
//! ```text
//!   0            8               12              12 + n             12 + n + length
//!   | length     | handle count  | n carriers    | the bytes        |
//! ```
//!
//! The kernel takes at most 253 descriptors with one packet, and takes none without a byte. The
//! first 253 go with the header; each further lot goes with a *carrier*, a byte that says nothing
//! else. Descriptors come with the byte they were sent with or before it is read, so once the last
//! carrier is read, all of a message's handles are there, and those that come before the end of the
//! message and are too many are found out.

use std::os::fd::OwnedFd;

use super::encode::Message;
use super::error::RecvError;
use crate::sys::socket::MAX_HANDLES;

/// How large a message a receiver is ready to take.
///
/// What a message claims of itself is checked against this before anything is allocated; and then
/// memory is taken as bytes arrive, not as they are promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The greatest number of bytes.
    pub max_bytes: usize,
    /// The greatest number of handles.
    pub max_handles: usize,
}

impl Limits {
    /// No limit but memory and descriptors: for peers that are as trusted as this process.
    pub const NONE: Self = Self { max_bytes: usize::MAX, max_handles: usize::MAX };
}

impl Default for Limits {
    /// 1 GiB, and 1,024 handles.
    fn default() -> Self {
        Self { max_bytes: 1 << 30, max_handles: 1024 }
    }
}

/// The length of the fixed part.
const HEADER_LEN: usize = size_of::<u64>() + size_of::<u32>();

/// The least room that is made for bytes to come.
const FIRST_ROOM: usize = 64 << 10;

/// The fixed part and the carriers of a message that is about to be sent.
pub(super) fn prefix(len: usize, handle_count: u32) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(HEADER_LEN + n_carriers(handle_count));
    prefix.extend_from_slice(&(len as u64).to_le_bytes());
    prefix.extend_from_slice(&handle_count.to_le_bytes());
    prefix.resize(HEADER_LEN + n_carriers(handle_count), 0);
    prefix
}

/// How many bytes of a prefix are sent with the first packet of handles, if more follow.
pub(super) const FIRST_PACKET: usize = HEADER_LEN;

/// How many packets of handles follow the one that goes with the header.
fn n_carriers(handle_count: u32) -> usize {
    // A number of handles fits the address space on every machine this runs on.
    let count = usize::try_from(handle_count).unwrap_or(usize::MAX);
    count.div_ceil(MAX_HANDLES).saturating_sub(1)
}

/// A message that is coming in, piece by piece.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    stage: Stage,
    header: [u8; HEADER_LEN],
    handles: Vec<OwnedFd>,
    /// How many handles the header says.
    n_handles: usize,
    /// As long as what has come of the message's bytes, and the room made for more.
    bytes: Vec<u8>,
    /// How many bytes the header says.
    len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// So many bytes of the header are there.
    Header { filled: usize },
    /// So many carriers are still to come.
    Carriers { left: usize },
    /// So many of the message's bytes are there.
    Bytes { filled: usize },
    /// Something was wrong; the stream means nothing from here on.
    Broken,
}

impl Default for Stage {
    fn default() -> Self {
        Self::Header { filled: 0 }
    }
}

impl Incoming {
    /// Whether nothing of a message has come yet.
    pub(super) fn is_at_boundary(&self) -> bool {
        self.stage == Stage::Header { filled: 0 } && self.handles.is_empty()
    }

    /// Whether an earlier error broke the stream.
    pub(super) fn is_broken(&self) -> bool {
        self.stage == Stage::Broken
    }

    /// Where the bytes and the handles go that come next: never more bytes than the message has,
    /// and at least one.
    pub(super) fn room(&mut self) -> (&mut [u8], &mut Vec<OwnedFd>) {
        let room = match self.stage {
            Stage::Header { filled } => self.header.get_mut(filled..).unwrap_or_default(),
            // Nothing of the header is needed any more, so what carriers say may go there.
            Stage::Carriers { left } => {
                let end = left.min(HEADER_LEN);
                self.header.get_mut(..end).unwrap_or_default()
            }
            Stage::Bytes { filled } => {
                if filled == self.bytes.len() {
                    let more = filled.max(FIRST_ROOM).min(self.len - filled);
                    self.bytes.resize(filled + more, 0);
                }
                self.bytes.get_mut(filled..).unwrap_or_default()
            }
            Stage::Broken => &mut [],
        };
        (room, &mut self.handles)
    }

    /// Takes note that `count` bytes were put into the room; returns the message if that was all.
    pub(super) fn arrived(
        &mut self,
        count: usize,
        limits: &Limits,
    ) -> Result<Option<Message>, RecvError> {
        let result = self.advance(count, limits);
        if result.is_err() {
            self.fail();
        }
        result
    }

    /// Takes note that nothing more will come: fine between messages, an error inside one.
    pub(super) fn ended(&mut self) -> Result<(), RecvError> {
        if self.is_at_boundary() {
            return Ok(());
        }
        self.fail();
        Err(RecvError::Truncated)
    }

    /// Lets go of all that has come; nothing can come any more.
    pub(super) fn fail(&mut self) {
        *self = Self { stage: Stage::Broken, ..Self::default() };
    }

    fn advance(&mut self, count: usize, limits: &Limits) -> Result<Option<Message>, RecvError> {
        self.stage = match self.stage {
            Stage::Header { filled } if filled + count < HEADER_LEN => {
                Stage::Header { filled: filled + count }
            }
            Stage::Header { .. } => self.begin(limits)?,
            Stage::Carriers { left } => Stage::Carriers { left: left.saturating_sub(count) },
            Stage::Bytes { filled } => Stage::Bytes { filled: filled + count },
            Stage::Broken => return Err(RecvError::Broken),
        };
        if self.stage == (Stage::Carriers { left: 0 }) {
            self.stage = Stage::Bytes { filled: 0 };
        }
        match self.stage {
            Stage::Bytes { filled } => {
                self.check_handles()?;
                if filled < self.len {
                    return Ok(None);
                }
                let whole = std::mem::take(self);
                Ok(Some(Message { bytes: whole.bytes, handles: whole.handles }))
            }
            _ => Ok(None),
        }
    }

    /// The header is whole: what does it say?
    fn begin(&mut self, limits: &Limits) -> Result<Stage, RecvError> {
        let [a, b, c, d, e, f, g, h, count @ ..] = self.header;
        let len = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let count = u32::from_le_bytes(count);
        self.len = usize::try_from(len)
            .ok()
            .filter(|len| *len <= limits.max_bytes)
            .ok_or(RecvError::TooLong { len, limit: limits.max_bytes })?;
        self.n_handles = usize::try_from(count)
            .ok()
            .filter(|count| *count <= limits.max_handles)
            .ok_or(RecvError::TooManyHandles { count, limit: limits.max_handles })?;
        Ok(Stage::Carriers { left: n_carriers(count) })
    }

    /// Checks that the handles that came are those that the header says; all must be there.
    fn check_handles(&self) -> Result<(), RecvError> {
        let (expected, found) = (self.n_handles, self.handles.len());
        match found.cmp(&expected) {
            std::cmp::Ordering::Less => Err(RecvError::MissingHandles { expected, found }),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(RecvError::SurplusHandles { expected, found }),
        }
    }
}
