//! Every type at once, from four processes of every start method, while a fifth is killed: counts are right,
//! nothing is held, and no object is left.

use std::process::ExitCode;
use std::time::Duration;

use common::{Account, wait_until};
use manager::{
    Array, Barrier, BoundedSemaphore, Condition, Dict, Error, Event, JoinableQueue, List, Lock,
    LockError, Manager, Namespace, Pool, Queue, RLock, Remote, RemoteIter, Semaphore, Set, ShmDict,
    ShmList, Value,
};
use proc_core::{Process, Start};
use serde::{Deserialize, Serialize};
use testkit::{Outcome, Report};

mod common;

fn main() -> ExitCode {
    testkit::main(&[
        ("every type from four processes, while a fifth is killed", every_type),
        ("the same over sockets", || common::over_sockets(every_type)),
    ])
}

/// One of each.
#[derive(Clone, Serialize, Deserialize)]
struct All {
    dict: Dict<usize, u64>,
    list: List<usize>,
    set: Set<(usize, u64)>,
    array: Array<u64>,
    namespace: Namespace,
    value: Value<u64>,
    /// Changed under the lock, by a call that reads and one that writes.
    plain: Value<u64>,
    lock: Lock,
    rlock: RLock,
    semaphore: Semaphore,
    bounded: BoundedSemaphore,
    condition: Condition,
    event: Event,
    barrier: Barrier,
    queue: Queue<usize>,
    jobs: JoinableQueue<u64>,
    account: Remote<Account>,
    pool: Pool,
    shm_dict: ShmDict<u64, u64>,
    shm_list: ShmList<u64>,
}

const N_OBJECTS: u64 = 20;

/// So many processes finish what they do.
const N_PARTIES: usize = 4;

/// The one that does not.
const VICTIM: usize = 4;

const N_ROUNDS: u64 = 8;

const N_JOBS: u64 = 3;

impl All {
    fn make(manager: &Manager) -> Result<Self, Error> {
        let all = Self {
            dict: manager.dict()?,
            list: manager.list()?,
            set: manager.set()?,
            array: manager.array(&[0; N_PARTIES + 1])?,
            namespace: manager.namespace()?,
            value: manager.value(&0)?,
            plain: manager.value(&0)?,
            lock: manager.lock()?,
            rlock: manager.rlock()?,
            semaphore: manager.semaphore(2)?,
            bounded: manager.bounded_semaphore(2)?,
            condition: manager.condition()?,
            event: manager.event()?,
            barrier: manager.barrier(N_PARTIES as u64)?,
            queue: manager.queue(0)?,
            jobs: manager.joinable_queue(0)?,
            account: manager.create::<Account>(0)?,
            pool: manager.pool(2)?,
            shm_dict: manager.shm_dict(N_PARTIES + 1)?,
            shm_list: manager.shm_list(N_PARTIES * usize::try_from(N_ROUNDS).unwrap_or(0))?,
        };
        (0..N_JOBS).try_for_each(|job| all.jobs.put(&job))?;
        Ok(all)
    }

    /// Uses each of them once.
    fn use_each(&self, me: usize, round: u64) -> Result<(), Error> {
        let one_more = |(n, ()): (Option<u64>, ())| Some(n.unwrap_or(0) + 1);
        self.dict.update(&me, one_more, &())?;
        self.shm_dict.update(&(me as u64), one_more, &())?;
        self.value.update(|(n, ())| n + 1, &())?;
        self.list.push(&me)?;
        // The victim goes on as long as it takes until it is killed.
        if me != VICTIM {
            self.shm_list.push(&round)?;
        }
        self.set.insert(&(me, round))?;
        self.array.update(me, |(n, ())| n + 1, &())?;
        self.namespace.set(&format!("p{me}"), &round)?;
        {
            let _guard = held(self.lock.lock())?;
            self.plain.set(&(self.plain.get()? + 1))?;
        }
        {
            let _outer = held(self.rlock.lock())?;
            let _inner = held(self.rlock.lock())?;
        }
        drop((self.semaphore.acquire()?, self.bounded.acquire()?));
        {
            let mut guard = held(self.condition.lock())?;
            self.condition.notify_all()?;
            // Notified or not; the lock is held, also if its holder died meanwhile.
            if let Err(LockError::Call(error)) = guard.wait_timeout(Duration::from_millis(1)) {
                return Err(error);
            }
        }
        self.event.set()?;
        self.event.wait()?;
        // Who puts first finds something, though another may have got what it put.
        self.queue.put(&me)?;
        self.queue.get()?;
        let lease = self.jobs.get()?;
        self.jobs.put(&*lease)?;
        lease.done()?;
        self.account.call::<_, i64>("pay_in", &1_i64)?;
        // Of which most are not asked for.
        let mut log: RemoteIter<String> = self.account.iterate("log_from", &0_usize)?;
        if log.next().transpose()?.as_deref() != Some("+1") {
            return Err(Error::Refused("what was paid is not in the log".into()));
        }
        if self.pool.call(|n: u64| n * n, &round)? != round * round {
            return Err(Error::Refused("that is no square".into()));
        }
        Ok(())
    }
}

