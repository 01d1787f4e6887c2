//! Libraries that take any executor, and iterators whose items are dealt with in chunks.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use pool::{Executor, InProcess, Join as _, ParProcess as _, PoolError, TaskError};

use common::{pool, square, watch};

mod common;

/// What a library does with whatever executor it is given.
fn use_it(executor: &impl Executor) {
    assert!(executor.n_workers() >= 1);
    assert_eq!(executor.call(square, 12).unwrap(), 144);
    assert_eq!(executor.map(square, 0..50).unwrap(), (0..50).map(square).collect::<Vec<_>>());
    let task = executor.submit(square, 3).unwrap();
    assert_eq!(task.join().unwrap(), 9);
    assert!(task.is_ready() && matches!(task.join(), Err(TaskError::Taken)));
    let error = executor.call(fail, 7).unwrap_err();
    assert_eq!(error.panic().unwrap().message(), "7 is too much");
    let error = executor.map(fail, 0..20).unwrap_err();
    assert_eq!(error.index, 3);
    let error = executor.call(|_: Unreadable| (), Unreadable).unwrap_err();
    assert!(matches!(error, TaskError::Refused(_)), "{error:?}");
    let error = executor.submit(|_: Unsendable| (), Unsendable).err().unwrap();
    assert!(matches!(error.reason(), PoolError::Argument(_)), "{error:?}");
    let error = executor.call(|()| Unsendable, ()).unwrap_err();
    assert!(matches!(error, TaskError::Unsendable(_)), "{error:?}");
}

fn fail(x: u32) -> u32 {
    assert!(x < 3, "{x} is too much");
    x
}

/// What cannot be decoded.
#[derive(Debug, serde::Serialize)]
struct Unreadable;

impl<'de> serde::Deserialize<'de> for Unreadable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("unreadable"))
    }
}

/// What cannot be encoded.
#[derive(Debug, serde::Deserialize)]
struct Unsendable;

impl serde::Serialize for Unsendable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("unsendable"))
    }
}

#[test]
fn every_executor_does_the_same() {
    let _watchdog = watch("executors");
    use_it(&InProcess);
    use_it(&pool(2));
    use_it(&&pool(1));
}

fn is_even(x: &u64) -> bool {
    x.is_multiple_of(2)
}

fn concat(a: String, b: String) -> String {
    a + &b
}

/// Whatever the chunks are, it is as if there were none.
fn deal_with_items(executor: &impl Executor) {
    for chunk in [1, 7, 64, 5000] {
        let squares = || (0..1000).par_process(executor).chunk_size(chunk).map(square);
        assert_eq!(squares().collect().unwrap(), (0..1000).map(square).collect::<Vec<_>>());
        let even = squares().filter(is_even).collect().unwrap();
        assert_eq!(even, (0..1000).map(square).filter(is_even).collect::<Vec<_>>());
        assert_eq!(squares().filter(is_even).count().unwrap(), 500);
        let digits = (0..100).par_process(executor).chunk_size(chunk);
        let text = digits.map(|x: u32| x.to_string()).reduce(concat).unwrap().unwrap();
        // The order is kept.
        assert_eq!(text, (0..100).map(|x| x.to_string()).collect::<String>());
    }
    let none = (0..100).par_process(executor).map(square).filter(|_| false);
    assert_eq!(none.reduce(|a, b| a + b).unwrap(), None);
    assert_eq!(std::iter::empty().par_process(executor).map(square).count().unwrap(), 0);
    let without_length = (0..1000).filter(|x| x % 3 == 0).par_process(executor).map(square);
    assert_eq!(without_length.count().unwrap(), 334);
}

#[test]
fn items_in_chunks_are_dealt_with_like_those_of_an_iterator() {
    let _watchdog = watch("chunks");
    deal_with_items(&InProcess);
    deal_with_items(&pool(2));
}

fn die_at(x: u32) -> u32 {
    if x == 45 {
        std::process::abort();
    }
    x
}

#[test]
fn chunk_whose_worker_dies_is_named_by_its_first_item() {
    let _watchdog = watch("chunk dies");
    let pool = pool(2);
    let error = (0..100).par_process(&pool).chunk_size(10).map(die_at).collect().unwrap_err();
    assert!(error.index == 40 && error.error.is_worker_died(), "{error:?}");
    assert_eq!((0..10).par_process(&pool).map(die_at).count().unwrap(), 10);
}
