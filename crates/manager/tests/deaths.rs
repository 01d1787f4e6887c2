//! What is left when a client, or the manager's parent, dies at a certain moment: nothing that is held.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]
#![expect(clippy::mem_forget, reason = "victims die with what they hold")]

use std::process::ExitCode;
use std::time::Duration;

use common::{Account, wait_until};
use manager::{Dict, Error, LockError, Manager, Value};
use proc_core::{Fork, Process, Start};
use rustix::process::{Pid, Signal, kill_process};
use testkit::child::{self, Child};
use testkit::{Counter, Outcome, Report, SharedArena};

mod common;

/// Each with lanes, and over sockets.
macro_rules! both {
    ($($name:literal => $scenario:ident,)*) => {
        &[$(
            ($name, $scenario as fn() -> Outcome),
            (concat!($name, " (over sockets)"), || common::over_sockets($scenario)),
        )*]
    };
}

fn main() -> ExitCode {
    testkit::main(both![
        "a lock whose holder is killed is free, and the next is told" => holder_of_lock,
        "who waits for a lock is told when its holder is killed" => waiter_is_told,
        "a reentrant lock whose holder is killed is free" => holder_of_rlock,
        "permits of a killed process come back" => permits_come_back,
        "a condition survives its holder and who waits" => condition,
        "a barrier is broken by a party that is killed" => barrier,
        "what was in the hands of a killed process comes back" => leases,
        "what a process had finished just before its end is finished" => finished_and_gone,
        "an iterator of a killed process is gone" => iterators,
        "who waited at a queue and was killed takes and puts nothing" => waiters_at_queues,
        "a process that was killed holds nothing though its child lives" => child_has_the_socket,
        "a forked child has nothing of its parent's" => forked_child,
        "a manager ends when its parent is killed" => parent_is_killed,
        "a manager that is killed is told of" => manager_is_killed,
        "an interrupt is not for the manager" => interrupted,
        "managers and children of every start method" => start_methods,
    ])
}

fn is(holds: bool, what: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what:?}")) }
}

/// Forks a child that does something and then waits to be killed.
fn victim(body: impl FnOnce()) -> Child {
    child::fork(|| {
        body();
        loop {
            std::thread::park();
        }
    })
}

/// Kills a process that nobody has waited for.
fn kill(pid: i32) -> Result<(), &'static str> {
    let pid = Pid::from_raw(pid).ok_or("a pid")?;
    kill_process(pid, Signal::KILL).map_err(|_| "it is there")
}

/// Nothing is left but what the test has.
fn is_clean(manager: &Manager, objects: u64) {
    wait_until(manager, "nothing is left", |stats| {
        (stats.clients, stats.objects, stats.waiting) == (1, objects, 0)
    });
}

fn holder_of_lock() -> Outcome {
    let manager = common::builder().start()?;
    let lock = manager.lock()?;
    let victim = victim(|| std::mem::forget(lock.lock().unwrap()));
    wait_until(&manager, "it has the lock", |_| lock.is_locked().unwrap());
    is(lock.try_lock().is_err_and(|error| error.is_timed_out()), "it is held")?;
    drop(victim);
    match lock.lock() {
        Err(LockError::OwnerDied(guard)) => drop(guard),
        other => return Err(format!("{other:?}").into()),
    }
    drop(lock.lock()?);
    is_clean(&manager, 1);
    Ok(Report::PASSED)
}

fn waiter_is_told() -> Outcome {
    let manager = common::builder().start()?;
    let lock = manager.lock()?;
    let victim = victim(|| std::mem::forget(lock.lock().unwrap()));
    wait_until(&manager, "it has the lock", |_| lock.is_locked().unwrap());
    let waiting = std::thread::spawn({
        let lock = lock.clone();
        move || lock.lock().is_err_and(|error| error.is_owner_died())
    });
    wait_until(&manager, "another waits", |stats| stats.waiting == 1);
    drop(victim);
    is(waiting.join().unwrap(), "it is told")?;
    is_clean(&manager, 1);
    Ok(Report::PASSED)
}

fn holder_of_rlock() -> Outcome {
    let manager = common::builder().start()?;
    let lock = manager.rlock()?;
    let victim = victim(|| {
        std::mem::forget(lock.lock().unwrap());
        std::mem::forget(lock.lock().unwrap());
    });
    wait_until(&manager, "it has the lock", |_| lock.is_locked().unwrap());
    drop(victim);
    let guard = lock.lock().unwrap_err().into_inner().ok_or("it is held now")?;
    drop(guard);
    is(!lock.is_locked()?, "it is free")?;
    is_clean(&manager, 1);
    Ok(Report::PASSED)
}

