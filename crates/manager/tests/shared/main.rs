//! Dicts and lists in shared memory: those who have the memory and those who call see the same, and nobody's death,
//! malice or lack of room does more than it may.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

#[path = "../common/mod.rs"]
mod common;
mod deaths;
mod hostile;
mod reference;
mod room;
mod same;

use std::process::ExitCode;

use ipc_core::wire;
use manager::{Manager, ShmDict, ShmList};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shm_value::bytemuck::{CheckedBitPattern, NoUninit};

fn main() -> ExitCode {
    testkit::main(&[
        ("a program does the same with a dict here or there", same::dicts),
        ("a program does the same with a list here or there", same::lists),
        ("who has the memory and who calls see what a map and a vector are", reference::both),
        ("the same, where all call over TCP", reference::over_tcp),
        ("what finds no room is told, and changes nothing", room::no_room),
        ("memory counts as what is kept, of all and of each client", room::limits),
        ("objects go everywhere, and their memory goes with the last", room::they_go_everywhere),
        ("memory is opened as what it was made for", room::other_types),
        ("a forked child has memory, its parent's or its own", deaths::forked_children),
        ("who has the memory goes on when the manager is killed", deaths::manager_is_killed),
        ("clients that are killed lose no more than their last change", deaths::storm),
        ("a client that keeps its turn holds up only those who need it", hostile::keeps_its_turn),
        ("whatever is written there, calls are answered", hostile::scribbles),
        ("who knows no secret gets no memory", hostile::guesses),
    ])
}

fn is(holds: bool, what: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what:?}")) }
}

/// Runs something in a process that can open no file: it gets no memory.
fn without_files<R>(work: impl FnOnce() -> R) -> R {
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..before }).unwrap();
    let result = work();
    setrlimit(Resource::Nofile, before).unwrap();
    result
}

/// Another proxy of the same dict, which calls the manager for everything.
fn caller_of_dict<K, V>(manager: &Manager, dict: &ShmDict<K, V>) -> ShmDict<K, V>
where
    K: NoUninit + CheckedBitPattern,
    V: NoUninit + CheckedBitPattern,
{
    let other: ShmDict<K, V> = wire::decode(wire::encode(dict).unwrap()).unwrap();
    assert!(without_files(|| other.as_map().unwrap().is_none()));
    // It has been told once that there is none.
    assert!(other.as_map().unwrap().is_none() && manager.stats().is_ok());
    other
}

/// The same for lists.
fn caller_of_list<T: NoUninit + CheckedBitPattern>(list: &ShmList<T>) -> ShmList<T> {
    let other: ShmList<T> = wire::decode(wire::encode(list).unwrap()).unwrap();
    assert!(without_files(|| other.as_vec().unwrap().is_none()));
    other
}
