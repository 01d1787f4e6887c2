//! Results come back, each to whoever asked for it, in the order that was promised.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use ipc_core::wire::Handle;
use pool::TaskError;

use common::{Gate, pass, pool, square, watch};

mod common;

#[test]
fn call_returns_what_the_function_returned_in_another_process() {
    let _watchdog = watch("call");
    let pool = pool(2);
    assert_eq!(pool.call(square, 12).unwrap(), 144);
    let pid = pool.call(|()| proc_core::current().pid(), ()).unwrap();
    assert_ne!(pid, proc_core::current().pid());
    assert_eq!(pool.call(|text: String| text.len(), "four".to_owned()).unwrap(), 4);
}

#[test]
fn map_returns_results_in_the_order_of_the_items() {
    let _watchdog = watch("map");
    let pool = pool(2);
    let squares = pool.map(square, 0..5_000).unwrap();
    assert_eq!(squares, (0..5_000).map(square).collect::<Vec<_>>());
    assert_eq!(pool.map(square, []).unwrap(), []);
}

#[test]
fn items_of_any_size_that_go_alone_keep_their_places() {
    let _watchdog = watch("alone");
    let pool = pool(2);
    let first_and_len = |bytes: Vec<u8>| (bytes.first().copied(), bytes.len());
    // The first map learns how long they take, so that the items of the others are handed in together.
    for _ in 0..3 {
        let len = |at: usize| if at % 50 == 7 { 20_000 } else { at % 40 };
        let items = (0..500_usize).map(|at| vec![at.to_le_bytes()[0]; len(at)]);
        let wanted = items.clone().map(first_and_len).collect::<Vec<_>>();
        assert_eq!(pool.task(first_and_len).chunk_size(1).map(items).unwrap(), wanted);
    }
}

#[test]
fn imap_gives_results_in_the_order_of_the_items() {
    let _watchdog = watch("imap");
    let pool = pool(2);
    let squares: Result<Vec<u64>, TaskError> = pool.imap(square, 0..2_000).collect();
    assert_eq!(squares.unwrap(), (0..2_000).map(square).collect::<Vec<_>>());
}

#[test]
fn imap_unordered_gives_each_result_once() {
    let _watchdog = watch("imap_unordered");
    let pool = pool(2);
    let squares: Vec<u64> =
        pool.imap_unordered(square, 0..2_000).collect::<Result<_, TaskError>>().unwrap();
    assert_eq!(squares.len(), 2_000);
    let squares: BTreeSet<u64> = squares.into_iter().collect();
    assert_eq!(squares, (0..2_000).map(square).collect());
}

#[test]
fn submitted_tasks_can_be_joined_in_any_order() {
    let _watchdog = watch("submit");
    let pool = pool(2);
    let tasks: Vec<_> = (0..300).map(|x| pool.submit(square, x).unwrap()).collect();
    for (x, task) in (0..300).zip(&tasks).collect::<Vec<_>>().into_iter().rev() {
        assert_eq!(task.join().unwrap(), square(x));
        assert!(matches!(task.join(), Err(TaskError::Taken)));
    }
}

#[test]
fn join_with_a_timeout_gives_the_result_later_if_it_is_not_there_yet() {
    let _watchdog = watch("join_timeout");
    let pool = pool(2);
    let gate = Gate::new();
    let task = pool.submit(pass, gate.handle()).unwrap();
    assert_eq!(task.join_timeout(Duration::from_millis(20)).unwrap(), None);
    assert!(!task.is_ready());
    assert_eq!(task.try_join().unwrap(), None);
    gate.open(1);
    assert!(task.join().unwrap() > 0);
    assert!(task.is_ready());
}

