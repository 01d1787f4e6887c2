//! The cell in the model: words that belong together, whoever writes, dies and reads.

#![expect(unsafe_code, reason = "the line of a lock lives as long as the model")]

use std::sync::Arc;

use ipc_core::Deadline;
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::primitive::model::{Ended, run};
use ipc_core::robust::RobustWord;
use loom::thread;
use shm_value::raw::{Cell, Turn};

use super::{explore, with_every_death};

/// A cell of two words, which are always equal, and its lock.
struct Shared {
    line: RobustWord,
    words: Vec<AtomicU64>,
}

impl Shared {
    fn new() -> Arc<Self> {
        let words = (0..Cell::size(2)).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { line: RobustWord::new(), words })
    }

    fn cell(&self) -> Cell<'_> {
        Cell::new(&self.words).unwrap()
    }

    /// Adds to the value, in turn.
    fn add(&self, addend: u64) {
        // SAFETY: the line lives until the last thread of the model has ended.
        let turn = unsafe { Turn::take(&self.line, Deadline::NEVER) };
        let current = self.cell().current().word(0);
        self.cell().write([current + addend; 2]);
        drop(turn.unwrap());
    }

    /// The value, which is whole.
    fn get(&self) -> u64 {
        let read = self.cell().read(|words| [words.word(0), words.word(1)]);
        let [first, second] = read.expect("two writes at most come in between");
        assert_eq!(first, second, "torn");
        first
    }
}

fn spawn_adder(shared: &Arc<Shared>, addend: u64) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || shared.add(addend))
}

#[test]
fn a_reader_sees_whole_values_in_their_order() {
    explore(|| {
        let shared = Shared::new();
        let writer = Arc::clone(&shared);
        let writer = thread::spawn(move || {
            writer.add(1);
            writer.add(1);
            writer.add(1);
        });
        let first = shared.get();
        let second = shared.get();
        assert!(first <= second && second <= 3, "{first}, then {second}");
        writer.join().unwrap();
        assert_eq!(shared.get(), 3);
    });
}

#[test]
fn two_writers_lose_nothing_while_one_reads() {
    explore(|| {
        let shared = Shared::new();
        let others = [spawn_adder(&shared, 1), spawn_adder(&shared, 10)];
        let seen = shared.get();
        assert!([0, 1, 10, 11].contains(&seen), "{seen}");
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(shared.get(), 11);
    });
}

#[test]
fn what_was_done_before_a_value_is_seen_with_it() {
    explore(|| {
        let shared = Shared::new();
        let note = Arc::new(AtomicU64::new(0));
        let (writer, noted) = (Arc::clone(&shared), Arc::clone(&note));
        let writer = thread::spawn(move || {
            noted.store(7, Relaxed);
            writer.cell().write([1, 1]);
        });
        if shared.get() == 1 {
            assert_eq!(note.load(Relaxed), 7);
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_death_leaves_the_old_value_or_the_new_one() {
    with_every_death(|dies_at| {
        let shared = Shared::new();
        let victim = Arc::clone(&shared);
        let victim = thread::spawn(move || run(Some(dies_at), || victim.add(10)));
        let other = spawn_adder(&shared, 1);
        let seen = shared.get();
        assert!([0, 1, 10, 11].contains(&seen), "{seen}");
        other.join().unwrap();
        let ended: Ended<()> = victim.join().unwrap();
        let left = shared.get();
        assert!(left == 11 || left == 1 && !ended.is_finished(), "{left}");
        // Whoever comes now has its turn.
        shared.add(100);
        assert_eq!(shared.get(), left + 100);
        ended
    });
}
