//! One test body, run with each way of starting a process.
#![allow(dead_code, unused_imports, unused_macros, reason = "each test file uses its part")]

use proc_core::{Process, Start};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Makes a test for each way of starting out of bodies that take the way.
///
/// A test runs in a thread beside others, from where a process cannot be copied. So the body for
/// `Fork` runs in a process of its own, where it is the only thread.
macro_rules! with_each_start {
    ($($name:ident)*) => {$(
        mod $name {
            use proc_core::{Process, Start};

            #[test]
            fn spawn() {
                super::$name(Start::Spawn);
            }

            #[test]
            fn fork_server() {
                super::$name(Start::ForkServer);
            }

            #[test]
            fn fork() {
                Process::spawn(|()| super::$name(Start::Fork), ()).unwrap().join().unwrap();
            }
        }
    )*};
}
pub(crate) use with_each_start;

/// The same for bodies that want to be alone: each runs in a process of its own.
macro_rules! with_each_start_alone {
    ($($name:ident)*) => {$(
        mod $name {
            use proc_core::{Process, Start};

            #[test]
            fn spawn() {
                Process::spawn(|()| super::$name(Start::Spawn), ()).unwrap().join().unwrap();
            }

            #[test]
            fn fork_server() {
                Process::spawn(|()| super::$name(Start::ForkServer), ()).unwrap().join().unwrap();
            }

            #[test]
            fn fork() {
                Process::spawn(|()| super::$name(Start::Fork), ()).unwrap().join().unwrap();
            }
        }
    )*};
}
pub(crate) use with_each_start_alone;

/// Starts a process, as nearly every test does.
#[track_caller]
pub(crate) fn start<A, R>(way: Start, function: fn(A) -> R, argument: A) -> Process<R>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    match Process::builder().start(way).spawn(function, argument) {
        Ok(process) => process,
        Err(error) => panic!("{way:?}: {error}"),
    }
}
