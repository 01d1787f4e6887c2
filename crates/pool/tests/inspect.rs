//! A pool seen from outside: its workers, what they are at, and that any board is bearable.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;

use ipc_core::inspect::View;
use ipc_core::{Kind, Segment};
use ipc_sync::Event;
use pool::{Pool, inspect};
use proptest::prelude::*;

/// The board of a pool, among all that this process has open: other tests make some, too.
fn board_of(pool: &Pool) -> View {
    let pids: Vec<_> = pool.stats().workers.iter().filter_map(|worker| worker.pid).collect();
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let files = entries.filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        target.to_string_lossy().contains("pl-board").then(|| File::open(entry.path()).ok())?
    });
    let mut boards = files.filter_map(|file| View::open(file).ok());
    let is_it = |board: &View| {
        let workers = inspect::workers(board).unwrap_or_default();
        !workers.is_empty() && workers.iter().all(|worker| pids.contains(&worker.pid))
    };
    boards.find(is_it).unwrap()
}

#[test]
fn workers_tell_what_they_are_at() {
    fn wait((begun, go_on): (Event, Event)) {
        begun.set();
        go_on.wait();
    }
    let pool = Pool::builder().workers(2).build().unwrap();
    // Somebody has come to work.
    pool.call(|()| (), ()).unwrap();
    let board = &board_of(&pool);
    let at_work = || {
        let seen = inspect::workers(board).unwrap();
        seen.into_iter().filter(|worker| worker.task.is_some()).collect::<Vec<_>>()
    };
    while !at_work().is_empty() {
        std::thread::yield_now();
    }
    let (begun, go_on) = (Event::new().unwrap(), Event::new().unwrap());
    let task = pool.submit(wait, (begun.clone(), go_on.clone())).unwrap();
    begun.wait();
    let found = at_work();
    assert_eq!(found.len(), 1);
    let workers = pool.stats().workers;
    assert_eq!(workers[found[0].place].pid, Some(found[0].pid));
    let seen = inspect::describe(board).unwrap().unwrap();
    assert_eq!((seen.what, seen.depth), ("Pool", Some(1)));
    assert!(seen.holders.contains(&found[0].pid));
    go_on.set();
    task.join().unwrap();
    // The answer comes before the word of it; the next answer comes after both.
    let place = found[0].place;
    while at_work().iter().any(|worker| worker.place == place) {
        std::thread::yield_now();
    }
}

#[test]
fn something_else_is_no_pool() {
    let segment = Segment::create(Kind::new(*b"pl-board", 999), 0, 256).unwrap();
    let view = View::open(segment.as_fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!(inspect::describe(&view).unwrap(), None);
    assert_eq!(inspect::workers(&view).unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_board_is_described(
        words in proptest::collection::vec(prop_oneof![0_u64..3, any::<u64>()], 0..200),
        more in 0_usize..8,
    ) {
        // Of the kind that pools have: the version is in their files.
        let kind = Kind::new(*b"pl-board", 2);
        let segment = Segment::create(kind, 0, words.len() * 8 + more).unwrap();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let file = File::from(segment.as_fd().try_clone_to_owned().unwrap());
        file.write_all_at(&bytes, 128).unwrap();
        let view = View::open(file).unwrap();
        let seen = inspect::describe(&view).unwrap().unwrap();
        prop_assert_eq!(seen.capacity, Some((words.len() as u64 * 8 + more as u64) / 128));
        prop_assert!(seen.depth <= seen.capacity);
    }
}