#[test]
fn more_threads_than_queues_have_seats_can_use_a_pool() {
    const N_THREADS: u64 = 700;
    let _watchdog = watch("many threads");
    let pool = pool(2);
    let barrier = Barrier::new(usize::try_from(N_THREADS).unwrap());
    thread::scope(|scope| {
        for n in 0..N_THREADS {
            let (pool, barrier) = (&pool, &barrier);
            let thread = thread::Builder::new().stack_size(128 << 10);
            let work = move || {
                // All are there at a time, so that nobody gives a seat back.
                for x in [n, n + 1] {
                    assert_eq!(pool.call(square, x).unwrap(), square(x));
                    barrier.wait();
                }
                assert_eq!(pool.map(square, n..n + 3).unwrap().len(), 3);
            };
            thread.spawn_scoped(scope, work).unwrap();
        }
    });
    assert_eq!(pool.call(square, 2).unwrap(), 4);
}

#[test]
fn threads_that_wait_for_the_same_task_all_hear_of_its_end() {
    let _watchdog = watch("same task");
    let pool = pool(1);
    let gate = Gate::new();
    let task = pool.submit(pass, gate.handle()).unwrap();
    thread::scope(|scope| {
        let waiters = [(); 4].map(|()| scope.spawn(|| task.join()));
        assert_eq!(task.join_timeout(Duration::from_millis(20)).unwrap(), None);
        gate.open(1);
        let results = waiters.map(|waiter| waiter.join().unwrap());
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        let taken = |result: &&Result<u32, TaskError>| matches!(result, Err(TaskError::Taken));
        assert_eq!(results.iter().filter(taken).count(), 3);
    });
}

#[test]
fn imap_unordered_takes_no_more_of_an_endless_input_than_it_needs() {
    let _watchdog = watch("endless");
    let pool = pool(2);
    let n_taken = Cell::new(0_u64);
    let endless = std::iter::repeat_with(|| {
        n_taken.set(n_taken.get() + 1);
        n_taken.get()
    });
    let mut results = pool.imap_unordered(square, endless);
    assert_eq!(n_taken.get(), 0, "nothing is taken before it is asked for");
    for n_results in 1..=1_000 {
        results.next().unwrap().unwrap();
        let ahead = n_taken.get() - n_results;
        assert!(ahead <= 2 * 64, "{ahead} items are under way");
    }
    drop(results);
    assert_eq!(pool.call(square, 5).unwrap(), 25);
}

#[test]
fn imap_takes_no_more_than_it_needs_while_the_first_is_slow() {
    let _watchdog = watch("endless imap");
    let pool = pool(2);
    let gate = Gate::new();
    // The first waits; the others do not.
    let items = std::iter::once(Some(gate.handle())).chain(std::iter::repeat_with(|| None));
    let n_taken = Cell::new(0_u32);
    let items = items.inspect(|_| n_taken.set(n_taken.get() + 1));
    let mut results = pool.imap(|gate: Option<Handle>| gate.map(pass), items);
    thread::scope(|scope| {
        scope.spawn(|| {
            common::wait_until(&pool, |pool| pool.stats().done >= 1);
            gate.open(1);
        });
        assert!(results.next().unwrap().unwrap().is_some());
    });
    assert!(n_taken.get() <= 2 * 2 * 64, "{} items were taken", n_taken.get());
    for result in results.take(500) {
        assert!(result.unwrap().is_none());
    }
}

#[test]
fn long_tasks_are_not_queued_behind_one_another_while_a_worker_is_idle() {
    let _watchdog = watch("idle worker");
    let pool = pool(2);
    let gate = Gate::new();
    // Known to be short, and then one is not.
    pool.map(|gate: Option<Handle>| gate.map(pass), (0..1000).map(|_| None)).unwrap();
    let wait = |gate: Option<Handle>| gate.map(pass);
    let tasks = [(); 2].map(|()| pool.submit(wait, Some(gate.handle())).unwrap());
    common::wait_until_running(&pool, 2);
    gate.open(2);
    assert!(tasks.iter().all(|task| task.join().unwrap().is_some()));
}

type Gated = Option<Handle>;

fn pass_if_gated(gate: Gated) -> bool {
    gate.map(pass).is_some()
}

