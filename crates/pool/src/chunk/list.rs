//! Lists of items or results that travel together: a row of words, and behind it pieces.
//!
//! ```text
//! list | word (8) | word (8) | … | piece | piece | … |
//! ```
//!
//! As long as one value after the other is a number of one [`Sort`], it is a word of the row. From the
//! first on that is anything else, each is a [piece](pieces), numbers too. So a list of numbers has no bytes
//! but theirs, and any list can be taken apart, and cut in two between any two of its values.

use ipc_core::wire::{self, EncodeError, Sort};
use serde::Serialize;

use super::MOST_BYTES;
use super::pieces::{self, Kind};
use super::words::{Row, WORD};

/// A list from which one value after the other is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<'b> {
    row: Row,
    bytes: &'b [u8],
}

/// What is taken off a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'b> {
    Word(Sort, u64),
    Piece(Kind, &'b [u8]),
}

/// A list that is being written.
#[derive(Debug, Default)]
pub(crate) struct Packing {
    row: Row,
    bytes: Vec<u8>,
}

impl<'b> List<'b> {
    pub(super) fn new(row: Row, bytes: &'b [u8]) -> Self {
        Self { row, bytes }
    }

    pub(super) fn row(&self) -> Row {
        self.row
    }

    pub(super) fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// Takes the first value off; `None` if there is none, or only a part of one.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Value<'b>> {
        match self.row.n_words.checked_sub(1) {
            Some(n_words) => {
                let (word, rest) = self.bytes.split_first_chunk()?;
                (self.bytes, self.row.n_words) = (rest, n_words);
                Some(Value::Word(self.row.sort, u64::from_le_bytes(*word)))
            }
            None => pieces::take(&mut self.bytes).map(|(kind, bytes)| Value::Piece(kind, bytes)),
        }
    }

    /// Takes off as many values, or all that there are.
    pub(super) fn skip(&mut self, n_values: usize) {
        let n_words = n_values.min(self.row.n_words.into()).min(self.bytes.len() / WORD);
        self.bytes = self.bytes.get(n_words * WORD..).unwrap_or_default();
        self.row.n_words -= u16::try_from(n_words).unwrap_or(u16::MAX);
        for _ in n_words..n_values {
            let _value = self.take();
        }
    }

    /// Takes off words at its beginning, at most so many, as far as `take` takes them; says how many.
    #[inline]
    pub(super) fn take_words(
        &mut self,
        most: usize,
        mut take: impl FnMut(Sort, u64) -> bool,
    ) -> usize {
        let Row { sort, n_words } = self.row;
        let (words, _) = self.bytes.as_chunks::<WORD>();
        let words = words.iter().take(most.min(n_words.into()));
        let n_taken = words.take_while(|word| take(sort, u64::from_le_bytes(**word))).count();
        self.skip(n_taken);
        n_taken
    }
}

impl Packing {
    /// With room for so many words, or as many as go in a chunk.
    pub(crate) fn with_capacity(n_words: usize) -> Self {
        let n_bytes = n_words.saturating_mul(WORD).min(MOST_BYTES + WORD);
        Self { row: Row::default(), bytes: Vec::with_capacity(n_bytes) }
    }

    pub(crate) fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn into_parts(self) -> (Row, Vec<u8>) {
        (self.row, self.bytes)
    }

    /// Appends a value; nothing, if that fails. Says how many bytes it takes.
    #[inline]
    pub(crate) fn put<T: Serialize>(&mut self, value: &T) -> Result<usize, EncodeError> {
        let len = self.bytes.len();
        if len == self.row.n_bytes()
            && let Some((sort, word)) = wire::encode_word(value)
            && let Some(row) = self.row.and(sort)
        {
            self.row = row;
            self.bytes.extend_from_slice(&word.to_le_bytes());
            return Ok(WORD);
        }
        self.put_piece(value)
    }

    fn put_piece<T: Serialize>(&mut self, value: &T) -> Result<usize, EncodeError> {
        let len = self.bytes.len();
        pieces::put_value(&mut self.bytes, |bytes| wire::encode_plain(value, bytes))?;
        Ok(self.bytes.len() - len)
    }

    /// Takes off what lies behind so many values: a part of a piece.
    pub(crate) fn cut_behind(&mut self, n_values: usize) {
        let mut list = List::new(self.row, &self.bytes);
        list.skip(n_values);
        let n_left = list.bytes().len();
        self.take_back(n_left);
    }

    /// Takes off the last value, a piece of so many bytes.
    pub(crate) fn take_back(&mut self, n_bytes: usize) {
        self.bytes.truncate(self.bytes.len().saturating_sub(n_bytes));
    }
}

