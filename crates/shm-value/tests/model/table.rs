//! The table in the model: what is there is found, whoever puts, removes, dies and looks.

#![expect(unsafe_code, reason = "the line of a lock lives as long as the model")]

use std::sync::Arc;

use ipc_core::Deadline;
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::model::{Ended, run};
use ipc_core::robust::RobustWord;
use loom::thread;
use shm_value::raw::{FULL, Table, Turn};

use super::{explore, with_every_death};

/// A table of three slots and its lock. A key is its own hash, and its value begins with it.
struct Shared {
    line: RobustWord,
    words: Vec<AtomicU64>,
}

/// Tag, key and value.
const N_WORDS: usize = 3;

impl Shared {
    fn new() -> Arc<Self> {
        let words = (0..Table::size(3, N_WORDS)).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { line: RobustWord::new(), words })
    }

    fn table(&self) -> Table<'_> {
        Table::new(&self.words, N_WORDS)
    }

    fn in_turn<R>(&self, change: impl FnOnce(Table<'_>) -> R) -> R {
        // SAFETY: the line lives until the last thread of the model has ended.
        let turn = unsafe { Turn::take(&self.line, Deadline::NEVER) };
        let done = change(self.table());
        drop(turn.unwrap());
        done
    }

    fn put(&self, key: u64, value: u64) {
        self.in_turn(|table| {
            let found = table.find(key | FULL, |words| words.word(1) == key);
            let slot = found.at.or(found.free).expect("there is room");
            table.put(slot, [key | FULL, key, key * 100 + value]);
        });
    }

    fn remove(&self, key: u64) {
        self.in_turn(|table| {
            let found = table.find(key | FULL, |words| words.word(1) == key);
            table.remove(found.at.expect("it is there"));
        });
    }

    /// The value of a key, which is that key's.
    fn get(&self, key: u64) -> Option<u64> {
        let look = self.table().look_up(key | FULL, |words| words.word(1) == key, |w| w.word(2));
        let value = look.expect("few writes come in between")?;
        assert_eq!(value / 100, key, "another key's value");
        Some(value % 100)
    }

    /// How often a key is in the table.
    fn times(&self, key: u64) -> usize {
        let table = self.table();
        let is_there = |slot| table.words_of(slot).is_some_and(|words| words.word(0) == key | FULL);
        (0..table.slots()).filter(|slot| is_there(*slot)).count()
    }
}

// Three keys that all want the same slot.
const A: u64 = 3;
const B: u64 = 6;
const C: u64 = 9;

#[test]
fn what_is_there_all_the_time_is_found() {
    explore(|| {
        let shared = Shared::new();
        shared.put(A, 1);
        shared.put(B, 1);
        let changer = Arc::clone(&shared);
        let changer = thread::spawn(move || {
            changer.remove(A);
            changer.put(C, 1);
        });
        assert_eq!(shared.get(B), Some(1), "it never moved");
        changer.join().unwrap();
        assert_eq!((shared.get(A), shared.get(B), shared.get(C)), (None, Some(1), Some(1)));
    });
}

#[test]
fn what_was_removed_is_not_there_and_what_comes_back_is() {
    explore(|| {
        let shared = Shared::new();
        shared.put(A, 1);
        let changer = Arc::clone(&shared);
        let changer = thread::spawn(move || {
            changer.remove(A);
            changer.put(A, 2);
        });
        let seen = shared.get(A);
        assert!([Some(1), None, Some(2)].contains(&seen), "{seen:?}");
        changer.join().unwrap();
        assert_eq!((shared.get(A), shared.times(A)), (Some(2), 1));
    });
}

#[test]
fn two_writers_and_a_reader_agree() {
    explore(|| {
        let shared = Shared::new();
        shared.put(A, 1);
        let others = [B, C].map(|key| {
            let other = Arc::clone(&shared);
            thread::spawn(move || other.put(key, 1))
        });
        assert_eq!(shared.get(A), Some(1));
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(
            (shared.get(B), shared.get(C), shared.in_turn(|table| table.count())),
            (Some(1), Some(1), 3)
        );
    });
}

#[test]
fn a_death_leaves_what_is_there_to_be_found() {
    with_every_death(|dies_at| {
        let shared = Shared::new();
        shared.put(A, 1);
        shared.put(B, 1);
        let victim = Arc::clone(&shared);
        let victim = thread::spawn(move || {
            run(Some(dies_at), || {
                victim.remove(A);
                victim.put(C, 1);
            })
        });
        assert_eq!(shared.get(B), Some(1));
        shared.put(B, 2);
        let ended: Ended<()> = victim.join().unwrap();
        assert_eq!((shared.get(B), shared.times(B)), (Some(2), 1));
        let (a, c) = (shared.get(A), shared.get(C));
        assert!([(Some(1), None), (None, None), (None, Some(1))].contains(&(a, c)), "{a:?}, {c:?}");
        assert!(!ended.is_finished() || c.is_some());
        // What can be found is what there is.
        assert_eq!(shared.times(A) + shared.times(C), usize::from(a.is_some() || c.is_some()));
        ended
    });
}

#[test]
fn a_death_while_it_is_cleared_hides_nothing() {
    with_every_death(|dies_at| {
        let shared = Shared::new();
        shared.put(A, 1);
        shared.put(B, 1);
        let victim = Arc::clone(&shared);
        let victim =
            thread::spawn(move || run(Some(dies_at), || victim.in_turn(|table| table.clear())));
        let ended: Ended<()> = victim.join().unwrap();
        for key in [A, B] {
            assert_eq!(usize::from(shared.get(key).is_some()), shared.times(key), "{key}");
        }
        assert!(!ended.is_finished() || shared.times(A) + shared.times(B) == 0);
        ended
    });
}
