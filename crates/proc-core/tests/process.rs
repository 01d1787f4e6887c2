//! A process, from its start to its result, with each way of starting it.
#![expect(clippy::unwrap_used, clippy::panic, clippy::exit, reason = "a test")]

mod common;

use std::collections::BTreeMap;

use common::start;
use proc_core::{ExitStatus, Fork, JoinError, Start, fork, wait_for};

common::with_each_start! {
    function_returns_its_value
    panic_is_carried_back
    exit_code_is_reported
    signal_is_reported
    copy_that_returns_from_the_function_has_no_result
}

fn function_returns_its_value(way: Start) {
    fn count(words: Vec<String>) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for word in words {
            *counts.entry(word).or_default() += 1;
        }
        counts
    }
    fn twice<T: std::ops::Add<Output = T> + Copy>(value: T) -> T {
        value + value
    }

    let words = ["a", "b", "a"].map(str::to_owned).to_vec();
    let counts = start(way, count, words).join().unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    assert_eq!(start(way, twice::<f64>, 1.5).join().unwrap(), 3.0);
    assert_eq!(start(way, twice::<u8>, 7).join().unwrap(), 14);
    assert_eq!(start(way, |(a, b): (u8, u8)| a - b, (7, 2)).join().unwrap(), 5);
    start(way, drop, ()).join().unwrap();
}

fn panic_is_carried_back(way: Start) {
    let child = start(way, |n: u32| -> u32 { panic!("no {n} today") }, 7);
    match child.join() {
        Err(JoinError::Panicked(panic)) => {
            assert_eq!(panic.message(), "no 7 today");
            let location = panic.location().unwrap();
            assert!(location.file.ends_with("tests/process.rs"), "{location}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(child.exit_status().unwrap(), Some(ExitStatus::Exited(101)));
}

fn exit_code_is_reported(way: Start) {
    let child = start(way, |code: i32| std::process::exit(code), 7);
    assert!(matches!(child.join(), Err::<(), _>(JoinError::Exited(7))));
    assert_eq!(child.exit_status().unwrap(), Some(ExitStatus::Exited(7)));
}

fn signal_is_reported(way: Start) {
    let child = start(way, |(): ()| std::process::abort(), ());
    match child.join() {
        Err::<(), _>(JoinError::Signaled { signal, .. }) => assert_eq!(signal, libc::SIGABRT),
        other => panic!("{other:?}"),
    }
}

fn copy_that_returns_from_the_function_has_no_result(way: Start) {
    fn fork_and_return(end: &str) -> Option<ExitStatus> {
        match fork().unwrap() {
            // The copy is first.
            Fork::Parent(pid) => Some(wait_for(pid).unwrap()),
            Fork::Child if end == "returns" => None,
            Fork::Child => panic!("in the copy"),
        }
    }

    for (end, code) in [("returns", 0), ("panics", 101)] {
        let child = start(way, |end: String| fork_and_return(&end), end.to_owned());
        assert_eq!(child.join().unwrap(), Some(ExitStatus::Exited(code)), "{end}");
        assert_eq!(child.exit_status().unwrap(), Some(ExitStatus::Exited(0)));
    }
}