#[cfg(test)]
mod tests {
    use ipc_core::wire::{self, Sort};
    use proptest::collection::vec;
    use proptest::prelude::{Strategy as _, any};
    use proptest::{prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::super::words::{Found, Row};
    use super::super::{Chunk, MOST_ITEM_BYTES};
    use super::{List, Packing, Value};
    use crate::chunk::answers::Answers;
    use crate::chunk::pieces::Kind;

    /// A value of a list, for which all that counts is its form.
    #[derive(Clone, Debug, PartialEq)]
    enum Any {
        Number(u64),
        Signed(i64),
        Text(String),
    }

    fn any_value() -> impl proptest::strategy::Strategy<Value = Any> {
        prop_oneof![
            6 => any::<u64>().prop_map(Any::Number),
            1 => any::<i64>().prop_map(Any::Signed),
            1 => ".{0,300}".prop_map(Any::Text),
        ]
    }

    fn put(packing: &mut Packing, value: &Any) -> usize {
        let put = match value {
            Any::Number(number) => packing.put(number),
            Any::Signed(number) => packing.put(number),
            Any::Text(text) => packing.put(text),
        };
        put.unwrap()
    }

    /// Whether what was taken off a list is this.
    fn is(taken: Option<Value<'_>>, value: &Any) -> bool {
        match (taken, value) {
            (Some(Value::Word(sort, word)), Any::Number(number)) => {
                wire::decode_word::<u64>(sort, word).unwrap() == *number
            }
            (Some(Value::Word(sort, word)), Any::Signed(number)) => {
                wire::decode_word::<i64>(sort, word).unwrap() == *number
            }
            (Some(Value::Piece(Kind::Value, bytes)), Any::Number(number)) => {
                wire::decode_plain::<u64>(bytes).unwrap() == *number
            }
            (Some(Value::Piece(Kind::Value, bytes)), Any::Signed(number)) => {
                wire::decode_plain::<i64>(bytes).unwrap() == *number
            }
            (Some(Value::Piece(Kind::Value, bytes)), Any::Text(text)) => {
                wire::decode_plain::<String>(bytes).unwrap() == *text
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn values_of_any_form_are_taken_as_they_were_put_however_their_chunk_is_cut(
            values in vec(any_value(), 0..40),
            cuts in vec(0_usize..20, 0..4),
            n_told in 0_usize..40,
        ) {
            let mut packing = Packing::with_capacity(values.len());
            for value in &values {
                let len = packing.n_bytes();
                let n_bytes = put(&mut packing, value);
                prop_assert_eq!(packing.n_bytes(), len + n_bytes);
                // What is too large is put and taken off again.
                put(&mut packing, &Any::Text("x".repeat(MOST_ITEM_BYTES)));
                packing.take_back(packing.n_bytes() - len - n_bytes);
            }
            let mut chunk = Chunk::new(packing, values.len(), true);
            let mut expected = values.iter();
            for cut in cuts.iter().copied().chain([values.len()]) {
                let rest = chunk.split_off(cut);
                let mut list = List::new(chunk.row, chunk.bytes());
                for _ in 0..chunk.n_items() {
                    prop_assert!(is(list.take(), expected.next().unwrap()));
                }
                prop_assert_eq!(list.take(), None);
                chunk = rest;
            }
            prop_assert_eq!(expected.next(), None);
            // And so are answers of which some were told.
            let numbers: Vec<u64> = (0..40).collect();
            let mut packing = Packing::with_capacity(40);
            numbers.iter().for_each(|number| drop(packing.put(number)));
            let (row, bytes) = packing.into_parts();
            let answers = Answers::of_tray(40, Found { n_done: 40, row, bytes }).skip(n_told);
            let results: Vec<u64> = answers.into_results().map(Result::unwrap).collect();
            prop_assert_eq!(&results[..], &numbers[n_told..]);
        }

        #[test]
        fn list_of_any_bytes_gives_no_more_than_there_is(
            bytes in vec(any::<u8>(), 0..100),
            n_words in any::<u16>(),
            n_skipped in 0_usize..20,
        ) {
            let row = Row { sort: Sort::Double, n_words };
            let mut list = List::new(row, &bytes);
            list.skip(n_skipped);
            let mut words = 0;
            list.take_words(100, |_, _| { words += 1; true });
            prop_assert!(words <= bytes.len() / 8);
            while list.take().is_some() {}
            let mut results = Answers::of_tray(50, Found { n_done: 50, row, bytes }).into_results::<u8>();
            results.append_to(&mut Vec::new());
            prop_assert!(results.count() <= 50);
        }
    }

    #[test]
    fn numbers_have_no_bytes_but_their_own_until_something_else_comes() {
        let mut packing = Packing::default();
        for number in 0..5_u64 {
            assert_eq!(packing.put(&number).unwrap(), 8);
        }
        assert_eq!(packing.put(&5_i64).unwrap(), 2, "of another sort");
        assert_eq!(packing.put(&6_u64).unwrap(), 2, "behind a piece");
        assert_eq!(packing.into_parts().0, Row { sort: Sort::Unsigned, n_words: 5 });
    }
}