fn permits_come_back() -> Outcome {
    let manager = common::builder().start()?;
    let (semaphore, bounded) = (manager.semaphore(3)?, manager.bounded_semaphore(2)?);
    let victim = victim(|| {
        std::mem::forget((semaphore.acquire().unwrap(), semaphore.acquire().unwrap()));
        semaphore.take().unwrap();
        std::mem::forget((bounded.acquire().unwrap(), bounded.acquire().unwrap()));
    });
    wait_until(&manager, "it has them", |_| bounded.value().unwrap() == 0);
    let waiting = std::thread::spawn({
        let bounded = bounded.clone();
        move || bounded.acquire().map(drop)
    });
    wait_until(&manager, "another waits", |stats| stats.waiting == 1);
    drop(victim);
    waiting.join().unwrap()?;
    // What was taken is gone.
    wait_until(&manager, "they are back", |_| semaphore.value().unwrap() == 2);
    wait_until(&manager, "all of them", |_| bounded.value().unwrap() == 2);
    is_clean(&manager, 2);
    Ok(Report::PASSED)
}

fn condition() -> Outcome {
    let manager = common::builder().start()?;
    let condition = manager.condition()?;
    let holder = victim(|| std::mem::forget(condition.lock().unwrap()));
    wait_until(&manager, "it is held", |_| condition.lock_timeout(Duration::ZERO).is_err());
    drop(holder);
    is(condition.lock().is_err_and(|error| error.is_owner_died()), "the next is told")?;
    let waiter = victim(|| condition.lock().unwrap().wait().unwrap());
    wait_until(&manager, "it waits", |_| condition.n_waiting().unwrap() == 1);
    let another = std::thread::spawn({
        let condition = condition.clone();
        move || condition.lock().unwrap().wait().is_ok()
    });
    wait_until(&manager, "both wait", |_| condition.n_waiting().unwrap() == 2);
    // The first is notified, and killed before it has the lock: the notification is the other's.
    let guard = condition.lock()?;
    is(condition.notify_one()? == 1, "it is notified")?;
    drop(waiter);
    wait_until(&manager, "it is gone", |stats| stats.clients == 1);
    drop(guard);
    is(another.join().unwrap(), "the other is notified")?;
    is_clean(&manager, 1);
    Ok(Report::PASSED)
}

fn barrier() -> Outcome {
    let manager = common::builder().start()?;
    let barrier = manager.barrier(3)?;
    let victim = victim(|| drop(barrier.wait()));
    wait_until(&manager, "it waits", |_| barrier.n_waiting().unwrap() == 1);
    let waiting = std::thread::spawn({
        let barrier = barrier.clone();
        move || matches!(barrier.wait(), Err(Error::Broken))
    });
    wait_until(&manager, "another waits", |_| barrier.n_waiting().unwrap() == 2);
    drop(victim);
    is(waiting.join().unwrap(), "it is told")?;
    is(matches!(barrier.wait(), Err(Error::Broken)), "and who comes")?;
    barrier.reset()?;
    is_clean(&manager, 1);
    Ok(Report::PASSED)
}

fn leases() -> Outcome {
    let manager = common::builder().start()?;
    let queue = manager.joinable_queue::<u32>(0)?;
    for n in 1..=4 {
        queue.put(&n)?;
    }
    let victim = victim(|| {
        std::mem::forget((queue.get().unwrap(), queue.get().unwrap()));
        queue.get().unwrap().done().unwrap();
    });
    wait_until(&manager, "it has two", |_| {
        (queue.len().unwrap(), queue.n_unfinished().unwrap()) == (1, 3)
    });
    drop(victim);
    let mut got = Vec::new();
    for _ in 0..3 {
        // The last waits until the others are back, if they are not yet.
        let lease = queue.get()?;
        got.push((*lease, lease.n_returned()));
    }
    got.sort_unstable();
    is(got == [(1, 1), (2, 1), (4, 0)], &got)?;
    queue.join()?;
    is_clean(&manager, 1);
    Ok(Report::PASSED)
}

