//! What a packet says of the message in it.
//!
//! ```text
//!   0      1      4             8            16            16 + length
//!   | kind | zero | handles     | length     | the bytes   |
//! ```
//!
//! A message is one packet, whatever it has. Of bytes that are too many for a packet the first lie in it,
//! and the others in a file in memory, whose descriptor comes before the message's handles; handles that
//! are too many (with that one) wait in a *carrier*, a socket whose descriptor is all that the packet has.

/// The length of what comes before the bytes.
pub(crate) const HEADER_LEN: usize = 16;

/// The most bytes that go in a packet; a longer message goes through memory.
pub(crate) const MAX_HERE: usize = 32 << 10;

/// So many bytes of a longer message go in its packet nevertheless.
///
/// So the socket is full when about ten are under way, however long they are, and not when some hundred
/// are, for which there would have to be memory.
pub(crate) const BEGIN: usize = 16 << 10;

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// How many bytes the message has.
    pub(crate) len: u64,
    /// How many handles, without those that are ours.
    pub(crate) n_handles: u32,
    /// Whether some of the bytes lie in a file, and not behind the header.
    pub(crate) is_in_memory: bool,
    /// Whether the descriptors are in a carrier.
    pub(crate) is_carried: bool,
}

/// The bytes are behind the header.
const HERE: u8 = 1;
/// The bytes are behind the header as far as the packet goes, and then in a file in memory.
const IN_MEMORY: u8 = 2;
/// In addition: the descriptors are in a carrier.
const CARRIED: u8 = 0x10;

impl Frame {
    pub(crate) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let kind = if self.is_in_memory { IN_MEMORY } else { HERE };
        let kind = if self.is_carried { kind | CARRIED } else { kind };
        let [a, b, c, d] = self.n_handles.to_le_bytes();
        let [e, f, g, h, i, j, k, l] = self.len.to_le_bytes();
        [kind, 0, 0, 0, a, b, c, d, e, f, g, h, i, j, k, l]
    }

    /// Understands a header, of a packet with so many bytes behind it.
    pub(crate) fn parse(header: [u8; HEADER_LEN], n_behind: usize) -> Result<Self, &'static str> {
        let [kind, 0, 0, 0, a, b, c, d, e, f, g, h, i, j, k, l] = header else {
            return Err("its header has something where nothing is");
        };
        let is_in_memory = match kind & !CARRIED {
            HERE => false,
            IN_MEMORY => true,
            _ => return Err("its kind is unknown"),
        };
        let frame = Self {
            len: u64::from_le_bytes([e, f, g, h, i, j, k, l]),
            n_handles: u32::from_le_bytes([a, b, c, d]),
            is_in_memory,
            is_carried: kind & CARRIED != 0,
        };
        let n_behind = n_behind as u64;
        let is_as_long = if is_in_memory { frame.len > n_behind } else { frame.len == n_behind };
        if is_as_long { Ok(frame) } else { Err("it is not as long as it says") }
    }

    /// How many descriptors there are in all, with that of the file.
    pub(crate) fn n_descriptors(self) -> usize {
        usize::try_from(self.n_handles)
            .unwrap_or(usize::MAX)
            .saturating_add(self.is_in_memory.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Frame, HEADER_LEN};

    proptest! {
        #[test]
        fn what_is_written_is_read(
            n_here: u16, n_elsewhere in 1..u64::MAX / 2, n_handles: u32, is_in_memory: bool, is_carried: bool,
        ) {
            let n_here = usize::from(n_here);
            let len = n_here as u64 + if is_in_memory { n_elsewhere } else { 0 };
            let frame = Frame { len, n_handles, is_in_memory, is_carried };
            prop_assert_eq!(Frame::parse(frame.to_bytes(), n_here), Ok(frame));
            let too_many = usize::try_from(len).unwrap().max(n_here + 1);
            prop_assert!(Frame::parse(frame.to_bytes(), too_many).is_err());
        }

        #[test]
        fn what_is_read_is_what_would_be_written(header: [u8; HEADER_LEN], n_behind: usize) {
            if let Ok(frame) = Frame::parse(header, n_behind) {
                prop_assert_eq!(frame.to_bytes(), header);
            }
        }
    }
}
