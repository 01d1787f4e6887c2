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
}

impl<R> Gathered<R> {
    pub(crate) fn with_capacity(n_results: usize) -> Self {
        Self { results: Vec::with_capacity(n_results), early: BTreeMap::new(), first_error: None }
    }

    pub(crate) fn add(&mut self, index: usize, result: Result<R, TaskError>) {
        match result {
            Ok(value) if index == self.results.len() => {
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
        let mut at = index;
        if index == self.results.len() {
            // The way that most take.
            for result in results.by_ref() {
                at += 1;
                match result {
                    Ok(value) => self.results.push(value),
                    Err(error) => {
                        self.add(at - 1, Err(error));
                        break;
                    }
                }
            }
            self.take_early();
        } else {
            let mut list = Vec::with_capacity(results.size_hint().0);
            for result in results.by_ref() {
                at += 1;
                match result {
                    Ok(value) => list.push(value),
                    Err(error) => {
                        self.add(at - 1, Err(error));
                        break;
                    }
                }
            }
            if !list.is_empty() {
                self.early.insert(index, list);
            }
        }
        for (index, result) in (at..).zip(results) {
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
    use proptest::{prop_assert_eq, proptest};

    use super::Gathered;
    use crate::error::TaskError;

    proptest! {
        #[test]
        fn results_are_in_the_order_of_their_items_or_the_first_error_is_told(
            order in Just((0..40_usize).collect::<Vec<_>>()).prop_shuffle(),
            failed in vec(any::<Index>(), 0..3),
        ) {
            let failed: Vec<usize> = failed.iter().map(|index| index.index(40)).collect();
            let mut gathered = Gathered::with_capacity(0);
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
    }
}