fn waiters_at_queues() -> Outcome {
    let manager = common::builder().start()?;
    let (empty, full) = (manager.queue::<u32>(0)?, manager.queue::<u32>(1)?);
    full.put(&1)?;
    let getting = victim(|| drop(empty.get()));
    let putting = victim(|| drop(full.put(&2)));
    wait_until(&manager, "both wait", |stats| stats.waiting == 2);
    drop((getting, putting));
    wait_until(&manager, "both are gone", |stats| stats.clients == 1);
    empty.put(&7)?;
    is((empty.get()?, full.get()?, full.len()?) == (7, 1, 0), "nobody else was there")?;
    is_clean(&manager, 2);
    Ok(Report::PASSED)
}

fn finished_and_gone() -> Outcome {
    const N_LEASES: u64 = 50;
    let manager = common::builder().start()?;
    let jobs = manager.joinable_queue::<u64>(0)?;
    for _ in 0..10 {
        (0..N_LEASES).try_for_each(|job| jobs.put(&job))?;
        let mut worker = child::fork(|| {
            let leases: Vec<_> = (0..N_LEASES).map(|_| jobs.get().unwrap()).collect();
            // Each finishes its job, and nobody waits for the manager to hear of it.
            drop(leases);
            0
        });
        is(worker.wait().is_success(), "the worker has worked")?;
        wait_until(&manager, "it is gone", |stats| stats.clients == 1);
        is((jobs.len()?, jobs.n_unfinished()?) == (0, 0), "all are finished")?;
    }
    is_clean(&manager, 1);
    Ok(Report::PASSED)
}

fn iterators() -> Outcome {
    let manager = common::builder().register::<Account>().start()?;
    let account = manager.create::<Account>(0)?;
    for amount in 0..100_i64 {
        account.call::<_, i64>("pay_in", &amount)?;
    }
    let iterate = || account.iterate::<_, String>("log_from", &0_usize);
    let n_iterators = |stats: &manager::Stats| stats.objects - 1;
    let victims = [0, 1, 50].map(|n_taken| {
        victim(|| {
            let mut log = iterate().unwrap();
            assert_eq!(log.by_ref().take(n_taken).filter(Result::is_ok).count(), n_taken);
            std::mem::forget(log);
        })
    });
    wait_until(&manager, "they have iterators", |stats| n_iterators(stats) == 3);
    drop(victims);
    is_clean(&manager, 1);
    // One that waits for an item.
    let event = manager.event()?;
    let waits = victim(|| {
        let mut waiting = account.iterate::<_, bool>("waits", &event).unwrap();
        waiting.next();
    });
    wait_until(&manager, "it waits", |stats| stats.waiting == 1);
    drop(waits);
    // What runs is not ended: the iterator goes when it has yielded what nobody wants.
    event.set()?;
    drop(event);
    wait_until(&manager, "it is gone", |stats| (stats.objects, stats.waiting) == (1, 0));
    // A forked child goes on where its parent is: what was sent already both have.
    let mut log = iterate()?.in_batches_of(1);
    is(matches!(log.next(), Some(Ok(paid)) if paid == "+0"), "the first")?;
    let mut child = child::fork(|| {
        let next = log.next();
        i32::from(!matches!(next, Some(Ok(paid)) if paid == "+1"))
    });
    is(child.wait().is_success(), "the second is the child's")?;
    drop(child);
    is(matches!(log.next(), Some(Ok(paid)) if paid == "+2"), "the third")?;
    drop(log);
    wait_until(&manager, "all are gone", |stats| (stats.objects, stats.references) == (1, 1));
    Ok(Report::PASSED)
}

fn child_has_the_socket() -> Outcome {
    let manager = common::builder().start()?;
    let lock = manager.lock()?;
    let shared = SharedArena::<Counter>::new(1);
    let victim = child::fork(|| {
        std::mem::forget(lock.lock().unwrap());
        // It has all descriptors of its parent, and lives on; a child of the kit would die with it.
        if let Fork::Parent(grandchild) = proc_core::fork().unwrap() {
            shared[0].set(grandchild.into());
        }
        loop {
            std::thread::park();
        }
    });
    let grandchild = shared[0].wait_until(|pid| pid != 0);
    victim.kill();
    let told = lock.lock().is_err_and(|error| error.is_owner_died());
    kill(i32::try_from(grandchild)?)?;
    is(told, "it is told though the socket is open")?;
    drop(victim);
    is_clean(&manager, 1);
    Ok(Report::PASSED)
}

