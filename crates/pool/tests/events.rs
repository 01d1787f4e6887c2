//! What is told of a pool while it works.

use pool::{Event, Pool, Retry, TaskError};

use common::{Gate, pass, pool, square, wait_until, wait_until_running, watch};

mod common;

#[test]
fn life_of_a_task_and_the_death_of_a_worker_are_told_in_their_order() {
    let _watchdog = watch("life");
    let pool = Pool::builder().workers(1).on_worker_death(Retry::times(1)).build().unwrap();
    let mut events = pool.events(100);
    let gate = Gate::new();
    let task = pool.task(pass).tag("gate").submit(gate.handle()).unwrap();
    wait_until_running(&pool, 1);
    let first = pool.kill_worker(0).unwrap().unwrap();
    // The dying one may pass too.
    gate.open(2);
    let second = task.join().unwrap();
    let told: Vec<Event> = events.by_ref().take(7).collect();
    let is_it = |task: &pool::TaskId| task.number == 0 && task.tag.as_deref() == Some("gate");
    let [queued, given, died, task_died, started, again, done] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(matches!(queued, Event::TaskQueued { task, n_waiting: 1 } if is_it(task)));
    assert!(
        matches!(given, Event::TaskGiven { task, place: 0, pid } if is_it(task) && *pid == first)
    );
    assert!(
        matches!(died, Event::WorkerDied { place: 0, pid, status } if *pid == first && status.signal() == Some(9))
    );
    assert!(
        matches!(task_died, Event::TaskDied { task, pid, again: true, .. } if is_it(task) && *pid == first)
    );
    assert!(is_it(&task.id()));
    assert_eq!(*started, Event::WorkerStarted { place: 0, pid: second });
    assert!(matches!(again, Event::TaskGiven { task, pid, .. } if is_it(task) && *pid == second));
    assert!(matches!(done, Event::TaskDone { task, pid, .. } if is_it(task) && *pid == second));
    pool.terminate().unwrap();
    assert_eq!(events.next(), None);
    assert_eq!(pool.events(1).next(), None, "nothing happens any more");
}

#[test]
fn worker_with_an_initializer_is_told_to_be_ready() {
    let _watchdog = watch("ready");
    let pool = Pool::builder().workers(1).initializer(|x: u64| x, 3).build().unwrap();
    let mut events = pool.pool().events(100);
    pool.call(|_, ()| (), ()).unwrap();
    pool.pool().kill_worker(0).unwrap();
    let ready = events.by_ref().find(|event| matches!(event, Event::WorkerDied { .. }));
    assert!(ready.is_some());
    let started = events.next().unwrap();
    let Event::WorkerStarted { place: 0, pid } = started else { panic!("{started:?}") };
    pool.call(|_, ()| (), ()).unwrap();
    assert!(events.any(|event| event == Event::WorkerReady { place: 0, pid }));
}

#[test]
fn tasks_are_told_of_when_they_are_queued_with_how_many_wait() {
    let _watchdog = watch("queued");
    let pool = pool(1);
    let gate = Gate::new();
    let first = pool.submit(pass, gate.handle()).unwrap();
    wait_until_running(&pool, 1);
    let mut events = pool.events(100);
    // Nobody knows how long one takes, so the worker gets none of them ahead.
    let urgent = pool.task(square).priority(1).tag("urgent").submit(1).unwrap();
    let map = pool.task(square).chunk_size(2).submit_map(0..5);
    let last = pool.submit(square, 9).unwrap();
    let mut told = Vec::new();
    while let Some(event) = events.try_next() {
        let Event::TaskQueued { task, n_waiting } = event else { panic!("{event:?}") };
        assert_eq!(task.tag.is_some(), task.number == 1);
        told.push((task.number, n_waiting));
    }
    assert_eq!(told, [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7)]);
    gate.open(1);
    assert_eq!(map.join().unwrap(), [0, 1, 4, 9, 16]);
    assert_eq!((urgent.join().unwrap(), last.join().unwrap()), (1, 81));
    first.join().unwrap();
}

#[test]
fn who_listens_and_takes_nothing_holds_up_nobody() {
    let _watchdog = watch("slow listener");
    let pool = pool(2);
    let mut slow = pool.events(10);
    assert_eq!(pool.map(square, 0..1000).unwrap().len(), 1000);
    // A task that is taken back and given to another is told of twice.
    assert!(slow.missed() >= 1990);
    assert!(slow.try_next().is_some());
    drop(slow);
    assert_eq!(pool.map(square, 0..1000).unwrap().len(), 1000);
}

#[test]
fn task_that_dies_for_good_is_told_so() {
    let _watchdog = watch("for good");
    let pool = pool(1);
    let mut events = pool.events(100);
    let error = pool.call(|()| -> () { std::process::abort() }, ()).unwrap_err();
    assert!(matches!(error, TaskError::WorkerDied { .. }));
    let is_end = |event: &Event| matches!(event, Event::TaskDied { again: false, .. });
    assert!(events.any(|event| is_end(&event)));
}

#[test]
fn stats_tell_how_long_tasks_took_and_what_they_are_called() {
    let _watchdog = watch("latencies");
    let pool = pool(1);
    // One by one: of tasks that travel together, the time of one is known.
    assert_eq!(pool.task(square).chunk_size(1).map(0..160).unwrap().len(), 160);
    let gate = Gate::new();
    let task = pool.task(pass).tag("gate").submit(gate.handle()).unwrap();
    wait_until(&pool, |pool| pool.stats().workers[0].tag.as_deref() == Some("gate"));
    let stats = pool.stats();
    assert_eq!((stats.run_time.count, stats.turnaround.count), (160, 10));
    assert!(stats.run_time.median <= stats.run_time.max);
    assert!(stats.turnaround.max >= stats.run_time.mean);
    assert!(stats.to_string().contains("gate"), "{stats}");
    gate.open(1);
    task.join().unwrap();
    assert_eq!(pool.stats().workers[0].tag, None);
}
