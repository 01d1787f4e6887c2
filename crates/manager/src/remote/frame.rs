//! What goes through a stream: where a message ends and the next begins.
//!
//! ```text
//!   0            8         12                20
//!   | length     | kind    | n received      | the message |      length: of all behind the kind
//! ```
//!
//! A hello and a goodbye have no number. A hello looks as all versions of this crate send one, so that each
//! can say to any other which it is.

use crate::protocol::bytes::Malformed;

/// What comes before the rest.
pub(crate) const HEAD_LEN: usize = 12;

/// The number of messages received.
const COUNT_LEN: usize = 8;

/// A hello is not longer.
pub(crate) const LONGEST_HELLO: usize = 1024;

const HELLO: u32 = 0;
const MESSAGE: u32 = 1;
const RECEIPT: u32 = 2;
const GOODBYE: u32 = 3;

/// A whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'b> {
    /// Who speaks.
    Hello(&'b [u8]),
    /// A message, and how many messages its sender has received.
    Message { n_received: u64, message: &'b [u8] },
    /// How many messages its sender has received.
    Receipt { n_received: u64 },
    /// Nothing more will come, and nothing more is wanted.
    Goodbye,
}

impl<'b> Frame<'b> {
    pub(crate) fn append_to(self, bytes: &mut Vec<u8>) {
        let (kind, count, body): (u32, Option<u64>, &[u8]) = match self {
            Self::Hello(hello) => (HELLO, None, hello),
            Self::Message { n_received, message } => (MESSAGE, Some(n_received), message),
            Self::Receipt { n_received } => (RECEIPT, Some(n_received), &[]),
            Self::Goodbye => (GOODBYE, None, &[]),
        };
        let len = body.len() + count.map_or(0, |_| COUNT_LEN);
        bytes.extend_from_slice(&(len as u64).to_le_bytes());
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend(count.iter().flat_map(|count| count.to_le_bytes()));
        bytes.extend_from_slice(body);
    }

    /// The frame at the front of what has come, if it is there whole, and how many bytes it has. A message
    /// has no more bytes than `limit`.
    pub(crate) fn read(bytes: &'b [u8], limit: usize) -> Result<Option<(Self, usize)>, Malformed> {
        let Some((head, behind)) = bytes.split_first_chunk::<HEAD_LEN>() else { return Ok(None) };
        let [a, b, c, d, e, f, g, h, kind @ ..] = *head;
        let len = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let len = usize::try_from(len).map_err(|_| Malformed)?;
        let kind = u32::from_le_bytes(kind);
        let longest = match kind {
            HELLO => LONGEST_HELLO,
            MESSAGE => limit.saturating_add(COUNT_LEN),
            RECEIPT => COUNT_LEN,
            GOODBYE => 0,
            _ => return Err(Malformed),
        };
        if len > longest {
            return Err(Malformed);
        }
        let Some(body) = behind.get(..len) else { return Ok(None) };
        let frame = match (kind, body.split_first_chunk::<COUNT_LEN>()) {
            (HELLO, _) => Self::Hello(body),
            (GOODBYE, _) => Self::Goodbye,
            (MESSAGE, Some((count, message))) if !message.is_empty() => {
                Self::Message { n_received: u64::from_le_bytes(*count), message }
            }
            (RECEIPT, Some((count, _))) => Self::Receipt { n_received: u64::from_le_bytes(*count) },
            _ => return Err(Malformed),
        };
        Ok(Some((frame, HEAD_LEN + len)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_come_as_they_were_sent(n_received: u64, message in prop::collection::vec(any::<u8>(), 1..50)) {
            let frames = [
                Frame::Hello(&message),
                Frame::Message { n_received, message: &message },
                Frame::Receipt { n_received },
                Frame::Goodbye,
            ];
            for frame in frames {
                let mut bytes = Vec::new();
                frame.append_to(&mut bytes);
                prop_assert_eq!(Frame::read(&bytes, 50), Ok(Some((frame, bytes.len()))));
                for len in 0..bytes.len() {
                    prop_assert_eq!(Frame::read(&bytes[..len], 50), Ok(None));
                }
            }
        }

        #[test]
        fn what_is_read_is_what_would_be_written(bytes: Vec<u8>, kind in 0_u32..5, len in 0_u64..40) {
            let head = [&len.to_le_bytes()[..], &kind.to_le_bytes(), &bytes].concat();
            for bytes in [&bytes, &head] {
                if let Ok(Some((frame, len))) = Frame::read(bytes, 100) {
                    let mut again = Vec::new();
                    frame.append_to(&mut again);
                    prop_assert_eq!(&again, &bytes[..len]);
                }
            }
        }
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_has_come() {
        let head = |len: u64, kind: u32| [&len.to_le_bytes()[..], &kind.to_le_bytes()].concat();
        assert_eq!(Frame::read(&head(108, MESSAGE), 100), Ok(None));
        let longer =
            [(109, MESSAGE), (u64::MAX, MESSAGE), (1025, HELLO), (9, RECEIPT), (1, GOODBYE)];
        for (len, kind) in longer {
            assert_eq!(Frame::read(&head(len, kind), 100), Err(Malformed), "{len} {kind}");
        }
        assert_eq!(Frame::read(&head(0, 7), 100), Err(Malformed));
    }
}
