//! Inputs, and items, whose own code panics: who catches that, and asks for the next result, has all others.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use pool::{Pool, TaskError};
use serde::{Deserialize, Serialize, Serializer};

use common::{pool, square, watch};

mod common;

/// Numbers up to a hundred; each third time the input is asked it panics, and is where it was.
fn numbers() -> impl Iterator<Item = u64> {
    let (mut n_asked, mut next) = (0_u64, 0..100);
    std::iter::from_fn(move || {
        n_asked += 1;
        if n_asked.is_multiple_of(3) {
            resume_unwind(Box::new("on purpose"));
        }
        next.next()
    })
}

/// All results, by who catches what the input does; how often that was.
fn all<R>(mut results: impl Iterator<Item = R>) -> (Vec<R>, usize) {
    let (mut all, mut n_caught) = (Vec::new(), 0);
    loop {
        match catch_unwind(AssertUnwindSafe(|| results.next())) {
            Ok(Some(result)) => all.push(result),
            Ok(None) => return (all, n_caught),
            Err(_) => n_caught += 1,
        }
    }
}

/// Sizes of chunks, of which the last means that the pool chooses.
const SIZES: [Option<usize>; 4] = [Some(1), Some(2), Some(50), None];

#[test]
fn items_that_were_taken_before_their_input_panicked_have_results_in_their_places() {
    let _watchdog = watch("input that panics");
    let pool = pool(2);
    let wanted: Vec<u64> = (0..100).map(square).collect();
    for size in SIZES {
        for _ in 0..2 {
            // The first time nobody knows how long one takes.
            let task = || {
                let task = pool.task(square);
                size.map_or(task.clone(), |n_each| task.clone().chunk_size(n_each))
            };
            let (results, n_caught) = all(task().imap(numbers()));
            let results: Vec<u64> = results.into_iter().map(Result::unwrap).collect();
            assert_eq!((results, n_caught), (wanted.clone(), 50), "{size:?}");
            let (results, _) = all(task().imap_unordered(numbers()));
            let mut results: Vec<u64> = results.into_iter().map(Result::unwrap).collect();
            results.sort_unstable();
            assert_eq!(results, wanted, "{size:?}");
        }
    }
}

/// A number whose encoding panics, if it ends in a seven, with something written before.
#[derive(Debug, Deserialize)]
struct Wild(u64, u64);

impl Serialize for Wild {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTupleStruct as _;
        let mut both = serializer.serialize_tuple_struct("Wild", 2)?;
        both.serialize_field(&self.0)?;
        if self.0 % 10 == 7 {
            resume_unwind(Box::new("on purpose"));
        }
        both.serialize_field(&self.1)?;
        both.end()
    }
}

#[test]
fn item_whose_encoding_panics_has_an_error_and_all_others_their_results() {
    fn first(wild: Wild) -> u64 {
        wild.0
    }
    let _watchdog = watch("encoding that panics");
    let pool: Pool = pool(2);
    for size in SIZES {
        for _ in 0..2 {
            let task = pool.task(first);
            let task = size.map_or(task.clone(), |n_each| task.clone().chunk_size(n_each));
            let (results, n_caught) = all(task.imap((0..100).map(|number| Wild(number, 1))));
            assert_eq!((results.len(), n_caught), (100, 10), "{size:?}");
            for (result, at) in results.into_iter().zip(0..) {
                match result {
                    Ok(number) => assert_eq!(number, at, "{size:?}"),
                    Err(TaskError::Lost(reason)) => {
                        assert!(at % 10 == 7 && reason.contains("panicked"), "{at}: {reason}");
                    }
                    Err(error) => panic!("{at}: {error}"),
                }
            }
        }
    }
}
