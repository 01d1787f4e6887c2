//! Large arguments and results, which lie in memory that is used again and again, arrive as they were sent:
//! whoever dies, however many there are, and wherever there was no room.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use pool::{Pool, Retry};

use common::{pools, shelved_bytes, watch};

mod common;

/// A text of so many bytes, another one for each number.
fn value(number: u64, len: usize) -> String {
    let mut text = format!("{number:07} ").repeat(len / 8 + 1);
    text.truncate(len);
    text
}

/// The same text with its first byte at its end, and the number of the worker's process.
fn turn(text: String) -> (String, u32) {
    let (first, rest) = text.split_at(1);
    (format!("{rest}{first}"), proc_core::current().pid())
}

fn turned(number: u64, len: usize) -> String {
    turn(value(number, len)).0
}

/// From what fits a ring to what fits no shelf.
const LENS: [usize; 7] = [100, 16 << 10, 20_000, 100_001, 1 << 20, 3 << 20, 9 << 20];

fn len(number: u64) -> usize {
    LENS[usize::try_from(number).unwrap() % LENS.len()]
}

/// One counts what this process has, so no other runs meanwhile.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());

    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn values_of_all_sizes_come_and_go_one_by_one_and_many_at_a_time() {
    let _alone = alone();
    let _watchdog = watch("sizes");
    for pool in pools(2) {
        for number in 0..7 {
            let (text, _) = pool.call(turn, value(number, len(number))).unwrap();
            assert!(text == turned(number, len(number)), "{number}");
        }
        // More than shelves hold, all at the same time.
        let submit = |number| pool.submit(turn, value(number, len(number))).unwrap();
        let tasks: Vec<_> = (0..14).map(submit).collect();
        for (task, number) in tasks.into_iter().zip(0..) {
            let (text, _) = task.join().unwrap();
            assert!(text == turned(number, len(number)), "{number}");
        }
        let results = pool.map(turn, (0..14).map(|number| value(number, len(number)))).unwrap();
        for ((text, _), number) in results.into_iter().zip(0..) {
            assert!(text == turned(number, len(number)), "{number}");
        }
    }
}

#[test]
fn memory_of_values_that_have_arrived_is_used_for_the_next() {
    let _alone = alone();
    let _watchdog = watch("memory");
    let pool = Pool::builder().workers(1).build().unwrap();
    for number in 0..24 {
        let (text, _) = pool.call(turn, value(number, 1 << 20)).unwrap();
        assert!(text == turned(number, 1 << 20), "{number}");
    }
    // Both ways 24 MiB have gone. A value or two may not be forgotten when the next one comes.
    let kept = shelved_bytes();
    assert!((2 << 20..16 << 20).contains(&kept), "{kept} bytes are kept");
    drop(pool);
    assert_eq!(shelved_bytes(), 0);
}

#[test]
fn values_arrive_whole_while_workers_are_killed_and_others_do_their_tasks_again() {
    const N_KILLS: usize = 30;

    let _alone = alone();
    let _watchdog = watch("kills");
    for pool in pools(2) {
        let many = || pool.task(turn).retry(Retry::always());
        thread::scope(|scope| {
            let callers: Vec<_> = (0..2)
                .map(|caller| {
                    scope.spawn(move || {
                        for number in caller * 100..caller * 100 + 20 {
                            let sent = value(number, 1 << 20 | 12_345);
                            let (text, _) = many().call(sent).unwrap();
                            assert!(text == turned(number, 1 << 20 | 12_345), "{number}");
                        }
                    })
                })
                .collect();
            for n_kills in 0..N_KILLS {
                if callers.iter().all(thread::ScopedJoinHandle::is_finished) {
                    break;
                }
                // Something is done between two of them.
                let small = pool.call(turn, "ab".to_owned());
                assert!(small.is_err() || small.is_ok_and(|(text, _)| text == "ba"));
                let _killed = pool.kill_worker(n_kills % 2).unwrap();
            }
        });
    }
}
