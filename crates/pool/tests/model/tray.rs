//! The words of a tray: a worker that comes from item to item, a parent that takes back what is not begun,
//! and a death before every access.

#![expect(clippy::disallowed_types, reason = "what the test notes is no part of the model")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::model;
use ipc_core::wire::Sort;

use super::words::{Found, Row, Words};
use super::{explore, explore_deaths};

/// The words of a tray, and what was begun.
struct Tray {
    words: [AtomicU64; 6],
    /// How often each item was begun.
    begun: [AtomicU32; N_ITEMS],
}

const N_ITEMS: usize = 3;

impl Tray {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            words: [OLDER, 0, 0, 0, 0, 0].map(AtomicU64::new),
            begun: [0; N_ITEMS].map(AtomicU32::new),
        })
    }

    fn words(&self) -> Words<'_> {
        let [ticket, progress, limit, bytes @ ..] = &self.words;
        Words { ticket, progress, limit, bytes }
    }

    /// What a worker does with a chunk of so many items; how many it has done.
    fn work(&self, ticket: u64, n_items: u32) -> u32 {
        self.work_with(ticket, n_items, 0)
    }

    /// The same; what comes of an item is its number and so much: of the first one a word, of the others
    /// pieces.
    fn work_with(&self, ticket: u64, n_items: u32, more: u8) -> u32 {
        let words = self.words();
        words.begin(ticket);
        let (mut row, mut pieces) = (Row::default(), Vec::new());
        for n_done in 1..=n_items {
            self.begun[n_done as usize - 1].fetch_add(1, SeqCst);
            let result = u8::try_from(n_done).unwrap() + more;
            if n_done == 1 {
                row = row.and(Sort::Signed).unwrap();
                assert!(words.put_word(row, result.into()));
            } else {
                let from = pieces.len();
                pieces.push(result);
                assert!(words.put(n_done, row, &pieces, from));
            }
            if n_done < n_items && !words.may_go_on(ticket, n_done) {
                return n_done;
            }
        }
        n_items
    }

    fn n_begun(&self) -> Vec<u32> {
        self.begun.iter().map(|begun| begun.load(SeqCst)).collect()
    }
}

/// What lies on the tray when so many items are done.
fn found(n_done: u32, more: u8) -> Found {
    if n_done == 0 {
        return Found::default();
    }
    let mut bytes = u64::from(1 + more).to_le_bytes().to_vec();
    bytes.extend((2..=n_done).map(|number| u8::try_from(number).unwrap() + more));
    Found { n_done, row: Row { sort: Sort::Signed, n_words: 1 }, bytes }
}

/// A chunk that was there before.
const OLDER: u64 = 2;

const TICKET: u64 = 5;

#[test]
fn item_is_begun_by_the_worker_or_taken_back_and_never_both() {
    explore(|| {
        let tray = Tray::new();
        let worker = {
            let tray = Arc::clone(&tray);
            loom::thread::spawn(move || tray.work(TICKET, 3))
        };
        let Some(n_kept) = tray.words().revoke(TICKET) else {
            worker.join().unwrap();
            return;
        };
        // From here on those behind are another worker's.
        let n_done = worker.join().unwrap();
        assert!(n_kept >= 1 && n_done <= n_kept, "{n_done} done, {n_kept} kept");
        assert!(n_done + 1 >= n_kept.min(3), "{n_done} done, {n_kept} kept");
        assert_eq!(tray.words().read(TICKET), found(n_done, 0));
        assert!(tray.n_begun().iter().all(|n| *n <= 1));
    });
}

#[test]
fn limit_of_one_chunk_is_none_of_the_next() {
    explore(|| {
        let tray = Tray::new();
        let worker = {
            let tray = Arc::clone(&tray);
            loom::thread::spawn(move || (tray.work(TICKET, 2), tray.work(TICKET + 1, 2)))
        };
        let n_kept = tray.words().revoke(TICKET);
        let (first, second) = worker.join().unwrap();
        assert_eq!(second, 2);
        // Of what it has done nothing is taken back.
        assert!(n_kept.is_none_or(|n_kept| first <= n_kept), "{first} done, {n_kept:?} kept");
    });
}

#[test]
fn results_that_are_read_early_are_whole_and_of_that_chunk() {
    explore(|| {
        let tray = Tray::new();
        let worker = {
            let tray = Arc::clone(&tray);
            loom::thread::spawn(move || {
                tray.work_with(TICKET, 2, 0);
                tray.work_with(TICKET + 1, 2, 100);
            })
        };
        let read = tray.words().read(TICKET);
        assert_eq!(read, found(read.n_done, 0));
        worker.join().unwrap();
        assert_eq!(tray.words().read(TICKET + 1), found(2, 100));
    });
}

/// What is read when the worker has died is a state of the table, wherever it died.
#[test]
fn worker_that_dies_anywhere_leaves_the_results_that_count_and_one_item_in_its_hands() {
    explore_deaths(|dies_at| {
        let tray = Tray::new();
        let worker = {
            let tray = Arc::clone(&tray);
            loom::thread::spawn(move || model::run(Some(dies_at), || tray.work(TICKET, 3)))
        };
        // If it is about to begin, it keeps all.
        let n_kept = tray.words().revoke(TICKET).unwrap_or(3);
        let ended = worker.join().unwrap();
        let read = tray.words().read(TICKET);
        let n_done = read.n_done;
        assert!(n_done <= n_kept);
        assert_eq!(read, found(n_done, 0));
        // All that is done was begun once, at most one more was, and nothing that was taken back.
        for (item, n_begun) in (0..).zip(tray.n_begun()) {
            match item {
                item if item < n_done => assert_eq!(n_begun, 1),
                item if item == n_done && item < n_kept => assert!(n_begun <= 1),
                _ => assert_eq!(n_begun, 0),
            }
        }
        !ended.is_finished()
    });
}
