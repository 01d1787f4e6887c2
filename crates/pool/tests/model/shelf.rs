//! A worker's shelf of results: the worker puts results in one slot, one after the other, the parent copies
//! them out and says so; and a death of the worker before every access.

use std::sync::Arc;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{Acquire, Release};
use ipc_core::primitive::model;
use loom::cell::UnsafeCell;

use super::board::{copied, say_copied};
use super::{explore, explore_deaths};

/// A slot, and the words about it.
struct Shelf {
    /// Where the result lies: a cell, so that a missing edge shows as a race.
    slot: UnsafeCell<u64>,
    copied: AtomicU64,
    /// The ring: up to which ticket there are reports of results that lie here.
    reported: AtomicU64,
}

const FIRST: u64 = 2;
const N_RESULTS: u64 = 4;

// What the cell holds is watched over by loom.
#[expect(unsafe_code, reason = "a cell that loom watches over")]
mod shared {
    use super::{Shelf, UnsafeCell};

    // SAFETY: loom complains if two threads are at the cell and one of them writes.
    unsafe impl Sync for Shelf {}

    pub(super) fn write(slot: &UnsafeCell<u64>, value: u64) {
        // SAFETY: loom complains if anybody else is at it.
        slot.with_mut(|slot| unsafe { *slot = value });
    }

    pub(super) fn read(slot: &UnsafeCell<u64>) -> u64 {
        // SAFETY: loom complains if anybody writes to it.
        slot.with(|slot| unsafe { *slot })
    }
}

impl Shelf {
    fn new() -> Arc<Self> {
        let (slot, copied, reported) = (UnsafeCell::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { slot, copied, reported })
    }

    /// What a worker does with results; those that find the slot taken go in files. Says how many lay here.
    fn work(&self) -> u64 {
        let mut last = 0;
        let mut n_shelved = 0;
        for ticket in FIRST..FIRST + N_RESULTS {
            if copied(&self.copied) >= last {
                shared::write(&self.slot, ticket);
                self.reported.store(ticket, Release);
                last = ticket;
                n_shelved += 1;
            }
        }
        n_shelved
    }

    /// What the parent does when it comes to look, `n_looks` times; says how many results it has copied.
    fn collect(&self, n_looks: usize) -> u64 {
        let mut n_copied = 0;
        let mut last = copied(&self.copied);
        for _ in 0..n_looks {
            let ticket = self.reported.load(Acquire);
            if ticket != last {
                assert_eq!(shared::read(&self.slot), ticket, "the result of another task");
                say_copied(&self.copied, ticket);
                last = ticket;
                n_copied += 1;
            }
            loom::thread::yield_now();
        }
        n_copied
    }
}

#[test]
fn result_lies_there_until_it_is_copied() {
    explore(|| {
        let shelf = Shelf::new();
        let worker = {
            let shelf = Arc::clone(&shelf);
            loom::thread::spawn(move || shelf.work())
        };
        let n_before = shelf.collect(2);
        let n_shelved = worker.join().unwrap();
        assert!((1..=n_before + 1).contains(&n_shelved), "{n_shelved} of {n_before} copied");
    });
}

#[test]
fn worker_that_dies_anywhere_leaves_what_it_has_reported() {
    explore_deaths(|dies_at| {
        let shelf = Shelf::new();
        let worker = {
            let shelf = Arc::clone(&shelf);
            loom::thread::spawn(move || model::run(Some(dies_at), || shelf.work()))
        };
        shelf.collect(2);
        let ended = worker.join().unwrap();
        shelf.collect(1);
        !ended.is_finished()
    });
}