/// Has both workers wait at a gate of their own, with short tasks behind them.
fn block_two(
    pool: &pool::Pool,
    gates: &[Gate; 2],
) -> ([pool::Task<bool>; 2], Vec<pool::Task<bool>>) {
    // Known to be short, so that several are given at a time.
    pool.map(pass_if_gated, (0..1_000).map(|_| None)).unwrap();
    let blocked = gates.each_ref().map(|gate| pool.submit(pass_if_gated, Some(gate.handle())));
    let blocked = blocked.map(Result::unwrap);
    common::wait_until_running(pool, 2);
    let short = (0..20).map(|_| pool.submit(pass_if_gated, None).unwrap()).collect();
    (blocked, short)
}

#[test]
fn tasks_that_a_busy_worker_has_not_begun_go_to_one_that_is_idle() {
    let _watchdog = watch("balance");
    let pool = pool(2);
    let gates = [Gate::new(), Gate::new()];
    let (blocked, short) = block_two(&pool, &gates);
    gates[0].open(1);
    assert!(short.iter().all(|task| !task.join().unwrap()));
    assert!(!blocked[1].is_ready());
    gates[1].open(1);
    assert!(blocked.iter().all(|task| task.join().unwrap()));
}

#[test]
fn tasks_go_to_an_idle_worker_also_if_nobody_waits_for_any() {
    let _watchdog = watch("balance unasked");
    let pool = pool(2);
    let gates = [Gate::new(), Gate::new()];
    let (reader, writer) = std::io::pipe().unwrap();
    let (blocked, short) = block_two(&pool, &gates);
    gates[0].open(1);
    // The last task says that it runs by closing the pipe: nobody asks the pool for anything.
    let last: Handle = OwnedFd::from(writer).into();
    let last = pool.submit(|_: Handle| (), last).unwrap();
    assert_eq!(std::io::read_to_string(reader).unwrap(), "");
    gates[1].open(1);
    last.join().unwrap();
    assert!(short.iter().all(|task| !task.join().unwrap()));
    assert!(blocked.iter().all(|task| task.join().unwrap()));
}

#[test]
fn nested_pools_work() {
    let _watchdog = watch("nested");
    let pool = pool(1);
    let sum = pool.call(
        |n: u64| -> u64 {
            let inner = pool::Pool::builder().workers(2).build().unwrap();
            inner.map(square, 0..n).unwrap().iter().sum()
        },
        10,
    );
    assert_eq!(sum.unwrap(), 285);
}

#[test]
fn many_threads_can_use_a_pool() {
    let _watchdog = watch("threads");
    let pool = pool(2);
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

/// What a worker was given by a task, for those after it.
static ENDS: std::sync::OnceLock<(std::fs::File, std::fs::File)> = std::sync::OnceLock::new();

/// The task that waits.
const LONG: u64 = 200;

/// Tells its number, and waits if it is the long one.
fn step(number: u64) {
    let (gate, told) = ENDS.get().unwrap();
    (&*told).write_all(&number.to_le_bytes()).unwrap();
    if number == LONG {
        (&*gate).read_exact(&mut [0]).unwrap();
    }
}

#[test]
fn tasks_of_a_dropped_iterator_are_not_begun_those_of_others_are() {
    let _watchdog = watch("dropped iterator");
    let is_shown = || {
        let pool = pool(1);
        let gate = Gate::new();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let told = Handle::from(OwnedFd::from(writer));
        let set = |(gate, told): (Handle, Handle)| {
            ENDS.set((OwnedFd::from(gate).into(), OwnedFd::from(told).into())).unwrap();
        };
        pool.call(set, (gate.handle(), told)).unwrap();
        let mut results = pool.imap_unordered(step, 0..);
        for result in results.by_ref().take(usize::try_from(LONG).unwrap()) {
            result.unwrap();
        }
        let mut last = || {
            let mut number = [0; 8];
            reader.read_exact(&mut number).unwrap();
            u64::from_le_bytes(number)
        };
        while last() != LONG {}
        let other = pool.submit(step, u64::MAX).unwrap();
        // It was given some ahead, if it was quick enough so far.
        let is_shown = pool.stats().workers[0].queued > 1;
        drop(results);
        gate.open(1);
        other.join().unwrap();
        assert_eq!(last(), u64::MAX, "nothing was begun in between");
        is_shown
    };
    while !is_shown() {}
}
