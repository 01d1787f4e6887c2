//! What goes wrong with a task is an error of that task.

use pool::{Pool, PoolError, TaskError};
use proc_core::Refusal;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use common::{pools, square, watch};

mod common;

#[test]
fn panic_is_told_with_message_and_place() {
    let _watchdog = watch("panic");
    for pool in pools(1) {
        let error = pool.call(|x: u64| -> u64 { panic!("no {x}") }, 7).unwrap_err();
        let line = line!() - 1;
        let panic = error.panic().unwrap();
        assert_eq!(panic.message(), "no 7");
        let location = panic.location().unwrap();
        assert!(location.file.ends_with("errors.rs"));
        assert_eq!(location.line, line);
        assert_eq!(pool.call(square, 2).unwrap(), 4);
        assert_eq!(pool.stats().replaced, 0, "the worker lives on");
    }
}

#[test]
fn thrown_value_that_is_not_text_is_told_too() {
    let _watchdog = watch("panic_any");
    for pool in pools(1) {
        let error = pool.call(|()| std::panic::panic_any(7), ()).map(|(): ()| ()).unwrap_err();
        assert!(error.panic().unwrap().message().contains("not text"));
    }
}

#[test]
fn map_names_the_first_item_that_failed_and_does_all_others() {
    let _watchdog = watch("map error");
    for pool in pools(2) {
        let error = pool
            .map(
                |x: u64| {
                    assert!(x != 40 && x != 70, "not {x}");
                    x
                },
                0..100,
            )
            .unwrap_err();
        assert_eq!(error.index, 40);
        assert_eq!(error.error.panic().unwrap().message(), "not 40");
        assert!(error.to_string().starts_with("item 40: the task panicked at "), "{error}");
        assert_eq!(pool.stats().done, 100);
    }
}

/// Can be sent as an argument and not as a result: it is decoded as another value than it was.
#[derive(Debug)]
struct OneWay(u8);

impl Serialize for OneWay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 1 {
            return Err(S::Error::custom("one way only"));
        }
        serializer.serialize_u8(self.0)
    }
}

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            2 => Err(D::Error::custom("not here")),
            number => Ok(Self(number)),
        }
    }
}

#[test]
fn result_that_cannot_be_encoded_is_an_error_of_its_task() {
    let _watchdog = watch("unsendable");
    for pool in pools(1) {
        let error = pool.call(OneWay, 1).unwrap_err();
        assert!(matches!(&error, TaskError::Unsendable(_)), "{error:?}");
        assert_eq!(pool.call(OneWay, 3).unwrap().0, 3);
        assert_eq!(pool.stats().replaced, 0);
    }
}

#[test]
fn result_that_cannot_be_decoded_is_an_error_of_its_task() {
    let _watchdog = watch("undecodable result");
    for pool in pools(1) {
        let error = pool.call(OneWay, 2).unwrap_err();
        assert!(matches!(&error, TaskError::Decode(_)), "{error:?}");
        assert_eq!(pool.call(OneWay, 3).unwrap().0, 3);
    }
}

#[test]
fn argument_that_cannot_be_decoded_is_an_error_of_its_task() {
    let _watchdog = watch("undecodable argument");
    for pool in pools(1) {
        let error = pool.call(|_: OneWay| (), OneWay(2)).unwrap_err();
        assert!(matches!(&error, TaskError::Refused(Refusal::Argument(_))), "{error:?}");
        pool.call(|_: OneWay| (), OneWay(3)).unwrap();
    }
}

#[test]
fn argument_that_cannot_be_encoded_comes_back() {
    let _watchdog = watch("unsendable argument");
    for pool in pools(1) {
        let error = pool.submit(|_: OneWay| (), OneWay(1)).unwrap_err();
        assert!(matches!(error.reason(), PoolError::Argument(_)), "{error:?}");
        assert_eq!(error.into_inner().0, 1);
        // In the middle of many, it is that one only.
        let items = [OneWay(5), OneWay(1), OneWay(6)];
        let results: Vec<_> = pool.imap(|one: OneWay| one.0, items).collect();
        assert_eq!(results.len(), 3);
        assert_eq!(*results[0].as_ref().unwrap(), 5);
        assert!(matches!(results[1], Err(TaskError::NotTaken(PoolError::Argument(_)))));
        assert_eq!(*results[2].as_ref().unwrap(), 6);
        // So it is where many are handed in together, since they are known to be short.
        let map = |odd: Option<usize>| {
            let items = (0..300).map(move |at| OneWay(if odd == Some(at) { 1 } else { 5 }));
            pool.task(|one: OneWay| one.0).chunk_size(1).map(items)
        };
        assert_eq!(map(None).unwrap(), [5; 300]);
        let error = map(Some(250)).unwrap_err();
        assert!(matches!(error.error, TaskError::NotTaken(PoolError::Argument(_))), "{error:?}");
        assert_eq!(error.index, 250);
    }
}

#[test]
fn number_of_workers_that_cannot_be_is_an_error() {
    for n_workers in [0, pool::Builder::MOST_WORKERS + 1] {
        let error = Pool::builder().workers(n_workers).build().unwrap_err();
        assert!(matches!(error, PoolError::BadWorkers { .. }));
    }
}