/// A guard, also of a lock whose holder died.
fn held<G>(locked: Result<G, LockError<G>>) -> Result<G, Error> {
    match locked {
        Ok(guard) | Err(LockError::OwnerDied(guard)) => Ok(guard),
        Err(error) => Err(Error::Refused(error.to_string())),
    }
}

fn work((all, me): (All, usize)) -> Result<(), String> {
    for round in 0..N_ROUNDS {
        all.use_each(me, round).map_err(|error| error.to_string())?;
        all.barrier.wait().map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn work_on((all, me): (All, usize)) -> Result<(), String> {
    let worked = (0..).try_for_each(|round| all.use_each(me, round));
    worked.map_err(|error| error.to_string())
}

fn is(holds: bool, what: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what:?}")) }
}

fn every_type() -> Outcome {
    let methods = [Start::Fork, Start::Spawn, Start::ForkServer];
    for (n, of_children) in methods.into_iter().enumerate() {
        let of_manager = methods.into_iter().cycle().nth(n + 1).unwrap_or_default();
        let builder = common::builder().register::<Account>().start_method(of_manager);
        let manager = builder.start()?;
        let all = All::make(&manager)?;
        let start = |me| Process::builder().start(of_children).spawn(work, (all.clone(), me));
        let victim = Process::builder().start(of_children).spawn(work_on, (all.clone(), VICTIM))?;
        let parties = (0..N_PARTIES).map(start).collect::<Result<Vec<_>, _>>()?;
        // It has used them all at least once, and is at it again.
        wait_until(&manager, "it is at it", |_| {
            all.dict.get(&VICTIM).is_ok_and(|rounds| rounds > Some(1))
        });
        victim.kill()?;
        victim.join().err().ok_or("it was killed")?;
        for party in parties {
            party.join()??;
        }
        audit(&manager, &all).map_err(|error| format!("{of_children:?}: {error}"))?;
        drop(all);
        wait_until(&manager, "nothing is left", |stats| {
            (stats.objects, stats.references) == (0, 0)
        });
        manager.shutdown()?;
        proc_core::stop_fork_server();
    }
    Ok(Report::PASSED)
}

fn audit(manager: &Manager, all: &All) -> Result<(), Box<dyn std::error::Error>> {
    wait_until(manager, "the victim is gone", |stats| {
        (stats.clients, stats.waiting, stats.objects) == (1, 0, N_OBJECTS)
    });
    let by_victim = all.dict.get(&VICTIM)?.ok_or("it was at it")?;
    for party in 0..N_PARTIES {
        is(all.dict.get(&party)? == Some(N_ROUNDS), party)?;
        is(all.shm_dict.get(&(party as u64))? == Some(N_ROUNDS), party)?;
        is(all.array.get(party)? == Some(N_ROUNDS), party)?;
        is(all.namespace.get::<u64>(&format!("p{party}"))? == Some(N_ROUNDS - 1), party)?;
    }
    // In its last round it has come to this one, or not.
    let sum = N_PARTIES as u64 * N_ROUNDS + by_victim;
    let is_sum = |n: u64| n == sum || n == sum - 1;
    is(is_sum(all.value.get()?), "the value")?;
    is(is_sum(all.list.len()? as u64), "the list")?;
    let in_memory: u64 =
        all.shm_dict.iter().map(|entry| entry.map(|(_, n)| n)).sum::<Result<_, _>>()?;
    is(is_sum(in_memory), "the dict in shared memory")?;
    is(all.shm_list.len()? as u64 == N_PARTIES as u64 * N_ROUNDS, "the list in shared memory")?;
    is(is_sum(all.set.len()? as u64), "the set")?;
    is(is_sum(all.array.to_vec()?.iter().sum()), "the array")?;
    is(is_sum(all.plain.get()?), "what was changed under the lock")?;
    is(is_sum(u64::try_from(all.account.call::<_, i64>("pay_in", &0_i64)?)?), "the account")?;
    is(!all.lock.is_locked()? && !all.rlock.is_locked()?, "the locks")?;
    drop((held(all.lock.try_lock())?, held(all.rlock.try_lock())?, held(all.condition.lock())?));
    is((all.semaphore.value()?, all.bounded.value()?) == (2, 2), "the permits")?;
    is(all.event.is_set()? && !all.barrier.is_broken()?, "the event and the barrier")?;
    is(all.condition.n_waiting()? == 0 && all.barrier.n_waiting()? == 0, "who waits")?;
    is(all.queue.len()? <= 1, "what it put and did not get")?;
    // A job that it put again and did not finish is there twice.
    let n_jobs = all.jobs.len()? as u64;
    is(n_jobs == N_JOBS || n_jobs == N_JOBS + 1, n_jobs)?;
    is(all.jobs.n_unfinished()? as u64 == n_jobs, "in nobody's hands")?;
    is(all.pool.map(|n: u64| n + 1, 0..10)?.len() == 10, "the pool")?;
    Ok(())
}