fn forked_child() -> Outcome {
    let mut manager = Some(common::builder().start()?);
    let (lock, dict) = (
        manager.as_ref().ok_or("it is there")?.lock()?,
        manager.as_ref().ok_or("it is there")?.dict::<u32, u32>()?,
    );
    let mut guard = Some(lock.lock()?);
    let mut child = child::fork(|| {
        let seen = lock.try_lock().is_err();
        drop(guard.take());
        // What it dropped was its parent's, and so is the manager.
        let still = lock.is_locked().unwrap();
        dict.set(&1, &2).unwrap();
        let more = manager.as_ref().unwrap().list::<u32>().unwrap();
        more.push(&1).unwrap();
        drop(manager.take());
        more.push(&2).unwrap();
        i32::from(!(seen && still))
    });
    is(child.wait().is_success(), "in the child")?;
    drop(child);
    is(lock.is_locked()? && dict.get(&1)? == Some(2), "as before")?;
    drop(guard);
    is(!lock.is_locked()?, "free")?;
    is_clean(&manager.ok_or("it is there")?, 2);
    Ok(Report::PASSED)
}

fn parent_is_killed() -> Outcome {
    let shared = SharedArena::<Counter>::new(1);
    for _ in 0..5 {
        shared[0].set(0);
        let parent = victim(|| {
            let manager = common::builder().start().unwrap();
            shared[0].set(manager.pid().unwrap().into());
            std::mem::forget(manager);
        });
        let pid = u32::try_from(shared[0].wait_until(|pid| pid != 0))?;
        let id = ipc_core::ProcessId::of(pid)?.ok_or("it lives")?;
        drop(parent);
        ipc_core::wait_for_death(id, ipc_core::Deadline::NEVER)?;
    }
    Ok(Report::PASSED)
}

fn manager_is_killed() -> Outcome {
    let manager = common::builder().start()?;
    let dict = manager.dict::<u32, u32>()?;
    let queue = manager.queue::<u32>(0)?;
    let waiting = std::thread::spawn(move || queue.get());
    wait_until(&manager, "it waits", |stats| stats.waiting == 1);
    let pid = i32::try_from(manager.pid().ok_or("it is ours")?)?;
    kill(pid)?;
    is(matches!(waiting.join().unwrap(), Err(Error::Lost)), "who waits is told")?;
    is(dict.get(&1).is_err_and(|error| error.is_disconnected()), "and who calls")?;
    manager.shutdown()?;
    // Another is another.
    is(common::builder().start()?.dict::<u32, u32>()?.is_empty()?, "a new one")?;
    Ok(Report::PASSED)
}

fn interrupted() -> Outcome {
    for of_manager in [Start::Fork, Start::Spawn, Start::ForkServer] {
        let manager = common::builder().start_method(of_manager).start()?;
        let dict = manager.dict::<u32, u32>()?;
        let pid = i32::try_from(manager.pid().ok_or("it is ours")?)?;
        kill_process(Pid::from_raw(pid).ok_or("a pid")?, Signal::INT)?;
        dict.set(&1, &1)?;
        manager.shutdown()?;
    }
    proc_core::stop_fork_server();
    Ok(Report::PASSED)
}

fn work((total, seen): (Value<u64>, Dict<u32, String>)) -> bool {
    let me = proc_core::current();
    (0..25).all(|_| total.update(|(total, ())| total + 1, &()).is_ok())
        && seen.set(&me.pid(), &me.name().to_owned()).is_ok()
}

fn start_methods() -> Outcome {
    for of_manager in [Start::Fork, Start::Spawn, Start::ForkServer] {
        for of_children in [Start::Fork, Start::Spawn, Start::ForkServer] {
            let manager = common::builder().start_method(of_manager).start()?;
            let (total, seen) = (manager.value(&0_u64)?, manager.dict()?);
            let mut children = Vec::new();
            for _ in 0..4 {
                let argument = (total.clone(), seen.clone());
                children.push(Process::builder().start(of_children).spawn(work, argument)?);
            }
            for child in children {
                is(child.join()?, "its work")?;
            }
            is((total.get()?, seen.len()?) == (100, 4), (of_manager, of_children))?;
            is_clean(&manager, 2);
            manager.shutdown()?;
        }
    }
    proc_core::stop_fork_server();
    Ok(Report::PASSED)
}
