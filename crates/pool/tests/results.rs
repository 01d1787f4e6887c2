//! Results come back, each to whoever asked for it, in the order that was promised.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use pool::{Pool, TaskError};
use testkit::Watchdog;

const LIMIT: Duration = Duration::from_secs(60);

fn watch(what: &str) -> Watchdog {
    Watchdog::start(LIMIT, what)
}

fn square(x: u64) -> u64 {
    x * x
}

fn two() -> Pool {
    Pool::builder().workers(2).build().unwrap()
}

#[test]
fn call_returns_what_the_function_returned_in_another_process() {
    let _watchdog = watch("call");
    let pool = two();
    assert_eq!(pool.call(square, 12).unwrap(), 144);
    let pid = pool.call(|()| proc_core::current().pid(), ()).unwrap();
    assert_ne!(pid, proc_core::current().pid());
    assert_eq!(pool.call(|text: String| text.len(), "four".to_owned()).unwrap(), 4);
}

#[test]
fn map_returns_results_in_the_order_of_the_items() {
    let _watchdog = watch("map");
    let pool = two();
    let squares = pool.map(square, 0..5_000).unwrap();
    assert_eq!(squares, (0..5_000).map(square).collect::<Vec<_>>());
    assert_eq!(pool.map(square, []).unwrap(), []);
}

#[test]
fn imap_gives_results_in_the_order_of_the_items() {
    let _watchdog = watch("imap");
    let pool = two();
    let squares: Result<Vec<u64>, TaskError> = pool.imap(square, 0..2_000).collect();
    assert_eq!(squares.unwrap(), (0..2_000).map(square).collect::<Vec<_>>());
}

#[test]
fn imap_unordered_gives_each_result_once() {
    let _watchdog = watch("imap_unordered");
    let pool = two();
    let squares: Vec<u64> =
        pool.imap_unordered(square, 0..2_000).collect::<Result<_, TaskError>>().unwrap();
    assert_eq!(squares.len(), 2_000);
    let squares: BTreeSet<u64> = squares.into_iter().collect();
    assert_eq!(squares, (0..2_000).map(square).collect());
}

#[test]
fn submitted_tasks_can_be_joined_in_any_order() {
    let _watchdog = watch("submit");
    let pool = two();
    let tasks: Vec<_> = (0..300).map(|x| pool.submit(square, x).unwrap()).collect();
    for (x, task) in (0..300).zip(&tasks).collect::<Vec<_>>().into_iter().rev() {
        assert_eq!(task.join().unwrap(), square(x));
        assert!(matches!(task.join(), Err(TaskError::Taken)));
    }
}

#[test]
fn join_with_a_timeout_gives_the_result_later_if_it_is_not_there_yet() {
    let _watchdog = watch("join_timeout");
    let pool = two();
    let (mut reader, writer) = std::io::pipe().unwrap();
    drop(writer.try_clone());
    let gate =
        ipc_core::wire::Handle::from(std::os::fd::OwnedFd::from(reader.try_clone().unwrap()));
    let task = pool
        .submit(
            |gate: ipc_core::wire::Handle| {
                let mut gate = std::fs::File::from(std::os::fd::OwnedFd::from(gate));
                std::io::Read::read(&mut gate, &mut [0; 1]).unwrap()
            },
            gate,
        )
        .unwrap();
    assert_eq!(task.join_timeout(Duration::from_millis(20)).unwrap(), None);
    assert!(!task.is_ready());
    assert_eq!(task.try_join().unwrap(), None);
    std::io::Write::write_all(&mut &writer, b"x").unwrap();
    assert_eq!(task.join().unwrap(), 1);
    assert!(task.is_ready());
    drop(writer);
    assert_eq!(std::io::Read::read(&mut reader, &mut [0; 1]).unwrap(), 0);
}

#[test]
fn many_threads_can_use_a_pool() {
    let _watchdog = watch("threads");
    let pool = two();
    thread::scope(|scope| {
        for n in 0..8_u64 {
            let pool = &pool;
            scope.spawn(move || {
                for x in 0..200 {
                    assert_eq!(pool.call(square, n * 1_000 + x).unwrap(), square(n * 1_000 + x));
                }
                let results = pool.map(square, n..n + 300).unwrap();
                assert_eq!(results, (n..n + 300).map(square).collect::<Vec<_>>());
            });
        }
    });
}
