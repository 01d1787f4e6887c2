//! Results that are put in the order of their items.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::error::{MapError, TaskError};
use crate::mailbox::Fate;
use crate::task;

/// Results that come in any order.
#[derive(Debug)]
pub(crate) struct Gathered<R> {
    /// Those of the first items.
    results: Vec<R>,
    /// Those that came before their turn, by the place of the first; no two lists touch.
    early: BTreeMap<usize, Vec<R>>,
    first_error: Option<MapError>,
    /// So many results are expected at first.
    n_expected: usize,
}

impl<R> Gathered<R> {
    /// Room for so many results is made when the first one comes. The items of a map that is not long are
    /// all sent by then, and what memory they had is used again: pages that are there cost nothing.
    pub(crate) fn expecting(n_results: usize) -> Self {
        let (results, early) = (Vec::new(), BTreeMap::new());
        Self { results, early, first_error: None, n_expected: n_results }
    }

    fn make_room(&mut self) {
        if self.results.capacity() == 0 {
            self.results.reserve(self.n_expected);
        }
    }

    pub(crate) fn add(&mut self, index: usize, result: Result<R, TaskError>) {
        match result {
            Ok(value) if index == self.results.len() => {
                self.make_room();
                self.results.push(value);
                self.take_early();
            }
            Ok(value) => self.add_early(index, value),
            Err(error) => {
                if self.first_error.as_ref().is_none_or(|first| index < first.index) {
                    self.first_error = Some(MapError { index, error });
                }
            }
        }
    }

    /// Adds what became of an item, or of some that follow one another.
    pub(crate) fn add_fate(&mut self, index: usize, fate: Fate)
    where
        R: DeserializeOwned,
    {
        let answers = match fate {
            Fate::Chunk(answers) => answers,
            fate => return self.add(index, task::result(fate)),
        };
        let mut results = answers.into_results();
        let n_results = results.size_hint().0;
        if index == self.results.len() {
            self.make_room();
            results.append_to(&mut self.results);
            self.take_early();
        } else {
            let mut list = Vec::with_capacity(n_results);
            results.append_to(&mut list);
            if !list.is_empty() {
                self.early.insert(index, list);
            }
        }
        // What is left begins with an item that has no result, or one with handles.
        let n_left = results.size_hint().0;
        for (index, result) in (index + n_results - n_left..).zip(results) {
            self.add(index, result);
        }
    }

    fn add_early(&mut self, index: usize, value: R) {
        match self.early.range_mut(..index).next_back() {
            Some((first, list)) if first + list.len() == index => list.push(value),
            _ => {
                self.early.insert(index, vec![value]);
            }
        }
    }

    /// Appends those whose turn has come.
    fn take_early(&mut self) {
        while let Some(entry) = self.early.first_entry()
            && *entry.key() == self.results.len()
        {
            self.results.append(&mut entry.remove());
        }
    }

    /// All of them, or the first item, by place, that has none.
    pub(crate) fn into_result(self) -> Result<Vec<R>, MapError> {
        match self.first_error {
            Some(error) => Err(error),
            None => Ok(self.results),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy as _, any};
    use proptest::sample::Index;
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use ipc_core::wire::{self, Sort};

    use super::Gathered;
    use crate::chunk::answers::Answers;
    use crate::chunk::pieces::{self, Kind};
    use crate::chunk::words::{Found, Row};
    use crate::error::TaskError;
    use crate::mailbox::Fate;

    /// What comes of a chunk whose items have their places as results, but for those that failed; the
    /// first results are words, at most so many.
    fn chunk(places: std::ops::Range<usize>, failed: &[usize], most_words: u16) -> Fate {
        let (mut row, mut bytes) = (Row::default(), Vec::new());
        for place in places.clone() {
            if failed.contains(&place) {
                pieces::put_reason(&mut bytes, Kind::Unsendable, &"no");
            } else if bytes.len() == row.n_bytes() && row.n_words < most_words {
                row = row.and(Sort::Unsigned).unwrap();
                bytes.extend((place as u64).to_le_bytes());
            } else {
                pieces::put_value(&mut bytes, |bytes| wire::encode_plain(&place, bytes)).unwrap();
            }
        }
        let n_done = u32::try_from(places.len()).unwrap();
        Fate::Chunk(Answers::of_tray(places.len(), Found { n_done, row, bytes }))
    }

    #[test]
    fn room_is_made_for_all_results_when_the_first_one_comes() {
        let mut gathered: Gathered<usize> = Gathered::expecting(1000);
        assert_eq!(gathered.results.capacity(), 0);
        gathered.add_fate(0, chunk(0..3, &[], 3));
        assert_eq!((gathered.results.len(), gathered.results.capacity()), (3, 1000));
    }

    proptest! {
        #[test]
        fn results_are_in_the_order_of_their_items_or_the_first_error_is_told(
            order in Just((0..40_usize).collect::<Vec<_>>()).prop_shuffle(),
            failed in vec(any::<Index>(), 0..3),
        ) {
            let failed: Vec<usize> = failed.iter().map(|index| index.index(40)).collect();
            let mut gathered = Gathered::expecting(0);
            for index in order {
                let result = if failed.contains(&index) { Err(TaskError::Cancelled) } else { Ok(index) };
                gathered.add(index, result);
            }
            match gathered.into_result() {
                Ok(results) => {
                    prop_assert_eq!(failed.len(), 0);
                    prop_assert_eq!(results, (0..40).collect::<Vec<_>>());
                }
                Err(error) => prop_assert_eq!(Some(error.index), failed.into_iter().min()),
            }
        }

        #[test]
        fn results_of_chunks_are_in_the_order_of_their_items_or_the_first_error_is_told(
            lens in vec(0_usize..9, 1..12),
            order in any::<u64>(),
            failed in vec(any::<Index>(), 0..4),
            most_words in 0..9_u16,
        ) {
            let n_items: usize = lens.iter().sum();
            let failed: Vec<usize> =
                failed.iter().filter(|_| n_items > 0).map(|index| index.index(n_items)).collect();
            let mut first = 0;
            let mut chunks: Vec<_> = lens.iter().map(|len| {
                first += len;
                first - len..first
            }).collect();
            // Any order will do, that the next run of the same case has too.
            chunks.sort_by_key(|chunk| (chunk.start as u64 + 1).wrapping_mul(order | 1));
            let mut gathered: Gathered<usize> = Gathered::expecting(0);
            for chunk_of in chunks {
                gathered.add_fate(chunk_of.start, chunk(chunk_of, &failed, most_words));
            }
            match gathered.into_result() {
                Ok(results) => {
                    prop_assert_eq!(failed.len(), 0);
                    prop_assert_eq!(results, (0..n_items).collect::<Vec<usize>>());
                }
                Err(error) => {
                    prop_assert!(matches!(error.error, TaskError::Unsendable(_)));
                    prop_assert_eq!(Some(error.index), failed.into_iter().min());
                }
            }
        }
    }
}
