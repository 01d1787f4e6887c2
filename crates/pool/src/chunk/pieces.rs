//! Pieces: encoded values one behind the other, each with its length, so that one that cannot be
//! decoded does not take the next with it.
//!
//! | first byte | the piece is |
//! |------------|--------------|
//! | 0 to 251 | a value of so many bytes |
//! | 252 | a value, after its length in four bytes |
//! | 253 to 255 | why there is no value, after its length in four bytes |

use ipc_core::wire;
use serde::Serialize;

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A value.
    Value,
    /// A [`PanicInfo`](proc_core::PanicInfo): the function panicked.
    Panicked,
    /// A text: what the function returned cannot be encoded.
    Unsendable,
    /// A [`Refusal`](proc_core::Refusal): the function was not called.
    Refused,
}

const MOST_SHORT: u8 = 251;
const LONG: u8 = 252;
const PANICKED: u8 = 253;
const UNSENDABLE: u8 = 254;
const REFUSED: u8 = 255;

/// Appends a value that `write` appends; nothing, if that fails.
#[inline]
pub(crate) fn put_value<T, E>(
    pieces: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<T, E>,
) -> Result<T, E> {
    let start = pieces.len();
    pieces.push(0);
    match write(pieces) {
        Ok(value) => {
            let len = pieces.len() - start - 1;
            match (u8::try_from(len), pieces.get_mut(start)) {
                (Ok(len), Some(first)) if len <= MOST_SHORT => *first = len,
                _ => lengthen(pieces, start, LONG),
            }
            Ok(value)
        }
        Err(error) => {
            pieces.truncate(start);
            Err(error)
        }
    }
}

/// Appends why there is no value.
#[cold]
pub(crate) fn put_reason(pieces: &mut Vec<u8>, kind: Kind, reason: &impl Serialize) {
    let code = match kind {
        Kind::Value => LONG,
        Kind::Panicked => PANICKED,
        Kind::Unsendable => UNSENDABLE,
        Kind::Refused => REFUSED,
    };
    let start = pieces.len();
    pieces.push(0);
    // Text always encodes. If it did not, an empty piece would be an error that is told too.
    let _encoded = wire::encode_plain(reason, pieces);
    lengthen(pieces, start, code);
}

/// Puts a code and a length of four bytes before what begins behind the byte at `start`.
#[cold]
fn lengthen(pieces: &mut Vec<u8>, start: usize, code: u8) {
    let len = u32::try_from(pieces.len() - start - 1).unwrap_or(u32::MAX);
    let [a, b, c, d] = len.to_le_bytes();
    drop(pieces.splice(start..=start, [code, a, b, c, d]));
}

/// Takes the first piece off; `None` if there is none, or only a part of one.
#[inline]
pub(crate) fn take<'b>(pieces: &mut &'b [u8]) -> Option<(Kind, &'b [u8])> {
    let (first, rest) = pieces.split_first()?;
    let (kind, len, rest) = match *first {
        len @ 0..=MOST_SHORT => (Kind::Value, usize::from(len), rest),
        code => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            let kind = match code {
                PANICKED => Kind::Panicked,
                UNSENDABLE => Kind::Unsendable,
                REFUSED => Kind::Refused,
                _ => Kind::Value,
            };
            (kind, usize::try_from(u32::from_le_bytes(*len)).ok()?, rest)
        }
    };
    let (piece, rest) = rest.split_at_checked(len)?;
    *pieces = rest;
    Some((kind, piece))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::{prop_assert_eq, proptest};

    use super::{Kind, put_reason, put_value, take};

    fn put(pieces: &mut Vec<u8>, bytes: &[u8]) {
        let written: Result<(), ()> = put_value(pieces, |pieces| {
            pieces.extend_from_slice(bytes);
            Ok(())
        });
        assert_eq!(written, Ok(()));
    }

    #[test]
    fn pieces_of_all_lengths_and_kinds_come_out_as_they_went_in() {
        let mut pieces = Vec::new();
        let lens = [0, 1, 251, 252, 255, 256, 70_000];
        for len in lens {
            put(&mut pieces, &vec![7; len]);
            put_reason(&mut pieces, Kind::Panicked, &"text");
        }
        let mut rest = pieces.as_slice();
        for len in lens {
            assert_eq!(take(&mut rest), Some((Kind::Value, vec![7; len].as_slice())));
            assert_eq!(take(&mut rest), Some((Kind::Panicked, b"\x04text".as_slice())));
        }
        assert_eq!(take(&mut rest), None);
    }

    #[test]
    fn value_that_could_not_be_written_leaves_nothing_behind() {
        let mut pieces = b"before".to_vec();
        let written: Result<(), &str> = put_value(&mut pieces, |pieces| {
            pieces.push(1);
            Err("no")
        });
        assert_eq!((written, pieces), (Err("no"), b"before".to_vec()));
    }

    proptest! {
        #[test]
        fn bytes_of_any_sort_are_taken_apart_in_order_or_not_at_all(bytes in vec(proptest::num::u8::ANY, 0..40)) {
            let mut rest = bytes.as_slice();
            let mut n_taken = 0;
            while let Some((_, piece)) = take(&mut rest) {
                n_taken += 1 + piece.len();
            }
            prop_assert_eq!(n_taken <= bytes.len(), true);
        }
    }
}
