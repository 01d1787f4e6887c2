//! Values that are cut anywhere, and what is no value.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any};
use proptest::sample::Index;
use proptest::{prop_assert, prop_assert_eq, proptest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Pieces, SHORTEST_GIVEN};
use crate::wire::{Bytes, CodecError, DecodeError, decode_pieces, decode_plain, encode_plain};

fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_plain(value, &mut bytes).unwrap();
    bytes
}

/// The same bytes, cut at these places: every other piece is a run.
fn cut(bytes: &[u8], at: &[Index]) -> Pieces {
    let mut at: Vec<usize> = at.iter().map(|at| at.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    let (mut rest, mut runs, mut before) = (Vec::new(), Vec::new(), 0);
    for (number, end) in at.into_iter().chain([bytes.len()]).enumerate() {
        let piece = &bytes[before..end];
        if number % 2 == 0 {
            rest.extend_from_slice(piece);
        } else {
            runs.push((rest.len(), piece.to_vec()));
        }
        before = end;
    }
    Pieces::new(rest, runs)
}

fn is_same<T: DeserializeOwned + PartialEq + Debug>(bytes: &[u8], at: &[Index]) -> bool {
    let pieces = cut(bytes, at);
    assert_eq!(pieces.len(), bytes.len());
    assert!(pieces.first().is_none_or(|first| bytes.first() == Some(&first)));
    match (decode_plain::<T>(bytes), decode_pieces::<T>(pieces)) {
        (Ok(whole), Ok(cut)) => whole == cut,
        (Err(whole), Err(cut)) => whole.to_string() == cut.to_string(),
        _ => false,
    }
}

/// One of each kind, one in the other.
type Value = (
    u64,
    Option<String>,
    BTreeMap<String, Vec<Bytes<'static>>>,
    Result<Box<str>, (char, f32)>,
    Vec<u8>,
);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn value_is_the_same_wherever_it_is_cut(
        number in any::<u64>(),
        texts in vec(".{0,40}", 4),
        long in 0..3 * SHORTEST_GIVEN,
        bytes in vec(any::<u8>(), 0..50),
        at in vec(any::<Index>(), 0..12),
    ) {
        let of = |bytes: &[u8]| Bytes(bytes.to_vec().into());
        let value: Value = (
            number,
            texts.first().cloned(),
            texts.iter().map(|text| (text.repeat(long), vec![of(&bytes), of(&vec![7; long])])).collect(),
            if number % 2 == 0 { Ok(texts[3].repeat(long).into()) } else { Err(('\u{e9}', 0.5)) },
            bytes.repeat(long / 50),
        );
        prop_assert!(is_same::<Value>(&encoded(&value), &at));
    }

    #[test]
    fn bytes_that_are_no_value_are_none_for_the_same_reason_wherever_they_are_cut(
        bytes in vec(any::<u8>(), 0..200),
        at in vec(any::<Index>(), 0..6),
    ) {
        prop_assert!(is_same::<Value>(&bytes, &at));
        prop_assert!(is_same::<Vec<String>>(&bytes, &at));
        prop_assert!(is_same::<(Bytes<'static>, char, u16)>(&bytes, &at));
    }

    #[test]
    fn runs_that_stand_anywhere_are_read_as_near_to_that_as_can_be(
        rest in vec(any::<u8>(), 0..20),
        runs in vec((0..30_usize, vec(any::<u8>(), 0..5)), 0..5),
    ) {
        let n_bytes = rest.len() + runs.iter().map(|(_, run)| run.len()).sum::<usize>();
        let read: Vec<u8> = {
            let mut bytes = encoded(&n_bytes);
            let shift = bytes.len();
            bytes.extend(&rest);
            let runs = runs.iter().map(|(at, run)| (at + shift, run.clone())).collect();
            decode_pieces(Pieces::new(bytes, runs)).unwrap()
        };
        prop_assert_eq!(read.len(), n_bytes);
    }
}

#[test]
fn run_that_is_a_string_or_bytes_is_not_copied_and_a_short_one_is() {
    for (len, is_given) in [(SHORTEST_GIVEN, true), (1 << 20, true), (SHORTEST_GIVEN - 1, false)] {
        let text = "x".repeat(len);
        let mut bytes = encoded(&(Some(&text), 7_u8));
        let at = bytes.len() - 1 - len;
        let run: Vec<u8> = bytes.drain(at..at + len).collect();
        let address = run.as_ptr();
        let pieces = Pieces::new(bytes.clone(), vec![(at, run.clone())]);
        let (arrived, _): (Option<Bytes<'_>>, u8) = decode_pieces(pieces).unwrap();
        assert!(*arrived.unwrap().0 == *text.as_bytes());
        let pieces = Pieces::new(bytes, vec![(at, run)]);
        let (arrived, _): (Option<String>, u8) = decode_pieces(pieces).unwrap();
        let arrived = arrived.unwrap();
        assert!(arrived == text);
        assert_eq!(arrived.as_ptr() == address, is_given);
    }
}

#[test]
fn run_that_is_no_text_is_refused_as_other_bytes_are() {
    let mut bytes = encoded(&Bytes(vec![0xff; 5_000].into()));
    let run = bytes.split_off(2);
    let pieces = || Pieces::new(bytes.clone(), vec![(2, run.clone())]);
    let error = decode_pieces::<String>(pieces()).unwrap_err();
    let expected = CodecError(postcard::Error::DeserializeBadUtf8);
    assert!(matches!(error, DecodeError::Value(error) if error == expected));
    assert!(decode_pieces::<Bytes<'_>>(pieces()).is_ok());
    let error = decode_pieces::<()>(pieces()).unwrap_err();
    assert!(matches!(error, DecodeError::LeftOverBytes { count: 5_002 }));
}

#[test]
fn length_that_is_longer_than_all_there_is_reserves_nothing() {
    let mut bytes = encoded(&u64::MAX);
    bytes.push(1);
    assert!(decode_pieces::<String>(Pieces::new(bytes.clone(), Vec::new())).is_err());
    assert!(decode_pieces::<Bytes<'_>>(Pieces::new(bytes, vec![(3, vec![0; 10])])).is_err());
}
