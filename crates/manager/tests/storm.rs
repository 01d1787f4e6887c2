//! Clients are killed at random while they do everything: nothing is lost, held or left.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::process::ExitCode;
use std::time::Duration;

use common::wait_until;
use manager::{Address, Builder, Dict, JoinableQueue, LockError, Manager, Value};
use testkit::Outcome;
use testkit::kill::Storm;

mod common;

fn main() -> ExitCode {
    testkit::main(&[
        ("clients are killed at random", storm),
        ("clients are killed at random (over sockets)", || common::over_sockets(storm)),
        ("clients are killed at random (over TCP)", storm_over_tcp),
    ])
}

/// What they share.
struct Shared {
    manager: Manager,
    /// What each worker has committed, by the numbers of its calls.
    done: Dict<u64, u64>,
    total: Value<u64>,
    lock: manager::Lock,
    rlock: manager::RLock,
    seats: manager::BoundedSemaphore,
    jobs: JoinableQueue<u64>,
    boxes: Dict<u8, Value<u64>>,
}

fn storm() -> Outcome {
    weather(common::builder(), if testkit::full() { 2_000 } else { 150 })
}

/// Who is killed is cut off first, and gone when the grace is over.
fn storm_over_tcp() -> Outcome {
    let builder = common::builder().address(&Address::tcp("127.0.0.1:0")?).key("a key");
    let builder = builder.reconnect_grace(Duration::from_millis(20));
    weather(builder, if testkit::full() { 500 } else { 50 })
}

/// One more, without a function for the manager to run, which it does not for other machines.
fn count_one(total: &Value<u64>) -> Result<(), manager::Error> {
    loop {
        let seen = total.get()?;
        if total.compare_and_set(&seen, &(seen + 1))? {
            return Ok(());
        }
    }
}

fn weather(builder: Builder, kills: u64) -> Outcome {
    let manager = builder.passage_timeout(Duration::from_millis(50)).start()?;
    let shared = Shared {
        done: manager.dict()?,
        total: manager.value(&0)?,
        lock: manager.lock()?,
        rlock: manager.rlock()?,
        seats: manager.bounded_semaphore(2)?,
        jobs: manager.joinable_queue(0)?,
        boxes: manager.dict()?,
        manager,
    };
    for n in 0..200 {
        shared.jobs.put(&n)?;
    }
    let n_objects = 7;
    let role = |shared: &Shared, worker: &testkit::kill::Worker<'_>| {
        let mut rng = worker.rng("client");
        while !worker.should_stop() {
            match rng.range(0..8) {
                0 => {
                    // Both change as one, under the lock, and whoever finds it abandoned repairs.
                    let _guard = match shared.lock.lock() {
                        Ok(guard) => guard,
                        Err(LockError::OwnerDied(guard)) => guard,
                        Err(_) => return 1,
                    };
                    let seen = shared.done.get(&0).unwrap().unwrap_or(0);
                    shared.done.set(&0, &(seen + 1)).unwrap();
                }
                1 => count_one(&shared.total).unwrap(),
                2 => {
                    let outer = shared.rlock.lock().or_else(|error| error.into_inner().ok_or(()));
                    let inner = shared.rlock.lock().or_else(|error| error.into_inner().ok_or(()));
                    drop((outer.unwrap(), inner.unwrap()));
                }
                3 => drop(shared.seats.acquire().unwrap()),
                4 => {
                    let lease = shared.jobs.get().unwrap();
                    shared.jobs.put(&(*lease + 1)).unwrap();
                    lease.done().unwrap();
                }
                5 => {
                    // A box is made, put in for another, and taken out.
                    let made = shared.manager.value(&rng.next_u64()).unwrap();
                    shared.boxes.set(&u8::try_from(rng.range(0..4)).unwrap(), &made).unwrap();
                }
                6 => {
                    let key = u8::try_from(rng.range(0..4)).unwrap();
                    if let Some(found) = shared.boxes.remove(&key).unwrap() {
                        found.get().unwrap();
                    }
                }
                _ => {
                    // Sent, and perhaps never received.
                    let made = shared.manager.value(&1).unwrap();
                    drop(ipc_core::wire::encode(&made).unwrap());
                }
            }
            worker.got_on();
        }
        0
    };
    let end = Storm::new("clients of a manager", &shared)
        .role("client", 4, role)
        .kills(kills)
        .mean(Duration::from_millis(15))
        .limit(Duration::from_secs(150))
        .run()?;
    // All are gone, and with them what they held.
    let manager = &shared.manager;
    wait_until(manager, "they are gone", |stats| stats.clients == 1 && stats.waiting == 0);
    shared.boxes.clear()?;
    wait_until(manager, "no object is left", |stats| {
        (stats.objects, stats.on_their_way) == (n_objects, 0)
    });
    let stats = manager.stats()?;
    if stats.references != n_objects {
        return Err(format!("{stats:?}").into());
    }
    let guard = shared.lock.lock().or_else(|error| error.into_inner().ok_or("not held"))?;
    drop((guard, shared.rlock.lock().or_else(|error| error.into_inner().ok_or("not held"))?));
    let seats = shared.seats.value()?;
    // Each job was put again before it was finished: none is lost, and those that were put by who then
    // died are there twice.
    let jobs = shared.jobs.len()? as u64;
    if seats != 2 || jobs < 200 || shared.jobs.n_unfinished()? as u64 != jobs {
        return Err(format!("{seats} seats, {jobs} jobs").into());
    }
    Ok(end.report(stats.calls, 0, 0).into())
}
