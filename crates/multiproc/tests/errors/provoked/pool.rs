//! Pools and their tasks.

use std::time::Duration;

use multiproc::{Pool, Retry, pool};

use super::processes::OneWay;
use super::{Met, meets, notes};
use crate::processes::panic_with_words;
use crate::shared::Stubborn;

pub(super) fn met() -> Met {
    let mut met = Met::new();
    of_tasks(&mut met);
    of_pools(&mut met);
    met
}

/// Does not end.
fn park((): ()) {
    loop {
        std::thread::park();
    }
}

fn of_tasks(met: &mut Met) {
    let pool = Pool::builder().workers(1).on_worker_death(Retry::never()).build().unwrap();
    let task = pool.submit(|()| (), ()).unwrap();
    task.join().unwrap();
    meets!(met, task.join(), pool::TaskError::Taken);
    let task = pool.submit(park, ()).unwrap();
    assert!(task.cancel());
    meets!(met, task.join(), pool::TaskError::Cancelled);
    let panicked = pool.call(panic_with_words, ());
    meets!(met, panicked, pool::TaskError::Panicked(_));
    meets!(met, pool.call(|()| Stubborn, ()), pool::TaskError::Unsendable(_));
    meets!(met, pool.call(|()| OneWay, ()), pool::TaskError::Decode(_));
    let died = pool.call(|()| -> () { std::process::abort() }, ());
    meets!(met, died, pool::TaskError::WorkerDied { .. });
    let late = pool.task(park).timeout(Duration::from_millis(1)).call(());
    meets!(met, late, pool::TaskError::TimedOut { .. });
    let unsendable = pool.submit(|_: Stubborn| (), Stubborn).err().unwrap();
    notes!(met, unsendable.reason(), pool::PoolError::Argument(_));
    let given_up = pool.submit(park, ()).unwrap();
    pool.terminate().unwrap();
    meets!(met, given_up.join(), pool::TaskError::Terminated);
}

fn of_pools(met: &mut Met) {
    meets!(met, Pool::builder().workers(0).build(), pool::PoolError::BadWorkers { .. });
    let nameless = Pool::builder().workers(1).env("", "x").build();
    meets!(met, nameless, pool::PoolError::Start(_));
    let idle = Pool::builder().workers(1).max_tasks_per_worker(0).build();
    meets!(met, idle, pool::PoolError::Setup(_));
    let pool = Pool::builder().workers(1).build().unwrap();
    let badly_cut = pool.map_chunked(|x: u8| x, [1], 0).err().unwrap().error;
    let why = match badly_cut {
        pool::TaskError::NotTaken(why) => Some(why),
        _ => None,
    };
    notes!(met, &why.unwrap(), pool::PoolError::BadChunk);
    pool.close();
    let late = pool.submit(|()| (), ()).err().unwrap();
    notes!(met, late.reason(), pool::PoolError::Closed);
    meets!(met, pool.call(|()| (), ()), pool::TaskError::NotTaken(_));
    let unable = |()| Err::<(), _>("unable");
    let pool = Pool::builder().workers(1).try_initializer(unable, ()).build().unwrap();
    meets!(met, pool.call(|_: &mut (), ()| (), ()), pool::TaskError::NoWorkers(_));
}
